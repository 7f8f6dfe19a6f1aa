"""A server whose bots are in a Ray cluster: ordered, followed, drained around, ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetcore_ray.options import RayOptions
from meetcore_ray.ray_launcher import RayLauncher
from tests.plugins.ray.conftest import RayCluster
from tests.plugins.ray.placing import Placing
from tests.plugins.redis.broker import Broker
from tests.plugins.server.running import STAY, http, ordered, serving, until

pytestmark = pytest.mark.folder_store


async def test_its_bots_run_elsewhere_and_are_not_waited_for_when_its_machine_goes(
    tmp_path: Path, cluster: RayCluster, broker: Broker
):
    placing = Placing(cluster, broker, tmp_path / "bots")
    launcher = RayLauncher(RayOptions(**placing.options()))
    async with (
        serving(tmp_path, dialects=("redis",), launcher=launcher, config=placing.there) as server,
        http(server) as client,
    ):
        bot_id = (await ordered(client, STAY))["id"]
        assert (await until(client, bot_id, "recording"))["state"] == "recording"
        sent = await client.post(f"/v1/bots/{bot_id}/chat", json={"text": "hello"})
        assert sent.status_code == 200, sent.text
        state = (await client.get("/v1/drain")).json()
        assert (state["bots"], state["bots_here"]) == (1, 0)
    async with (
        serving(tmp_path, dialects=("redis",), launcher=launcher, config=placing.there) as server,
        http(server) as client,
    ):
        assert [live.row.bot_id for live in server.service.live.all()] == [bot_id]
        assert (await client.get(f"/v1/bots/{bot_id}")).json()["state"] == "recording"
        assert (await client.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
        bot = await until(client, bot_id, "completed")
        assert (bot["state"], bot["reason"]) == ("completed", "stop_requested")
