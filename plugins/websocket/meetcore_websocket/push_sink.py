"""The sink `websocket_push`: connects to a URL and sends a bot's events, or its sound."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import trio

from meetcore.addresses import is_address, is_public
from meetcore.contracts import Sink, SinkContext
from meetcore.errors import ConfigError, JournalError, StorageUnavailable
from meetcore.events import Draft, Event, PluginEvent, StateChanged, TrackClosed, TrackOpened
from meetcore.lifecycle import TERMINAL, State
from meetcore_websocket.push_options import PushOptions

if TYPE_CHECKING:
    from trio_websocket import WebSocketConnection

    from meetcore.audio.chunk import Chunk
    from meetcore_websocket.audio_pusher import AudioPusher
    from meetcore_websocket.client import Link
    from meetcore_websocket.event_pusher import EventPusher
    from meetcore_websocket.raw_mix import RawMix

__all__ = ["WebSocketPushSink"]

_LOOKS_LIKE_A_KEY = 12
_GOODBYE_S = 3.0


class _Notices:
    """What the sink has to say, in the bot's journal; nothing after the bot's end."""

    def __init__(self, context: SinkContext, target: str) -> None:
        self.over = False
        self._context = context
        self._target = target

    def say(self, name: str, **data: str) -> None:
        if self.over:
            return
        context = self._context
        told = {key: context.redactor.redact(value) for key, value in data.items() if value}
        event = PluginEvent(plugin=context.name, name=name, data={"target": self._target, **told})
        try:
            context.report(event)
        except (JournalError, StorageUnavailable):
            return  # a journal that takes no more has said so itself

    def link(self, name: str, why: str) -> None:
        self.say(name, reason=why)

    def cursor_not_written(self, error: OSError) -> None:
        self.say("cursor_not_written", error=error.strerror or str(error))


class WebSocketPushSink(Sink):
    """Connects to a URL and sends a bot's events, or its sound; resumes after a drop.

    In mode `audio`, `hear` may wait for as long as the target is away: the core's mailbox is where
    sound belongs then, and five calls given up in a row would detach the sink. When the meeting is
    over it waits no longer than `flush_timeout_s`.
    """

    name: ClassVar[str] = "websocket_push"
    Options: ClassVar[type] = PushOptions
    call_timeout_s: ClassVar[float] = math.inf

    def __init__(self, options: PushOptions | None = None) -> None:
        super().__init__(options)
        chosen: PushOptions = self.options
        # What a sink wants is the class's to say, but here it follows from the mode.
        self.wants_audio = chosen.mode == "audio"  # type: ignore[misc]
        self.wants_drafts = chosen.mode == "events" and chosen.drafts  # type: ignore[misc]
        self._notices: _Notices | None = None
        self._events: EventPusher | None = None
        self._audio: AudioPusher | None = None
        self._mix: RawMix | None = None
        self._participants: dict[str, str | None] = {}

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Push in the background; at the end the rest is tried for `flush_timeout_s`.

        Raises:
            ConfigError: The target came over an API and is not wss, or not public.
            StorageUnavailable: The sink's folder cannot be written.
        """
        self._notices = notices = _Notices(context, self.options.target)
        link = self._link(context, notices.link)
        if self.wants_audio:
            async with _pushing(link, self._start_audio()):
                yield
            return
        self._events = pusher = self._event_pusher(context, notices.cursor_not_written)
        async with _pushing(link, pusher):
            yield
            with trio.move_on_after(self.options.flush_timeout_s):
                await pusher.drained()

    def _start_audio(self) -> AudioPusher:
        from meetcore_websocket.audio_pusher import AudioPusher
        from meetcore_websocket.raw_mix import RawMix

        self._audio = AudioPusher(self.options)
        self._mix = RawMix() if self.options.audio_format == "raw_mix" else None
        return self._audio

    def _event_pusher(
        self, context: SinkContext, trouble: Callable[[OSError], None]
    ) -> EventPusher:
        from meetcore_websocket.cursor_file import CursorFile
        from meetcore_websocket.event_pusher import EventPusher

        folder = context.folder / context.name
        _make_folder(folder)
        return EventPusher(context.journal, CursorFile(folder), self.options, trouble)

    def _link(self, context: SinkContext, notice: Callable[[str, str], None]) -> Link:
        from meetcore_websocket.client import Link

        options: PushOptions = self.options
        if not context.trusted:
            _check_untrusted(options)
        _keep_secret(context, options)
        allow_private = context.trusted and options.allow_private
        return Link(options, allow_private=allow_private, notice=notice)

    # --- what the core calls -----------------------------------------------------------

    async def deliver(self, event: Event) -> None:
        """Learn of an event; it is read from the journal when its turn comes."""
        if (
            isinstance(event, StateChanged)
            and event.state in TERMINAL
            and self._notices is not None
        ):
            self._notices.over = True
        if self._events is not None:
            self._events.wake()
        elif isinstance(event, TrackOpened):
            self._participants[event.track_id] = event.participant_id
            if self._mix is not None:
                self._mix.open_track(event.track_id)
        elif isinstance(event, TrackClosed) and self._mix is not None:
            self._mix.close_track(event.track_id)
        elif isinstance(event, StateChanged) and event.state is State.PROCESSING:
            assert self._audio is not None
            self._audio.hurry(trio.current_time() + self.options.flush_timeout_s)
        await trio.lowlevel.checkpoint()

    async def deliver_draft(self, draft: Draft) -> None:
        """Send a draft, if there is a connection."""
        assert self._events is not None
        self._events.show(draft)
        await trio.lowlevel.checkpoint()

    async def hear(self, chunk: Chunk) -> None:
        """Push a chunk, or mix it and push what is settled; waits while there is no connection.

        Raises:
            TargetUnreachable: The meeting is over and the time for the rest is up.
        """
        from meetcore_websocket.audio_pusher import audio_frame

        assert self._audio is not None
        if self._mix is None:
            await self._audio.put(audio_frame(chunk, self._participants.get(chunk.track_id)))
        elif settled := self._mix.add(chunk):
            await self._audio.put(settled)

    async def lose(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Learn of a hole: silence in the mix, or, if it is long, nothing at all there.

        Raises:
            TargetUnreachable: As for `hear`.
        """
        del cause
        assert self._audio is not None
        if self._mix is not None and (settled := self._mix.skip(track_id, start_sample, samples)):
            await self._audio.put(settled)

    async def finish(self) -> None:
        """Push what is left of the sound, and wait until the target has it, within the deadline.

        Raises:
            TargetUnreachable: It did not take it in time; how much is said in the message.
        """
        if self._audio is None:
            return
        from meetcore_websocket.audio_pusher import TargetUnreachable

        self._audio.hurry(trio.current_time() + self.options.flush_timeout_s)
        if self._mix is not None and (rest := self._mix.rest()):
            await self._audio.put(rest)
        with trio.move_on_after(self.options.flush_timeout_s):
            await self._audio.drained()
        if unanswered := self._audio.unanswered_bytes:
            raise TargetUnreachable(
                f"{self.options.target} is not known to have the last {unanswered} bytes of sound."
            )

    async def recover(self, context: SinkContext) -> Sequence[str]:
        """Deliver the events that a killed process still owed; sound cannot be delivered later.

        Raises:
            ConfigError: As for `open`.
            StorageUnavailable: As for `open`.
        """
        options: PushOptions = self.options
        if options.mode != "events":
            return ()
        pusher = self._event_pusher(context, lambda error: None)
        link = self._link(context, lambda name, why: None)
        owed = pusher.owed
        if not owed:
            return ()
        async with _pushing(link, pusher):
            with trio.move_on_after(options.flush_timeout_s):
                await pusher.drained()
        lines = [f"{owed - pusher.owed} events delivered to {options.target}."]
        if pusher.owed:
            lines.append(f"{pusher.owed} events are still owed to {options.target}.")
        return lines


class _Pusher(Protocol):
    async def session(self, connection: WebSocketConnection) -> None: ...

    def finish(self) -> None: ...


@asynccontextmanager
async def _pushing(link: Link, pusher: _Pusher) -> AsyncIterator[None]:
    """Keep a session going while the block runs; then end it, politely if that is quick."""
    ended = trio.Event()

    async def run() -> None:
        await link.run(pusher.session)
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield
        link.stop()
        pusher.finish()
        with trio.move_on_after(_GOODBYE_S):
            await ended.wait()
        nursery.cancel_scope.cancel()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(
            f"The folder {folder} cannot be written: {error.strerror}.",
            "Choose another with --out.",
        ) from error


def _check_untrusted(options: PushOptions) -> None:
    if not options.tls:
        raise ConfigError(
            f"The WebSocket target {options.target} is not wss.",
            "Over an API only wss targets are taken.",
        )
    if is_address(options.host) and not is_public(options.host):
        raise ConfigError(
            f"The WebSocket target {options.target} is not a public address.",
            "Over an API only public targets are taken.",
        )


def _keep_secret(context: SinkContext, options: PushOptions) -> None:
    context.redactor.add(options.token)
    context.redactor.add(options.parts.query)
    for part in options.parts.path.split("/"):
        if len(part) >= _LOOKS_LIKE_A_KEY:
            context.redactor.add(part)
