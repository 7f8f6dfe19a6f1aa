"""Skribby's webhooks: `status_update`, signed, tried once."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from meetcore import StateChanged, to_json
from meetcore.gateway import (
    Moment,
    Outgoing,
    WebhookFormat,
    changes_until,
    hmac_sha256,
    message_id,
)
from meetcore_skribby.bot_object import model_of
from meetcore_skribby.models import is_batch
from meetcore_skribby.statuses import StatusTrack, Transition

__all__ = ["TOLERANCE_S", "SkribbyWebhooks", "signature", "verify"]

TOLERANCE_S = 300.0
"""How old a signature may be for Skribby's receivers."""

_NAMESPACE = UUID("7f1c9a5e-0d0b-4c9e-9d8e-1f2a3b4c5d6e")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature over a time and the raw body, as in `X-Skribby-Signature`."""
    return hmac_sha256(secret, timestamp.encode(), b".", body)


def verify(secret: str, timestamp: str, body: bytes, given: str, *, now: datetime) -> bool:
    """Whether a signature is right and not too old, as a receiver checks it."""
    if not timestamp.isascii() or not timestamp.isdigit():
        return False
    fresh = abs(now.timestamp() - int(timestamp)) <= TOLERANCE_S
    expected = signature(secret, timestamp, body).encode()
    return fresh and hmac.compare_digest(expected, given.encode("utf-8", "replace"))


class SkribbyWebhooks(WebhookFormat):
    """Tells each change of status, one attempt each.

    Args:
        now: The wall time, for signatures.
    """

    name: ClassVar[str] = "skribby"
    pauses_s: ClassVar[tuple[float, ...]] = ()
    user_agent: ClassVar[str] = "meetcore-skribby/1.0"

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        """Return a message for each change of status that an event makes."""
        if not isinstance(moment.event, StateChanged):
            return ()
        return [
            self._message(moment, transition, index)
            for index, transition in enumerate(_transitions(moment))
        ]

    def _message(self, moment: Moment, transition: Transition, index: int) -> Outgoing:
        row = moment.row
        body = to_json(
            {
                "bot_id": row.bot_id,
                "type": "status_update",
                "data": transition.data,
                "custom_metadata": dict(row.metadata),
            }
        ).encode()
        timestamp = str(int(self._now().timestamp()))
        webhook_id = message_id(_NAMESPACE, moment, index)
        headers = {"X-Skribby-Timestamp": timestamp, "X-Skribby-Webhook-Id": webhook_id}
        if moment.target.secret is not None:
            headers["X-Skribby-Signature"] = signature(moment.target.secret, timestamp, body)
        return Outgoing(kind="status_update", body=body, headers=headers, id=webhook_id)


def _transitions(moment: Moment) -> list[Transition]:
    """Return the changes of status that the moment's event makes, after those before it."""
    track = StatusTrack(is_batch(model_of(moment.row)))
    return [track.take(event) for event in changes_until(moment)][-1]
