"""Pictures and sound into one FLV stream to an RTMP receiver, by ffmpeg's libraries. Blocks.

The pictures are passed on as they are; only the sound is encoded. It is AAC at 48 kHz, which every
receiver takes, and never has a hole: what is missing is silence, so that it stays beside the
picture however long the stream is.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy as np

from meetcore import SAMPLE_RATE_HZ, Pcm

__all__ = ["BlackPictures", "LiveMux", "output_name"]

SOUND_HZ = 48_000
SOUND_BIT_RATE = 96_000
AAC_FRAME = 1024
MS = 1000
SOUND_AT_MOST_BEHIND_S = 3.0
"""By how much the sound may come later than the picture before silence stands for it."""
SOUND_MAY_BE_LATE_S = 2.0
INTERLEAVE_US = 4_000_000
BLACK_SIZE = (640, 360)
BLACK_PER_S = 10
BLACK_KEY_S = 2


def output_name(address: str, *, app: str, key: str, tc_url: str) -> str:
    """Return what ffmpeg is to open: its `tee`, which passes options on to the protocol.

    Args:
        address: Where to connect, `rtmp://127.0.0.1:PORT`.
        app: The application.
        key: The stream's key.
        tc_url: What the receiver is told that it was called by.
    """
    options = {"f": "flv", "flvflags": "no_duration_filesize", "rtmp_app": app,
               "rtmp_playpath": key, "rtmp_tcurl": tc_url}  # fmt: skip
    written = ":".join(f"{name}={_escaped(value, _OPTION)}" for name, value in options.items())
    return _escaped(f"[{written}]{address}", _SLAVE)


_OPTION, _SLAVE = "\\':]", "\\'|"  # ffmpeg-formats, tee: escaped at two levels


def _escaped(text: str, special: str) -> str:
    return "".join(f"\\{sign}" if sign in special else sign for sign in text)


class LiveMux:
    """One stream, from a picture that stands alone on; its time begins there.

    Args:
        name: What to open, as `output_name` gives it.
        first: The first picture, an access unit of H.264 with its parameters.
        first_us: When that was, in microseconds of the call's clock.

    Raises:
        OSError: The receiver is not there or does not take the stream.
    """

    def __init__(self, name: str, first: bytes, first_us: int) -> None:
        import av

        self._base_us = first_us
        self._base_sample = round(first_us * SAMPLE_RATE_HZ / 1_000_000)
        self._samples = 0
        self._encoded = 0
        self._last_ms = -1
        self._rest = np.zeros((1, 0), np.float32)
        options = {"max_interleave_delta": str(INTERLEAVE_US), "flush_packets": "1"}
        container: Any = av.open(name, "w", format="tee", options=options)
        with av.open(io.BytesIO(first), format="h264") as sample:
            self._video: Any = container.add_stream_from_template(sample.streams.video[0])
        self._video.time_base = Fraction(1, MS)
        self._sound: Any = container.add_stream("aac", rate=SOUND_HZ, layout="mono")
        self._sound.bit_rate = SOUND_BIT_RATE
        self._resampler = av.AudioResampler(format="fltp", layout="mono", rate=SOUND_HZ)
        self._container = container
        container.start_encoding()

    def picture(self, at_us: int, data: bytes, *, alone: bool) -> None:
        """Send a picture.

        Raises:
            OSError: The receiver is gone.
        """
        import av

        at_ms = max(round((at_us - self._base_us) / MS), self._last_ms + 1)
        packet: Any = av.Packet(data)
        packet.stream, packet.time_base = self._video, Fraction(1, MS)
        packet.pts = packet.dts = self._last_ms = at_ms
        packet.is_keyframe = alone
        self._container.mux(packet)
        behind_s = at_ms / MS - self._samples / SAMPLE_RATE_HZ
        if behind_s > SOUND_AT_MOST_BEHIND_S:
            late = round((behind_s - SOUND_MAY_BE_LATE_S) * SAMPLE_RATE_HZ)
            self._append(np.zeros(late, np.int16))

    def sound(self, start_sample: int, pcm: Pcm) -> None:
        """Send sound, 16 kHz; what lies before the first picture is left out.

        Raises:
            OSError: As for `picture`.
        """
        missing = start_sample - self._base_sample - self._samples
        if missing > 0:
            self._append(np.zeros(missing, np.int16))
        self._append(pcm[max(0, -missing) :])

    def close(self) -> None:
        """Send the rest and say goodbye; once.

        Raises:
            OSError: As for `picture`.
        """
        container, self._container = self._container, None
        if container is None:
            return
        try:
            short = self._last_ms * SAMPLE_RATE_HZ // MS - self._samples
            self._encode(np.zeros(max(0, short), np.int16), container, last=True)
            self._mux(self._sound.encode(None), container)
        finally:
            container.close()

    def _append(self, pcm: Pcm) -> None:
        if len(pcm):
            self._encode(pcm, self._container)

    def _encode(self, pcm: Pcm, container: Any, *, last: bool = False) -> None:
        import av

        self._samples += len(pcm)
        pieces: list[Any] = [self._rest]
        if len(pcm):
            frame: Any = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(pcm)[np.newaxis, :], format="s16", layout="mono"
            )
            frame.sample_rate = SAMPLE_RATE_HZ
            pieces += [out.to_ndarray() for out in self._resampler.resample(frame)]
        if last:
            pieces += [out.to_ndarray() for out in self._resampler.resample(None)]
        ready = np.concatenate(pieces, axis=1)
        if last:
            ready = np.pad(ready, ((0, 0), (0, -ready.shape[1] % AAC_FRAME)))
        whole = ready.shape[1] - ready.shape[1] % AAC_FRAME
        self._rest = ready[:, whole:].copy()
        for at in range(0, whole, AAC_FRAME):
            part = np.ascontiguousarray(ready[:, at : at + AAC_FRAME])
            piece: Any = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            piece.sample_rate = SOUND_HZ
            piece.pts, piece.time_base = self._encoded, Fraction(1, SOUND_HZ)
            self._encoded += AAC_FRAME
            self._mux(self._sound.encode(piece), container)

    @staticmethod
    def _mux(packets: list[Any], container: Any) -> None:
        for packet in packets:
            # AAC begins with a packet from before the beginning, its priming: FLV has no such time.
            if packet.pts >= 0:
                container.mux(packet)


class BlackPictures:
    """Black pictures for a meeting of which none comes: encoded once, then the same again."""

    def __init__(self) -> None:
        import av

        encoder: Any = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height = BLACK_SIZE
        encoder.pix_fmt = "yuv420p"
        encoder.time_base, encoder.framerate = Fraction(1, BLACK_PER_S), Fraction(BLACK_PER_S)
        count = BLACK_PER_S * BLACK_KEY_S
        encoder.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x264-params": f"keyint={count}:min-keyint={count}:scenecut=0",
        }
        pixels = np.zeros((BLACK_SIZE[1], BLACK_SIZE[0], 3), np.uint8)
        self._units: list[bytes] = []
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            self._units += [bytes(packet) for packet in encoder.encode(frame)]
        self._units += [bytes(packet) for packet in encoder.encode(None)]
        self._next = 0

    @property
    def first(self) -> bytes:
        """The first of them, which stands alone."""
        return self._units[0]

    def until(self, mux: LiveMux, base_us: int, end_us: int) -> None:
        """Send those that are due up to a time on the call's clock.

        Raises:
            OSError: As for `LiveMux.picture`.
        """
        while (at_us := base_us + self._next * 1_000_000 // BLACK_PER_S) <= end_us:
            place = self._next % len(self._units)
            mux.picture(at_us, self._units[place], alone=place == 0)
            self._next += 1
