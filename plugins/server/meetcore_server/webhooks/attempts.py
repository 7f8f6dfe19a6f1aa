"""One attempt to deliver a message: checked, signed, sent; and what it leads to."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from random import Random
from urllib.parse import urlsplit

from attrs import field, frozen

from meetcore import PrivateTargets, Redactor
from meetcore.gateway import Outgoing, WebhookFormat, WebhookTarget
from meetcore_server.storage.cursors import DeliveryResult
from meetcore_webhook.pinned import PinnedClient
from meetcore_webhook.schedule import Verdict
from meetcore_webhook.sender import SendOutcome, post_once

__all__ = ["AttemptMaker", "fate_of"]

LONGEST_RETRY_AFTER_S = 3_600.0
_JITTER = 0.1
_LOOKS_LIKE_A_KEY = 8
_log = logging.getLogger("meetcore.server.webhooks")


def fate_of(
    outcome: SendOutcome, attempt: int, pauses_s: tuple[float, ...], now: datetime, random: Random
) -> tuple[DeliveryResult, datetime | None]:
    """Return what becomes of a message after an attempt, and when it is tried again.

    A tenth of each pause is left to chance, so that many targets of a host that was down do not
    come back together.
    """
    if outcome.verdict is Verdict.DELIVERED:
        return DeliveryResult.DELIVERED, None
    if outcome.verdict is not Verdict.RETRY or attempt > len(pauses_s):
        return DeliveryResult.GIVEN_UP, None
    pause_s = pauses_s[attempt - 1] * (1 - _JITTER * random.random())
    return DeliveryResult.HELD, now + timedelta(seconds=max(pause_s, outcome.retry_after_s or 0.0))


@frozen
class AttemptMaker:
    """Makes attempts.

    Args:
        client: What posts, to public addresses and `private` ones only.
        private: Those that need not be public, nor https.
    """

    client: PinnedClient = field(repr=False)
    private: PrivateTargets

    async def send(
        self, webhook_format: WebhookFormat, target: WebhookTarget, outgoing: Outgoing
    ) -> SendOutcome:
        """Make one attempt, within the format's `timeout_s`. Raises nothing but `Cancelled`."""
        failed = f"the format {webhook_format.name} could not sign it"
        try:
            outgoing = webhook_format.signed(target, outgoing)
            url = outgoing.url or target.url
            trouble = self._trouble_with(url)
            if url is None or trouble is not None:
                return SendOutcome(verdict=Verdict.UNACCEPTABLE, error=trouble)
            failed = "it could not be sent"
            outcome = await post_once(
                self.client,
                url,
                outgoing.body,
                _headers(webhook_format, outgoing),
                within_s=webhook_format.timeout_s,
                longest_retry_after_s=LONGEST_RETRY_AFTER_S,
            )
        except Exception as error:  # noqa: BLE001  a stranger's code and a stranger's headers
            _log.warning("webhook %s: %s: %s", webhook_format.name, failed, type(error).__name__)
            return SendOutcome(verdict=Verdict.RETRY, error=f"{failed}: {type(error).__name__}")
        return _without_secrets(outcome, url, target)

    def _trouble_with(self, url: str | None) -> str | None:
        if url is None:
            return "there is no address to send it to"
        trouble = self.private.webhook_trouble(url)
        return None if trouble is None else f"its address {trouble}"


def _headers(webhook_format: WebhookFormat, outgoing: Outgoing) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "user-agent": webhook_format.user_agent,
        **{name.lower(): value for name, value in outgoing.headers.items()},
    }


def _without_secrets(outcome: SendOutcome, url: str, target: WebhookTarget) -> SendOutcome:
    if outcome.error is None:
        return outcome
    parts = urlsplit(url)
    redactor = Redactor([url, parts.query, parts.password, target.secret])
    for part in parts.path.split("/"):
        if len(part) >= _LOOKS_LIKE_A_KEY:
            redactor.add(part)
    return SendOutcome(
        verdict=outcome.verdict,
        status=outcome.status,
        error=redactor.redact(outcome.error),
        retry_after_s=outcome.retry_after_s,
    )
