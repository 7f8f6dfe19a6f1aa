"""Wakes and draft boxes. That no sample is lost in an audio mailbox is law 3's."""

from __future__ import annotations

import numpy as np
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from meetcore.audio.chunk import Chunk
from meetcore.log.mailbox import AudioMailbox, DraftBox, Lost, Wake


async def test_a_wake_set_before_the_wait_is_not_missed_and_counts_once(autojump_clock):
    wake = Wake()
    wake.set()
    wake.set()
    with trio.fail_after(1):
        await wake.wait()
    with trio.move_on_after(1) as scope:
        await wake.wait()
    assert scope.cancelled_caught


async def test_a_cancelled_wait_loses_no_wake(autojump_clock):
    wake = Wake()
    with trio.move_on_after(1):
        await wake.wait()
    wake.set()
    with trio.fail_after(1):
        await wake.wait()


async def test_a_mailbox_gives_all_there_is_and_ends_once_closed(autojump_clock):
    mailbox = AudioMailbox(1000, "behind")
    taken: list[int] = []

    async def reader() -> None:
        while items := await mailbox.take():
            taken.append(len(items))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        for count in (1, 3, 2):
            for number in range(count):
                mailbox.put(Chunk("t", number, np.zeros(1, np.int16)))
            await trio.testing.wait_all_tasks_blocked()
        mailbox.put(Lost("t", 0, 5, "x"))
        mailbox.close()
    assert taken == [1, 3, 2, 1]
    assert mailbox.waiting_samples == 0


@given(puts=st.lists(st.tuples(st.sampled_from("abcdef"), st.integers())), limit=st.integers(1, 6))
def test_a_draft_box_keeps_the_newest_of_each_key(puts, limit):
    box: DraftBox[int] = DraftBox(limit)
    model: dict[str, int] = {}
    for key, item in puts:
        if key not in model and len(model) >= limit:
            model.pop(next(iter(model)))
        model[key] = item
        box.put(key, item)
    assert bool(box) == bool(model)
    assert box.superseded == len(puts) - len(model)
    if model:
        first = next(iter(model))
        assert box.pop() == model.pop(first)
    if "a" in model:
        box.forget("a")
        del model["a"]
    box.forget("nothing")
    assert box.drain() == list(model.values())
    assert not box


@pytest.mark.parametrize("closed_first", [False, True])
async def test_taking_from_a_closed_mailbox_is_a_checkpoint(closed_first):
    mailbox = AudioMailbox(10, "x")
    if closed_first:
        mailbox.close()
    else:
        mailbox.put(Lost("t", 0, 1, "x"))
    with trio.testing.assert_checkpoints():
        await mailbox.take()
