"""The transcriber `captions`: the meeting's own captions are the transcript, no sound is needed."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from attrs import field, frozen
from attrs.validators import ge, gt

from meetcore.model.errors import TranscriberError
from meetcore.plugin.transcriber import (
    Readiness,
    StreamRequest,
    Transcriber,
    TranscriberCapabilities,
    TranscriberStream,
)

__all__ = ["CaptionsOptions", "CaptionsTranscriber"]


@frozen(kw_only=True)
class CaptionsOptions:
    """How captions become segments.

    Attributes:
        settle_s: A line that has not changed for so many seconds is finished.
        longest_s: A segment is cut after so many seconds, at the end of a sentence if it has one.
        lag_s: How many seconds late captions come at most: what comes within them after a pause
            counts as said in it.
    """

    settle_s: float = field(default=3.0, validator=gt(0))
    longest_s: float = field(default=30.0, validator=gt(0))
    lag_s: float = field(default=3.0, validator=ge(0))


class CaptionsTranscriber(Transcriber[CaptionsOptions]):
    """Says that the platform's captions are wanted; the core reads them, and opens no stream."""

    name: ClassVar[str] = "captions"
    auto_order: ClassVar[int | None] = 30
    capabilities: ClassVar[TranscriberCapabilities] = TranscriberCapabilities(
        word_times=False, confidence=False, wants="captions"
    )

    def readiness(self) -> Readiness:
        """Say yes: whether there are captions is the platform's to say."""
        return Readiness(usable=True, because="the meeting's own captions need no model")

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[TranscriberStream]:
        """Refuse: there is no sound to transcribe.

        Raises:
            TranscriberError: Always.
        """
        raise TranscriberError(
            "bad_request",
            f"The transcriber {self.name!r} takes no sound (track {request.track_id!r}).",
            retryable=False,
            remedy="The platform observes CaptionSeen; the core makes the transcript of it.",
        )
