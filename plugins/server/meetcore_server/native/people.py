"""People and their speech, from a history to what the API shows."""

from __future__ import annotations

from meetcore import BotHistory
from meetcore_server.native.models import Interval, ParticipantOut, SpeechOut

__all__ = ["participants_of", "speech_of"]


def participants_of(history: BotHistory) -> list[ParticipantOut]:
    """Return everybody but our own bot, in the order they came."""
    spoke = history.timeline.seconds_by_participant()
    return [
        ParticipantOut(
            id=each.participant.id,
            name=each.participant.name,
            here=each.here and not history.ended,
            speaking=each.talking and not history.ended,
            muted=each.participant.muted,
            is_bot=each.participant.is_bot,
            is_host=each.participant.is_host,
            spoke_s=round(spoke.get(each.participant.id, 0.0), 3),
            intervals=[
                Interval(joined_at=came, left_at=went or history.ended_at)
                for came, went in each.intervals
            ],
        )
        for each in history.others
    ]


def speech_of(history: BotHistory) -> list[SpeechOut]:
    """Return every stretch of speech, in the order they began."""
    return [
        SpeechOut(
            participant_id=span.participant_id,
            name=history.name_of(span.participant_id),
            start_s=span.start_s,
            end_s=span.end_s,
            source=span.source.value,
        )
        for span in history.timeline.spans
    ]
