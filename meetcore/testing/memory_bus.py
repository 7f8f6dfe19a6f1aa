"""A bus within one process, for tests: nothing of it leaves, and it can be away when told so."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from itertools import count
from typing import ClassVar

import trio
from attrs import define, evolve, field

from meetcore.model.errors import BusUnavailable
from meetcore.plugin.bus import BotBus, BusItem, BusRequest

__all__ = ["MemoryBroker", "MemoryBus"]

_SILENT_S = 2.0
_MOST_FRAMES = 64


@define(eq=False)
class _BotOnBus:
    """What there is of one bot."""

    claim: int = 0
    alive_until: float = -1.0
    items: list[tuple[int, BusItem]] = field(factory=list)
    asked: list[tuple[float, BusRequest]] = field(factory=list)
    frames: deque[tuple[int, bytes]] = field(factory=lambda: deque(maxlen=_MOST_FRAMES))


class MemoryBroker:
    """What all the buses of a test meet at.

    Attributes:
        away: Whether nothing answers now.
        full: Whether it takes nothing now, though it answers.
        bots: What there is of each bot.
        answers: To what was asked, until they are taken.
        accounts: When each was counted, and what was in it.
        numbers: Gives each thing a number of its own, greater than all before.
    """

    def __init__(self) -> None:
        self.away = False
        self.full = False
        self.bots: dict[str, _BotOnBus] = {}
        self.answers: dict[str, bytes] = {}
        self.accounts: dict[str, tuple[float, float]] = {}
        self.numbers = count(1)
        self._changed = trio.Event()

    def forget(self) -> None:
        """Lose everything, as a broker does that kept nothing on its disk."""
        self.bots.clear()
        self.answers.clear()
        self.change()

    def change(self) -> None:
        """Wake whoever waits for something."""
        self._changed.set()
        self._changed = trio.Event()

    async def touch(self, *, writes: bool = False) -> None:
        """Answer, or not.

        Raises:
            BusUnavailable: It is away; or it is full, and this writes.
        """
        await trio.lowlevel.checkpoint()
        if self.away:
            raise BusUnavailable("The broker cannot be reached.")
        if self.full and writes:
            raise BusUnavailable("The broker has no memory left.")

    async def wait(self, within_s: float) -> None:
        """Return when something has changed, or after a time."""
        with trio.move_on_after(within_s):
            await self._changed.wait()

    def bot(self, bot_id: str) -> _BotOnBus:
        """Return what there is of a bot."""
        return self.bots.setdefault(bot_id, _BotOnBus())


class MemoryBus(BotBus):
    """A bus on a `MemoryBroker`.

    Args:
        broker: What it meets the others at.
    """

    name: ClassVar[str] = "memory"

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def connected(self, nursery: trio.Nursery) -> AsyncGenerator[None, None]:
        """Nothing is needed."""
        del nursery
        yield

    async def claim(self, bot_id: str) -> int:
        """Be the one that publishes for a bot."""
        await self._broker.touch(writes=True)
        shown = self._broker.bot(bot_id)
        shown.claim = next(self._broker.numbers)
        shown.asked.clear()
        shown.items.clear()
        return shown.claim

    async def publish(
        self, bot_id: str, claim: int, items: Sequence[BusItem], *, alive_s: float
    ) -> bool:
        """Publish items and that the bot lives."""
        await self._broker.touch(writes=True)
        shown = self._broker.bot(bot_id)
        if shown.claim > claim:
            return False
        shown.claim = claim
        newest = max((item.seq for _, item in shown.items), default=0)
        for item in items:
            if item.draft or item.seq > newest:
                shown.items.append((next(self._broker.numbers), item))
        shown.alive_until = trio.current_time() + alive_s
        self._broker.change()
        return True

    async def trim(self, bot_id: str, upto: int) -> None:
        """Let go of events up to a number."""
        await self._broker.touch()
        shown = self._broker.bot(bot_id)
        shown.items = [each for each in shown.items if each[1].seq > upto]

    async def requests(self, bot_id: str, claim: int) -> AsyncGenerator[BusRequest, None]:
        """Yield what is asked of a bot."""
        del claim
        seen: set[str] = set()
        while True:
            for until, request in list(self._broker.bot(bot_id).asked):
                left_s = until - trio.current_time()
                if request.id not in seen and left_s > 0:
                    seen.add(request.id)
                    yield evolve(request, left_s=left_s)
            await self._broker.wait(_SILENT_S)

    async def answer(self, request: BusRequest, content: bytes) -> None:
        """Answer what was asked."""
        await self._broker.touch(writes=True)
        self._broker.answers[request.id] = content
        self._broker.change()

    async def send_audio(self, bot_id: str, frames: Sequence[bytes]) -> None:
        """Give live sound to whoever listens."""
        await self._broker.touch(writes=True)
        shown = self._broker.bot(bot_id)
        shown.frames.extend((next(self._broker.numbers), content) for content in frames)
        self._broker.change()

    async def leave(self, bot_id: str, claim: int) -> None:
        """Say that a bot lives no more."""
        await self._broker.touch(writes=True)
        shown = self._broker.bot(bot_id)
        if shown.claim == claim:
            shown.alive_until = -1.0

    async def alive(self, bot_id: str) -> bool:
        """Return whether a bot said not long ago that it lives."""
        await self._broker.touch()
        return self._broker.bot(bot_id).alive_until > trio.current_time()

    async def living(self) -> list[str]:
        """Return the ids of the bots that are alive."""
        await self._broker.touch()
        now = trio.current_time()
        bots = self._broker.bots
        return sorted(key for key, shown in bots.items() if shown.alive_until > now)

    async def follow(self, bot_id: str, after: int = 0) -> AsyncGenerator[BusItem | None, None]:
        """Yield what a bot published after an event, then what it publishes."""
        at = 0
        while True:
            await self._broker.touch()
            items = self._broker.bot(bot_id).items
            new = [each for each in items if each[0] > at]
            for number, item in new:
                at = number
                if item.seq > after or not after:
                    yield item
            if not new:
                await self._broker.wait(_SILENT_S)
                await self._broker.touch()
                if not any(number > at for number, _ in self._broker.bot(bot_id).items):
                    yield None

    async def forget(self, bot_id: str) -> None:
        """Let go of all that was published for a bot and asked of it."""
        await self._broker.touch(writes=True)
        shown = self._broker.bot(bot_id)
        shown.items.clear()
        shown.asked.clear()
        shown.frames.clear()

    async def ask(self, bot_id: str, content: bytes, *, within_s: float) -> bytes:
        """Ask something of a bot and return its answer."""
        request = BusRequest(f"r-{next(self._broker.numbers)}", content)
        given = (trio.current_time() + within_s, request)
        trouble: BusUnavailable | None = None
        with trio.move_on_after(within_s):
            while True:
                try:
                    await self._broker.touch(writes=True)
                    if request.id in self._broker.answers:
                        return self._broker.answers.pop(request.id)
                    asked = self._broker.bot(bot_id).asked
                    if given not in asked:
                        asked.append(given)
                        self._broker.change()
                    trouble = None
                except BusUnavailable as error:
                    trouble = error
                await self._broker.wait(_SILENT_S)
        raise trouble or trio.TooSlowError

    async def audio(self, bot_id: str) -> AsyncGenerator[bytes, None]:
        """Yield the frames of a bot's live sound from now on."""
        await self._broker.touch()
        frames = self._broker.bot(bot_id).frames
        at = frames[-1][0] if frames else 0
        while True:
            await self._broker.touch()
            new = [each for each in self._broker.bot(bot_id).frames if each[0] > at]
            for number, content in new:
                at = number
                yield content
            if not new:
                await self._broker.wait(_SILENT_S)
                yield b""

    async def spend(self, account: str, *, per_s: float, burst: float) -> float:
        """Take one from an account that refills."""
        await self._broker.touch(writes=True)
        now = trio.current_time()
        at, left = self._broker.accounts.get(account, (now, burst))
        left = min(burst, left + (now - at) * per_s)
        waits_s = 0.0 if left >= 1 else (1 - left) / per_s
        self._broker.accounts[account] = (now, left - (waits_s == 0.0))
        return waits_s
