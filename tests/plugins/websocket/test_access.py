"""Who may come in: decided without a socket, and answered over one."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.config import build_options
from meetcore.model.errors import ConfigError
from meetcore.model.secrets import Secret
from meetcore_websocket.access import Access, AccessDecision, Role, origin_is_known
from meetcore_websocket.handshake import read_request
from meetcore_websocket.options import WebSocketOptions
from meetcore_websocket.request import Refusal, Request
from tests.plugins.websocket.stage import (
    raw_connection,
    read_until,
    request,
    serving,
    subscribed,
)

READ, FULL = Secret("read-token-1"), Secret("full-token-1")
LOCKED = Access("/events", (READ, Secret("read-token-2")), (FULL,))
OPEN = Access("/events")


def asked(path: str, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_request(request(path, headers=named))


@pytest.mark.parametrize(
    ("path", "headers", "role"),
    [
        ("/events?token=read-token-1", {}, Role.READ),
        ("/events?token=read-token-2", {}, Role.READ),
        ("/events?token=full-token-1", {}, Role.FULL),
        ("/events", {"Authorization": "Bearer full-token-1"}, Role.FULL),
        ("/events", {"Authorization": "bearer  read-token-1"}, Role.READ),
        ("/events?token=full-token-1", {"Authorization": "Bearer read-token-1"}, Role.READ),
    ],
)
def test_a_token_gives_its_role(path: str, headers: dict[str, str], role: Role) -> None:
    decision = LOCKED.decide(asked(path, **headers))
    assert isinstance(decision, AccessDecision)
    assert decision.role is role


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/events", {}, 401),
        ("/events?token=", {}, 401),
        ("/events?token=read-token", {}, 401),
        ("/events?token=read-token-1x", {}, 401),
        ("/events", {"Authorization": "Bearer"}, 401),
        ("/events", {"Authorization": "Basic cmVhZC10b2tlbi0x"}, 401),
        ("/events?token=read-token-1", {"Authorization": "Bearer wrong"}, 401),
        ("/event?token=read-token-1", {}, 404),
        ("/events/?token=read-token-1", {}, 404),
        ("/", {}, 404),
        ("/events?token=read-token-1&after=-1", {}, 400),
        ("/events?token=read-token-1&after=1.5", {}, 400),
        ("/events?token=read-token-1&after=", {}, 400),
        ("/events?token=read-token-1&after=%D9%A3", {}, 400),
        ("/events?token=read-token-1&after=" + "9" * 400, {}, 400),
        ("/events?token=read-token-1&drafts=maybe", {}, 400),
        ("/events?token=read-token-1&cursor=1", {}, 400),
        ("/events?token=read-token-1&after=1&after=2", {}, 400),
        ("/events?" + "a=1&" * 40, {}, 400),
        ("/events?token=read-token-1", {"Origin": "https://evil.example"}, 403),
    ],
)
def test_what_does_not_fit_is_refused_by_status(
    path: str, headers: dict[str, str], status: int
) -> None:
    decision = LOCKED.decide(asked(path, **headers))
    assert isinstance(decision, Refusal)
    assert decision.status == status
    assert "token-1" not in decision.error + decision.remedy


def test_an_unknown_field_of_the_query_is_answered_with_the_nearest() -> None:
    decision = OPEN.decide(asked("/events?aftr=3"))
    assert isinstance(decision, Refusal)
    assert "'after'" in decision.remedy


def test_an_open_server_gives_nobody_commands() -> None:
    decision = OPEN.decide(asked("/events?token=anything&after=7&drafts=0"))
    assert decision == AccessDecision(role=Role.READ, after=7, drafts=False)


@given(st.text(max_size=40))
def test_no_other_text_is_a_token(token: str) -> None:
    known = {"read-token-1", "read-token-2", "full-token-1"}
    made = Request(
        path="/events", query="", headers=(("authorization", f"Bearer {token}"),), key=b""
    )
    decision = LOCKED.decide(made)
    assert isinstance(decision, AccessDecision) is (token.strip() in known)


@pytest.mark.parametrize(
    ("origin", "host", "any_name", "known"),
    [
        (None, "127.0.0.1:8766", False, True),
        ("http://127.0.0.1:8766", "127.0.0.1:8766", False, True),
        ("http://localhost:3000", "localhost:8766", False, True),
        ("http://[::1]:3000", "[::1]:8766", False, True),
        ("https://evil.example", "127.0.0.1:8766", False, False),
        ("http://rebound.example:8766", "rebound.example:8766", False, False),
        ("https://bots.example", "bots.example", True, True),
        ("https://evil.example", "bots.example", True, False),
        ("https://dash.example", "127.0.0.1:8766", False, True),
        ("HTTPS://DASH.example/", "127.0.0.1:8766", False, True),
        ("https://dash.example.evil.example", "127.0.0.1:8766", False, False),
        ("http://dash.example", "127.0.0.1:8766", False, False),
        ("null", "127.0.0.1:8766", True, False),
        ("file://", "127.0.0.1:8766", True, False),
        ("", "127.0.0.1:8766", True, False),
        ("http://", "", True, False),
        ("http://[::1", "[::1", True, False),
        ("http://127.0.0.1, http://127.0.0.1", "127.0.0.1", True, False),
    ],
)
def test_a_page_may_connect_only_from_an_origin_that_is_known(
    origin: str | None, host: str, any_name: bool, known: bool
) -> None:
    allowed = ("https://dash.example",)
    assert origin_is_known(origin, host, allowed, any_name=any_name) is known


@given(st.text(max_size=30), st.text(max_size=30), st.booleans())
def test_any_origin_is_judged(origin: str, host: str, any_name: bool) -> None:
    assert origin_is_known(origin, host, (), any_name=any_name) in (True, False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "0.0.0.0"}, "there is no token"),
        ({"host": "example.org"}, "there is no token"),
        ({"host": "::"}, "there is no token"),
        ({"read_tokens": ["short"]}, "shorter than 8"),
        ({"read_tokens": [""]}, "is empty"),
        ({"full_tokens": ["spaced token"]}, "has spaces"),
        ({"read_tokens": ["same-token-1"], "full_tokens": ["same-token-1"]}, "there twice"),
        ({"port": 70_000}, "0 to 65535"),
        ({"ping_s": 0}, "greater than 0"),
        ({"max_connections": 0}, "greater than 0"),
        ({"soft_limit_bytes": 2_000_000}, "soft_limit_bytes"),
        ({"drain_s": 99}, "a bot has to end"),
        ({"prot": 1}, "Did you mean 'port'"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        build_options(WebSocketOptions, settings, "[plugins.websocket]")
    assert "same-token-1" not in str(refused.value)


def test_with_a_token_it_may_listen_anywhere() -> None:
    options = build_options(
        WebSocketOptions,
        {"host": "0.0.0.0", "read_tokens": ["read-token-1"]},
        "[plugins.websocket]",
    )
    assert options.read_tokens == (READ,)
    assert "read-token-1" not in repr(options)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/events", {}, 401),
        ("/elsewhere", {}, 404),
        ("/events?token=read-token-1", {"Upgrade": ""}, 426),
        ("/events?token=read-token-1", {"Origin": "https://evil.example"}, 403),
        ("/events?token=read-token-1&after=999", {}, 400),
        ("/events?token=read-token-1", {}, 101),
    ],
)
async def test_the_answer_over_a_socket_has_the_status(
    tmp_path: Path, path: str, headers: dict[str, str], status: int
) -> None:
    async with (
        serving(tmp_path, read_tokens=(READ,)) as (_, sink),
        raw_connection(sink) as stream,
    ):
        await stream.send_all(request(path, headers=headers))
        answer = await read_until(stream)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"read-token" not in answer


async def test_who_says_nothing_cannot_take_every_descriptor(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, read_tokens=(READ,), max_connections=2) as (_, sink),
        raw_connection(sink),
        raw_connection(sink) as silent,
    ):
        async with raw_connection(sink) as one_more:
            assert (await read_until(one_more)).startswith(b"HTTP/1.1 503 ")
        await silent.aclose()
        with trio.fail_after(90):
            answer = b"HTTP/1.1 503"
            while answer.startswith(b"HTTP/1.1 503"):
                async with raw_connection(sink) as next_one:
                    await next_one.send_all(request("/events?token=read-token-1"))
                    answer = await read_until(next_one)
        assert answer.startswith(b"HTTP/1.1 101 ")


async def test_a_bearer_header_opens_the_door(tmp_path: Path) -> None:
    bearer = [(b"Authorization", b"Bearer read-token-1")]
    async with (
        serving(tmp_path, read_tokens=(READ,)) as (_, sink),
        subscribed(sink, headers=bearer) as one,
    ):
        assert "listening" in str(await one.get_message())
