"""One growing audio file, playable at every moment of its growth.

A muxer buffers: an Ogg or FLAC file of a killed process is empty unless it is told to flush
every packet. So it is told (`flush_packets`), and Ogg pages are kept at 200 ms.

* `opus`: after a kill everything up to the last page plays, at its right time.
* `flac`: after a kill every whole frame plays (0.29 s each), but the header knows neither length
  nor checksum until the file is closed or recovered: players then show no length and cannot seek.
* `mp3`: after a kill every whole frame plays (0.04 s each); the length is in the header when the
  file is closed or recovered.
* `wav`: after a kill everything plays; the header says how much there is when it is closed or
  recovered.
* `m4a`: AAC in fragments of half a second, flushed; rewritten with its index in front when it is
  closed or recovered.

A person who is silent for an hour costs nearly nothing: a second of digital silence is encoded as
it comes, and from there on its last packet is repeated, which a decoder cannot tell from the real
thing. Encoding that hour would take 20 s and hold up the others. Opus is asked for a third of its
greatest effort: 2.5 ms instead of 7.5 ms per second of speech.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from meetcore import SAMPLE_RATE_HZ, Pcm
from meetcore.log import private_file

__all__ = [
    "AUDIO_FILES",
    "AudioFile",
    "FlacFile",
    "M4aFile",
    "Mp3File",
    "OpusFile",
    "WavFile",
    "audio_file_class",
]

_TICK = Fraction(1, SAMPLE_RATE_HZ)
_OPUS_FRAME = SAMPLE_RATE_HZ // 50
_SETTLING_FRAMES = 50
_SLICE_SAMPLES = 10 * SAMPLE_RATE_HZ


class AudioFile(ABC):
    """A file of int16 mono sound at 16 kHz, written from its first sample on.

    Args:
        path: Where; an existing file is replaced.
        bit_rate_kbps: For formats that have one.
        tags: What players show: `title`, `artist` and the like.

    Raises:
        OSError: It cannot be opened.
    """

    suffix: ClassVar[str]
    media_type: ClassVar[str]
    _container: Any

    def __init__(
        self, path: Path, bit_rate_kbps: int, tags: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self.samples = 0
        self._open(bit_rate_kbps)
        self._container.metadata.update(tags or {})

    @abstractmethod
    def _open(self, bit_rate_kbps: int) -> None:
        """Open container and encoder."""

    @abstractmethod
    def write(self, pcm: Pcm) -> None:
        """Append sound.

        Raises:
            OSError: The disk took it not; what was written before still plays.
        """

    @abstractmethod
    def silence(self, samples: int) -> None:
        """Append silence of exactly this length.

        Raises:
            OSError: As for `write`.
        """

    @abstractmethod
    def close(self) -> None:
        """Complete the file; once.

        Raises:
            OSError: As for `write`; the file is let go all the same.
        """


def _frame(pcm: Pcm, pts: int) -> Any:
    import av

    frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, :], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE_HZ
    frame.pts = pts
    frame.time_base = _TICK
    return frame


class OpusFile(AudioFile):
    """Ogg Opus."""

    suffix: ClassVar[str] = ".opus"
    media_type: ClassVar[str] = "audio/ogg; codecs=opus"

    def _open(self, bit_rate_kbps: int) -> None:
        import av

        self._container = av.open(
            str(private_file(self.path)),
            "w",
            format="ogg",
            options={"page_duration": "200000", "flush_packets": "1"},
        )
        self._stream: Any = self._container.add_stream(
            "libopus", rate=SAMPLE_RATE_HZ, layout="mono"
        )
        self._stream.bit_rate = bit_rate_kbps * 1000
        self._stream.options = {"frame_duration": "20", "compression_level": "3"}
        self._rest: Pcm = np.zeros(0, np.int16)
        self._encoded = 0
        self._packets = 0
        self._first_pts: int | None = None
        self._last_packet = b""
        self._silent_samples = 0

    def write(self, pcm: Pcm) -> None:
        """Append sound; less than a 20 ms frame of it waits for the next."""
        if pcm.any():
            self._silent_samples = 0
            self.samples += len(pcm)
            self._append(pcm)
        else:
            self.silence(len(pcm))

    def silence(self, samples: int) -> None:
        """Append silence, of which all but the first second costs no encoding."""
        self.samples += samples
        settling = _SETTLING_FRAMES * _OPUS_FRAME - self._silent_samples
        lead = min(samples, max(0, settling) + -len(self._rest) % _OPUS_FRAME)
        self._append(np.zeros(lead, np.int16))
        repeats, tail = divmod(samples - lead, _OPUS_FRAME)
        for _ in range(repeats):
            self._repeat_last_packet()
        self._append(np.zeros(tail, np.int16))
        self._silent_samples += samples

    def close(self) -> None:
        """Encode what waits, padded to a whole frame, and complete the file."""
        try:
            if len(self._rest):
                padding = np.zeros(-len(self._rest) % _OPUS_FRAME, np.int16)
                self._append(padding)
            if self._encoded:
                self._mux(self._stream.encode(None))
        finally:
            self._container.close()

    def _append(self, pcm: Pcm) -> None:
        if len(self._rest):
            pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) - len(pcm) % _OPUS_FRAME
        self._rest = pcm[whole:].copy()
        for at in range(0, whole, _OPUS_FRAME):
            frame = _frame(pcm[at : at + _OPUS_FRAME], self._encoded)
            self._encoded += _OPUS_FRAME
            self._mux(self._stream.encode(frame))

    def _repeat_last_packet(self) -> None:
        import av

        packet = av.Packet(self._last_packet)
        packet.stream = self._stream
        packet.time_base = _TICK
        packet.duration = _OPUS_FRAME
        self._mux([packet])

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            if self._first_pts is None:
                self._first_pts = packet.pts
            self._last_packet = bytes(packet)
            packet.pts = packet.dts = self._first_pts + self._packets * _OPUS_FRAME
            self._packets += 1
            self._container.mux(packet)


class _EncodedFile(AudioFile):
    """A file whose encoder takes any number of samples at a time."""

    container: ClassVar[str]
    codec: ClassVar[str]
    options: ClassVar[Mapping[str, str]] = {}

    def _open(self, bit_rate_kbps: int) -> None:
        import av

        self._container = av.open(
            str(private_file(self.path)),
            "w",
            format=self.container,
            options={"flush_packets": "1", **self.options},
        )
        self._stream: Any = self._container.add_stream(
            self.codec, rate=SAMPLE_RATE_HZ, layout="mono"
        )
        self._set_rate(bit_rate_kbps)

    def _set_rate(self, bit_rate_kbps: int) -> None:
        """Set the encoder's bit rate, where it has one."""

    def write(self, pcm: Pcm) -> None:
        """Append sound; what does not fill a frame waits in the encoder."""
        if len(pcm):
            frame = _frame(np.ascontiguousarray(pcm), self.samples)
            self.samples += len(pcm)
            self._container.mux(self._stream.encode(frame))

    def silence(self, samples: int) -> None:
        """Append silence; an hour of it takes a second."""
        while samples > 0:
            part = min(samples, _SLICE_SAMPLES)
            self.write(np.zeros(part, np.int16))
            samples -= part

    def close(self) -> None:
        """Encode what waits, and write into the header what it has to know."""
        try:
            if self.samples:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


