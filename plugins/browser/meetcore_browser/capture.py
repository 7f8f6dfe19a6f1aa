"""The host's side of the capture: blocks from the page become chunks on the call's sample clock.

All tracks of one document share its audio context's frame counter. A page can have several
documents, by navigation or in frames; each counts from zero, so each is placed on the call's clock
by the time at which its counter stood at zero. The first document's zero is the call's. Times are
the wall's, without what that was set by in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from attrs import define, evolve, field, frozen

from meetcore import (
    SAMPLE_RATE_HZ,
    CallEvents,
    CaptureHealth,
    Chunk,
    NameSource,
    TrackAppeared,
    TrackGone,
)
from meetcore_browser.capture_levels import TrackLevel, TrackLevels
from meetcore_browser.capture_watch import CaptureWatch, TrackStats
from meetcore_browser.handover import Handed, LostFrames
from meetcore_browser.wall_steps import WallSteps
from meetcore_browser.wire import AudioBlock, PageMessage, WireError

__all__ = [
    "DOCUMENT_GONE",
    "CaptureOptions",
    "PageCapture",
    "RemoteTrack",
    "SampleClock",
    "SourceHeard",
]

BEHIND_S = 2.0
"""By how much a page's sound may lie behind the meeting when a track ends. What a page that is more
behind never rendered of it, the last words maybe, is declared lost."""
_MOST_BEHIND_S = 3600.0

OWN_VOICE = "own voice"
PAGE_PICTURE = "screen"
"""Track of the pictures of the page itself."""

DOCUMENT_GONE = "document-gone"
"""Topic the host itself puts between the page's when a document has ended."""


@frozen(kw_only=True)
class CaptureOptions:
    """How a page's sound is captured.

    Attributes:
        block_s: Length of a block in seconds; at 20 ms the capture costs twice as much.
        health_interval_s: How often the page tells its statistics.
        stalled_after_s: After how long without a block a live track is reported.
        silent_after_s: After how long an unbelievable digital silence is reported.
        max_waiting_blocks: How many blocks may wait for the Trio thread.
        attach_element: Whether each track goes into a media element. Without it Chromium gives
            silence; off only to reproduce that.
        web_audio: Whether what the page itself plays is heard, by Web Audio or in media elements:
            `on` from the start, `ready` for `BotPage.hear_web_audio`, `off` never.
        contributing_sources: Whether it is told which sources contribute to a track, and when.
    """

    block_s: float = 0.1
    health_interval_s: float = 2.0
    stalled_after_s: float = 5.0
    silent_after_s: float = 5.0
    max_waiting_blocks: int = 3000
    attach_element: bool = True
    web_audio: Literal["off", "ready", "on"] = "off"
    contributing_sources: bool = False


@frozen(kw_only=True)
class RemoteTrack:
    """A remote audio track as the page sees it.

    Attributes:
        track_id: The id its chunks carry; unique within the page's life.
        label: The id WebRTC gave it; several peer connections may have the same.
        stream_ids: Ids of the MediaStreams it belongs to (its `msid`), where platforms put names.
        peer_connection: Number of its RTCPeerConnection within the document, from 1; 0 for sound
            that none gave.
        mid: Id of its m-line.
        document: Number of its document.
        number: Number of it within the document, as `meetcore.numberOf(track)` gives it there.
        sample_rate_hz: Samples per second of its chunks.
        layer: How it is heard: `peer connections`, `web audio` for what a context or a media
            element of the page plays, `tab capture` for all that the tab plays; `own voice` for
            what the bot itself says, as it goes out.
    """

    track_id: str
    label: str
    stream_ids: tuple[str, ...]
    peer_connection: int
    mid: str | None
    document: int
    sample_rate_hz: int = SAMPLE_RATE_HZ
    layer: str = "peer connections"
    number: int = 0


@frozen(kw_only=True)
class SourceHeard:
    """A source began to be heard on a track, or ended.

    Attributes:
        track_id: The track.
        source: Its number in the packets (a CSRC); None where they name nobody.
        active: Whether it is heard from then on.
        at_s: When, in seconds on the call's sound clock.
    """

    track_id: str
    source: int | None
    active: bool
    at_s: float


