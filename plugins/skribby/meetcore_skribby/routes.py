"""The REST routes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import trio

from meetcore import Capability, SendChat, State
from meetcore.gateway import (
    Authenticator,
    BodyFields,
    BotQuery,
    BotRequest,
    BotRow,
    Client,
    Handler,
    Listed,
    NoSuchBot,
    NotNow,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    TranscriberChoice,
    WebhookTarget,
    json_pieces,
    note_headers,
    still_to_come,
)
from meetcore_skribby.bot_object import BotObject, Links, bot_object, standing_of, wish_of
from meetcore_skribby.create_request import FIELDS, WORDS, CreateBotRequest, parse_create_request
from meetcore_skribby.journal_summary import JournalSummary
from meetcore_skribby.links import recording_link
from meetcore_skribby.models import key_of, provider_of
from meetcore_skribby.options import SkribbyOptions
from meetcore_skribby.sockets import socket_url
from meetcore_skribby.transcript_reader import read_summary, transcript

__all__ = ["Api"]

_MIXED_SERVICES = {"google_meet": "gmeet", "meet": "gmeet", "teams": "teams", "zoom": "zoom"}


class Api:
    """Answers the requests of Skribby's clients.

    Args:
        authenticator: Knows who asks, and the service.
        options: The operator's.
    """

    def __init__(self, authenticator: Authenticator, options: SkribbyOptions) -> None:
        self._authenticator = authenticator
        self._service = authenticator.service
        secret = options.webhook_secret
        self._webhook_secret = None if secret is None else secret.reveal().strip()
        self._secret_lock = trio.Lock()

    def routes(self) -> list[Route]:
        """Return every route, at the root of the mount and below `/api/v1`."""
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/bot", self.create),
            ("POST", "/bot/validate", self.validate),
            ("GET", "/bot/scheduled", self.scheduled),
            ("GET", "/bot/{id}", self.get),
            ("PATCH", "/bot/{id}", self.change),
            ("DELETE", "/bot/{id}", self.delete),
            ("POST", "/bot/{id}/stop", self.stop),
            ("POST", "/bot/{id}/chat-message", self.chat),
            ("GET", "/bot/{id}/pricing", self.pricing),
            ("GET", "/reserved-capacity", self.reserved),
            ("PUT", "/reserved-capacity", self.reserve),
            ("GET", "/webhook-secret", self.webhook_secret),
            ("POST", "/webhook-secret", self.new_webhook_secret),
        ]
        return [
            Route(method, prefix + template, handler, safe=handler != self.webhook_secret)
            for prefix in ("", "/api/v1")
            for method, template, handler in table
        ]

    # --- bots ----------------------------------------------------------------------------

    async def create(self, request: Request) -> Reply:
        """Send a bot."""
        client = await self._authenticator.client(request, Scope.WRITE)
        body = _body(request)
        create_request, choice = self._read(body)
        order = await self._order(client, create_request, body, choice)
        row = await self._service.create(client, order)
        return await self._bot(request, client, row, status=201, note=choice.note)

    async def validate(self, request: Request) -> Reply:
        """Say whether `create` would take that; no bot is made."""
        await self._authenticator.client(request, Scope.READ)
        _, choice = self._read(_body(request))
        return Reply(
            json={"valid": True, "message": "The bot is valid."}, headers=note_headers(choice.note)
        )

    async def scheduled(self, request: Request) -> Reply:
        """List the bots that have not set out, the first to do so first."""
        client = await self._authenticator.client(request, Scope.READ)
        states = frozenset({State.SCHEDULED})
        rows = await self._service.bots(
            client, BotQuery(dialect="skribby", states=states, limit=None, oldest_first=True)
        )
        rows = [row for row in rows if not row.extras.get("deleted")]
        rows.sort(key=lambda row: (row.scheduled_for or row.created_at, row.number))
        return Reply(json=[self._object(request, client, row, JournalSummary()) for row in rows])

    async def get(self, request: Request) -> Reply:
        """Return a bot; its transcript is sent while it is read."""
        client, row = await self._row(request, Scope.READ)
        wanted = request.args.get("with-speaker-events", "").lower() in ("true", "1")
        summary = await read_summary(self._service, row, speaker_events=wanted)
        said = Listed(transcript(self._service, row, summary))
        body = bot_object(row, summary, self._links(request, client, row, summary), said)
        return Reply(stream=json_pieces(body), media_type="application/json")

    async def change(self, request: Request) -> Reply:
        """Change a bot that has not set out."""
        client, row = await self._row(request, Scope.WRITE)
        if row.state is not State.SCHEDULED:
            raise Refusal(400, "Only scheduled bots can be updated.")
        given = _body(request)
        body = {**row.extras.get("request", {}), **given}
        if "scheduled_start_time" in given and "scheduled_for" not in given:
            body.pop("scheduled_for", None)
        if "scheduled_for" in given and "scheduled_start_time" not in given:
            body.pop("scheduled_start_time", None)
        create_request, choice = self._read(body)
        order = await self._order(client, create_request, body, choice)
        row = await self._service.reschedule(row, order)
        return await self._bot(request, client, row, note=choice.note)

    async def delete(self, request: Request) -> Reply:
        """Call off a bot that has not set out, or delete what one that has ended left."""
        _, row = await self._row(request, Scope.WRITE)
        if row.state is State.SCHEDULED:
            row = await self._service.stop(row, "deleted")
        elif not row.ended:
            status = standing_of(row).status
            raise Refusal(400, f"A bot cannot be deleted while it is {status}. Stop it first.")
        with suppress(NotNow):  # called off, and not yet at its end: it has left nothing
            await self._service.delete_data(row)
        await self._service.put_extras(row, {"deleted": True})  # nothing else is kept of it
        return Reply(json={"message": "The bot was deleted."})

    async def stop(self, request: Request) -> Reply:
        """Have a bot leave."""
        _, row = await self._row(request, Scope.WRITE)
        if row.ended:
            return Reply(json={"message": "The bot has stopped already."})
        await self._service.stop(row)
        return Reply(json={"message": "The bot is stopping."})

    async def chat(self, request: Request) -> Reply:
        """Have a bot write to the meeting's chat."""
        _, row = await self._row(request, Scope.WRITE)
        fields = BodyFields.of(_body(request), WORDS)
        message = fields.required("message")
        fields.check()
        await self._service.perform(row, SendChat(message))
        return Reply(json={"message": "The message was sent."})

    # --- what Skribby sells, and this server does not ----------------------------------------

    async def pricing(self, request: Request) -> Reply:
        """Return what a bot costs: nothing here."""
        _, row = await self._row(request, Scope.READ)
        model = wish_of(row).model
        return Reply(
            json={
                "id": row.bot_id,
                "currency": "USD",
                "base": {"rate_per_hour": 0.0},
                "transcription": {
                    "model": model,
                    "model_key": key_of(model),
                    "rate_per_hour": 0.0,
                    "byok": False,
                },
                "addons": [],
                "total": {"rate_per_hour": 0.0, "amount": 0.0 if row.ended else None},
            }
        )

    async def reserved(self, request: Request) -> Reply:
        """Return the reserved capacity: there is none to be had."""
        await self._authenticator.client(request, Scope.READ)
        return Reply(json={"reserved": 0, "available": 0})

    async def reserve(self, request: Request) -> Reply:
        """Refuse to reserve; 0 is what there is."""
        await self._authenticator.client(request, Scope.WRITE)
        fields = BodyFields.of(_body(request), WORDS)
        if "count" not in fields.body:
            fields.wrong("count", "required")
        count = fields.whole("count", 0, 1_000_000)
        fields.check()
        if count:
            raise Refusal(403, "Reserved capacity is not available on this server.")
        return await self.reserved(request)

    # --- the secret of webhooks ------------------------------------------------------------

    async def webhook_secret(self, request: Request) -> Reply:
        """Return what this user's webhooks are signed with; at Skribby it is on a page.

        It is made when it is asked for first.
        """
        client = await self._authenticator.client(request, Scope.WRITE)
        return Reply(json={"secret": await self._secret(client.user_id)})

    async def new_webhook_secret(self, request: Request) -> Reply:
        """Replace it, for bots made from now on."""
        client = await self._authenticator.client(request, Scope.WRITE)
        if self._webhook_secret is not None:
            raise Refusal(403, "The secret is set in this server's configuration.")
        return Reply(status=201, json={"secret": await self._secret(client.user_id, new=True)})

    async def _secret(self, user_id: int, *, new: bool = False) -> str:
        if self._webhook_secret is not None:
            return self._webhook_secret
        async with self._secret_lock:
            settings = await self._service.settings(user_id, "skribby")
            known = settings.get("webhook_secret")
            if isinstance(known, str) and not new:
                return known
            made = f"skr_{secrets.token_urlsafe(32)}"
            await self._service.put_settings(
                user_id, "skribby", {**settings, "webhook_secret": made}
            )
            return made

    # --- how it is done ------------------------------------------------------------------------

    async def _row(self, request: Request, scope: Scope) -> tuple[Client, BotRow]:
        client, row = await self._authenticator.bot(request, request.params["id"], scope)
        if row.extras.get("deleted"):
            raise NoSuchBot("There is no such bot.")
        return client, row

    def _read(self, body: Mapping[str, Any]) -> tuple[CreateBotRequest, TranscriberChoice]:
        """Return what is asked for, and who will transcribe."""
        create_request = parse_create_request(body, self._service.private_targets)
        link = self._service.parse_link(create_request.meeting_url)
        service = create_request.service
        if _MIXED_SERVICES.get(link.platform, service) != service:
            text = f"The meeting url is no link of {service}."
            raise Refusal(422, text, detail="service")
        provider = provider_of(create_request.model)
        return create_request, self._service.choose_transcriber(provider, create_request.lang)

    async def _order(
        self,
        client: Client,
        create_request: CreateBotRequest,
        body: Mapping[str, Any],
        choice: TranscriberChoice,
    ) -> BotRequest:
        webhooks = []
        if create_request.webhook_url is not None:
            secret = await self._secret(client.user_id)
            webhooks = [
                WebhookTarget(format="skribby", url=create_request.webhook_url, secret=secret)
            ]
        can = self._service.capabilities(create_request.meeting_url)
        avatar_url = create_request.avatar_url if Capability.SHOW_IMAGE in can else None
        video = create_request.video and Capability.VIDEO in can
        plugins = {"picture": {"url": avatar_url}} if avatar_url is not None else {}
        return BotRequest(
            url=create_request.meeting_url,
            dialect="skribby",
            video=video,
            sinks=tuple(plugins),
            plugins=plugins,
            name=create_request.bot_name,
            transcriber=choice.name,
            language=choice.language,
            vocabulary=create_request.vocabulary,
            join_at=still_to_come(create_request.scheduled_for, self._service.now()),
            automatic_leave=create_request.automatic_leave,
            entry_message=create_request.initial_chat_message,
            metadata=create_request.custom_metadata,
            webhooks=webhooks,
            extras={
                "request": _kept(body),
                "video": video,
                "shows_avatar": avatar_url is not None,
            },
        )

    async def _bot(
        self,
        request: Request,
        client: Client,
        row: BotRow,
        *,
        status: int = 200,
        note: str | None = None,
    ) -> Reply:
        """Return a bot of which nothing was heard yet."""
        summary = await read_summary(self._service, row)
        body = self._object(request, client, row, summary)
        return Reply(status=status, json=body, headers=note_headers(note))

    def _object(
        self, request: Request, client: Client, row: BotRow, summary: JournalSummary
    ) -> BotObject:
        return bot_object(row, summary, self._links(request, client, row, summary))

    def _links(
        self, request: Request, client: Client, row: BotRow, summary: JournalSummary
    ) -> Links:
        """Return links that are no stronger than the client's key, and end with it."""
        service, base = self._service, request.base_url
        recording, until = recording_link(service, request.origin_url, client, row, summary)
        return Links(
            recording=recording,
            recording_until=until,
            websocket=socket_url(
                service, base, row, client, "full" if client.may(Scope.WRITE) else "read"
            ),
            websocket_read_only=socket_url(service, base, row, client, "read"),
            websocket_audio=socket_url(service, base, row, client, "audio"),
        )


def _kept(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a body what is kept with the bot: what counts, and nobody's credentials."""
    return {name: value for name, value in body.items() if name in FIELDS}


def _body(request: Request) -> Mapping[str, Any]:
    body = request.json()
    return body if isinstance(body, Mapping) else {}
