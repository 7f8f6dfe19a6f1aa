"""The routes under /transcripts: the transcript as JSON, sent as it is read, and public links."""

from __future__ import annotations

import heapq
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from attrs import frozen

from meetcore import BotHistory, SegmentFinalized
from meetcore.gateway import (
    BotGone,
    BotRow,
    Client,
    NoSuchBot,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    Service,
    TranscriptRevision,
    newest_revision,
    segments_of,
)
from meetcore_vexa.bot_object import meeting_now, meeting_of
from meetcore_vexa.lookup import Caller, Lookup, integer
from meetcore_vexa.routes_recordings import recording_body
from meetcore_vexa.transcripts import SegmentForm, SessionFacts, segment_body, shown_start_s
from meetcore_vexa.variants import Variant, zulu

__all__ = ["SORTED_WITHIN", "TranscriptRoutes", "newest_segments"]

SORTED_WITHIN = 256
"""Segments come by their start and are told by the start they show, which may be an earlier one: so
many wait for one another, which bounds the memory, not the length of the meeting."""

SHARE_PURPOSE = "vexa-transcript-share"


async def newest_segments(service: Service, row: BotRow) -> AsyncGenerator[SegmentFinalized, None]:
    """Yield the newest revision of each segment, with when it came, as they were spoken."""
    heap: list[tuple[float, float, int, SegmentFinalized]] = []
    async with aclosing(service.finalized(row)) as events:
        async for event in events:
            segment = event.segment
            if not segment.text.strip():
                continue
            heapq.heappush(heap, (shown_start_s(segment), segment.end_s, event.seq, event))
            if len(heap) > SORTED_WITHIN:
                yield heapq.heappop(heap)[3]
    while heap:
        yield heapq.heappop(heap)[3]


async def newest_of_recording(service: Service, row: BotRow) -> TranscriptRevision | None:
    """Return the newest transcript of a bot's recording that is done, None where there is none."""
    revision = await newest_revision(service, row)
    if not revision:
        return None
    made = await service.transcripts(row)
    return next((each for each in made if each.revision == revision), None)


@frozen(kw_only=True)
class _Opened:
    row: BotRow
    history: BotHistory
    session: SessionFacts
    made: TranscriptRevision | None = None
    """The newest transcript of its recording; None where the live one is the only one."""


