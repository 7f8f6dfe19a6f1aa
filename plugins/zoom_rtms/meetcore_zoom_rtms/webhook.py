"""Zoom's webhook: a stream has started, so a bot is sent to it; or it has moved, and so does it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from attrs import field, frozen

from meetcore import (
    TERMINAL,
    CommandRefused,
    ConfigError,
    EndReason,
    MeetcoreError,
    Reconnect,
    Secret,
    State,
    build_options,
)
from meetcore.gateway import (
    App,
    BadBody,
    BotQuery,
    BotRequest,
    BotRow,
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
from meetcore_zoom_rtms.stream_address import PLATFORM_NAME, StreamAddress, link_of_webhook

__all__ = ["WebhookReceiver", "add_to", "signed_by"]

WHERE = "[plugins.server.dialects.zoom_rtms]"
OLDEST_S = 300.0
_STARTED = ("meeting.rtms_started", "webinar.rtms_started")
_INTERRUPTED = ("meeting.rtms_interrupted", "webinar.rtms_interrupted")
_OVER = TERMINAL | {State.LEAVING, State.PROCESSING}
"""A bot that is on its way out receives nothing any more, and goes nowhere else."""
_UNFINISHED = frozenset(State) - _OVER
_MOST_STREAMS = 1000
_MAY_GO_ON = (
    EndReason.CONNECTION_LOST,
    EndReason.MEETING_ENDED,
    EndReason.MEETING_NOT_FOUND,
    EndReason.CLIENT_NEVER_LOADED,
)
"""Ends by which a bot of a server that failed may have taken its stream for over."""
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
    _newest: dict[str, str] = field(factory=dict, init=False)

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
        told_at = str(message.get("event_ts") or hashlib.sha256(request.body).hexdigest())
        if message.get("event") in _STARTED:
            await self._started(payload, told_at)
        elif message.get("event") in _INTERRUPTED:
            await self._interrupted(payload, told_at)
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

    async def _started(self, payload: dict[str, Any], told_at: str) -> None:
        """Send a bot to a stream; where one is there, a server failed and another has the stream.

        Zoom sends what it heard no answer to again, word for word: that moves nothing.
        """
        link = link_of_webhook(payload)
        address = StreamAddress.read(link) if link is not None else None
        if link is None or address is None:
            raise BadBody("meeting_uuid, rtms_stream_id or server_urls is missing.")
        if self._is_late(address, told_at):
            return
        client = await self._client()
        bot = await self._bot_at(client, address)
        if bot is not None:
            if bot.extras.get("told_at") != told_at:
                await self._move(bot, link, told_at)
            return
        key = f"{PLATFORM_NAME}:{address.stream_id}"
        bot = await self._send(client, link, told_at, key)
        ordered_at = bot.extras.get("told_at")
        again = bot.state in _OVER and ordered_at != told_at and not _older(told_at, ordered_at)
        if again and bot.reason in _MAY_GO_ON:  # nobody stopped it: the failed server ended it
            await self._send(client, link, told_at, f"{key}:{told_at}")

    async def _interrupted(self, payload: dict[str, Any], told_at: str) -> None:
        """Have the bot at a stream connect again, where Zoom says."""
        link = link_of_webhook(payload)
        address = StreamAddress.read(link) if link is not None else None
        if link is None or address is None:
            return  # not where: the bot goes on trying where it was
        if self._is_late(address, told_at):
            return
        bot = await self._bot_at(await self._client(), address)
        if bot is not None:
            await self._move(bot, link, told_at)

    def _is_late(self, address: StreamAddress, told_at: str) -> bool:
        """Whether a stream went already where something newer said."""
        return _older(told_at, self._newest.get(address.stream_id))

    def _went(self, stream_id: str, told_at: str) -> None:
        self._newest.pop(stream_id, None)
        self._newest[stream_id] = told_at
        if len(self._newest) > _MOST_STREAMS:
            del self._newest[next(iter(self._newest))]

    async def _bot_at(self, client: Client, address: StreamAddress) -> BotRow | None:
        query = BotQuery(
            dialect=PLATFORM_NAME, native_id=address.meeting_uuid, states=_UNFINISHED, limit=None
        )
        for bot in await self.service.bots(client, query):
            there = StreamAddress.read(bot.url)
            if there is not None and there.stream_id == address.stream_id:
                return bot
        return None

    async def _move(self, bot: BotRow, link: str, told_at: str) -> None:
        """Have a bot go on where a webhook says, unless that came later than a newer one."""
        address = StreamAddress.read(link)
        if address is None or _older(told_at, bot.extras.get("told_at")):
            return
        try:
            await self.service.perform(bot, Reconnect(link, id=f"{PLATFORM_NAME}:{told_at}"))
        except CommandRefused:
            if link != bot.url:  # or it is on its way there, and Zoom is to say it again
                raise
        self._went(address.stream_id, told_at)

    async def _send(self, client: Client, link: str, told_at: str, key: str) -> BotRow:
        order = BotRequest(
            url=link,
            dialect=PLATFORM_NAME,
            name=self.options.name,
            transcriber=None if self.options.transcriber == "none" else self.options.transcriber,
            extras={"told_at": told_at},
            idempotency_key=key,
        )
        return await self.service.create(client, order)

    async def _client(self) -> Client:
        key = self.options.api_key
        client = await self.service.authenticate(key.reveal() if key else None)
        if client is None or not client.may(Scope.WRITE):
            raise MeetcoreError(
                "The webhook of zoom_rtms has no valid key to order bots with.",
                f"Set api_key in {WHERE} to a key of this server.",
            )
        return client


def _older(told_at: str, than: object) -> bool:
    """Whether a webhook is older than another, by their times; one without a time is not."""
    times = (told_at, str(than))
    return all(each.isdecimal() for each in times) and int(times[0]) < int(times[1])


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
