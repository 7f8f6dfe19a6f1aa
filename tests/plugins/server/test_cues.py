"""Subtitles that are sent while they are read are those that are written at the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.roster import NameSource
from meetcore.model.transcript import Segment, Word, spoken_order
from meetcore_files.formats import to_srt, to_txt, to_vtt
from meetcore_server.native.cues import cue_text


@st.composite
def speeches(draw: st.DrawFn) -> list[Segment]:
    said: list[Segment] = []
    for number in range(draw(st.integers(0, 5))):
        start = draw(st.floats(0, 40))
        count, step = draw(st.integers(1, 40)), draw(st.floats(0, 1.5))
        words = tuple(
            Word(f"w{n}", start + n * step, start + (n + 1) * step, None) for n in range(count)
        )
        said.append(
            Segment(
                id=f"s{number}",
                revision=1,
                finalized=True,
                track_id="t",
                participant_id=None,
                speaker_name=f"P{number}",
                speaker_source=NameSource.UNKNOWN,
                speaker_confidence=0.0,
                text=" ".join(word.text for word in words),
                words=words if draw(st.booleans()) else (),
                start_s=start,
                end_s=words[-1].end_s,
            )
        )
    return said


async def sent(said: list[Segment], file_format: str) -> str:
    async def read() -> AsyncGenerator[Segment, None]:
        for segment in sorted(said, key=spoken_order):
            yield segment

    return b"".join([piece async for piece in cue_text(read(), file_format)]).decode()


@pytest.mark.parametrize(
    ("file_format", "written"), [("srt", to_srt), ("vtt", to_vtt), ("txt", to_txt)]
)
def test_what_is_sent_is_what_is_written(file_format: str, written: object) -> None:
    assert callable(written)

    @given(speeches())
    def same(said: list[Segment]) -> None:
        assert trio.run(sent, said, file_format) == written(said, {})

    same()
