"""One connection to a receiver: dialled here, spoken over by the worker.

The bot itself looks the host up, holds its addresses against what may be dialled, connects, and
checks the certificate; the worker speaks RTMP into a socket of this machine, and what comes is
passed on. So ffmpeg never dials, and what goes wrong on the way has one place and a type.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import trio

from meetcore import PrivateTargets
from meetcore_rtmp.errors import (
    ReceiverLost,
    ReceiverRefused,
    ReceiverUnreachable,
    RtmpError,
    RtmpWorkerFailed,
)
from meetcore_rtmp.frames import END, pack_frame, pack_order
from meetcore_rtmp.options import RtmpOptions
from meetcore_rtmp.rtmp_target import RtmpTarget
from meetcore_websocket.client import TargetRefused, dial

__all__ = ["Publishing", "publish"]

Stream: TypeAlias = "trio.SocketStream | trio.SSLStream[trio.SocketStream]"

BUFFER_BYTES = 256 * 1024
"""How much the sockets hold, about: what they hold is late."""
READ_BYTES = 64 * 1024
WORKER_START_S = 15.0
LAST_WORDS_S = 1.0
GOODBYE_S = 2.0
END_TIMEOUT_S = 3.0


class Publishing:
    """A stream on its way. Made by `publish`.

    Attributes:
        taken: Set once the receiver takes the stream.
        worker_pid: Process id of the worker, None before it runs.
    """

    def __init__(
        self, target: RtmpTarget, options: RtmpOptions, remote: Stream, taken: Callable[[], None]
    ) -> None:
        self.worker_pid: int | None = None
        self._target = target
        self._options = options
        self._remote = remote
        self._tell_taken = taken
        self.taken = trio.Event()
        self._done = trio.Event()
        self._passed_on = trio.Event()
        self._remote_over = trio.Event()
        self._trouble: RtmpError | None = None
        self._scope = trio.CancelScope()
        self._input: trio.abc.SendStream | None = None

    async def send(self, frame: bytes) -> None:
        """Pass a frame on; waits while the receiver does not read.

        Raises:
            RtmpError: It is gone, or has read nothing for `send_timeout_s`.
        """
        assert self._input is not None
        try:
            with trio.fail_after(self._options.send_timeout_s):
                await self._input.send_all(frame)
        except trio.TooSlowError as error:
            raise ReceiverLost(
                f"{self._target} has read nothing for {self._options.send_timeout_s:g} s."
            ) from error
        except (trio.BrokenResourceError, OSError) as error:
            await trio.sleep(LAST_WORDS_S)  # whoever knows why says so meanwhile
            raise self._broke_off("") from error

    async def finish(self) -> None:
        """Send the rest, and return once the receiver was told that it is over; no deadline.

        Raises:
            RtmpError: It broke off before.
        """
        await self.send(pack_frame(END, 0))
        await self._done.wait()
        await self._passed_on.wait()
        with trio.move_on_after(GOODBYE_S), suppress(trio.BrokenResourceError):
            if isinstance(self._remote, trio.SocketStream):
                await self._remote.send_eof()
                await self._remote_over.wait()
            else:
                await self._remote.aclose()

    async def run(self, feed: Callable[[Publishing], Awaitable[None]], *, black: bool) -> None:
        """Publish what `feed` sends, until it returns.

        Raises:
            RtmpError: It broke off.
        """
        async with _own_listener() as listener, _worker() as process:
            self.worker_pid, self._input = process.pid, process.stdin
            order = pack_order(
                address=f"rtmp://127.0.0.1:{listener.socket.getsockname()[1]}",
                app=self._target.app,
                key=self._target.key.reveal(),
                tc_url=self._target.tc_url,
                black=black,
            )
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._hear_worker, process)
                    nursery.start_soon(self._relay, listener)
                    nursery.start_soon(self._be_taken)
                    await self._feed(order, feed)
                    nursery.cancel_scope.cancel()
        if self._trouble is not None:
            raise self._trouble

    async def _feed(self, order: bytes, feed: Callable[[Publishing], Awaitable[None]]) -> None:
        try:
            await self.send(order)
            await feed(self)
        except RtmpError as error:
            self._fail(error)

    # --- what happens beside ------------------------------------------------------------

    def _fail(self, error: RtmpError) -> None:
        self._trouble = self._trouble or error
        self._scope.cancel()

    def _broke_off(self, why: str) -> RtmpError:
        said = f": {why}" if why else ""
        if self.taken.is_set():
            return ReceiverLost(f"{self._target} broke off{said}.")
        return ReceiverRefused(
            f"{self._target} does not take the stream{said}.", "Check the path and the key."
        )

    async def _be_taken(self) -> None:
        with trio.move_on_after(WORKER_START_S + self._options.connect_timeout_s):
            await self.taken.wait()
            return
        self._fail(self._broke_off("it did not answer in time"))

    async def _hear_worker(self, process: trio.Process) -> None:
        assert process.stdout is not None
        rest = b""
        async for data in process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._heard(json.loads(line))
        if not self._done.is_set():
            self._fail(RtmpWorkerFailed("The process that speaks RTMP ended by itself."))

    def _heard(self, news: dict[str, Any]) -> None:
        if "taken" in news:
            self.taken.set()
            self._tell_taken()
        elif "done" in news:
            self._done.set()
        else:
            self._fail(self._broke_off(str(news.get("failed", ""))))

    async def _relay(self, listener: trio.SocketListener) -> None:
        """Pass on between the worker and the receiver; nobody but the first gets in."""
        local = await listener.accept()
        await listener.aclose()
        async with local, trio.open_nursery() as nursery:
            nursery.start_soon(self._to_receiver, local)
            nursery.start_soon(self._from_receiver, local)

    async def _to_receiver(self, local: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in local:
                await self._remote.send_all(data)
        self._passed_on.set()

    async def _from_receiver(self, local: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await self._remote.receive_some(READ_BYTES):
                await local.send_all(data)
        self._remote_over.set()
        if self._done.is_set():
            return
        await local.aclose()  # the worker sees it, and says what it saw
        await trio.sleep(LAST_WORDS_S)
        self._fail(self._broke_off("it closed the connection"))


async def publish(
    target: RtmpTarget,
    options: RtmpOptions,
    private: PrivateTargets,
    feed: Callable[[Publishing], Awaitable[None]],
    *,
    black: bool,
    taken: Callable[[], None],
) -> None:
    """Connect to a receiver, and publish what `feed` sends, until it returns.

    Args:
        target: The receiver.
        options: The deadlines.
        private: Which receivers are fine that are not public.
        feed: Sends the frames; each wait has a deadline, its own for what there is to send aside.
        black: Whether there are no pictures but black ones.
        taken: Called once the receiver takes the stream.

    Raises:
        ReceiverUnreachable: There is no connection.
        ReceiverRefused: The stream is not taken.
        ReceiverLost: It broke off.
        RtmpWorkerFailed: What speaks RTMP here broke off.
    """
    remote = await _dialled(target, options, private)
    try:
        await Publishing(target, options, remote, taken).run(feed, black=black)
    finally:
        await trio.aclose_forcefully(remote)


async def _dialled(target: RtmpTarget, options: RtmpOptions, private: PrivateTargets) -> Stream:
    try:
        context = ssl.create_default_context(cafile=options.ca_file) if target.tls else None
        with trio.fail_after(options.connect_timeout_s):
            stream = await dial(target.host, target.port, private, context=context)
    except trio.TooSlowError as error:
        raise ReceiverUnreachable(
            f"{target} did not answer within {options.connect_timeout_s:g} s."
        ) from error
    except TargetRefused as error:
        raise ReceiverUnreachable(f"{target} is not a public address.") from error
    except (OSError, UnicodeError, trio.BrokenResourceError) as error:
        cause = error.__cause__ if isinstance(error, trio.BrokenResourceError) else error
        raise ReceiverUnreachable(f"{target} cannot be reached: {_words(cause)}.") from error
    plain = stream if isinstance(stream, trio.SocketStream) else stream.transport_stream
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    return stream


def _words(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not right ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"there is no encrypted connection ({error.reason or type(error).__name__})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, BaseExceptionGroup):
        return _words(error.exceptions[0])
    if isinstance(error, OSError) and error.__cause__ is not None:
        return _words(error.__cause__)  # as Trio tells that every address failed
    return str(error) or type(error).__name__


@asynccontextmanager
async def _own_listener() -> AsyncIterator[trio.SocketListener]:
    """Listen on the loopback, for the worker alone."""
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=1))[0]
    listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    async with listener:
        yield listener


@asynccontextmanager
async def _worker() -> AsyncIterator[trio.Process]:
    """Run the worker, which ends with its input; on exit it is gone.

    Raises:
        RtmpWorkerFailed: It cannot be started.
    """
    try:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "meetcore_rtmp.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # ffmpeg's own words would have the address in them
            start_new_session=True,  # Ctrl-C is the bot's to understand
        )
    except OSError as error:
        raise RtmpWorkerFailed(
            f"The process that speaks RTMP cannot be started: {error.strerror}."
        ) from error
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


async def _end(process: trio.Process) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(trio.BrokenResourceError):
        await process.stdin.aclose()
    with trio.move_on_after(END_TIMEOUT_S):
        await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    await process.stdout.aclose()
