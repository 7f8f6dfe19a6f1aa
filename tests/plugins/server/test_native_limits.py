"""How many bots there may be: of a key, of a user, in all; and what is said where there are."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
from attrs import evolve

from meetcore.fleet.fleet import Fleet
from meetcore.model.errors import FleetFull
from meetcore.plugin.launcher import BotSpec, RunningBot
from meetcore_server import bot_supervision as supervision

from .running import SHORT, WAIT, http, ordered, serving, until

ONE_MORE = {"meeting_url": WAIT}


async def new_key(root: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await root.post("/v1/keys", json=body)
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


async def test_a_key_has_a_limit_of_its_own_and_the_next_key_another(tmp_path: Path) -> None:
    async with serving(tmp_path, api_key="root") as server, http(server, "root") as root:
        one, two = await new_key(root, max_bots=1), await new_key(root, max_bots=2)
        assert (one["max_bots"], two["max_bots"]) == (1, 2)
        assert (await new_key(root))["max_bots"] is None
        listed = (await root.get("/v1/keys")).json()
        assert [key["max_bots"] for key in listed] == [1, 2, None]
        async with http(server, one["secret"]) as first, http(server, two["secret"]) as second:
            bot = await ordered(first, WAIT)
            refused = await first.post("/v1/bots", json=ONE_MORE)
            assert (refused.status_code, refused.json()["code"]) == (429, "limit_reached")
            assert refused.headers["retry-after"]
            for _ in range(2):
                await ordered(second, WAIT)
            assert (await second.post("/v1/bots", json=ONE_MORE)).status_code == 429
            await until(first, bot["id"], "awaiting_admission")
            await first.post(f"/v1/bots/{bot['id']}/stop")
            await until(first, bot["id"], "completed", "failed")
            await ordered(first, WAIT)


async def test_the_error_says_which_limit_it_was_and_what_to_do(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"max_bots_per_key": 1, "max_bots_per_user": 2, "max_bots": 3}
    async with serving(tmp_path, api_key="root", **limits) as server, http(server, "root") as root:
        keys = [(await new_key(root))["secret"] for _ in range(3)]
        anns = (await new_key(root, user_email="ann@example.org", max_bots=5))["secret"]
        said = {}
        for secret in (keys[0], keys[1], anns):
            async with http(server, secret) as client:
                await ordered(client, WAIT)
        for secret in (keys[0], keys[2], anns):
            async with http(server, secret) as client:
                problem = (await client.post("/v1/bots", json=ONE_MORE)).json()
                said[problem["limit_of"]] = problem
        assert {of: problem["limit"] for of, problem in said.items()} == {
            "key": 1,
            "user": 2,
            "all": 3,
        }
        for of, setting in (
            ("key", "max_bots_per_key"),
            ("user", "max_bots_per_user"),
            ("all", "max_bots of the server"),
        ):
            assert setting in said[of]["remedy"]
        assert "ordered with this key" in said["key"]["detail"]
        assert "of this user" in said["user"]["detail"]
        assert "on this server" in said["all"]["detail"]


async def test_the_key_of_the_configuration_and_no_key_have_no_limit_of_a_key(
    tmp_path: Path,
) -> None:
    for number, key in enumerate(("root", None)):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with (
            serving(folder, api_key=key, max_bots_per_key=1) as server,
            http(server, key) as client,
        ):
            for _ in range(2):
                await ordered(client, WAIT)


async def test_many_orders_at_once_with_one_key_are_as_many_bots_as_it_may_have(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, api_key="root") as server, http(server, "root") as root:
        key = await new_key(root, max_bots=3)
        answers: list[int] = []
        async with http(server, key["secret"]) as client:

            async def order() -> None:
                answers.append((await client.post("/v1/bots", json=ONE_MORE)).status_code)

            async with trio.open_nursery() as nursery:
                for _ in range(30):
                    nursery.start_soon(order)
        assert sorted(answers) == [201] * 3 + [429] * 27
        assert await server.service.stores.bots.count_running() == 3


async def test_orders_through_a_vendors_door_count_for_the_key_too(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, dialects=("vexa",), api_key="root") as server,
        http(server, "root") as root,
    ):
        key = (await new_key(root, max_bots=2))["secret"]
        body = {"platform": "google_meet", "native_meeting_id": "sta-abcd-efg"}
        async with http(server, key) as client:
            headers = {"x-api-key": key}
            made = await client.post("/vexa/bots", json=body, headers=headers)
            assert made.status_code == 201, made.text
            await ordered(client, WAIT)
            assert (await client.post("/v1/bots", json=ONE_MORE)).json()["limit_of"] == "key"
            body["native_meeting_id"] = "sta-abcd-xyz"
            vendors = await client.post("/vexa/bots", json=body, headers=headers)
            assert (vendors.status_code, "concurrent bot limit (2)" in vendors.text) == (403, True)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "two", True])
async def test_what_is_no_number_of_bots_is_refused(tmp_path: Path, wrong: object) -> None:
    async with serving(tmp_path, api_key="root") as server, http(server, "root") as root:
        answer = await root.post("/v1/keys", json={"max_bots": wrong})
        assert (answer.status_code // 100, answer.json()["code"]) == (4, "invalid")
        assert "max_bots" in answer.text
        assert (await root.get("/v1/keys")).json() == []


async def test_of_bots_that_wait_for_their_time_a_user_may_have_so_many(tmp_path: Path) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    async with serving(tmp_path, max_scheduled_per_user=2) as server, http(server) as client:
        bots = [await ordered(client, WAIT, join_at=later) for _ in range(2)]
        refused = await client.post("/v1/bots", json={**ONE_MORE, "join_at": later})
        assert (refused.status_code, refused.json()["limit"]) == (429, 2)
        assert "scheduled" in refused.json()["detail"]
        await client.post(f"/v1/bots/{bots[0]['id']}/stop")
        await ordered(client, WAIT, join_at=later)


class Refused:
    """Who came to the fleet and found no place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._times: Counter[str] = Counter()
        self._more = trio.Event()
        launch = Fleet.launch

        async def watched(fleet: Fleet, spec: BotSpec) -> RunningBot:
            try:
                return await launch(fleet, spec)
            except FleetFull:
                self._times[spec.bot_id] += 1
                self._more.set()
                self._more = trio.Event()
                raise

        monkeypatch.setattr(Fleet, "launch", watched)

    async def until(self, *bot_ids: str, times: int = 1) -> None:
        with trio.fail_after(90):
            while any(self._times[bot_id] < times for bot_id in bot_ids):
                await self._more.wait()


