"""What clients send that is no good is told so, never with a 500; what only looks odd is taken."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetcore.gateway.http import BadBody, Mount, Reply, Request, Route
from meetcore.model.errors import ConfigError, MeetcoreError
from tests.json_values import nested
from tests.plugins.server.running import (
    SHORT,
    STAY,
    WAIT,
    http,
    ordered,
    refused,
    serving,
    until,
)

DIALECTS = ("vexa", "skribby", "meetstream", "spoke")
NESTED = [b"[" * 5000 + b"]" * 5000, b'{"a":' * 3000 + b"1" + b"}" * 3000]
BAD = [b'{"name":"Jos\xe9"}', *NESTED, b"\xff\xfe", b'{"a": NaN}', b'{"a": "\\ud800"}', b"\x00"]
KEYS = {"x-api-key": "k", "x-spoke-api-key": "k", "authorization": "Bearer k"}


def sending(path: str) -> dict[str, str]:
    return {**KEYS, "authorization": "Token k"} if path.startswith("/meetstream") else KEYS


@pytest.mark.parametrize("body", BAD)
def test_a_body_that_is_no_json_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(BadBody):
        Request(body=body).json()


VALUES = nested(st.none() | st.integers())


@settings(deadline=None)
@given(VALUES)
def test_a_body_that_is_json_is_read_with_and_without_a_byte_order_mark(value: object) -> None:
    text = json.dumps(value).encode()
    assert Request(body=text).json() == value
    assert Request(body=b"\xef\xbb\xbf" + text).json() == value


async def test_no_route_answers_500_to_a_body_that_is_none(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, dialects=DIALECTS, api_key="k", requests_per_s=None) as server,
        http(server) as client,
    ):
        bot = await ordered_with(client, STAY)
        described = (await client.get("/openapi/openapi.json")).json()["paths"]
        routes = {
            (
                method.upper(),
                template.replace("{bot_id}", bot["id"]).replace("{", "").replace("}", ""),
            )
            for template, operations in described.items()
            for method in operations
            if method in ("post", "patch", "put")
        }
        for mount in server.mounts.by_name.values():
            for route in mount.routes:
                if route.method in ("POST", "PUT", "PATCH") and "/v1/" not in route.template:
                    path = route.template.replace("{id}", bot["id"])
                    path = path.replace("{", "").replace("}", "")
                    routes.add((route.method, f"/{mount.name}{path}"))
        assert len(routes) > 40
        for method, path in sorted(routes):
            for body in (BAD[0], NESTED[0], b"[1]", b'"x"', b""):
                answer = await client.request(method, path, content=body, headers=sending(path))
                # 503 is how one of the vendors says that the bot is not so far yet.
                assert answer.status_code < 500 or answer.status_code == 503, (
                    f"{method} {path} {body[:20]!r}: {answer.status_code} {answer.text}"
                )
        for body in BAD:
            answer = await client.post("/v1/bots", content=body, headers=KEYS)
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_body"), body[:20]


async def ordered_with(client: Any, url: str, **more: Any) -> dict[str, Any]:
    answer = await client.post("/v1/bots", json={"meeting_url": url, **more}, headers=KEYS)
    assert answer.status_code in (200, 201), answer.text
    bot: dict[str, Any] = answer.json()
    return bot


TIMES = st.datetimes().map(datetime.isoformat) | st.sampled_from(
    ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", "2027-02-30T00:00:00", ""]
)
ZONES = st.sampled_from(["", "Z", "z", "+23:59", "-23:59", "+00:00", "+24:00"])


async def test_no_time_however_odd_is_a_500(tmp_path: Path) -> None:
    said: set[str] = set()

    @settings(
        max_examples=40,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(TIMES, ZONES)
    def collect(time: str, zone: str) -> None:
        said.add(time + zone)

    collect()
    said |= {
        f"{t}{z}"
        for t in ("0001-01-01T00:00:00", "9999-12-31T23:59:59")
        for z in ("+23:59", "-23:59")
    }
    async with (
        serving(tmp_path, dialects=DIALECTS, requests_per_s=None) as server,
        http(server) as c,
    ):
        for at in said:
            for path, body in (
                ("/v1/bots", {"meeting_url": SHORT, "join_at": at}),
                ("/v1/keys", {"expires_at": at, "scopes": ["admin"], "max_bots": 0}),
                (
                    "/meetstream/api/v1/bots/create_bot",
                    {"meeting_link": "https://x", "join_at": at},
                ),
                ("/spoke/bots", {"meeting_url": "https://x", "bot_name": "B", "start_time": at}),
                ("/skribby/bot/validate", {"meeting_url": "https://x", "scheduled_for": at}),
            ):
                answer = await c.post(path, json=body)
                assert answer.status_code < 500, (path, at, answer.text)


async def test_a_small_z_and_a_byte_order_mark_are_taken(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, http(server) as client:
        at = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%Sz")
        body = json.dumps({"meeting_url": SHORT, "join_at": at}).encode()
        answer = await client.post("/v1/bots", content=b"\xef\xbb\xbf" + body)
        assert (answer.status_code, answer.json()["state"]) == (201, "scheduled")


@pytest.mark.parametrize(
    "url",
    ["https://[", "https://exa mple.com/", "https://example.com:99999/", "https://", "x://y",
     "https://a..b/", "https://\x7f/", "https://" + "a" * 70 + ".org/", "https://example.com:0/"],
)  # fmt: skip
async def test_an_address_that_cannot_be_is_refused_when_it_is_given(
    tmp_path: Path, url: str
) -> None:
    async with serving(tmp_path, private_targets=("*",)) as server, http(server) as client:
        made = await client.post("/v1/webhooks", json={"url": url})
        assert (made.status_code, made.json()["code"]) == (422, "invalid")
        hook = {"meeting_url": SHORT, "webhooks": [{"url": url}]}
        answer = await client.post("/v1/bots", json=hook)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert (await client.get("/v1/bots")).json()["bots"] == []


async def test_a_header_that_a_client_had_a_hand_in_stays_one_header(tmp_path: Path) -> None:
    async def answer(request: Request) -> Reply:
        return Reply(json={}, headers={"X-Note": f"a\r\nX-Evil: {request.args['x']}€"})

    def refuse(request: Request, error: MeetcoreError) -> Reply:
        return Reply(status=400, json={})

    async with serving(tmp_path) as server, http(server) as client:
        routes = [Route("GET", "/", answer)]
        server.mounts.add(Mount(name="noting", title="", routes=routes, refuse=refuse))
        got = await client.get("/noting/?x=y")
        assert got.status_code == 200
        assert "x-evil" not in got.headers
        assert got.headers["x-note"].startswith("a X-Evil: y")


async def test_a_key_used_again_for_another_order_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, dialects=("meetstream",)) as server, http(server) as client:
        headers = {"idempotency-key": "booking-7"}
        body = {"meeting_url": WAIT, "metadata": {"a": "b"}, "webhooks": []}
        first = await client.post("/v1/bots", json=body, headers=headers)
        same = await client.post("/v1/bots", json=body, headers=headers)
        assert (same.status_code, same.json()["replayed"]) == (200, True)
        for change in ({"meeting_url": STAY}, {"metadata": {"a": "c"}}, {"name": "Another"}):
            other = await client.post("/v1/bots", json={**body, **change}, headers=headers)
            assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
            assert other.json()["bot_id"] == first.json()["id"]
        path = "/meetstream/api/v1/bots/create_bot"
        statuses = [
            (await client.post(path, json={"meeting_link": link}, headers=headers)).status_code
            for link in (WAIT, WAIT, STAY)
        ]
        assert statuses == [201, 507, 409]


@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "open"])
async def test_with_the_database_away_every_answer_is_a_typed_503(
    tmp_path: Path, keyed: bool
) -> None:
    async with (
        serving(tmp_path, dialects=DIALECTS, api_key="k" if keyed else None) as server,
        http(server) as client,
    ):
        assert (await client.get("/v1/bots", headers=KEYS)).status_code == 200
        (tmp_path / "server.db").unlink()
        (tmp_path / "server.db").mkdir()  # which no new connection can open
        server.service.stores.keys._remembered.clear()
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/ready")).status_code == 503
        wrong = {"authorization": "Bearer other", "x-api-key": "other"}
        for method, path, headers in (
            ("GET", "/v1/bots", KEYS),
            ("GET", "/v1/bots", wrong),
            ("POST", "/v1/bots", wrong),
            ("GET", "/v1/keys", KEYS),
        ):
            answer = await client.request(method, path, headers=headers, json={})
            assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
            assert answer.headers["content-type"] == "application/problem+json"
        for path in ("/vexa/bots", "/skribby/bot/x", "/spoke/bots/meeting_data?bot_id=x",
                     "/meetstream/api/v1/bots/x/status"):  # fmt: skip
            answer = await client.get(path, headers=sending(path))
            assert answer.status_code == 503, (path, answer.text)
            assert answer.json()
            assert answer.headers["retry-after"]
        assert await refused(server, "/v1/ws", authorization="Bearer other") == 503


@pytest.mark.parametrize(
    ("site", "mode", "path", "status"),
    [
        ("cross-site", "no-cors", "/meetstream/api/v1/bots/x/remove_bot", 403),
        ("same-site", "no-cors", "/meetstream/api/v1/bots/x/remove_bot", 403),
        ("cross-site", "navigate", "/meetstream/api/v1/bots/x/remove_bot", 403),
        ("same-origin", "cors", "/meetstream/api/v1/bots/x/remove_bot", 404),
        ("none", "navigate", "/meetstream/api/v1/bots/x/remove_bot", 404),
        ("cross-site", "navigate", "/", 200),
        ("cross-site", "no-cors", "/v1/bots", 403),
    ],
)
async def test_an_open_server_does_nothing_for_an_image_or_a_link_of_another_page(
    tmp_path: Path, site: str, mode: str, path: str, status: int
) -> None:
    async with serving(tmp_path, dialects=("meetstream",)) as server, http(server) as client:
        headers = {"sec-fetch-site": site, "sec-fetch-mode": mode}
        assert (await client.get(path, headers=headers)).status_code == status


APP = "https://app.example.org"


@pytest.mark.parametrize("key", [None, "k"], ids=["open", "with a key"])
async def test_pages_of_a_listed_origin_may_use_the_server_and_no_others(
    tmp_path: Path, key: str | None
) -> None:
    async with (
        serving(tmp_path, api_key=key, dialects=("vexa",), allowed_origins=(APP,)) as server,
        http(server, key) as client,
    ):
        ask = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "x-api-key",
        }
        for path in ("/v1/bots", "/vexa/bots"):
            before = await client.options(path, headers={"origin": APP, **ask})
            assert before.status_code == 204
            assert before.headers["access-control-allow-origin"] == APP
            assert "POST" in before.headers["access-control-allow-methods"]
            assert before.headers["access-control-allow-headers"] == "x-api-key"
            other = await client.options(path, headers={"origin": "https://evil.example", **ask})
            assert "access-control-allow-origin" not in other.headers
        got = await client.get("/v1/bots", headers={"origin": APP})
        assert got.status_code == 200
        assert got.headers["access-control-allow-origin"] == APP
        assert got.headers["vary"] == "Origin"
        other = await client.get("/v1/bots", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        assert other.status_code == (200 if key else 403)


async def test_by_default_no_other_origin_may_read_anything(tmp_path: Path) -> None:
    async with serving(tmp_path, api_key="k") as server, http(server, "k") as client:
        got = await client.get("/v1/bots", headers={"origin": APP})
        assert not [name for name in got.headers if name.startswith("access-control")]


async def test_what_is_no_origin_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="allowed_origins"):
        async with serving(tmp_path, allowed_origins=("app.example.org",)):
            pytest.fail("it serves")


async def test_a_head_is_answered_wherever_a_get_is(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, dialects=DIALECTS, config={"sinks": ["files"]}) as server,
        http(server) as client,
    ):
        bot = await ordered(client, STAY)
        await until(client, bot["id"], "recording")
        for path in (
            "/", "/docs", "/static/app.js", "/health", "/ready", "/metrics", "/v1/about",
            "/v1/bots", f"/v1/bots/{bot['id']}", f"/v1/bots/{bot['id']}/transcript",
            f"/v1/bots/{bot['id']}/events/stream", "/openapi/openapi.json", "/vexa/bots",
            f"/skribby/bot/{bot['id']}", "/v1/media/nothing",
        ):  # fmt: skip
            head = await client.head(path)
            assert head.content == b""
            if path.endswith("stream"):
                assert head.status_code == 200
                continue
            got = await client.get(path)
            assert head.status_code == got.status_code, path
            if "content-length" in got.headers and path != "/metrics":
                assert head.headers["content-length"] == got.headers["content-length"], path


async def test_where_the_server_is_seen_is_said_in_one_place(tmp_path: Path) -> None:
    seen = "https://bots.example.org/meet"
    async with (
        serving(tmp_path, dialects=DIALECTS, public_url=seen + "/") as server,
        http(server) as client,
    ):
        bot = await ordered(client, STAY)
        token = (await client.post("/v1/socket-tokens", json={})).json()
        assert token["url"] == "wss://bots.example.org/meet/v1/ws"
        described = (await client.get("/openapi/openapi.json")).json()
        assert described["servers"] == [{"url": seen}]
        shown = (await client.get(f"/skribby/bot/{bot['id']}")).json()
        assert shown["websocket_url"].startswith("wss://bots.example.org/meet/skribby/ws/")


@pytest.mark.parametrize("url", ["bots.example.org", "ftp://x", "https://x/?a=b", "https://["])
async def test_what_is_no_place_to_be_seen_ends_the_start(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="public_url"):
        async with serving(tmp_path, public_url=url):
            pytest.fail("it serves")


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_the_pages_ask_for_everything_below_where_they_are_seen(
    tmp_path: Path, path: str
) -> None:
    async with serving(tmp_path) as server, http(server) as client:
        page = (await client.get(path)).text
        asked = re.findall(r'(?:href|src)="([^"]*)"', page)
        assert len(asked) > 5
        assert not [each for each in asked if each.startswith(("/", "http"))]


async def test_no_query_parameter_is_ignored(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, SHORT)
        for path, detail, remedy in (
            (f"/v1/bots/{bot['id']}/clip?track=Ada", "'track'", "Known: format, from, to"),
            ("/v1/bots?limits=3", "'limits'", "Did you mean 'limit'?"),
            (f"/v1/bots/{bot['id']}?after=3", "'after'", "It takes none."),
            ("/v1/bots?states=recording", "'states'", "Did you mean 'state'?"),
        ):
            answer = await client.get(path)
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (422, "invalid"), answer.text
            assert problem["detail"] == f"There is no query parameter {detail} here."
            assert problem["remedy"].startswith(remedy)
        known = "state=joining&state=recording&limit=1&platform=google_meet&native_id=short-abc"
        assert (await client.get(f"/v1/bots?{known}")).status_code == 200
        for query, field, words in (
            ("limit=0", "limit", "from 1 to 200"),
            ("limit=abc", "limit", "must be a number"),
        ):
            [fault] = (await client.get(f"/v1/bots?{query}")).json()["errors"]
            assert (fault["field"], words in fault["message"]) == (field, True), fault
        [fault] = (await client.get(f"/v1/bots/{bot['id']}/events?after=-1")).json()["errors"]
        assert "at least 0" in fault["message"]


async def test_a_field_of_a_body_that_takes_one_of_some_values_names_them(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        for path, body, field, words in (
            (
                "/v1/bots",
                {"meeting_url": SHORT, "keep": "some"},
                "keep",
                "It is one of all, nothing.",
            ),
            (
                "/v1/keys",
                {"scopes": ["read", "root"]},
                "scopes[1]",
                "It is one of read, write, admin, take_over, operate.",
            ),
        ):
            answer = await client.post(path, json=body)
            [fault] = answer.json()["errors"]
            assert (answer.status_code, fault) == (400, {"field": field, "message": words})
