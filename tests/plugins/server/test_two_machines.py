"""Two servers that share no disk: a database, a bus and a bucket are all that is between them.

The bots of each are processes of its own machine. A server is killed, and the other sees its bots
through; a bot's machine is lost, and the other ends it with what the bucket has.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trio

from meetcore.fleet.launching.child_process import ChildProcessLauncher
from tests.plugins.redis.broker import Broker, open_broker
from tests.plugins.s3.places import bucket_for
from tests.plugins.s3.servers import moto_server

from .running import PLUGIN, STAY, http, ordered, said, say, serving, socket, until
from .test_several_servers import KEY, place_of, settled

pytestmark = pytest.mark.folder_store


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with open_broker() as held:
        yield held


class Shared:
    """What two machines share."""

    def __init__(self, database: str, broker: Broker) -> None:
        self.database = database
        self.prefix = f"t-{uuid4().hex[:8]}"
        self.broker = broker
        self.s3 = moto_server()
        self.bucket = bucket_for(self.s3, uuid4().hex)

    def settings(self, machine: Path) -> dict[str, Any]:
        """Return the settings of a server whose bots work on a machine."""
        bots = str(machine / "bots")
        return {
            "transcriber": "scripted",
            "sinks": ["files"],
            "out_dir": bots,
            "store": {"url": f"s3://{self.bucket}/bots"},
            "bus": {"url": self.broker.url},
            "plugins": {
                "s3": {**self.s3.access(), "workplaces": bots},
                "redis": {"prefix": self.prefix},
            },
        }


@contextmanager
def server_elsewhere(shared: Shared, machine: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process of its own; its bots go on when it is killed."""
    machine.mkdir(parents=True)
    config = machine / "meetcore.toml"
    config.write_text(
        "\n".join(_toml(shared.settings(machine))) + '\n[plugins.server]\nprivate_targets = ["*"]\n'
    )
    arguments = ["--port", "0", "--config", str(config), "--plugin", str(PLUGIN)]
    arguments += ["--database", shared.database, "--api-key", KEY]
    environment = {**os.environ, "MEETCORE_LOAD": "server,files,s3,redis"}
    with (machine / "other.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "meetcore", "serve", *arguments], stderr=log, env=environment
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _toml(settings: dict[str, Any], table: str = "") -> Iterator[str]:
    for key, value in settings.items():
        if not isinstance(value, dict):
            yield f"{key} = {json.dumps(value)}"
    for key, value in settings.items():
        if isinstance(value, dict):
            yield f"[{table}{key}]"
            yield from _toml(value, f"{table}{key}.")


@asynccontextmanager
async def server_here(
    shared: Shared, machine: Path, **options: Any
) -> AsyncIterator[tuple[Any, Any]]:
    async with (
        serving(
            machine,
            dialects=("s3", "redis"),
            database=shared.database,
            api_key=KEY,
            launcher=ChildProcessLauncher(),
            config=shared.settings(machine),
            private_targets=("*",),
            **options,
        ) as server,
        http(server, KEY) as client,
    ):
        yield server, client


@asynccontextmanager
async def two(tmp_path: Path, postgres: Any, broker: Broker) -> AsyncIterator[tuple[Any, ...]]:
    """Hold both; gives the other one's process and client, and this one's server and client."""
    shared = Shared(postgres.new_database_with_tables(), broker)
    with server_elsewhere(shared, tmp_path / "one") as process:
        place = await place_of(tmp_path / "one")
        async with (
            http(place, KEY) as client,  # type: ignore[arg-type]
            server_here(shared, tmp_path / "two") as (server, beside),
        ):
            yield process, client, server, beside


async def follow(server: Any, bot_id: str, seqs: list[int], until_text: str) -> None:
    async with socket(server, authorization=f"Bearer {KEY}") as connection:
        await say(connection, type="subscribe", bot_id=bot_id, after=0, drafts=False)
        while True:
            event = await said(connection)
            assert event["type"] != "error", event
            if "seq" in event:
                seqs.append(event["seq"])
            if event["type"] == "chat.received" and event["data"]["text"] == until_text:
                return


def process_of(machine: Path, bot_id: str) -> int:
    """Return the process of a bot that runs on a machine."""
    found = json.loads((machine / "bots" / bot_id / "process.json").read_text())["pid"]
    return int(found)


async def test_each_follows_hears_and_commands_the_bots_of_the_others_machine(
    tmp_path, postgres, broker
):
    async with two(tmp_path, postgres, broker) as (_, client, server, beside):
        bot_id = (await ordered(client, STAY))["id"]
        assert (await until(beside, bot_id, "recording"))["state"] == "recording"
        assert not (tmp_path / "two" / "bots" / bot_id).exists()  # it works elsewhere
        seqs: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, server, bot_id, seqs, "from beside")
            sent = await beside.post(f"/v1/bots/{bot_id}/chat", json={"text": "from beside"})
            assert sent.status_code == 200, sent.text
        assert seqs == list(range(1, len(seqs) + 1))
        row = await server.service.stores.bots.get(bot_id)
        async with server.service.hear(row) as chunks:
            with trio.fail_after(60):
                assert (await chunks.receive()).sample_rate_hz == 16_000
        assert (await beside.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
        for each in (client, beside):
            assert (await settled(each, bot_id))["reason"] == "stop_requested"
        told = [(await each.get(f"/v1/bots/{bot_id}/transcript")).json() for each in
                (client, beside)]  # fmt: skip
        assert told[0] == told[1]


async def test_the_bots_of_a_killed_server_are_seen_through_by_the_other(
    tmp_path, postgres, broker
):
    async with two(tmp_path, postgres, broker) as (process, client, server, beside):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        process.send_signal(signal.SIGKILL)
        process.wait()
        with trio.fail_after(60):
            while bot_id not in server.service.supervisor.fleet.running:  # noqa: ASYNC110
                await trio.sleep(0.1)
        seqs: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, server, bot_id, seqs, "still here")
            sent = await beside.post(f"/v1/bots/{bot_id}/chat", json={"text": "still here"})
            assert sent.status_code == 200, sent.text
        assert seqs == list(range(1, len(seqs) + 1))
        assert (await beside.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
        bot = await settled(beside, bot_id)
        assert (bot["state"], bot["reason"]) == ("completed", "stop_requested")


async def test_requests_are_counted_over_both(tmp_path, postgres, broker):
    shared = Shared(postgres.new_database_with_tables(), broker)
    async with (
        server_here(shared, tmp_path / "one", requests_per_s=0.5) as (_, client),
        server_here(shared, tmp_path / "two", requests_per_s=0.5) as (_, beside),
    ):
        turns = (client, beside, client, beside, client)
        statuses = [(await each.get("/v1/bots")).status_code for each in turns]
        assert statuses[:2] == [200, 200]
        assert statuses[-1] == 429  # two and a half at once, whichever server is asked
        broker.freeze()
        try:
            assert (await beside.get("/v1/bots")).status_code == 200  # each counts for itself
        finally:
            broker.thaw()


async def test_a_broker_that_is_not_there_is_said_at_once_and_its_return_too(
    tmp_path, postgres, broker, caplog, monkeypatch
):
    monkeypatch.setattr("meetcore.fleet.fleet._LOOK_AT_BUS_EVERY_S", 0.2)
    shared = Shared(postgres.new_database_with_tables(), broker)
    broker.kill()
    try:
        async with server_here(shared, tmp_path / "one") as (_, client):
            with trio.fail_after(60):
                while "the bus is away" not in caplog.text:  # noqa: ASYNC110
                    await trio.sleep(0.05)
                ready = await client.get("/ready")
                assert ready.status_code == 200  # bots go on, and the store has what they tell
                assert "cannot be reached" in ready.json()["detail"]
                assert "meetcore_bus_up 0" in (await client.get("/metrics")).text
                broker.start()
                while "the bus is there again" not in caplog.text:  # noqa: ASYNC110
                    await trio.sleep(0.05)
            assert "meetcore_bus_up 1" in (await client.get("/metrics")).text
    finally:
        broker.kill()
        broker.start()


async def test_a_lost_machines_bots_are_ended_with_what_the_bucket_has(tmp_path, postgres, broker):
    async with two(tmp_path, postgres, broker) as (process, client, _, beside):
        bot_id = (await ordered(client, STAY))["id"]
        await until(beside, bot_id, "recording")
        while (await beside.get(f"/v1/bots/{bot_id}/transcript")).json()["segments"] == []:  # noqa: ASYNC110
            await trio.sleep(0.2)
        for pid in (process.pid, process_of(tmp_path / "one", bot_id)):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        (tmp_path / "one" / "bots").rename(tmp_path / "gone")
        bot = await settled(beside, bot_id)
        assert bot["reason"] == "crashed"
        kept = (await beside.get(f"/v1/bots/{bot_id}/transcript")).json()["segments"]
        assert kept
