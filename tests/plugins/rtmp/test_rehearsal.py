"""A rehearsal, live: what a real browser shows arrives at a real receiver while it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from meetcore import BotConfig, ChatReceived, LedgerClosed, Plugins, open_bot, read_journal
from meetcore.model.secrets import Secret
from meetcore.testing.script import Admission, ChatLine, Decision, End, Line, Person, Script
from meetcore_rehearsal.rehearsal import open_rehearsal
from meetcore_rtmp.options import RtmpOptions
from meetcore_rtmp.sink import RtmpSink
from tests.plugins.rtmp.receivers import KEY, arrived, cannot_serve, nginx_receiver

SCRIPT = Script(
    title="Live",
    people=(Person(id="ada", name="Ada", host=True),),
    admission=Admission(decision=Decision.ADMIT, after_s=0.2),
    lines=(Line(who="ada", at_s=0.5, text="we are on the air", duration_s=7.0),),
    chat=(ChatLine(who="ada", at_s=2.0, text="for the bot alone", to_bot=True),),
    end=End(at_s=9.0),
)


@pytest.mark.browser
async def test_a_rehearsal_arrives_while_it_goes_on(tmp_path: Path) -> None:
    if trouble := cannot_serve():
        pytest.skip(trouble)
    with trio.fail_after(120):
        async with nginx_receiver(tmp_path / "nginx") as receiver, open_rehearsal(SCRIPT) as stage:
            sink = RtmpSink(RtmpOptions(url=receiver.url, key=Secret(KEY)))
            config = BotConfig(
                out_dir=tmp_path / "bots",
                video=True,
                plugins={"browser": {"video_size": "360p", "video_frames_per_s": 10}},
            )
            plugins = Plugins(only=["rehearsal", "browser"])
            async with open_bot(stage.link, config=config, plugins=plugins, sinks=[sink]) as bot:
                await bot.wait_ended()
                events = list(read_journal(bot.journal.path))
            [recording] = receiver.recordings()
    got = arrived(recording)
    assert got.size == (640, 360)
    assert got.sound_s > 6
    assert got.pictures[-1] > 6
    assert got.clicks
    [alone] = [event for event in events if isinstance(event, ChatReceived)]
    assert (alone.text, alone.direct, alone.sender_id) == ("for the bot alone", True, "ada")
    [ledger] = [event for event in events if isinstance(event, LedgerClosed)]
    assert ledger.balanced
    assert KEY not in bot.journal.path.read_text()
