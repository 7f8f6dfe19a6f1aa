"""What a Call observed in the meeting: the only words in which a platform speaks to the core.

A signal is not yet a fact of the log: the bot decides what follows from it, and that
becomes an event. A platform reports what it saw, as often as it saw it; repeats are harmless.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.model.roster import NameSource, Participant

__all__ = [
    "Admitted",
    "CallEnded",
    "CaptionSeen",
    "CaptureHealth",
    "ChatArrived",
    "DiagnosticsWritten",
    "Knocked",
    "NoticeSeen",
    "ParticipantAppeared",
    "ParticipantChanged",
    "ParticipantGone",
    "PersonNeeded",
    "PictureHealth",
    "RecordingPermission",
    "RosterHealth",
    "RosterSeen",
    "ShareSeen",
    "Signal",
    "SpeakingIndicated",
    "StepWorked",
    "TrackAppeared",
    "TrackGone",
    "TrackIdentified",
]


@frozen
class Signal:
    """Root of all signals."""


@frozen
class Knocked(Signal):
    """The bot stands in the waiting room. May come again after `Admitted` if it is sent back.

    Attributes:
        detail: What was seen.
        hint: What a host can do now, in a sentence: 'The host must press "Admit" …'.
        host_missing: Whether the meeting has not begun, so that nobody is there to let it in.
    """

    detail: str = ""
    hint: str = ""
    host_missing: bool = False


@frozen
class Admitted(Signal):
    """The bot is in the call, shown by evidence that cannot exist before it."""

    detail: str = ""


@frozen
class CallEnded(Signal):
    """There is no call any more, or there never will be."""

    reason: EndReason
    evidence: Evidence


@frozen
class ParticipantAppeared(Signal):
    """Somebody is in the meeting (also our own bot, with `is_self`)."""

    participant: Participant


@frozen
class ParticipantChanged(Signal):
    """Somebody's name, role or mute state is another now."""

    participant: Participant


@frozen
class ParticipantGone(Signal):
    """Somebody left."""

    participant_id: str


@frozen
class RosterSeen(Signal):
    """Everybody who is in the meeting now, by a list that the platform shows as a whole.

    Who joined, changed and left is concluded from one list after the other
    (`meetcore.model.roster.RosterLists` says how); a platform that gives lists need not observe
    anybody's coming and going itself.

    Attributes:
        participants: Everybody in the list.
        self_id: Which of them is our own bot; None where the list does not show it, which makes
            the list one that cannot be believed.
    """

    participants: tuple[Participant, ...]
    self_id: str | None


@frozen
class SpeakingIndicated(Signal):
    """The platform's own indicator says that somebody speaks, or no longer does.

    Names over a mixed track are cut by the times of these. It may come late, and in any order:
    what was finalized before is named again by it.

    Attributes:
        participant_id: Who.
        speaking: Whether they speak from then on.
        source: What kind of indicator it is.
        track_id: On which mixed track, where several people share each of several.
        at_s: When it was so, in seconds on the call's sound clock: the number of a sample divided
            by the sample rate. None where the platform cannot tell; then its arrival counts.
    """

    participant_id: str
    speaking: bool
    source: NameSource = NameSource.ACTIVE_SPEAKER
    track_id: str | None = None
    at_s: float | None = None


@frozen
class TrackAppeared(Signal):
    """A source of audio opened. Chunks for it may follow.

    Observed again it says nothing new, but whose the track is, if that was not said before or is
    somebody else: that is taken like `TrackIdentified`.

    Attributes:
        track_id: Unique within the call; never used again for another source.
        participant_id: Whose voice it carries, if that is known when it opens; None for a mix.
            What is learned later is `TrackIdentified`.
        kind: `participant` for one person's voice, `mix` for several, `own` for what the bot
            itself says: that is recorded, and heard by nobody else.
        name_source: How it is known whose it is.
    """

    track_id: str
    participant_id: str | None
    kind: Literal["participant", "mix", "own"] = "participant"
    name_source: NameSource = NameSource.TRACK


