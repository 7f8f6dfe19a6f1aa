"""Between rows of the table `targets` and `WebhookTarget`.

A target of the format `native` that came from an endpoint names it in `data["endpoint_id"]`, and
takes address, secret and filter from there: what its owner changes holds for bots under way, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from meetcore.gateway import WebhookTarget
from meetcore_server.storage.accounts import utc_now
from meetcore_server.storage.tables import bots, endpoints, targets

__all__ = [
    "SHOWN",
    "WITH_ENDPOINTS",
    "insert_late_target",
    "insert_targets",
    "replace_targets",
    "webhook_target",
]

_NATIVE = "native"
_ENDPOINT = "endpoint_id"

SHOWN = (
    targets.c.id,
    targets.c.endpoint_id,
    targets.c.format,
    targets.c.url,
    targets.c.secret,
    targets.c.data,
    endpoints.c.url.label("endpoint_url"),
    endpoints.c.secret.label("endpoint_secret"),
    endpoints.c.events.label("endpoint_events"),
)
"""The columns that `webhook_target` takes, of `WITH_ENDPOINTS`."""

WITH_ENDPOINTS = targets.outerjoin(endpoints, targets.c.endpoint_id == endpoints.c.id)

_INSERT = sa.insert(targets)


def webhook_target(row: Any) -> WebhookTarget:
    """Return a target as formats see it; the row has at least the columns `SHOWN`."""
    url, secret, data = row.url, row.secret, dict(row.data)
    if row.endpoint_id is not None:
        url, secret = row.endpoint_url, row.endpoint_secret
        data |= {_ENDPOINT: row.endpoint_id, "events": row.endpoint_events}
    return WebhookTarget(id=row.id, format=row.format, url=url, secret=secret, data=data)


def insert_late_target(c: sa.Connection, bot_id: str, wanted: WebhookTarget) -> int:
    """Add a target to a bot that has ended: of its journal it is told nothing. Return its id."""
    last = sa.select(bots.c.last_seq).where(bots.c.bot_id == bot_id).scalar_subquery()
    values = {
        "bot_id": bot_id,
        "format": wanted.format,
        "url": wanted.url,
        "secret": wanted.secret,
        "data": dict(wanted.data),
        "cursor": last,
        "part": 0,
        "attempts": 0,
        "settled": True,
    }
    return int(c.execute(sa.insert(targets).values(values).returning(targets.c.id)).scalar_one())


def insert_targets(c: sa.Connection, bot_id: str, wanted: Sequence[WebhookTarget]) -> None:
    """Add targets to a bot. An endpoint that is none (any more) is left out."""
    for target in wanted:
        data = dict(target.data)
        endpoint_id = data.pop(_ENDPOINT, None) if target.format == _NATIVE else None
        values = {
            "bot_id": bot_id,
            "endpoint_id": endpoint_id,
            "format": target.format,
            "url": target.url,
            "secret": target.secret,
            "data": data,
            "cursor": 0,
            "part": 0,
            "attempts": 0,
            "settled": False,
        }
        if endpoint_id is not None:
            if not _is_endpoint(c, endpoint_id, bot_id):
                continue
            values |= {"url": None, "secret": None}
        c.execute(_INSERT, values)


def _is_endpoint(c: sa.Connection, endpoint_id: object, bot_id: str) -> bool:
    """Whether a bot's user has that endpoint, and it is not disabled."""
    query = (
        sa.select(endpoints.c.number)
        .join(bots, bots.c.user_id == endpoints.c.user_id)
        .where(
            endpoints.c.id == str(endpoint_id),
            endpoints.c.disabled_at.is_(None),
            bots.c.bot_id == bot_id,
        )
    )
    return c.scalar(query) is not None


def replace_targets(c: sa.Connection, bot_id: str, wanted: Sequence[WebhookTarget]) -> None:
    """End the targets a bot has, and give it others. What was delivered to them is still known."""
    c.execute(
        sa.update(targets)
        .where(targets.c.bot_id == bot_id, targets.c.ended_at.is_(None))
        .values(ended_at=utc_now(), settled=True)
    )
    insert_targets(c, bot_id, wanted)
