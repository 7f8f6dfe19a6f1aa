"""The sink `rtmp`: a meeting's picture and sound, live, to a receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING, ClassVar

import trio

from meetcore import (
    TERMINAL,
    CallMix,
    ConfigError,
    Event,
    JournalError,
    MediaLost,
    PluginEvent,
    Sink,
    SinkContext,
    StateChanged,
    StorageUnavailable,
)
from meetcore.log import Wake
from meetcore.model import backoff_s, is_address
from meetcore_files.video_file import PICTURES, stands_alone
from meetcore_rtmp.errors import RtmpError
from meetcore_rtmp.frames import DELTA, KEY, SOUND, pack_frame
from meetcore_rtmp.live_queue import LivePicture, LiveQueue, LiveSound
from meetcore_rtmp.options import RtmpOptions
from meetcore_rtmp.publishing import publish

if TYPE_CHECKING:
    from meetcore import Chunk, MediaFragment, PrivateTargets
    from meetcore_rtmp.publishing import Publishing
    from meetcore_rtmp.rtmp_target import RtmpTarget

__all__ = ["RtmpSink"]

_STEADY_S = 10.0
"""A stream that broke off sooner counts as one more failure in a row."""
_LOSS_STRETCH = 300
_LONGEST_HOLE_S = 10.0
_ABSENT_S = 5.0


class RtmpSink(Sink[RtmpOptions]):
    """Streams while the meeting is on; what cannot be sent at once is left out, and counted.

    It never waits: `on_media` and `on_audio` return at once. In the journal stand `streaming`,
    `not_streaming` with a reason and its code, `gave_up`, and `media.lost` for each stretch of
    pictures that the receiver did not get (`receiver_behind`, `receiver_away`).
    """

    name: ClassVar[str] = "rtmp"
    wants_audio: ClassVar[bool] = True
    wants_own_voice: ClassVar[bool] = True
    wants_media: ClassVar[bool] = True

    def __init__(self, options: RtmpOptions | None = None) -> None:
        super().__init__(options)
        self._context: SinkContext | None = None
        self._target: RtmpTarget = self.options.target
        self._queue = LiveQueue(self.options.behind_s)
        self._mix = CallMix(longest_hole_s=_LONGEST_HOLE_S, absent_s=_ABSENT_S)
        self._wake = Wake()
        self._random = Random()
        self._over = False
        self._ending = False
        self._sound_since: float | None = None
        self._picture_came = False
        self._picture_track = ""
        self._taken_at: float | None = None
        self._told = ""
        self._trouble: RtmpError | None = None
        self._unsent: LivePicture | LiveSound | None = None
        self._finished = trio.Event()

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Stream in the background.

        Raises:
            ConfigError: The receiver came over an API and is not rtmps, or not public.
        """
        self._context = context
        private = self._may_dial(context)
        for secret in self._target.secrets:
            context.redactor.add(secret)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_streaming, private)
            yield
            nursery.cancel_scope.cancel()

    def _may_dial(self, context: SinkContext) -> PrivateTargets:
        target, private = self._target, context.may_dial(allow_private=self.options.allow_private)
        if not context.trusted and not target.tls and not private.name(target.host):
            raise ConfigError(
                f"The receiver {target} is not rtmps.", "Over an API only rtmps is taken."
            )
        host = target.host
        if not context.trusted and is_address(host) and not private.admit(host, host):
            raise ConfigError(
                f"The receiver {target} is not a public address.",
                "Over an API only public receivers are taken.",
            )
        return private

    # --- what the core calls ------------------------------------------------------------

    async def deliver(self, event: Event) -> None:
        """Learn of the tracks, and of the end."""
        if isinstance(event, StateChanged):
            self._over = event.state in TERMINAL
        self._mix.take(event)
        await trio.lowlevel.checkpoint()

    async def on_audio(self, chunk: Chunk) -> None:
        """Take sound of a track."""
        self._put_mixed(self._mix.add(chunk))
        await trio.lowlevel.checkpoint()

    async def on_gap(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Learn that sound of a track is missing: nobody waits for it."""
        del cause
        self._put_mixed(self._mix.skip(track_id, start_sample, samples))
        await trio.lowlevel.checkpoint()

    def _put_mixed(self, mixed: list[Chunk]) -> None:
        for chunk in mixed:
            if self._sound_since is None:
                self._sound_since = trio.current_time()
            self._queue.put(LiveSound(chunk.start_sample, chunk.pcm.astype("<i2").tobytes()))
        self._put()

    async def on_media(self, fragment: MediaFragment) -> None:
        """Take a picture; other media is not streamed."""
        shown = fragment.kind != "screen" and not fragment.header
        if fragment.container == PICTURES and shown:
            data = fragment.data
            self._picture_came, self._picture_track = True, fragment.track_id
            self._queue.put(
                LivePicture(
                    fragment.track_id, fragment.number, fragment.at_s, data, stands_alone(data)
                )
            )
            self._put()
        await trio.lowlevel.checkpoint()

    def _put(self) -> None:
        self._tell_losses(at_least=_LOSS_STRETCH)
        self._wake.set()

    async def on_media_gap(self, track_id: str, first: int, fragments: int, cause: str) -> None:
        """Learn that pictures are missing: the next has to stand alone."""
        del first, fragments, cause
        if track_id == self._picture_track:
            self._queue.gap()
        await trio.lowlevel.checkpoint()

    async def finish(self) -> None:
        """Send the rest and say goodbye, within `flush_timeout_s`.

        Raises:
            RtmpError: The receiver does not have all of it: why it has not.
        """
        self._put_mixed(self._mix.rest())
        self._ending = True
        self._wake.set()
        with trio.move_on_after(self.options.flush_timeout_s):
            await self._finished.wait()
        self._lose_unsent()
        self._queue.drain()
        self._tell_losses()
        if self._queue.skipped_s:
            self._say("left_out", seconds=f"{self._queue.skipped_s:.1f}")
        if self._trouble is not None:
            raise self._trouble

    # --- streaming ----------------------------------------------------------------------

    async def _keep_streaming(self, private: PrivateTargets) -> None:
        """Stream, again after each failure, until the end or until it is given up."""
        failures = 0
        while (black := await self._something_to_send()) is not None:
            self._taken_at = None
            try:
                await publish(
                    self._target,
                    self.options,
                    private,
                    partial(self._feed, black=black),
                    black=black,
                    taken=self._taken,
                )
            except RtmpError as error:
                steady = self._taken_at is not None and (
                    trio.current_time() - self._taken_at >= _STEADY_S
                )
                failures = 1 if steady else failures + 1
                self._failed(error)
                if failures >= self.options.attempts:
                    self._say("gave_up", attempts=str(failures), code=error.code)
                    break
                await trio.sleep(
                    backoff_s(
                        failures,
                        self.options.first_retry_s,
                        self.options.longest_retry_s,
                        self._random,
                    )
                )
            else:
                if self._ending and not len(self._queue):
                    break
        self._finished.set()

    async def _something_to_send(self) -> bool | None:
        """Wait for what a stream can begin with.

        Returns:
            Whether it begins with a black picture; None if nothing comes any more.
        """
        options = self.options
        while True:
            if self._queue.first_picture is not None:
                return False
            since, left_s = self._sound_since, 1.0
            if since is not None and options.black and not self._picture_came:
                left_s = since + options.black_after_s - trio.current_time()
                if left_s <= 0 and len(self._queue):
                    return True
            if self._ending:
                return None
            with trio.move_on_after(max(0.05, left_s)):
                await self._wake.wait()

    def _taken(self) -> None:
        self._taken_at = trio.current_time()
        self._trouble, self._told = None, ""
        self._tell_losses()
        self._queue.cause = "receiver_behind"
        self._say("streaming", target=str(self._target))

    def _failed(self, error: RtmpError) -> None:
        self._trouble = error
        self._queue.cause = "receiver_away"
        self._lose_unsent()
        self._queue.restart()
        if error.code != self._told:
            self._told = error.code
            self._say("not_streaming", target=str(self._target), code=error.code, reason=str(error))

    def _lose_unsent(self) -> None:
        """Count what was being sent when a stream ended."""
        item, self._unsent = self._unsent, None
        if item is not None:
            self._queue.lose(item)

    async def _feed(self, publishing: Publishing, *, black: bool) -> None:
        """Send what waits, until the end, or until pictures come after all.

        Until the stream is taken only its first picture is sent: the others may still be needed.
        """
        queue, begun = self._queue, False
        while True:
            item = queue.take()
            if black and isinstance(item, LivePicture):
                queue.put_back(item)
                await publishing.finish()
                return
            if item is None:
                if self._ending:
                    await publishing.finish()
                    return
                await self._wake.wait()
                continue
            if not (begun or black or isinstance(item, LivePicture)):
                continue  # sound from before the first picture
            try:
                await publishing.send(_frame(item))
                if not begun:
                    await publishing.taken.wait()
                    begun = True
            except BaseException:
                if begun:
                    self._unsent = item  # why it is lost is known where this ends
                else:
                    queue.put_back(item)
                raise

    # --- what is told -------------------------------------------------------------------

    def _tell_losses(self, *, at_least: int = 0) -> None:
        assert self._context is not None
        for lost in self._queue.losses(at_least=at_least):
            self._report(
                MediaLost(
                    track_id=lost.track_id,
                    consumer=self._context.name,
                    first=lost.first,
                    fragments=lost.count,
                    cause=lost.cause,
                )
            )

    def _say(self, name: str, **data: str) -> None:
        assert self._context is not None
        redact = self._context.redactor.redact
        told = {key: redact(value) for key, value in data.items()}
        self._report(PluginEvent(plugin=self._context.name, name=name, data=told))

    def _report(self, event: Event) -> None:
        assert self._context is not None
        if self._over:
            return
        try:
            self._context.report(event)
        except (JournalError, StorageUnavailable):
            return  # a journal that takes no more has said so itself


def _frame(item: LivePicture | LiveSound) -> bytes:
    if isinstance(item, LiveSound):
        return pack_frame(SOUND, item.start_sample, item.pcm)
    return pack_frame(KEY if item.alone else DELTA, round(item.at_s * 1_000_000), item.data)
