"""The sink `websocket_push`: connects to a URL and sends a bot's events, or its sound."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import trio

from meetcore import (
    ConfigError,
    Draft,
    Event,
    Sink,
    SinkContext,
    StorageUnavailable,
    TrackOpened,
    TrackOwnerIdentified,
)
from meetcore.log import make_private_folder
from meetcore_websocket.dialler import Dialler
from meetcore_websocket.outbound import TargetUnreachable
from meetcore_websocket.push_options import PushOptions
from meetcore_websocket.target import Target

if TYPE_CHECKING:
    from meetcore import BareMix, BareResampler, Chunk, Resampler
    from meetcore_websocket.audio_pusher import AudioPusher
    from meetcore_websocket.client import Link
    from meetcore_websocket.event_pusher import EventPusher

__all__ = ["WebSocketPushSink"]


class WebSocketPushSink(Sink[PushOptions]):
    """Connects to a URL and sends a bot's events, or its sound; resumes after a drop.

    In mode `audio`, `on_audio` may wait for as long as the target is away: the core's mailbox is
    where sound belongs then, and five calls given up in a row would detach the sink. When the
    meeting is over it waits no longer than `flush_timeout_s`.
    """

    name: ClassVar[str] = "websocket_push"
    call_timeout_s: ClassVar[float] = math.inf

    def __init__(self, options: PushOptions | None = None) -> None:
        super().__init__(options)
        chosen = self.options
        # What a sink wants is the class's to say, but here it follows from the mode.
        self.wants_audio = chosen.mode == "audio"  # type: ignore[misc]
        self.wants_drafts = chosen.mode == "events" and chosen.drafts  # type: ignore[misc]
        self._dialler: Dialler | None = None
        self._events: EventPusher | None = None
        self._audio: AudioPusher | None = None
        self._mix: BareMix | None = None
        self._mix_rate: BareResampler | None = None
        self._track_rates: dict[str, Resampler] = {}
        self._participants: dict[str, str | None] = {}

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Push in the background; at the end the rest is tried for `flush_timeout_s`.

        Raises:
            ConfigError: The target came over an API and is not wss, or not public.
            StorageUnavailable: The sink's folder cannot be written.
        """
        self._dialler = dialler = Dialler(context, self.options)
        link = self._link(context, dialler)
        if self.wants_audio:
            async with link.keeping(self._start_audio()):
                yield
            return
        self._events = pusher = self._event_pusher(context, dialler)
        async with link.keeping(pusher):
            yield
            with trio.move_on_after(self.options.flush_timeout_s):
                await pusher.drained()

    def _start_audio(self) -> AudioPusher:
        from meetcore import BareMix, BareResampler
        from meetcore_websocket.audio_pusher import AudioPusher

        self._mix_rate = BareResampler(self.options.sample_rate_hz)
        self._audio = AudioPusher(self.options.target, self.options)
        self._mix = BareMix() if self.options.audio_format == "raw_mix" else None
        return self._audio

    def _event_pusher(self, context: SinkContext, dialler: Dialler) -> EventPusher:
        from meetcore_websocket.cursor_file import CursorFile
        from meetcore_websocket.event_pusher import EventPusher

        folder = context.folder / context.name
        _make_folder(folder)

        def trouble(error: OSError) -> None:
            why = error.strerror or str(error)
            dialler.say("cursor_not_written", target=str(self.options.target), error=why)

        return EventPusher(context.journal, CursorFile(folder), self.options, trouble)

    def _link(self, context: SinkContext, dialler: Dialler) -> Link:
        target: Target = self.options.target
        listed = context.trusted or context.private_targets.name(target.host)
        if not target.tls and not listed:
            raise ConfigError(
                f"The WebSocket target {target} is not wss.",
                "Over an API only wss targets are taken.",
            )
        return dialler.link(target)

    # --- what the core calls -----------------------------------------------------------

    async def deliver(self, event: Event) -> None:
        """Learn of an event; it is read from the journal when its turn comes."""
        assert self._dialler is not None
        self._dialler.take(event)
        if self._events is not None:
            self._events.wake()
        if isinstance(event, TrackOpened | TrackOwnerIdentified):
            self._participants[event.track_id] = event.participant_id
        if self._mix is not None:
            self._mix.take(event)
        if self._audio is not None:
            self._audio.take(event)
        await trio.lowlevel.checkpoint()

    async def deliver_draft(self, draft: Draft) -> None:
        """Send a draft, if there is a connection."""
        assert self._events is not None
        self._events.show(draft)
        await trio.lowlevel.checkpoint()

    async def on_audio(self, chunk: Chunk) -> None:
        """Push a chunk, or mix it and push what is settled; waits while there is no connection.

        Raises:
            TargetUnreachable: The meeting is over and the time for the rest is up.
        """
        if self._mix is not None:
            await self._put_mix(self._mix.add(chunk))
        elif self.options.sample_rate_hz == chunk.sample_rate_hz:
            await self._put_frames([chunk])
        else:
            await self._put_frames(self._rate_of(chunk).feed(chunk))

    def _rate_of(self, chunk: Chunk) -> Resampler:
        from meetcore import Resampler

        known = self._track_rates.get(chunk.track_id)
        if known is None:
            known = Resampler(chunk.sample_rate_hz, to_hz=self.options.sample_rate_hz)
            self._track_rates[chunk.track_id] = known
        return known

    async def _put_frames(self, chunks: Sequence[Chunk]) -> None:
        from meetcore_websocket.audio_pusher import audio_frame

        assert self._audio is not None
        for chunk in chunks:
            await self._audio.put(audio_frame(chunk, self._participants.get(chunk.track_id)))

    async def _put_mix(self, mixed: bytes, *, last: bool = False) -> None:
        assert self._audio is not None
        assert self._mix_rate is not None
        if pcm := self._mix_rate.feed(mixed, last=last):
            await self._audio.put(pcm)

    async def on_gap(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Learn of a hole: silence in the mix, or, if it is long, nothing at all there.

        Raises:
            TargetUnreachable: As for `on_audio`.
        """
        del cause
        if self._mix is not None:
            await self._put_mix(self._mix.skip(track_id, start_sample, samples))
        elif (rate := self._track_rates.get(track_id)) is not None:
            await self._put_frames(rate.flush(track_id))

    async def finish(self) -> None:
        """Push what is left of the sound, and wait until the target has it, within the deadline.

        Raises:
            TargetUnreachable: It did not take it in time; how much is said in the message.
        """
        if self._audio is None:
            return
        self._audio.hurry()
        if self._mix is not None:
            await self._put_mix(self._mix.rest(), last=True)
        for track_id, rate in self._track_rates.items():
            await self._put_frames(rate.flush(track_id))
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
        options = self.options
        if options.mode != "events":
            return ()
        dialler = Dialler(context, options)
        dialler.over = True
        pusher = self._event_pusher(context, dialler)
        link = self._link(context, dialler)
        owed = pusher.owed
        if not owed:
            return ()
        async with link.keeping(pusher):
            with trio.move_on_after(options.flush_timeout_s):
                await pusher.drained()
        lines = [f"{owed - pusher.owed} events delivered to {options.target}."]
        if pusher.owed:
            lines.append(f"{pusher.owed} events are still owed to {options.target}.")
            context.unfinished.append(lines[-1])
        return lines


def _make_folder(folder: Path) -> None:
    try:
        make_private_folder(folder)
    except OSError as error:
        raise StorageUnavailable(
            f"The folder {folder} cannot be written: {error.strerror}.",
            "Choose another with --out.",
        ) from error
