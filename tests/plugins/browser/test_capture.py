"""Blocks from a page become chunks on one clock; what is missing is declared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from attrs import define

from meetcore.audio.chunk import Chunk
from meetcore.model.signals import CaptureHealth, TrackAppeared, TrackGone
from meetcore_browser.capture import DOCUMENT_GONE, PageCapture, SampleClock
from meetcore_browser.handover import LostFrames
from meetcore_browser.testing import DeclaredLoss, KeepingCallEvents
from meetcore_browser.wall_steps import WallSteps
from meetcore_browser.wire import AudioBlock, PageMessage, WireError

DOCUMENT = 77


def clock_message(document: int = DOCUMENT, wall_ms: float = 5000.0) -> PageMessage:
    return PageMessage(
        document, "clock", {"wallMs": wall_ms, "frame": 0, "sampleRate": 16000}, own=True
    )


def track_message(number: int = 1, document: int = DOCUMENT, **changes: Any) -> PageMessage:
    data = {
        "track": number,
        "label": f"label-{number}",
        "streams": [f"stream-{number}"],
        "peer": 1,
        "mid": "0",
        "sampleRate": 16000,
        **changes,
    }
    return PageMessage(document, "track", data, own=True)


def block(
    first_frame: int, number: int = 1, document: int = DOCUMENT, level: int = 9
) -> AudioBlock:
    return AudioBlock(document, number, first_frame, np.full(1600, level, np.int16))


@pytest.fixture
def events() -> KeepingCallEvents:
    return KeepingCallEvents()


@pytest.fixture
def capture(events: KeepingCallEvents) -> PageCapture:
    page = PageCapture(events, now=lambda: 0.0)
    page.take(clock_message())
    page.take(track_message())
    return page


def placed(chunks: list[Chunk]) -> list[tuple[str, int, int]]:
    return [(chunk.track_id, chunk.start_sample, chunk.samples) for chunk in chunks]


def test_chunks_stand_where_the_pages_counter_says(
    capture: PageCapture, events: KeepingCallEvents
) -> None:
    capture.take(block(3200))
    capture.take(block(4800))
    assert placed(events.chunks) == [("t1", 3200, 1600), ("t1", 4800, 1600)]
    assert events.losses == []


def test_what_a_page_renders_twice_is_heard_once(
    capture: PageCapture, events: KeepingCallEvents
) -> None:
    """A page that was held up may send a quantum again: no meeting ends for that."""
    capture.take(block(3200))
    capture.take(block(4800 - 128))
    capture.take(block(3200))
    capture.take(LostFrames(*block(0).key, first_frame=6200, frames=400))
    assert placed(events.chunks) == [("t1", 3200, 1600), ("t1", 4800, 1472)]
    assert [(each.start_sample, each.samples) for each in events.losses] == [(6272, 328)]


def test_a_hole_between_two_blocks_is_declared(
    capture: PageCapture, events: KeepingCallEvents
) -> None:
    capture.take(block(0))
    capture.take(block(5000))
    assert events.losses == [DeclaredLoss("t1", 1600, 3400, "page_gap")]


def test_what_the_bridge_dropped_is_declared_and_is_no_hole(
    capture: PageCapture, events: KeepingCallEvents
) -> None:
    capture.take(block(0))
    capture.take(LostFrames(DOCUMENT, 1, 1600, 3200))
    capture.take(block(4800))
    assert events.losses == [DeclaredLoss("t1", 1600, 3200, "bridge_overflow")]


@pytest.mark.parametrize(
    ("behind_s", "losses"), [(0.4, []), (3.0, [DeclaredLoss("t1", 1600, 48_000, "page_behind")])]
)
def test_what_a_busy_page_never_rendered_of_a_track_that_ends_is_declared(
    capture: PageCapture,
    events: KeepingCallEvents,
    behind_s: float,
    losses: list[DeclaredLoss],
) -> None:
    capture.take(block(0))
    gone = {"track": 1, "behindS": behind_s}
    capture.take(PageMessage(DOCUMENT, "gone", gone, own=True))
    assert events.losses == losses
    assert capture.tracks == []


def test_a_track_that_was_left_out_is_neither_heard_nor_declared_lost(
    events: KeepingCallEvents,
) -> None:
    page = PageCapture(events, lambda _: None, now=lambda: 0.0)
    page.take(clock_message())
    page.take(track_message())
    page.take(block(0))
    page.take(LostFrames(DOCUMENT, 1, 1600, 3200))
    page.take(PageMessage(DOCUMENT, "gone", {"track": 1}, own=True))
    assert (events.chunks, events.losses, events.signals) == ([], [], [])


def test_a_second_document_is_placed_by_its_wall_time(
    capture: PageCapture, events: KeepingCallEvents
) -> None:
    capture.take(clock_message(document=88, wall_ms=7500.0))
    capture.take(track_message(document=88))
    capture.take(block(160, document=88))
    assert placed(events.chunks) == [("t2", 2 * 16_000 + 8000 + 160, 1600)]


def test_a_wall_clock_that_was_set_back_gives_no_negative_index() -> None:
    clock = SampleClock()
    clock.place(1, 5000.0, 0, 16_000)
    clock.place(2, 1000.0, 0, 16_000)
    assert clock.sample(2, 10) == 10


def test_the_first_word_about_a_documents_clock_counts() -> None:
    clock = SampleClock()
    clock.place(1, 5000.0, 1600, 16_000)
    clock.place(2, 5900.0, 0, 16_000)
    clock.place(2, 9999.0, 0, 16_000)
    assert clock.sample(2, 0) == 16_000


def test_the_end_of_a_document_ends_its_tracks(
    capture: PageCapture, events: KeepingCallEvents
) -> None:
    capture.take(track_message(number=2))
    capture.take(PageMessage(DOCUMENT, DOCUMENT_GONE, None, own=True))
    assert events.of_type(TrackGone) == [TrackGone("t1"), TrackGone("t2")]
    assert capture.tracks == []


def test_a_track_is_announced_before_it_is_heard_with_all_that_is_known_of_it(
    capture: PageCapture, events: KeepingCallEvents
) -> None:
    [track] = capture.tracks
    assert (track.label, track.stream_ids, track.peer_connection, track.mid) == (
        "label-1",
        ("stream-1",),
        1,
        "0",
    )
    [signal] = events.signals
    assert isinstance(signal, TrackAppeared)


def test_trouble_in_the_page_is_a_health_signal(
    capture: PageCapture, events: KeepingCallEvents
) -> None:
    capture.take(PageMessage(DOCUMENT, "trouble", {"detail": "AudioWorklet is missing"}, own=True))
    assert events.of_type(CaptureHealth) == [CaptureHealth(False, "AudioWorklet is missing")]


@pytest.mark.parametrize("topic", ["clock", "track", "gone", "health", "trouble", DOCUMENT_GONE])
def test_a_joiners_topic_is_never_the_captures(capture: PageCapture, topic: str) -> None:
    assert not capture.take(PageMessage(DOCUMENT, topic, None))


def test_another_topic_is_not_the_captures(capture: PageCapture) -> None:
    assert not capture.take(PageMessage(DOCUMENT, "roster", []))


@pytest.mark.parametrize("topic", ["clock", "track", "gone", "health", "trouble"])
@pytest.mark.parametrize("data", [None, {}, [], "text", {"track": "x", "tracks": [1]}])
def test_a_malformed_message_of_ours_is_a_typed_error(
    capture: PageCapture, topic: str, data: Any
) -> None:
    with pytest.raises(WireError, match=topic):
        capture.take(PageMessage(DOCUMENT, topic, data, own=True))


@define
class SetClock:
    """A machine's clocks, of which somebody sets the wall's."""

    wall_s: float = 5000.0
    steady_s: float = 100.0

    def __call__(self) -> tuple[float, float]:
        return self.wall_s, self.steady_s

    def pass_by(self, seconds: float) -> None:
        self.wall_s += seconds
        self.steady_s += seconds


def health_message(wall_ms: float, frame: int, document: int = DOCUMENT) -> PageMessage:
    data = {"tracks": [], "wallMs": wall_ms, "frame": frame}
    return PageMessage(document, "health", data, own=True)


@pytest.mark.parametrize("step_s", [60.0, -60.0])
def test_a_wall_clock_that_is_set_moves_no_picture(
    events: KeepingCallEvents, step_s: float
) -> None:
    clock = SetClock()
    capture = PageCapture(events, now=lambda: 0.0, wall=WallSteps(clock))
    capture.take(clock_message(wall_ms=5_000_000.0))
    clock.pass_by(10.0)
    assert capture.sound_time(5010.0) == pytest.approx(10.0)
    clock.wall_s += step_s
    clock.pass_by(2.0)
    # The page's own clock does not jump; what records the screen stamps by the wall's.
    capture.take(health_message(5_012_000.0, 12 * 16_000))
    assert capture.sound_time(5012.0 + step_s) == pytest.approx(12.0)
    # A page of a process that began since goes by the clock as it is now, another does not.
    clock.pass_by(8.0)
    capture.take(clock_message(78, 5_020_000.0 + step_s * 1000))
    capture.take(clock_message(79, 5_020_000.0))
    capture.take(track_message(1, 78))
    capture.take(track_message(1, 79))
    capture.take(block(0, 1, 78))
    capture.take(block(0, 1, 79))
    assert [chunk.start_sample for chunk in events.chunks] == [20 * 16_000] * 2
    capture.take(health_message(5_022_000.0 + step_s * 1000, 2 * 16_000, 78))
    clock.pass_by(2.0)
    assert capture.sound_time(5022.0 + step_s) == pytest.approx(22.0)


def test_a_picture_that_cannot_be_read_is_counted_and_ends_nothing(
    events: KeepingCallEvents,
) -> None:
    def take(document: int, data: Any, at_s: float | None) -> None:
        data["data"]

    capture = PageCapture(events, now=lambda: 0.0, on_picture=take)
    for data in ({}, {"frame": "x"}, {"frame": 1}, 5, None, {"frame": float("inf")}):
        capture.take(PageMessage(DOCUMENT, "picture", data, own=True))
    capture.take(PageMessage(DOCUMENT, "picture", {"share": "share-a-1"}, own=True))
    causes = [(loss.track_id, loss.samples, loss.cause) for loss in events.media_losses]
    assert causes == [("screen", 1, "unreadable")] * 6 + [("share-a-1", 1, "unreadable")]
