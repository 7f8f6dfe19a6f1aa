"""What is asked of bots that are there: leave, pause, say, show, be deleted; and scheduled ones."""

from __future__ import annotations

from attrs import evolve

from meetcore import (
    IN_CALL,
    Capability,
    CommandRefused,
    PauseRecording,
    ResumeRecording,
    SendChat,
    State,
)
from meetcore.gateway import (
    BotQuery,
    BotRow,
    NotNow,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    TranscriptionRequest,
    WebhookTarget,
    fetched_picture,
    note_headers,
    still_to_come,
)
from meetcore_meetstream.bot_object import transcript_id_of
from meetcore_meetstream.errors import wrong
from meetcore_meetstream.fields import address, fields_of, time_of, webhook_address
from meetcore_meetstream.lookup import NAME, Lookup, everywhere
from meetcore_meetstream.providers import only_provider
from meetcore_meetstream.variants import platform_name, stamp_us
from meetcore_meetstream.webhooks import FOR_TRANSCRIPT, Callbacks

__all__ = ["ActionRoutes"]


class ActionRoutes:
    """Has bots do things.

    Args:
        lookup: The service, and who comes in.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._service = lookup.service

    def routes(self) -> list[Route]:
        """Return its routes."""
        scheduled = "/calendar/scheduled_bots"
        return [
            *everywhere("GET", "/bots/{id}/remove_bot", self.remove, safe=False),
            *everywhere("POST", "/bots/{id}/remove_bot", self.remove),
            *everywhere("POST", "/bots/{id}/pause_recording", self.pause),
            *everywhere("POST", "/bots/{id}/resume_recording", self.resume),
            *everywhere("DELETE", "/bots/{id}/delete", self.delete),
            *everywhere("POST", "/bots/{id}/send_message", self.send_message),
            *everywhere("POST", "/bots/{id}/send_image", self.send_image),
            *everywhere("POST", "/bots/{id}/transcribe", self.transcribe),
            *everywhere("GET", scheduled, self.scheduled),
            *everywhere("PATCH", scheduled + "/{id}", self.reschedule),
            *everywhere("DELETE", scheduled + "/{id}", self.unschedule),
        ]

    async def remove(self, request: Request) -> Reply:
        """Have a bot leave; its data stays."""
        row = await self._lookup.bot(request, Scope.WRITE)
        await self._service.stop(row)
        return Reply(json={"message": "Bot removed from meeting."})

    async def pause(self, request: Request) -> Reply:
        """Stop recording and transcribing for now."""
        row = await self._in_meeting(request)
        if row.state is not State.PAUSED:
            await self._recording(row, PauseRecording())
        return _accepted(row, "pause_recording")

    async def resume(self, request: Request) -> Reply:
        """Record and transcribe again."""
        row = await self._in_meeting(request)
        if row.state is not State.RECORDING:
            await self._recording(row, ResumeRecording())
        return _accepted(row, "resume_recording")

    async def _in_meeting(self, request: Request) -> BotRow:
        row = await self._lookup.bot(request, Scope.WRITE)
        if row.state not in IN_CALL:
            raise Refusal(409, "Bot is not in a meeting")
        return row

    async def _recording(self, row: BotRow, command: PauseRecording | ResumeRecording) -> None:
        try:
            await self._service.perform(row, command)
        except CommandRefused as error:
            raise Refusal(503, str(error)) from error

    async def delete(self, request: Request) -> Reply:
        """Delete what a bot that has ended left."""
        row = await self._lookup.bot(request, Scope.WRITE)
        if row.deleted_at is not None:
            raise Refusal(404, "The data of this bot has been deleted")
        count = await self._service.delete_data(row)
        message = f"Successfully deleted {count} objects for bot {row.bot_id}"
        return Reply(json={"message": message, "bot_id": row.bot_id, "deleted_objects": count})

    async def send_message(self, request: Request) -> Reply:
        """Send a chat message."""
        row = await self._lookup.bot(request, Scope.WRITE)
        fields = fields_of(request.json())
        fields.part("metadata")
        message = fields.required("message")
        if row.state not in IN_CALL:
            raise Refusal(409, "Bot is not in a meeting")
        await self._service.perform(row, SendChat(message))
        return _accepted(row, "send_message")

    async def send_image(self, request: Request) -> Reply:
        """Show the picture at a URL as the bot's camera, until the next."""
        row = await self._lookup.bot(request, Scope.WRITE)
        fields = fields_of(request.json())
        url = address(fields, "img_url")
        if url is None:
            raise wrong("img_url is required")
        if row.state not in IN_CALL:
            raise Refusal(409, "Bot is not in a meeting")
        if Capability.SHOW_IMAGE not in self._service.capabilities(row.url):
            name = platform_name(row.platform)
            raise wrong(f"Sending images is not supported for {name} on this server")
        await self._service.perform(row, await fetched_picture(self._service, url))
        duration = fields.get("display_duration")
        note = None if duration is None else "The picture stays until another is sent."
        return _accepted(row, "send_image", note)

    async def transcribe(self, request: Request) -> Reply:
        """Have the recording transcribed once more; the transcript gets an id of its own."""
        client = await self._lookup.client(request, Scope.WRITE)
        row = await self._lookup.bot(request, Scope.WRITE)
        fields = fields_of(request.json())
        provider = only_provider(fields.part("provider").body)
        if provider is None:
            raise wrong("provider must contain exactly one provider")
        url = webhook_address(fields, "callback_url", self._service.private_targets)
        webhook = None
        if url is not None:
            settings = await self._service.settings(client.user_id, NAME)
            secret = settings.get("webhook_secret")
            variant = self._lookup.of_bot(request, row)
            webhook = WebhookTarget(
                format=Callbacks.name,
                url=url,
                secret=secret if isinstance(secret, str) else None,
                data={"dialect": variant.value, FOR_TRANSCRIPT: True},
            )
        made = await self._service.transcribe_again(
            row,
            TranscriptionRequest(
                transcriber=provider.plugin,
                language=provider.language,
                dialect=NAME,
                extras={"provider": provider.name, "settings": dict(provider.settings)},
                webhook=webhook,
            ),
        )
        return Reply(
            json={
                "bot_id": row.bot_id,
                "transcript_id": transcript_id_of(row, made.revision),
                "provider": provider.name,
                "message": "Transcription started",
            }
        )

    # --- scheduled bots --------------------------------------------------------------------

    async def scheduled(self, request: Request) -> Reply:
        """List the bots that wait for their time, the next first."""
        client = await self._lookup.client(request, Scope.READ)
        waiting = frozenset({State.SCHEDULED})
        query = BotQuery(dialect=NAME, states=waiting, limit=1000)
        rows = await self._service.bots(client, query)
        rows.sort(key=lambda row: row.scheduled_for or row.created_at)
        bots = [
            {
                "bot_id": row.bot_id,
                "platform": platform_name(row.platform),
                "status": "Scheduled",
                "scheduled_join_time": stamp_us(row.scheduled_for or row.created_at),
                "bot_username": row.name,
                "meeting_link": row.url,
            }
            for row in rows
        ]
        return Reply(json={"scheduled_bots": bots})

    async def reschedule(self, request: Request) -> Reply:
        """Give a scheduled bot another time; one that has passed means now."""
        row = await self._lookup.bot(request, Scope.WRITE)
        fields = fields_of(request.json())
        if fields.get("scheduled_join_time") is None:
            raise wrong("scheduled_join_time is required")
        at = time_of(fields, "scheduled_join_time")
        if row.state is not State.SCHEDULED:
            raise NotNow(row.state, "The bot is not scheduled any more")
        order = await self._service.order(row)
        later = still_to_come(at, self._service.now())
        await self._service.reschedule(row, evolve(order, join_at=later))
        return Reply(
            json={
                "message": "Scheduled bot updated successfully",
                "bot_id": row.bot_id,
                "updated_fields": ["scheduled_join_time"],
                "schedule_updated": True,
            }
        )

    async def unschedule(self, request: Request) -> Reply:
        """Have a scheduled bot not come."""
        row = await self._lookup.bot(request, Scope.WRITE)
        if row.state is not State.SCHEDULED:
            raise NotNow(row.state, "The bot is not scheduled any more")
        await self._service.stop(row)
        return Reply(json={"message": "Scheduled bot deleted successfully", "bot_id": row.bot_id})


def _accepted(row: BotRow, command: str, note: str | None = None) -> Reply:
    body = {"status": "accepted", "bot_id": row.bot_id, "command": command}
    return Reply(json=body, headers=note_headers(note))
