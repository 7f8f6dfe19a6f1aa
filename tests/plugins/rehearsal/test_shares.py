"""Screens in a rehearsal: seen by the bot, told, recorded as streams of their own."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest
import trio

from meetcore import BotConfig, Plugins, ShareStarted, ShareStopped, open_bot, read_journal
from meetcore.testing.script import (
    Admission,
    Decision,
    End,
    Line,
    Person,
    ScreenShare,
    Script,
    ScriptError,
    check_script,
)
from meetcore_files.sink import FilesSink
from meetcore_rehearsal.rehearsal import open_rehearsal

PEOPLE = (Person(id="ada", name="Ada", host=True), Person(id="ben", name="Ben"))
SCRIPT = Script(
    title="Slides",
    people=PEOPLE,
    admission=Admission(decision=Decision.ADMIT, after_s=0.2),
    lines=(Line(who="ada", at_s=0.5, text="look at this slide", duration_s=10.0),),
    shares=(
        ScreenShare(who="ada", at_s=1.0, until_s=10.0),
        ScreenShare(who="ben", at_s=11.0, until_s=15.0),
    ),
    end=End(at_s=16.5),
)


def test_a_share_has_an_end_and_somebody_who_is_there() -> None:
    for share, said in [
        (ScreenShare(who="ada", at_s=5.0, until_s=5.0), "before it begins"),
        (ScreenShare(who="eve", at_s=5.0), "eve"),
    ]:
        with pytest.raises(ScriptError, match=said):
            check_script(Script(people=PEOPLE, shares=(share,), end=End(at_s=9.0)), "x")


@pytest.mark.browser
async def test_each_screen_that_is_shared_is_a_file_with_stills(tmp_path: Path) -> None:
    plugins = {"browser": {"video_size": "360p", "video_frames_per_s": 5, "share": True}}
    config = BotConfig(out_dir=tmp_path, video=True, plugins=plugins)
    with trio.fail_after(120):
        async with (
            open_rehearsal(SCRIPT) as stage,
            open_bot(
                stage.link,
                config=config,
                plugins=Plugins(only=["rehearsal", "browser"]),
                sinks=[FilesSink()],
            ) as bot,
        ):
            await bot.wait_ended()
            events = list(read_journal(bot.journal.path))
    told = [(type(e), e.name) for e in events if isinstance(e, ShareStarted | ShareStopped)]
    assert told[:4] == [
        (ShareStarted, "Ada"),
        (ShareStopped, "Ada"),
        (ShareStarted, "Ben"),
        (ShareStopped, "Ben"),
    ]
    folder = bot.journal.path.parent / "files"
    ada, ben = json.loads((folder / "shares.json").read_text())["shares"]
    assert (ada["name"], ben["name"]) == ("Ada", "Ben")
    assert ada["to_s"] - ada["from_s"] == pytest.approx(9.0, abs=1.5)
    assert len(ada["stills"]) >= 2, "a slide every four seconds"
    for each, lasts_s in ((ada, 9.0), (ben, 4.0)):
        with av.open(str(folder / each["file"])) as container:
            assert not container.streams.audio
            frames = list(container.decode(video=0))
        assert (frames[0].width, frames[0].height) == (1280, 720)
        assert float(frames[-1].time or 0) == pytest.approx(lasts_s, abs=1.8)
        with av.open(str(folder / each["stills"][0]["file"])) as still:
            [picture] = still.decode(video=0)
        pixels = picture.to_ndarray(format="rgb24")
        assert pixels[5, 5].min() > 200, "a light slide, not the room"
    assert (folder / "video.mp4").exists()
