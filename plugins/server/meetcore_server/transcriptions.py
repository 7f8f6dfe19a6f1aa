"""Recordings of finished bots, transcribed once more: a few at once, each in its own process.

What is asked for is a row in the database, so that a server that was killed goes on with it: a job
that was under way runs again under the same number, and what it had finalized is kept in the bot's
folder. Nothing of it runs in the server's own process.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio
from attrs import evolve, frozen

from meetcore import BotConfig, ConfigError, JournalBusy, MeetcoreError, Segment, State
from meetcore.gateway import (
    BotGone,
    BotRow,
    NoRecording,
    NoSuchTranscript,
    NotNow,
    RevisionState,
    TranscriptionRequest,
    TranscriptRevision,
)
from meetcore.log import remove_stale
from meetcore.model import brief
from meetcore_server.orders_to_specs import check_webhooks, plain_settings
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.transcript_files import highest_number, made_beside, transcript_segments
from meetcore_server.transcription_process import COMMAND, transcribe_in_process

if TYPE_CHECKING:
    from meetcore_server.service import BotService

__all__ = ["TranscriptReader", "TranscriptionLimits", "Transcriptions"]

_LOG = logging.getLogger("meetcore.server")
_LOOK_FOR_WORK_EVERY_S = 30.0
_LOOK_EVERY_S = 0.25
FORGET = "forget"
_AFTER_TROUBLE_S = 5.0
_GONE_WITHIN_S = 10.0
_ENDED_WITHIN_S = 10.0
_NICE = 5
_FORMATS = ("json", "srt", "vtt", "txt")
_MOST_TERMS = 1000
_LONGEST_TERM = 200
_LONGEST_REASON = 1000


@frozen(kw_only=True)
class TranscriptionLimits:
    """How much is transcribed, and for how long.

    Attributes:
        at_once: So many run at a time.
        waiting: So many may wait or run.
        base_s: Each may take so long,
        per_audio_s: and so long for each second of sound.
    """

    at_once: int = 1
    waiting: int = 1000
    base_s: float = 900.0
    per_audio_s: float = 5.0


@frozen
class _JobUnderWay:
    scope: trio.CancelScope
    over: trio.Event


class Transcriptions:
    """Has recordings transcribed.

    Args:
        service: The bots.
        limits: How much at once.
        command: What is run for each.
    """

    def __init__(
        self,
        service: BotService,
        limits: TranscriptionLimits | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._service = service
        self._rows = service.stores.transcriptions
        self._limits = limits or TranscriptionLimits()
        self._command = command
        self._running: dict[str, _JobUnderWay] = {}
        self._progress: dict[str, float] = {}
        self._news = trio.Event()

    # --- asking -------------------------------------------------------------------------------

    async def ask(self, row: BotRow, asked: TranscriptionRequest) -> TranscriptRevision:
        """Take a request; see `Service.transcribe_again`."""
        if asked.webhook is not None:
            check_webhooks([asked.webhook], self._service.private_targets)
        config, language = self._config(asked)
        await self._until_over(row)
        await self._audio_s(row)
        highest = await highest_number(self._service.store.media(row.bot_id))
        assert config.transcriber is not None
        made = await self._rows.insert(
            row.bot_id,
            asked,
            transcriber=config.transcriber,
            language=language,
            highest=highest,
            most_waiting=self._limits.waiting,
        )
        self._news.set()
        return made

    async def _until_over(self, row: BotRow) -> None:
        """Wait a little for a bot that is closing its files.

        Raises:
            NotNow: It has not ended.
        """
        live = self._service.live.get(row.bot_id)
        if live is None and row.ended:
            return
        if live is not None and (live.history.ended or row.ended):  # the row has it earlier
            with trio.move_on_after(_ENDED_WITHIN_S):
                await live.ended.wait()
                return
        remedy = "Its recording is transcribed once more when it has ended."
        state = live.row.state if live is not None else row.state
        raise NotNow(state, "The bot has not ended yet.", remedy)

    async def _audio_s(self, row: BotRow) -> float:
        """Return how much sound there is of a bot, over all tracks.

        Raises:
            NoRecording: None.
        """
        try:
            history = await self._service.history(row)
        except BotGone as error:
            raise NoRecording(row.state, "The data of this bot was deleted.") from error
        files = [each for each in history.artifacts.values() if each.kind.startswith("audio.")]
        if not files:
            raise NoRecording(
                row.state,
                "This bot recorded no sound.",
                "Only what the sink 'files' recorded can be transcribed once more.",
            )
        return sum(each.duration_s or 0.0 for each in files)

    def _config(self, asked: TranscriptionRequest) -> tuple[BotConfig, str | None]:
        """Return the configuration of a transcription, checked, and its language.

        Raises:
            UnknownPlugin, ConfigError, LanguageRefused: It cannot be done so.
            PluginError: A reviser that must not be passed by would not be there.
        """
        if len(asked.vocabulary) > _MOST_TERMS or any(
            not term.strip() or len(term) > _LONGEST_TERM for term in asked.vocabulary
        ):
            raise ConfigError(
                f"vocabulary has at most {_MOST_TERMS} terms of 1 to {_LONGEST_TERM} characters."
            )
        specs = self._service.specs
        choice = specs.transcriber(asked.transcriber, asked.language)
        if choice.name is None:
            raise ConfigError("There is no transcriber.", "Name one.")
        config = specs.config
        specs.plugins.check_revisers([*config.plugin_files, *specs.plugin_files])
        transcriber = specs.plugins.transcriber(choice.name, config)
        if transcriber.capabilities.wants == "captions":
            raise ConfigError(
                f"{transcriber.name} cannot transcribe a recording: it has no captions.",
                "Name a transcriber that listens.",
            )
        ready = transcriber.readiness()
        if not ready.usable:
            raise ConfigError(
                f"{transcriber.name} cannot be used here: {ready.because}.", ready.remedy
            )
        config = evolve(
            config,
            transcriber=transcriber.name,
            language=choice.language,
            vocabulary=(*config.vocabulary, *asked.vocabulary),
            transcription=evolve(
                config.transcription, diarize=asked.diarize or config.transcription.diarize
            ),
        )
        return config, choice.language

    async def of_bot(self, row: BotRow) -> list[TranscriptRevision]:
        """Return the transcripts of a bot, by number."""
        if row.deleted_at is not None:
            raise BotGone(f"The data of bot {row.bot_id} was deleted.")
        asked = [
            evolve(each, progress=self._progress.get(row.bot_id)) if not each.ended else each
            for each in await self._rows.of_bot(row.bot_id)
        ]
        known = {each.revision for each in asked}
        media = self._service.store.media(row.bot_id)
        beside = await made_beside(media, row.bot_id, known) if row.ended else []
        live = [_live(row)] if row.transcriber is not None else []
        return [*live, *sorted([*asked, *beside], key=lambda each: each.revision)]

    async def segments(self, row: BotRow, revision: int) -> list[Segment]:
        """Return a transcript; see `Service.segments`."""
        made = {each.revision: each for each in await self.of_bot(row)}.get(revision)
        if made is None:
            raise NoSuchTranscript(f"Bot {row.bot_id} has no transcript {revision}.")
        if made.state is not RevisionState.DONE:
            why = f": {made.error}" if made.error else ""
            raise NoSuchTranscript(f"Transcript {revision} is {made.state}{why}.")
        return await transcript_segments(self._service.store.media(row.bot_id), revision)

    async def forget(self, bot_id: str) -> None:
        """End what is under way of a bot, and forget what was asked for.

        Raises:
            NotNow: Another server transcribes it, or this one, and does not let go of it.
        """
        await self._have_let_go(bot_id)
        await self._rows.delete(bot_id)
        running = self._running.get(bot_id)
        if running is not None:
            running.scope.cancel()
            with trio.move_on_after(_GONE_WITHIN_S) as limit:
                await running.over.wait()
            if limit.cancelled_caught:  # what it writes would be there after a deletion
                raise NotNow(State.COMPLETED, "Its recording is still being transcribed.")
            await self._tidy()

    def look(self) -> None:
        """Look for work now: a server died, and may have had some."""
        self._news.set()

    async def give_up_all(self) -> None:
        """End what is under way here: another server does it."""
        for running in list(self._running.values()):
            running.scope.cancel()
            with trio.move_on_after(_GONE_WITHIN_S):
                await running.over.wait()

    async def _have_let_go(self, bot_id: str) -> None:
        """Have another server end what it has under way of a bot."""
        membership = self._service.supervisor.membership
        if not membership.shared:
            return
        server = await self._rows.done_by(bot_id)
        if server in (None, membership.number):
            return
        await membership.servers.ask(server, FORGET, bot_id)
        with trio.move_on_after(_ENDED_WITHIN_S):
            while await self._rows.done_by(bot_id) == server:  # noqa: ASYNC110  nobody tells
                await trio.sleep(_LOOK_EVERY_S)
            return
        raise NotNow(State.COMPLETED, "Its recording is transcribed by another server just now.")

    # --- doing --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Do what was asked for, until cancelled. Raises nothing but `Cancelled`."""
        await self._tidy()
        async with trio.open_nursery() as nursery:
            while True:
                self._news = trio.Event()
                pause_s = _LOOK_FOR_WORK_EVERY_S
                try:
                    await self._tell_rest()
                    await self._begin(nursery)
                except Exception as error:  # noqa: BLE001  it goes on, whatever was wrong
                    _LOG.warning("transcriptions: %s", brief(error))
                    pause_s = _AFTER_TROUBLE_S
                with trio.move_on_after(pause_s):
                    await self._news.wait()

    async def _begin(self, nursery: trio.Nursery) -> None:
        room = self._limits.at_once - len(self._running)
        if room < 1:
            return
        for made in await self._rows.waiting(list(self._running), room):
            running = _JobUnderWay(trio.CancelScope(), trio.Event())
            self._running[made.bot_id] = running
            nursery.start_soon(self._see_through, made, running)

    async def _see_through(self, made: TranscriptRevision, running: _JobUnderWay) -> None:
        try:
            with running.scope:
                await self._transcribe(made)
        except Exception as error:  # noqa: BLE001  one recording's trouble is its own
            _LOG.error("bot=%s transcript %d: %s", made.bot_id, made.revision, brief(error))
            await trio.sleep(_AFTER_TROUBLE_S)  # the database is away: it is begun again
        finally:
            self._running.pop(made.bot_id, None)
            self._progress.pop(made.bot_id, None)
            running.over.set()
            self._news.set()

    async def _transcribe(self, made: TranscriptRevision) -> None:
        if not await self._rows.began(made):
            return  # another server has begun it
        row = await self._service.stores.bots.get(made.bot_id)
        trouble: str | None = None
        try:
            audio_s = await self._audio_s(row)
            async with self._service.store.checkout(row.bot_id) as folder:
                await transcribe_in_process(
                    self._job(folder, made),
                    limit_s=self._limits.base_s + self._limits.per_audio_s * audio_s,
                    progress=partial(self._progress.__setitem__, made.bot_id),
                    command=self._command,
                )
        except MeetcoreError as error:
            if isinstance(error, (DatabaseUnavailable, JournalBusy)):
                raise
            trouble = f"{error.message} {error.remedy}".strip()[:_LONGEST_REASON]
        except Exception as error:  # noqa: BLE001  it fails, and the others go on
            _LOG.error("bot=%s transcript %d", made.bot_id, made.revision, exc_info=error)
            trouble = "Something went wrong in the server; its log says what."
        await self._tidy()
        await self._rows.ended(made, trouble)
        words = "done" if trouble is None else f"failed: {trouble}"
        _LOG.info("bot=%s transcript %d %s", made.bot_id, made.revision, words)

    async def _tidy(self) -> None:
        """Remove what a process that was killed had of the sound in the temporary folder."""
        with suppress(trio.TooSlowError, OSError):
            await self._service.supervisor.in_thread(remove_stale)

    def _job(self, folder: Path, made: TranscriptRevision) -> Mapping[str, Any]:
        asked = TranscriptionRequest(
            transcriber=made.transcriber or "default",
            language=made.language,
            vocabulary=made.vocabulary,
            diarize=made.diarize,
        )
        config, _ = self._config(asked)
        files = [*config.plugin_files, *self._service.specs.plugin_files]
        settings = plain_settings(attrs.evolve(config, plugin_files=()))
        return {
            "folder": str(folder),
            "revision": made.revision,
            "formats": list(_FORMATS),
            "settings": settings,
            "plugin_files": list(dict.fromkeys(map(str, files))),
            "nice": _NICE,
        }

    async def _tell_rest(self) -> None:
        """Tell webhooks what came of those of which they were not told."""
        for made in await self._rows.untold():
            row = await self._service.stores.bots.get(made.bot_id)
            if row.deleted_at is None:
                await self._service.webhooks.after_transcription(row, made)
            await self._rows.told(made)


