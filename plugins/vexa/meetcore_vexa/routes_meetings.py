"""The routes under /meetings: what was, what is, what is planned; and deleting it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import trio
from attrs import evolve

from meetcore import TERMINAL, ConfigError, EndReason, LanguageRefused, State, UnknownPlugin
from meetcore.gateway import (
    BotRow,
    Client,
    LimitReached,
    NotNow,
    Refusal,
    Reply,
    Request,
    RevisionState,
    Route,
    Scope,
    TranscriptionRequest,
    TranscriptionUnderWay,
    TranscriptRevision,
    history_of,
    segments_of,
)
from meetcore_vexa.bot_object import meeting_now, standing_of_row
from meetcore_vexa.create_request import fields_of, flag_of, language_wished, wish_from
from meetcore_vexa.errors import invalid
from meetcore_vexa.listing import list_meetings
from meetcore_vexa.lookup import NAME, Caller, Lookup
from meetcore_vexa.routes_bots import BotRoutes
from meetcore_vexa.routes_transcripts import newest_of_recording

__all__ = ["MeetingRoutes"]

CLOSING_S = 6.0
"""How long a bot that has ended may take to close its files; vexa-client waits for 10 s."""
TRANSCRIBED_WITHIN_S = 100.0
"""How long an answer waits for a transcript that is being made; the vendor's wait is 120 s."""
_LOOK_EVERY_S = 0.5
_DATA_FIELDS = ("name", "participants", "languages", "notes")


