"""The sink `spoke_stream`: dials a client's sockets and streams the meeting's sound there."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

import trio

from meetcore import CommandRefused, Event, Sink, SinkContext, State, StateChanged
from meetcore_spoke.frames import Pieces, SpeakerChanges, handshake
from meetcore_spoke.stream_options import StreamOptions
from meetcore_websocket.dialler import Dialler
from meetcore_websocket.outbound import Outbound
from meetcore_websocket.streamed_speech import StreamedSpeech
from meetcore_websocket.target import Target

if TYPE_CHECKING:
    from meetcore import BareMix, Chunk

__all__ = ["SpokeStreamSink"]


class SpokeStreamSink(Sink[StreamOptions]):
    """Streams the mixed sound to `output`, and has the bot say what comes from `input`.

    What comes while the recording is paused is not said, as at Spoke; what cannot be said is
    discarded. The journal says so, once, and at the end how much it was.

    While the target is away `on_audio` waits: the core's mailbox is where sound belongs then, and
    its losses are declared.
    """

    name: ClassVar[str] = "spoke_stream"
    call_timeout_s: ClassVar[float] = math.inf

    def __init__(self, options: StreamOptions | None = None) -> None:
        super().__init__(options)
        # What a sink wants is the class's to say, but here it follows from the options.
        self.wants_audio = bool(self.options.output)  # type: ignore[misc]
        self._dialler: Dialler | None = None
        self._output: Outbound | None = None
        self._mix: BareMix | None = None
        self._pieces = Pieces(self.options.sample_rate_hz)
        self._speakers = SpeakerChanges()
        self._voice: StreamedSpeech | None = None
        self._paused = False
        self._odd = b""
        self._discarded_bytes = 0

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Dial in the background.

        Raises:
            ConfigError: A target came over an API and is not public.
        """
        from meetcore import BareMix

        options = self.options
        self._dialler = dialler = Dialler(context, options)
        self._mix = BareMix()
        self._voice = StreamedSpeech(context.say)

        def greeting() -> list[str]:
            speaking = self._speakers.now
            return [handshake(context.bot_id), *([speaking] if speaking else [])]

        async with AsyncExitStack() as stack:
            if options.output:
                target = Target(options.output)
                duplex = options.input == options.output
                heard = self._say if duplex else self._ignore
                self._output = Outbound(target, options, greeting, heard)
                await stack.enter_async_context(dialler.link(target).keeping(self._output))
            if options.input and options.input != options.output:
                target = Target(options.input)
                listening = Outbound(target, options, heard=self._say)
                await stack.enter_async_context(dialler.link(target).keeping(listening))
            yield
            self._sum_up(dialler)

    def _ignore(self, message: str | bytes) -> None:
        """Take nothing from a socket that is no input."""

    def _say(self, message: str | bytes) -> None:
        """Have the bot say sound that comes; texts mean nothing here."""
        if isinstance(message, str) or not message:
            return
        assert self._voice is not None
        if self._paused:
            self._discard(message, "The recording is paused.")
            return
        pcm, self._odd = self._odd + message, b""
        if len(pcm) % 2:
            pcm, self._odd = pcm[:-1], pcm[-1:]
        if not pcm:
            return
        try:
            self._voice.take(pcm, self.options.sample_rate_hz)
        except CommandRefused as error:
            self._discard(message, str(error))

    def _discard(self, message: bytes, why: str) -> None:
        assert self._dialler is not None
        if not self._discarded_bytes:
            self._dialler.say("input_discarded", reason=why)
        self._discarded_bytes += len(message)

    def _sum_up(self, dialler: Dialler) -> None:
        assert self._voice is not None
        if self._discarded_bytes:
            dialler.say("input_discarded_in_all", bytes=str(self._discarded_bytes))
        if self._voice.dropped_s:
            dialler.say("input_too_fast", seconds=f"{self._voice.dropped_s:.1f}")

    # --- what the core calls -----------------------------------------------------------

    async def deliver(self, event: Event) -> None:
        """Tell who speaks; follow tracks and the end."""
        assert self._dialler is not None
        assert self._mix is not None
        self._dialler.take(event)
        self._mix.take(event)
        if isinstance(event, StateChanged):
            self._paused = event.state is State.PAUSED
        change = self._speakers.take(event)
        if self._output is not None:
            self._output.take(event)
            if change is not None:
                self._output.show(change)
        await trio.lowlevel.checkpoint()

    async def on_audio(self, chunk: Chunk) -> None:
        """Mix a chunk and send what is settled; waits while there is no connection.

        Raises:
            TargetUnreachable: The meeting is over and the time for the rest is up.
        """
        assert self._mix is not None
        await self._send(self._pieces.cut(self._mix.add(chunk)))

    async def on_gap(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Learn of a hole: silence in the mix, or, if it is long, nothing at all there.

        Raises:
            TargetUnreachable: As for `on_audio`.
        """
        del cause
        assert self._mix is not None
        await self._send(self._pieces.cut(self._mix.skip(track_id, start_sample, samples)))

    async def finish(self) -> None:
        """Send what is left of the sound, within the deadline.

        Raises:
            TargetUnreachable: It was not taken in time.
        """
        if self._output is None:
            return
        assert self._mix is not None
        self._output.hurry()
        await self._send(self._pieces.cut(self._mix.rest(), last=True))
        await self._output.drained()

    async def _send(self, pieces: list[bytes]) -> None:
        assert self._output is not None
        await trio.lowlevel.checkpoint()
        for piece in pieces:
            await self._output.put(piece)
