"""Spoke's webhooks: `bot.status_change`, and exactly one of `complete` and `failed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID, uuid5

from meetcore.events import StateChanged
from meetcore.lifecycle import TERMINAL
from meetcore.orders import BotGone, BotRow
from meetcore.service import Moment, Outgoing, Service, WebhookFormat
from meetcore.story import Story
from meetcore.transcript import Segment
from meetcore.wire import to_json
from meetcore_spoke.bodies import (
    CompleteData,
    FailedData,
    Message,
    complete,
    failed,
    status_change,
)
from meetcore_spoke.mp4 import audio_path, mp4_path
from meetcore_spoke.statuses import Change, StatusTrack, error_of
from meetcore_spoke.transcripts import line, speakers

__all__ = ["HEADERS", "MEDIA_S", "SpokeWebhooks", "read_segments"]

HEADERS = ("x-spoke-api-key", "x-meeting-baas-api-key")
"""The names of the header that carries the key; the first is the seed's."""

MEDIA_S = 3600.0
"""How long a link to a recording works."""

_NAMESPACE = UUID("0d7a6f6e-5a53-4d0e-9a0e-4f4f6f2c1b7a")


async def read_segments(service: Service, row: BotRow) -> list[Segment]:
    """Return a bot's transcript; empty where it was deleted."""
    try:
        return [segment async for segment in service.segments(row)]
    except BotGone:
        return []


class SpokeWebhooks(WebhookFormat):
    """Writes a bot's webhooks.

    A target's `secret` is the key the bot was ordered with, which comes back in a header; its
    `data` says the header's name (`header`), where this server is (`origin`) and whether the later
    codes and fields are wanted (`extended`).

    Args:
        service: Has transcripts and recordings.
    """

    name: ClassVar[str] = "spoke"
    user_agent: ClassVar[str] = "meetcore-spoke/1.0"

    def __init__(self, service: Service) -> None:
        self._service = service

    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        """Return what the target is told about an event."""
        event = moment.event
        if not isinstance(event, StateChanged):
            return ()
        extended = bool(moment.target.data.get("extended"))
        changes, recorded = _changes(moment.story, event.seq, extended=extended)
        told = [status_change(moment.row.bot_id, change) for change in changes]
        if event.state in TERMINAL:
            error = error_of(event.state, moment.story.reason, recorded=recorded)
            told.append(await self._end(moment, error, extended=extended))
        return [self._outgoing(moment, message, index) for index, message in enumerate(told)]

    async def _end(self, moment: Moment, error: str | None, *, extended: bool) -> Message:
        row = moment.row
        extra = _extra(row)
        later: dict[str, Any] = {"extra": extra} if extended or extra is not None else {}
        if extended:
            later["event_uuid"] = str(uuid5(_NAMESPACE, f"{row.bot_id} end"))
        if error is None:
            return complete(await self._complete(moment, later, extended=extended))
        data: FailedData = {"bot_id": row.bot_id, "error": error}
        if extended:
            end = moment.story.end
            detail = end.evidence.detail if end is not None and end.evidence else ""
            data["message"] = detail or _words_of(moment.story)
        return failed({**data, **later})  # type: ignore[typeddict-item]

    async def _complete(
        self, moment: Moment, later: Mapping[str, Any], *, extended: bool
    ) -> CompleteData:
        row, story = moment.row, moment.story
        segments = await read_segments(self._service, row) if row.transcriber else []
        data: CompleteData = {
            "bot_id": row.bot_id,
            "mp4": self._link(moment, await mp4_path(self._service, row, story)),
            "speakers": speakers(story, segments),
        }
        if row.transcriber:
            data["transcript"] = [line(segment, extended=extended) for segment in segments]
        if extended:
            data["event"] = "complete"
            data["audio"] = self._link(moment, audio_path(story))
        return {**data, **later}  # type: ignore[typeddict-item]

    def _link(self, moment: Moment, relative: str | None) -> str:
        origin = moment.target.data.get("origin")
        if relative is None or not isinstance(origin, str) or moment.row.deleted_at is not None:
            return ""
        return self._service.media_url(origin, moment.row, relative, expires_s=MEDIA_S)

    def _outgoing(self, moment: Moment, message: Message, index: int) -> Outgoing:
        headers: dict[str, str] = {}
        if moment.target.secret is not None:
            headers[str(moment.target.data.get("header", HEADERS[0]))] = moment.target.secret
        message_id = str(uuid5(_NAMESPACE, f"{moment.row.bot_id} {moment.event.seq} {index}"))
        body = to_json({**message}).encode()
        return Outgoing(kind=message["event"], body=body, headers=headers, id=message_id)


def _changes(story: Story, seq: int, *, extended: bool) -> tuple[list[Change], bool]:
    """Return the changes of status an event makes, and whether anything was recorded by then."""
    track = StatusTrack(extended)
    for hop in story.hops:
        event = StateChanged(
            seq=hop.seq, at=hop.at, state=hop.state, reason=hop.reason, evidence=hop.evidence
        )
        changes = track.take(event)
        if hop.seq == seq:
            return changes, track.recorded
    return [], track.recorded


def _extra(row: BotRow) -> Any:
    return row.extras.get("extra")


def _words_of(story: Story) -> str:
    return story.reason.value.replace("_", " ") if story.reason else "internal error"
