"""The live frames of all four eras: a reducer from events and drafts to JSON texts.

E1 and E2 tell each segment as it changes (`transcript.mutable`); E1 says `transcript.finalized`
besides, once. E3 and E4 tell for one speaker what is confirmed and all that is pending, which
replaces what was pending before; a draft that came to nothing is taken back, in E4 by its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from meetcore import (
    TERMINAL,
    ChatReceived,
    Dialect,
    Draft,
    Event,
    Segment,
    SegmentDraft,
    SegmentFinalized,
    State,
    StateChanged,
    TranscriptionGap,
    TranscriptionStopped,
    Transition,
    to_json,
)
from meetcore_vexa.bot_object import MeetingIdentity
from meetcore_vexa.statuses import StatusStep, steps_of
from meetcore_vexa.transcripts import SegmentForm, SessionFacts, segment_body
from meetcore_vexa.variants import Variant, naive, zulu

__all__ = ["BundleFrames", "SegmentFrames", "StatusFrames", "frames_for", "status_frame"]


def status_frame(meeting: MeetingIdentity, step: StatusStep, variant: Variant) -> dict[str, Any]:
    """Return the frame of a change of status."""
    standing, at = step.standing, step.transition.at
    payload: dict[str, Any] = {"status": step.after}
    error = standing.error(variant)
    if error is not None:
        payload["error"] = error
    frame: dict[str, Any] = {
        "type": "meeting.status",
        "meeting": meeting.named(variant, status=True),
        "payload": payload,
        "ts": zulu(at) if variant.bundles else naive(at),
    }
    if not variant.bundles:
        return frame
    frame["user_id"] = meeting.user_id
    reason = standing.completion_reason(variant)
    if reason is not None or error is not None:
        payload["data"] = {
            "completion_reason": reason,
            "failure_stage": standing.failure_stage(variant),
        }
    if variant is Variant.E4 and step.after == "scheduled":
        when = meeting.scheduled_for or at
        frame |= {
            "meeting_id": meeting.id,
            "native": meeting.native_id,
            "status": "scheduled",
            "when": zulu(when),
        }
    return frame


class StatusFrames(Dialect):
    """Changes of status alone: what E4 pushes of every meeting without being asked.

    Args:
        meeting: Which meeting.
        variant: The era.
    """

    name: ClassVar[str] = "vexa"

    def __init__(self, meeting: MeetingIdentity, variant: Variant) -> None:
        self.meeting = meeting
        self.variant = variant
        self.session = SessionFacts(uid=meeting.bot_id, language=meeting.language)
        self._transitions: list[Transition] = []

    def messages(self, item: Event | Draft) -> Sequence[str]:
        """Return the frames an event or a draft gives."""
        return [to_json(frame) for frame in self.frames(item)]

    def frames(self, item: Event | Draft) -> list[dict[str, Any]]:
        """Return the frames, not yet as text."""
        if isinstance(item, TranscriptionStopped):
            return [stopped_frame(self.meeting, item, self.variant)]
        return self._status(item) if isinstance(item, StateChanged) else []

    def _status(self, event: StateChanged) -> list[dict[str, Any]]:
        if event.state is State.IN_CALL and self.session.began_at is None:
            self.session = SessionFacts(
                uid=self.meeting.bot_id, began_at=event.at, language=self.meeting.language
            )
        transition = Transition(
            seq=event.seq,
            at=event.at,
            state=event.state,
            previous=event.previous,
            reason=event.reason,
            evidence=event.evidence,
        )
        known = len(steps_of(self._transitions, self.variant))
        self._transitions.append(transition)
        new = steps_of(self._transitions, self.variant)[known:]
        return [status_frame(self.meeting, step, self.variant) for step in new]


class SegmentFrames(StatusFrames):
    """E1 and E2: a frame for each change of a segment."""

    def __init__(self, meeting: MeetingIdentity, variant: Variant) -> None:
        super().__init__(meeting, variant)
        self._finalized: set[str] = set()

    def frames(self, item: Event | Draft) -> list[dict[str, Any]]:
        """Return the frames, not yet as text."""
        if isinstance(item, (SegmentDraft, SegmentFinalized)):
            withdrawn = item.segment.id in self._finalized and item.segment.withdrawn
            return self._segment(item) if withdrawn or item.segment.text.strip() else []
        if isinstance(item, ChatReceived) and self.variant is not Variant.E1:
            return [chat_frame(self.meeting, item, self.variant)]
        return super().frames(item)

    def _segment(self, item: SegmentDraft | SegmentFinalized) -> list[dict[str, Any]]:
        if isinstance(item, SegmentDraft) and item.segment.id in self._finalized:
            return []
        if isinstance(item, SegmentFinalized):
            self._finalized.add(item.segment.id)
        frames = [self._frame("transcript.mutable", item, SegmentForm.MUTABLE)]
        if isinstance(item, SegmentFinalized) and self.variant is Variant.E1:
            frames.append(self._frame("transcript.finalized", item, SegmentForm.FINALIZED))
        return frames

    def _frame(
        self, kind: str, item: SegmentDraft | SegmentFinalized, form: SegmentForm
    ) -> dict[str, Any]:
        body = segment_body(item.segment, item.at, self.session, self.variant, form)
        return {
            "type": kind,
            "meeting": self.meeting.named(self.variant, status=False),
            "payload": {"segments": [body]},
            "ts": zulu(item.at),
        }


class BundleFrames(StatusFrames):
    """E3 and E4: what is confirmed and pending of a speaker, at once."""

    def __init__(self, meeting: MeetingIdentity, variant: Variant) -> None:
        super().__init__(meeting, variant)
        self._pending: dict[str, SegmentDraft] = {}
        self._confirmed: set[str] = set()

    def frames(self, item: Event | Draft) -> list[dict[str, Any]]:
        """Return the frames, not yet as text."""
        if isinstance(item, SegmentDraft):
            return self._drafted(item)
        if isinstance(item, SegmentFinalized):
            return self._finalized(item)
        if isinstance(item, TranscriptionGap):
            return self._given_up(item)
        if isinstance(item, ChatReceived):
            return [chat_frame(self.meeting, item, self.variant)]
        if isinstance(item, StateChanged) and item.state in TERMINAL:
            return [*self._vanished(list(self._pending), item), *super().frames(item)]
        return super().frames(item)

    def _drafted(self, draft: SegmentDraft) -> list[dict[str, Any]]:
        key = draft.segment.id
        known = self._pending.get(key)
        if key in self._confirmed or not draft.segment.text.strip():
            return []
        self._pending[key] = draft
        frames = [self._bundle(draft, _speaker(draft.segment))]
        if known is not None and _speaker(known.segment) != _speaker(draft.segment):
            frames.insert(0, self._bundle(draft, _speaker(known.segment)))
        return frames

    def _finalized(self, event: SegmentFinalized) -> list[dict[str, Any]]:
        segment = event.segment
        draft = self._pending.pop(segment.id, None)
        if segment.withdrawn and segment.id in self._confirmed:
            return self._taken_back(event)
        self._confirmed.add(segment.id)
        if not segment.text.strip():
            return self._withdrawn([draft], event) if draft else []
        overtaken = [
            key
            for key, other in self._pending.items()
            if other.segment.track_id == segment.track_id and other.segment.end_s <= segment.start_s
        ]
        frames = self._vanished(overtaken, event)
        if draft is not None and _speaker(draft.segment) != _speaker(segment):
            frames.append(self._bundle(event, _speaker(draft.segment)))
        return [*frames, self._bundle(event, _speaker(segment), confirmed=[event])]

    def _given_up(self, gap: TranscriptionGap) -> list[dict[str, Any]]:
        lost = [
            key
            for key, draft in self._pending.items()
            if draft.segment.track_id == gap.track_id
            and draft.segment.start_s >= gap.start_s - 0.001
            and draft.segment.end_s <= gap.end_s + 0.001
        ]
        return self._vanished(lost, gap)

    def _vanished(self, keys: list[str], item: Event) -> list[dict[str, Any]]:
        return self._withdrawn([self._pending.pop(key) for key in keys], item)

    def _withdrawn(self, drafts: list[SegmentDraft], item: Event) -> list[dict[str, Any]]:
        if not drafts:
            return []
        speakers = dict.fromkeys(_speaker(draft.segment) for draft in drafts)
        frames = [self._bundle(item, speaker) for speaker in speakers]
        if self.variant is Variant.E4:
            frames.append(self._retracted([draft.segment.id for draft in drafts]))
        return frames

    def _taken_back(self, event: SegmentFinalized) -> list[dict[str, Any]]:
        """Return what takes back a confirmed segment: it is emptied, and E4 has a word for it."""
        frames = [self._bundle(event, _speaker(event.segment), confirmed=[event])]
        if self.variant is Variant.E4:
            frames.append(self._retracted([event.segment.id]))
        return frames

    def _retracted(self, segment_ids: list[str]) -> dict[str, Any]:
        return {
            "type": "transcript_retract",
            "meeting": self.meeting.named(self.variant, status=False),
            "segment_ids": segment_ids,
        }

    def _bundle(
        self,
        item: Event | Draft,
        speaker: str,
        *,
        confirmed: Sequence[SegmentFinalized] = (),
    ) -> dict[str, Any]:
        pending = [d for d in self._pending.values() if _speaker(d.segment) == speaker]
        return {
            "type": "transcript",
            "meeting": self.meeting.named(self.variant, status=False),
            "speaker": speaker,
            "confirmed": [self._body(each) for each in confirmed],
            "pending": [self._body(each) for each in pending],
            "ts": zulu(item.at),
        }

    def _body(self, item: SegmentDraft | SegmentFinalized) -> dict[str, Any]:
        return segment_body(item.segment, item.at, self.session, self.variant, SegmentForm.BUNDLE)


def _speaker(segment: Segment) -> str:
    return segment.speaker_name or ""


def chat_frame(meeting: MeetingIdentity, event: ChatReceived, variant: Variant) -> dict[str, Any]:
    """Return the frame of a chat message: E4 has a shorter one."""
    if variant is Variant.E4:
        return {
            "type": "chat_message",
            "meeting": meeting.named(variant, status=False),
            "sender": event.sender_name,
            "text": event.text,
            "is_from_bot": event.by_bot,
            "ts": zulu(event.at),
        }
    return {
        "type": "chat.new_message",
        "meeting": meeting.named(variant, status=False),
        "payload": {
            "sender": event.sender_name,
            "text": event.text,
            "timestamp": round(event.at.timestamp() * 1000),
            "is_from_bot": event.by_bot,
        },
        "ts": zulu(event.at),
    }


def stopped_frame(
    meeting: MeetingIdentity, event: TranscriptionStopped, variant: Variant
) -> dict[str, Any]:
    """Return the frame that says that nothing is transcribed any more."""
    return {
        "type": "error",
        "error": "transcription_stopped",
        "details": event.detail,
        "meeting": meeting.named(variant, status=True),
    }


def frames_for(
    meeting: MeetingIdentity, variant: Variant, *, status_only: bool = False
) -> StatusFrames:
    """Return the reducer of an era for one meeting."""
    if status_only:
        return StatusFrames(meeting, variant)
    return (BundleFrames if variant.bundles else SegmentFrames)(meeting, variant)
