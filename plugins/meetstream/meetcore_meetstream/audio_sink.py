"""The sink `meetstream_audio`: the meeting's sound over a socket the bot dials."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import trio

from meetcore import Event
from meetcore_meetstream.dial_options import AudioOptions
from meetcore_meetstream.dialling_sink import DiallingSink

if TYPE_CHECKING:
    from meetcore import BareMix, BareResampler, Chunk
    from meetcore_meetstream.audio_frames import LoudestSpeaker

__all__ = ["MeetstreamAudioSink"]


class MeetstreamAudioSink(DiallingSink[AudioOptions]):
    """Sends all tracks mixed, each frame with the name of who speaks loudest in it.

    While the target is away `on_audio` waits: the core's mailbox is where sound belongs then, and
    its losses are declared.
    """

    name: ClassVar[str] = "meetstream_audio"
    wants_audio: ClassVar[bool] = True

    def __init__(self, options: AudioOptions) -> None:
        super().__init__(options)
        self._tools: tuple[BareMix, BareResampler, LoudestSpeaker] | None = None

    def _made(self) -> tuple[BareMix, BareResampler, LoudestSpeaker]:
        if self._tools is None:
            from meetcore import BareMix, BareResampler
            from meetcore_meetstream.audio_frames import RATE_HZ, LoudestSpeaker

            self._tools = BareMix(), BareResampler(RATE_HZ), LoudestSpeaker()
        return self._tools

    async def deliver(self, event: Event) -> None:
        """Learn who is who, who speaks, and which tracks there are."""
        mix, _, speakers = self._made()
        speakers.take(event)
        mix.take(event)
        await super().deliver(event)

    async def on_audio(self, chunk: Chunk) -> None:
        """Mix a chunk and send what is settled; waits while there is no connection.

        Raises:
            TargetUnreachable: The meeting is over and the time for the rest is up.
        """
        mix, _, speakers = self._made()
        speakers.hear(chunk)
        await self._send(mix.add(chunk))

    async def on_gap(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Learn of a hole: silence in the mix, or, if it is long, nothing at all there.

        Raises:
            TargetUnreachable: As for `on_audio`.
        """
        del cause
        await self._send(self._made()[0].skip(track_id, start_sample, samples))

    async def finish(self) -> None:
        """Send what is left of the sound, within the deadline.

        Raises:
            TargetUnreachable: It was not taken in time.
        """
        self.line.hurry()
        await self._send(self._made()[0].rest(), last=True)
        await super().finish()

    async def _send(self, sound: bytes, *, last: bool = False) -> None:
        from meetcore_meetstream.audio_frames import binary_frame, json_frame

        _, resampler, speakers = self._made()
        pcm = resampler.feed(sound, last=last)
        if not pcm:
            await trio.lowlevel.checkpoint()
            return
        who, name = speakers.loudest()
        as_json = self.options.audio_format == "json"
        await self.line.put(json_frame(name, pcm) if as_json else binary_frame(who, name, pcm))
