"""How a bot's events look in a terminal: as JSON lines, as plain lines, or live."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import TextIO

from meetcore.bot.bot import Bot
from meetcore.cli.lines import clock, plain_line
from meetcore.model.plain import to_json
from meetcore.model.wire import event_to_wire

__all__ = ["JsonView", "PlainView", "View"]


class View(ABC):
    """Shows one bot until it has ended."""

    @abstractmethod
    async def show(self, bot: Bot) -> None:
        """Consume the bot's events and show them; returns after the terminal one."""

    def summary(self, lines: list[str]) -> None:
        """Show the closing lines."""
        for line in lines:
            print(line, file=sys.stderr)


class JsonView(View):
    """Events as JSON lines on standard output, and nothing else there."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    async def show(self, bot: Bot) -> None:
        """Write one line per event."""
        async for event in bot.events():
            self._out.write(to_json(event_to_wire(event)) + "\n")
            self._out.flush()


class PlainView(View):
    """One line per thing a reader wants to know, for logs and pipes."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    async def show(self, bot: Bot) -> None:
        """Write lines as events come."""
        async for event in bot.events():
            line = plain_line(event, bot.config.name)
            if line is not None:
                self._out.write(f"{clock(event.meeting_s)}  {line}\n")
                self._out.flush()

    def summary(self, lines: list[str]) -> None:
        """Write the closing lines."""
        for line in lines:
            self._out.write(line + "\n")
        self._out.flush()