class MeetingRoutes:
    """Handlers of the routes under /meetings.

    Args:
        lookup: The way in.
        bots: Sends the bots that are planned.
    """

    def __init__(self, lookup: Lookup, bots: BotRoutes) -> None:
        self._lookup = lookup
        self._service = lookup.service
        self._bots = bots

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/meetings", self.list),
            Route("POST", "/meetings", self.plan),
            Route("GET", "/meetings/{meeting_id}", self._bots.get),
            Route("PATCH", "/meetings/{meeting_id}", self.change_plan),
            Route("DELETE", "/meetings/{meeting_id}", self.drop_plan),
            Route("POST", "/meetings/{meeting_id}/transcribe", self.transcribe),
            Route("PATCH", "/meetings/{platform}/{native_id}", self.annotate),
            Route("DELETE", "/meetings/{platform}/{native_id}", self.delete),
        ]

    async def list(self, request: Request) -> Reply:
        """List meetings, all of them unless a page is asked for: vexa-client filters them."""
        caller = await self._lookup.caller(request)
        return await list_meetings(self._lookup, caller, request, default_limit=None)

    # --- of the past -------------------------------------------------------------------

    async def annotate(self, request: Request) -> Reply:
        """Change what the user noted about the newest run of a meeting."""
        caller = await self._lookup.caller(request, Scope.WRITE)
        data = fields_of(request.json()).get("data")
        if not isinstance(data, dict):
            raise invalid(["body", "data"], "Field required", "missing")
        changes = {name: data[name] for name in _DATA_FIELDS if data.get(name) is not None}
        _check_notes(changes)
        if not changes:
            raise Refusal(400, "No data provided for update.")
        row = await self._newest(caller.client, request)
        kept = row.extras.get("data")
        known = dict(kept) if isinstance(kept, dict) else {}
        row = await self._service.put_extras(row, {**row.extras, "data": {**known, **changes}})
        return await self._answer(row, caller)

    async def _newest(self, client: Client, request: Request) -> BotRow:
        platform, native_id = request.params["platform"], request.params["native_id"]
        rows = await self._lookup.meetings(client, platform, native_id)
        if not rows:
            raise Refusal(404, f"Meeting not found for platform {platform} and ID {native_id}")
        return rows[0]

    async def _answer(self, row: BotRow, caller: Caller, status: int = 200) -> Reply:
        history = await history_of(self._service, row)
        return Reply(status=status, json=meeting_now(row, history, caller.variant))

    async def delete(self, request: Request) -> Reply:
        """Delete transcript and recordings of the newest run of a meeting, and what names it."""
        caller = await self._lookup.caller(request, Scope.WRITE)
        platform, native_id = request.params["platform"], request.params["native_id"]
        row = await self._newest(caller.client, request)
        status = standing_of_row(row).status(caller.variant)
        try:
            await self._deleted(row)
        except NotNow as error:
            raise Refusal(
                409, f"Meeting not finalized; cannot delete transcripts. Current status: {status}"
            ) from error
        message = f"Meeting {platform}/{native_id} transcripts deleted and data anonymized"
        return Reply(json={"message": message})

    async def _deleted(self, row: BotRow) -> None:
        """Delete a bot's data; for one that is just closing its files, as soon as that is done."""
        with trio.move_on_after(CLOSING_S):
            while True:
                try:
                    await self._service.delete_data(row)
                except NotNow as error:
                    if error.state not in TERMINAL:
                        raise
                    await trio.sleep(0.2)
                else:
                    return
        await self._service.delete_data(row)

    async def transcribe(self, request: Request) -> Reply:
        """Have the recording of a meeting transcribed that has no transcript, and wait for it.

        The vendor answers when it is done. So does this for as long as `TRANSCRIBED_WITHIN_S`;
        then 202 says that it goes on, and GET /transcripts has it once it is done.
        """
        caller = await self._lookup.caller(request, Scope.WRITE)
        row = await self._lookup.numbered(caller.client, request.params["meeting_id"])
        given = request.json()
        body = fields_of({} if given is None else given)
        language = language_wished(body)
        status = standing_of_row(row).status(caller.variant)
        if not row.ended:
            raise Refusal(400, f"Meeting status is '{status}', expected 'completed' or 'failed'")
        history = await history_of(self._service, row)
        if not any(a.media_type.startswith("audio/") for a in history.artifacts.values()):
            raise Refusal(404, "No completed recording with audio found for this meeting")
        there = await newest_of_recording(self._service, row)
        if there is not None or history.segments:
            count = history.segments if there is None else await self._count(row, there)
            raise Refusal(409, f"This meeting is already transcribed ({count} segments)")
        made = await self._asked(row, language)
        with trio.move_on_after(TRANSCRIBED_WITHIN_S):
            while not made.ended:
                await trio.sleep(_LOOK_EVERY_S)
                listed = {each.revision: each for each in await self._service.transcripts(row)}
                made = listed.get(made.revision, made)
        if made.state is RevisionState.FAILED:
            raise Refusal(502, f"Transcription service error: {made.error}")
        if not made.ended:
            message = "The recording is being transcribed; GET /transcripts has it when it is done"
            answer = {"meeting_id": row.number, "segment_count": 0, "message": message}
            return Reply(status=202, json=answer)
        count = await self._count(row, made)
        message = f"Transcribed {count} segments from recording"
        answer = {"meeting_id": row.number, "segment_count": count, "message": message}
        return Reply(json=answer)

    async def _asked(self, row: BotRow, language: str | None) -> TranscriptRevision:
        """Have it transcribed, or return what is under way already."""
        try:
            return await self._service.transcribe_again(
                row, TranscriptionRequest(language=language, dialect=NAME)
            )
        except TranscriptionUnderWay as error:
            made = await self._service.transcripts(row)
            return next(each for each in made if each.revision == error.revision)
        except LanguageRefused:
            raise
        except LimitReached as error:
            raise Refusal(503, error.message) from error
        except (UnknownPlugin, ConfigError) as error:
            raise Refusal(503, f"Deferred transcription is not configured: {error}") from error

    async def _count(self, row: BotRow, made: TranscriptRevision) -> int:
        said = segments_of(self._service, row, revision=made.revision)
        async with aclosing(said) as segments:
            return len([segment async for segment in segments if segment.text.strip()])

    # --- of the future -----------------------------------------------------------------

    async def plan(self, request: Request) -> Reply:
        """Send a bot later."""
        caller = await self._lookup.caller(request, Scope.WRITE)
        body = fields_of(request.json())
        join_at = body.time("scheduled_at", longest=50)
        if flag_of(body, "auto_join") is False or join_at is None or not body.get("meeting_url"):
            raise invalid(
                ["body"],
                "This server plans bots only: 'meeting_url' and 'scheduled_at' are needed, and "
                "'auto_join' must not be false",
            )
        create_request = wish_from(
            {
                name: value
                for name, value in body.body.items()
                if name in ("meeting_url", "bot_name")
            },
            caller.variant,
        )
        place = self._lookup.resolved(create_request)
        title = body.text("title", longest=500)
        row = await self._bots.send(
            caller.client, create_request, place, caller.variant, join_at=join_at
        )
        if title is not None:
            extras = {**row.extras, "data": {"name": title}}
            row = await self._service.put_extras(row, extras)
        return await self._answer(row, caller, status=201)

    async def change_plan(self, request: Request) -> Reply:
        """Change the time or the title of a bot that has not gone yet."""
        caller = await self._lookup.caller(request, Scope.WRITE)
        row = await self._lookup.numbered(caller.client, request.params["meeting_id"])
        body = fields_of(request.json())
        join_at, title = body.time("scheduled_at", longest=50), body.text("title", longest=500)
        url = body.text("meeting_url")
        create_request = None if url is None else wish_from({"meeting_url": url}, caller.variant)
        if row.state is not State.SCHEDULED:
            raise Refusal(409, "The bot owns this meeting already; it cannot be changed.")
        if join_at is not None or create_request is not None:
            order = await self._service.order(row)
            extras = dict(row.extras)
            if create_request is not None:
                place = self._lookup.resolved(create_request)
                extras |= {"platform": place.platform, "native_meeting_id": place.native_id}
                order = evolve(order, url=create_request.url, native_id=place.native_id)
            order = evolve(order, join_at=join_at or row.scheduled_for, extras=extras)
            try:
                row = await self._service.reschedule(row, order)
            except NotNow as error:
                raise Refusal(
                    409, "The bot owns this meeting already; it cannot be changed."
                ) from error
        if title is not None:
            kept = row.extras.get("data")
            known = dict(kept) if isinstance(kept, dict) else {}
            extras = {**row.extras, "data": {**known, "name": title}}
            row = await self._service.put_extras(row, extras)
        return await self._answer(row, caller)

    async def drop_plan(self, request: Request) -> Reply:
        """Cancel a bot that has not gone yet."""
        client = await self._lookup.client(request, Scope.WRITE)
        row = await self._lookup.numbered(client, request.params["meeting_id"])
        cancelled = row.ended and row.reason is EndReason.STOP_REQUESTED and not row.in_call_at
        if row.state is not State.SCHEDULED and not cancelled:
            raise Refusal(409, "The bot owns this meeting already; it cannot be dropped.")
        await self._service.stop(row, "the plan was dropped")
        return Reply(status=204)


def _check_notes(changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        loc: list[str | int] = ["body", "data", name]
        if name in ("name", "notes"):
            if not isinstance(value, str):
                raise invalid(loc, "Input should be a valid string", "string_type")
            if len(value) > 20_000:
                raise invalid(loc, "String should have at most 20000 characters", "string_too_long")
        elif not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise invalid(loc, "Input should be a valid list of strings", "list_type")
        elif len(value) > 1000 or sum(map(len, value)) > 100_000:
            raise invalid(loc, "List is too long", "too_long")
