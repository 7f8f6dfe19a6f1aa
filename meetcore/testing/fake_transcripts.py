"""The transcripts of a fake service: asked for by a dialect, made or refused by the test."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from meetcore.gateway.records import (
    BotGone,
    BotRow,
    NoRecording,
    NoSuchTranscript,
    NotNow,
    RevisionState,
    TranscriberChoice,
    TranscriptionRequest,
    TranscriptionUnderWay,
    TranscriptRevision,
    WebhookTarget,
)
from meetcore.gateway.service import WebhookFormat
from meetcore.log.journal import Journal
from meetcore.model.history import BotHistory
from meetcore.model.transcript import Segment
from meetcore.testing.fake_records import finalized_by, newest
from meetcore.testing.fake_socket import Posted

__all__ = ["FakeTranscripts"]

_FIRST = 2


class FakeTranscripts:
    """The part of a `FakeService` that has recordings transcribed once more.

        made = (await fake.transcripts(row))[-1]            # what the dialect asked for
        await fake.transcribed(row, [segment])              # or error="it has had enough"

    Attributes:
        asked_again: What was asked for, with the bot's id.
    """

    formats: dict[str, WebhookFormat]
    posted: list[Posted]

    def __init__(self) -> None:
        super().__init__()
        self.asked_again: list[tuple[str, TranscriptionRequest]] = []
        self._transcripts: dict[str, list[TranscriptRevision]] = {}
        self._made: dict[tuple[str, int], list[Segment]] = {}

    @abstractmethod
    def now(self) -> datetime:
        """Return the time of the test's clock."""

    @abstractmethod
    def row(self, bot_id: str) -> BotRow:
        """Return a bot as it is now."""

    @abstractmethod
    def choose_transcriber(
        self, provider: str | None, language: str | None = None
    ) -> TranscriberChoice:
        """Return who transcribes, and in which language."""

    @abstractmethod
    async def history(self, row: BotRow) -> BotHistory:
        """Return a bot's history."""

    @abstractmethod
    async def targets(self, row: BotRow) -> list[WebhookTarget]:
        """Return a bot's webhook targets."""

    @abstractmethod
    def _journal(self, row: BotRow) -> Journal:
        """Return a bot's journal; raises `BotGone`."""

    async def transcribe_again(
        self, row: BotRow, asked: TranscriptionRequest
    ) -> TranscriptRevision:
        """Take a request; it waits until the test says what comes of it."""
        choice = self.choose_transcriber(asked.transcriber, asked.language)
        row = self.row(row.bot_id)
        if not row.ended:
            raise NotNow(row.state, "The bot has not ended yet.")
        try:
            files = (await self.history(row)).artifacts.values()
        except BotGone as error:
            raise NoRecording(row.state, "The data of this bot was deleted.") from error
        if not any(each.kind.startswith("audio.") for each in files):
            raise NoRecording(row.state, "This bot recorded no sound.")
        mine = self._transcripts.setdefault(row.bot_id, [])
        if mine and not mine[-1].ended:
            raise TranscriptionUnderWay(row.state, mine[-1].revision)
        made = TranscriptRevision(
            bot_id=row.bot_id,
            revision=_FIRST + len(mine),
            state=RevisionState.QUEUED,
            transcriber=choice.name,
            language=choice.language,
            vocabulary=tuple(asked.vocabulary),
            diarize=asked.diarize,
            dialect=asked.dialect,
            extras=dict(asked.extras),
            requested_at=self.now(),
            target_id=None if asked.webhook is None else -len(self.asked_again) - 1,
        )
        mine.append(made)
        self.asked_again.append((row.bot_id, asked))
        return made

    async def transcripts(self, row: BotRow) -> list[TranscriptRevision]:
        """Return the transcripts of a bot."""
        row = self.row(row.bot_id)
        if row.deleted_at is not None:
            raise BotGone(f"The data of bot {row.bot_id} was deleted.")
        live = TranscriptRevision(
            bot_id=row.bot_id,
            revision=0,
            state=RevisionState.DONE if row.ended else RevisionState.RUNNING,
            transcriber=row.transcriber,
            requested_at=row.created_at,
            ended_at=row.ended_at,
        )
        first = [live] if row.transcriber is not None else []
        return [*first, *self._transcripts.get(row.bot_id, ())]

    async def transcribed(
        self, row: BotRow, segments: Sequence[Segment] = (), *, error: str | None = None
    ) -> TranscriptRevision:
        """Let the transcript that was asked for last be made, or fail; webhooks are told."""
        mine = self._transcripts[row.bot_id]
        asked = [each for bot_id, each in self.asked_again if bot_id == row.bot_id][-1]
        state = RevisionState.DONE if error is None else RevisionState.FAILED
        made = mine[-1] = evolve(mine[-1], state=state, error=error, ended_at=self.now())
        self._made[row.bot_id, made.revision] = list(segments)
        told: Sequence[WebhookTarget] = await self.targets(row)
        if asked.webhook is not None:
            told = [evolve(asked.webhook, id=made.target_id or 0)]
        for target in told:
            outgoings = await self.formats[target.format].after_transcription(row, target, made)
            self.posted += [Posted(row, target, outgoing) for outgoing in outgoings]
        return made

    async def segments(
        self, row: BotRow, *, after_seq: int = 0, revision: int = 0
    ) -> AsyncGenerator[Segment, None]:
        """Yield the finalized segments in the order of speech, each in its newest revision."""
        journal = self._journal(row)
        if not revision:
            for seq in newest(journal, after_seq):
                yield finalized_by(journal, seq).segment
            return
        known: dict[int, Any] = {each.revision: each for each in await self.transcripts(row)}
        if revision not in known or known[revision].state is not RevisionState.DONE:
            raise NoSuchTranscript(f"There is no transcript {revision}, or it is not done.")
        for segment in self._made[row.bot_id, revision]:
            yield segment
