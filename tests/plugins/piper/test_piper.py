"""The program is started once, answers in order, fails in words, and leaves nothing behind.

With a stand-in that behaves, and misbehaves, as the program could.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import trio
import trio.testing

import meetcore_piper.plugin
from meetcore import (
    BotConfig,
    ConfigError,
    HealthReport,
    MeetcoreError,
    ParticipantJoined,
    SynthesisRequest,
)
from meetcore.log.scratch import scratch_in
from meetcore.testing import LeakGuard, SimMeeting
from meetcore_piper.options import PiperOptions
from meetcore_piper.plugin import meetcore_check_health
from meetcore_piper.synthesizer import PiperSynthesizer
from tests.plugins.piper.stand_in import SAMPLE_RATE_HZ

STAND_IN = Path(__file__).parent / "stand_in.py"
ABOUT = {"audio": {"sample_rate": SAMPLE_RATE_HZ}, "num_speakers": 3}


def voice_in(folder: Path, about: object = ABOUT) -> Path:
    voice = folder / "voice.onnx"
    voice.write_bytes(b"weights")
    Path(f"{voice}.json").write_text(about if isinstance(about, str) else json.dumps(about))
    return voice


def options_in(folder: Path, *switches: object, **more: object) -> PiperOptions:
    command = (sys.executable, str(STAND_IN), "--notes", str(folder / "notes"))
    given = {"command": (*command, *map(str, switches)), "voice": voice_in(folder), **more}
    return PiperOptions(**given)  # type: ignore[arg-type]


@asynccontextmanager
async def piper(folder: Path, *switches: object, **more: object) -> AsyncIterator[PiperSynthesizer]:
    synthesizer = PiperSynthesizer(options_in(folder, *switches, **more))
    guard = LeakGuard()
    with trio.fail_after(60):
        yield synthesizer
        await synthesizer.aclose()
    await guard.settled()


def starts(folder: Path) -> list[str]:
    notes = folder / "notes"
    return notes.read_text().splitlines() if notes.exists() else []


async def said(synthesizer: PiperSynthesizer, text: str) -> list[tuple[str, int, float]]:
    """Return each sentence with how loud it is, and its length in seconds."""
    found: list[tuple[str, int, float]] = []
    async for piece in synthesizer.synthesize(SynthesisRequest(bot_id="bot", text=text)):
        if isinstance(piece, str):
            found.append((piece, 0, 0.0))
            continue
        assert 0 < len(piece) <= SAMPLE_RATE_HZ // 10 * 2
        (level,) = set(np.frombuffer(piece, "<i2").tolist())
        text, _, length_s = found.pop()
        found.append((text, level, length_s + len(piece) / 2 / SAMPLE_RATE_HZ))
    return found


async def test_it_is_started_once_and_speaks_sentence_by_sentence(tmp_path: Path) -> None:
    async with piper(tmp_path) as synthesizer:
        assert starts(tmp_path) == [], "before the first text nothing runs"
        assert await said(synthesizer, "Say 7. Then 8,\nand go on! \x00[[9]]?") == [
            ("Say 7.", 7, 0.25),
            ("Then 8, and go on!", 8, 0.25),
            ("[[9]]?", 9, 0.25),
        ]
        assert await said(synthesizer, "Say 10.") == [("Say 10.", 10, 0.25)]
        assert await said(synthesizer, "*** …") == []
    assert len(starts(tmp_path)) == 1


async def test_rate_and_speaker_are_given_and_nothing_of_what_is_said(tmp_path: Path) -> None:
    async with piper(tmp_path, rate=2.0, speaker=2) as synthesizer:
        assert await said(synthesizer, "Secret 5.") == [("Secret 5.", 5, 0.125)]
    (arguments,) = starts(tmp_path)
    assert "--length-scale 0.500 --speaker 2" in arguments
    assert "Secret" not in arguments


async def test_what_is_said_lies_where_the_store_wants_it_and_only_until_it_is_read(
    tmp_path: Path,
) -> None:
    scratch = tmp_path / "memory"
    scratch.mkdir()
    with scratch_in(scratch):
        async with piper(tmp_path) as synthesizer:
            await said(synthesizer, "It's secret 1. And 2.")
            (folder,) = scratch.iterdir()
            assert folder.stat().st_mode & 0o777 == 0o700
            assert list(folder.glob("*.wav")) == []
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("read", [0, 1, 2])
async def test_what_was_broken_off_is_not_heard_in_the_next_text(tmp_path: Path, read: int) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    async with piper(tmp_path, "--gate", gate) as synthesizer:
        await said(synthesizer, "Say 9.")
        request = SynthesisRequest(bot_id="bot", text="Say 1. Say 2. Say 3.")
        broken_off = synthesizer.synthesize(request)
        for _ in range(read):
            await anext(broken_off)
        if not read:
            gate.unlink()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(anext, broken_off)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            gate.touch()
        await broken_off.aclose()  # type: ignore[attr-defined]
        now = await said(synthesizer, "Say 4. Say 5.")
        assert now == [("Say 4.", 4, 0.25), ("Say 5.", 5, 0.25)]
    assert len(starts(tmp_path)) == 1, "the voice is not loaded anew"


async def test_two_texts_at_a_time_get_their_own_answers(tmp_path: Path) -> None:
    async with piper(tmp_path) as synthesizer, trio.open_nursery() as nursery:

        async def check(first: int) -> None:
            text = " ".join(f"Say {first + n}." for n in range(5))
            assert [level for _, level, _ in await said(synthesizer, text)] == [
                first + n for n in range(5)
            ]

        nursery.start_soon(check, 100)
        nursery.start_soon(check, 200)
    assert len(starts(tmp_path)) == 1


async def test_a_program_that_died_says_why_and_is_started_again(tmp_path: Path) -> None:
    async with piper(tmp_path) as synthesizer:
        await said(synthesizer, "Say 1.")
        with pytest.raises(MeetcoreError, match="exit code 1: ValueError: no channels") as caught:
            await said(synthesizer, "Now die.")
        assert "cannot speak" in caught.value.remedy
        assert await said(synthesizer, "Say 2.") == [("Say 2.", 2, 0.25)]
    assert len(starts(tmp_path)) == 2


async def test_one_that_died_while_nobody_asked_is_an_error_of_the_next_text_only(
    tmp_path: Path,
) -> None:
    async with piper(tmp_path) as synthesizer:
        await said(synthesizer, "Say 1.")
        assert synthesizer._program is not None
        synthesizer._program._process.kill()
        with pytest.raises(MeetcoreError, match="ended with exit code -9"):
            await said(synthesizer, "Say 2.")
        assert await said(synthesizer, "Say 3.") == [("Say 3.", 3, 0.25)]


async def test_its_last_words_are_not_told_where_they_have_words_of_the_text(
    tmp_path: Path,
) -> None:
    async with piper(tmp_path, "--fault", "tells") as synthesizer:
        with pytest.raises(MeetcoreError) as caught:
            await said(synthesizer, "Alvarez may die.")
    assert "Alvarez" not in caught.value.message
    assert caught.value.message == "piper ended with exit code 1."


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("outside", "outside of its folder"),
        ("garbage", "no sound that can be read"),
        ("other_rate", "8000 Hz; the voice says 1, 16 and 16000"),
        ("no_voice", r"exit code 1: ValueError: Unable to find voice: voice\.onnx"),
    ],
)
async def test_what_it_does_wrong_is_an_error_in_words(
    tmp_path: Path, fault: str, why: str
) -> None:
    with scratch_in(tmp_path):
        async with piper(tmp_path, "--fault", fault) as synthesizer:
            for _ in range(2):
                with pytest.raises(MeetcoreError, match=why) as caught:
                    await said(synthesizer, "Say 1.")
                assert "[plugins.piper]" in caught.value.remedy
    assert len(starts(tmp_path)) == 2


async def test_one_that_never_answers_is_given_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_piper.synthesizer.ANSWER_TIMEOUT_S", 0.2)
    async with piper(tmp_path, "--fault", "hang") as synthesizer:
        with pytest.raises(MeetcoreError, match="did not speak within"):
            await said(synthesizer, "Say 1.")
        loading = synthesizer._program
        assert loading is not None, "it may still be loading its voice"
        monkeypatch.setattr("meetcore_piper.program.START_TIMEOUT_S", 0.0)
        with pytest.raises(MeetcoreError, match="did not speak within"):
            await said(synthesizer, "Say 2.")
        assert synthesizer._program is None
        assert loading._process.returncode == -9


async def test_a_voice_that_loads_slowly_speaks_the_next_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    async with piper(tmp_path, "--gate", gate) as synthesizer:
        with monkeypatch.context() as patch:
            patch.setattr("meetcore_piper.synthesizer.ANSWER_TIMEOUT_S", 0.2)
            with pytest.raises(MeetcoreError, match="did not speak within"):
                await said(synthesizer, "Say 1.")
        gate.touch()
        assert await said(synthesizer, "Say 2.") == [("Say 2.", 2, 0.25)]
    assert len(starts(tmp_path)) == 1


async def test_without_the_program_it_says_so(tmp_path: Path) -> None:
    async with piper(tmp_path, command=(str(tmp_path / "piper"),)) as synthesizer:
        with pytest.raises(MeetcoreError, match=r"piper cannot be started: No such file") as caught:
            await said(synthesizer, "Say 1.")
    assert "pip install piper-tts" in caught.value.remedy


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"voice": None}, "has no voice"),
        ({"voice": Path("/nowhere/joe.onnx")}, r"there is no file /nowhere/joe\.onnx"),
        ({"rate": 3.0}, "rate is 3"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"command": ()}, r"command is \(\)"),
        ({"command": "piper"}, "command is 'piper'"),
        ({"speaker": 3}, "speaker is 3, and the voice voice.onnx has 3"),
        ({"speaker": -1}, "speaker is -1"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, changed: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        PiperSynthesizer(options_in(tmp_path, **changed))
    assert "[plugins.piper]" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    "about", ["", "[]", "{}", '{"audio": {"sample_rate": "22050"}}', '{"audio": 1}', "{", "null"]
)
def test_a_voice_that_does_not_say_its_rate_is_refused(tmp_path: Path, about: str) -> None:
    voice = voice_in(tmp_path, about)
    with pytest.raises(ConfigError, match=r"\[plugins\.piper\] voice: .*audio\.sample_rate"):
        PiperSynthesizer(PiperOptions(voice=voice))
    Path(f"{voice}.json").unlink()
    with pytest.raises(ConfigError, match=r"no file .*voice\.onnx\.json"):
        PiperSynthesizer(PiperOptions(voice=voice))


def findings(config: dict[str, object]) -> tuple[bool, str]:
    report = HealthReport(config)
    meetcore_check_health(report)
    (finding,) = report.findings
    return finding.ok, finding.detail + finding.remedy


def test_doctor_has_it_speak_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = options_in(tmp_path)
    table = {"voice": str(options.voice), "command": list(options.command)}
    ok, told = findings({"piper": table})
    assert ok, told
    assert "voice.onnx spoke 0.2 s" in told
    ok, told = findings({"piper": {**table, "command": [*options.command, "--fault", "no_voice"]}})
    assert not ok
    assert "Unable to find voice" in told
    ok, told = findings({"piper": {**table, "voice": None}})
    assert (ok, "has no voice" in told) == (False, True)
    monkeypatch.setenv("PATH", os.devnull)
    ok, told = findings({})
    assert ok, "a voice that nobody asked for is no trouble"
    assert "pip install piper-tts" in told


async def test_a_bot_says_it_and_the_program_ends_with_the_call(tmp_path: Path) -> None:
    script = '[[people]]\nid = "ada"\nname = "Ada"\n[end]\nat_s = 60\n'
    meeting = SimMeeting(script)
    options = options_in(tmp_path)
    table = {"voice": str(options.voice), "command": list(options.command)}
    settings = {
        "plugins": meeting.plugins(piper=meetcore_piper.plugin),
        "config": BotConfig(fsync=False, out_dir=tmp_path / "bot", plugins={"piper": table}),
        "synthesizer": "piper",
    }
    guard = LeakGuard()
    with trio.fail_after(60):
        async with meeting.open_bot(tmp_path / "bot", **settings) as bot:
            async for event in bot.events():
                if isinstance(event, ParticipantJoined) and event.participant.id == "ada":
                    break
            speech = bot.say("Say 7. Say 8.")
            assert await speech.wait()
            assert speech.said == "Say 7. Say 8."
            assert len(starts(tmp_path)) == 1
    await guard.settled()
    assert [heard.duration_s for heard in meeting.said] == [0.5]
