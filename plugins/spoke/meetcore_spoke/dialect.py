"""Spoke's messages about a bot as a dialect: what its webhooks say, without links. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from meetcore.model.commands import Command
from meetcore.model.dialect import Dialect
from meetcore.model.errors import CommandRefused
from meetcore.model.events import Draft, Event, SegmentFinalized, StateChanged
from meetcore.model.history import BotHistory
from meetcore.model.lifecycle import TERMINAL, EndReason
from meetcore.model.plain import to_json
from meetcore.model.transcript import Segment
from meetcore_spoke.bodies import CompleteData, WebhookBody, complete, failed, status_change
from meetcore_spoke.statuses import StatusTrack, error_of
from meetcore_spoke.transcripts import line, speakers

__all__ = ["SpokeDialect"]


class SpokeDialect(Dialect):
    """The same messages as the webhooks, with an empty `mp4`: a link is the server's to give.

    Args:
        extended: Whether the later codes and fields are told, too.
    """

    name: ClassVar[str] = "spoke"

    def __init__(self, *, extended: bool = False) -> None:
        self._extended = extended
        self._track = StatusTrack(extended)
        self._history = BotHistory()
        self._segments: dict[str, Segment] = {}
        self._reason: EndReason | None = None

    def messages(self, item: Event | Draft) -> Sequence[str]:
        """Return the bodies of the webhooks an event makes."""
        if not isinstance(item, Event):
            return ()
        self._history.take(item)
        if isinstance(item, SegmentFinalized):
            self._segments[item.segment.id] = item.segment
        if not isinstance(item, StateChanged):
            return ()
        self._reason = self._reason or item.reason
        told = [status_change(item.bot_id, change) for change in self._track.take(item)]
        if item.state in TERMINAL:
            told.append(self._end(item))
        return [to_json({**message}) for message in told]

    def command(self, message: str) -> Command:
        """Refuse: nothing is asked of a bot over a socket.

        Raises:
            CommandRefused: Always.
        """
        raise CommandRefused("Spoke's API takes no commands over a socket.")

    def _end(self, event: StateChanged) -> WebhookBody:
        error = error_of(event.state, self._reason, recorded=self._track.recorded)
        if error is not None:
            return failed({"bot_id": event.bot_id, "error": error})
        segments = self._segments.values()
        data: CompleteData = {
            "bot_id": event.bot_id,
            "mp4": "",
            "speakers": speakers(self._history, segments),
        }
        requested = self._history.requested
        if requested is not None and requested.transcriber is not None:
            data["transcript"] = [line(segment, extended=self._extended) for segment in segments]
        return complete(data)
