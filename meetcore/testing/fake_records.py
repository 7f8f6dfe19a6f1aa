"""What the fake service reads in a bot's journal, and what it tells of deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import evolve

from meetcore.gateway.records import BotRow, DeliveryRow
from meetcore.log.journal import Journal
from meetcore.model.events import Event, SegmentFinalized, StateChanged
from meetcore.model.lifecycle import State
from meetcore.model.transcript import spoken_order
from meetcore.testing.fake_socket import Posted

__all__ = ["delivered", "finalized_by", "followed", "newest"]


def newest(journal: Journal, after: int = 0) -> list[int]:
    """Return the number of each segment's newest event after a number, in the order of speech.

    Withdrawn ones only after a number: whoever read them before has to learn that they are gone.
    """
    found: dict[str, tuple[tuple[float, float, str], int, bool]] = {}
    for event in journal.read():
        if isinstance(event, SegmentFinalized):
            segment = event.segment
            found[segment.id] = spoken_order(segment), event.seq, segment.withdrawn
    spoken = sorted(found.values())
    return [seq for _, seq, withdrawn in spoken if seq > after and (after or not withdrawn)]


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


def delivered(posted: Sequence[Posted], row: BotRow, at: datetime) -> list[DeliveryRow]:
    """Return what was posted about a bot as rows of deliveries, newest first."""
    mine = [each for each in posted if each.row.bot_id == row.bot_id]
    rows = [
        DeliveryRow(
            id=number,
            bot_id=row.bot_id,
            target_id=each.target.id,
            kind=each.kind,
            event_seq=0,
            attempts=1,
            delivered_at=at,
            status=200,
        )
        for number, each in enumerate(mine, 1)
    ]
    return rows[::-1]
