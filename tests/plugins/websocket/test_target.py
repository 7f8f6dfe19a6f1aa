"""What may be dialled, its parts, and what of it is never shown."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.errors import ConfigError
from meetcore.model.secrets import Secret
from meetcore_websocket.target import Target

PIECES = st.sampled_from(
    ["ws", "wss", "https", "://", ":", "/", "?", "#", "@", "[", "]", "::1", "example.org", "80",
     "99999", " ", "\t", "\x00", "\x7f", "ü", "%20", "key=s3cret"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=10).map("".join) | st.text())
def test_any_text_is_refused_or_can_be_dialled(text: str) -> None:
    try:
        target = Target.read(text, "[plugins.x] url")
    except ConfigError as refused:
        assert str(refused).startswith("[plugins.x] url ")  # noqa: PT017
        return
    assert target.host
    assert 0 < target.port < 65536
    head = f"GET {target.resource} HTTP/1.1\r\nHost: {target.authority}".encode("ascii")
    assert head.count(b" ") == 3
    assert target.resource.startswith("/")


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "authority", "resource"),
    [
        ("ws://a.test", "a.test", 80, False, "a.test", "/"),
        ("wss://a.test/x?y=1", "a.test", 443, True, "a.test", "/x?y=1"),
        ("wss://a.test:8443?y", "a.test", 8443, True, "a.test:8443", "/?y"),
        ("ws://[::1]:80/", "::1", 80, False, "[::1]:80", "/"),
    ],
)
def test_the_parts_of_an_address(
    url: str, host: str, port: int, tls: bool, authority: str, resource: str
) -> None:
    target = Target.read(url, "url")
    assert (target.host, target.port, target.tls) == (host, port, tls)
    assert (target.authority, target.resource) == (authority, resource)


def test_what_stands_behind_the_host_and_the_token_are_secrets_and_not_shown() -> None:
    target = Target.read("wss://a.test/hooks/abcdefghijklmnop?key=s3cret", "url")
    target = evolve(target, token=Secret("a-token"))
    assert target.secrets == [Secret("a-token"), "key=s3cret", "abcdefghijklmnop"]
    assert str(target) == "wss://a.test"
    for shown in (repr(target), str(target)):
        assert not any(secret in shown for secret in ("s3cret", "abcdefgh", "a-token"))