@define
class SampleClock:
    """Places the frame counters of a page's documents on one clock. Pure."""

    _zero_wall_ms: float | None = None
    _offsets_s: dict[int, float] = field(factory=dict)
    _behind_s: float = 0.0

    def place(self, document: int, wall_ms: float, frame: int, sample_rate_hz: int) -> None:
        """Learn that a document's counter stood at `frame` at `wall_ms`; the first word counts."""
        if document in self._offsets_s:
            return
        zero_ms = wall_ms - frame * 1000 / sample_rate_hz
        if self._zero_wall_ms is None:
            self._zero_wall_ms = zero_ms
        # A wall clock that was set back must not give negative indices.
        since_ms = max(0.0, zero_ms - self._zero_wall_ms)
        self._offsets_s[document] = since_ms / 1000

    def compare(self, document: int, wall_ms: float, frame: int, sample_rate_hz: int) -> None:
        """Learn where a document's counter stands: a busy machine renders less than time passes.

        What is seen at a time of the wall's clock is heard on the sound's clock by as much earlier.
        """
        if self._zero_wall_ms is None or document not in self._offsets_s:
            return
        rendered_s = self._offsets_s[document] + frame / sample_rate_hz
        self._behind_s = (wall_ms - self._zero_wall_ms) / 1000 - rendered_s

    def at_wall(self, wall_s: float) -> float | None:
        """Return where a time since the epoch lies on the call's clock, None before it runs."""
        if self._zero_wall_ms is None:
            return None
        return wall_s - self._zero_wall_ms / 1000 - self._behind_s

    def sample(self, document: int, frame: int, sample_rate_hz: int = SAMPLE_RATE_HZ) -> int:
        """Return the index on the call's clock of a document's frame, both at one rate."""
        return round(self._offsets_s.get(document, 0.0) * sample_rate_hz) + frame


@define
class _Live:
    remote: RemoteTrack
    next_sample: int | None = None


def by_track(track: RemoteTrack) -> TrackAppeared:
    """Announce a track of which nothing is known but that it is there."""
    if track.layer == OWN_VOICE:
        return TrackAppeared(track.track_id, None, "own", NameSource.TRACK)
    alone = track.layer == "peer connections"
    kind: Literal["participant", "mix"] = "participant" if alone else "mix"
    return TrackAppeared(track.track_id, None, kind, NameSource.UNKNOWN)


