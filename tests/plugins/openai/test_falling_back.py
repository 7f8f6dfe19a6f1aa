"""From an endpoint whose money is used up to a model on this machine, by configuration alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import trio

import meetcore
import meetcore_openai.plugin
import meetcore_pocketsphinx.plugin
import meetcore_rehearsal
from meetcore import TranscriptionCost
from meetcore.testing.scoring import word_errors
from meetcore.testing.script_toml import load_script
from meetcore.testing.voice import read_wav
from meetcore_openai.testing import OpenAIStandIn, open_stand_in
from tests.meetcore.conftest import Stage, check_journal, events_of, kinds

SCRIPT = Path(meetcore_rehearsal.__file__).parent / "scripts" / "planning" / "script.toml"
LINES = [line for line in load_script(SCRIPT).lines if line.audio is not None][:2]


def play(stage: Stage, number: int) -> None:
    audio = LINES[number].audio
    assert audio is not None
    pcm = np.concatenate([read_wav(SCRIPT.parent / audio), np.zeros(32_000, np.int16)])
    start = stage.at.get("ada", 0)
    for at in range(0, len(pcm), 1600):
        stage.events.hear(meetcore.Chunk("ada", start + at, pcm[at : at + 1600]))
    stage.at["ada"] = start + len(pcm)


async def finals(bot: meetcore.Bot, count: int) -> None:
    with trio.fail_after(60):
        async for event in bot.events():
            count -= isinstance(event, meetcore.SegmentFinalized)
            if count == 0:
                return


async def test_words_go_on_on_this_machine_when_the_money_is_gone(tmp_path: Path) -> None:
    """On the real clock: pocketsphinx decodes in a process of its own."""
    stage = Stage()
    async with open_stand_in() as server:
        config = meetcore.BotConfig(
            out_dir=tmp_path,
            fsync=False,
            transcriber="openai",
            transcription=meetcore.TranscriptionConfig(fallback=("pocketsphinx",)),
            plugins={"openai": {"base_url": server.url, "price_per_minute": 0.6}},
        )
        plugins = stage.plugins(
            openai=meetcore_openai.plugin, pocketsphinx=meetcore_pocketsphinx.plugin
        )
        async with stage.bot(tmp_path, config=config, plugins=plugins) as bot:
            stage.admit()
            stage.track("ada")
            play(stage, 0)
            await finals(bot, 1)
            server.fail_always("out_of_money")
            play(stage, 1)
            await finals(bot, 2)
            await bot.stop()
    events = events_of(bot)
    check_journal(events)
    first, second = (event.segment.text for event in kinds(events, meetcore.SegmentFinalized))
    assert first == server.text
    assert word_errors(LINES[1].text, second).rate <= 0.3, second
    (switched,) = kinds(events, meetcore.TranscriberSwitched)
    assert (switched.previous, switched.transcriber) == ("openai", "pocketsphinx")
    assert switched.kind == "quota"
    assert not kinds(events, meetcore.TranscriptionGap)
    account = TranscriptionCost()
    for event in events:
        account.take(event)
    assert set(account.totals) == {"openai", "pocketsphinx"}
    assert 0 < account.costs["USD"] < 0.2


async def test_two_endpoints_of_a_kind_are_told_apart(tmp_path: Path, mock_clock: Any) -> None:
    stage = Stage()
    async with (
        open_stand_in(OpenAIStandIn(text="the first")) as first,
        open_stand_in(OpenAIStandIn(text="the spare")) as spare,
    ):
        first.fail_always("unauthorized")
        config = meetcore.BotConfig(
            out_dir=tmp_path,
            fsync=False,
            transcriber="openai",
            transcription=meetcore.TranscriptionConfig(fallback=("openai:spare",)),
            plugins={"openai": {"base_url": first.url}, "openai:spare": {"base_url": spare.url}},
        )
        plugins = stage.plugins(openai=meetcore_openai.plugin)
        async with stage.bot(tmp_path, config=config, plugins=plugins) as bot:
            stage.admit()
            stage.track("ada")
            stage.sound("ada", 1.0)
            stage.sound("ada", 2.0, voice=False)
            await finals(bot, 1)
            await bot.stop()
    events = events_of(bot)
    assert [e.segment.text for e in kinds(events, meetcore.SegmentFinalized)] == ["the spare"]
    (switched,) = kinds(events, meetcore.TranscriberSwitched)
    assert (switched.previous, switched.transcriber) == ("openai", "openai:spare")
    assert {e.transcriber for e in kinds(events, meetcore.TranscriberUsage)} >= {"openai:spare"}
