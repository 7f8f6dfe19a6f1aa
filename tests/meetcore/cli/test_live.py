"""The live view on terminals of any size: the newest is always in sight."""

from __future__ import annotations

import io

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text
from trio.testing import MockClock

from meetcore.cli.live import LiveView, Picture
from meetcore.model.drafts import SegmentDraft
from meetcore.model.roster import NameSource
from meetcore.model.transcript import Segment
from meetcore.testing import ScriptedTranscriber, SimMeeting

SIZES = [(80, 24), (80, 20), (44, 22), (30, 8), (200, 60), (20, 5)]


def drawn(picture: Picture, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO())
    lines = console.render_lines(picture, console.options)
    return ["".join(piece.text for piece in line).rstrip() for line in lines]


def texts(*lines: str) -> list[Text]:
    return [Text(line) for line in lines]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_newest_line_is_seen_when_the_transcript_is_taller_than_the_terminal(size):
    picture = Picture(
        Text("in the call"),
        "https://m.example/r",
        texts(*(f"Person {n}" for n in range(30))),
        texts(*(f"{n:02d} Ada: " + "words " * 20 for n in range(40)), "Ben: the newest of all"),
        ["trouble " * 30] * 9,
    )
    lines = drawn(picture, *size)
    assert len(lines) < size[1]
    assert any("of all" in line for line in lines)
    if 20 <= size[1] < 30:
        assert any("in the call" in line for line in lines)
        assert any("Person 0" in line for line in lines)
        assert any(line.lstrip("│ ").startswith("and ") and " more" in line for line in lines)


@given(
    width=st.integers(12, 120),
    height=st.integers(4, 60),
    people=st.integers(0, 40),
    said=st.lists(st.text("ab \u200fא漢", max_size=90), max_size=30),
    trouble=st.integers(0, 5),
)
def test_it_is_never_taller_than_the_terminal_and_ends_with_the_newest(
    width, height, people, said, trouble
):
    picture = Picture(
        Text("state"), "link", texts(*["P"] * people), texts(*said, "END"), ["bad"] * trouble
    )
    lines = drawn(picture, width, height)
    assert len(lines) < height
    assert any("END" in line for line in lines)


def test_on_a_large_terminal_nothing_is_left_out():
    picture = Picture(
        Text("state"), "link", texts("Ada", "Ben"), texts("one", "two", "three"), ["bad"]
    )
    shown = "\n".join(drawn(picture, 80, 40))
    for word in ("state", "link", "Ada", "Ben", "one", "two", "three", "bad"):
        assert word in shown


def test_words_of_a_draft_that_may_still_change_are_fainter():
    def draft(text: str, stable: int) -> SegmentDraft:
        segment = Segment(
            id="u",
            revision=1,
            finalized=False,
            track_id="a",
            participant_id="ada",
            speaker_name="Ada",
            speaker_source=NameSource.TRACK,
            speaker_confidence=1.0,
            text=text,
            start_s=1.0,
            end_s=2.0,
        )
        return SegmentDraft(segment=segment, stable_words=stable)

    view = LiveView(Console(file=io.StringIO()))
    view._take(draft("good morning every", 2))
    (line,) = view._lines()
    assert line.plain.endswith("Ada: good morning every …")
    styles = {line.plain[span.start : span.end]: str(span.style) for span in line.spans}
    assert styles["good morning "] == "italic"
    assert styles["every …"] == "dim italic"


def test_a_meeting_is_shown_with_people_words_and_its_end(tmp_path):
    script = """
title = "Live"
[admission]
after_s = 0.5
[[people]]
id = "ada"
name = "Ada"
[[lines]]
who = "ada"
at_s = 2
text = "good morning everyone"
[[chat]]
who = "ada"
at_s = 3
text = "look here"
[end]
at_s = 6
"""
    meeting = SimMeeting(script, "live")
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=60, height=22)

    async def attend() -> None:
        async with meeting.open_bot(
            tmp_path, transcriber=ScriptedTranscriber(meeting.script)
        ) as bot:
            await LiveView(console).show(bot)

    trio.run(attend, clock=MockClock(autojump_threshold=0))
    last = out.getvalue().rpartition("transcript")
    assert "good morning everyone" in last[2]
    assert "look here" in last[2]
    assert "done (meeting ended)" in last[0]
