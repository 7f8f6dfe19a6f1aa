"""create_bot: from a body to an order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from meetcore import Capability
from meetcore.gateway import (
    BotRequest,
    BotRow,
    Client,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    TranscriberChoice,
    WebhookTarget,
    note_headers,
    same_order,
    still_to_come,
)
from meetcore_meetstream.bot_object import transcript_id
from meetcore_meetstream.create_request import CreateBotRequest, parse_create_request
from meetcore_meetstream.errors import wrong
from meetcore_meetstream.fields import printable_key
from meetcore_meetstream.lookup import NAME, Lookup, everywhere
from meetcore_meetstream.options import MeetstreamOptions
from meetcore_meetstream.variants import Variant, platform_name
from meetcore_meetstream.webhooks import Callbacks, LiveText, ParticipantWebhooks

__all__ = ["BotRoutes"]

_LONGEST_KEPT_BODY = 64 * 1024
_OWN = "default"


class BotRoutes:
    """Makes bots.

    Args:
        lookup: The service, and who comes in.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._service = lookup.service

    def routes(self) -> list[Route]:
        """Return its routes."""
        return [
            *everywhere("POST", "/bots/create_bot", self.create),
            *everywhere("POST", "/bots/create_agent", self.create),
        ]

    async def create(self, request: Request) -> Reply:
        """Send a bot, or answer with the one of an earlier request."""
        client = await self._lookup.client(request, Scope.WRITE)
        options = await self._lookup.chosen(client)
        variant = self._lookup.asked_for(request) or options.variant
        body = request.json()
        create_request = parse_create_request(
            body,
            variant,
            self._service.private_targets,
            plain_sockets=self._service.rehearsal,
        )
        header_key = printable_key(request.header("idempotency-key"), "Idempotency-Key")
        link = self._service.parse_link(create_request.meeting_link)
        sees = Capability.VIDEO in self._service.capabilities(create_request.meeting_link)
        if create_request.live_video_url and not sees:
            name = platform_name(link.platform)
            raise wrong(f"Live video streaming is not supported for {name} on this server")
        choice = self._transcriber(create_request, variant)
        order = await self._order(client, create_request, variant, choice, options, body)
        if header_key is not None:
            order = evolve(order, idempotency_key=f"{NAME} header {header_key}")
        elif create_request.deduplication_key is not None:
            order = evolve(order, idempotency_key=f"{NAME} body {create_request.deduplication_key}")
        row = await self._service.create(client, order)
        status = 201
        if row.replayed and header_key is not None:
            if not same_order(await self._service.order(row), order):
                raise Refusal(409, "Idempotency-Key is already used for another bot")
            status = 507
        elif row.replayed:
            status = 200
            if (row.platform, row.native_id) != (link.platform, link.native_id):
                raise Refusal(409, "deduplication_key is already used for another meeting")
        notes = [choice.note]
        if create_request.bot_image_url and not self._shows(create_request):
            notes.append("bot_image_url is kept, but its platform can show no picture.")
        if create_request.video and not sees:
            notes.append("video_required: this platform cannot be recorded as video.")
        if create_request.bot_detection:
            notes.append(
                "automatic_leave.bot_detection: names are not compared; the bot leaves when the "
                "platform shows only bots, after the server's own only_bots_s."
            )
        body = _made(row, create_request, variant)
        return Reply(status=status, json=body, headers=note_headers(*notes))

    # --- how it is done ------------------------------------------------------------------

    def _shows(self, create_request: CreateBotRequest) -> bool:
        can = self._service.capabilities(create_request.meeting_link)
        return Capability.SHOW_IMAGE in can

    def _records_video(self, create_request: CreateBotRequest) -> bool:
        """Return whether there will be a video: asked for, or the server's own choice."""
        if Capability.VIDEO not in self._service.capabilities(create_request.meeting_link):
            return False
        if create_request.live_video_url:
            return True
        asked = create_request.video
        return self._service.records_video if asked is None else asked

    def _transcriber(self, create_request: CreateBotRequest, variant: Variant) -> TranscriberChoice:
        """Return who transcribes. In the first API every bot had a transcript."""
        if create_request.provider is None:
            legacy = variant is Variant.LEGACY
            return TranscriberChoice(name=_OWN if legacy else None)
        choice = self._service.choose_transcriber(
            create_request.provider.plugin, create_request.provider.language
        )
        if create_request.provider.name == "meeting_captions":
            note = "meeting_captions: the server's own transcriber listens instead."
            return evolve(choice, name=_OWN, note=note)
        if create_request.provider.plugin == _OWN:
            return evolve(
                choice, name=_OWN, note=choice.note if create_request.provider.language else None
            )
        return choice

    async def _order(
        self,
        client: Client,
        create_request: CreateBotRequest,
        variant: Variant,
        choice: TranscriberChoice,
        options: MeetstreamOptions,
        body: Mapping[str, Any],
    ) -> BotRequest:
        settings = await self._service.settings(client.user_id, NAME)
        video = self._records_video(create_request)
        plugins = _sinks(create_request, variant, options)
        if create_request.bot_image_url and self._shows(create_request):
            plugins["picture"] = {"url": create_request.bot_image_url}
        sinks = tuple(plugins)
        if video and create_request.video_view is not None:
            plugins["browser"] = {"video_view": create_request.video_view}
        return BotRequest(
            url=create_request.meeting_link,
            dialect=NAME,
            name=create_request.bot_name,
            transcriber=choice.name,
            language=choice.language,
            join_at=still_to_come(create_request.join_at, self._service.now()),
            automatic_leave=create_request.leave,
            video=True if create_request.live_video_url else create_request.video,
            entry_message=create_request.bot_message,
            metadata={k: v for k, v in create_request.attributes.items() if isinstance(v, str)},
            sinks=sinks,
            plugins=plugins,
            webhooks=_targets(create_request, variant, settings.get("webhook_secret")),
            extras={**_extras(create_request, variant, body), "video": video},
            keep_s=create_request.keep_s,
        )


