"""The native webhook: each event as it stands in the journal, signed by Standard Webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import ClassVar

from attrs import evolve
from standardwebhooks import Webhook

from meetcore import ConfigError, format_time, to_json
from meetcore.gateway import (
    BotRow,
    Moment,
    Outgoing,
    TranscriptRevision,
    WebhookFormat,
    WebhookTarget,
)
from meetcore.model import EVENT_TYPES, nearest
from meetcore_server.storage.accounts import utc_now
from meetcore_webhook.sender import message_id

__all__ = ["NativeFormat", "check_patterns"]

_NEVER_SENT = "delivery.*"
_NO_EVENTS = ("bot.data_deleted", "transcript.ready", "transcript.failed")
"""What is sent though it stands in no journal."""


def check_patterns(patterns: Iterable[str]) -> None:
    """Refuse patterns that match nothing that is sent.

    Args:
        patterns: Types of events, with `*`.

    Raises:
        ConfigError: It names the pattern, and the nearest type.
    """
    types = [*_NO_EVENTS, *EVENT_TYPES]
    sent = [each for each in types if not fnmatchcase(each, _NEVER_SENT)]
    for pattern in patterns:
        if not any(fnmatchcase(each, pattern) for each in sent):
            guess = nearest(pattern, sent)
            raise ConfigError(
                f"events has {pattern[:80]!r}, which matches no type of event.",
                f"Did you mean {guess!r}?" if guess else "Leave events out for all of them.",
            )


class NativeFormat(WebhookFormat):
    """One message for each event that `target.data["events"]` has, by type, with `*`; empty: all.

    Args:
        now: Gives the time that is signed; aware.
    """

    name: ClassVar[str] = "native"
    user_agent: ClassVar[str] = "meetcore-webhook"

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now

    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        """Return the event."""
        event = moment.event
        if not _wanted(event.type, moment.target):
            return ()
        body = event.to_json().encode()
        return (Outgoing(kind=event.type, body=body, id=message_id(event.bot_id, event.seq)),)

    async def after_deletion(
        self, row: BotRow, target: WebhookTarget, deleted_objects: int
    ) -> Sequence[Outgoing]:
        """Return `bot.data_deleted`."""
        kind = "bot.data_deleted"
        if not _wanted(kind, target):
            return ()
        message = {
            "type": kind,
            "bot_id": row.bot_id,
            "at": format_time(self._now()),
            "data": {"files": deleted_objects},
        }
        body = to_json(message).encode()
        return (Outgoing(kind=kind, body=body, id=f"{row.bot_id}-deleted"),)

    async def after_transcription(
        self, row: BotRow, target: WebhookTarget, transcript: TranscriptRevision
    ) -> Sequence[Outgoing]:
        """Return `transcript.ready` or `transcript.failed`."""
        kind = f"transcript.{'failed' if transcript.error is not None else 'ready'}"
        if not _wanted(kind, target):
            return ()
        message = {
            "type": kind,
            "bot_id": row.bot_id,
            "at": format_time(self._now()),
            "data": {
                "revision": transcript.revision,
                "transcriber": transcript.transcriber,
                "language": transcript.language,
                "error": transcript.error,
            },
        }
        sent_as = f"{row.bot_id}-transcript-{transcript.revision}"
        return (Outgoing(kind=kind, body=to_json(message).encode(), id=sent_as),)

    def signed(self, target: WebhookTarget, outgoing: Outgoing) -> Outgoing:
        """Return the message with its id, the time, and a signature over both and the body."""
        now = self._now().astimezone(UTC)  # the library takes any datetime for UTC
        identity = outgoing.id or ""
        headers = {"webhook-id": identity, "webhook-timestamp": str(int(now.timestamp()))}
        if target.secret:
            signature = Webhook(target.secret).sign(identity, now, outgoing.body.decode())
            headers["webhook-signature"] = signature
        return evolve(outgoing, headers={**outgoing.headers, **headers})


def _wanted(kind: str, target: WebhookTarget) -> bool:
    if fnmatchcase(kind, _NEVER_SENT):
        return False
    patterns = target.data.get("events") or ()
    return not patterns or any(fnmatchcase(kind, str(pattern)) for pattern in patterns)
