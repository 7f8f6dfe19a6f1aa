"""The address that was checked is the one that is dialled."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpcore2
import pytest
import trio

from meetcore.model.addresses import PrivateTargets
from meetcore_webhook.pinned import AddressRefused, PinnedBackend, pinned_client


class Dialled(httpcore2.AsyncNetworkBackend):
    """Notes what is dialled and refuses it."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.addresses.append(host)
        raise httpcore2.ConnectError("refused")


class Resolver(trio.abc.HostnameResolver):
    """Answers each lookup with the next list of addresses."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # type: ignore[no-untyped-def]  # noqa: A002
        return [(2, 1, 6, "", (address, port)) for address in self.answers.pop(0)]

    async def getnameinfo(self, sockaddr, flags):  # type: ignore[no-untyped-def]
        raise AssertionError


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["64:ff9b::7f00:1"], ["::ffff:10.0.0.1"]]
)
async def test_a_name_with_any_private_address_is_not_dialled_at_all(answer: list[str]) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(answer))
    dialled = Dialled()
    backend = PinnedBackend(PrivateTargets(), inner=dialled)
    with pytest.raises(AddressRefused):
        await backend.connect_tcp("hook.example", 443, timeout=5)
    assert dialled.addresses == []


async def test_the_address_that_was_checked_is_dialled_without_another_lookup() -> None:
    resolver = Resolver(["8.8.8.8"], ["127.0.0.1"])
    trio.socket.set_custom_hostname_resolver(resolver)
    dialled = Dialled()
    with pytest.raises(httpcore2.ConnectError, match="refused"):
        await PinnedBackend(PrivateTargets(), inner=dialled).connect_tcp("h.example", 443, 5)
    assert dialled.addresses == ["8.8.8.8"]
    assert len(resolver.answers) == 1


async def test_a_lookup_that_hangs_ends_with_the_connect_timeout(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Hanging(Resolver):
        async def getaddrinfo(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            await trio.sleep_forever()

    trio.socket.set_custom_hostname_resolver(Hanging())
    with pytest.raises(httpcore2.ConnectTimeout):
        await PinnedBackend(PrivateTargets()).connect_tcp("h.example", 443, timeout=5)


async def test_local_sockets_are_never_dialled() -> None:
    with pytest.raises(AddressRefused):
        await PinnedBackend(PrivateTargets(all=True)).connect_unix_socket("/run/thing.sock")


@asynccontextmanager
async def answering(cookies: list[bool]) -> AsyncIterator[str]:
    """Answer posts, with a cookie each; notes whether one came along. Gives the URL."""

    async def answer(stream: trio.SocketStream) -> None:
        while head := await stream.receive_some(65_536):
            cookies.append(b"\r\ncookie:" in head.lower())
            await stream.send_all(
                b"HTTP/1.1 204 OK\r\nset-cookie: a=b; Path=/\r\ncontent-length: 0\r\n\r\n"
            )

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, answer, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def test_a_client_keeps_no_cookie_of_a_target() -> None:
    cookies: list[bool] = []
    backend = PinnedBackend(PrivateTargets(all=True))
    async with answering(cookies) as url, pinned_client(backend, 5.0, 5.0) as client:
        for _ in range(2):
            async with client.post(url, b"", {}) as answer:
                await answer.aread()
    assert cookies == [False, False]


async def test_what_stands_behind_the_host_is_in_nobodys_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    backend = PinnedBackend(PrivateTargets(all=True))
    async with (
        answering([]) as url,
        pinned_client(backend, 5.0, 5.0) as client,
        client.post(f"{url}/s3cr3t?token=t0k3n", b"{}", {"x-a": "b"}) as answer,
    ):
        assert answer.status_code == 204
    assert caplog.records  # something is logged, or the test would show nothing
    assert "s3cr3t" not in caplog.text
    assert "t0k3n" not in caplog.text
