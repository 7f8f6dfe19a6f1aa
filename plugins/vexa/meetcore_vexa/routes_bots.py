"""The routes under /bots: send one, list those that run, stop one, reconfigure one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve

from meetcore import IN_CALL, Capability, State
from meetcore.gateway import (
    AlreadyThere,
    BotQuery,
    BotRequest,
    BotRow,
    Client,
    LimitReached,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    WebhookTarget,
    history_of,
    note_headers,
)
from meetcore_vexa.bot_object import bot_status, meeting_body, meeting_now, standing_of_row
from meetcore_vexa.create_request import CreateBotRequest, fields_of, language_wished, wish_from
from meetcore_vexa.errors import invalid
from meetcore_vexa.links import MeetingPlace
from meetcore_vexa.listing import list_meetings
from meetcore_vexa.lookup import LIVE_STATES, NAME, Lookup
from meetcore_vexa.variants import Variant
from meetcore_vexa.webhooks import TARGETS

__all__ = ["BotRoutes", "order_from"]

STOPPING = frozenset({State.LEAVING, State.PROCESSING})


def order_from(create_request: CreateBotRequest, place: MeetingPlace, exclusive: str) -> BotRequest:
    """Return the order that fulfils a create request."""
    extras: dict[str, Any] = {
        "platform": place.platform,
        "native_meeting_id": place.native_id,
        "language": create_request.language,
        "task": create_request.task,
        "recording_enabled": create_request.recording is not False,
        "data": {},
    }
    plugins: dict[str, dict[str, Any]] = {}
    if create_request.avatar_url is not None:
        plugins["picture"] = {"url": create_request.avatar_url}
        extras["avatar"] = {"url": create_request.avatar_url}
    return BotRequest(
        url=create_request.url,
        dialect=NAME,
        native_id=place.native_id,
        name=create_request.bot_name,
        transcriber="default" if create_request.transcribe else None,
        language=create_request.language,
        automatic_leave=create_request.automatic_leave,
        video=create_request.video,
        sinks=tuple(plugins),
        plugins=plugins,
        webhooks=[WebhookTarget(format=name) for name in TARGETS],
        extras=extras,
        exclusive=exclusive,
        script=create_request.script,
    )


class BotRoutes:
    """Handlers of the routes under /bots.

    Args:
        lookup: The way in.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._service = lookup.service

    def routes(self) -> list[Route]:
        """Return the routes; literal paths stand before templates."""
        meeting = "/bots/{platform}/{native_id}"
        return [
            Route("POST", "/bots", self.create),
            Route("GET", "/bots", self.history),
            Route("GET", "/bots/status", self.running),
            Route("GET", "/bots/id/{meeting_id}", self.get),
            Route("DELETE", meeting, self.stop),
            Route("PUT", f"{meeting}/config", self.configure),
        ]

    async def create(self, request: Request) -> Reply:
        """Send a bot."""
        caller = await self._lookup.caller(request, Scope.WRITE)
        create_request = wish_from(request.json(), caller.variant)
        place = self._lookup.resolved(create_request)
        if create_request.video is None and "video" in await self._modes(caller.client):
            create_request = evolve(create_request, video=True)
        row = await self.send(caller.client, create_request, place, caller.variant)
        body = meeting_body(row, standing_of_row(row), caller.variant)
        choice = self._service.choose_transcriber("default", create_request.language)
        note = choice.note if create_request.language is not None else None
        sees = Capability.VIDEO in self._service.capabilities(create_request.url)
        lacks = create_request.video and not sees
        unseen = "video: this platform cannot be recorded as video." if lacks else None
        return Reply(status=201, json=body, headers=note_headers(note, unseen))

    async def _modes(self, client: Client) -> Sequence[str]:
        """Return what a user wants recorded, by PUT /recording-config."""
        settings = await self._lookup.settings(client.user_id)
        modes: Sequence[str] = settings.get("capture_modes") or ()
        return modes

    async def send(
        self,
        client: Client,
        create_request: CreateBotRequest,
        place: MeetingPlace,
        variant: Variant,
        **changes: Any,
    ) -> BotRow:
        """Order a bot, at most one for a meeting.

        The word for it names the newest bot of that meeting, so that of two orders at the same
        time one is refused, while up to E3 a bot that is leaving does not stand in the way.

        Raises:
            Refusal: There is one (409), or the limit is reached (403, in E4 429).
        """
        there = await self._lookup.meetings(client, place.platform, place.native_id)
        in_the_way = LIVE_STATES if variant is Variant.E4 else LIVE_STATES - STOPPING
        newest = there[0].number if there else 0
        exclusive = f"{NAME}:{place.platform}:{place.native_id}:{newest}"
        try:
            blocking = [row for row in there if row.state in in_the_way]
            if blocking:
                raise AlreadyThere(blocking[0])
            order = evolve(order_from(create_request, place, exclusive), **changes)
            return await self._service.create(client, order)
        except AlreadyThere as error:
            raise Refusal(
                409,
                "An active or requested meeting already exists for this platform and meeting ID. "
                f"Platform: {place.platform}, Native Meeting ID: {place.native_id}",
            ) from error
        except LimitReached as error:
            if variant is not Variant.E4:
                raise
            raise Refusal(429, "Bot concurrency limit reached") from error

    async def history(self, request: Request) -> Reply:
        """List bots as E4 does; the same as its GET /meetings."""
        caller = await self._lookup.caller(request)
        return await list_meetings(self._lookup, caller, request, default_limit=50)

    async def running(self, request: Request) -> Reply:
        """List the bots that run."""
        caller = await self._lookup.caller(request)
        query = BotQuery(dialect=NAME, states=LIVE_STATES - {State.SCHEDULED}, limit=None)
        rows = await self._service.bots(caller.client, query)
        now = self._service.now()
        bots = [bot_status(row, now, caller.variant) for row in rows]
        return Reply(json={"running_bots": bots, "running": bots, "count": len(bots)})

    async def get(self, request: Request) -> Reply:
        """Return one meeting by its number."""
        caller = await self._lookup.caller(request)
        row = await self._lookup.numbered(caller.client, request.params["meeting_id"])
        history = await history_of(self._service, row)
        return Reply(json=meeting_now(row, history, caller.variant))

    async def stop(self, request: Request) -> Reply:
        """Have a bot leave."""
        caller = await self._lookup.caller(request, Scope.WRITE)
        platform, native_id = request.params["platform"], request.params["native_id"]
        rows = await self._lookup.meetings(caller.client, platform, native_id)
        live = [row for row in rows if not row.ended]
        if caller.variant is Variant.E4:
            there = [row for row in live if row.state not in STOPPING]
            return await self._stop_e4(platform, native_id, there)
        if not rows:
            raise Refusal(404, "No meeting found to stop.")
        if not live:
            return Reply(status=202, json={"message": "Meeting already completed."})
        for row in live:
            await self._service.stop(row, "stopped through the Vexa API")
        message = "Stop request accepted and is being processed."
        return Reply(status=202, json={"message": message})

    async def _stop_e4(self, platform: str, native_id: str, live: list[BotRow]) -> Reply:
        if platform not in ("google_meet", "teams", "zoom") and not live:
            raise invalid(["path", "platform"], f"Unknown platform '{platform[:50]}'", "enum")
        if not live:
            raise Refusal(404, "No active meeting for this bot")
        for row in live:
            await self._service.stop(row, "stopped through the Vexa API")
        body = {
            "status": "stopping",
            "meeting_id": live[0].number,
            "native_meeting_id": native_id,
            "also_stopped": [row.number for row in live[1:]],
            "cancelled": [],
        }
        return Reply(json=body)

    async def configure(self, request: Request) -> Reply:
        """Change the language or the task of a bot: refused, unless they are so already."""
        caller = await self._lookup.caller(request, Scope.WRITE)
        body = fields_of(request.json())
        language, task = language_wished(body), body.text("task")
        if task not in (None, "transcribe", "translate"):
            raise invalid(["body", "task"], "Task must be 'transcribe' or 'translate'")
        row = await self._active_or_newest(caller.client, request)
        if row.state not in IN_CALL:
            status = standing_of_row(row).status(caller.variant)
            raise Refusal(
                409, f"Meeting found but is not active (status: '{status}'). Cannot reconfigure."
            )
        extras = row.extras
        if language not in (None, extras.get("language")) or task not in (None, "transcribe"):
            raise Refusal(
                404,
                "A running bot's language and task cannot be changed on this server. "
                "Stop the bot and send another.",
            )
        message = "Reconfiguration request accepted and sent to the bot."
        return Reply(status=202, json={"message": message})

    async def _active_or_newest(self, client: Client, request: Request) -> BotRow:
        platform, native_id = request.params["platform"], request.params["native_id"]
        rows = await self._lookup.meetings(client, platform, native_id)
        if not rows:
            raise Refusal(
                404,
                f"No active meeting found for platform {platform} and meeting ID {native_id}.",
            )
        return next((row for row in rows if row.state in IN_CALL), rows[0])
