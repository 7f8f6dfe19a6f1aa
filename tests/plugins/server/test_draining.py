"""A server is drained: no new bots, its own to the others, its clients to another server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa
import trio
import trio_websocket
from attrs import evolve
from click.testing import CliRunner

from meetcore.cli import main
from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.gateway.records import Scope
from meetcore_server.draining import CLOSE_CODE
from meetcore_server.storage import servers as servers_of_database

from .running import STAY, http, ordered, refused, said, say, serving, socket, until
from .test_several_servers import KEY, ends, one_of_them, settled

DIALECTS = ("vexa", "skribby", "meetstream", "spoke")
ORDERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "native": ("/v1/bots", {"meeting_url": STAY}, "detail"),
    "vexa": ("/vexa/bots", {"meeting_url": STAY}, "detail"),
    "skribby": (
        "/skribby/api/v1/bot",
        {"meeting_url": STAY, "service": "gmeet", "bot_name": "B", "transcription_model": "none"},
        "message",
    ),
    "meetstream": ("/meetstream/api/v1/bots/create_bot", {"meeting_link": STAY}, "message"),
    "spoke": (
        "/spoke/bots",
        {"meeting_url": STAY, "bot_name": "B", "recording_mode": "audio_only"},
        "message",
    ),
}


async def follow_until_parted(connection: Any, bot_id: str, after: int, seqs: list[int]) -> int:
    """Follow a bot after an event; return the code with which the server parts."""
    await say(connection, type="subscribe", bot_id=bot_id, after=after, drafts=False)
    with pytest.raises(trio_websocket.ConnectionClosed) as closed:
        while True:
            event = await said(connection)
            assert event["type"] != "error", event
            if "seq" in event:
                seqs.append(event["seq"])
    assert closed.value.reason is not None
    return int(closed.value.reason.code)


async def until_drain(client: Any, **wanted: Any) -> dict[str, Any]:
    """Return how far a server is, once it is so."""
    with trio.fail_after(60):
        while True:
            state: dict[str, Any] = (await client.get("/v1/drain")).json()
            if all(state[name] == value for name, value in wanted.items()):
                return state
            await trio.sleep(0.05)


async def test_one_that_is_alone_sees_its_bots_through_and_then_parts_with_its_clients(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        seqs: list[int] = []
        codes: list[int] = []
        async with socket(server) as connection, trio.open_nursery() as nursery:

            async def follow() -> None:
                codes.append(await follow_until_parted(connection, bot_id, 0, seqs))

            nursery.start_soon(follow)
            begun = (await client.post("/v1/drain")).json()
            assert (begun["draining"], begun["drained"], begun["takers"]) == (True, False, 0)
            assert (begun["bots"], begun["bots_here"]) == (1, 1)
            assert (await client.post("/v1/drain")).json()["since"] == begun["since"]
            ready = await client.get("/ready")
            assert (ready.status_code, ready.json()["status"]) == (503, "draining")
            assert "meetcore_draining 1" in (await client.get("/metrics")).text
            async with socket(server) as another:  # who follows its bots can do so nowhere else
                await say(another, type="ping")
                assert await said(another) == {"type": "pong"}
            assert not codes
            assert (await client.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
            with trio.fail_after(60):
                while not codes:  # noqa: ASYNC110
                    await trio.sleep(0.05)
        assert codes == [CLOSE_CODE]
        history = await server.service.history(await server.service.stores.bots.get(bot_id))
        assert seqs == list(range(1, history.last_seq + 1))  # to the bot's end, and then it closed
        assert await refused(server, "/v1/ws") == 503
        state = await until_drain(client, drained=True)
        assert (state["bots"], state["bots_here"], state["sockets"]) == (0, 0, 0)
        undone = (await client.delete("/v1/drain")).json()
        assert (undone["draining"], undone["drained"]) == (False, False)
        assert (await client.get("/ready")).status_code == 200
        async with socket(server) as again:
            await say(again, type="ping")
            assert await said(again) == {"type": "pong"}
        assert (await client.delete("/v1/drain")).json()["draining"] is False
        second = (await ordered(client, STAY))["id"]
        assert (await client.post("/v1/drain")).json()["since"] != begun["since"]
        assert (await client.post(f"/v1/bots/{second}/stop")).status_code == 202
        await until_drain(client, drained=True)


async def test_an_order_is_refused_for_now_in_each_dialects_own_form(tmp_path):
    async with (
        serving(tmp_path, dialects=DIALECTS) as server,
        http(server) as client,
    ):
        assert (await client.post("/v1/drain")).status_code == 202
        for name, (path, body, where) in ORDERS.items():
            answer = await client.post(path, json=body)
            assert answer.status_code == 503, (name, answer.text)
            assert answer.headers["retry-after"] == "5", name
            words = answer.json()[where]
            assert "draining" in words, (name, words)
            assert "another server answers" in answer.text, name
        assert server.service.live.all() == []


async def test_nobody_drains_a_server_with_the_key_of_a_user(tmp_path):
    async with serving(tmp_path, api_key="the-operators") as server:
        service = server.service
        _, users = await service.create_key(
            1, scopes=frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN, Scope.TAKE_OVER})
        )
        _, operators = await service.create_key(1, scopes=frozenset({Scope.OPERATE}))
        async with http(server) as nobody:
            assert (await nobody.post("/v1/drain")).status_code == 401
        async with http(server, users) as client:
            for ask in (client.get, client.post, client.delete):
                answer = await ask("/v1/drain")
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert service.draining.since is None
        async with http(server, operators) as client:
            assert (await client.get("/v1/bots")).status_code == 403  # it may nothing else
            assert (await client.post("/v1/drain")).status_code == 202
        assert service.draining.since is not None


async def test_its_clients_stay_for_a_while_so_that_a_balancer_can_notice(tmp_path):
    async with (
        serving(tmp_path, drain_s=0.6) as server,
        http(server) as client,
        socket(server) as connection,
    ):
        await say(connection, type="ping")
        assert await said(connection) == {"type": "pong"}
        state = (await client.post("/v1/drain")).json()
        assert state["sockets"] == 1
        await say(connection, type="ping")
        assert await said(connection) == {"type": "pong"}
        with pytest.raises(trio_websocket.ConnectionClosed) as closed:
            await said(connection)
        assert closed.value.reason is not None
        assert closed.value.reason.code == CLOSE_CODE
        assert "after your last event" in str(closed.value.reason.reason)


@pytest.mark.folder_store
async def test_others_take_over_its_bots_and_a_follower_goes_on_there_after_what_it_has(
    tmp_path, postgres
):
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url, processes=True) as (drained, client),
        one_of_them(tmp_path, url, processes=True) as (other, beside),
    ):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        seqs: list[int] = []
        async with socket(drained, authorization=f"Bearer {KEY}") as connection:
            async with trio.open_nursery() as nursery:
                codes: list[int] = []

                async def follow() -> None:
                    codes.append(await follow_until_parted(connection, bot_id, 0, seqs))

                nursery.start_soon(follow)
                with trio.fail_after(60):
                    while not seqs:  # noqa: ASYNC110
                        await trio.sleep(0.05)
                await until_drain(client, takers=1)
                assert (await client.post("/v1/drain")).status_code == 202
            assert codes == [CLOSE_CODE]
        assert await refused(drained, "/v1/ws", authorization=f"Bearer {KEY}") == 503
        state = await until_drain(client, handed_over=True, sockets=0)
        assert (state["bots"], state["bots_here"], state["drained"]) == (0, 1, False)
        with trio.fail_after(60):
            while not (live := other.service.live.get(bot_id)) or not live.ours:  # noqa: ASYNC110
                await trio.sleep(0.05)
        last = seqs[-1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_follow_to_the_end, other, bot_id, last, seqs)
            sent = await beside.post(f"/v1/bots/{bot_id}/chat", json={"text": "still here"})
            assert sent.status_code == 200, sent.text
            shown = await client.get(f"/v1/bots/{bot_id}")  # the drained one answers whoever asks
            assert shown.json()["state"] == "recording"
            assert (await beside.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
        assert seqs == list(range(1, len(seqs) + 1))
        assert (await settled(beside, bot_id))["reason"] == "stop_requested"
        assert len(ends(tmp_path, bot_id)) == 1
        assert (await until_drain(client, drained=True))["bots_here"] == 0
        # Two that drain take nothing from each other, and the one that comes back does.
        later = (await ordered(beside, STAY))["id"]
        assert (await client.delete("/v1/drain")).json()["draining"] is False
        assert (await beside.post("/v1/drain")).status_code == 202
        await until_drain(beside, handed_over=True)
        with trio.fail_after(60):
            while not (live := drained.service.live.get(later)) or not live.ours:  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert (await client.post(f"/v1/bots/{later}/stop")).status_code == 202
        assert (await settled(client, later))["reason"] == "stop_requested"


def upgrade_as_a_newer_version_does(url: str) -> None:
    """Change the tables as a release does: it only adds to them."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE bots ADD COLUMN mood TEXT"))
        connection.execute(sa.text("CREATE TABLE moods (id INTEGER)"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()


async def renewed(server: Any) -> None:
    """Return when a server has said twice more that it lives."""
    membership = server.service.membership
    for _ in range(2):
        tried = membership._tried
        membership._wanted.set()
        await tried.wait()


@pytest.mark.folder_store
async def test_where_only_the_tables_are_newer_a_server_goes_on(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url) as (server, client),
        one_of_them(tmp_path, url) as (other, beside),
    ):
        upgrade_as_a_newer_version_does(url)
        for each in (server, other, server, other):
            await renewed(each)
        for asked in (client, beside):
            assert (await asked.get("/ready")).status_code == 200
            bot_id = (await ordered(asked, STAY))["id"]
            assert (await asked.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
            assert (await settled(asked, bot_id))["reason"] == "stop_requested"


async def test_one_that_yielded_serves_again_when_the_newer_is_gone_and_not_when_told_to_drain(
    tmp_path, postgres, monkeypatch
):
    monkeypatch.setattr(servers_of_database, "_SETTLED_S", 0.0)
    url = postgres.new_database_with_tables()
    async with one_of_them(tmp_path, url) as (server, client):
        upgrade_as_a_newer_version_does(url)
        newer = evolve(server.service.membership.servers, version="9999")
        number, _ = await newer.enter(server.service.membership._terms)
        await until_drain(client, draining=True)
        await newer.leave(number)
        await until_drain(client, draining=False)
        assert (await client.get("/ready")).status_code == 200
        number, _ = await newer.enter(server.service.membership._terms)
        await until_drain(client, draining=True)
        assert (await client.post("/v1/drain")).status_code == 202
        await newer.leave(number)
        await renewed(server)
        assert (await client.get("/v1/drain")).json()["draining"] is True


@pytest.mark.folder_store
async def test_one_that_a_newer_version_has_overtaken_hands_over_without_being_told(
    tmp_path, postgres, monkeypatch
):
    monkeypatch.setattr(servers_of_database, "_SETTLED_S", 0.0)
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url, processes=True) as (_, client),
        one_of_them(tmp_path, url, processes=True) as (newer, beside),
    ):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        upgrade_as_a_newer_version_does(url)
        members = newer.service.membership
        members.servers = evolve(members.servers, version="9999")
        state = await until_drain(client, draining=True, handed_over=True)
        assert (state["bots"], state["bots_here"]) == (0, 1)
        assert (await client.post("/v1/bots", json={"meeting_url": STAY})).status_code == 503
        assert (await client.get("/ready")).status_code == 503
        with trio.fail_after(60):
            while not (live := newer.service.live.get(bot_id)) or not live.ours:  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert (await beside.get("/ready")).status_code == 200
        assert (await ordered(beside, STAY))["state"] == "requested"
        assert (await beside.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
        assert (await settled(beside, bot_id))["reason"] == "stop_requested"
        assert len(ends(tmp_path, bot_id)) == 1


async def test_bots_of_this_machine_that_another_server_looks_after_are_counted_too(
    tmp_path, postgres
):
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url, processes=True) as (_, client),
        one_of_them(tmp_path, url, processes=True) as (_, beside),
    ):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        assert (await beside.get("/v1/drain")).json()["bots_here"] == 0  # so far nobody looked
        assert (await beside.post("/v1/drain")).status_code == 202
        state = await until_drain(beside, bots_here=1, handed_over=True)
        assert (state["bots"], state["drained"]) == (0, False)
        assert (await client.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
        await until_drain(beside, drained=True)
        assert (await settled(client, bot_id))["reason"] == "stop_requested"


async def _follow_to_the_end(server: Any, bot_id: str, after: int, seqs: list[int]) -> None:
    async with socket(server, authorization=f"Bearer {KEY}") as connection:
        await say(connection, type="subscribe", bot_id=bot_id, after=after, drafts=False)
        while True:
            event = await said(connection)
            assert event["type"] != "error", event
            if "seq" in event:
                seqs.append(event["seq"])
            if event["type"] == "state.changed" and event["data"]["state"] == "completed":
                return


async def test_a_live_stream_ends_and_is_asked_for_again_elsewhere(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        lines: list[str] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read_stream, client, bot_id, lines)
            with trio.fail_after(60):
                while not lines:  # noqa: ASYNC110
                    await trio.sleep(0.05)
            server.service.draining.closed = True
        assert lines[-1] == ": this server is draining"
        assert not any('"state":"completed"' in line for line in lines)
        assert (await client.post(f"/v1/bots/{bot_id}/stop")).status_code == 202


async def _read_stream(client: Any, bot_id: str, lines: list[str]) -> None:
    async with client.stream("GET", f"/v1/bots/{bot_id}/events/stream") as answer:
        async for line in answer.aiter_lines():
            lines.extend([line] if line else [])


# --- the command ---------------------------------------------------------------------------------


async def drain_command(*arguments: str, **environment: str) -> Any:
    """Run `meetcore drain` as a shell does, beside the servers."""
    env = {"MEETCORE_LOAD": "server,files", **environment}
    run = CliRunner()
    with trio.fail_after(60):
        return await trio.to_thread.run_sync(
            lambda: run.invoke(main, ["drain", *arguments], env=env)
        )


async def test_the_command_returns_when_nothing_is_left_and_brings_it_back(tmp_path):
    async with serving(tmp_path, api_key="the-operators") as server:
        done = await drain_command("--url", server.url, MEETCORE_API_KEY="the-operators")
        assert done.exit_code == 0, done.output
        assert "takes no new bots" in done.output
        assert "0 bots to look after, 0 bots on this machine, 0 sockets left" in done.output
        assert "is drained" in done.output
        assert "the-operators" not in done.output
        port = server.url.rpartition(":")[2]
        config = tmp_path / "meetcore.toml"
        config.write_text(f'[plugins.server]\nhost = "0.0.0.0"\nport = {port}\n')
        undone = await drain_command(
            "--config", str(config), "--api-key", "the-operators", "--undo"
        )
        assert undone.exit_code == 0, undone.output
        assert "takes bots again" in undone.output
        assert server.service.draining.since is None


@pytest.mark.folder_store
async def test_the_command_says_what_is_left_when_time_is_up(tmp_path):
    launcher = ChildProcessLauncher()
    async with serving(tmp_path, launcher=launcher) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        done = await drain_command("--url", server.url, "--timeout", "0")
        assert done.exit_code == 1, done.output
        assert "1 bot to look after, 1 bot on this machine" in done.output
        assert "no other server to take its bots" in done.output
        assert "a bot cannot be moved" in done.output
        assert (await client.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
        again = await drain_command("--url", server.url)
        assert again.exit_code == 0, again.output


async def test_the_command_says_why_it_cannot(tmp_path):
    async with serving(tmp_path, api_key="the-operators") as server:
        for arguments, words in (
            (("--url", server.url, "--api-key", "wrong"), "does not take that key"),
            (("--url", server.url, "--api-key", "ключ"), "characters that no key has"),
            (("--url", "ftp://127.0.0.1"), "is no address"),
            (("--url", "http://ada:of-hers@127.0.0.1:1"), "at http://127.0.0.1:1 does not answer"),
            (("--url", f"{server.url}/elsewhere"), "does not drain"),
        ):
            done = await drain_command(*arguments)
            assert done.exit_code == 1, (arguments, done.output)
            assert words in done.output, done.output
            assert "of-hers" not in done.output
        assert server.service.draining.since is None


async def test_behind_a_balancer_the_command_says_which_server_answered(tmp_path, monkeypatch):
    async with (
        serving(tmp_path / "one") as first,
        serving(tmp_path / "two") as second,
        http(first) as client,
        _balancer([first.url, second.url]) as url,
    ):
        bot_id = (await ordered(client, STAY))["id"]
        done = await drain_command("--url", url)
        assert done.exit_code == 1, done.output
        assert "answers now, and what drains is process" in done.output
        assert "not a balancer's" in done.output
        assert first.service.draining.since is not None
        assert second.service.draining.since is None
        assert (await client.post(f"/v1/bots/{bot_id}/stop")).status_code == 202


@asynccontextmanager
async def _balancer(urls: list[str]):
    """Give each request to the next of some servers, as a balancer may."""
    turns = iter(urls * 50)

    async def serve(stream: trio.SocketStream) -> None:
        port = int(next(turns).rpartition(":")[2])
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += bytes(await stream.receive_some(65536))
        asked = asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        async with await trio.open_tcp_stream("127.0.0.1", port) as server, stream:
            await server.send_all(asked)
            async for part in server:
                await stream.send_all(part)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()
