"""Bots page by page, and what is left to read of one after its data was deleted."""

from __future__ import annotations

import pytest

from meetcore import EndReason, State
from meetcore.gateway import (
    ApiKey,
    Authenticator,
    BotQuery,
    BotRequest,
    BotRow,
    KeyInvalid,
    KeyMissing,
    Request,
    Scope,
    ScopeMissing,
    bots_of,
    history_of,
    page_of_bots,
    segments_of,
)
from meetcore.gateway.kit import bot_reader
from meetcore.testing.fake_service import FakeService, open_fake_service

LINK = "https://meet.google.com/abc-defg-hij"
KEYS = (ApiKey("x-first"), ApiKey("authorization", "Bearer"))


def request(**headers: str) -> Request:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(headers=named)


async def with_bots(fake: FakeService, count: int) -> Authenticator:
    fake.new_key("k")
    authenticator = Authenticator(fake, KEYS)
    client = await authenticator.client(request(x_first="k"), Scope.WRITE)
    for _ in range(count):
        await fake.create(client, BotRequest(url=LINK))
    return authenticator


async def numbers(fake: FakeService, limit: int, before: int | None = None):
    client = await Authenticator(fake, KEYS).client(request(x_first="k"), Scope.READ)

    async def odd(row: BotRow) -> int | None:
        return row.number if row.number % 2 else None

    return await page_of_bots(fake, client, BotQuery(before=before), odd, limit)


async def test_pages_follow_each_other_without_a_gap(tmp_path, monkeypatch):
    monkeypatch.setattr(bot_reader, "_ROWS_AT_ONCE", 4)
    async with open_fake_service(tmp_path) as fake:
        await with_bots(fake, 11)
        assert await numbers(fake, 3) == ([11, 9, 7], 7)
        assert await numbers(fake, 3, before=7) == ([5, 3, 1], None)
        assert await numbers(fake, 6) == ([11, 9, 7, 5, 3, 1], None)
        client = await Authenticator(fake, KEYS).client(request(x_first="k"), Scope.READ)
        assert [row.number async for row in bots_of(fake, client, BotQuery())] == [
            *range(11, 0, -1)
        ]


async def test_a_page_looks_at_so_many_bots_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(bot_reader, "_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(bot_reader, "_ROWS_LOOKED_AT", 4)
    async with open_fake_service(tmp_path) as fake:
        await with_bots(fake, 7)
        assert await numbers(fake, 5) == ([7, 5], 4)
        assert await numbers(fake, 5, before=4) == ([3, 1], None)


async def test_who_asks_is_told_by_the_first_place_that_has_a_key(tmp_path):
    async with open_fake_service(tmp_path) as fake:
        authenticator = await with_bots(fake, 1)
        _, reader = await fake.create_key(1, scopes=frozenset({Scope.READ}))
        place, key = authenticator.key_of(request(authorization="Bearer k"))
        assert (place.header, key) == ("authorization", "k")
        assert authenticator.key_of(request())[1] is None
        both = request(authorization="Bearer k", x_first="nobody's")
        with pytest.raises(KeyInvalid):
            await authenticator.client(both, Scope.READ)
        with pytest.raises(KeyMissing) as caught:
            await authenticator.client(request(authorization="Token k"), Scope.READ)
        assert type(caught.value) is KeyMissing
        with pytest.raises(ScopeMissing, match="write"):
            await authenticator.client(request(x_first=reader), Scope.WRITE)
        client, row = await authenticator.bot(request(x_first="k"), fake.only.bot_id, Scope.READ)
        assert row == await fake.bot(client, row.bot_id)


async def test_of_a_bot_whose_data_was_deleted_nothing_is_left_to_read(tmp_path):
    async with open_fake_service(tmp_path) as fake:
        await with_bots(fake, 1)
        row = fake.only
        for state in (State.JOINING, State.FAILED):
            row = fake.go(row, state, EndReason.DENIED if state is State.FAILED else None)
        assert (await history_of(fake, row)).ended
        await fake.delete_data(row)
        history = await history_of(fake, fake.only)
        assert (history.state, history.transitions) == (None, [])
        assert [segment async for segment in segments_of(fake, fake.only)] == []
