"""The desk refuses a bot too many as a server does: of a key, of a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetcore.lifecycle import State
from meetcore.orders import BotOrder, BotRow, LimitOf, LimitReached
from meetcore.testing.desk import Desk, open_desk

ORDER = BotOrder(url="https://meet.google.com/abc-defg-hij")


async def order(desk: Desk, key: str) -> BotRow:
    client = await desk.authenticate(key)
    assert client is not None
    return await desk.create(client, ORDER)


async def test_a_key_may_have_as_many_bots_as_it_was_made_for(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        row, key = await desk.create_key(1, max_bots=1)
        assert row.max_bots == 1
        _, other = await desk.create_key(1)
        await order(desk, other)
        first = await order(desk, key)
        with pytest.raises(LimitReached) as caught:
            await order(desk, key)
        assert (caught.value.limit, caught.value.of) == (1, LimitOf.KEY)
        desk.go(first, State.FAILED)
        await order(desk, key)


async def test_all_keys_of_a_user_share_the_limit_of_the_user(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        desk.limit = 2
        keys = [(await desk.create_key(1, max_bots=2))[1] for _ in range(2)]
        for key in keys:
            await order(desk, key)
        with pytest.raises(LimitReached) as caught:
            await order(desk, keys[0])
        assert (caught.value.limit, caught.value.of) == (2, LimitOf.USER)