class PageCapture:
    """Takes what a page's capture sends and hands it to the bot. On the Trio thread.

    Args:
        events: Takes chunks, losses and signals.
        whose: Says whom a new track belongs to, as the signal to announce it with; None
            leaves the track out.
        now: The clock for alarms, in seconds.
        options: See `CaptureOptions`.
        on_source: Takes which sources are heard on a track.
        on_picture: Takes the number of a document, what the page recorded of itself there (None
            when the document has ended), and its time in seconds on the call's sound clock.
        wall: Sees whether the machine's clock is set.

    Attributes:
        sounded: Whether any sound came yet that is not silence.
    """

    sounded: bool = False

    def __init__(
        self,
        events: CallEvents,
        whose: Callable[[RemoteTrack], TrackAppeared | None] = by_track,
        *,
        now: Callable[[], float],
        options: CaptureOptions | None = None,
        on_source: Callable[[SourceHeard], None] | None = None,
        on_picture: Callable[[int, Any, float | None], None] | None = None,
        wall: WallSteps | None = None,
    ) -> None:
        options = options or CaptureOptions()
        self._on_source = on_source
        self._on_picture = on_picture
        self._events = events
        self._whose = whose
        self._now = now
        self._clock = SampleClock()
        self._wall = wall or WallSteps()
        self._set_by_s: dict[int, float] = {}  # of each document's clock
        self._live: dict[tuple[int, int], _Live] = {}
        self._left_out: dict[tuple[int, int], RemoteTrack] = {}
        self._levels = TrackLevels()
        self._seen = 0
        self._watch = CaptureWatch(options.stalled_after_s, options.silent_after_s)

    @property
    def tracks(self) -> list[RemoteTrack]:
        """The tracks being captured now."""
        return [live.remote for live in self._live.values()]

    @property
    def levels(self) -> list[TrackLevel]:
        """When each track gave sound, those among them that the joiner left out."""
        heard = {k: live for k, live in self._live.items() if live.remote.layer != OWN_VOICE}
        taken = [self._levels.of(key, live.remote.label) for key, live in heard.items()]
        left = [self._levels.of(key, remote.label) for key, remote in self._left_out.items()]
        layers = [live.remote.layer for live in heard.values()]
        layers += [remote.layer for remote in self._left_out.values()]
        return [
            evolve(level, layer=layer, taken=n < len(taken))
            for n, (level, layer) in enumerate(zip([*taken, *left], layers, strict=True))
        ]

    def reconsider(self) -> None:
        """Ask again whose each track is: a joiner may have learned what to take and what not.

        What is taken anew opens as a track that was never there before.
        """
        for key, remote in list(self._left_out.items()):
            self._announce(key, remote)
        for key, live in list(self._live.items()):
            if live.remote.layer != OWN_VOICE and self._whose(live.remote) is None:
                self._gone(key[0], {"track": key[1]})
                self._left_out[key] = evolve(live.remote, track_id=self._new_id())

    def take(self, item: Handed) -> bool:
        """Take one item in order; return False for a message that is not the capture's."""
        if isinstance(item, AudioBlock):
            self._block(item)
        elif isinstance(item, LostFrames):
            self._lost(item)
        else:
            return self._message(item)
        return True

    def sound_time(self, wall_s: float) -> float | None:
        """Return where a time since the epoch lies on the call's sound clock, if that runs."""
        return self._clock.at_wall(self._wall.steady(wall_s))

    def at_s(self, message: PageMessage) -> float | None:
        """Return when something was told, in seconds on the call's sound clock, if that runs."""
        if message.frame is None:
            return None
        return self._clock.sample(message.document, message.frame) / SAMPLE_RATE_HZ

    def check(self) -> None:
        """Raise or end alarms; to be called about once a second."""
        for alarm in self._watch.check(self._now()):
            self._events.observe(CaptureHealth(alarm.healthy, alarm.detail, alarm.track_id))

    # --- audio --------------------------------------------------------------------------

    def _block(self, block: AudioBlock) -> None:
        self._levels.block(block.key, block.pcm, self._now())
        if (live := self._live.get(block.key)) is None:
            return  # left out by the joiner
        frame, pcm, remote = block.first_frame, block.pcm, live.remote
        if repeated := self._repeated(live, block.document, frame):
            # A page that was held up may render some frames twice: they are heard once.
            frame, pcm = frame + repeated, pcm[repeated:]
            if not len(pcm):
                return
        start = self._arrive(live, block.document, frame, len(pcm))
        self._events.hear(Chunk(remote.track_id, start, pcm, remote.sample_rate_hz))
        if remote.layer == OWN_VOICE:
            return  # its silence says nothing of what the page hears
        silent = not pcm.any()
        self.sounded = self.sounded or not silent
        self._watch.block(remote.track_id, silent, self._now())

    def _lost(self, lost: LostFrames) -> None:
        if (live := self._live.get(lost.key)) is None:
            return
        repeated = self._repeated(live, lost.document, lost.first_frame)
        if (frames := lost.frames - repeated) <= 0:
            return
        start = self._arrive(live, lost.document, lost.first_frame + repeated, frames)
        self._events.declare_lost(live.remote.track_id, start, frames, "bridge_overflow")

    def _repeated(self, live: _Live, document: int, frame: int) -> int:
        """Return how many frames from one on were handed over already."""
        if live.next_sample is None:
            return 0
        start = self._clock.sample(document, frame, live.remote.sample_rate_hz)
        return max(0, live.next_sample - start)

    def _arrive(self, live: _Live, document: int, frame: int, frames: int) -> int:
        """Return where on the call's clock a stretch begins; declare a hole before it."""
        start = self._clock.sample(document, frame, live.remote.sample_rate_hz)
        if live.next_sample is not None and start > live.next_sample:
            missing = start - live.next_sample
            self._events.declare_lost(live.remote.track_id, live.next_sample, missing, "page_gap")
        live.next_sample = start + frames
        return start

    # --- messages -----------------------------------------------------------------------

    def _message(self, message: PageMessage) -> bool:
        if not message.own:
            return False
        handlers: dict[str, Callable[[int, Any], None]] = {
            "clock": self._placed,
            "track": self._appeared,
            "gone": self._gone,
            "health": self._health,
            "trouble": self._trouble,
            "source": self._source,
            "picture": self._picture,
            DOCUMENT_GONE: self._document_gone,
        }
        if (handler := handlers.get(message.topic)) is None:
            raise WireError(f"The page sent an own message of the topic {message.topic!r}.")
        try:
            handler(message.document, message.data)
        except (KeyError, TypeError, ValueError) as error:
            raise WireError(
                f"The page's {message.topic!r} message is malformed: {error}."
            ) from error
        return True

    def _placed(self, document: int, data: Any) -> None:
        rate, wall_ms = int(data["sampleRate"]), float(data["wallMs"])
        set_by_s = self._set_by_s.setdefault(document, self._wall.of_page(wall_ms / 1000))
        self._clock.place(document, wall_ms - set_by_s * 1000, int(data["frame"]), rate)

    def _appeared(self, document: int, data: Any) -> None:
        remote = RemoteTrack(
            track_id=self._new_id(),
            label=str(data["label"]),
            stream_ids=tuple(str(stream) for stream in data["streams"]),
            peer_connection=int(data["peer"]),
            mid=data["mid"],
            document=document,
            number=int(data["track"]),
            sample_rate_hz=int(data["sampleRate"]),
            layer=str(data.get("layer", "peer connections")),
        )
        self._announce((document, int(data["track"])), remote)

    def _new_id(self) -> str:
        self._seen += 1
        return f"t{self._seen}"

    def _announce(self, key: tuple[int, int], remote: RemoteTrack) -> None:
        own = remote.layer == OWN_VOICE
        announced = by_track(remote) if own else self._whose(remote)
        if announced is None:
            self._left_out[key] = remote
            return
        self._left_out.pop(key, None)
        remote = evolve(remote, track_id=announced.track_id)
        self._live[key] = _Live(remote)
        if not own:
            self._watch.track_appeared(remote.track_id, self._now())
        self._events.observe(announced)

    def _gone(self, document: int, data: Any) -> None:
        self._left_out.pop((document, int(data["track"])), None)
        behind_s = float(data.get("behindS", 0.0))
        if (live := self._live.pop((document, int(data["track"])), None)) is None:
            return
        if live.next_sample is not None and behind_s > BEHIND_S:
            missing = round(min(behind_s, _MOST_BEHIND_S) * live.remote.sample_rate_hz)
            track_id = live.remote.track_id
            self._events.declare_lost(track_id, live.next_sample, missing, "page_behind")
        self._watch.track_gone(live.remote.track_id)
        self._events.observe(TrackGone(live.remote.track_id))

    def _health(self, document: int, data: Any) -> None:
        now = self._now()
        tracks = data["tracks"]
        if data.get("frame") is not None:
            wall_ms = float(data["wallMs"]) - self._set_by_s.get(document, 0.0) * 1000
            self._clock.compare(document, wall_ms, int(data["frame"]), SAMPLE_RATE_HZ)
        for entry in tracks:
            if (live := self._live.get((document, int(entry["track"])))) is None:
                continue
            stats = TrackStats(
                packets=int(entry["packets"]),
                emitted=int(entry["emitted"]),
                energy=float(entry["energy"]),
            )
            self._watch.stats(live.remote.track_id, stats, now)

    def _source(self, document: int, data: Any) -> None:
        live = self._live.get((document, int(data["track"])))
        if live is None or self._on_source is None:
            return
        source = data["source"]
        self._on_source(
            SourceHeard(
                track_id=live.remote.track_id,
                source=None if source is None else int(source),
                active=data["active"] is True,
                at_s=self._clock.sample(document, int(data["frame"])) / SAMPLE_RATE_HZ,
            )
        )

    def _picture(self, document: int, data: Any) -> None:
        if self._on_picture is None:
            return
        track_id = PAGE_PICTURE
        try:
            track_id, at_s = str(data.get("share", PAGE_PICTURE))[:40], None
            if "failed" not in data and "sample" not in data:
                at_s = self._clock.sample(document, int(data["frame"])) / SAMPLE_RATE_HZ
            self._on_picture(document, data, at_s)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            # A picture is not worth a meeting.
            self._events.declare_media_lost(track_id, 1, "unreadable")

    def _trouble(self, document: int, data: Any) -> None:
        self._events.observe(CaptureHealth(False, str(data["detail"])[:500]))

    def _document_gone(self, document: int, data: Any) -> None:
        for key in [key for key in (*self._live, *self._left_out) if key[0] == document]:
            self._gone(document, {"track": key[1]})
        if self._on_picture is not None:
            self._on_picture(document, None, None)
