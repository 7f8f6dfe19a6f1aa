"""Recordings: what a bot recorded, transcribed once more; files that are sent are refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, TypedDict

from attrs import frozen

from meetcore import format_time
from meetcore.gateway import (
    Authenticator,
    BodyFields,
    BotGone,
    BotRow,
    Client,
    Handler,
    LimitReached,
    Listed,
    NoSuchBot,
    Refusal,
    Reply,
    Request,
    RevisionState,
    Route,
    Scope,
    TranscriptionRequest,
    TranscriptRevision,
    json_pieces,
    segments_of,
)
from meetcore_skribby.bot_object import model_of
from meetcore_skribby.create_request import WORDS, vocabulary
from meetcore_skribby.links import recording_link
from meetcore_skribby.models import NO_TRANSCRIPT, key_of, provider_of
from meetcore_skribby.transcript_reader import read_summary
from meetcore_skribby.transcripts import RestSegment, SpeakerNumbers, rest_segment

__all__ = ["RecordingObject", "TranscribedRecordingRoutes"]

_STATUSES = {
    RevisionState.QUEUED: "transcribing",
    RevisionState.RUNNING: "transcribing",
    RevisionState.DONE: "finished",
    RevisionState.FAILED: "failed",
}


class RecordingObject(TypedDict):
    """A recording, as every route that answers with one gives it."""

    id: str
    status: str
    webhook_url: None
    recording_url: str | None
    recording_available_until: str | None
    lang: str | None
    detected_lang: str | None
    transcript: Listed | list[RestSegment]
    transcription_model: str
    transcription_model_key: str
    events: list[dict[str, Any]]
    profanity_filter: bool
    custom_vocabulary: list[str]
    created_at: str | None


@frozen(kw_only=True)
class _RecordingRequest:
    """What a body of POST /recording asks for."""

    bot_id: str
    model: str | None
    lang: str | None
    vocabulary: tuple[str, ...]


class TranscribedRecordingRoutes:
    """Handlers of the routes under /recording.

    Args:
        authenticator: Knows who asks, and the service.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._service = authenticator.service

    def routes(self) -> list[Route]:
        """Return every route, at the root of the mount and below `/api/v1`."""
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/recording", self.create),
            ("GET", "/recording/{id}", self.get),
            ("DELETE", "/recording/{id}", self.delete),
        ]
        return [
            Route(method, prefix + template, handler)
            for prefix in ("", "/api/v1")
            for method, template, handler in table
        ]

    async def create(self, request: Request) -> Reply:
        """Have the recording of a bot that has ended transcribed once more."""
        client = await self._authenticator.client(request, Scope.WRITE)
        if (request.header("content-type") or "").lower().startswith("multipart/"):
            raise _no_files()
        asked = _parse(request.json())
        row = await self._bot(client, asked.bot_id)
        model = asked.model or model_of(row)
        if model == NO_TRANSCRIPT:
            text = "The transcription model field is required: the bot had none."
            raise Refusal(422, text, detail="transcription_model")
        wanted = TranscriptionRequest(
            transcriber=provider_of(model) or "default",
            language=asked.lang,
            vocabulary=asked.vocabulary,
            dialect="skribby",
            extras={"model": model, "lang": asked.lang},
        )
        try:
            made = await self._service.transcribe_again(row, wanted)
        except LimitReached as error:
            raise Refusal(403, error.message) from error
        return Reply(json=await self._object(request, client, row, made, []))

    async def get(self, request: Request) -> Reply:
        """Return a recording; its transcript is sent while it is read."""
        client, row, made = await self._found(request, Scope.READ)
        said: Listed | list[RestSegment] = []
        if made.state is RevisionState.DONE:
            said = Listed(_transcript(self._authenticator, row, made.revision))
        body = await self._object(request, client, row, made, said)
        return Reply(stream=json_pieces(body), media_type="application/json")

    async def delete(self, request: Request) -> Reply:
        """Refuse: what a bot left is deleted with the bot."""
        await self._found(request, Scope.WRITE)
        raise Refusal(400, "A recording of a bot is deleted with the bot: DELETE /bot/{id}.")

    # --- how it is done ------------------------------------------------------------------------

    async def _bot(self, client: Client, bot_id: str) -> BotRow:
        """Return the bot whose recording is meant.

        Raises:
            Refusal: There is none (422).
        """
        try:
            row = await self._service.bot(client, bot_id)
        except NoSuchBot as error:
            text = "The selected meeting bot id is invalid."
            raise Refusal(422, text, detail="meeting_bot_id") from error
        if row.extras.get("deleted"):
            text = "The selected meeting bot id is invalid."
            raise Refusal(422, text, detail="meeting_bot_id")
        return row

    async def _found(
        self, request: Request, scope: Scope
    ) -> tuple[Client, BotRow, TranscriptRevision]:
        client = await self._authenticator.client(request, scope)
        bot_id, _, number = request.params["id"].rpartition("_")
        row = await self._service.bot(client, bot_id)
        try:
            made = [] if row.extras.get("deleted") else await self._service.transcripts(row)
        except BotGone:
            made = []
        for each in made:
            if each.revision and str(each.revision) == number:
                return client, row, each
        raise NoSuchBot("There is no such recording.")

    async def _object(
        self,
        request: Request,
        client: Client,
        row: BotRow,
        made: TranscriptRevision,
        said: Listed | list[RestSegment],
    ) -> RecordingObject:
        model = made.extras.get("model") or made.transcriber or NO_TRANSCRIPT
        summary = await read_summary(self._service, row)
        url, until = recording_link(self._service, request.origin_url, client, row, summary)
        detected = None
        if made.state is RevisionState.DONE:
            async with aclosing(
                segments_of(self._service, row, revision=made.revision)
            ) as segments:
                async for segment in segments:
                    detected = segment.language
                    if detected:
                        break
        events: list[dict[str, Any]] = []
        if made.error and made.ended_at:
            failure = {"message": made.error}
            when = format_time(made.ended_at)
            events.append({"event": "error", "data": failure, "created_at": when})
        return {
            "id": f"{row.bot_id}_{made.revision}",
            "status": _STATUSES[made.state],
            "webhook_url": None,
            "recording_url": url,
            "recording_available_until": format_time(until) if until else None,
            "lang": made.extras.get("lang"),
            "detected_lang": detected,
            "transcript": said,
            "transcription_model": model,
            "transcription_model_key": key_of(model),
            "events": events,
            "profanity_filter": False,
            "custom_vocabulary": list(made.vocabulary),
            "created_at": format_time(made.requested_at) if made.requested_at else None,
        }


