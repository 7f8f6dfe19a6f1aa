"""What carries the events of bots between machines, and what is asked of them back.

A bus is chosen by a URL, `[bus] url = "redis://broker:6379"`; its scheme is the name of the bus
that a plugin registered. Nothing is kept on it: a bot's journal is written where the bot works, and
its store has it durably. The bus is the way on which others learn of it within milliseconds; where
the bus is away, they read the store, and a bot never waits for it.

Where there is a bus, a bot's process shows itself on it and takes commands from it
(`BusReception`), and whoever looks for a bot that runs on another machine finds it there
(`BusBot`). Subclass `BotBus`, register the class with the hook `meetcore_register_buses`, and run
`meetcore.testing.BusConformance`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import trio
from attrs import field, frozen

__all__ = ["BotBus", "BusItem", "BusRequest"]


@frozen
class BusItem:
    """An event or a draft of a bot, on its way.

    Attributes:
        seq: Number of the event; of a draft, that of the event before it.
        content: What it is, as JSON, as `Event.to_json` and `Draft.to_json` make it.
        draft: Whether it is a draft.
    """

    seq: int
    content: bytes = field(repr=False)
    draft: bool = False


@frozen
class BusRequest:
    """What is asked of a bot.

    Attributes:
        id: Its own; what is asked twice with one id is done once.
        content: What is asked.
        left_s: For how many seconds the answer is waited for still, from when it was yielded; None
            where nobody said. What is not done then is not to be done any more: whoever asked was
            told that there is no answer, and may have asked for it anew.
    """

    id: str
    content: bytes = field(repr=False)
    left_s: float | None = None


class BotBus(ABC):
    """Carries what bots tell, and what is asked of them.

    Subclass it, write the methods with a star, and run `meetcore.testing.BusConformance`. It is
    made with the URL as configured, `MyBus(url)`; where the class has `Options` (an attrs class
    with a default for each field), with these too: `MyBus(url, options)`, from `[plugins.NAME]`.
    Whatever waits raises `BusUnavailable` after some seconds without an answer, except where it
    says otherwise.

    Attributes:
        name: The scheme of the URLs that mean this bus.
    """

    name: ClassVar[str]
    _nursery: trio.Nursery | None = None

    @abstractmethod
    def connected(self, nursery: trio.Nursery) -> AsyncGenerator[None, None]:
        """Be of use from the one `yield` on until it is closed; waits for no broker.

        Args:
            nursery: For what is done beside; cancelled afterwards.
        """

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Hold the bus open."""
        trouble: Exception | None = None
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                async with asynccontextmanager(self.connected)(nursery):
                    try:
                        yield
                    except Exception as error:  # noqa: BLE001  raised again below
                        trouble = error
            finally:
                self._nursery = None
                nursery.cancel_scope.cancel()
        if trouble is not None:
            raise trouble

    def soon(self, work: Callable[[], Awaitable[object]]) -> None:
        """Have something done beside; it raises nothing. Nothing where the bus is not open."""
        if self._nursery is not None:
            self._nursery.start_soon(work)

    async def ping(self) -> None:
        """Have the bus answer, all of it.

        Raises:
            BusUnavailable: It does not, or a part of it.
        """
        await self.alive("nobody")

    async def probe(self, bot_id: str) -> None:
        """Have the bus take a write where it keeps a bot, as it takes what the bot publishes.

        A bus that only answers questions, for instance one whose memory is full, lets each bot
        fall silent: nothing follows from that.

        Raises:
            BusUnavailable: It takes none now.
        """
        await self.spend(bot_id, per_s=1.0, burst=1.0)

    # --- for the process of a bot ------------------------------------------------------------

    @abstractmethod
    async def claim(self, bot_id: str) -> int:
        """Be the one that publishes for a bot; whoever was it before is refused from now on.

        What that one published is let go of: the bot's journal is published from its beginning.

        Returns:
            A number, greater than that of everybody before.
        """

    @abstractmethod
    async def publish(
        self, bot_id: str, claim: int, items: Sequence[BusItem], *, alive_s: float
    ) -> bool:
        """Publish items, in order, and that the bot lives for so many seconds from now.

        Items may come again where an answer was lost: an event that is there stands as it is.

        Returns:
            Whether this is still the newest claim; otherwise nothing of it was published.
        """

    @abstractmethod
    async def trim(self, bot_id: str, upto: int) -> None:
        """Let go of events up to a number, with the drafts between: the store has them."""

    @abstractmethod
    def requests(self, bot_id: str, claim: int) -> AsyncGenerator[BusRequest, None]:
        """Yield what is asked of a bot from its claim on, for ever.

        While the bus is away it waits, and goes on where it was. What nobody waits for an answer
        to any more is left out: its time is up by the bus's own clock, whatever those of the
        machines say.
        """

    @abstractmethod
    async def answer(self, request: BusRequest, content: bytes) -> None:
        """Answer what was asked."""

    @abstractmethod
    async def send_audio(self, bot_id: str, frames: Sequence[bytes]) -> None:
        """Give live sound to whoever listens; the oldest is lost where they do not take it."""

    @abstractmethod
    async def leave(self, bot_id: str, claim: int) -> None:
        """Say that a bot lives no more. What it published stays for a while."""

    # --- for everybody else ------------------------------------------------------------------

    @abstractmethod
    async def alive(self, bot_id: str) -> bool:
        """Return whether a bot said not long ago that it lives."""

    @abstractmethod
    async def living(self) -> list[str]:
        """Return the ids of the bots that are alive."""

    @abstractmethod
    def follow(self, bot_id: str, after: int = 0) -> AsyncGenerator[BusItem | None, None]:
        """Yield what a bot published after an event, then what it publishes, for ever.

        What was let go of (`trim`) is left out: whoever reads sees it from the numbers. None
        stands for two seconds or so in which nothing came.

        Raises:
            BusUnavailable: The bus went away; begin again from what came last.
        """

    @abstractmethod
    async def forget(self, bot_id: str) -> None:
        """Let go of all that was published for a bot and asked of it: its data is deleted."""

    @abstractmethod
    async def ask(self, bot_id: str, content: bytes, *, within_s: float) -> bytes:
        """Ask something of a bot and return its answer.

        Where the bus goes away meanwhile it is asked again, with the same id.

        Raises:
            trio.TooSlowError: There is no answer in time.
            BusUnavailable: The bus did not answer in time.
        """

    @abstractmethod
    def audio(self, bot_id: str) -> AsyncGenerator[bytes, None]:
        """Yield the frames of a bot's live sound from now on, for ever.

        An empty one stands for two seconds or so in which nothing came.

        Raises:
            BusUnavailable: The bus went away.
        """

    # --- for servers -------------------------------------------------------------------------

    @abstractmethod
    async def spend(self, account: str, *, per_s: float, burst: float) -> float:
        """Take one from an account that refills, shared by all who use the bus.

        Args:
            account: Its name.
            per_s: How much comes back in a second.
            burst: The most that is in it.

        Returns:
            0.0 if there was one; otherwise after how many seconds there will be.
        """
