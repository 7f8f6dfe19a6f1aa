"""Entries of a journal about what was said, and about those who wrote it down."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from meetcore.model.event import Event
from meetcore.model.transcript import Segment

__all__ = [
    "SegmentFinalized",
    "SegmentWithheld",
    "TranscriberNotice",
    "TranscriberRestarted",
    "TranscriberSwitched",
    "TranscriberUsage",
    "TranscriptionGap",
    "TranscriptionStopped",
    "VoiceNamed",
]


@frozen(kw_only=True)
class SegmentFinalized(Event):
    """A stretch of transcript that was recognised for good, or a later revision of one.

    Text is not recognised again, but who said it may be learned late: keep the newest revision of
    each id. An empty one takes the segment away: its words are another's now.
    """

    type: ClassVar[str] = "segment.finalized"
    segment: Segment


@frozen(kw_only=True)
class SegmentWithheld(Event):
    """A segment was kept back, since a reviser that must not be passed by did not revise it.

    `cause` is `failed`, `timed_out`, `wrong_type` or `unfinished` (the bot had to end first).
    Its text is nowhere.
    """

    type: ClassVar[str] = "segment.withheld"
    segment_id: str
    track_id: str
    participant_id: str | None
    start_s: float
    end_s: float
    plugin: str
    cause: str


@frozen(kw_only=True)
class TranscriptionGap(Event):
    """Speech that was heard but not transcribed, in seconds of meeting time."""

    type: ClassVar[str] = "transcription.gap"
    track_id: str
    start_s: float
    end_s: float
    cause: str


@frozen(kw_only=True)
class TranscriberRestarted(Event):
    """The transcriber of a track failed and was started again."""

    type: ClassVar[str] = "transcriber.restarted"
    track_id: str
    kind: str
    detail: str
    attempt: int


@frozen(kw_only=True)
class TranscriberSwitched(Event):
    """Another transcriber of `[transcription] fallback` hears the bot, or one track, from now on.

    `previous` and `transcriber` are their names. `track_id` is None for the whole bot. `kind` is
    that of the trouble, or `recovered` where a better one answers again; `detail` is its text.
    Speech that had no final is said again to the new one: nothing is missing, nothing there twice.
    """

    type: ClassVar[str] = "transcriber.switched"
    track_id: str | None
    previous: str
    transcriber: str
    kind: str
    detail: str


@frozen(kw_only=True)
class TranscriberUsage(Event):
    """What one stream of a transcriber was sent (replays too) and how long it was open.

    `billed_s` and `cost` are the provider's word, None where it says nothing.
    """

    type: ClassVar[str] = "transcriber.usage"
    transcriber: str
    track_id: str
    audio_s: float
    open_s: float
    billed_s: float | None = None
    cost: float | None = None
    currency: str | None = None


@frozen(kw_only=True)
class TranscriberNotice(Event):
    """Something about the transcription that a person may want to know, and that is no failure.

    `kind` is `chosen` (which transcriber `auto` took, and why), `model` (what recognises, and
    where it came from), `language` (what a track was found to speak), `behind` (more is said than
    can be recognised at once, and what is left out for it), `caught_up`, `ignored` (a wish that
    the transcriber does not fulfil), or a transcriber's own word.
    """

    type: ClassVar[str] = "transcriber.notice"
    transcriber: str
    kind: str
    detail: str
    track_id: str | None = None


@frozen(kw_only=True)
class TranscriptionStopped(Event):
    """A track is not transcribed any more: the trouble is not of the kind that passes."""

    type: ClassVar[str] = "transcription.stopped"
    track_id: str
    kind: str
    detail: str


@frozen(kw_only=True)
class VoiceNamed(Event):
    """Somebody gave a voice on a track a name, or (None) took it back.

    What the voice said before comes again with that name, as `segment.finalized`.
    """

    type: ClassVar[str] = "voice.named"
    track_id: str
    voice: str
    name: str | None
    by: str = ""
