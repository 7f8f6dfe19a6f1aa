"""The REST routes that make, end and delete bots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import trio

from meetcore.gateway.http import Reply, Request, Route
from meetcore.gateway.records import (
    BotQuery,
    BotRequest,
    Client,
    Scope,
    TranscriberChoice,
    WebhookTarget,
)
from meetcore.gateway.service import Service
from meetcore.model.meeting import without_query
from meetcore_spoke.create_request import (
    BadCreateRequest,
    CreateBotRequest,
    Streaming,
    parse_create_request,
    web_address,
)
from meetcore_spoke.documentation import documentation
from meetcore_spoke.options import SpokeOptions, header_for
from meetcore_spoke.refusals import Refusal
from meetcore_spoke.routes_bots import BotRoutes
from meetcore_spoke.webhooks import HEADERS

__all__ = ["Api"]

_APART = timedelta(minutes=5)
_OWN_PROVIDER = "default"


class Api:
    """Answers the requests of Spoke's clients.

    Args:
        service: The bots.
        options: The operator's.
    """

    def __init__(self, service: Service, options: SpokeOptions) -> None:
        self._service = service
        self._options = options
        self._one_at_a_time = trio.Lock()

    def routes(self) -> list[Route]:
        """Return every route."""
        reading = BotRoutes(self._service, self.client)
        return [
            Route("POST", "/bots", self.create),
            Route("GET", "/bots/meeting_data", reading.meeting_data),
            Route("GET", "/bots/bots_with_metadata", reading.bots_with_metadata),
            Route("POST", "/bots/retranscribe", self.retranscribe),
            Route("GET", "/bots/webhooks", self.webhooks),
            Route("GET", "/bots/webhooks/bot", self.webhooks),
            Route("DELETE", "/bots/{uuid}", self.remove),
            Route("POST", "/bots/{uuid}/delete_data", self.delete_data),
            Route("GET", "/bots/{uuid}/screenshots", reading.screenshots),
            Route("GET", "/accounts/webhook_url", self.webhook_url),
            Route("POST", "/accounts/webhook_url", self.put_webhook_url),
        ]

    async def client(self, request: Request, scope: Scope) -> Client:
        """Return whose key a request has, under either name.

        Raises:
            Refusal: It has none that is valid, or one that may not do this.
        """
        client = await self._service.authenticate(_key(request)[1])
        if client is None:
            raise Refusal(401, "InvalidApiKey", f"Send a valid key as {' or '.join(HEADERS)}.")
        if not client.may(scope):
            raise Refusal(403, "Forbidden", "This key may not do that.")
        return client

    async def create(self, request: Request) -> Reply:
        """Send a bot."""
        client = await self.client(request, Scope.WRITE)
        try:
            create_request = parse_create_request(request.json())
        except BadCreateRequest as bad:
            raise Refusal(400, bad.error, bad.message) from bad
        self._service.parse_link(create_request.meeting_url)
        choice = self._transcriber(create_request)
        order = await self._order(client, request, create_request, choice)
        async with self._one_at_a_time:
            await self._refuse_a_second(client, create_request)
            row = await self._service.create(client, order)
        headers: dict[str, str] = {}
        if choice.note is not None:
            headers["X-Meetcore-Note"] = choice.note.encode("ascii", "replace").decode()
        return Reply(json={"bot_id": row.bot_id}, headers=headers)

    async def remove(self, request: Request) -> Reply:
        """Have a bot leave."""
        client = await self.client(request, Scope.WRITE)
        row = await self._service.bot(client, request.params["uuid"])
        await self._service.stop(row)
        return Reply(json={"ok": True})

    async def delete_data(self, request: Request) -> Reply:
        """Delete what a bot that has ended left."""
        client = await self.client(request, Scope.WRITE)
        row = await self._service.bot(client, request.params["uuid"])
        if row.deleted_at is not None:
            return Reply(json={"ok": True, "status": "alreadyDeleted"})
        count = await self._service.delete_data(row)
        return Reply(json={"ok": True, "status": "deleted" if count else "noDataFound"})

    async def retranscribe(self, request: Request) -> Reply:
        """Refuse to transcribe again: transcripts are made live here."""
        client = await self.client(request, Scope.WRITE)
        body = request.json()
        bot_uuid = body.get("bot_uuid") if isinstance(body, Mapping) else None
        if not isinstance(bot_uuid, str):
            raise Refusal(400, "InvalidRequest", "bot_uuid is required, as a string.")
        await self._service.bot(client, bot_uuid)
        raise Refusal(403, "Forbidden", "A recording cannot be transcribed again on this server.")

    async def webhooks(self, request: Request) -> Reply:
        """Say which webhooks there are and what is in them, as this user gets them."""
        client = await self.client(request, Scope.READ)
        settings = await self._service.settings(client.user_id, "spoke")
        options = self._options.with_user(settings)
        header = header_for(options, _key(request)[0])
        return Reply(json=documentation(header, extended=options.extended))

    async def webhook_url(self, request: Request) -> Reply:
        """Return where webhooks go for bots that name no other target."""
        client = await self.client(request, Scope.READ)
        settings = await self._service.settings(client.user_id, "spoke")
        return Reply(json={"webhook_url": settings.get("webhook_url")})

    async def put_webhook_url(self, request: Request) -> Reply:
        """Set it; and, which is ours, `webhook_header` and `extended` for this user."""
        client = await self.client(request, Scope.WRITE)
        body = request.json()
        body = body if isinstance(body, Mapping) else {}
        url = body.get("webhook_url")
        if url is not None and not (isinstance(url, str) and web_address(url) and url.isascii()):
            raise Refusal(400, "InvalidRequest", "webhook_url must be an http or https URL.")
        if not {"webhook_url", "webhook_header", "extended"} & set(body):
            raise Refusal(400, "InvalidRequest", "webhook_url is required.")
        settings = {**await self._service.settings(client.user_id, "spoke")}
        for name in ("webhook_url", "webhook_header", "extended"):
            if name in body:
                settings[name] = body[name]
        if not isinstance(settings.get("extended"), (bool, type(None))):
            raise Refusal(400, "InvalidRequest", "extended must be true or false.")
        if not isinstance(settings.get("webhook_header"), (str, type(None))):
            raise Refusal(400, "InvalidRequest", "webhook_header must be a header's name.")
        self._options.with_user(settings)
        await self._service.put_settings(client.user_id, "spoke", settings)
        return Reply(json={"webhook_url": settings.get("webhook_url")})

    # --- how it is done ------------------------------------------------------------------------

    def _transcriber(self, create_request: CreateBotRequest) -> TranscriberChoice:
        if create_request.provider == _OWN_PROVIDER:
            return TranscriberChoice(name=_OWN_PROVIDER)
        return self._service.choose_transcriber(create_request.provider)

    async def _refuse_a_second(self, client: Client, create_request: CreateBotRequest) -> None:
        """Refuse a bot for a meeting that another of the same key went to just now.

        Raises:
            Refusal: There is one, it has not ended, and it has the same `deduplication_key`.
        """
        since = self._service.now() - _APART
        url = self._service.parse_link(create_request.meeting_url).public_url
        query = BotQuery(dialect="spoke", created_after=since, limit=None)
        for row in await self._service.bots(client, query):
            same_key = row.extras.get("asked", {}).get("deduplication_key")
            if (
                row.key_id != client.key_id
                or row.ended
                or same_key != create_request.deduplication_key
            ):
                continue
            if row.public_url == url:
                raise Refusal(
                    409,
                    "BotAlreadyExists",
                    f"Bot {row.bot_id} was sent to this meeting less than five minutes ago. "
                    "Send a deduplication_key to have another.",
                )

    async def _order(
        self,
        client: Client,
        request: Request,
        create_request: CreateBotRequest,
        choice: TranscriberChoice,
    ) -> BotRequest:
        settings = await self._service.settings(client.user_id, "spoke")
        later = (
            create_request.start_time is not None
            and create_request.start_time > self._service.now()
        )
        return BotRequest(
            url=create_request.meeting_url,
            dialect="spoke",
            name=create_request.bot_name,
            transcriber=choice.name,
            join_at=create_request.start_time if later else None,
            automatic_leave=create_request.automatic_leave,
            entry_message=create_request.entry_message,
            sinks=("spoke_stream",) if create_request.streaming else (),
            plugins={"spoke_stream": _sink_settings(create_request.streaming)}
            if create_request.streaming
            else {},
            webhooks=self._targets(request, create_request, settings),
            extras={"extra": create_request.extra, "asked": _asked(create_request)},
        )

    def _targets(
        self, request: Request, create_request: CreateBotRequest, settings: Mapping[str, Any]
    ) -> list[WebhookTarget]:
        url = create_request.webhook_url or settings.get("webhook_url")
        if not isinstance(url, str):
            return []
        options = self._options.with_user(settings)
        name, key = _key(request)
        data = {
            "header": header_for(options, name),
            "origin": request.origin_url,
            "extended": options.extended,
        }
        return [WebhookTarget(format="spoke", url=url, secret=key, data=data)]


def _key(request: Request) -> tuple[str, str | None]:
    """Return the header that has the key, and the key."""
    for name in HEADERS:
        if value := (request.header(name) or "").strip():
            return name, value
    return HEADERS[0], None


def _sink_settings(streaming: Streaming) -> dict[str, Any]:
    settings: dict[str, Any] = {"sample_rate_hz": streaming.sample_rate_hz}
    if streaming.output is not None:
        settings["output"] = streaming.output
    if streaming.input is not None:
        settings["input"] = streaming.input
    return settings


def _asked(create_request: CreateBotRequest) -> dict[str, Any]:
    """Return what `meeting_data` says that was asked for; nothing secret."""
    return {
        "recording_mode": create_request.recording_mode,
        "speech_to_text_provider": create_request.provider.capitalize()
        if create_request.provider
        else None,
        "deduplication_key": create_request.deduplication_key,
        "enter_message": create_request.entry_message,
        "waiting_room_timeout": create_request.waiting_room_timeout_s,
        "noone_joined_timeout": create_request.noone_joined_timeout_s,
        "silence_timeout": create_request.silence_timeout_s,
        "streaming_audio_frequency": (
            f"{create_request.streaming.sample_rate_hz // 1000}khz"
            if create_request.streaming
            else None
        ),
        "streaming_output": _shown(
            create_request.streaming.output if create_request.streaming else None
        ),
        "streaming_input": _shown(
            create_request.streaming.input if create_request.streaming else None
        ),
    }


def _shown(url: str | None) -> str | None:
    return None if url is None else without_query(url)
