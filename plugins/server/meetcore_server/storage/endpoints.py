"""Native webhook endpoints: where a user wants to hear of all of their bots."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen

from meetcore import ConfigError
from meetcore.gateway import NoSuchBot, WebhookTarget
from meetcore_server.storage.accounts import utc_now
from meetcore_server.storage.columns import LARGEST_NUMBER
from meetcore_server.storage.database import Database
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.tables import endpoints, users

__all__ = ["EndpointRow", "Endpoints"]

_SECRET_BYTES = 32


@frozen(kw_only=True)
class EndpointRow:
    """A webhook endpoint.

    Attributes:
        secret: Signs every message, by Standard Webhooks.
        events: Types of events, with `*`; empty for all.
        disabled_at: When it was switched off, by its owner or by answering 410.
    """

    id: str
    user_id: int
    url: str = field(repr=False)
    secret: str = field(repr=False)
    events: tuple[str, ...] = ()
    created_at: datetime
    disabled_at: datetime | None = None


@frozen
class Endpoints:
    """The endpoints of all users."""

    database: Database
    now: Callable[[], datetime] = utc_now

    async def create(
        self, user_id: int, url: str, *, events: Sequence[str] = (), secret: str | None = None
    ) -> EndpointRow:
        """Make one, with a random secret unless one is given.

        Raises:
            NoSuchBot: There is no such user.
            ConfigError: The secret is none.
        """
        _check_secret(secret)
        values = {
            "id": str(uuid.uuid4()),
            "user_id": user_id,
            "url": url,
            "secret": secret if secret is not None else new_secret(),
            "events": list(events),
            "created_at": self.now(),
        }

        def create(c: sa.Connection) -> EndpointRow:
            known = 0 < user_id <= LARGEST_NUMBER and c.scalar(
                sa.select(users.c.id).where(users.c.id == user_id)
            )
            if not known:
                raise NoSuchBot(f"There is no user {user_id}.")
            new = sa.insert(endpoints).values(values).returning(*endpoints.c)
            return _endpoint(c.execute(new).one())

        try:
            return await self.database.do(create)
        except DatabaseUnavailable:
            made = await self.endpoint(str(values["id"]))
            if made is None:
                raise
            return made  # it was done, and its answer did not come

    async def endpoints(self, user_id: int | None = None) -> list[EndpointRow]:
        """Return the endpoints of a user, or all, in the order they were made."""
        query = sa.select(endpoints).order_by(endpoints.c.number)
        if user_id is not None:
            query = query.where(endpoints.c.user_id == min(user_id, LARGEST_NUMBER))
        return await self.database.do(lambda c: [_endpoint(row) for row in c.execute(query)])

    async def endpoint(self, endpoint_id: str, *, user_id: int | None = None) -> EndpointRow | None:
        """Return an endpoint; None for none, or one of another user."""
        query = sa.select(endpoints).where(endpoints.c.id == endpoint_id)
        row = await self.database.do(lambda c: c.execute(query).one_or_none())
        if row is None or (user_id is not None and row.user_id != user_id):
            return None
        return _endpoint(row)

    async def change(
        self,
        endpoint_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        secret: str | None = None,
        enabled: bool | None = None,
    ) -> EndpointRow | None:
        """Change an endpoint, None leaves what is there; return it, None for no such.

        It holds for bots under way, too. Those that were told to an endpoint before it was
        switched off and on again go on where they stood.

        Raises:
            ConfigError: The secret is none.
        """
        _check_secret(secret)
        values: dict[str, Any] = {}
        if url is not None:
            values["url"] = url
        if events is not None:
            values["events"] = list(events)
        if secret is not None:
            values["secret"] = secret

        def change(c: sa.Connection) -> EndpointRow | None:
            which = endpoints.c.id == endpoint_id
            row = c.execute(sa.select(endpoints).where(which)).one_or_none()
            if row is None:
                return None
            if enabled is True:
                values["disabled_at"] = None
            elif enabled is False:
                values["disabled_at"] = row.disabled_at or self.now()
            if values:
                update = sa.update(endpoints).where(which).values(values)
                row = c.execute(update.returning(*endpoints.c)).one()
            return _endpoint(row)

        return await self.database.do(change)

    async def remove_of(self, user_id: int) -> None:
        """Switch off the endpoints of a user who is removed, and forget where they were."""
        gone = {"url": "", "secret": "", "disabled_at": self.now()}
        update = sa.update(endpoints).where(endpoints.c.user_id == user_id).values(gone)
        await self.database.do(lambda c: c.execute(update).rowcount)

    async def targets_of(self, user_id: int) -> list[WebhookTarget]:
        """Return what a new bot of a user gets among its `webhooks`: the enabled endpoints."""
        return [
            WebhookTarget(format="native", data={"endpoint_id": row.id})
            for row in await self.endpoints(user_id)
            if row.disabled_at is None
        ]


def new_secret() -> str:
    """Return a random secret in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _check_secret(secret: str | None) -> None:
    if secret is None:
        return
    try:
        usable = bool(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            "The secret of a webhook endpoint is base64, with or without `whsec_` before it.",
            "Leave it out to get a random one.",
        )


def _endpoint(row: sa.Row[Any]) -> EndpointRow:
    return EndpointRow(
        id=row.id,
        user_id=row.user_id,
        url=row.url,
        secret=row.secret,
        events=tuple(row.events),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
