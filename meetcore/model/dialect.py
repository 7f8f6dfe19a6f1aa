"""A dialect: pure translation between the bot's events and somebody's messages.

The native one is the plain JSON of `meetcore.model.wire`; a vendor's is a plugin with the same two
functions and no I/O.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from meetcore.model.commands import Command
from meetcore.model.drafts import Draft
from meetcore.model.errors import CommandRefused
from meetcore.model.events import Event
from meetcore.model.wire import command_from_wire

__all__ = ["Dialect", "NativeDialect"]


class Dialect(ABC):
    """Events and drafts to text messages, and text messages to commands. Pure.

    Attributes:
        name: Names it.
        remembers: Whether its messages depend on events before, so that it must be shown every
            event from the first on. One that says False begins anywhere in a journal, and whoever
            resumes in a long meeting waits for what was missed alone.
    """

    name: ClassVar[str]
    remembers: ClassVar[bool] = True

    @abstractmethod
    def messages(self, item: Event | Draft) -> Sequence[str]:
        """Return what a subscriber of this dialect is told about one event or draft."""

    def command(self, message: str) -> Command:
        """Return the command a subscriber's message asks for; by default none is taken.

        Raises:
            CommandRefused: It is not a command of this dialect.
        """
        raise CommandRefused(f"The dialect {self.name!r} takes no commands here.")


class NativeDialect(Dialect):
    """meetcore's own JSON: one message per event or draft."""

    name: ClassVar[str] = "native"
    remembers: ClassVar[bool] = False

    def messages(self, item: Event | Draft) -> Sequence[str]:
        """Return the item as one line of JSON."""
        return (item.to_json(),)

    def command(self, message: str) -> Command:
        """Return the command in a JSON message.

        Raises:
            CommandRefused: It is not JSON, or not a command.
        """
        try:
            decoded = json.loads(message)
        except (ValueError, RecursionError) as error:
            raise CommandRefused("That message is not JSON.") from error
        return command_from_wire(decoded)
