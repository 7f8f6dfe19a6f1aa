"""Tracks that a joiner left out, and takes or drops later; how loud each is."""

from __future__ import annotations

import numpy as np
import pytest

from meetcore import TrackAppeared, TrackGone
from meetcore_browser.capture import PageCapture, RemoteTrack
from meetcore_browser.testing import KeepingCallEvents
from meetcore_browser.wire import AudioBlock, PageMessage


class Chooser:
    """A joiner that takes the labels it is told to."""

    def __init__(self) -> None:
        self.taken = {"main"}
        self.events = KeepingCallEvents()
        self.now = 0.0
        self.capture = PageCapture(self.events, self.whose, now=lambda: self.now)

    def whose(self, track: RemoteTrack) -> TrackAppeared | None:
        return TrackAppeared(track.track_id, None, "mix") if track.label in self.taken else None

    def appears(self, number: int, label: str) -> None:
        data = {"track": number, "label": label, "streams": [], "peer": 1, "mid": "0"}
        self.capture.take(PageMessage(1, "track", data | {"sampleRate": 16_000}, own=True))

    def block(self, number: int, frame: int, level: int) -> None:
        self.capture.take(AudioBlock(1, number, frame, np.full(1600, level, np.int16)))


@pytest.fixture
def page() -> Chooser:
    page = Chooser()
    page.appears(1, "main")
    page.appears(2, "twin")
    return page


def test_a_track_that_was_left_out_can_be_taken_later(page: Chooser) -> None:
    page.block(2, 0, 900)
    assert page.events.chunks == []
    page.taken = {"main", "twin"}
    page.capture.reconsider()
    assert [t.label for t in page.capture.tracks] == ["main", "twin"]
    page.block(2, 1600, 900)
    assert [chunk.start_sample for chunk in page.events.chunks] == [1600]
    assert page.events.losses == []


def test_a_track_can_be_left_out_again_and_comes_back_as_another(page: Chooser) -> None:
    page.taken = {"twin"}
    page.capture.reconsider()
    first = page.events.of_type(TrackAppeared)[0].track_id  # type: ignore[attr-defined]
    assert page.events.of_type(TrackGone) == [TrackGone(first)]
    page.block(1, 0, 900)
    assert page.events.chunks == []
    page.taken = {"main"}
    page.capture.reconsider()
    ids = [t.track_id for t in page.events.of_type(TrackAppeared)]  # type: ignore[attr-defined]
    assert len(set(ids)) == 3
    page.capture.reconsider()
    assert len(page.events.of_type(TrackAppeared)) == 3


def test_levels_tell_silence_sound_and_speech_of_every_track(page: Chooser) -> None:
    for number, level in ((1, 0), (2, 20)):
        page.now = float(number)
        page.block(number, 0, level)
    page.now = 5.0
    page.block(2, 1600, 900)
    main, twin = page.capture.levels
    assert (main.label, main.taken, main.block_s, main.sound_s) == ("main", True, 1.0, None)
    assert (twin.label, twin.taken, twin.sound_s, twin.loud_s) == ("twin", False, 5.0, 5.0)


def test_a_track_that_ends_while_it_is_left_out_is_no_candidate(page: Chooser) -> None:
    page.capture.take(PageMessage(1, "gone", {"track": 2}, own=True))
    page.taken = {"main", "twin"}
    page.capture.reconsider()
    assert [t.label for t in page.capture.tracks] == ["main"]
    assert [level.label for level in page.capture.levels] == ["main"]
