"""Keys, webhook endpoints and deliveries over HTTP."""

from __future__ import annotations

import re
from typing import Any

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from meetcore import ConfigError
from meetcore.gateway import Client, Scope
from meetcore.model import as_utc
from meetcore_server.native.account_models import Key, KeyCreate, NewKey, User
from meetcore_server.native.models import (
    Delivery,
    EndpointChange,
    EndpointCreate,
    EndpointOut,
)
from meetcore_server.native.problems import NoSuch
from meetcore_server.removals import NoSuchUser, delete_data_of_key, remove_user
from meetcore_server.service import BotService
from meetcore_server.webhooks.native import check_patterns

__all__ = ["HANDLERS"]


@post("/keys", summary="Make a key", operation_id="create_key")
async def create_key(
    data: JSONBody[KeyCreate], service: NamedDependency[BotService], admin: NamedDependency[Client]
) -> NewKey:
    """Make a key for a user, the operator by default. The secret is shown this once."""
    user_id = admin.user_id
    if data.user_email is not None:
        if "@" not in data.user_email or len(data.user_email) > 320:
            raise ConfigError(f"{data.user_email[:80]!r} is no email address.")
        user, _ = await service.create_user(data.user_email)
        user_id = user.id
    if data.expires_at is not None and data.expires_at.tzinfo is None:
        raise ConfigError("expires_at must say its time zone.")
    if not data.scopes or len(data.label) > 200:
        raise ConfigError("A key has at least one scope, and a label of 200 characters at most.")
    if data.max_bots is not None and data.max_bots < 1:
        raise ConfigError(
            f"max_bots must be 1 or more, not {data.max_bots}.",
            "Leave it out for the server's limit; a key with the scope read alone orders none.",
        )
    row, secret = await service.create_key(
        user_id,
        label=data.label,
        scopes=frozenset(Scope(name) for name in data.scopes),
        expires_at=as_utc(data.expires_at, "expires_at") if data.expires_at else None,
        max_bots=data.max_bots,
    )
    return NewKey.made(row, secret)


@get("/keys", summary="List keys", operation_id="list_keys")
async def list_keys(
    service: NamedDependency[BotService], admin: NamedDependency[Client]
) -> list[Key]:
    """List the keys of all users, without what only their holders know."""
    del admin
    return [Key.of(row) for row in await service.keys()]


@delete("/keys/{key_id:str}", status_code=204, summary="Revoke a key", operation_id="revoke_key")
async def revoke_key(
    key_id: FromPath[str],
    service: NamedDependency[BotService],
    admin: NamedDependency[Client],
    delete_data: FromQuery[bool] = False,
) -> None:
    """Make a key void, within a second.

    With `delete_data` its bots leave, and all that they and earlier ones left is deleted within
    half a minute; also of a key that is void already.
    """
    del admin
    if not await service.revoke_key(key_id) and not (
        delete_data and any(row.id == key_id for row in await service.keys())
    ):
        raise NoSuch(f"There is no valid key {key_id!r}.")
    if delete_data:
        await delete_data_of_key(service, key_id)


@get("/users", summary="List users", operation_id="list_users")
async def list_users(
    service: NamedDependency[BotService], admin: NamedDependency[Client]
) -> list[User]:
    """List the users with their numbers. Of one that was removed the number is left."""
    del admin
    return [User.of(row) for row in await service.users()]


@delete(
    "/users/{user_id:str}",
    status_code=204,
    summary="Remove a user",
    operation_id="remove_user",
)
async def delete_user(
    user_id: FromPath[str],
    service: NamedDependency[BotService],
    admin: NamedDependency[Client],
) -> None:
    """Make a user's keys and endpoints void and delete all that their bots left.

    `user_id` is the number that `GET /v1/users` shows. Bots that have not ended leave. It takes up
    to half a minute. A number of the user stays.
    """
    del admin
    if re.fullmatch(r"[0-9]{1,18}", user_id) is None:
        raise NoSuchUser(
            "A user is removed by number, and there is none with that one.",
            "GET /v1/users has their numbers.",
        )
    await remove_user(service, int(user_id))


def _check_url(service: BotService, url: str | None) -> None:
    if url is None:
        return
    trouble = service.private_targets.webhook_trouble(url)
    if trouble is not None:
        raise ConfigError(f"The url of an endpoint {trouble}.")


