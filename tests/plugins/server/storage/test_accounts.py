"""Users, their settings, their keys, and the secrets of the server."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import cast

import pytest
import sqlalchemy as sa
import trio

from meetcore.gateway.records import NoSuchBot, Scope
from meetcore.model.errors import UnknownOption
from meetcore_server.storage.accounts import OPERATOR_ID, AccountStore
from meetcore_server.storage.columns import LARGEST_NUMBER
from meetcore_server.storage.database import Database, open_database
from meetcore_server.storage.errors import EmailTaken
from meetcore_server.storage.keys import Keys
from meetcore_server.storage.server_secrets import server_secret
from meetcore_server.storage.tables import keys as keys_table

from .lost_answers import LosesAnswers

HUGE = 10**30


async def test_the_operator_is_always_the_first_user(database_url: str) -> None:
    async with open_database(database_url) as database:
        (operator,) = await AccountStore(database).users()
    assert (operator.id, operator.email) == (OPERATOR_ID, "operator")
    assert operator.created_at.tzinfo is UTC
    assert abs(operator.created_at - datetime.now(UTC)) < timedelta(hours=1)


async def test_a_user_is_made_once_for_an_email(database_url: str) -> None:
    async with open_database(database_url) as database:
        accounts = AccountStore(database)
        ada, new = await accounts.create_user(
            " ada@example.org ", name="Ada \x00 \ud800", image_url="https://x/a.png", max_bots=3
        )
        again, renewed = await accounts.create_user("ada@example.org", name="other")
        assert (new, renewed) == (True, False)
        assert again == ada == await accounts.user(ada.id)
        assert (ada.id, ada.name, ada.max_bots) == (2, "Ada \ufffd \ufffd", 3)
        assert await accounts.users(email="ada@example.org") == [ada]
        assert await accounts.users(email="nobody") == []
        assert await accounts.user(99) is None
        assert await accounts.user(HUGE) is None


async def test_users_made_at_once_are_one(database_url: str) -> None:
    made: list[bool] = []

    async with open_database(database_url) as database, open_database(database_url) as second:

        async def create(accounts: AccountStore) -> None:
            _, new = await accounts.create_user("ada@example.org")
            made.append(new)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(create, AccountStore(second if number % 2 else database))
    assert sorted(made) == [False] * 19 + [True]


async def test_a_user_is_changed_in_what_may_change(database_url: str) -> None:
    async with open_database(database_url) as database:
        accounts = AccountStore(database)
        ada, _ = await accounts.create_user("ada@example.org", max_bots=3)
        changed = await accounts.change_user(ada.id, name="Ada", max_bots=None, email="a@b.c")
        assert (changed.name, changed.max_bots, changed.email) == ("Ada", None, "a@b.c")
        assert await accounts.change_user(ada.id) == changed
        with pytest.raises(EmailTaken, match="User 1"):
            await accounts.change_user(ada.id, email="operator")
        with pytest.raises(NoSuchBot, match="no user 77"):
            await accounts.change_user(77, name="x")
        with pytest.raises(UnknownOption):
            await accounts.change_user(ada.id, id=1)


async def test_each_dialect_keeps_its_own_settings(database_url: str) -> None:
    async with open_database(database_url) as database:
        accounts = AccountStore(database)
        assert await accounts.settings(1, "vexa") == {}
        await accounts.put_settings(1, "vexa", {"webhook": {"url": "https://x", "n": [1, None]}})
        await accounts.put_settings(1, "spoke", {"a": "\x00é"})
        await accounts.put_settings(1, "spoke", {"b": 2})
        assert await accounts.settings(1, "vexa") == {
            "webhook": {"url": "https://x", "n": [1, None]}
        }
        assert await accounts.settings(1, "spoke") == {"b": 2}
        assert await accounts.settings(9, "spoke") == {}
        with pytest.raises(NoSuchBot):
            await accounts.put_settings(9, "spoke", {})


async def test_settings_put_at_once_do_not_lose_each_other(database_url: str) -> None:
    async with open_database(database_url) as database, open_database(database_url) as second:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                accounts = AccountStore(second if number % 2 else database)
                nursery.start_soon(accounts.put_settings, 1, f"d{number}", {"n": number})
        kept = [await AccountStore(database).settings(1, f"d{n}") for n in range(20)]
    assert kept == [{"n": n} for n in range(20)]


# --- keys -----------------------------------------------------------------------------------


async def test_a_key_whose_commit_had_no_answer_is_read_back(sqlite_url: str) -> None:
    """It would be good for ever otherwise, and nobody would have it."""
    async with open_database(sqlite_url) as database:
        lossy = LosesAnswers(database)
        keys = Keys(cast(Database, lossy))
        lossy.lost = 1
        row, _ = await keys.create(1, label="laptop")
        assert await keys.keys(1) == [row]


async def test_a_key_opens_and_only_its_hash_is_kept(database_url: str) -> None:
    async with open_database(database_url) as database:
        keys = Keys(database)
        row, key = await keys.create(1, label="laptop", scopes=frozenset({Scope.ADMIN, Scope.READ}))
        client = await keys.authenticate(key)
        assert client is not None
        assert (client.key_id, client.user_id) == (row.id, 1)
        assert client.scopes == {Scope.ADMIN, Scope.READ} == row.scopes
        assert key.startswith(row.hint)
        assert row.hint.startswith("mc_")
        assert len(row.hint) < 12 < 40 < len(key)
        stored = await database.do(lambda c: c.execute(sa.select(keys_table)).one())
        assert key not in repr(tuple(stored))
        assert await keys.keys() == await keys.keys(1) == [row]
        assert await keys.keys(2) == await keys.keys(HUGE) == []


@pytest.mark.parametrize("wrong", ["", "mc_", "mc_x", "\x00", "\ud800", "k" * 100_000])
async def test_what_is_no_key_opens_nothing(database_url: str, wrong: str) -> None:
    async with open_database(database_url) as database:
        keys = Keys(database)
        _, key = await keys.create(1)
        assert await keys.authenticate(wrong) is None
        assert await keys.authenticate(key[:-1]) is None
        assert await keys.authenticate(key + "A") is None


async def test_a_key_expires_in_whatever_zone_its_time_was_given(database_url: str) -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    paris = timezone(timedelta(hours=1))
    async with open_database(database_url) as database:
        keys = Keys(database, lambda: now)
        row, key = await keys.create(1, expires_at=datetime(2026, 11, 20, 14, tzinfo=paris))
        assert row.expires_at == datetime(2026, 11, 20, 13, tzinfo=UTC)
        assert row.expires_at.tzinfo is UTC
        assert await keys.authenticate(key) is not None
        assert await keys.any_valid()
        now = datetime(2026, 11, 20, 13, tzinfo=UTC)
        assert await keys.authenticate(key) is None
        assert not await keys.any_valid()


async def test_a_time_without_a_zone_is_refused(database_url: str) -> None:
    async with open_database(database_url) as database:
        with pytest.raises(Exception, match="no time zone"):
            await Keys(database).create(1, expires_at=datetime(2026, 11, 20))


async def test_a_revoked_key_opens_nothing_any_more(database_url: str) -> None:
    async with open_database(database_url) as database:
        keys = Keys(database)
        row, key = await keys.create(1)
        assert await keys.any_valid()
        assert await keys.authenticate(key) is not None
        assert await keys.revoke(row.id)
        assert await keys.authenticate(key) is None
        assert not await keys.revoke(row.id)
        assert not await keys.revoke("nobody")
        assert not await keys.any_valid()
        (listed,) = await keys.keys()
        assert listed.revoked_at is not None


async def test_a_key_keeps_how_many_bots_it_may_have(database_url: str) -> None:
    async with open_database(database_url) as database:
        keys = Keys(database)
        for wanted, kept in ((None, None), (3, 3), (-5, 0), (HUGE, LARGEST_NUMBER)):
            row, key = await keys.create(1, max_bots=wanted)
            assert row.max_bots == kept
            assert await keys.authenticate(key) is not None
        assert [row.max_bots for row in await keys.keys()] == [None, 3, 0, LARGEST_NUMBER]


async def test_a_key_for_nobody_is_refused(database_url: str) -> None:
    async with open_database(database_url) as database:
        for user_id in (99, 0, HUGE):
            with pytest.raises(NoSuchBot, match="no user"):
                await Keys(database).create(user_id)


ELSEWHERE = """
import sys, trio
from meetcore_server.storage.database import open_database
from meetcore_server.storage.keys import Keys

async def main():
    async with open_database(sys.argv[1]) as database:
        if sys.argv[2] == "create":
            print((await Keys(database).create(1))[1])
        else:
            await Keys(database).revoke(sys.argv[2])

trio.run(main)
"""


async def elsewhere(url: str, what: str) -> str:
    command = [sys.executable, "-c", ELSEWHERE, url, what]
    done = await trio.run_process(command, capture_stdout=True, stdin=subprocess.DEVNULL)
    return done.stdout.decode().strip()


async def test_a_key_of_another_process_opens_at_once_and_its_revocation_is_seen_in_a_second(
    database_url: str,
) -> None:
    seconds = 0.0
    async with open_database(database_url) as database:
        keys = Keys(database, clock=lambda: seconds)
        key = await elsewhere(database_url, "create")
        client = await keys.authenticate(key)
        assert client is not None
        await elsewhere(database_url, client.key_id)
        seconds = 1.0
        assert await keys.authenticate(key) is None


async def test_the_servers_secret_is_random_and_stays(database_url: str) -> None:
    async with open_database(database_url) as database:
        secret = await server_secret(database)
        assert len(secret) == 32
        assert await server_secret(database, "another") != secret
    async with open_database(database_url) as database:
        assert await server_secret(database) == secret
