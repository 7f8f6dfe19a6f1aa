"""A key or a user goes, and with them all that bots left that were ordered by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from meetcore import ConfigError, MeetcoreError
from meetcore.gateway import BotRow
from meetcore_server.storage.accounts import OPERATOR_ID

if TYPE_CHECKING:
    from meetcore_server.service import BotService

__all__ = ["NoSuchUser", "delete_data_of_key", "remove_user"]

_AT_ONCE = 10


class NoSuchUser(MeetcoreError):
    """There is no user with that number."""

    code = "user_not_found"


async def delete_data_of_key(service: BotService, key_id: str) -> int:
    """Have all that the bots of a key left deleted; return of how many bots.

    It goes within half a minute. Bots that have not ended leave, and theirs goes then.
    """
    rows = await service.stores.bots.delete_soon(key_id=key_id)
    return await _stopped(service, rows, "key removed")


async def remove_user(service: BotService, user_id: int) -> int:
    """Remove a user: keys and endpoints are void, all that their bots left is deleted.

    Of the user a number stays, for what the rows of their bots point at.

    Returns:
        Of how many bots data is deleted.

    Raises:
        NoSuchUser: There is no such user.
        ConfigError: It is the operator, who is always there.
    """
    if user_id == OPERATOR_ID:
        raise ConfigError("The operator cannot be removed.", "Revoke keys of theirs instead.")
    if await service.user(user_id) is None:
        raise NoSuchUser(f"There is no user {user_id}.", "GET /v1/users has their numbers.")
    for key in await service.keys(user_id):
        await service.revoke_key(key.id)
    rows = await service.stores.bots.delete_soon(user_id=user_id)
    await service.stores.endpoints.remove_of(user_id)
    await service.stores.accounts.remove(user_id)
    return await _stopped(service, rows, "user removed")


async def _stopped(service: BotService, rows: Sequence[BotRow], why: str) -> int:
    """Have those of some bots leave that have not ended; return how many bots there are."""
    troubles: list[MeetcoreError] = []
    at_once = trio.CapacityLimiter(_AT_ONCE)

    async def stop(row: BotRow) -> None:
        async with at_once:
            try:
                await service.stop(row, why)
            except MeetcoreError as error:
                troubles.append(error)

    async with trio.open_nursery() as nursery:
        for row in rows:
            if not row.ended:
                nursery.start_soon(stop, row)
    service.bot_ended.set()  # what is due is looked for now
    if troubles:
        raise troubles[0]
    return len(rows)
