"""Which bots a query means, for the test desk."""

from __future__ import annotations

from meetcore.orders import BotQuery, BotRow

__all__ = ["matches"]


def matches(row: BotRow, query: BotQuery) -> bool:
    """Whether a query asks for a bot, apart from its limit."""
    return (
        query.dialect in (None, row.dialect)
        and query.platform in (None, row.platform)
        and query.native_id in (None, row.native_id)
        and query.public_url in (None, row.public_url)
        and (query.states is None or row.state in query.states)
        and (query.created_after is None or row.created_at >= query.created_after)
        and (query.created_before is None or row.created_at < query.created_before)
        and (
            query.ended_after is None
            or (row.ended_at is not None and row.ended_at >= query.ended_after)
        )
        and (
            query.before is None
            or (row.number > query.before if query.oldest_first else row.number < query.before)
        )
    )
