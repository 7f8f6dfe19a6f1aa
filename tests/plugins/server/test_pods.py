"""A server whose bots are Pods, over PostgreSQL, a broker and a bucket: all that a cluster is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from meetcore_kubernetes.launcher import KubernetesLauncher
from meetcore_kubernetes.options import KubernetesOptions
from meetcore_kubernetes.pods import object_name
from tests.plugins.kubernetes.standin import open_cluster
from tests.plugins.redis.broker import Broker, open_broker

from .machines import KEY, Shared
from .running import STAY, http, ordered, serving, until
from .test_several_servers import settled
from .webhooks.receiver import receiving

pytestmark = pytest.mark.folder_store


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with open_broker() as held:
        yield held


async def test_a_pod_that_is_killed_ends_with_the_clusters_reason_and_nothing_told_is_lost(
    tmp_path: Path, postgres: Any, broker: Broker
) -> None:
    shared = Shared(postgres.new_database_with_tables(), broker)
    config = shared.settings(tmp_path / "one")
    config["plugins"]["s3"]["tail_every_s"] = 1.0
    with open_cluster() as (cluster, kubeconfig):
        options = KubernetesOptions(image="meetcore-bot:test", kubeconfig=kubeconfig)
        async with (
            receiving() as receiver,
            serving(
                tmp_path / "one",
                dialects=("s3", "redis"),
                database=shared.database,
                api_key=KEY,
                launcher=KubernetesLauncher(options),
                config=config,
                private_targets=("*",),
            ) as server,
            http(server, KEY) as client,
        ):
            hook = {"url": receiver.url("/hook"), "events": ["state.changed"]}
            bot_id = (await ordered(client, STAY, webhooks=[hook]))["id"]
            await until(client, bot_id, "recording")
            with trio.fail_after(60):
                transcript: dict[str, Any] = {"segments": []}
                while not transcript["segments"]:
                    await trio.sleep(0.2)
                    transcript = (await client.get(f"/v1/bots/{bot_id}/transcript")).json()
            await trio.sleep(2.5)  # what is recorded by now is in the bucket
            cluster.kill_for_memory(object_name(bot_id))
            bot = await settled(client, bot_id)
            assert bot["reason"] == "crashed"
            with trio.fail_after(30):  # the row has it a moment earlier
                while bot["history"][-1]["reason"] is None:
                    await trio.sleep(0.1)
                    bot = (await client.get(f"/v1/bots/{bot_id}")).json()
            assert "OOMKilled" in bot["history"][-1]["evidence"]
            page = (await client.get(f"/v1/bots/{bot_id}/events?limit=1000")).json()
            seqs = [event["seq"] for event in page["events"]]
            assert seqs == list(range(1, len(seqs) + 1))
            states = [e["data"]["state"] for e in page["events"] if e["type"] == "state.changed"]
            assert states[-1] == "completed"
            kept = (await client.get(f"/v1/bots/{bot_id}/transcript")).json()["segments"]
            assert [each["text"] for each in kept][: len(transcript["segments"])] == [
                each["text"] for each in transcript["segments"]
            ]
            assert (await client.get(f"/v1/bots/{bot_id}/recordings")).json()
            with trio.fail_after(60):
                while not any(b'"crashed"' in each.body for each in receiver.got):  # noqa: ASYNC110
                    await trio.sleep(0.1)
            told = [json.loads(each.body) for each in receiver.got]
            ends = [each for each in told if "OOMKilled" in json.dumps(each)]
            assert len({json.dumps(each, sort_keys=True) for each in ends}) == 1
            assert (await client.get("/ready")).status_code == 200
            assert cluster.named("Secret") == [object_name(bot_id)], "a failed Pod is looked at"
            assert (await client.delete(f"/v1/bots/{bot_id}/data")).status_code == 200
