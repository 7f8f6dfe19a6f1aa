"""One track over one connection: audio out, results in, and one scope that ends with either.

The tasks of a stream are its receiver, its keep-alive, its watchdog and, where a provider's finals
are not announced, one that decides when they are through. The first trouble of any of them, or of
a call of the core, ends them all; the core then opens another stream and replays what it has no
words of. There is no second supervisor here.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import trio

from meetcore import (
    SAMPLE_RATE_HZ,
    Chunk,
    StreamClock,
    StreamRequest,
    TranscriberError,
    TranscriberStream,
)
from meetcore_speech_api.assembly import UtteranceAssembly
from meetcore_speech_api.connection import ProviderSocket
from meetcore_speech_api.faults import ProviderFaults
from meetcore_speech_api.options import ProviderOptions
from meetcore_speech_api.pace import FrameCutter, Pace

__all__ = ["ProviderStream"]

CLOSE_WITHIN_S = 5.0
ABANDON_WITHIN_S = 1.0


class ProviderStream(TranscriberStream):
    """What the streams of providers with a WebSocket of their own have in common.

    A provider's own class says what its messages mean (`take`), and how it is asked for finals
    (`ask_for_finals`) and to close (`ask_to_close`).

    Args:
        socket: The open connection.
        request: The track, and where results go.
        options: What was set.
        faults: What trouble means.

    Attributes:
        shortest_ms: The shortest frame of audio that the provider takes.
        longest_ms: The longest.
        burst_s: How much audio may be sent faster than real time, in seconds; None for any.
        keep_alive_s: After so long without a message `keep_alive` is called; None for never.
        clock: What was sent, for `assembly`.
        assembly: Utterances, and what was said in them.
    """

    shortest_ms: ClassVar[int] = 0
    longest_ms: ClassVar[int] = 1000
    burst_s: ClassVar[float | None] = None
    keep_alive_s: ClassVar[float | None] = None

    def __init__(
        self,
        socket: ProviderSocket,
        request: StreamRequest,
        options: ProviderOptions,
        faults: ProviderFaults,
    ) -> None:
        self.socket = socket
        self.request = request
        self.faults = faults
        self.clock = StreamClock()
        self.assembly = UtteranceAssembly(self.clock, request.emit)
        self.asked_at: float | None = None
        self._stall_s = options.stall_s
        self._cutter = FrameCutter(self.shortest_ms, self.longest_ms)
        self._pace = Pace(self.burst_s) if self.burst_s is not None else None
        self._answered_at = trio.current_time()
        self._trouble: TranscriberError | None = None
        self._scope = trio.CancelScope()
        self._changed = trio.Event()
        self._closed = trio.Event()

    # --- of each provider -------------------------------------------------------------------

    async def opened(self) -> None:
        """Send or await what comes before audio. Under the core's deadline for opening."""
        await trio.lowlevel.checkpoint()

    @abstractmethod
    def take(self, message: Mapping[str, Any]) -> None:
        """Take a message of the provider; call `answered` where it is about what was said.

        Raises:
            TranscriberError: It tells trouble.
        """

    @abstractmethod
    async def ask_for_finals(self) -> None:
        """Ask that what was sent so far be finalized."""

    @abstractmethod
    async def ask_to_close(self) -> None:
        """Ask that everything be finalized and the session end."""

    async def keep_alive(self) -> None:
        """Send what keeps an idle connection open."""
        await trio.lowlevel.checkpoint()

    def finals_due_at(self) -> float:
        """Return when `finals_not_announced` is to be asked next, on Trio's clock."""
        return math.inf

    def finals_not_announced(self) -> None:
        """Decide whether an utterance is final though the provider announced nothing."""

    # --- for the provider's class ------------------------------------------------------------

    def answered(self) -> None:
        """Note that the provider said something about what it hears."""
        self._answered_at = trio.current_time()
        self.changed()

    def changed(self) -> None:
        """Wake whoever waits for finals."""
        self._changed.set()
        self._changed = trio.Event()

    def session_ended(self) -> None:
        """Note that the provider has said its last word."""
        self._closed.set()

    # --- for the core ------------------------------------------------------------------------

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        """Speech begins."""
        await trio.lowlevel.checkpoint()
        if not self.assembly.open:
            self._answered_at = trio.current_time()
        self.assembly.begin(utterance_id, start_sample)
        self.changed()

    async def feed(self, chunk: Chunk) -> None:
        """Send audio; where the provider takes it in real time only, it waits that long."""
        self.clock.sent(chunk.start_sample, chunk.samples)
        await trio.lowlevel.checkpoint()
        for frame in self._cutter.add(chunk.pcm.astype("<i2", copy=False).tobytes()):
            await self._send_frame(frame)

    async def _send_frame(self, frame: bytes) -> None:
        if self._pace is not None:
            await self._pace.wait(len(frame) / 2 / SAMPLE_RATE_HZ)
        await self._guarded(self.socket.send(frame))

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        """Speech ended: what is left is sent, and finals are asked for."""
        del cause
        frame, padding = self._cutter.rest()
        self.clock.padded(padding)
        if frame:
            await self._send_frame(frame)
        self.assembly.end(utterance_id, end_sample)
        self.asked_at = trio.current_time()
        self.changed()
        await self._guarded(self.ask_for_finals())

    async def flush(self) -> None:
        """Return when every utterance had its final."""
        await trio.lowlevel.checkpoint()
        while self.assembly.open:
            await self._changed.wait()

    async def _guarded(self, call: Awaitable[None]) -> None:
        """Await something; its trouble ends the scope, which then is what is raised."""
        try:
            await call
        except TranscriberError as error:
            self._fail(error)
            await trio.sleep_forever()  # until the scope's end, which is now

    # --- the tasks ---------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve the connection; on a normal exit the session is ended as the provider wants it.

        Raises:
            TranscriberError: The first trouble of any task.
        """
        raised: Exception | None = None
        async with trio.open_nursery() as nursery:
            self._scope = nursery.cancel_scope
            nursery.start_soon(self._receive)
            try:
                await self._guarded(self.opened())
                nursery.start_soon(self._watch)
                nursery.start_soon(self._await_finals)
                if self.keep_alive_s is not None:
                    nursery.start_soon(self._keep_alive, self.keep_alive_s)
                yield
                await self._close()
            except Exception as error:  # noqa: BLE001  a nursery would put it into a group
                raised = error
            finally:
                await self._abandon()
            nursery.cancel_scope.cancel()
        if self._trouble is not None:
            raise self._trouble
        if raised is not None:
            raise raised

    def _fail(self, error: TranscriberError) -> None:
        self._trouble = self._trouble or error
        self._scope.cancel()

    async def _close(self) -> None:
        """End the session: the provider has five seconds for its last words."""
        self.socket.closing = True
        with trio.move_on_after(CLOSE_WITHIN_S):
            try:
                await self.ask_to_close()
            except TranscriberError:
                return  # it is gone already, and owes nothing
            await self._closed.wait()

    async def _abandon(self) -> None:
        """Ask to close where there was no time to: some providers charge until they are asked."""
        if self.socket.closing:
            return
        self.socket.closing = True
        with trio.CancelScope(shield=True), trio.move_on_after(ABANDON_WITHIN_S):
            try:
                await self.ask_to_close()
            except TranscriberError:
                return  # it is gone already

    async def _receive(self) -> None:
        try:
            while (message := await self.socket.receive()) is not None:
                self.take(message)
        except TranscriberError as error:
            self._fail(error)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            words = f"a message of it cannot be understood ({type(error).__name__}: {error})"
            self._fail(self.faults.trouble("protocol", words, retryable=True))
        self._closed.set()

    async def _keep_alive(self, every_s: float) -> None:
        try:
            while True:
                # A time and not a length: what is left of a length can be too small to pass.
                due_at = self.socket.sent_at + every_s
                if trio.current_time() >= due_at:
                    await self.keep_alive()
                else:
                    await trio.sleep_until(due_at)
        except TranscriberError as error:
            self._fail(error)

    async def _watch(self) -> None:
        """Notice a connection that takes speech and says nothing about it."""
        while True:
            if not self.assembly.open:
                await self._changed.wait()
                continue
            due_at = self._answered_at + self._stall_s
            if trio.current_time() >= due_at:
                words = f"it heard speech and said nothing for {self._stall_s:g} s"
                self._fail(self.faults.trouble("network", words, retryable=True))
                return
            await trio.sleep_until(due_at)

    async def _await_finals(self) -> None:
        while True:
            with trio.move_on_at(self.finals_due_at()) as due:
                await self._changed.wait()
            if due.cancelled_caught:
                self.finals_not_announced()