@post("/webhooks", summary="Add an endpoint", operation_id="create_webhook")
async def create_webhook(
    data: JSONBody[EndpointCreate],
    service: NamedDependency[BotService],
    writer: NamedDependency[Client],
) -> EndpointOut:
    """Add an endpoint: it is told of every bot ordered from now on, each event signed.

    The secret, for verifying the signatures by Standard Webhooks, is shown this once.
    """
    _check_url(service, data.url)
    check_patterns(data.events)
    row = await service.stores.endpoints.create(
        writer.user_id, data.url, events=data.events, secret=data.secret
    )
    return EndpointOut.of(row, with_secret=True)


@get("/webhooks", summary="List endpoints", operation_id="list_webhooks")
async def list_webhooks(
    service: NamedDependency[BotService], reader: NamedDependency[Client]
) -> list[EndpointOut]:
    """List the endpoints of your user."""
    rows = await service.stores.endpoints.endpoints(reader.user_id)
    return [EndpointOut.of(row) for row in rows]


@patch("/webhooks/{endpoint_id:str}", summary="Change an endpoint", operation_id="change_webhook")
async def change_webhook(
    endpoint_id: FromPath[str],
    data: JSONBody[EndpointChange],
    service: NamedDependency[BotService],
    writer: NamedDependency[Client],
) -> EndpointOut:
    """Change an endpoint; it holds for bots under way, too."""
    stores = service.stores.endpoints
    _check_url(service, data.url)
    known = await stores.endpoint(endpoint_id, user_id=writer.user_id)
    if known is None:
        raise NoSuch(f"There is no webhook endpoint {endpoint_id!r}.")
    check_patterns(each for each in data.events or () if each not in known.events)
    row = await stores.change(endpoint_id, url=data.url, events=data.events, enabled=data.enabled)
    if row is None:
        raise NoSuch(f"There is no webhook endpoint {endpoint_id!r}.")
    await service.webhooks.endpoint_enabled(endpoint_id)
    return EndpointOut.of(row)


@delete(
    "/webhooks/{endpoint_id:str}",
    status_code=204,
    summary="Switch an endpoint off",
    operation_id="delete_webhook",
)
async def delete_webhook(
    endpoint_id: FromPath[str],
    service: NamedDependency[BotService],
    writer: NamedDependency[Client],
) -> None:
    """Tell an endpoint nothing more. It stays in the list, disabled, with its history."""
    stores = service.stores.endpoints
    if await stores.endpoint(endpoint_id, user_id=writer.user_id) is None:
        raise NoSuch(f"There is no webhook endpoint {endpoint_id!r}.")
    await stores.change(endpoint_id, enabled=False)


@get("/bots/{bot_id:str}/deliveries", summary="What was delivered", operation_id="list_deliveries")
async def list_deliveries(
    bot_id: FromPath[str],
    service: NamedDependency[BotService],
    reader: NamedDependency[Client],
    limit: FromQuery[int] = 100,
) -> list[Delivery]:
    """Return what became of each message about a bot, newest first."""
    if not 1 <= limit <= 1000:
        raise ConfigError(f"limit must be 1 to 1000, not {limit}.")
    row = await service.bot(reader, bot_id)
    return [Delivery.of(each) for each in await service.deliveries(row, limit=limit)]


@post(
    "/bots/{bot_id:str}/deliveries/{delivery_id:int}/redeliver",
    status_code=202,
    summary="Deliver it again",
    operation_id="redeliver",
)
async def redeliver(
    bot_id: FromPath[str],
    delivery_id: FromPath[int],
    service: NamedDependency[BotService],
    writer: NamedDependency[Client],
) -> dict[str, Any]:
    """Send a message again, whatever became of it before."""
    row = await service.bot(writer, bot_id)
    known = await service.webhooks.deliveries.delivery(delivery_id)
    if known is None or known.bot_id != row.bot_id:
        raise NoSuch(f"There is no delivery {delivery_id} of that bot.")
    again = await service.webhooks.redeliver(delivery_id)
    return {"ok": True, "delivery_id": again.id if again else delivery_id}


HANDLERS: list[Any] = [
    create_key,
    list_keys,
    revoke_key,
    list_users,
    delete_user,
    create_webhook,
    list_webhooks,
    change_webhook,
    delete_webhook,
    list_deliveries,
    redeliver,
]
