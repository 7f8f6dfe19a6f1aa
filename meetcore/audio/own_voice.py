"""The bot's own voice where it comes back: from a loudspeaker into somebody's microphone.

Voice that is heard while the bot speaks is somebody, or it is the bot itself, later, quieter, and
coloured by a room and a codec. Samples do not survive that. What does is how the loudness of each
band of the spectrum rises and falls. So a stretch of what is heard is laid beside what was played
before, and compared by the correlation of the bands' loudness in decibels, each less its mean: the
room's colour and the loudspeaker's volume cancel out.

Two voices that speak at once are alike by chance at some lag or other, the more so the shorter the
stretch. What helps is that a track's echo always comes by the same lag, and that most tracks have
none at all, since clients cancel it. So each track is

* `unknown` at first: a voice on it is somebody as soon as it is clearly unlike all that was
  played in the last two seconds, and after a second in any case, unless it is alike by then;
* `clean` once the bot has spoken for 2.5 s and nothing was heard of it: a voice is somebody's,
  at once;
* `echoing` once a stretch was alike: from then on only that lag is looked at, over 0.4 s, and two
  stretches in a row that are unlike are somebody, who may be speaking over the echo.

Comparing how bands rise and fall, to find a sound in its distorted copy, is what Haitsma and Kalker
do for music (ISMIR 2002).

Pure: the caller says what time it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Pcm

__all__ = ["FRAMES_PER_S", "LONGEST_LAG_S", "BandMeter", "Loudness", "OwnVoice", "TrackVoice"]

FRAMES_PER_S = 100
LONGEST_LAG_S = 2.0
_EARLIEST_LAG_S = -0.2
_FRAME = 400
_HOP = SAMPLE_RATE_HZ // FRAMES_PER_S
_POINTS = 512
_BANDS = 14
_LOWEST_HZ, _HIGHEST_HZ = 150.0, 3800.0
_FLOOR = 30.0
_SILENCE_DB = float(10.0 * np.log10(_FLOOR))
_LOUD_DB = 6.0
_KEPT_FRAMES = 10 * FRAMES_PER_S

_DECISIVE = 100
_CLEARLY_UNLIKE = ((60, 0.45), (25, 0.35))
_ALIKE = 0.5
_ECHO_FRAMES = 40
_STILL_ALIKE = 0.3
_LAG_SLACK = 3
_CLEAN_S = 2.5

Loudness = npt.NDArray[np.float32]
"""A row for each 10 ms, a column for each band, in decibels."""


def _band_edges() -> npt.NDArray[np.int64]:
    mel = 2595.0 * np.log10(1.0 + np.array([_LOWEST_HZ, _HIGHEST_HZ]) / 700.0)
    hz = 700.0 * (10.0 ** (np.linspace(mel[0], mel[1], _BANDS + 1) / 2595.0) - 1.0)
    places = np.round(hz * _POINTS / SAMPLE_RATE_HZ).astype(np.int64)
    return np.asarray(np.maximum(places, places[0] + np.arange(_BANDS + 1)))


_EDGES = _band_edges()
_WINDOW = np.hanning(_FRAME).astype(np.float32)


class BandMeter:
    """Measures how loud the bands of a stream of sound at 16 kHz are, every 10 ms."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def feed(self, pcm: Pcm) -> Loudness:
        """Take int16 samples; return a row for each frame that they complete."""
        sound = np.concatenate([self._rest, pcm.astype(np.float32)])
        count = max(0, (len(sound) - _FRAME) // _HOP + 1)
        rows = sound[np.arange(count)[:, None] * _HOP + np.arange(_FRAME)] * _WINDOW
        power = np.square(np.abs(np.fft.rfft(rows, _POINTS))) / _FRAME
        bands = np.add.reduceat(power[:, : _EDGES[-1]], _EDGES[:-1], axis=1)
        self._rest = sound[count * _HOP :]
        return np.asarray(10.0 * np.log10(bands + _FLOOR), np.float32)


class OwnVoice:
    """What the bot said in the last seconds."""

    def __init__(self) -> None:
        self._rows: Loudness = np.full((_KEPT_FRAMES, _BANDS), _SILENCE_DB, np.float32)
        self._end = -(10**9)
        self._meter = BandMeter()
        self._next_s = float("-inf")

    def begin(self, at_s: float) -> None:
        """Take it that another speech begins at about a time."""
        self._reach(round(at_s * FRAMES_PER_S))
        self._meter = BandMeter()
        self._next_s = float("-inf")

    def play(self, pcm: Pcm, at_s: float) -> None:
        """Take what follows in the speech, at 16 kHz, heard from a time on, in seconds.

        A time that differs a little from what the sound before it makes of it is jitter.
        """
        if abs(at_s - self._next_s) > 0.2:
            self._next_s = at_s
        rows = self._meter.feed(pcm)
        first = round(self._next_s * FRAMES_PER_S)
        self._reach(first + len(rows))
        self._rows[np.arange(first, first + len(rows)) % _KEPT_FRAMES] = rows
        self._next_s += len(pcm) / SAMPLE_RATE_HZ

    def _reach(self, end: int) -> None:
        if end > self._end:
            fresh = np.arange(max(self._end, end - _KEPT_FRAMES), end)
            self._rows[fresh % _KEPT_FRAMES] = _SILENCE_DB
            self._end = end

    def stop(self, at_s: float) -> None:
        """Forget what was to be heard after a time: it was not."""
        first = max(round(at_s * FRAMES_PER_S), self._end - _KEPT_FRAMES)
        self._rows[np.arange(first, max(first, self._end)) % _KEPT_FRAMES] = _SILENCE_DB

    def over(self, at_s: float) -> bool:
        """Return whether nothing of it can come back any more."""
        return at_s * FRAMES_PER_S > self._end + (LONGEST_LAG_S + 1.0) * FRAMES_PER_S

    def rows(self, first: int, last: int) -> Loudness:
        """Return the rows from one number up to another; silence where nothing was played."""
        numbers = np.arange(first, last)
        known = (numbers < self._end) & (numbers >= self._end - _KEPT_FRAMES)
        return np.where(known[:, None], self._rows[numbers % _KEPT_FRAMES], _SILENCE_DB)

    def loud(self, from_s: float, until_s: float) -> bool:
        """Return whether there was much to be heard of it between two times."""
        rows = self.rows(round(from_s * FRAMES_PER_S), round(until_s * FRAMES_PER_S))
        return bool(rows.mean() > _SILENCE_DB + _LOUD_DB)

    def find(self, heard: Loudness, until_s: float) -> tuple[float, int]:
        """Return how like a stretch is to the one it is most like, and by which lag in frames.

        Args:
            heard: The stretch.
            until_s: When the last of it came.
        """
        end = round(until_s * FRAMES_PER_S)
        longest = round(LONGEST_LAG_S * FRAMES_PER_S)
        last = end - round(_EARLIEST_LAG_S * FRAMES_PER_S)
        found = _likeness(heard, self.rows(end - longest - len(heard), last))
        best = int(found.argmax())
        return float(found[best]), longest - best

    def likeness(self, heard: Loudness, until_s: float, lag: int) -> float:
        """Return how like a stretch is to what was played a number of frames before it."""
        end = round(until_s * FRAMES_PER_S) - lag
        rows = self.rows(end - len(heard) - _LAG_SLACK, end + _LAG_SLACK)
        return float(_likeness(heard, rows).max())


def _likeness(heard: Loudness, played: Loudness) -> npt.NDArray[np.float32]:
    """Return the correlation of a stretch with each as long of a longer one."""
    count = len(heard)
    ours = heard - heard.mean(axis=0)
    power = float(np.square(ours).sum()) + 1.0
    windows: npt.NDArray[Any] = np.lib.stride_tricks.sliding_window_view(played, count, axis=0)
    products = np.einsum("lbw,wb->l", windows, ours)
    means = windows.mean(axis=2)
    powers = np.einsum("lbw,lbw->l", windows, windows) - count * np.square(means).sum(axis=1)
    # A stretch in which next to nothing was played is like everything and nothing.
    powers = np.where(powers > 0.05 * power, powers, np.inf)
    return np.asarray(products / np.sqrt(power * powers), np.float32)


class TrackVoice:
    """Whether a voice on one track is somebody, while the bot speaks.

    Args:
        own: What the bot said.

    Attributes:
        talking: Whether somebody talks there.
    """

    def __init__(self, own: OwnVoice) -> None:
        self.talking = False
        self._own = own
        self._meter = BandMeter()
        self._heard: Loudness = np.zeros((0, _BANDS), np.float32)
        self._voiced = 0
        self._speaking = False
        self._clean_s = 0.0
        self._lag: int | None = None
        self._unlike = 0

    @property
    def state(self) -> str:
        """What is known of the track: `unknown`, `clean` or `echoing`."""
        if self._lag is not None:
            return "echoing"
        return "clean" if self._clean_s >= _CLEAN_S else "unknown"

    def deaf(self) -> None:
        """Take it that what comes next does not follow what came before."""
        self._meter = BandMeter()
        self._heard = self._heard[:0]
        self._voiced = 0

    def hear(self, pcm: Pcm, at_s: float) -> None:
        """Take sound at 16 kHz that came up to now."""
        rows = self._meter.feed(pcm)
        self._heard = np.concatenate([self._heard, rows])[-_DECISIVE:]
        if self._speaking:
            self._voiced = min(_DECISIVE, self._voiced + len(rows))
            self._judge(at_s, len(rows))
        elif self._own.loud(at_s - 1.0, at_s - 0.2) and pcm.any():
            # A microphone that is open, and nothing of the bot in it.
            self._clean_s += len(pcm) / SAMPLE_RATE_HZ

    def voice(self, at_s: float, *, began: bool) -> None:
        """Take it that a voice begins or ends there, as the detector says, a moment late."""
        if began:
            self._speaking, self._unlike = True, 0
            self._voiced = min(len(self._heard), 25)
            self._judge(at_s, 0)
            return
        if self._lag is None and self._voiced >= _ECHO_FRAMES:
            self._learn(at_s)
        self._speaking = self.talking = False

    def _judge(self, at_s: float, fresh: int) -> None:
        if self.talking:
            return
        own = self._own
        if own.over(at_s):
            self.talking = True
        elif self._lag is not None:
            self._follow(at_s, fresh)
        elif self._clean_s >= _CLEAN_S:
            self.talking = True
        elif self._voiced >= _DECISIVE:
            self.talking = not self._learn(at_s)
        else:
            below = next((most for least, most in _CLEARLY_UNLIKE if self._voiced >= least), 0.0)
            heard = self._heard[-max(1, self._voiced) :]
            self.talking = below > 0 and own.find(heard, at_s)[0] < below

    def _learn(self, at_s: float) -> bool:
        """Take the lag of what is an echo, as a whole; return whether it is one."""
        alike, lag = self._own.find(self._heard[-self._voiced :], at_s)
        if alike < _ALIKE:
            return False
        self._lag, self._clean_s, self._unlike = lag, 0.0, 0
        return True

    def _follow(self, at_s: float, fresh: int) -> None:
        """Compare the newest stretch at the lag that is known."""
        assert self._lag is not None
        heard = self._heard[-_ECHO_FRAMES:]
        newest = heard[-fresh:] if fresh else heard[-10:]
        if newest.mean() < max(_SILENCE_DB + 2.0, heard.mean() - 6.0):
            return  # a pause, or the end of a room's echo
        if self._own.likeness(heard, at_s, self._lag) >= _STILL_ALIKE:
            self._unlike = 0
            return
        self._unlike += 1
        self.talking = self._unlike >= 2
