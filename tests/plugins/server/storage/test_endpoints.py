"""Native webhook endpoints."""

from __future__ import annotations

from typing import cast

import pytest
from standardwebhooks import Webhook

from meetcore.gateway.records import NoSuchBot
from meetcore.model.errors import ConfigError
from meetcore_server.storage.database import Database, open_database
from meetcore_server.storage.endpoints import Endpoints
from meetcore_server.storage.errors import DatabaseUnavailable

from .lost_answers import LosesAnswers


async def test_an_endpoint_has_a_secret_and_is_found_by_its_owner_alone(database_url: str) -> None:
    async with open_database(database_url) as database:
        endpoints = Endpoints(database)
        row = await endpoints.create(1, "https://x/hook", events=["segment.*"])
        Webhook(row.secret)
        assert row.events == ("segment.*",)
        assert await endpoints.endpoint(row.id, user_id=1) == row
        assert await endpoints.endpoint(row.id, user_id=2) is None
        assert await endpoints.endpoint("x") is None
        assert await endpoints.endpoints(1) == await endpoints.endpoints() == [row]
        assert await endpoints.endpoints(2) == []
        assert row.secret not in repr(row)
        with pytest.raises(NoSuchBot):
            await endpoints.create(9, "https://x")


async def test_an_endpoint_whose_commit_had_no_answer_is_read_back(sqlite_url: str) -> None:
    """Whoever was told an error would make it again, and be told everything twice."""
    async with open_database(sqlite_url) as database:
        lossy = LosesAnswers(database)
        endpoints = Endpoints(cast(Database, lossy))
        lossy.lost = 1
        row = await endpoints.create(1, "https://x/hook")
        assert await endpoints.endpoints(1) == [row]
        lossy.lost = 2
        with pytest.raises(DatabaseUnavailable):
            await endpoints.create(1, "https://y/hook")  # nobody can say


async def test_an_endpoint_is_changed_switched_off_and_on(database_url: str) -> None:
    async with open_database(database_url) as database:
        endpoints = Endpoints(database)
        row = await endpoints.create(1, "https://x/hook")
        changed = await endpoints.change(
            row.id, url="https://y", events=["state.*"], secret="c2VjcmV0"
        )
        assert changed is not None
        assert (changed.url, changed.events, changed.secret) == (
            "https://y",
            ("state.*",),
            "c2VjcmV0",
        )
        assert len(await endpoints.targets_of(1)) == 1
        off = await endpoints.change(row.id, enabled=False)
        assert off is not None
        assert off.disabled_at is not None
        assert await endpoints.change(row.id, enabled=False) == off
        assert await endpoints.targets_of(1) == []
        on = await endpoints.change(row.id, enabled=True)
        assert on is not None
        assert on.disabled_at is None
        assert await endpoints.change(row.id) == on
        assert await endpoints.change("x", enabled=True) is None


@pytest.mark.parametrize("secret", ["", "whsec_", "no base64!", "é", "a"])
async def test_a_secret_that_cannot_sign_is_refused(sqlite_url: str, secret: str) -> None:
    async with open_database(sqlite_url) as database:
        endpoints = Endpoints(database)
        with pytest.raises(ConfigError, match="base64"):
            await endpoints.create(1, "https://x", secret=secret)
        row = await endpoints.create(1, "https://x")
        with pytest.raises(ConfigError, match="base64"):
            await endpoints.change(row.id, secret=secret)
