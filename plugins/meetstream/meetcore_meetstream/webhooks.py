"""Everything that is POSTed: callbacks, comings and goings, finalized transcript."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid5

from attrs import evolve

from meetcore import SegmentFinalized, to_json
from meetcore.gateway import (
    BotRow,
    Moment,
    Outgoing,
    TranscriptRevision,
    WebhookFormat,
    WebhookTarget,
    format_ms,
    hmac_sha256,
    message_id,
)
from meetcore_meetstream.frames import chunk
from meetcore_meetstream.lifecycle_webhooks import CallbackKind, Notice, notices
from meetcore_meetstream.participant_webhooks import coming_or_going
from meetcore_meetstream.variants import Variant, attributes_of
from meetcore_meetstream.webhook_bodies import callback, deletion

__all__ = ["FOR_TRANSCRIPT", "Callbacks", "LiveText", "ParticipantWebhooks", "variant_of"]

FOR_TRANSCRIPT = "for_transcript"
"""In a target's `data`: it is told what came of one transcription, and nothing else."""

_NAMESPACE = UUID("5f0a1c6e-3d5b-4b52-9a38-2b1f4f0c7d11")


def variant_of(target: WebhookTarget) -> Variant:
    """Return the dialect a target was ordered in."""
    return Variant.named(target.data.get("dialect")) or Variant.LEGACY


def _outgoing(moment: Moment, kind: str, body: dict[str, Any], index: int = 0) -> Outgoing:
    sent_as = message_id(_NAMESPACE, moment, index)
    return Outgoing(kind=kind, body=to_json(body).encode(), id=sent_as)


class _Signed(WebhookFormat):
    """Signs the raw body for targets with a `secret`.

    Args:
        now: Gives the wall time.
    """

    user_agent: ClassVar[str] = "meetcore-meetstream/1.0"

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def signed(self, target: WebhookTarget, outgoing: Outgoing) -> Outgoing:
        """Return a message with its signature, where the user has a secret."""
        if target.secret is None:
            return outgoing
        headers = {
            **outgoing.headers,
            "X-MeetStream-Signature": hmac_sha256(target.secret, outgoing.body),
            "X-MeetStream-Timestamp": format_ms(self._now()),
        }
        return evolve(outgoing, headers=headers)


class Callbacks(_Signed):
    """Writes what goes to a bot's `callback_url`; a target's `data` says its `dialect`."""

    name: ClassVar[str] = "meetstream"

    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        """Return the callbacks about an event."""
        row, event = moment.row, moment.event
        wanted = row.extras.get("audio") is not False
        told: list[Outgoing] = []
        for index, notice in enumerate(notices(event, moment.history, audio=wanted)):
            body = callback(
                notice,
                variant_of(moment.target),
                bot_id=row.bot_id,
                at=event.at,
                attributes=attributes_of(row.extras),
            )
            if body is not None:
                told.append(_outgoing(moment, notice.kind.value, body, index))
        return told

    async def after_deletion(
        self, row: BotRow, target: WebhookTarget, deleted_objects: int
    ) -> Sequence[Outgoing]:
        """Return `data_deletion`; a target for one transcript gets none."""
        if target.data.get(FOR_TRANSCRIPT):
            return ()
        body = deletion(row.bot_id, variant_of(target), self._now(), deleted_objects)
        sent_as = str(uuid5(_NAMESPACE, f"{row.bot_id} deletion"))
        return (Outgoing(kind="data_deletion", body=to_json(body).encode(), id=sent_as),)

    async def after_transcription(
        self, row: BotRow, target: WebhookTarget, transcript: TranscriptRevision
    ) -> Sequence[Outgoing]:
        """Return `transcription.processed` or `transcription.failed`, without attributes."""
        failed = transcript.error is not None
        kind = CallbackKind.TRANSCRIPT_FAILED if failed else CallbackKind.TRANSCRIPT
        body = callback(
            Notice(kind, detail=transcript.error or ""),
            variant_of(target),
            bot_id=row.bot_id,
            at=transcript.ended_at or self._now(),
            attributes={},
        )
        assert body is not None, "both dialects have a word for it"
        body.pop("custom_attributes", None)
        sent_as = str(uuid5(_NAMESPACE, f"{row.bot_id} transcript {transcript.revision}"))
        return (Outgoing(kind=kind.value, body=to_json(body).encode(), id=sent_as),)


class ParticipantWebhooks(_Signed):
    """Writes participant events for a realtime endpoint; its `data` says which (`events`)."""

    name: ClassVar[str] = "meetstream_participants"

    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        """Return what the endpoint subscribed to."""
        row = moment.row
        attributes = attributes_of(row.extras)
        body = coming_or_going(
            moment.event, moment.history, platform=row.platform, attributes=attributes
        )
        if body is None or body["event"] not in moment.target.data.get("events", ()):
            return ()
        return (_outgoing(moment, body["event"], body),)


class LiveText(_Signed):
    """Writes finalized segments for `live_transcription_required.webhook_url`."""

    name: ClassVar[str] = "meetstream_transcript"

    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        """Return the chunk a finalized segment makes."""
        event = moment.event
        if not isinstance(event, SegmentFinalized) or event.segment.correction:
            return ()
        body = chunk(
            event.segment,
            variant_of(moment.target),
            bot_id=moment.row.bot_id,
            at=event.at,
            in_call_at=moment.history.in_call_at,
            attributes=attributes_of(moment.row.extras),
        )
        return (_outgoing(moment, "transcript", body),)
