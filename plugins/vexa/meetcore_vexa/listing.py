"""Lists of meetings: whole, as vexa-client needs them, or by pages, as E4 has them."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from meetcore import EndReason, State
from meetcore.gateway import BotQuery, BotRow, Reply, Request, bots_of, history_of
from meetcore_vexa.bot_object import meeting_body, meeting_of, standing_of_row
from meetcore_vexa.lookup import NAME, Caller, Lookup, integer
from meetcore_vexa.statuses import Standing, standing_of

__all__ = ["list_meetings"]


async def list_meetings(
    lookup: Lookup, caller: Caller, request: Request, *, default_limit: int | None
) -> Reply:
    """Return meetings, newest first.

    Args:
        lookup: The way in.
        caller: Who asks.
        request: May hold `status`, `platform`, `limit`, `offset` and `exclude_planned`.
        default_limit: How many where the client does not say; None for all.
    """
    args = request.args
    limit = default_limit
    if "limit" in args:
        limit = integer(["query", "limit"], args["limit"], low=1, high=1000)
    offset = integer(["query", "offset"], args.get("offset", "0"), low=0)
    wanted = None if limit is None else offset + limit + 1
    found: list[dict[str, Any]] = []
    async with aclosing(bots_of(lookup.service, caller.client, BotQuery(dialect=NAME))) as rows:
        async for row in rows:
            standing = await _standing(lookup, row)
            if _fits(row, standing, caller, args):
                found.append(meeting_body(row, standing, caller.variant))
            if len(found) == wanted:
                break
    page = found[offset:] if limit is None else found[offset : offset + limit]
    more = limit is not None and len(found) > offset + limit
    return Reply(json={"meetings": page, "has_more": more})


async def _standing(lookup: Lookup, row: BotRow) -> Standing:
    """Return where a bot stands; the journal is opened only where the row does not say enough."""
    standing = standing_of_row(row)
    told = row.reason in (EndReason.DENIED, EndReason.ADMISSION_TIMEOUT)
    if row.state is State.FAILED and not standing.was_in and not told:
        history = await history_of(lookup.service, row)
        return standing_of(history) if history.transitions else standing
    return standing


def _fits(row: BotRow, standing: Standing, caller: Caller, args: dict[str, str]) -> bool:
    status = standing.status(caller.variant)
    planned = args.get("exclude_planned", "").lower() in ("1", "true", "yes")
    return (
        args.get("status") in (None, "", status)
        and args.get("platform") in (None, "", meeting_of(row).platform)
        and not (planned and status == "scheduled")
    )
