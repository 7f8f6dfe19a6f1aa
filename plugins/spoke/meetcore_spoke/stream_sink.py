"""The sink `spoke_stream`: dials a client's sockets and streams the meeting's sound there."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import trio

from meetcore.addresses import is_address, is_public
from meetcore.contracts import Sink, SinkContext
from meetcore.errors import ConfigError, JournalError, StorageUnavailable
from meetcore.events import Event, PluginEvent, StateChanged, TrackClosed, TrackOpened
from meetcore.lifecycle import TERMINAL, State
from meetcore_spoke.stream_frames import Pieces, SpeakerChanges, handshake
from meetcore_spoke.stream_options import StreamOptions

if TYPE_CHECKING:
    from meetcore.audio.chunk import Chunk
    from meetcore_spoke.stream_link import StreamLink
    from meetcore_websocket.client import Link
    from meetcore_websocket.push_options import PushOptions
    from meetcore_websocket.raw_mix import RawMix

__all__ = ["SpokeStreamSink"]

_LOOKS_LIKE_A_KEY = 12
_GOODBYE_S = 3.0


class _Notices:
    """What the sink has to say, in the bot's journal; nothing after the bot's end."""

    def __init__(self, context: SinkContext) -> None:
        self.over = False
        self._context = context

    def say(self, name: str, **data: str) -> None:
        if self.over:
            return
        context = self._context
        told = {key: context.redactor.redact(value) for key, value in data.items() if value}
        try:
            context.report(PluginEvent(plugin=context.name, name=name, data=told))
        except (JournalError, StorageUnavailable):
            return  # a journal that takes no more has said so itself


class SpokeStreamSink(Sink):
    """Streams the mixed sound to `output`, and listens at `input`.

    What comes in to be spoken is discarded, and the journal says so: no platform can speak yet.
    While the target is away `hear` waits: the core's mailbox is where sound belongs then, and its
    losses are declared.
    """

    name: ClassVar[str] = "spoke_stream"
    Options: ClassVar[type] = StreamOptions
    call_timeout_s: ClassVar[float] = math.inf

    def __init__(self, options: StreamOptions | None = None) -> None:
        super().__init__(options)
        # What a sink wants is the class's to say, but here it follows from the options.
        self.wants_audio = bool(self.options.output)  # type: ignore[misc]
        self._notices: _Notices | None = None
        self._output: StreamLink | None = None
        self._mix: RawMix | None = None
        self._pieces = Pieces(self.options.sample_rate_hz)
        self._speakers = SpeakerChanges()
        self._discarded_bytes = 0

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Dial in the background.

        Raises:
            ConfigError: A target came over an API and is not public.
        """
        from meetcore_spoke.stream_link import StreamLink
        from meetcore_websocket.raw_mix import RawMix

        options: StreamOptions = self.options
        self._notices = _Notices(context)
        self._mix = RawMix()

        def greeting() -> list[str]:
            speaking = self._speakers.now
            return [handshake(context.bot_id), *([speaking] if speaking else [])]

        async with AsyncExitStack() as stack:
            if options.output:
                self._output = StreamLink(options, greeting, self._discard)
                await stack.enter_async_context(
                    self._dialling(context, options.output, self._output)
                )
            if options.input and options.input != options.output:
                listening = StreamLink(options, list, self._discard)
                await stack.enter_async_context(self._dialling(context, options.input, listening))
            yield
            if self._discarded_bytes:
                self._notices.say("input_discarded_in_all", bytes=str(self._discarded_bytes))

    @asynccontextmanager
    async def _dialling(
        self, context: SinkContext, url: str, stream: StreamLink
    ) -> AsyncIterator[None]:
        """Keep a connection going while the block runs; then end it, politely if that is quick."""
        link = self._link(context, self.options.dialling(url))
        ended = trio.Event()

        async def run() -> None:
            await link.run(stream.session)
            ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield
            link.stop()
            stream.finish()
            with trio.move_on_after(_GOODBYE_S):
                await ended.wait()
            nursery.cancel_scope.cancel()

    def _link(self, context: SinkContext, options: PushOptions) -> Link:
        from meetcore_websocket.client import Link

        if not context.trusted and is_address(options.host) and not is_public(options.host):
            raise ConfigError(
                f"The streaming target {options.target} is not a public address.",
                "Over an API only public targets are taken.",
            )
        _keep_secret(context, options)
        allow_private = context.trusted and options.allow_private
        return Link(options, allow_private=allow_private, notice=self._noticed(options.target))

    def _noticed(self, target: str) -> Callable[[str, str], None]:
        def notice(name: str, why: str) -> None:
            assert self._notices is not None
            self._notices.say(name, target=target, reason=why)

        return notice

    def _discard(self, count: int) -> None:
        """Note that sound to speak came: it cannot be spoken."""
        assert self._notices is not None
        if not self._discarded_bytes:
            self._notices.say(
                "input_discarded", reason="Sound came to be spoken; no platform can speak yet."
            )
        self._discarded_bytes += count

    # --- what the core calls -----------------------------------------------------------

    async def deliver(self, event: Event) -> None:
        """Tell who speaks; follow tracks and the end."""
        assert self._notices is not None
        assert self._mix is not None
        change = self._speakers.take(event)
        if change is not None and self._output is not None:
            self._output.tell(change)
        if isinstance(event, TrackOpened):
            self._mix.open_track(event.track_id)
        elif isinstance(event, TrackClosed):
            self._mix.close_track(event.track_id)
        elif isinstance(event, StateChanged):
            self._notices.over = event.state in TERMINAL
            if event.state is State.PROCESSING and self._output is not None:
                self._output.hurry(trio.current_time() + self.options.flush_timeout_s)
        await trio.lowlevel.checkpoint()

    async def hear(self, chunk: Chunk) -> None:
        """Mix a chunk and send what is settled; waits while there is no connection.

        Raises:
            TargetUnreachable: The meeting is over and the time for the rest is up.
        """
        assert self._mix is not None
        await self._send(self._pieces.cut(self._mix.add(chunk)))

    async def lose(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Learn of a hole: silence in the mix, or, if it is long, nothing at all there.

        Raises:
            TargetUnreachable: As for `hear`.
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
        self._output.hurry(trio.current_time() + self.options.flush_timeout_s)
        await self._send(self._pieces.cut(self._mix.rest(), last=True))
        with trio.move_on_after(self.options.flush_timeout_s):
            await self._output.drained()

    async def _send(self, pieces: list[bytes]) -> None:
        assert self._output is not None
        await trio.lowlevel.checkpoint()
        for piece in pieces:
            await self._output.put(piece)


def _keep_secret(context: SinkContext, options: PushOptions) -> None:
    parts = urlsplit(options.url)
    context.redactor.add(parts.query)
    for part in parts.path.split("/"):
        if len(part) >= _LOOKS_LIKE_A_KEY:
            context.redactor.add(part)
