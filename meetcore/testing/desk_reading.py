"""What the test desk reads in a bot's journal."""

from __future__ import annotations

from attrs import evolve

from meetcore.events import Event, SegmentFinalized, StateChanged
from meetcore.journal import Journal
from meetcore.lifecycle import State
from meetcore.orders import BotRow

__all__ = ["finalized_by", "followed", "newest"]


def newest(journal: Journal) -> list[int]:
    """Return the number of the newest event of each segment, as the segments first came."""
    found: dict[str, int] = {}
    for event in journal.read():
        if isinstance(event, SegmentFinalized):
            found[event.segment.id] = event.seq
    return list(found.values())


def finalized_by(journal: Journal, seq: int) -> SegmentFinalized:
    """Return an event that finalized a segment."""
    event = next(iter(journal.read(seq - 1)))
    assert isinstance(event, SegmentFinalized)
    return event


def followed(row: BotRow, event: Event) -> BotRow:
    """Return a bot's row after an event."""
    row = evolve(row, updated_at=event.at)
    if isinstance(event, StateChanged):
        row = evolve(row, state=event.state, reason=event.reason or row.reason)
        if event.state is State.IN_CALL and row.in_call_at is None:
            row = evolve(row, in_call_at=event.at)
        if row.ended:
            row = evolve(row, ended_at=event.at)
    return row
