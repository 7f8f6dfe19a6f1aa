"""What the test desk reads in a bot's journal."""

from __future__ import annotations

from attrs import evolve

from meetcore.events import Event, SegmentFinalized, StateChanged
from meetcore.journal import Journal
from meetcore.lifecycle import State
from meetcore.orders import BotRow
from meetcore.transcript import spoken_order

__all__ = ["followed", "newest"]


def newest(journal: Journal, after: int = 0) -> list[SegmentFinalized]:
    """Return the newest event of each segment, if it came after a number, in order of speech."""
    found: dict[str, SegmentFinalized] = {}
    for event in journal.read():
        if isinstance(event, SegmentFinalized):
            found[event.segment.id] = event
    events = [event for event in found.values() if event.seq > after]
    return sorted(events, key=lambda event: spoken_order(event.segment))


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