def _sinks(
    create_request: CreateBotRequest, variant: Variant, options: MeetstreamOptions
) -> dict[str, dict[str, Any]]:
    """Return the sinks that dial out, with their settings."""
    sinks: dict[str, dict[str, Any]] = {}
    if create_request.control_url:
        sinks["meetstream_control"] = {"url": create_request.control_url}
    if create_request.live_audio_url:
        settings = {"url": create_request.live_audio_url, "audio_format": options.audio_format}
        sinks["meetstream_audio"] = settings
    if create_request.live_video_url:
        sinks["meetstream_video"] = {"url": create_request.live_video_url}
    if create_request.transcript_socket_url:
        sinks["meetstream_transcript"] = {
            "url": create_request.transcript_socket_url,
            "dialect": variant.value,
            "custom_attributes": json.dumps(dict(create_request.attributes)),
        }
    return sinks


def _targets(
    create_request: CreateBotRequest, variant: Variant, secret: object
) -> list[WebhookTarget]:
    data = {"dialect": variant.value}
    key = secret if isinstance(secret, str) else None
    wanted: list[tuple[str, str, dict[str, Any]]] = []
    if create_request.callback_url:
        wanted.append((Callbacks.name, create_request.callback_url, data))
    wanted += [
        (ParticipantWebhooks.name, to.url, {"events": list(to.events)})
        for to in create_request.endpoints
    ]
    if create_request.transcript_webhook_url:
        wanted.append((LiveText.name, create_request.transcript_webhook_url, data))
    return [WebhookTarget(format=name, url=url, secret=key, data=how) for name, url, how in wanted]


def _extras(
    create_request: CreateBotRequest, variant: Variant, body: Mapping[str, Any]
) -> dict[str, Any]:
    kept = len(json.dumps(body)) <= _LONGEST_KEPT_BODY
    return {
        "dialect": variant.value,
        "custom_attributes": dict(create_request.attributes),
        "audio": create_request.audio,
        "provider": create_request.provider.name if create_request.provider else None,
        "provider_settings": dict(create_request.provider.settings)
        if create_request.provider
        else {},
        "streaming": create_request.provider is not None and create_request.provider.streaming,
        "request": dict(body) if kept else {"meeting_link": create_request.meeting_link},
    }


def _made(row: BotRow, create_request: CreateBotRequest, variant: Variant) -> dict[str, Any]:
    """Return what create_bot answers. In the present API a streamed transcript has no id there."""
    streamed = variant is not Variant.LEGACY and bool(row.extras.get("streaming"))
    return {
        "bot_id": row.bot_id,
        "transcript_id": None if streamed else transcript_id(row),
        "meeting_url": row.url if row.replayed else create_request.meeting_link,
        "status": "Active",
    }
