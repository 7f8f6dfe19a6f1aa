"""The REST routes that make, end and delete bots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import trio

from meetcore import Capability
from meetcore.gateway import (
    Authenticator,
    BotQuery,
    BotRequest,
    Client,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    TranscriberChoice,
    TranscriptionRequest,
    WebhookTarget,
    note_headers,
    still_to_come,
    with_choices,
)
from meetcore.model import without_query
from meetcore_spoke.create_request import (
    CreateBotRequest,
    Streaming,
    parse_create_request,
    parse_retranscribe_request,
)
from meetcore_spoke.options import SpokeOptions, header_for

__all__ = ["BotRoutes"]

_APART = timedelta(minutes=5)
_OWN_PROVIDER = "default"


class BotRoutes:
    """Makes, ends and deletes bots.

    Args:
        authenticator: Knows who asks, and the service.
        options: The operator's.
    """

    def __init__(self, authenticator: Authenticator, options: SpokeOptions) -> None:
        self._authenticator = authenticator
        self._service = authenticator.service
        self._options = options
        self._one_at_a_time = trio.Lock()

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("POST", "/bots", self.create),
            Route("POST", "/bots/retranscribe", self.retranscribe),
            Route("DELETE", "/bots/{uuid}", self.remove),
            Route("POST", "/bots/{uuid}/delete_data", self.delete_data),
        ]

    async def create(self, request: Request) -> Reply:
        """Send a bot."""
        client = await self._authenticator.client(request, Scope.WRITE)
        create_request = parse_create_request(request.json(), self._service.private_targets)
        self._service.parse_link(create_request.meeting_url)
        choice = self._transcriber(create_request)
        order = await self._order(client, request, create_request, choice)
        async with self._one_at_a_time:
            await self._refuse_a_second(client, create_request)
            row = await self._service.create(client, order)
        notes = [choice.note]
        if create_request.bot_image and not self._shows(create_request):
            notes.append("bot_image: this platform can show no picture.")
        sees = Capability.VIDEO in self._service.capabilities(create_request.meeting_url)
        if create_request.video and not sees:
            notes.append("recording_mode: this platform cannot be recorded as video.")
        return Reply(json={"bot_id": row.bot_id}, headers=note_headers(*notes))

    async def remove(self, request: Request) -> Reply:
        """Have a bot leave."""
        _, row = await self._authenticator.bot(request, request.params["uuid"], Scope.WRITE)
        await self._service.stop(row)
        return Reply(json={"ok": True})

    async def delete_data(self, request: Request) -> Reply:
        """Delete what a bot that has ended left."""
        _, row = await self._authenticator.bot(request, request.params["uuid"], Scope.WRITE)
        if row.deleted_at is not None:
            return Reply(json={"ok": True, "status": "alreadyDeleted"})
        count = await self._service.delete_data(row)
        return Reply(json={"ok": True, "status": "deleted" if count else "noDataFound"})

    async def retranscribe(self, request: Request) -> Reply:
        """Have a bot's recording transcribed once more; `transcription_complete` tells when."""
        client = await self._authenticator.client(request, Scope.WRITE)
        asked = parse_retranscribe_request(request.json(), self._service.private_targets)
        row = await self._service.bot(client, asked.bot_uuid)
        webhook = None
        if asked.webhook_url is not None:
            settings = await self._service.settings(client.user_id, "spoke")
            webhook = self._target(request, asked.webhook_url, settings)
        await self._service.transcribe_again(
            row,
            TranscriptionRequest(
                transcriber=asked.provider or _OWN_PROVIDER, dialect="spoke", webhook=webhook
            ),
        )
        return Reply(status=202, json={"bot_id": row.bot_id})

    # --- how it is done ------------------------------------------------------------------------

    def _shows(self, create_request: CreateBotRequest) -> bool:
        can = self._service.capabilities(create_request.meeting_url)
        return Capability.SHOW_IMAGE in can

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
                    f"Bot {row.bot_id} was sent to this meeting less than five minutes ago. "
                    "Send a deduplication_key to have another.",
                    "BotAlreadyExists",
                )

    async def _order(
        self,
        client: Client,
        request: Request,
        create_request: CreateBotRequest,
        choice: TranscriberChoice,
    ) -> BotRequest:
        settings = await self._service.settings(client.user_id, "spoke")
        plugins: dict[str, dict[str, Any]] = {}
        if create_request.streaming:
            plugins["spoke_stream"] = _sink_settings(create_request.streaming)
        if create_request.bot_image and self._shows(create_request):
            plugins["picture"] = dict(create_request.bot_image)
        sinks = tuple(plugins)
        can = self._service.capabilities(create_request.meeting_url)
        view = create_request.video_view
        if view is not None and create_request.video is not False and Capability.VIDEO in can:
            plugins["browser"] = {"video_view": view}
        return BotRequest(
            url=create_request.meeting_url,
            dialect="spoke",
            name=create_request.bot_name,
            transcriber=choice.name,
            join_at=still_to_come(create_request.start_time, self._service.now()),
            automatic_leave=create_request.automatic_leave,
            entry_message=create_request.entry_message,
            video=create_request.video,
            sinks=sinks,
            plugins=plugins,
            webhooks=self._targets(request, create_request, settings),
            extras={"extra": create_request.extra, "asked": _asked(create_request)},
        )

    def _targets(
        self, request: Request, create_request: CreateBotRequest, settings: Mapping[str, Any]
    ) -> list[WebhookTarget]:
        url = create_request.webhook_url
        if url is None:  # what is stored costs its deliveries alone, once it is not posted to
            stored = settings.get("webhook_url")
            refused = self._service.private_targets.webhook_trouble
            url = stored if isinstance(stored, str) and not refused(stored) else None
        return [] if url is None else [self._target(request, url, settings)]

    def _target(self, request: Request, url: str, settings: Mapping[str, Any]) -> WebhookTarget:
        options = with_choices(self._options, settings)
        place, key = self._authenticator.key_of(request)
        data = {
            "header": header_for(options, place.header),
            "origin": request.origin_url,
            "extended": options.extended,
        }
        return WebhookTarget(format="spoke", url=url, secret=key, data=data)


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
