"""A server that is killed at any moment: what was acknowledged is there, and every bot ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
import trio

import meetcore
from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.fleet.launching.in_process import InProcessLauncher
from meetcore.log.who_runs import is_running

from .running import PLUGIN, SHORT, STAY, http, ordered, plugin_files_of_tests, serving, until
from .webhooks.receiver import receiving


@contextmanager
def killed_server(folder: Path):
    """Run a server in a process of its own; it is killed at the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "meetcore.toml"
    config.write_text('transcriber = "scripted"\nsinks = ["files"]\n')
    arguments = ["--port", "0", "--config", str(config), "--plugin", str(PLUGIN)]
    arguments += ["--out", str(folder / "bots"), "--database", f"sqlite:///{folder}/server.db"]
    environment = {**os.environ, "MEETCORE_LOAD": "server,files"}
    process = subprocess.Popen(
        [sys.executable, "-m", "meetcore", "serve", *arguments],
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        assert process.stderr is not None
        url = ""
        for line in process.stderr:
            if "serving at" in line:
                url = line.split()[-1]
                break
        assert url, "the server did not come up"
        yield url
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()


@asynccontextmanager
async def client_of(url: str):
    async with httpx2.AsyncClient(
        base_url=url,
        timeout=30,
        trust_env=False,
        verify=False,  # there is no TLS, and to read the authorities' certificates takes long
    ) as client:
        yield client


@pytest.mark.long
async def test_bots_go_on_when_the_server_is_killed_and_the_next_one_adopts_them(tmp_path):
    """Also one that ended while no server ran: its end is in the next one's list."""
    with killed_server(tmp_path) as url:
        async with client_of(url) as client:
            bot = await ordered(client, STAY)
            await until(client, bot["id"], "recording")
            ending = await ordered(client, SHORT)
            await until(client, ending["id"], "in_call")
    assert is_running(tmp_path / "bots" / bot["id"])
    folder = tmp_path / "bots" / ending["id"]
    assert is_running(folder)
    with trio.fail_after(90):
        while is_running(folder):  # noqa: ASYNC110  another process ends
            await trio.sleep(0.05)
    launcher = ChildProcessLauncher()
    async with (
        serving(tmp_path, launcher=launcher, config={"sinks": ["files"]}) as server,
        http(server) as client,
    ):
        ended = await until(client, ending["id"], "completed")
        assert (ended["state"], ended["reason"]) == ("completed", "meeting_ended")
        assert ended["ended_at"]
        row = (await client.get(f"/v1/bots/{bot['id']}")).json()
        assert row["state"] == "recording"
        sent = await client.post(f"/v1/bots/{bot['id']}/chat", json={"text": "still here"})
        assert sent.status_code == 200
        await client.post(f"/v1/bots/{bot['id']}/stop")
        row = await until(client, bot["id"], "completed")
        assert row["reason"] == "stop_requested"
        recordings = (await client.get(f"/v1/bots/{bot['id']}/recordings")).json()
        assert any(each["kind"] == "audio.mix" for each in recordings)


async def test_bots_killed_with_their_server_end_as_crashed_and_their_recording_is_whole(tmp_path):
    """Also one whose journal is beyond repair."""
    with killed_server(tmp_path) as url:
        async with client_of(url) as client:
            bot, broken = [await ordered(client, STAY) for _ in range(2)]
            for each in (bot, broken):
                await until(client, each["id"], "recording")
            await trio.sleep(1.5)  # so that there is something to recover
    for each in (bot, broken):
        process = (tmp_path / "bots" / each["id"] / "process.json").read_text()
        os.killpg(json.loads(process)["pid"], signal.SIGKILL)
    journal = tmp_path / "bots" / broken["id"] / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b'"seq":6', b'"seq":7')
    journal.write_bytes(b"".join(lines))
    async with serving(tmp_path, config={"sinks": ["files"]}) as server, http(server) as client:
        row = await until(client, bot["id"], "completed", "failed")
        assert row["reason"] == "crashed"
        recordings = (await client.get(f"/v1/bots/{bot['id']}/recordings")).json()
        mix = next(each for each in recordings if each["kind"] == "audio.mix")
        assert mix["duration_s"] > 0.5
        content = (await client.get(mix["url"])).content
        assert content[:4] == b"OggS"
        with trio.fail_after(90):
            while True:
                row = (await client.get(f"/v1/bots/{broken['id']}")).json()
                if row["state"] == "failed":
                    break
                await trio.sleep(0.05)
        assert row["reason"] == "crashed"


