"""Zoom's webhook: a stream has started, so a bot is sent to it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from attrs import frozen

from meetcore import ConfigError, MeetcoreError, Secret, build_options
from meetcore.gateway import (
    App,
    BadBody,
    BotRequest,
    Client,
    ErrorAnswer,
    ErrorTable,
    KeyInvalid,
    Mount,
    Reply,
    Request,
    Route,
    Scope,
    Service,
)
from meetcore_zoom_rtms.options import ReceiverOptions
from meetcore_zoom_rtms.stream_address import PLATFORM_NAME, link_of_webhook

__all__ = ["WebhookReceiver", "add_to", "signed_by"]

WHERE = "[plugins.server.dialects.zoom_rtms]"
OLDEST_S = 300.0
_STARTED = ("meeting.rtms_started", "webinar.rtms_started")
_LONGEST_BODY = 64 * 1024

REFUSE = ErrorTable(
    {
        "unauthorized": ErrorAnswer(401),
        "bad_body": ErrorAnswer(400),
        "idempotency_key_reused": ErrorAnswer(200, "A bot is at this stream already."),
        "not_found": ErrorAnswer(404),
        "method_not_allowed": ErrorAnswer(405),
        "limit_reached": ErrorAnswer(503),
        "storage_unavailable": ErrorAnswer(503),
        "refused": ErrorAnswer(500),
    },
    body=lambda text, _: {"message": text},
)
"""Zoom sends a webhook again that was not answered with 200; a status says whether that helps."""


def signed_by(secret: Secret, stamp: str, body: bytes) -> str:
    """Return Zoom's signature of a webhook: `v0=` and an HMAC-SHA256 of its time and body."""
    message = b"v0:" + stamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.reveal().encode(), message, hashlib.sha256).hexdigest()


@frozen
class WebhookReceiver:
    """Takes what Zoom tells.

    Attributes:
        service: Where bots are ordered.
        options: The operator's.
        secret: By which Zoom signs.
    """

    service: Service
    options: ReceiverOptions
    secret: Secret

    async def take(self, request: Request) -> Reply:
        """Answer one webhook: at once, since Zoom sends it again otherwise.

        Raises:
            KeyInvalid: It is not signed by Zoom, or too old.
            BadBody: It is no object.
            MeetcoreError: Whatever the order of a bot raises.
        """
        self._check(request)
        message = request.json()
        if not isinstance(message, dict):
            raise BadBody("A webhook is a JSON object.")
        payload = message.get("payload")
        payload = payload if isinstance(payload, dict) else {}
        if message.get("event") == "endpoint.url_validation":
            return Reply(json=self._validation(payload))
        if message.get("event") in _STARTED:
            await self._send_bot(payload)
        # That a stream stopped is told on its own connection, with the reason.
        return Reply(json={"status": "ok"})

    def _check(self, request: Request) -> None:
        stamp = request.header("x-zm-request-timestamp") or ""
        given = request.header("x-zm-signature") or ""
        wanted = signed_by(self.secret, stamp, request.body)
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise KeyInvalid("The webhook is not signed with the app's secret token.")
        seconds = float(stamp) if stamp.isdecimal() else 0.0
        if abs(self.service.now().timestamp() - seconds) > OLDEST_S:
            raise KeyInvalid("The webhook is too old, or the clock of this machine is wrong.")

    def _validation(self, payload: dict[str, Any]) -> dict[str, str]:
        """Answer what Zoom asks when the address is entered: an HMAC of its token."""
        token = payload.get("plainToken")
        if not isinstance(token, str):
            raise BadBody("plainToken is missing.")
        digest = hmac.new(self.secret.reveal().encode(), token.encode(), hashlib.sha256)
        return {"plainToken": token, "encryptedToken": digest.hexdigest()}

    async def _send_bot(self, payload: dict[str, Any]) -> None:
        link = link_of_webhook(payload)
        if link is None:
            raise BadBody("meeting_uuid, rtms_stream_id or server_urls is missing.")
        inner = payload.get("object")
        stream_id = payload.get("rtms_stream_id") or (inner or {}).get("rtms_stream_id")
        order = BotRequest(
            url=link,
            dialect=PLATFORM_NAME,
            name=self.options.name,
            transcriber=None if self.options.transcriber == "none" else self.options.transcriber,
            idempotency_key=f"{PLATFORM_NAME}:{stream_id}",
        )
        await self.service.create(await self._client(), order)

    async def _client(self) -> Client:
        key = self.options.api_key
        client = await self.service.authenticate(key.reveal() if key else None)
        if client is None or not client.may(Scope.WRITE):
            raise MeetcoreError(
                "The webhook of zoom_rtms has no valid key to order bots with.",
                f"Set api_key in {WHERE} to a key of this server.",
            )
        return client


def add_to(app: App) -> None:
    """Mount the webhook, where its secret is set.

    Raises:
        ConfigError: An option of ours that nobody knows, or a wrong value.
    """
    options = build_options(ReceiverOptions, app.options.get("zoom_rtms"), WHERE)
    if options.secret_token is None:
        return
    if not options.secret_token.reveal().strip():
        raise ConfigError(f"secret_token in {WHERE} is empty.", "Copy it from the app's page.")
    receiver = WebhookReceiver(app.service, options, options.secret_token)
    app.mount(
        Mount(
            name="zoom_rtms",
            title="Zoom RTMS",
            routes=[Route("POST", "/webhook", receiver.take, body_bytes=_LONGEST_BODY)],
            refuse=REFUSE,
            keys=(),
            docs="Zoom's webhook: enter /zoom_rtms/webhook as the app's event endpoint.",
        )
    )
