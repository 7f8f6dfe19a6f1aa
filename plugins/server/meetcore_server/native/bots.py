"""Bots over HTTP: order, list, look at, stop, command, delete."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import attrs
import trio
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from meetcore import AutomaticLeave, BotHistory, ConfigError, State
from meetcore.gateway import (
    BotGone,
    BotQuery,
    BotRequest,
    BotRow,
    Client,
    KeyReused,
    WebhookTarget,
    same_order,
)
from meetcore.model import as_utc, command_from_wire, is_blank, nearest
from meetcore_server.native.models import Bot, BotList, CommandBody, ListedBot, NewBot
from meetcore_server.service import BotService
from meetcore_server.webhooks.native import check_patterns

__all__ = ["HANDLERS", "order_of", "shown"]

_LEAVE = frozenset(name for name in AutomaticLeave.__annotations__ if not name.startswith("_"))
_MOST_METADATA = 50
_LONGEST_TEXT = 4096


def _check_text(name: str, text: str | None, longest: int = _LONGEST_TEXT) -> None:
    if text is not None and len(text) > longest:
        raise ConfigError(f"{name} has {len(text)} characters; it may have {longest}.")


def order_of(body: NewBot, idempotency_key: str | None) -> BotRequest:
    """Return the order in a request.

    Raises:
        ConfigError: Something in it cannot be.
    """
    for name in body.automatic_leave:
        if name not in _LEAVE:
            guess = nearest(name, _LEAVE)
            hint = f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(sorted(_LEAVE))}."
            raise ConfigError(f"There is no leave rule {name!r}.", hint)
    if len(body.metadata) > _MOST_METADATA:
        raise ConfigError(f"metadata may have {_MOST_METADATA} keys.")
    if body.join_at is not None and body.join_at.tzinfo is None:
        raise ConfigError("join_at must say its time zone, for instance 2027-01-02T15:00:00Z.")
    if body.keep_hours is not None and not 0 <= body.keep_hours <= 24 * 366 * 100:
        raise ConfigError(f"keep_hours cannot be {body.keep_hours!r}.")
    _check_text("name", body.name, 200)
    if body.name and is_blank(body.name):
        raise ConfigError("name has nothing that can be seen.", "Leave it out for the default.")
    _check_text("entry_message", body.entry_message)
    _check_text("meeting_url", body.meeting_url)
    _check_text("Idempotency-Key", idempotency_key, 255)
    for key, value in body.metadata.items():
        _check_text("A key of metadata", key, 200)
        _check_text(f"metadata[{key!r}]", value)
    for hook in body.webhooks:
        check_patterns(hook.events)
    return BotRequest(
        url=body.meeting_url,
        name=body.name or None,
        transcriber={None: "default", "none": None}.get(body.transcriber, body.transcriber),
        language=body.language,
        join_at=as_utc(body.join_at, "join_at") if body.join_at else None,
        automatic_leave=body.automatic_leave,
        record=body.record,
        video=body.video,
        entry_message=body.entry_message,
        metadata=body.metadata,
        webhooks=[
            WebhookTarget(
                format="native", url=hook.url, secret=hook.secret, data={"events": hook.events}
            )
            for hook in body.webhooks
        ],
        keep_s=None if body.keep_hours is None else body.keep_hours * 3600.0,
        keep=body.keep,
        idempotency_key=idempotency_key,
        script=body.script,
    )


async def shown(service: BotService, row: BotRow) -> Bot:
    """Return a bot with its history, where that is still there."""
    history: BotHistory | None
    try:
        history = await service.history(row)
    except BotGone:
        history = None
    return Bot.of(row, history, _silence(service, row))


def _silence(service: BotService, row: BotRow) -> tuple[str, ...]:
    """Say that a bot's process answers nothing now: its journal can tell of it only later."""
    live = service.live.get(row.bot_id)
    since = getattr(live.running, "unresponsive_since", None) if live else None
    if since is None:
        return ()
    return (f"Its process has answered nothing for {trio.current_time() - since:.0f} s.",)


