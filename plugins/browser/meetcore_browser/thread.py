"""The bridge between Trio and Playwright: one thread that runs an asyncio loop of its own.

Playwright's Python client speaks asyncio only, and its makers closed the request for Trio as not
planned (microsoft/playwright-python#994). There are three ways to live with that.

*trio-asyncio* runs asyncio code inside Trio's loop. It costs more than it saves: importing it swaps
the process-wide asyncio policy, so that an innocent `asyncio.run()` in another thread becomes
something else; and Playwright waits after every message until the private attribute
`loop._ready` is empty, which trio-asyncio replaces by an object that never is, so that each message
costs a hundred turns of the loop (4.5 ms of CPU for one binding call, measured).

*Guest mode* lets Trio run as a guest of an asyncio loop. It is as fast as a thread but turns the
program upside down: asyncio owns `main`, the signals and KeyboardInterrupt. A framework whose
promise is structured concurrency should not give that away.

*A thread* costs 0.06 ms a call and leaves everybody's loop alone. That is what stands here.

What the bridge holds to:

* **A cancel scope works.** A cancelled `call` cancels the asyncio task and waits for it to end, so
  that no half-run call outlives its scope. Playwright ends a cancelled call at once and tells its
  driver. A call that finished in the same instant returns its value, and Trio delivers the
  cancellation at the next checkpoint, as it does for its own primitives: otherwise a browser that
  was launched just now would be lost.
* **Every call has a deadline**, finite, also for the asyncio side's answer to a cancellation.
* **Exceptions arrive as themselves.**
* **Nothing from the asyncio side touches Trio** except through `TrioToken.run_sync_soon`.
* **The loop is built explicitly**, never through the policy, so nobody else's choice of policy
  reaches in here (but for the watcher of child processes, which Python 3.11 takes from it).
* **Child processes get a session of their own.** Ctrl-C in a terminal goes to the whole foreground
  group, and a driver that dies of it could not leave a meeting politely.

What happens to the *page* on cancellation is another matter: the page goes on with what it was
told. A script that blocks the renderer goes on blocking it, and a cancelled navigation may still
finish and disturb the next one. After a cancelled navigation close the page or try once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar, cast

import outcome
import trio
from attrs import define, field

from meetcore_browser.errors import BrowserThreadClosed, CallTimedOut

__all__ = [
    "DEFAULT_CALL_TIMEOUT_S",
    "BrowserThread",
    "ChildProcess",
    "browser_thread",
    "child_settings",
    "open_browser_thread",
]

T = TypeVar("T")

DEFAULT_CALL_TIMEOUT_S = 30.0
ABORT_GRACE_S = 5.0
"""How long the asyncio side may take to end a cancelled call before it is abandoned."""
STOP_TIMEOUT_S = 10.0

_log = logging.getLogger("meetcore.browser")


@define
class ChildProcess:
    """What is wanted of, and known about, the child processes that a call starts.

    Attributes:
        env: Environment variables to set in the child.
        on_exit: Called on the browser thread when a child has ended.
        pids: Process ids of the children started so far.
    """

    env: dict[str, str] = field(factory=dict)
    on_exit: Callable[[], object] = lambda: None
    pids: list[int] = field(factory=list)

    def watched(
        self, make_protocol: Callable[[], asyncio.SubprocessProtocol]
    ) -> asyncio.SubprocessProtocol:
        """Make the child's protocol, with `on_exit` behind its own `process_exited`."""
        protocol = make_protocol()
        inner = protocol.process_exited

        def process_exited() -> None:
            inner()
            self.on_exit()

        protocol.process_exited = process_exited  # type: ignore[method-assign]
        return protocol


child_settings: ContextVar[ChildProcess | None] = ContextVar("child_settings", default=None)
"""Set by whoever calls something that starts a child process on the browser thread.

A call runs in a copy of its caller's context, so this reaches the loop by itself.
"""