def _parse(body: object) -> _RecordingRequest:
    """Return what a body asks for.

    Raises:
        BadField: A field is missing or wrong.
        Refusal: It has a file that is to be fetched.
    """
    given = body if isinstance(body, Mapping) else {}
    if given.get("recording_url"):
        raise _no_files()
    fields = BodyFields(given, WORDS)
    bot_id = fields.required("meeting_bot_id", longest=200)
    model = fields.text("transcription_model", longest=200)
    lang = fields.text("lang", longest=35)
    terms = vocabulary(fields)
    fields.check()
    return _RecordingRequest(
        bot_id=bot_id,
        model=model.strip() if model else None,
        lang=lang or None,
        vocabulary=terms,
    )


def _no_files() -> Refusal:
    return Refusal(
        403,
        "Transcribing files that are sent or fetched is not available on this server; "
        "send meeting_bot_id, or use `meetcore transcribe` where the file is.",
    )


async def _transcript(
    authenticator: Authenticator, row: BotRow, revision: int
) -> AsyncGenerator[RestSegment, None]:
    """Yield a transcript of a recording, with a number for each speaker."""
    numbers = SpeakerNumbers()
    said = segments_of(authenticator.service, row, revision=revision)
    async with aclosing(said) as segments:
        async for segment in segments:
            yield rest_segment(segment, numbers.number(segment))
