"""The same bots inside an asyncio program.

    async with meetcore.from_asyncio.open_bot("https://…", transcriber="pocketsphinx") as bot:
        async for event in bot.events():
            ...

Trio runs in a thread of its own. Its guest mode, which shares one thread with asyncio, was measured
beside it (`benchmarks/asyncio_bridge.py`): a call costs about the same, but a host program that
blocks its loop for half a second then stops the bot's audio for half a second too, a signal
handler has two owners, and a process can hold one guest run only. In a thread the bot goes on
hearing whatever the program around it does. Events are handed over in batches, so that a hop
between threads is paid per wake and not per event.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any, Generic, Literal, TypeVar, overload

import trio

from meetcore import bot as _bot
from meetcore import fleet as _fleet
from meetcore import opening as _opening
from meetcore.commands import Command
from meetcore.errors import CommandRefused
from meetcore.events import Draft, Event, StateChanged

__all__ = ["Bot", "Fleet", "open_bot", "open_fleet"]

T = TypeVar("T")
BATCH = 256


class _TrioThread:
    """Trio in a thread, called from one asyncio loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._stop: trio.Event | None = None
        self._ending = False
        self._up = asyncio.Event()
        self._down: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="meetcore-trio", daemon=True)

    async def __aenter__(self) -> _TrioThread:
        self._thread.start()
        try:
            await self._up.wait()
        except asyncio.CancelledError:
            await self._end()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._end()

    async def _end(self) -> None:
        self._ending = True
        if self._token is not None and self._stop is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._stop.set)
        await _see_through(self._down)
        self._thread.join()

    def _run(self) -> None:
        outcome: Callable[[], None]
        try:
            trio.run(self._main)
        except BaseException as error:  # noqa: BLE001  handed to the asyncio side, whatever it is
            outcome = partial(self._down.set_exception, error)
        else:
            outcome = partial(self._down.set_result, None)
        self._loop.call_soon_threadsafe(outcome)

    async def _main(self) -> None:
        self._stop = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        if self._ending:
            return
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._loop.call_soon_threadsafe(self._up.set)
            await self._stop.wait()
            nursery.cancel_scope.cancel()

    async def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run a Trio coroutine function; cancelling the caller cancels it and waits for it.

        Raises:
            CommandRefused: The thread has ended.
        """
        assert self._token is not None
        future: asyncio.Future[T] = self._loop.create_future()
        scope = trio.CancelScope()

        def settle(error: BaseException | None, value: T | None) -> None:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)  # type: ignore[arg-type]

        async def task() -> None:
            error: BaseException | None = asyncio.CancelledError()
            value: T | None = None
            try:
                with scope:
                    try:
                        value = await function()
                        error = None
                    except Exception as trouble:  # noqa: BLE001  raised on the asyncio side
                        error = trouble
            finally:
                self._loop.call_soon_threadsafe(settle, error, value)

        def start() -> None:
            assert self._nursery is not None
            try:
                self._nursery.start_soon(task)
            except RuntimeError:
                self._loop.call_soon_threadsafe(settle, _ended(), None)

        try:
            self._token.run_sync_soon(start)
        except trio.RunFinishedError:
            raise _ended() from None

        def cancel() -> None:
            assert self._token is not None
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(scope.cancel)

        return await _see_through(future, cancel)

    @asynccontextmanager
    async def hold(self, open_it: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncIterator[T]:
        """Hold a Trio context manager open in a task of its own.

        A cancellation of the block is one of the Trio side too: what is held ends in a hurry.
        """
        assert self._token is not None
        entered: asyncio.Future[T] = self._loop.create_future()
        leave = trio.Event()

        def enter(value: T) -> None:
            if not entered.done():
                entered.set_result(value)

        async def keep() -> None:
            async with open_it() as value:
                self._loop.call_soon_threadsafe(enter, value)
                await leave.wait()

        keeper = asyncio.ensure_future(self.call(keep))
        try:
            waiting: list[asyncio.Future[Any]] = [keeper, entered]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not entered.done():
                entered.cancel()
                await keeper
            yield entered.result()
        except asyncio.CancelledError:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await _see_through(keeper)
            raise
        finally:
            if not keeper.done():
                self._token.run_sync_soon(leave.set)
                await _see_through(keeper, keeper.cancel)


async def _see_through(future: asyncio.Future[T], cancel: Callable[[], object] | None = None) -> T:
    """Wait for a future to its end, also when cancelled; the cancellation goes on afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
            if cancel is not None:
                cancel()
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # looked at, so that asyncio does not report it
        raise cancelled
    return future.result()


def _ended() -> CommandRefused:
    return CommandRefused("That is over: the block of this bot or fleet has ended.")


