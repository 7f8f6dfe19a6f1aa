"""The port and who comes in: keys, scopes, other people's pages, stalled peers, nonsense."""

from __future__ import annotations

import time

import pytest
import trio
import trio_websocket
from hypothesis import given
from hypothesis import strategies as st

import meetcore
import meetcore_server
from meetcore.fleet.launching.in_process import InProcessLauncher
from meetcore.model.errors import ConfigError, FleetFull
from meetcore_server import bot_supervision as supervision
from meetcore_server.http_connection import HttpLimits
from meetcore_server.rate_limit import RateLimiter

from .running import (
    DENY,
    SHORT,
    STAY,
    http,
    ordered,
    plugin_files_of_tests,
    serving,
    socket,
    until,
)


async def test_without_a_key_the_server_is_for_this_machine_alone(tmp_path):
    with pytest.raises(ConfigError, match="Without an API key"):
        async with serving(tmp_path, host="0.0.0.0"):
            pytest.fail("it listens")


async def test_with_a_key_nobody_comes_in_without_it(tmp_path):
    async with serving(tmp_path, api_key="k1", host="0.0.0.0") as server, http(server) as client:
        for path in ("/v1/bots", "/v1/keys", "/v1/webhooks"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        for headers in ({"authorization": "Bearer k1"}, {"x-api-key": "k1"}):
            assert (await client.get("/v1/bots", headers=headers)).status_code == 200
        for path in ("/health", "/ready", "/metrics"):
            assert (await client.get(path)).status_code == 200


async def test_a_server_whose_last_key_is_revoked_lets_nobody_in(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        assert (await client.get("/v1/bots")).status_code == 200
        user, _ = await server.service.create_user("ada@example.org")
        row, key = await server.service.create_key(user.id)
        assert (await client.get("/v1/bots")).status_code == 401
        await server.service.revoke_key(row.id)
        for headers in ({}, {"authorization": f"Bearer {key}"}, {"authorization": "Bearer x"}):
            assert (await client.get("/v1/bots", headers=headers)).status_code == 401


async def test_keys_are_made_shown_once_scoped_listed_and_revoked(tmp_path):
    async with serving(tmp_path, api_key="root") as server, http(server, "root") as root:
        made = (await root.post("/v1/keys", json={"label": "crm", "scopes": ["read"]})).json()
        assert made["secret"].startswith("mc_")
        listed = (await root.get("/v1/keys")).json()
        assert [key["label"] for key in listed] == ["crm"]
        assert made["secret"] not in str(listed)
        assert made["secret"].startswith(listed[0]["hint"])
        async with http(server, made["secret"]) as reader:
            assert (await reader.get("/v1/bots")).status_code == 200
            for answer in (
                await reader.post("/v1/bots", json={"meeting_url": SHORT}),
                await reader.get("/v1/keys"),
                await reader.post("/v1/socket-tokens", json={"write": True}),
            ):
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            assert (await root.delete(f"/v1/keys/{made['id']}")).status_code == 204
            assert (await reader.get("/v1/bots")).status_code == 401
        assert (await root.delete(f"/v1/keys/{made['id']}")).status_code == 404
        database = (tmp_path / "server.db").read_bytes()
        assert made["secret"].encode() not in database


async def test_users_do_not_see_one_anothers_bots(tmp_path):
    async with serving(tmp_path, api_key="root") as server, http(server, "root") as root:
        body = {"user_email": "ann@example.org"}
        anns = (await root.post("/v1/keys", json=body)).json()["secret"]
        bot = await ordered(root, STAY)
        async with http(server, anns) as ann:
            assert (await ann.get("/v1/bots")).json()["bots"] == []
            for method, path in (("GET", ""), ("POST", "/stop"), ("GET", "/transcript")):
                answer = await ann.request(method, f"/v1/bots/{bot['id']}{path}")
                assert (answer.status_code, answer.json()["code"]) == (404, "bot_not_found")


async def test_a_page_of_somebody_elses_cannot_use_an_open_server_through_a_browser(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        evil = {"origin": "https://evil.example", "content-type": "text/plain"}
        answer = await client.post(
            "/v1/bots", content=b'{"meeting_url": "https://x"}', headers=evil
        )
        assert answer.status_code == 403
        rebound = await client.get("/v1/bots", headers={"host": "evil.example"})
        assert rebound.status_code == 403
        own = await client.get("/v1/bots", headers={"origin": server.url})
        assert own.status_code == 200


@pytest.mark.folder_store
async def test_a_client_that_stops_reading_holds_up_neither_others_nor_the_shutdown(tmp_path):
    async with serving(tmp_path, config={"sinks": ["files"]}) as server, http(server) as client:
        bot = await until(client, (await ordered(client))["id"], "completed")
        big = tmp_path / "bots" / bot["id"] / "files" / "mix.opus"
        big.write_bytes(bytes(64 * 1024 * 1024))
        recordings = (await client.get(f"/v1/bots/{bot['id']}/recordings")).json()
        url = next(each["url"] for each in recordings if each["path"].endswith("mix.opus"))
        host, port = server.url.removeprefix("http://").split(":")
        stalled = await trio.open_tcp_stream(host, int(port))
        path = url.removeprefix(server.url)
        await stalled.send_all(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b"200" in await stalled.receive_some(100)
        for _ in range(5):
            assert (await client.get("/health")).status_code == 200
        began = time.monotonic()
    assert time.monotonic() - began < 60
    await stalled.aclose()


async def test_half_a_request_does_not_stay_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("meetcore_server.assembly.HTTP_LIMITS", HttpLimits(head_s=0.3))
    async with serving(tmp_path) as server, http(server) as client:
        host, port = server.url.removeprefix("http://").split(":")
        stream = await trio.open_tcp_stream(host, int(port))
        async with stream:
            await stream.send_all(b"GET /v1/bots HTTP/1.1\r\nHost: loc")
            with trio.fail_after(90):
                assert await stream.receive_some(100) == b""
        assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n",
        b"GET /v1/bots HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST /v1/bots HTTP/1.1\r\nHost: localhost\r\nContent-Length: abc\r\n\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_request_get_an_answer_or_a_close(tmp_path, sent):
    async with serving(tmp_path) as server, http(server) as client:
        host, port = server.url.removeprefix("http://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            received = b""
            try:
                with trio.fail_after(90):
                    await stream.send_all(sent)
                    await stream.send_eof()
                    while part := await stream.receive_some(4096):
                        received += part
            except trio.BrokenResourceError:
                pass  # it hung up in the middle, which is an answer
            assert not received or received.startswith(b"HTTP/1.1 4"), received
        assert (await client.get("/health")).status_code == 200


async def test_a_body_that_is_too_long_is_refused_before_it_is_read(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        answer = await client.post("/v1/bots", content=b"x" * (1024 * 1024 + 1))
        assert answer.status_code == 413
        assert answer.json()["code"] == "body_too_long"


async def test_a_port_that_is_taken_is_named(tmp_path):
    async with serving(tmp_path / "one") as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(ConfigError, match=f"port {port}"):
            async with serving(tmp_path / "two", port=port):
                pytest.fail("two servers on one port")


async def test_metrics_count_what_happens(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, STAY)
        await until(client, bot["id"], "recording")
        text = (await client.get("/metrics")).text
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        assert values['meetcore_bots{state="recording"}'] == "1"
        assert float(values['meetcore_requests_total{status="2xx"}']) >= 2
        assert float(values["meetcore_events_total"]) > 5
        assert values["meetcore_bots_waiting"] == "0"
        assert values["meetcore_bots_limit"] == "50"
        assert values["meetcore_bots_troubled"] == "0"
        assert values['meetcore_webhook_messages_total{result="given_up"}'] == "0"
        for line in text.splitlines():
            assert line.startswith("# ") or len(line.split(" ")) == 2


def ended_of(text: str) -> dict[str, str]:
    """Return what the metrics count of bots that ended, by labels."""
    lines = [line for line in text.splitlines() if line.startswith("meetcore_bots_ended_total{")]
    return {line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in lines}


async def test_metrics_count_how_bots_ended_and_those_that_have_no_place(tmp_path):
    """One that has no place waits; what ended is counted once, by state and reason."""

    class Full(InProcessLauncher):
        full = True

        async def launch(self, spec, nursery):
            if self.full:
                raise FleetFull("The cluster has no room.", "")
            return await super().launch(spec, nursery)

    launcher = Full(meetcore.Plugins(only=["files"], files=plugin_files_of_tests()))
    async with serving(tmp_path, launcher=launcher) as server, http(server) as client:
        bot = await ordered(client, DENY)
        assert "meetcore_bots_waiting 1\n" in (await client.get("/metrics")).text
        ends = ended_of((await client.get("/metrics")).text)
        assert set(ends.values()) == {"0"}, "a series that begins later shows no increase"
        launcher.full = False
        ended = await until(client, bot["id"], "failed")
        of_it = f'meetcore_bots_ended_total{{state="failed",reason="{ended["reason"]}"}} 1\n'
        while of_it not in (text := (await client.get("/metrics")).text):
            assert set(ended_of(text).values()) == {"0"}
        assert "meetcore_bots_waiting 0\n" in text


async def test_a_cluster_that_is_full_is_asked_again_when_it_says(tmp_path, monkeypatch):
    """And not at once; a stop is not held up by that."""
    monkeypatch.setattr(supervision, "_AGAIN_AFTER_S", 0.01)
    asked = []

    class Full(InProcessLauncher):
        async def launch(self, spec, nursery):
            asked.append(spec.bot_id)
            raise FleetFull("The cluster has no room.", retry_after_s=3600.0)

    launcher = Full(meetcore.Plugins(only=["files"], files=plugin_files_of_tests()))
    async with serving(tmp_path, launcher=launcher) as server, http(server) as client:
        bot = await ordered(client, DENY)
        for _ in range(20):  # many times the pause without it
            assert "meetcore_bots_waiting 1\n" in (await client.get("/metrics")).text
        assert asked == [bot["id"]]
        await client.post(f"/v1/bots/{bot['id']}/stop")
        ended = await until(client, bot["id"], "failed")
        assert ended["reason"] == "stop_requested"
        assert asked == [bot["id"]]


async def test_two_plugins_that_mount_the_same_name_are_named(tmp_path):
    class Twice:
        @meetcore.hookimpl
        def meetcore_register_routes(self, app):
            from meetcore.gateway.http import Mount, Reply

            def refuse(request, error):
                return Reply(status=400)

            for _ in range(2):
                app.mount(Mount(name="twice", title="Twice", refuse=refuse))

    from meetcore_server.assembly import ServeOptions, open_server

    plugins = meetcore.Plugins(entry_points=False, objects={"twice": Twice()})
    config = meetcore.BotConfig(out_dir=tmp_path)
    async with meetcore.open_fleet(
        config, plugins=plugins, launcher=InProcessLauncher(plugins)
    ) as fleet:
        options = ServeOptions(port=0, database=f"sqlite:///{tmp_path}/server.db")
        with pytest.raises(meetcore.MeetcoreError, match="twice"):
            async with open_server(fleet, options):
                pytest.fail("it serves")


async def test_who_asks_too_often_is_told_when_to_come_again(tmp_path):
    async with (
        serving(tmp_path, dialects=("vexa",), api_key="root", requests_per_s=2.0) as server,
        http(server) as client,
    ):
        made = await client.post("/v1/keys", json={}, headers={"x-api-key": "root"})
        headers = {"x-api-key": made.json()["secret"]}
        answers = [await client.get("/v1/bots", headers=headers) for _ in range(14)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert 2 <= len(refused) <= 4
        assert refused[0].json()["code"] == "too_many_requests"
        assert refused[0].headers["content-type"] == "application/problem+json"
        assert int(refused[0].headers["retry-after"]) >= 1
        other = await client.get("/v1/bots", headers={"x-api-key": "root"})
        assert other.status_code == 200


@pytest.mark.parametrize(
    ("dialect", "path", "said"),
    [
        ("vexa", "/vexa/bots/status", {"detail": "Too many requests"}),
        ("skribby", "/skribby/bot/scheduled", {"message": "Too Many Attempts."}),
        (
            "meetstream",
            "/meetstream/api/v1/bots",
            {"message": "Too many requests, please try again later"},
        ),
        (
            "spoke",
            "/spoke/bots/bots_with_metadata",
            {"error": "TooManyRequests", "message": "Too many requests; try again later."},
        ),
    ],
)
async def test_a_dialect_says_in_its_own_words_that_it_is_asked_too_often(
    tmp_path, dialect, path, said
):
    async with (
        serving(tmp_path, dialects=(dialect,), api_key="root", requests_per_s=0.5) as server,
        http(server) as client,
    ):
        made = await client.post("/v1/keys", json={}, headers={"x-api-key": "root"})
        key = made.json()["secret"]
        scheme = "Token" if dialect == "meetstream" else "Bearer"
        headers = {"x-api-key": key, "x-spoke-api-key": key, "authorization": f"{scheme} {key}"}
        for _ in range(20):
            answer = await client.get(path, headers=headers)
            if answer.status_code == 429:
                break
        assert (answer.status_code, answer.json()) == (429, said)
        assert len(answer.headers.get_list("retry-after")) == 1
        assert int(answer.headers["retry-after"]) >= 1


async def test_who_says_too_much_at_once_over_a_socket_is_parted_with(tmp_path):
    async with serving(tmp_path) as server, socket(server) as connection:
        with pytest.raises(trio_websocket.ConnectionClosed) as closed:
            for _ in range(2000):
                await connection.send_message('{"type":"ping"}')
            while True:
                await connection.get_message()
        assert closed.value.reason.code == 1008


@given(st.lists(st.floats(0.0, 3.0), max_size=40))
def test_a_bucket_never_gives_more_than_its_rate_and_burst(pauses):
    now = 0.0
    buckets = RateLimiter(per_s=2.0, burst=4.0, clock=lambda: now)
    given_at = []
    for pause in pauses:
        now += pause
        wait_s = buckets.wait_s("a")
        if wait_s == 0.0:
            given_at.append(now)
        else:
            assert 0.0 < wait_s <= 0.5 + 1e-6
    for first in range(len(given_at)):
        for last in range(first, len(given_at)):
            assert last - first + 1 <= 4.0 + 2.0 * (given_at[last] - given_at[first]) + 1e-6


async def test_a_server_can_be_started_in_the_callers_own_nursery(tmp_path):
    config = meetcore.BotConfig(out_dir=tmp_path)
    plugins = meetcore.Plugins(only=["server"])
    options = meetcore_server.ServeOptions(port=0, database=f"sqlite:///{tmp_path}/server.db")
    async with (
        meetcore.open_fleet(config, plugins=plugins) as fleet,
        trio.open_nursery() as nursery,
    ):
        server = await nursery.start(meetcore_server.serve, fleet, options)
        async with http(server) as client:
            assert (await client.get("/ready")).json() == {"status": "ready"}
        nursery.cancel_scope.cancel()
