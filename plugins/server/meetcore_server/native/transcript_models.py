"""The bodies of the native API about transcripts of a recording, as attrs classes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from attrs import Factory, frozen

from meetcore import Readiness
from meetcore.gateway import TranscriptRevision

__all__ = ["TranscriberOut", "TranscriptCreate", "TranscriptOut"]


@frozen(kw_only=True)
class TranscriptCreate:
    """A finished bot's recording, to be transcribed once more.

    Attributes:
        transcriber: A plugin's name; without it the server's own.
        language: What is spoken, as a tag such as `de`; without it the transcriber's choice.
        vocabulary: Names and terms that are said.
        diarize: Whether voices on one track are told apart.
    """

    transcriber: str | None = None
    language: str | None = None
    vocabulary: list[str] = Factory(list)
    diarize: bool = False


@frozen(kw_only=True)
class TranscriptOut:
    """One transcript of a bot: 0 is the one made live, those of the recording begin with 2.

    `progress` is how much of the recording was taken, 0 to 1. `error` says why it failed.
    """

    bot_id: str
    revision: int
    state: Literal["queued", "running", "done", "failed"]
    transcriber: str | None
    language: str | None
    requested_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    progress: float | None
    error: str | None

    @classmethod
    def of(cls, made: TranscriptRevision) -> TranscriptOut:
        """Return a transcript as the API shows it."""
        return cls(
            bot_id=made.bot_id,
            revision=made.revision,
            state=made.state.value,
            transcriber=made.transcriber,
            language=made.language,
            requested_at=made.requested_at,
            started_at=made.started_at,
            ended_at=made.ended_at,
            progress=made.progress,
            error=made.error,
        )


@frozen(kw_only=True)
class TranscriberOut:
    """Somebody who can transcribe a recording here, or what is missing for that."""

    name: str
    usable: bool
    because: str
    remedy: str

    @classmethod
    def of(cls, name: str, ready: Readiness) -> TranscriberOut:
        """Return a transcriber as the API shows it."""
        return cls(name=name, usable=ready.usable, because=ready.because, remedy=ready.remedy)
