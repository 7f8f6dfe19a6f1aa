"""One attempt: an event as a signed POST, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import httpx2
import trio
from attrs import frozen
from standardwebhooks import Webhook

from meetcore_webhook.options import WebhookOptions
from meetcore_webhook.pinned import AddressRefused, PinnedClient
from meetcore_webhook.schedule import Verdict, retry_after_s, verdict_of

__all__ = ["SendOutcome", "Sender", "message_id", "post_once"]

_READ_WITHIN_S = 1.0


def message_id(bot_id: str, seq: int) -> str:
    """Return the id of an event's message: the same on every attempt, so receivers can tell."""
    return f"{bot_id}-{seq}"


@frozen(kw_only=True)
class SendOutcome:
    """What came of an attempt.

    Attributes:
        verdict: What follows.
        status: The HTTP status, None where there was no answer.
        error: Why it is no delivery, None for one; without secrets.
        retry_after_s: The pause the target asks for.
    """

    verdict: Verdict
    status: int | None = None
    error: str | None = None
    retry_after_s: float | None = None


class Sender:
    """Signs and POSTs messages to one target.

    Args:
        options: Target, secrets, deadlines.
        client: What posts.
    """

    def __init__(self, options: WebhookOptions, client: PinnedClient) -> None:
        self._options = options
        self._client = client
        self._signers = [Webhook(secret.reveal()) for secret in options.all_secrets]

    async def post(self, identity: str, body: str) -> SendOutcome:
        """Make one attempt, within `request_timeout_s` in all. Raises nothing but `Cancelled`."""
        return await post_once(
            self._client,
            self._options.url,
            body.encode(),
            self._headers(identity, body),
            within_s=self._options.request_timeout_s,
            longest_retry_after_s=self._options.longest_retry_after_s,
        )

    def _headers(self, identity: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)  # the library takes any datetime for UTC
        headers = {
            "content-type": "application/json",
            "user-agent": "meetcore-webhook",
            "webhook-id": identity,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if self._signers:
            signatures = [signer.sign(identity, now, body) for signer in self._signers]
            headers["webhook-signature"] = " ".join(signatures)
        return headers


async def post_once(
    client: PinnedClient,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    within_s: float,
    longest_retry_after_s: float,
) -> SendOutcome:
    """Make one attempt, within `within_s` in all. Raises nothing but `Cancelled`.

    Args:
        client: What posts.
        url: Where to.
        body: What is sent.
        headers: Sent along.
        within_s: How long it may take.
        longest_retry_after_s: The longest `Retry-After` that is believed.
    """
    try:
        with trio.fail_after(within_s):
            async with client.post(url, body, headers) as response:
                await _read_some(response)
    except trio.TooSlowError:
        return SendOutcome(verdict=Verdict.RETRY, error=f"no answer within {within_s:g} s")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return SendOutcome(verdict=Verdict.RETRY, error=_describe(error))
    return _outcome_of(response, longest_retry_after_s)


def _outcome_of(response: httpx2.Response, longest_retry_after_s: float) -> SendOutcome:
    verdict = verdict_of(response.status_code)
    if verdict is Verdict.DELIVERED:
        return SendOutcome(verdict=verdict, status=response.status_code)
    error = f"it answered {response.status_code}"
    if response.is_redirect:
        error += ", a redirect, which is not followed"
    pause = retry_after_s(
        response.headers.get("retry-after"), datetime.now(UTC), longest_retry_after_s
    )
    return SendOutcome(
        verdict=verdict, status=response.status_code, error=error, retry_after_s=pause
    )


async def _read_some(response: httpx2.Response) -> None:
    """Read a short answer to its end, so that the connection can be used again.

    One that is long or slow is broken off. The status has come by then, and nothing that the body
    does can change it.
    """
    with trio.move_on_after(_READ_WITHIN_S), suppress(httpx2.TransportError):
        async for _ in response.aiter_raw():
            pass


def _describe(error: Exception) -> str:
    cause = error.__cause__
    if isinstance(cause, AddressRefused):
        return str(cause)
    kind = type(error).__name__
    return f"{kind}: {error}" if str(error) else kind