class TranscriptRoutes:
    """Handlers of the routes under /transcripts and /public/transcripts.

    Args:
        lookup: The way in.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._service = lookup.service

    def routes(self) -> list[Route]:
        """Return the routes."""
        meeting = "/transcripts/{platform}/{native_id}"
        return [
            Route("GET", meeting, self.get),
            Route("POST", f"{meeting}/share", self.share),
            Route("GET", "/public/transcripts/{share}", self.public),
        ]

    async def get(self, request: Request) -> Reply:
        """Return a transcript."""
        caller = await self._lookup.caller(request)
        reading = await self._read(caller.client, request)
        head = self._head(reading, caller.variant)
        return Reply(
            stream=self._written(head, reading, caller.variant), media_type="application/json"
        )

    async def _read(self, client: Client, request: Request) -> _Opened:
        platform, native_id = request.params["platform"], request.params["native_id"]
        rows = await self._lookup.meetings(client, platform, native_id)
        wanted = request.args.get("meeting_id")
        if wanted:
            number = integer(["query", "meeting_id"], wanted, low=0)
            rows = [row for row in rows if row.number == number]
        if not rows:
            raise Refusal(404, f"Meeting not found for platform {platform} and ID {native_id}")
        return await self._opened(rows[0])

    async def _opened(self, row: BotRow) -> _Opened:
        history = await self._service.history(row)
        session = SessionFacts(
            uid=row.bot_id, began_at=history.in_call_at, language=meeting_of(row).language
        )
        made = await newest_of_recording(self._service, row)
        return _Opened(row=row, history=history, session=session, made=made)

    @staticmethod
    def _head(reading: _Opened, variant: Variant) -> dict[str, Any]:
        row, history = reading.row, reading.history
        meeting = meeting_now(row, history, variant)
        names = (
            "id",
            "platform",
            "native_meeting_id",
            "constructed_meeting_url",
            "status",
            "start_time",
            "end_time",
        )
        head = {name: meeting[name] for name in names}
        if variant.bundles:
            recording = recording_body(row, history)
            head["recordings"] = [recording] if recording else []
            head["notes"] = meeting["data"].get("notes")
            head["data"] = meeting["data"]
        return head

    async def _written(
        self, head: dict[str, Any], reading: _Opened, variant: Variant
    ) -> AsyncGenerator[bytes, None]:
        yield json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "segments": ['
        comma = b""
        async with aclosing(self._bodies(reading, variant)) as bodies:
            async for body in bodies:
                yield comma + json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
                comma = b", "
        yield b"]}"

    async def _bodies(
        self, reading: _Opened, variant: Variant
    ) -> AsyncGenerator[dict[str, Any], None]:
        made = reading.made
        if made is not None:
            at = made.ended_at or self._service.now()
            said = segments_of(self._service, reading.row, revision=made.revision)
            async with aclosing(said) as segments:
                spoken = [segment async for segment in segments if segment.text.strip()]
            for segment in sorted(spoken, key=lambda each: (shown_start_s(each), each.end_s)):
                yield segment_body(segment, at, reading.session, variant, SegmentForm.REST)
            return
        async with aclosing(newest_segments(self._service, reading.row)) as events:
            async for event in events:
                yield segment_body(
                    event.segment, event.at, reading.session, variant, SegmentForm.REST
                )

    # --- public links ------------------------------------------------------------------

    async def share(self, request: Request) -> Reply:
        """Make a link to a transcript that works without a key for a time."""
        caller: Caller = await self._lookup.caller(request, Scope.WRITE)
        reading = await self._read(caller.client, request)
        given = request.args.get("ttl_seconds", "900")
        ttl_s = integer(["query", "ttl_seconds"], given, low=60, high=7 * 24 * 3600)
        row = reading.row
        claims = {"bot": row.bot_id, "user": row.user_id, "key": caller.client.key_id}
        token = self._service.sign(SHARE_PURPOSE, claims, expires_s=ttl_s)
        expires_at = zulu_after(self._service, ttl_s)
        body: dict[str, Any]
        if caller.variant is Variant.E4:
            body = {"id": token, "token": token, "mode": "read", "expires_at": expires_at}
        else:
            body = {
                "share_id": token,
                "url": f"{request.base_url}/public/transcripts/{token}.txt",
                "expires_at": expires_at,
                "expires_in_seconds": ttl_s,
            }
        return Reply(json=body)

    async def public(self, request: Request) -> Reply:
        """Return a shared transcript as text."""
        token = request.params["share"].removesuffix(".txt")
        claims = self._service.verify(SHARE_PURPOSE, token)
        if claims is None:
            raise Refusal(404, "Share link not found or expired")
        key_id = str(claims.get("key"))
        if not await self._service.key_is_valid(key_id):
            raise Refusal(404, "Share link not found or expired")
        owner = Client(key_id=key_id, user_id=int(claims["user"]), scopes=frozenset({Scope.READ}))
        try:
            reading = await self._opened(await self._service.bot(owner, str(claims["bot"])))
        except (NoSuchBot, BotGone) as error:
            raise Refusal(404, "Share link not found or expired") from error
        return Reply(stream=self._text(reading), media_type="text/plain; charset=utf-8")

    async def _text(self, reading: _Opened) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._bodies(reading, Variant.E3)) as bodies:
            async for body in bodies:
                who = body["speaker"] or "Unknown"
                line = f"[{body['absolute_start_time']}] {who}: {body['text']}\n"
                yield line.encode("utf-8", "replace")


def zulu_after(service: Service, seconds: float) -> str:
    """Return the time a while from now."""
    return zulu(service.now() + timedelta(seconds=seconds))
