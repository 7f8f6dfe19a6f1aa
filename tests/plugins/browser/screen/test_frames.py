"""What the screen's recorder writes, put together from any pieces; when its picture is unwell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore_browser.errors import BrowserError
from meetcore_browser.screen.frames import ScreenFrame, ScreenFrameReader, packed, packed_news
from meetcore_browser.screen.worker import PictureJudge

FRAMES = st.lists(
    st.builds(
        ScreenFrame,
        st.sampled_from([b"K", b"D"]),
        st.floats(0, 2e9, allow_nan=False),
        st.binary(max_size=40),
    ),
    max_size=6,
)


@given(frames=FRAMES, data=st.data())
def test_frames_come_whole_however_they_were_cut(
    frames: list[ScreenFrame], data: st.DataObject
) -> None:
    written = b"".join(packed(frame.kind, frame.at, frame.data) for frame in frames)
    reader, found, at = ScreenFrameReader(), [], 0
    while at < len(written):
        size = data.draw(st.integers(1, len(written) - at))
        found += reader.feed(written[at : at + size])
        at += size
    assert found == frames


def test_news_and_what_nobody_writes() -> None:
    [frame] = ScreenFrameReader().feed(packed_news(5.0, picture="still", for_s=10.0))
    assert frame.news == {"picture": "still", "for_s": 10.0}
    for wrong in (b"X" + bytes(12), packed(b"K", 0.0, b"")[:9] + b"\xff\xff\xff\xff"):
        with pytest.raises(BrowserError, match="unreadable"):
            ScreenFrameReader().feed(wrong)


def test_a_picture_that_stays_or_is_black_for_ten_seconds_is_told_once_as_is_its_end() -> None:
    judge, told, times = PictureJudge(), [], []
    grey, black = np.full((9, 16), 90, np.uint8), np.full((9, 16), 16, np.uint8)

    def see(since: float, until: float, picture: np.ndarray) -> None:
        judged = (judge.judge(100.0 + at, picture) for at in np.arange(since, until, 1 / 15))
        told.extend((news["picture"], round(news["for_s"])) for news in judged if news is not None)
        times.append(len(told))

    see(0, 8, grey)
    see(8, 9, grey + 1)
    see(9, 30, grey)
    see(30, 32, grey + 1)
    see(32, 50, black)
    see(50, 60, grey)
    assert told == [("still", 10), ("moving", 0), ("black", 10), ("moving", 0)]
    assert times == [0, 0, 1, 2, 3, 4]
