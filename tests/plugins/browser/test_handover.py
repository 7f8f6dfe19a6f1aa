"""The hand-over between the threads: bounded, in order, and every dropped sample accounted for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meetcore_browser.handover import BATCH, Handed, Handover, LostFrames, PageOutOfHand
from meetcore_browser.wire import AudioBlock, PageMessage

BLOCK = 100


class Rig:
    """A hand-over whose other thread runs only when it is let."""

    def __init__(self, max_blocks: int = 3, max_messages: int = 5) -> None:
        self.handed: list[Handed] = []
        self.errors: list[PageOutOfHand] = []
        self.woken = 0
        self.handover = Handover(
            self.handed.append, self._wake, self.errors.append, max_blocks, max_messages
        )

    def _wake(self, drain: Callable[[], None]) -> None:
        self.woken += 1

    def block(self, number: int, track: int = 1, frames: int = BLOCK) -> None:
        pcm = np.zeros(frames, np.int16)
        self.handover.put(AudioBlock(7, track, number * BLOCK, pcm))

    def lost(self) -> list[LostFrames]:
        return [item for item in self.handed if isinstance(item, LostFrames)]

    def starts(self) -> list[int]:
        return [item.first_frame for item in self.handed if isinstance(item, AudioBlock)]


def test_what_fits_arrives_in_order_and_nothing_is_lost() -> None:
    rig = Rig()
    for number in range(3):
        rig.block(number)
    rig.handover.put(PageMessage(7, "gone", None))
    rig.handover.drain()
    assert rig.starts() == [0, 100, 200]
    assert rig.handed[-1] == PageMessage(7, "gone", None)
    assert rig.lost() == []
    assert not rig.handover.waiting


def test_what_does_not_fit_is_one_exact_range_in_its_place() -> None:
    rig = Rig()
    for number in range(10):
        rig.block(number)
    rig.handover.put(PageMessage(7, "gone", {"track": 1}))
    rig.handover.drain()
    assert rig.starts() == [0, 100, 200]
    assert rig.lost() == [LostFrames(7, 1, 300, 700)]
    # Declared before the track is said to be gone.
    assert isinstance(rig.handed[-2], LostFrames)
    assert rig.handover.dropped_blocks == 7


def test_a_loss_is_handed_over_even_when_nothing_follows_it() -> None:
    rig = Rig(max_blocks=1)
    rig.block(0)
    rig.block(1)
    rig.handover.drain()
    assert rig.lost() == [LostFrames(7, 1, 100, 100)]


def test_a_hole_within_a_loss_is_not_counted_as_part_of_it() -> None:
    rig = Rig(max_blocks=1)
    for number in (0, 1, 2, 5, 6):
        rig.block(number)
    rig.handover.drain()
    assert rig.lost() == [LostFrames(7, 1, 100, 200), LostFrames(7, 1, 500, 200)]


def test_a_page_that_tells_too_much_is_an_error_once() -> None:
    rig = Rig()
    for number in range(20):
        rig.handover.put(PageMessage(7, "flood", number))
    rig.handover.drain()
    assert len(rig.errors) == 1
    assert [item.data for item in rig.handed if isinstance(item, PageMessage)] == [0, 1, 2, 3, 4]


def test_a_long_queue_is_delivered_a_batch_at_a_time() -> None:
    rig = Rig(max_blocks=BATCH * 2)
    for number in range(BATCH + 1):
        rig.block(number)
    rig.woken = 0
    rig.handover.drain()
    assert len(rig.handed) == BATCH
    assert rig.woken == 1
    rig.handover.drain()
    assert len(rig.handed) == BATCH + 1


@given(st.lists(st.integers(0, 3), max_size=200))
def test_every_sample_is_handed_over_or_counted_as_lost(steps: list[int]) -> None:
    rig = Rig(max_blocks=4)
    sent = {1: 0, 2: 0}
    for step in steps:
        if step == 0:
            rig.handover.drain()
        elif step == 3:
            rig.handover.put(PageMessage(7, "note", None))
            rig.handover.drain()
        else:
            rig.block(sent[step], track=step)
            sent[step] += 1
    while rig.handover.waiting:
        rig.handover.drain()
    for track, blocks in sent.items():
        covered = 0
        for item in rig.handed:
            if isinstance(item, PageMessage) or item.track != track:
                continue
            assert item.first_frame == covered
            covered += item.frames if isinstance(item, LostFrames) else len(item.pcm)
        assert covered == blocks * BLOCK