@post("/bots", summary="Send a bot", operation_id="create_bot")
async def create_bot(
    data: JSONBody[NewBot],
    service: NamedDependency[BotService],
    writer: NamedDependency[Client],
    idempotency_key: Annotated[str | None, HeaderParameter(name="Idempotency-Key")] = None,
) -> Response[Bot]:
    """Send a bot to a meeting, now or at a time.

    The order is durable when this answers. The same `Idempotency-Key` gives the bot of the first
    request, with status 200 and `replayed`; used again for another order it is refused.
    """
    order = order_of(data, idempotency_key)
    if data.exclusive:
        link = service.parse_link(order.url)
        order = attrs.evolve(order, exclusive=f"native:{link.platform}:{link.native_id}")
    note = service.choose_transcriber(order.transcriber, order.language).note
    row = await service.create(writer, order)
    if row.replayed and not same_order(await service.order(row), order):
        raise KeyReused(row)
    body = await shown(service, row)
    body = attrs.evolve(body, notes=[*([note] if note else []), *body.notes])
    return Response(body, status_code=200 if row.replayed else 201)


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(base64.urlsafe_b64decode(text.encode() + b"==").decode())
    except (ValueError, binascii.Error) as error:
        raise ConfigError(
            f"{text[:40]!r} is no cursor.", "Use a next_cursor as it came."
        ) from error


@get("/bots", summary="List bots", operation_id="list_bots")
async def list_bots(
    service: NamedDependency[BotService],
    reader: NamedDependency[Client],
    states: Annotated[list[str] | None, QueryParameter(name="state")] = None,
    platform: FromQuery[str | None] = None,
    native_id: FromQuery[str | None] = None,
    cursor: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
) -> BotList:
    """List the bots of your user, newest first; `GET /v1/bots/ID` has more of one, its history."""
    known = {each.value: each for each in State}
    for name in states or ():
        if name not in known:
            raise ConfigError(f"There is no state {name!r}.", f"Known: {', '.join(known)}.")
    query = BotQuery(
        states=frozenset(known[name] for name in states) if states else None,
        platform=platform,
        native_id=native_id,
        before=_cursor(cursor),
        limit=limit + 1,
    )
    rows = await service.bots(reader, query)
    following = None
    if len(rows) > limit:
        rows = rows[:limit]
        following = base64.urlsafe_b64encode(str(rows[-1].number).encode()).decode().rstrip("=")
    return BotList(bots=[_listed(service, row) for row in rows], next_cursor=following)


def _listed(service: BotService, row: BotRow) -> ListedBot:
    live = service.live.get(row.bot_id)
    transitions = live.history.transitions if live else []
    bot = ListedBot.listed(row)
    return (
        attrs.evolve(bot, state=transitions[-1].state.value, state_since=transitions[-1].at)
        if transitions
        else bot
    )


@get("/bots/{bot_id:str}", summary="One bot, with its history", operation_id="get_bot")
async def get_bot(
    bot_id: FromPath[str], service: NamedDependency[BotService], reader: NamedDependency[Client]
) -> Bot:
    """Return a bot."""
    return await shown(service, await service.bot(reader, bot_id))


@post("/bots/{bot_id:str}/stop", status_code=202, summary="Have it leave", operation_id="stop_bot")
async def stop_bot(
    bot_id: FromPath[str], service: NamedDependency[BotService], writer: NamedDependency[Client]
) -> Bot:
    """Have a bot leave the meeting and finish, or not come at all."""
    row = await service.stop(await service.bot(writer, bot_id), "api")
    return await shown(service, row)


@post(
    "/bots/{bot_id:str}/commands",
    status_code=200,
    summary="Give it a command",
    operation_id="command_bot",
)
async def command_bot(
    bot_id: FromPath[str],
    data: JSONBody[CommandBody],
    service: NamedDependency[BotService],
    writer: NamedDependency[Client],
) -> dict[str, Any]:
    """Have a bot carry out a command; answers when it is done, after 30 s at most."""
    row = await service.bot(writer, bot_id)
    command = command_from_wire({"type": data.type, "id": data.id, "data": data.data})
    await service.perform(row, command)
    return {"ok": True, "command": data.type}


@delete(
    "/bots/{bot_id:str}/data",
    status_code=200,
    summary="Delete what it left",
    operation_id="delete_bot_data",
)
async def delete_bot_data(
    bot_id: FromPath[str], service: NamedDependency[BotService], writer: NamedDependency[Client]
) -> dict[str, int]:
    """Delete recording, transcript and journal of a bot that has ended. Its row stays."""
    return {"deleted_objects": await service.delete_data(await service.bot(writer, bot_id))}


HANDLERS = [create_bot, list_bots, get_bot, stop_bot, command_bot, delete_bot_data]