@pytest.mark.parametrize("store", ["folder", "rows"])
async def test_a_bot_that_dies_under_a_living_server_ends_as_crashed_and_that_is_told(
    tmp_path, monkeypatch, store
):
    """Also where the store takes it for alive until its lease has lapsed; `rows` takes 10 s."""
    if store != "folder":
        monkeypatch.setenv("TESTS_STORE", store)
    async with (
        serving(tmp_path, launcher=ChildProcessLauncher(), private_targets=("*",)) as server,
        http(server) as client,
        receiving() as receiver,
    ):
        hook = {"url": receiver.url(), "events": ["state.changed"]}
        dying = await ordered(client, STAY, webhooks=[hook])
        other = await ordered(client, STAY)
        await until(client, dying["id"], "recording")
        live = server.service.live.get(dying["id"])
        os.kill(live.running.pid, signal.SIGKILL)
        row = await until(client, dying["id"], "completed", "failed")
        assert row["reason"] == "crashed"
        kept = await server.service.store.log(dying["id"]).history()
        assert kept.ended
        assert kept.last_seq == live.history.last_seq
        assert kept.end.evidence.signal == "recovery"
        await receiver.until(lambda: receiver.got[-1:] and ended(receiver.got[-1].json))
        assert (await client.get("/ready")).status_code == 200
        assert (await until(client, other["id"], "recording"))["state"] == "recording"


def ended(webhook: dict) -> bool:
    return webhook["data"]["state"] in ("completed", "failed")


@pytest.mark.long
async def test_scheduled_bots_are_still_scheduled_and_go_when_their_time_comes(tmp_path):
    """And one that is called off before its time goes no more."""
    with killed_server(tmp_path) as url:
        async with client_of(url) as client:
            soon = datetime.now(UTC) + timedelta(seconds=4)
            bot = await ordered(client, SHORT, join_at=soon.isoformat())
            later = await ordered(
                client, SHORT, join_at=(soon + timedelta(days=1)).isoformat(), name="Later"
            )
    async with serving(tmp_path) as server, http(server) as client:
        assert (await client.get(f"/v1/bots/{later['id']}")).json()["state"] == "scheduled"
        row = await until(client, bot["id"], "completed")
        joined = next(
            transition for transition in row["history"] if transition["state"] == "joining"
        )
        assert datetime.fromisoformat(joined["at"]) >= soon
        await client.post(f"/v1/bots/{later['id']}/stop")
        assert (await client.get(f"/v1/bots/{later['id']}")).json()["state"] == "completed"


@pytest.mark.long
@pytest.mark.folder_store
async def test_killed_at_any_moment_every_acknowledged_order_comes_to_an_end(tmp_path):
    """Of each age that an order may have when the server is killed."""
    ages_s = (0.0, 0.0, 0.0, 0.05, 0.2, 0.6, 1.0)
    acknowledged: list[str] = []
    with killed_server(tmp_path) as url:
        async with client_of(url) as client, trio.open_nursery() as nursery:

            async def order(age_s: float) -> None:
                await trio.sleep(max(ages_s) - age_s)
                acknowledged.append((await ordered(client, SHORT))["id"])

            for age_s in ages_s:
                nursery.start_soon(order, age_s)
    assert len(acknowledged) == len(ages_s)
    async with (
        serving(tmp_path, launcher=ChildProcessLauncher()) as server,
        http(server) as client,
    ):
        for bot_id in acknowledged:
            row = await until(client, bot_id, "completed", "failed")
            assert row["state"] in ("completed", "failed")
            assert row["reason"] in ("meeting_ended", "crashed")
            events = list(meetcore.read_journal(tmp_path / "bots" / bot_id / "journal.jsonl"))
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
        listed = (await client.get("/v1/bots")).json()["bots"]
        assert {bot["id"] for bot in listed} >= set(acknowledged)