class _SpawnsApart:
    """Mixin for the thread's loop: children lead a session of their own and are kept account of."""

    async def subprocess_exec(
        self, protocol_factory: Callable[[], Any], *args: Any, **kwargs: Any
    ) -> Any:
        settings = child_settings.get()
        if sys.platform != "win32":
            kwargs["start_new_session"] = True
        make_protocol = protocol_factory
        if settings is not None:
            kwargs["env"] = {**(kwargs.get("env") or {}), **settings.env}
            make_protocol = partial(settings.watched, protocol_factory)
        parent = cast("asyncio.AbstractEventLoop", super())
        transport, protocol = await parent.subprocess_exec(make_protocol, *args, **kwargs)
        if settings is not None and (pid := transport.get_pid()) is not None:
            settings.pids.append(pid)
        return transport, protocol


if sys.platform == "win32":  # pragma: no cover

    class _Loop(_SpawnsApart, asyncio.ProactorEventLoop):
        pass

else:

    class _Loop(_SpawnsApart, asyncio.SelectorEventLoop):
        pass


def _quietly(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody awaited, instead of printing it.

    A killed driver leaves futures behind whose exception nobody retrieves; that the driver is
    gone is reported where it matters, to the callers.
    """
    del loop
    _log.debug("browser thread: %s", context.get("message"), exc_info=context.get("exception"))


class _Job:
    """One call on its way: created on the Trio side, run on the asyncio side."""

    def __init__(
        self, start: Callable[[], Awaitable[Any]], name: str, token: trio.lowlevel.TrioToken
    ) -> None:
        self.start = start
        self.name = name
        self.token = token
        self.finished = trio.Event()
        self.result: outcome.Outcome[Any] | None = None
        self.task: asyncio.Task[Any] | None = None
        self.aborted = False

    def run(self, loop: asyncio.AbstractEventLoop) -> None:  # on the asyncio side
        if self.aborted:
            self._settle(outcome.Error(asyncio.CancelledError()))
            return
        self.task = loop.create_task(self._await())
        self.task.add_done_callback(self._done)

    async def _await(self) -> Any:
        return await self.start()

    def abort(self) -> None:  # on the asyncio side
        self.aborted = True
        if self.task is not None:
            self.task.cancel()

    def _done(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self._settle(outcome.Error(asyncio.CancelledError()))
        elif (error := task.exception()) is not None:
            self._settle(outcome.Error(error))
        else:
            self._settle(outcome.Value(task.result()))

    def _settle(self, result: outcome.Outcome[Any]) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            self.token.run_sync_soon(self._hand_over, result)

    def _hand_over(self, result: outcome.Outcome[Any]) -> None:  # on the Trio side
        self.result = result
        self.finished.set()

    @property
    def succeeded(self) -> bool:
        return isinstance(self.result, outcome.Value)


class BrowserThread:
    """A thread with an asyncio loop, to be called from Trio. Open it with `browser_thread()`."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = trio.Event()
        self._ended = trio.Event()
        self._pending: set[_Job] = set()
        self._thread = threading.Thread(target=self._main, name="meetcore-browser", daemon=True)

    def in_this_run(self) -> BrowserThread:
        """Return what the current Trio run calls the same thread through, whoever opened it."""
        borrowed = BrowserThread()
        borrowed._loop = self._loop
        return borrowed

    @property
    def pending_calls(self) -> int:
        """How many calls are under way."""
        return len(self._pending)

    async def call(
        self,
        fn: Callable[..., Awaitable[T]],
        *args: Any,
        timeout_s: float = DEFAULT_CALL_TIMEOUT_S,
        **kwargs: Any,
    ) -> T:
        """Run an asyncio function on the browser thread and return what it returns.

        Args:
            fn: The function; Playwright objects' methods for the most part.
            *args: Its positional arguments.
            timeout_s: Deadline in seconds.
            **kwargs: Its keyword arguments.

        Raises:
            CallTimedOut: The deadline passed; the call has been cancelled.
            BrowserThreadClosed: The thread has ended.
            Exception: Whatever the function raised, as it is.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        loop = self._loop
        if loop is None:
            raise BrowserThreadClosed(f"{_name(fn)} was called after the browser thread had ended.")
        job = _Job(lambda: fn(*args, **kwargs), _name(fn), self._token)
        self._pending.add(job)
        try:
            loop.call_soon_threadsafe(job.run, loop)
            try:
                with trio.move_on_after(timeout_s):
                    await job.finished.wait()
            except trio.Cancelled:
                await self._abort(job, loop)
                if not job.succeeded:
                    raise
            if not job.finished.is_set():
                await self._abort(job, loop)
                if not job.succeeded:
                    raise CallTimedOut(_name(fn), timeout_s)
            assert job.result is not None
            return cast("T", _unwrap(job.result, fn))
        finally:
            self._pending.discard(job)

    async def sync(
        self,
        fn: Callable[..., T],
        *args: Any,
        timeout_s: float = DEFAULT_CALL_TIMEOUT_S,
    ) -> T:
        """Run a plain function on the browser thread, between two turns of its loop.

        For registering handlers and reading properties; it must not block.
        """

        async def on_the_loop() -> T:
            return fn(*args)

        on_the_loop.__qualname__ = _name(fn)
        return await self.call(on_the_loop, timeout_s=timeout_s)

    def to_trio(self, fn: Callable[..., object], *args: object, idempotent: bool = False) -> None:
        """Have `fn` called on the Trio thread soon. For handlers on the browser thread.

        Trio's queue for this has no bound of its own: a handler of anything frequent hands over
        through `meetcore_browser.handover`.
        """
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(fn, *args, idempotent=idempotent)

    async def _abort(self, job: _Job, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the job has been settled
            loop.call_soon_threadsafe(job.abort)
        with trio.CancelScope(shield=True), trio.move_on_after(ABORT_GRACE_S):
            await job.finished.wait()
        if not job.finished.is_set():
            _log.warning("browser thread: a cancelled call did not end: %s", job.name)

    # --- life ---------------------------------------------------------------------------

    async def _open(self) -> None:
        self._thread.start()
        with trio.CancelScope(shield=True):
            await self._ready.wait()

    async def _close(self) -> None:
        loop, self._loop = self._loop, None
        if loop is None or self._stop is None:
            return
        with trio.CancelScope(shield=True), trio.move_on_after(STOP_TIMEOUT_S):
            loop.call_soon_threadsafe(self._stop.set)
            await self._ended.wait()
            self._thread.join(1.0)

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                runner.run(self._serve())
        finally:
            self.to_trio(self._ended.set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_quietly)
        self._stop = asyncio.Event()
        self.to_trio(self._ready.set)
        await self._stop.wait()


def _name(fn: Callable[..., object]) -> str:
    return getattr(fn, "__qualname__", None) or repr(fn)


def _unwrap(result: outcome.Outcome[T], fn: Callable[..., object]) -> T:
    if isinstance(result, outcome.Error) and isinstance(result.error, asyncio.CancelledError):
        raise BrowserThreadClosed(f"{_name(fn)} was given up: the browser thread is ending.")
    return result.unwrap()


@contextlib.asynccontextmanager
async def open_browser_thread() -> AsyncIterator[BrowserThread]:
    """Run a thread of one's own. `browser_thread()` is what bots use."""
    thread = BrowserThread()
    await thread._open()
    try:
        yield thread
    finally:
        await thread._close()


class _Shared:
    """The thread all bots of one Trio run share, and how many use it."""

    def __init__(self) -> None:
        self.lock = trio.Lock()
        self.users = 0
        self.thread: BrowserThread | None = None


_shared: trio.lowlevel.RunVar[_Shared] = trio.lowlevel.RunVar("meetcore_browser_thread")


@contextlib.asynccontextmanager
async def browser_thread() -> AsyncIterator[BrowserThread]:
    """Use the shared browser thread: the first user starts it, the last one ends it."""
    try:
        shared = _shared.get()
    except LookupError:
        shared = _Shared()
        _shared.set(shared)
    async with shared.lock:
        if shared.thread is None:
            thread = BrowserThread()
            await thread._open()
            shared.thread = thread
        shared.users += 1
    thread = shared.thread
    try:
        yield thread
    finally:
        with trio.CancelScope(shield=True):
            async with shared.lock:
                shared.users -= 1
                if shared.users == 0:
                    shared.thread = None
                    await thread._close()