def _live(row: BotRow) -> TranscriptRevision:
    """Return the transcript that is made while the bot is there."""
    return TranscriptRevision(
        bot_id=row.bot_id,
        revision=0,
        state=RevisionState.DONE if row.ended else RevisionState.RUNNING,
        transcriber=row.transcriber,
        requested_at=row.created_at,
        started_at=row.in_call_at,
        ended_at=row.ended_at,
    )


class TranscriptReader:
    """The part of the service that has recordings transcribed and gives transcripts."""

    transcriptions: Transcriptions

    @abstractmethod
    def live_segments(self, row: BotRow, after_seq: int) -> AsyncGenerator[Segment, None]:
        """Yield what was transcribed live."""

    async def transcribe_again(
        self, row: BotRow, asked: TranscriptionRequest
    ) -> TranscriptRevision:
        """Have a recording transcribed once more."""
        return await self.transcriptions.ask(row, asked)

    async def transcripts(self, row: BotRow) -> list[TranscriptRevision]:
        """Return the transcripts of a bot."""
        return await self.transcriptions.of_bot(row)

    async def segments(
        self, row: BotRow, *, after_seq: int = 0, revision: int = 0
    ) -> AsyncGenerator[Segment, None]:
        """Yield the finalized segments in the order of speech, each in its newest revision."""
        if revision:
            for segment in await self.transcriptions.segments(row, revision):
                yield segment
            return
        live = self.live_segments(row, after_seq)
        async with aclosing(live):
            async for segment in live:
                yield segment
