"""How often who may ask: a key for itself, a stranger for his address, and guesses least of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from meetcore.gateway.http import ApiKey, Request
from tests.plugins.server.running import http, refused, serving

DIALECTS = ("vexa", "skribby", "meetstream", "spoke")


@pytest.mark.parametrize(
    ("key", "headers", "query", "found"),
    [
        (ApiKey("authorization", "Bearer"), {"authorization": "bearer  k "}, "", "k"),
        (ApiKey("authorization", "Bearer"), {"authorization": "Token k"}, "", None),
        (ApiKey("authorization", "Token"), {"authorization": "Token k"}, "", "k"),
        (ApiKey("x-api-key"), {"x-api-key": " k "}, "", "k"),
        (ApiKey("x-api-key"), {"x-api-key": " "}, "", None),
        (ApiKey("x-api-key"), {}, "api_key=k", None),
        (ApiKey("x-api-key", query="api_key"), {}, "api_key=k", "k"),
    ],
)
def test_a_mount_says_where_the_key_stands(
    key: ApiKey, headers: dict[str, str], query: str, found: str | None
) -> None:
    assert key.of(Request(headers=tuple(headers.items()), query=query)) == found


async def test_every_mount_says_where_its_keys_stand(tmp_path: Path) -> None:
    async with serving(tmp_path, dialects=DIALECTS) as server:
        assert set(server.mounts.by_name) == set(DIALECTS)
        for mount in server.mounts.by_name.values():
            assert mount.keys, mount.name


async def test_neither_a_junk_header_nor_a_new_wrong_key_each_time_is_a_way_round(
    tmp_path: Path,
) -> None:
    async with (
        serving(tmp_path, dialects=DIALECTS, api_key="root", requests_per_s=4.0) as server,
        http(server) as client,
    ):
        good = {"authorization": "Bearer root"}
        assert (await client.get("/v1/bots", headers=good)).status_code == 200
        junk = [{"x-spoke-api-key": f"junk-{n}", "x-admin-api-key": f"junk-{n}"} for n in range(40)]
        statuses = [(await client.get("/v1/bots", headers=each)).status_code for each in junk]
        assert statuses.count(429) >= 10
        statuses = [
            (await client.get("/v1/bots", headers={"x-api-key": f"wrong-{n}"})).status_code
            for n in range(40)
        ]
        assert statuses.count(429) >= 30
        assert (await client.get("/v1/bots", headers=good)).status_code == 200


async def test_guesses_are_slowed_and_cost_the_database_nothing(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("meetcore_server.callers.GUESSES_PER_S", 0.01)
    async with (
        serving(tmp_path, dialects=DIALECTS, api_key="root", requests_per_s=None) as server,
        http(server) as client,
    ):
        keys = server.service.stores.keys
        made, secret = await keys.create(1)
        assert made.revoked_at is None
        good = {"authorization": f"Bearer {secret}"}
        assert (await client.get("/v1/bots", headers=good)).status_code == 200
        asked: list[str] = []
        authenticate = type(keys).authenticate

        async def counted(self: Any, key: str) -> Any:
            asked.append(key)
            return await authenticate(self, key)

        monkeypatch.setattr(type(keys), "authenticate", counted)
        paths = ["/v1/bots", "/vexa/bots", "/skribby/bot/x", "/meetstream/api/v1/bots/x/status"]
        for number in range(100):
            wrong = {
                "authorization": f"{'Token' if number % 4 == 3 else 'Bearer'} wrong-{number}",
                "x-api-key": f"wrong-{number}",
            }
            answer = await client.get(paths[number % 4], headers=wrong)
            assert answer.status_code in (401, 403, 429)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert len([key for key in asked if key.startswith("wrong")]) < 50
        assert (await client.get("/v1/bots", headers=good)).status_code == 200


async def test_handshakes_are_counted_and_false_tokens_are_guesses(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("meetcore_server.callers.GUESSES_AT_ONCE", 5.0)
    monkeypatch.setattr("meetcore_server.callers.GUESSES_PER_S", 0.01)
    async with serving(tmp_path, dialects=DIALECTS, api_key="root") as server:
        statuses = [await refused(server, f"/v1/ws?token=wrong-{n}") for n in range(7)]
        assert statuses[:5] == [401] * 5
        assert statuses[-1] == 429
        assert await refused(server, "/skribby/ws/x?token=wrong") == 429


async def test_handshakes_without_anything_count_for_the_address(tmp_path: Path) -> None:
    async with serving(tmp_path, api_key="root", requests_per_s=0.1) as server:
        statuses = [await refused(server, "/v1/ws?token=x") for _ in range(3)]
        assert statuses[-1] == 429


async def test_a_body_is_read_only_for_whoever_has_a_valid_key(tmp_path: Path) -> None:
    """Every route that takes one, of the native API and of every mount."""
    async with serving(tmp_path, dialects=DIALECTS, api_key="root", requests_per_s=None) as server:
        writing = {("POST", "/v1/bots"), ("POST", "/v1/webhooks"), ("POST", "/v1/socket-tokens")}
        for mount in server.mounts.by_name.values():
            for route in mount.routes:
                if route.method in ("POST", "PUT", "PATCH"):
                    path = route.template.replace("{", "").replace("}", "")
                    writing.add((route.method, f"/{mount.name}{path}"))
        assert len(writing) > 40
        host, _, port = server.url.removeprefix("http://").partition(":")
        for method, path in sorted(writing):
            async with await trio.open_tcp_stream(host, int(port)) as stream:
                await stream.send_all(
                    f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n"
                    "Expect: 100-continue\r\n\r\n".encode()
                )
                with trio.fail_after(90):
                    heard = await stream.receive_some(4096)
                assert heard[:12] in (b"HTTP/1.1 401", b"HTTP/1.1 403", b"HTTP/1.1 404"), (
                    path,
                    heard,
                )