async def test_a_bot_whose_time_has_come_waits_for_a_place_and_then_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However often there was none: that is no trouble, and not what ends it."""
    monkeypatch.setattr(supervision, "_AGAIN_AFTER_S", 0.01)
    async with serving(tmp_path, places=1) as server, http(server) as client:
        first = await ordered(client, WAIT)
        await until(client, first["id"], "awaiting_admission")
        refused = Refused(monkeypatch)
        soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
        second = await ordered(client, SHORT, join_at=soon)
        await refused.until(second["id"], times=2 * supervision.MOST_TRIES)
        assert not [record for record in caplog.records if "trouble" in record.getMessage()]
        assert (await client.get(f"/v1/bots/{second['id']}")).json()["state"] == "scheduled"
        await client.post(f"/v1/bots/{first['id']}/stop")
        assert (await until(client, second["id"], "completed"))["reason"] == "meeting_ended"


async def test_a_bot_that_waits_for_a_place_can_be_called_off_and_given_another_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, places=1) as server, http(server) as client:
        first = await ordered(client, WAIT)
        await until(client, first["id"], "awaiting_admission")
        refused = Refused(monkeypatch)
        soon = datetime.now(UTC) + timedelta(seconds=0.2)
        off, later = [await ordered(client, SHORT, join_at=soon.isoformat()) for _ in range(2)]
        await refused.until(off["id"], later["id"])
        ended = (await client.post(f"/v1/bots/{off['id']}/stop")).json()
        assert (ended["state"], ended["reason"]) == ("completed", "stop_requested")
        service = server.service
        row = await service.stores.bots.get(later["id"])
        order = await service.order(row)
        tomorrow = soon + timedelta(days=1)
        await service.reschedule(row, evolve(order, join_at=tomorrow))
        await client.post(f"/v1/bots/{first['id']}/stop")
        await until(client, first["id"], "completed")
        another = await ordered(client, SHORT)  # there is a place, but it is not the later's time
        await until(client, another["id"], "completed")
        shown = (await client.get(f"/v1/bots/{later['id']}")).json()
        assert shown["state"] == "scheduled"
        with trio.fail_after(90):
            while len(server.service.live) > 1:  # noqa: ASYNC110  the other is being let go
                await trio.sleep(0.01)
        assert server.service.live.get(later["id"]) is not None
