"""The sink `meetstream_transcript`: live transcription over a socket the bot dials."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import trio

from meetcore import (
    Draft,
    Event,
    Segment,
    SegmentDraft,
    SegmentFinalized,
    State,
    StateChanged,
    to_json,
)
from meetcore_meetstream.dial_options import TranscriptOptions
from meetcore_meetstream.dialling_sink import DiallingSink
from meetcore_meetstream.frames import NewText, chunk
from meetcore_meetstream.variants import Variant

__all__ = ["MeetstreamTranscriptSink"]


class MeetstreamTranscriptSink(DiallingSink[TranscriptOptions]):
    """Sends finalized segments, each of them; in `current` drafts in between.

    A finalized segment waits while the target is away, drafts are about now and do not.
    """

    name: ClassVar[str] = "meetstream_transcript"
    greets: ClassVar[bool] = False

    def __init__(self, options: TranscriptOptions) -> None:
        super().__init__(options)
        # What a sink wants is the class's to say, but here it follows from the dialect.
        self.wants_drafts = options.variant is Variant.CURRENT  # type: ignore[misc]
        self._attributes = options.attributes
        self._new_text = NewText()
        self._in_call_at: datetime | None = None
        self._told: set[str] = set()

    async def deliver(self, event: Event) -> None:
        """Send a finalized segment."""
        if isinstance(event, StateChanged) and event.state is State.IN_CALL:
            self._in_call_at = self._in_call_at or event.at
        if isinstance(event, SegmentFinalized):
            known = event.segment.id in self._told or event.segment.correction
            self._told.add(event.segment.id)
            if not known:
                self.line.tell(self._message(event.segment, event.bot_id, event.at))
        await super().deliver(event)

    async def deliver_draft(self, draft: Draft) -> None:
        """Send a segment as it is believed to be."""
        if isinstance(draft, SegmentDraft):
            self.line.show(self._message(draft.segment, draft.bot_id, draft.at), draft.key)
        await trio.lowlevel.checkpoint()

    def _message(self, segment: Segment, bot_id: str, at: datetime) -> str:
        return to_json(
            chunk(
                segment,
                self.options.variant,
                bot_id=bot_id,
                at=at,
                in_call_at=self._in_call_at,
                attributes=self._attributes,
                new_text=self._new_text.of(segment),
            )
        )
