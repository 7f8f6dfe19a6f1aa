"""The bots that an assistant has: those of a fleet in this process, or a user's of a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import trio
from attrs import frozen
from mcp.server.mcpserver.exceptions import ToolError

from meetcore import (
    Bot,
    BotHistory,
    Command,
    Fleet,
    PagePicture,
    SegmentFinalized,
    Stop,
    read_link,
)
from meetcore.gateway import BotQuery, BotRequest, BotRow, Client, Scope, ScopeMissing, Service
from meetcore.model import spoken_order, with_passcode

__all__ = ["AssistantBots", "BotSummary", "FleetBots", "ServiceBots"]

_MOST_KNOWN = 200
_MOST_LISTED = 50
_BY = "an assistant"


@frozen(kw_only=True)
class BotSummary:
    """What an assistant is told about a bot.

    Attributes:
        bot_id: Its id.
        meeting_url: The link, without its secrets.
        name: What people in the meeting see.
        state: Where it is in its life.
        ended: Whether it is over.
        reason: Why, once it is.
    """

    bot_id: str
    meeting_url: str
    name: str
    state: str
    ended: bool
    reason: str | None


class AssistantBots(ABC):
    """Sends bots, and answers about those that were sent.

    Every method raises `ToolError` for a bot that is not there, and `MeetcoreError` for what
    cannot be done.
    """

    @abstractmethod
    async def join(
        self, url: str, name: str | None, passcode: str | None, transcriber: str | None
    ) -> BotSummary:
        """Send a bot to a meeting."""

    @abstractmethod
    async def listed(self) -> list[BotSummary]:
        """Return the bots there are."""

    @abstractmethod
    async def facts(self, bot_id: str) -> BotSummary:
        """Return how a bot stands."""

    @abstractmethod
    async def history(self, bot_id: str) -> BotHistory:
        """Return what happened to a bot."""

    @abstractmethod
    def finalized(self, bot_id: str, after: int) -> AsyncGenerator[SegmentFinalized, None]:
        """Yield what was said after a number, in the order of speech; with one, what went, too."""

    @abstractmethod
    async def perform(self, bot_id: str, command: Command) -> None:
        """Have a bot carry out a command."""

    @abstractmethod
    async def leave(self, bot_id: str) -> None:
        """Have a bot leave; nothing where it has."""

    @abstractmethod
    async def screenshot(self, bot_id: str) -> PagePicture:
        """Return a picture of a bot's page."""


class FleetBots(AssistantBots):
    """The bots of a fleet, sent by this assistant.

    Args:
        fleet: Where bots run; they are its own.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._bots: dict[str, Bot] = {}

    def _bot(self, bot_id: str) -> Bot:
        bot = self._bots.get(bot_id)
        if bot is None:
            known = ", ".join(self._bots) or "none"
            raise ToolError(f"There is no bot {bot_id!r}. Those that were sent: {known}.")
        return bot

    async def join(
        self, url: str, name: str | None, passcode: str | None, transcriber: str | None
    ) -> BotSummary:
        """Send a bot to a meeting."""
        await trio.lowlevel.checkpoint()
        given: dict[str, Any] = {"name": name} if name else {}
        bot = self._fleet.start(url, passcode=passcode, transcriber=transcriber, **given)
        self._bots[bot.id] = bot
        for old in [each for each in self._bots.values() if each.ended]:
            if len(self._bots) > _MOST_KNOWN:
                del self._bots[old.id]
        return _summary_of(bot)

    async def listed(self) -> list[BotSummary]:
        """Return the bots that were sent."""
        await trio.lowlevel.checkpoint()
        return [_summary_of(bot) for bot in self._bots.values()]

    async def facts(self, bot_id: str) -> BotSummary:
        """Return how a bot stands."""
        await trio.lowlevel.checkpoint()
        return _summary_of(self._bot(bot_id))

    async def history(self, bot_id: str) -> BotHistory:
        """Return what happened to a bot."""
        return await self._fleet.store.log(self._bot(bot_id).id).history()

    async def finalized(self, bot_id: str, after: int) -> AsyncGenerator[SegmentFinalized, None]:
        """Yield what was said after a number."""
        log = self._fleet.store.log(self._bot(bot_id).id)
        events = log.read(after, types=(SegmentFinalized,)) if after else log.finalized()
        for event in await _newest(events):
            yield event

    async def perform(self, bot_id: str, command: Command) -> None:
        """Have a bot carry out a command."""
        await self._bot(bot_id).perform(command)

    async def leave(self, bot_id: str) -> None:
        """Have a bot leave."""
        bot = self._bot(bot_id)
        if not bot.ended:
            await bot.perform(Stop(_BY))

    async def screenshot(self, bot_id: str) -> PagePicture:
        """Return a picture of a bot's page."""
        return await self._bot(bot_id).screenshot(by=_BY)


