"""What is shown but not kept: the text and the loudness of the moment.

A draft has no number of its own; it stands after the event numbered `after_seq`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from attrs import frozen

from meetcore.model.plain import NO_TIME, data_of, format_time, to_json
from meetcore.model.transcript import Segment

__all__ = ["DRAFT_TYPES", "Draft", "LevelDraft", "SegmentDraft"]


@frozen(kw_only=True)
class Draft:
    """Root of what is shown but not kept. The newest of a key wins."""

    type: ClassVar[str]
    bot_id: str = ""
    at: datetime = NO_TIME
    meeting_s: float | None = None
    after_seq: int = 0

    @property
    def key(self) -> str:
        """Drafts with the same key replace each other."""
        raise TypeError(f"{type(self).__name__} has no key")

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, as it is on the wire."""
        return {
            "type": self.type,
            "after_seq": self.after_seq,
            "bot_id": self.bot_id,
            "at": format_time(self.at),
            "meeting_s": self.meeting_s,
            "data": data_of(self),
        }

    def to_json(self) -> str:
        """Return `to_dict` as a line of JSON."""
        return to_json(self.to_dict())


@frozen(kw_only=True)
class SegmentDraft(Draft):
    """A segment as it is believed to be now.

    Attributes:
        segment: It.
        stable_words: How many of the first words of its text, as spaces part them, will hardly
            change any more: the transcriber settled them, or understood them twice alike. 0 where
            it does not say. They are no promise: the finalized segment alone is that.
    """

    type: ClassVar[str] = "segment.draft"
    segment: Segment
    stable_words: int = 0

    @property
    def key(self) -> str:
        """The segment's id."""
        return f"segment:{self.segment.id}"


@frozen(kw_only=True)
class LevelDraft(Draft):
    """How loud a track is: the root mean square of about 100 ms, in dB below full scale."""

    type: ClassVar[str] = "level.draft"
    track_id: str
    participant_id: str | None
    dbfs: float

    @property
    def key(self) -> str:
        """The track's id."""
        return f"level:{self.track_id}"


DRAFT_TYPES: dict[str, type[Draft]] = {cls.type: cls for cls in (SegmentDraft, LevelDraft)}
"""Every draft class by its name on the wire."""
