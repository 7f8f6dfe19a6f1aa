"""Trio in a thread of its own, for programs that are not Trio's: asyncio ones and blocking ones.

Whoever calls gets a `concurrent.futures.Future`, which both kinds can wait for. A call that is
cancelled is cancelled on the Trio side too, and is over only when that side has ended.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import AbstractAsyncContextManager, suppress
from typing import Generic, TypeVar

import trio

from meetcore.model.errors import CommandRefused

__all__ = ["Batches", "Held", "Running", "TrioThread", "over", "plainly"]

T = TypeVar("T")
BATCH = 256


def over() -> CommandRefused:
    """Return the error of a call that comes after the end."""
    return CommandRefused("That is over: the block of this bot or fleet has ended.")


def plainly(function: Callable[[], T]) -> Callable[[], Awaitable[T]]:
    """Return a coroutine function that calls a plain one on the Trio side."""

    async def run() -> T:
        await trio.lowlevel.checkpoint()
        return function()

    return run


class Running(Generic[T]):
    """A call that runs on the Trio side.

    Attributes:
        future: What comes of it; cancelled if the call was.
    """

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self.future: Future[T] = Future()
        self._token = token
        self._scope = trio.CancelScope()

    def cancel(self) -> None:
        """Cancel it, from any thread; the future is done when it has ended."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._scope.cancel)

    async def run(self, function: Callable[[], Awaitable[T]]) -> None:
        """Carry it out, on the Trio side."""
        try:
            with self._scope:
                try:
                    value = await function()
                except Exception as error:  # noqa: BLE001  raised where it was called from
                    self.fail(error)
                else:
                    with suppress(InvalidStateError):
                        self.future.set_result(value)
        finally:
            if self.future.cancel():
                self.future.set_running_or_notify_cancel()  # or nobody's `wait` would see it

    def fail(self, error: BaseException) -> None:
        """Have it raise."""
        with suppress(InvalidStateError):
            self.future.set_exception(error)


class Held(Generic[T]):
    """A Trio context manager that is held open in a task of its own.

    Attributes:
        entered: What it gave; never done where it could not be entered.
        running: The task that holds it.
    """

    def __init__(
        self, entered: Future[T], running: Running[None], release: Callable[[], object]
    ) -> None:
        self.entered = entered
        self.running = running
        self.release = release


class TrioThread:
    """Trio in a thread.

    Attributes:
        up: Done when calls can be made.
        down: Done when Trio has ended, with what it raised.
    """

    def __init__(self) -> None:
        self.up: Future[None] = Future()
        self.down: Future[None] = Future()
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._stop: trio.Event | None = None
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="meetcore-trio", daemon=True)

    def start(self) -> None:
        """Begin; `up` says when it is there."""
        self._thread.start()

    def end(self) -> None:
        """Have it end; `down` says when it has."""
        self._ending = True
        if self._token is not None and self._stop is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._stop.set)

    def join(self) -> None:
        """Wait for the thread itself, which has nothing left to do once `down` is done."""
        self._thread.join()

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:  # noqa: BLE001  handed to whoever waits, whatever it is
            self.down.set_exception(error)
        else:
            self.down.set_result(None)

    async def _main(self) -> None:
        self._stop = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        if self._ending:
            return
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.up.set_result(None)
            await self._stop.wait()
            nursery.cancel_scope.cancel()

    def submit(self, function: Callable[[], Awaitable[T]]) -> Running[T]:
        """Run a Trio coroutine function.

        Raises:
            CommandRefused: Trio has ended.
        """
        assert self._token is not None
        running: Running[T] = Running(self._token)

        def begin() -> None:
            assert self._nursery is not None
            try:
                self._nursery.start_soon(running.run, function)
            except RuntimeError:
                running.fail(over())

        try:
            self._token.run_sync_soon(begin)
        except trio.RunFinishedError:
            raise over() from None
        return running

    def hold(self, open_it: Callable[[], AbstractAsyncContextManager[T]]) -> Held[T]:
        """Enter a Trio context manager and hold it open until it is released or cancelled."""
        entered: Future[T] = Future()
        leave = trio.Event()

        async def keep() -> None:
            async with open_it() as value:
                with suppress(InvalidStateError):
                    entered.set_result(value)
                await leave.wait()

        def release() -> None:
            assert self._token is not None
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(leave.set)

        return Held(entered, self.submit(keep), release)


class Batches(Generic[T]):
    """Takes what an async iterator on the Trio side has ready, in one go.

    A hop between threads is paid per wake and not per item.
    """

    def __init__(self, items: AsyncIterator[T]) -> None:
        self._items = items
        self._ready: list[T] = []
        self._over = False
        self._wake = trio.Event()
        self._room = trio.Event()

    async def pump(self) -> None:
        """Read the iterator to its end, a batch ahead at most."""
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
        """Return what is ready, waiting for the first; empty at the end."""
        while not self._ready and not self._over:
            self._wake = trio.Event()
            await self._wake.wait()
        batch, self._ready = self._ready, []
        self._room.set()
        return batch