class _Batches(Generic[T]):
    """Takes what an async iterator on the Trio side has ready, in one go."""

    def __init__(self, items: AsyncIterator[T]) -> None:
        self._items = items
        self._ready: list[T] = []
        self._over = False
        self._wake = trio.Event()
        self._room = trio.Event()

    async def pump(self) -> None:
        try:
            async for item in self._items:
                while len(self._ready) >= BATCH:
                    self._room = trio.Event()
                    await self._room.wait()
                self._ready.append(item)
                self._wake.set()
        finally:
            self._over = True
            self._wake.set()

    async def take(self) -> list[T]:
        while not self._ready and not self._over:
            self._wake = trio.Event()
            await self._wake.wait()
        batch, self._ready = self._ready, []
        self._room.set()
        return batch


class Bot:
    """A bot as an asyncio program sees it: the same attributes, awaited on this side.

    `roster`, `timeline`, `transcript`, `ledger` and `ending` are the Trio side's own objects: read
    them, do not change them.
    """

    def __init__(self, runner: _TrioThread, inner: _bot.Bot) -> None:
        self._runner = runner
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        if name in _READABLE:
            return getattr(self._inner, name)
        raise AttributeError(f"Bot has no attribute {name!r} on the asyncio side")

    @overload
    def events(self, *, after: int = 0, drafts: Literal[False] = False) -> AsyncIterator[Event]: ...

    @overload
    def events(self, *, after: int = 0, drafts: Literal[True]) -> AsyncIterator[Event | Draft]: ...

    def events(self, *, after: int = 0, drafts: bool = False) -> AsyncIterator[Any]:
        """Yield the bot's events; see `meetcore.Bot.events`."""
        return self._events(after, drafts)

    async def _events(self, after: int, drafts: bool) -> AsyncIterator[Event | Draft]:
        items: AsyncIterator[Event | Draft]
        if drafts:
            items = self._inner.events(after=after, drafts=True)
        else:
            items = self._inner.events(after=after)
        batches = _Batches(items)
        pump = asyncio.ensure_future(self._runner.call(batches.pump))
        seen = after
        try:
            while batch := await self._runner.call(batches.take):
                for item in batch:
                    seen = item.seq if isinstance(item, Event) else seen
                    yield item
            await pump
        except CommandRefused:  # the block ended in between; what was not taken is in the journal
            for event in self._inner.journal.read(seen):
                yield event
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def perform(self, command: Command) -> None:
        """Carry out a command; see `meetcore.Bot.perform`."""
        await self._runner.call(partial(self._inner.perform, command))

    async def stop(self, detail: str = "") -> None:
        """Leave the meeting and finish."""
        await self._runner.call(partial(self._inner.stop, detail))

    async def send_chat(self, text: str) -> None:
        """Send a message to everybody in the meeting."""
        await self._runner.call(partial(self._inner.send_chat, text))

    async def speak(self, pcm: bytes, sample_rate_hz: int = 16_000) -> None:
        """Say int16 mono PCM, where the platform can."""
        await self._runner.call(partial(self._inner.speak, pcm, sample_rate_hz))

    async def show_image(self, image: bytes, media_type: str = "image/png") -> None:
        """Show a picture as the bot's camera, where the platform can."""
        await self._runner.call(partial(self._inner.show_image, image, media_type))

    async def pause(self) -> None:
        """Record and transcribe nothing from now on."""
        await self._runner.call(self._inner.pause)

    async def resume(self) -> None:
        """Record and transcribe again."""
        await self._runner.call(self._inner.resume)

    async def wait_ended(self) -> StateChanged:
        """Return the terminal event once there is one."""
        return await self._runner.call(self._inner.wait_ended)


_READABLE = frozenset(
    {
        "config",
        "ended",
        "ending",
        "failure",
        "folder",
        "id",
        "ledger",
        "link",
        "platform_name",
        "roster",
        "state",
        "timeline",
        "transcript",
    }
)


class Fleet:
    """A fleet as an asyncio program sees it."""

    def __init__(self, runner: _TrioThread, inner: _fleet.Fleet) -> None:
        self._runner = runner
        self._inner = inner

    async def start(self, url: str, **settings: Any) -> Bot:
        """Send a bot; see `meetcore.Fleet.start`."""

        async def start() -> _bot.Bot:
            await trio.lowlevel.checkpoint()
            return self._inner.start(url, **settings)

        return Bot(self._runner, await self._runner.call(start))

    async def wait_empty(self) -> None:
        """Return when no bot is left."""
        await self._runner.call(self._inner.wait_empty)


@asynccontextmanager
async def open_bot(url: str, **settings: Any) -> AsyncIterator[Bot]:
    """Send a bot to a meeting; takes what `meetcore.open_bot` takes.

    Raises:
        MeetcoreError: As there.
    """
    async with (
        _TrioThread() as runner,
        runner.hold(partial(_opening.open_bot, url, **settings)) as inner,
    ):
        yield Bot(runner, inner)


@asynccontextmanager
async def open_fleet(**settings: Any) -> AsyncIterator[Fleet]:
    """Hold a fleet; takes what `meetcore.open_fleet` takes."""
    async with (
        _TrioThread() as runner,
        runner.hold(partial(_fleet.open_fleet, **settings)) as inner,
    ):
        yield Fleet(runner, inner)