@frozen
class TrackIdentified(Signal):
    """It was learned whose voice a track carries, or that what was believed is wrong.

    It may come late, be corrected and be taken back; what was finalized of the track is named
    again by it. Where a platform gives a track to one speaker after the other, `since_s` says from
    when on it is this one's, up to the next time that is told.

    Attributes:
        track_id: The track, announced by `TrackAppeared` and of kind `participant`.
        participant_id: Whose it is; None if that is unknown (again).
        source: How that is known.
        confidence: How surely, 0 to 1.
        since_s: In seconds on the call's sound clock; None for as long as there is the track,
            whatever was said before.
    """

    track_id: str
    participant_id: str | None
    source: NameSource = NameSource.CONTRIBUTING_SOURCE
    confidence: float = 1.0
    since_s: float | None = None


@frozen
class TrackGone(Signal):
    """A source of audio closed; no chunk of it follows."""

    track_id: str


@frozen
class CaptionSeen(Signal):
    """A line of the meeting's own captions, as it is shown now; only where they are asked for.

    Observe a line whenever it changes, whole: what of it is new, corrected, out of view or shown
    again is found out. Who speaks is the platform's word, so it is worth as much as the platform.

    Attributes:
        participant_id: Who speaks, None where only a name is shown.
        name: The name in the caption.
        text: All that the line shows.
        at_s: When it was said, in seconds on the call's sample clock; None for when it came.
        final: Whether the platform says that it changes no more.
        key: What the platform tells its lines apart by; empty where each speaker has but one.
    """

    participant_id: str | None
    name: str
    text: str
    at_s: float | None = None
    final: bool = False
    key: str = ""


@frozen
class ChatArrived(Signal):
    """A chat message was seen. `by_bot` marks the bot's own.

    Attributes:
        message_id: The platform's id of it.
        sender_id: Whose it is, None where unknown.
        sender_name: Their name.
        text: What it says.
        by_bot: Whether it is the bot's own.
        direct: Whether it is for one person alone. Of one that is not the bot's own that is the
            bot, unless `to_id` or `to_name` says otherwise.
        to_id: Whom a direct message is for, None where unknown.
        to_name: Their name.
    """

    message_id: str
    sender_id: str | None
    sender_name: str
    text: str
    by_bot: bool = False
    direct: bool = False
    to_id: str | None = None
    to_name: str = ""


@frozen
class RosterHealth(Signal):
    """Whether the list of participants can be believed. Unhealthy means unknown, not empty."""

    healthy: bool
    detail: str = ""


@frozen
class CaptureHealth(Signal):
    """Whether audio really arrives. A silent pipe is unhealthy; a silent person is not."""

    healthy: bool
    detail: str = ""
    track_id: str | None = None


@frozen
class PictureHealth(Signal):
    """Whether the picture of a meeting that is recorded as video is well.

    Attributes:
        healthy: Whether it moves, as far as anybody can tell.
        detail: What is wrong: it has not changed or was black for 10 s, or its recorder broke off.
    """

    healthy: bool
    detail: str = ""


@frozen
class ShareSeen(Signal):
    """Somebody began to share a screen, or shares it no more.

    Attributes:
        share_id: What tells this stretch of sharing from others; the track of its media, where
            that is handed in.
        participant_id: Who shares, None where unknown.
        sharing: Whether it has begun.
    """

    share_id: str
    participant_id: str | None
    sharing: bool


@frozen
class NoticeSeen(Signal):
    """The meeting told its guests something, and the bot answered as a person would.

    Attributes:
        kind: `recording`, `transcription`, `ai_notes`, `consent`, `still_there` or `other`.
        text: What it said.
        answer: What the bot pressed; empty where it only read it.
    """

    kind: str
    text: str
    answer: str = ""


@frozen
class PersonNeeded(Signal):
    """The page wants something that only a person can do, or wants it no more.

    Attributes:
        what: `sign_in`, `captcha`, or another word for it.
        needed: False once it was done.
        detail: What the page shows.
        wait_s: How long the bot waits for that person.
        screenshot: A picture of the page, relative to the bot's folder.
    """

    what: str
    needed: bool = True
    detail: str = ""
    wait_s: float | None = None
    screenshot: str | None = None


@frozen
class RecordingPermission(Signal):
    """The meeting gave or refused leave to record; only where the platform asks for it.

    Attributes:
        granted: True or False once decided, None while it is being asked for.
    """

    granted: bool | None
    detail: str = ""


@frozen
class StepWorked(Signal):
    """A step of the join worked, for the record: which, and with which selector or rank."""

    name: str
    detail: str = ""


@frozen
class DiagnosticsWritten(Signal):
    """A step failed and a diagnostics bundle lies in `folder` (relative to the bot's folder)."""

    step: str
    folder: str
    detail: str = ""
