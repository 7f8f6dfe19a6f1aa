"""Two servers that share no disk: a database, a bus and a bucket are all that is between them.

The bots of each are processes of its own machine. A server is killed, and the other sees its bots
through; a bot's machine is lost, and the other ends it with what the bucket has.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed

from meetcore.fleet.launching.child_process import ChildProcessLauncher
from tests.plugins.redis.broker import Broker, open_broker

from .machines import KEY, ServerProcess, Shared, process_of
from .running import STAY, http, ordered, said, say, serving, socket, until
from .test_several_servers import Place, place_of, settled

pytestmark = pytest.mark.folder_store


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with open_broker() as held:
        yield held


@contextmanager
def server_elsewhere(shared: Shared, machine: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process of its own; its bots go on when it is killed."""
    server = ServerProcess(shared, machine)
    try:
        yield server.start()
    finally:
        server.kill()


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


async def follow(
    server: Any, bot_id: str, seqs: list[int], until_text: str, after: int = 0
) -> None:
    async with socket(server, authorization=f"Bearer {KEY}") as connection:
        await say(connection, type="subscribe", bot_id=bot_id, after=after, drafts=False)
        while True:
            event = await said(connection)
            assert event["type"] != "error", event
            if "seq" in event:
                seqs.append(event["seq"])
            if event["type"] == "chat.received" and event["data"]["text"] == until_text:
                return


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
        works = tmp_path / "one" / "bots" / bot_id
        assert works.exists(), "the machine that ran it keeps a copy"
        deleted = await beside.delete(f"/v1/bots/{bot_id}/data")
        assert deleted.status_code == 200, deleted.text
        with trio.fail_after(20):
            while works.exists():  # noqa: ASYNC110  the other machine does it
                await trio.sleep(0.1)


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


async def test_a_drained_servers_bots_and_followers_go_on_at_the_other(tmp_path, postgres, broker):
    async with two(tmp_path, postgres, broker) as (process, client, server, beside):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        seqs: list[int] = []
        place = Place(str(client.base_url))
        with trio.fail_after(60):
            async with socket(place, authorization=f"Bearer {KEY}") as connection:  # type: ignore[arg-type]
                await say(connection, type="subscribe", bot_id=bot_id, after=0, drafts=False)
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        event = await said(connection)
                        if event["type"] == "state.changed" and not seqs[10:]:
                            assert (await client.post("/v1/drain")).status_code == 202
                        seqs.extend([event["seq"]] if "seq" in event else [])
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1012
        state = (await client.get("/v1/drain")).json()
        assert (state["handed_over"], state["bots"], state["bots_here"]) == (True, 0, 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, server, bot_id, seqs, "still here", seqs[-1])
            sent = await beside.post(f"/v1/bots/{bot_id}/chat", json={"text": "still here"})
            assert sent.status_code == 200, sent.text
        assert seqs == list(range(1, len(seqs) + 1))
        process.send_signal(signal.SIGTERM)  # no --keep-bots: what was handed over stays
        with trio.fail_after(60):
            assert await trio.to_thread.run_sync(process.wait) == 0
        assert (await beside.get(f"/v1/bots/{bot_id}")).json()["state"] == "recording"
        assert (await beside.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
        assert (await settled(beside, bot_id))["reason"] == "stop_requested"


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
