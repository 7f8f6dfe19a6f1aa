"""The fake service refuses a bot too many as a server does: of a key, of a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetcore.gateway.records import BotRequest, BotRow, LimitOf, LimitReached
from meetcore.model.lifecycle import State
from meetcore.testing.fake_service import FakeService, open_fake_service

ORDER = BotRequest(url="https://meet.google.com/abc-defg-hij")


async def order(fake: FakeService, key: str) -> BotRow:
    client = await fake.authenticate(key)
    assert client is not None
    return await fake.create(client, ORDER)


async def test_a_key_may_have_as_many_bots_as_it_was_made_for(tmp_path: Path) -> None:
    async with open_fake_service(tmp_path) as fake:
        row, key = await fake.create_key(1, max_bots=1)
        assert row.max_bots == 1
        _, other = await fake.create_key(1)
        await order(fake, other)
        first = await order(fake, key)
        with pytest.raises(LimitReached) as caught:
            await order(fake, key)
        assert (caught.value.limit, caught.value.of) == (1, LimitOf.KEY)
        fake.go(first, State.FAILED)
        await order(fake, key)


async def test_all_keys_of_a_user_share_the_limit_of_the_user(tmp_path: Path) -> None:
    async with open_fake_service(tmp_path) as fake:
        fake.limit = 2
        keys = [(await fake.create_key(1, max_bots=2))[1] for _ in range(2)]
        for key in keys:
            await order(fake, key)
        with pytest.raises(LimitReached) as caught:
            await order(fake, keys[0])
        assert (caught.value.limit, caught.value.of) == (2, LimitOf.USER)