class FlacFile(_EncodedFile):
    """FLAC."""

    suffix: ClassVar[str] = ".flac"
    media_type: ClassVar[str] = "audio/flac"
    container: ClassVar[str] = "flac"
    codec: ClassVar[str] = "flac"


class WavFile(_EncodedFile):
    """WAV: samples as they are."""

    suffix: ClassVar[str] = ".wav"
    media_type: ClassVar[str] = "audio/wav"
    container: ClassVar[str] = "wav"
    codec: ClassVar[str] = "pcm_s16le"


class Mp3File(_EncodedFile):
    """MP3, of a constant bit rate: a player finds a place without an index."""

    suffix: ClassVar[str] = ".mp3"
    media_type: ClassVar[str] = "audio/mpeg"
    container: ClassVar[str] = "mp3"
    codec: ClassVar[str] = "libmp3lame"

    def _set_rate(self, bit_rate_kbps: int) -> None:
        self._stream.bit_rate = bit_rate_kbps * 1000


class M4aFile(_EncodedFile):
    """AAC in an MP4 container."""

    suffix: ClassVar[str] = ".m4a"
    media_type: ClassVar[str] = "audio/mp4"
    container: ClassVar[str] = "mp4"
    codec: ClassVar[str] = "aac"
    options: ClassVar[Mapping[str, str]] = {
        "movflags": "empty_moov+default_base_moof",
        "frag_duration": "500000",
    }

    def _set_rate(self, bit_rate_kbps: int) -> None:
        self._stream.bit_rate = bit_rate_kbps * 1000

    def write(self, pcm: Pcm) -> None:
        """Append sound; what does not fill a frame waits in the encoder."""
        if len(pcm):
            frame = _frame(np.ascontiguousarray(pcm), self.samples)
            self.samples += len(pcm)
            self._mux(self._stream.encode(frame))

    def close(self) -> None:
        """Encode what waits, and put the index in front."""
        from meetcore_files.playback import remake

        try:
            if self.samples:
                self._mux(self._stream.encode(None))
        finally:
            self._container.close()
        if self.samples:
            remake(self.path, suffix=self.suffix)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            # AAC begins with a packet from before the beginning (its priming). A fragmented file
            # cannot say that it is not to be played: it would put everything off by it.
            if packet.pts >= 0:
                self._container.mux(packet)


AUDIO_FILES: tuple[type[AudioFile], ...] = (OpusFile, FlacFile, Mp3File, M4aFile, WavFile)
"""Every format a recording can be written in; the ending of its files is its name."""


def audio_file_class(audio_format: str) -> type[AudioFile]:
    """Return the class of a format: `opus`, `flac`, `mp3`, `m4a` or `wav`."""
    return next(kind for kind in AUDIO_FILES if kind.suffix == f".{audio_format}")
