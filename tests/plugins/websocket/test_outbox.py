"""The outbox: what waits, in bytes, against a model of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from meetcore_websocket.outbox import Outbox

SOFT, HARD = 200, 600


class OutboxAgainstAModel(RuleBasedStateMachine):
    """Frames are distinct bytes, so that order and loss show."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Outbox(SOFT, HARD)
        self.waiting: list[tuple[str | None, bytes]] = []
        self.cut = b""
        self.made = 0

    def frame(self, size: int) -> bytes:
        self.made += 1
        return (f"<{self.made}>".encode() * size)[:size]

    @property
    def size(self) -> int:
        return len(self.cut) + sum(len(frame) for _, frame in self.waiting)

    @rule(size=st.integers(1, 150))
    def durable(self, size: int) -> None:
        frame = self.frame(size)
        fits = not self.size or self.size + size <= HARD
        assert self.box.put(frame) is fits
        if fits:
            self.waiting.append((None, frame))

    @rule(size=st.integers(1, 150), key=st.sampled_from("abc"))
    def mutable(self, size: int, key: str) -> None:
        frame = self.frame(size)
        self.waiting = [(k, f) for k, f in self.waiting if k != key]
        fits = self.size + size <= SOFT
        assert self.box.put(frame, key)
        if fits:
            self.waiting.append((key, frame))

    @rule(key=st.sampled_from("abc"))
    def overtaken(self, key: str) -> None:
        self.box.forget(key)
        self.waiting = [(k, f) for k, f in self.waiting if k != key]

    @rule(share=st.floats(0, 1))
    def write(self, share: float) -> None:
        batch = b"".join(self.box.batch())
        everything = self.cut + b"".join(frame for _, frame in self.waiting)
        assert everything.startswith(batch)
        assert bool(batch) is bool(everything)
        left = count = round(share * len(batch))
        self.box.wrote(count)
        out = min(left, len(self.cut))
        self.cut, left = self.cut[out:], left - out
        while left:
            _, frame = self.waiting.pop(0)
            self.cut, left = frame[left:], max(0, left - len(frame))

    @rule()
    def clear(self) -> None:
        self.box.clear()
        self.waiting = []

    @invariant()
    def sizes_agree(self) -> None:
        assert self.box.size_bytes == self.size
        assert bool(self.box) is bool(self.size)


TestOutboxAgainstAModel = OutboxAgainstAModel.TestCase


@given(st.integers(1, 10_000))
def test_an_empty_box_takes_a_frame_of_any_size(size: int) -> None:
    box = Outbox(10, 20)
    assert box.put(bytes(size))
    assert not box.put(bytes(20))


def test_the_last_frame_is_taken_whatever_waits() -> None:
    box = Outbox(10, 20)
    box.put(bytes(20))
    box.put_last(b"goodbye")
    assert b"".join(box.batch()) == bytes(20) + b"goodbye"


def test_a_batch_is_bounded_but_never_empty() -> None:
    box = Outbox(10, 10_000_000)
    box.put(bytes(200_000))
    box.put(bytes(10))
    assert [len(frame) for frame in box.batch()] == [200_000]
    box.wrote(200_000)
    assert [len(frame) for frame in box.batch()] == [10]
