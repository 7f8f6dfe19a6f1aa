"""People and their speech, from a story to what the API shows."""

from __future__ import annotations

from meetcore.story import Story
from meetcore_server.native.models import Interval, ParticipantOut, SpeechOut

__all__ = ["participants_of", "speech_of"]


def participants_of(story: Story) -> list[ParticipantOut]:
    """Return everybody but our own bot, in the order they came."""
    spoke = story.timeline.seconds_by_participant()
    return [
        ParticipantOut(
            id=each.participant.id,
            name=each.participant.name,
            here=each.here and not story.ended,
            speaking=each.talking and not story.ended,
            muted=each.participant.muted,
            is_bot=each.participant.is_bot,
            is_host=each.participant.is_host,
            spoke_s=round(spoke.get(each.participant.id, 0.0), 3),
            intervals=[
                Interval(joined_at=came, left_at=went or story.ended_at)
                for came, went in each.intervals
            ],
        )
        for each in story.others
    ]


def speech_of(story: Story) -> list[SpeechOut]:
    """Return every stretch of speech, in the order they began."""
    return [
        SpeechOut(
            participant_id=span.participant_id,
            name=story.name_of(span.participant_id),
            start_s=span.start_s,
            end_s=span.end_s,
            source=span.source.value,
        )
        for span in story.timeline.spans
    ]