def _summary_of(bot: Bot) -> BotSummary:
    reason = bot.ending.reason if bot.ended else None
    return BotSummary(
        bot_id=bot.id,
        meeting_url=bot.link.public_url,
        name=bot.config.name,
        state=bot.state.value if bot.state is not None else "requested",
        ended=bot.ended,
        reason=reason.value if reason is not None else None,
    )


class ServiceBots(AssistantBots):
    """The bots of a user of a server, as far as the key goes that the assistant shows.

    Args:
        service: The server's bots.
        client: Whose key it is, which may read.
    """

    def __init__(self, service: Service, client: Client) -> None:
        self._service = service
        self._client = client

    def _check_may_write(self) -> None:
        if not self._client.may(Scope.WRITE):
            raise ScopeMissing(Scope.WRITE)

    async def _row(self, bot_id: str) -> BotRow:
        return await self._service.bot(self._client, bot_id)

    async def join(
        self, url: str, name: str | None, passcode: str | None, transcriber: str | None
    ) -> BotSummary:
        """Send a bot to a meeting."""
        self._check_may_write()
        if passcode:
            url = _with_passcode(url, passcode)
        order = BotRequest(url=url, name=name, transcriber=transcriber or "default")
        return _summary_in(await self._service.create(self._client, order))

    async def listed(self) -> list[BotSummary]:
        """Return the user's newest bots."""
        rows = await self._service.bots(self._client, BotQuery(limit=_MOST_LISTED))
        return [_summary_in(row) for row in rows]

    async def facts(self, bot_id: str) -> BotSummary:
        """Return how a bot stands."""
        return _summary_in(await self._row(bot_id))

    async def history(self, bot_id: str) -> BotHistory:
        """Return what happened to a bot."""
        return await self._service.history(await self._row(bot_id))

    async def finalized(self, bot_id: str, after: int) -> AsyncGenerator[SegmentFinalized, None]:
        """Yield what was said after a number."""
        row = await self._row(bot_id)
        events = self._service.events(row, after=after) if after else self._service.finalized(row)
        for event in await _newest(events):
            yield event

    async def perform(self, bot_id: str, command: Command) -> None:
        """Have a bot carry out a command."""
        self._check_may_write()
        await self._service.perform(await self._row(bot_id), command)

    async def leave(self, bot_id: str) -> None:
        """Have a bot leave."""
        self._check_may_write()
        await self._service.stop(await self._row(bot_id), _BY)

    async def screenshot(self, bot_id: str) -> PagePicture:
        """Return a picture of a bot's page."""
        return await self._service.screenshot(await self._row(bot_id))


async def _newest(events: AsyncGenerator[Any, None]) -> list[SegmentFinalized]:
    """Return the newest event of each segment, in the order of speech."""
    newest: dict[str, SegmentFinalized] = {}
    async with aclosing(events):
        async for event in events:
            if isinstance(event, SegmentFinalized):
                newest[event.segment.id] = event
    return sorted(newest.values(), key=lambda event: spoken_order(event.segment))


def _with_passcode(url: str, passcode: str) -> str:
    link = read_link(url)
    whole = None if link is None else with_passcode(link, passcode)
    again = None if whole is None else read_link(whole.url)
    if whole is None or again is None or not again.passcode:
        raise ToolError("This link can have no passcode in it: leave the passcode out.")
    return whole.url


def _summary_in(row: BotRow) -> BotSummary:
    return BotSummary(
        bot_id=row.bot_id,
        meeting_url=row.public_url,
        name=row.name,
        state=row.state.value,
        ended=row.ended,
        reason=row.reason.value if row.ended and row.reason is not None else None,
    )