async def test_webhooks_owed_when_the_server_was_killed_are_delivered_by_the_next(tmp_path):
    received: list[bytes] = []

    async def receive(stream: trio.SocketStream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += await stream.receive_some(65536)
        received.append(body)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await stream.aclose()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with (
        serving(tmp_path, private_targets=("*",)) as server,
        http(server) as client,
    ):
        hook = {"url": f"http://127.0.0.1:{port}/hook", "events": ["state.changed"]}
        bot = await ordered(client, SHORT, webhooks=[hook])
        await until(client, bot["id"], "completed")
    assert received == []  # nobody listened yet
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, receive, listeners)
        async with serving(tmp_path, private_targets=("*",)):
            with trio.fail_after(90):
                while not any(b'"completed"' in body for body in received):  # noqa: ASYNC110
                    await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    found = [body.partition(b'"state":"')[2].partition(b'"')[0].decode() for body in received]
    states = list(dict.fromkeys(found))  # at least once: the kernel may have taken an attempt
    assert states == [
        "requested", "joining", "awaiting_admission", "in_call", "recording", "leaving",
        "processing", "completed",
    ]  # fmt: skip


async def test_a_bot_whose_connection_breaks_is_followed_again(tmp_path):
    class Breaking(InProcessLauncher):
        """The first time its bots are listened to, the connection breaks after a few items."""

        async def launch(self, spec, nursery):
            bot = await super().launch(spec, nursery)
            whole = bot.items

            async def cut(after=0):
                bot.items = whole
                async with aclosing(whole(after)) as items:
                    for _ in range(3):
                        yield await anext(items)

            bot.items = cut
            return bot

    plugins = meetcore.Plugins(only=["files", "server"], files=plugin_files_of_tests())
    async with serving(tmp_path, launcher=Breaking(plugins)) as server, http(server) as client:
        bot = await until(client, (await ordered(client))["id"], "completed")
        assert bot["reason"] == "meeting_ended"
        assert [transition["state"] for transition in bot["history"]].count("recording") == 1


GONE = """
from contextlib import asynccontextmanager

import meetcore


class Gone(meetcore.Transcriber):
    name = "gone"
    capabilities = meetcore.TranscriberCapabilities(partials=False, idle_timeout_s=None)

    @asynccontextmanager
    async def stream(self, request):
        yield None


@meetcore.hookimpl
def meetcore_register_transcribers(register):
    register(Gone)
"""


async def test_an_order_nobody_can_take_any_more_does_not_keep_the_server_from_starting(tmp_path):
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    plugin = tmp_path / "gone.py"
    plugin.write_text(GONE)
    async with serving(tmp_path, plugin_files=(plugin,)) as server, http(server) as client:
        bot = await ordered(client, join_at=later, transcriber="gone")
    async with serving(tmp_path) as server, http(server) as client:
        row = (await client.get(f"/v1/bots/{bot['id']}")).json()
        assert row["state"] == "scheduled"
        await client.post(f"/v1/bots/{bot['id']}/stop")
        row = (await client.get(f"/v1/bots/{bot['id']}")).json()
        assert row["state"] == "completed"


class Never(InProcessLauncher):
    """Launches nothing in this life of the server."""

    def __init__(self) -> None:
        super().__init__(meetcore.Plugins(only=["files"]))
        self.asked = trio.Event()

    async def launch(self, spec, nursery):
        self.asked.set()
        await trio.sleep_forever()


@asynccontextmanager
async def ended_before_it_began(folder: Path, *, told: bool):
    """Have a server take an order and one for later, and end while the first is launched."""
    launcher = Never()
    async with serving(folder, launcher=launcher) as server, http(server) as client:
        bot = await ordered(client, SHORT)
        at = (datetime.now(UTC) + timedelta(days=2)).isoformat()
        later = await ordered(client, SHORT, join_at=at)
        await launcher.asked.wait()
        server.service.membership.ending = told
    async with serving(folder) as server, http(server) as client:
        yield client, bot["id"], later["id"]


async def test_an_order_that_had_not_begun_ends_with_a_server_that_is_told_to_end(tmp_path):
    async with ended_before_it_began(tmp_path, told=True) as (client, bot, later):
        body = (await client.get(f"/v1/bots/{bot}")).json()
        assert (body["state"], body["reason"]) == ("completed", "stop_requested"), body
        assert (await client.get(f"/v1/bots/{later}")).json()["state"] == "scheduled"


async def test_an_order_that_had_not_begun_goes_on_after_a_server_that_was_not_told(tmp_path):
    async with ended_before_it_began(tmp_path, told=False) as (client, bot, later):
        body = await until(client, bot, "completed")
        assert body["in_call_at"] is not None
        assert (await client.get(f"/v1/bots/{later}")).json()["state"] == "scheduled"
