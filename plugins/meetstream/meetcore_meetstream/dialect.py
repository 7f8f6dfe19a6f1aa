"""MeetStream's callbacks about a bot as a dialect. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from meetcore.model.commands import Command
from meetcore.model.dialect import Dialect
from meetcore.model.errors import CommandRefused
from meetcore.model.events import Draft, Event
from meetcore.model.history import BotHistory
from meetcore.model.plain import to_json
from meetcore_meetstream.bodies import callback
from meetcore_meetstream.lifecycle_webhooks import notices
from meetcore_meetstream.variants import Variant

__all__ = ["MeetstreamDialect"]


class MeetstreamDialect(Dialect):
    """The same messages as the callbacks.

    Args:
        variant: Which of the two dialects.
    """

    name: ClassVar[str] = "meetstream"

    def __init__(self, variant: Variant = Variant.LEGACY) -> None:
        self._variant = variant
        self._history = BotHistory()

    def messages(self, item: Event | Draft) -> Sequence[str]:
        """Return the bodies of the callbacks an event makes."""
        if not isinstance(item, Event):
            return ()
        self._history.take(item)
        requested = self._history.requested
        attributes = requested.metadata if requested is not None else {}
        bodies = [
            callback(notice, self._variant, bot_id=item.bot_id, at=item.at, attributes=attributes)
            for notice in notices(item, self._history)
        ]
        return [to_json(body) for body in bodies if body is not None]

    def command(self, message: str) -> Command:
        """Refuse: commands come over the control socket, which the bot dials.

        Raises:
            CommandRefused: Always.
        """
        raise CommandRefused("MeetStream takes commands over the control socket alone.")
