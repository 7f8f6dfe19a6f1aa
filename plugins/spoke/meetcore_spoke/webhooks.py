"""Spoke's webhooks: `bot.status_change`, and exactly one of `complete` and `failed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar
from uuid import UUID, uuid5

from attrs import field, frozen

from meetcore import TERMINAL, BotHistory, StateChanged, to_json
from meetcore.gateway import (
    BotRow,
    Moment,
    Outgoing,
    Service,
    TranscriptRevision,
    WebhookFormat,
    WebhookTarget,
    changes_until,
    message_id,
    segments_of,
)
from meetcore_spoke.errors import KEY_HEADERS
from meetcore_spoke.mp4 import audio_path, mp4_path
from meetcore_spoke.statuses import Change, StatusTrack, error_of
from meetcore_spoke.transcripts import SpeakerNames, line
from meetcore_spoke.webhook_bodies import (
    CompleteData,
    FailedData,
    WebhookBody,
    complete,
    failed,
    status_change,
    transcription_complete,
    written,
)

__all__ = ["MEDIA_S", "SpokeWebhooks"]

MEDIA_S = 3600.0
"""How long a link to a recording works."""

_NAMESPACE = UUID("0d7a6f6e-5a53-4d0e-9a0e-4f4f6f2c1b7a")


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
        changes, recorded = _changes(moment, extended=extended)
        told = [_WrittenMessage(status_change(moment.row.bot_id, change)) for change in changes]
        if event.state in TERMINAL:
            error = error_of(event.state, moment.history.reason, recorded=recorded)
            told.append(await self._end(moment, error, extended=extended))
        return [self._outgoing(moment, each, index) for index, each in enumerate(told)]

    async def after_transcription(
        self, row: BotRow, target: WebhookTarget, transcript: TranscriptRevision
    ) -> Sequence[Outgoing]:
        """Return `transcription_complete`; of one that failed Spoke has no word."""
        if transcript.error is not None:
            return ()
        sent_as = str(uuid5(_NAMESPACE, f"{row.bot_id} transcript {transcript.revision}"))
        message = transcription_complete(row.bot_id)
        return (
            Outgoing(
                kind=message["event"], body=written(message), headers=_key(target), id=sent_as
            ),
        )

    async def _end(self, moment: Moment, error: str | None, *, extended: bool) -> _WrittenMessage:
        row = moment.row
        extra = _extra(row)
        later: dict[str, Any] = {"extra": extra} if extended or extra is not None else {}
        if extended:
            later["event_uuid"] = str(uuid5(_NAMESPACE, f"{row.bot_id} end"))
        if error is None:
            return await self._complete(moment, later, extended=extended)
        data: FailedData = {"bot_id": row.bot_id, "error": error}
        if extended:
            end = moment.history.end
            detail = end.evidence.detail if end is not None and end.evidence else ""
            data["message"] = detail or _words_of(moment.history)
        return _WrittenMessage(failed({**data, **later}))  # type: ignore[typeddict-item]

    async def _complete(
        self, moment: Moment, later: Mapping[str, Any], *, extended: bool
    ) -> _WrittenMessage:
        row, history = moment.row, moment.history
        spoke, lines = SpeakerNames(history), bytearray()
        if row.transcriber:
            async with aclosing(segments_of(self._service, row)) as segments:
                async for segment in segments:
                    spoke.take(segment)
                    lines += b"," if lines else b""
                    lines += to_json({**line(segment, extended=extended)}).encode()
        data: CompleteData = {
            "bot_id": row.bot_id,
            "mp4": self._link(moment, await mp4_path(self._service, row, history)),
            "speakers": spoke.names,
        }
        if row.transcriber:
            data["transcript"] = []
        if extended:
            data["event"] = "complete"
            data["audio"] = self._link(moment, audio_path(history))
        return _WrittenMessage(complete({**data, **later}), lines)  # type: ignore[typeddict-item]

    def _link(self, moment: Moment, relative: str | None) -> str:
        origin = moment.target.data.get("origin")
        if relative is None or not isinstance(origin, str) or moment.row.deleted_at is not None:
            return ""
        return self._service.media_url(origin, moment.row, relative, client=None, expires_s=MEDIA_S)

    def _outgoing(self, moment: Moment, told: _WrittenMessage, index: int) -> Outgoing:
        headers = _key(moment.target)
        body = written(told.message, told.lines)
        sent_as = message_id(_NAMESPACE, moment, index)
        return Outgoing(kind=told.message["event"], body=body, headers=headers, id=sent_as)


def _key(target: WebhookTarget) -> dict[str, str]:
    """Return the header with the key that a bot was ordered with."""
    if target.secret is None:
        return {}
    return {str(target.data.get("header", KEY_HEADERS[0])): target.secret}


@frozen
class _WrittenMessage:
    """A message, and the lines of its transcript, written already: a long one costs little so."""

    message: WebhookBody
    lines: bytearray = field(factory=bytearray, repr=False)


def _changes(moment: Moment, *, extended: bool) -> tuple[list[Change], bool]:
    """Return the changes of status an event makes, and whether anything was recorded by then."""
    track = StatusTrack(extended)
    return [track.take(event) for event in changes_until(moment)][-1], track.recorded


def _extra(row: BotRow) -> Any:
    return row.extras.get("extra")


def _words_of(history: BotHistory) -> str:
    return history.reason.value.replace("_", " ") if history.reason else "internal error"
