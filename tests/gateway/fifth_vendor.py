"""A vendor that does not exist, as short as a dialect can be: tables, and a line or two a route.

Acme sends bots with `POST /bots`, tells of them with `GET /bots/{id}`, has their transcript under
`/bots/{id}/transcript`, and POSTs `bot.changed`, signed, at each change of status.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar
from uuid import UUID

import meetcore
from meetcore import EndReason, State, StateChanged
from meetcore.gateway import (
    ApiKey,
    App,
    Authenticator,
    BodyFields,
    BotRequest,
    BotRow,
    ErrorAnswer,
    ErrorTable,
    FieldWords,
    Listed,
    Moment,
    Mount,
    Outgoing,
    Reply,
    Request,
    Route,
    Scope,
    WebhookFormat,
    WebhookTarget,
    format_ms,
    history_of,
    hmac_sha256,
    json_bytes,
    json_pieces,
    message_id,
    note_headers,
    segments_of,
    still_to_come,
)

meetcore_api_version = "1.0"

# --- mount: what is where -----------------------------------------------------------------

KEYS = (ApiKey("authorization", "Acme"),)


@meetcore.hookimpl
def meetcore_register_routes(app: App) -> None:
    """Mount the API at `/acme`."""
    api = Api(Authenticator(app.service, KEYS))
    app.add_webhook_format(AcmeWebhooks())
    app.mount(Mount(name="acme", title="Acme", routes=api.routes(), refuse=REFUSE, keys=KEYS))


# --- statuses -----------------------------------------------------------------------------

STATUSES = {
    State.SCHEDULED: "planned",
    State.REQUESTED: "starting",
    State.JOINING: "starting",
    State.AWAITING_ADMISSION: "waiting",
    State.IN_CALL: "live",
    State.RECORDING: "live",
    State.PAUSED: "live",
    State.LEAVING: "closing",
    State.PROCESSING: "closing",
    State.COMPLETED: "done",
    State.FAILED: "failed",
}
REASONS = {
    EndReason.DENIED: "rejected",
    EndReason.REMOVED: "kicked",
    EndReason.STOP_REQUESTED: "stopped",
}

# --- errors -------------------------------------------------------------------------------

REFUSE = ErrorTable(
    {
        "unauthorized": ErrorAnswer(401, "Who are you?", "auth"),
        "forbidden": ErrorAnswer(403, "Your key may not do that.", "auth"),
        "not_found": ErrorAnswer(404, "Nothing at {request.path}.", "path"),
        "method_not_allowed": ErrorAnswer(405, "Use {error.methods}.", "method"),
        "bot_not_found": ErrorAnswer(404, "No such bot.", "bot"),
        "data_deleted": ErrorAnswer(410, "Its data was deleted.", "bot"),
        "bad_body": ErrorAnswer(400, detail="body"),
        "link_refused": ErrorAnswer(422, detail="url"),
        "not_installed": ErrorAnswer(422, detail="engine"),
        "invalid": ErrorAnswer(422, detail="body"),
        "limit_reached": ErrorAnswer(429, detail="limit"),
        "wrong_state": ErrorAnswer(409, detail="state"),
        "command_refused": ErrorAnswer(409, detail="state"),
        "storage_unavailable": ErrorAnswer(503, "Not now.", "server"),
        "refused": ErrorAnswer(500, "Our fault.", "server"),
    },
    body=lambda text, word: {"problem": {"kind": word, "text": text}},
)

# --- create request -----------------------------------------------------------------------

WORDS = FieldWords(
    {
        "body": "Send an object.",
        "required": "'{name}' is needed.",
        "text": "'{name}' is text.",
        "range": "'{dotted}' lies between {least} and {most}.",
        "whole": "'{dotted}' is a whole number.",
        "url": "'{name}' is a URL.",
        "link": "'{name}' is a link.",
        "time": "'{name}' is a time.",
        "part": "'{name}' is an object.",
    }
)
LEAVE = {"lobby": ("waiting_room_s", 600), "quiet": ("silence_s", 900)}


def order_of(body: object, app: Api) -> tuple[BotRequest, dict[str, str]]:
    """Return the order for a body, and the headers with a note."""
    fields = BodyFields.of(body, WORDS)
    url, hook = fields.link("url"), fields.url("hook")
    leave = {
        ours: float(fields.part("minutes").whole(name, 1, 60) or default / 60) * 60
        for name, (ours, default) in LEAVE.items()
    }
    choice = app.service.choose_transcriber(fields.text("engine") or "default")
    order = BotRequest(
        url=url,
        dialect="acme",
        name=fields.text("name"),
        transcriber=choice.name,
        join_at=still_to_come(fields.time("at"), app.service.now()),
        automatic_leave=leave,
        webhooks=[WebhookTarget(format="acme", url=hook, secret="acme")] if hook else [],
    )
    return order, note_headers(choice.note)


# --- routes -------------------------------------------------------------------------------


class Api:
    """A handler a route."""

    def __init__(self, authenticator: Authenticator) -> None:
        self.authenticator = authenticator
        self.service = authenticator.service

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("POST", "/bots", self.create),
            Route("GET", "/bots/{id}", self.get),
            Route("GET", "/bots/{id}/transcript", self.transcript),
        ]

    async def create(self, request: Request) -> Reply:
        """Send a bot."""
        client = await self.authenticator.client(request, Scope.WRITE)
        order, headers = order_of(request.json(), self)
        row = await self.service.create(client, order)
        return Reply(status=201, json=bot_object(row), headers=headers)

    async def get(self, request: Request) -> Reply:
        """Return a bot."""
        _, row = await self.authenticator.bot(request, request.params["id"], Scope.READ)
        history = await history_of(self.service, row)
        people = [presence.participant.name for presence in history.others]
        return Reply(json={**bot_object(row), "people": people})

    async def transcript(self, request: Request) -> Reply:
        """Return what was said, however long."""
        _, row = await self.authenticator.bot(request, request.params["id"], Scope.READ)
        body = {"bot": row.bot_id, "lines": Listed(self._lines(row))}
        return Reply(stream=json_pieces(body), media_type="application/json")

    async def _lines(self, row: BotRow) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(segments_of(self.service, row)) as segments:
            async for segment in segments:
                yield {"by": segment.speaker_name, "text": segment.text, "at": segment.start_s}


def bot_object(row: BotRow) -> dict[str, Any]:
    """Return a bot."""
    return {
        "id": row.bot_id,
        "status": STATUSES[row.state],
        "why": REASONS.get(row.reason) if row.reason else None,
        "made": format_ms(row.created_at),
    }


# --- webhooks -----------------------------------------------------------------------------


class AcmeWebhooks(WebhookFormat):
    """Tells each change of state."""

    name: ClassVar[str] = "acme"

    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        """Return the change an event is."""
        if not isinstance(moment.event, StateChanged):
            return ()
        status = STATUSES[moment.event.state]
        body = json_bytes({"type": "bot.changed", "bot": moment.row.bot_id, "status": status})
        headers = {"acme-signature": hmac_sha256(moment.target.secret or "", body)}
        sent_as = message_id(UUID(int=5), moment)
        return (Outgoing(kind="bot.changed", body=body, headers=headers, id=sent_as),)
