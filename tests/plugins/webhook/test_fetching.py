"""Fetching what somebody names over an API: bounded, and from public addresses alone."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from meetcore.model.addresses import PrivateTargets
from meetcore.model.errors import NotFetched
from meetcore_webhook.fetching import fetch

ANY = PrivateTargets(all=True)
Answer = Callable[[bytes], bytes]


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Web:
    """A server on the loopback that answers each path as it is told.

    Attributes:
        pages: The whole answer for each path; None for one that never comes.
        asked: What was asked for.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.pages: dict[str, bytes | None] = {}
        self.asked: list[bytes] = []

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, stream: trio.SocketStream) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            piece = await stream.receive_some()
            if not piece:
                return
            asked += piece
        self.asked.append(asked)
        page = self.pages.get(asked.split()[1].decode(), answer(b"", "404 Not Found"))
        if page is None:
            await trio.sleep_forever()
        try:
            await stream.send_all(page)
        except trio.BrokenResourceError:
            return


@asynccontextmanager
async def web() -> AsyncIterator[Web]:
    with trio.fail_after(200):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            made = Web(listener.socket.getsockname()[1])
            nursery.start_soon(trio.serve_listeners, made.serve, [listener])
            yield made
            nursery.cancel_scope.cancel()


async def test_what_lies_there_comes_whole_and_redirections_are_followed() -> None:
    async with web() as site:
        site.pages = {
            "/a": answer(b"", "302 Found", "location: /b?x=1"),
            "/b?x=1": answer(b"", "307 Temporary Redirect", f"location: {site.at('/c')}"),
            "/c": answer(b"picture"),
        }
        assert await fetch(site.at("/a"), ANY, most_bytes=7) == b"picture"
        assert all(b"accept-encoding: identity" in each.lower() for each in site.asked)


async def test_what_is_compressed_is_not_unpacked() -> None:
    packed = gzip.compress(b"\0" * 10_000_000)
    async with web() as site:
        site.pages["/bomb"] = answer(packed, "200 OK", "content-encoding: gzip")
        assert await fetch(site.at("/bomb"), ANY, most_bytes=len(packed)) == packed


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (answer(b"12345678"), "longer than 7"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
         + b"8000\r\n" + b"x" * 0x8000 + b"\r\n" * 1, "too long|Nothing can be had"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000, "too long"),
        (answer(b"", "404 Not Found"), "answers 404"),
        (answer(b"", "302 Found"), "answers 302"),
        (answer(b"", "302 Found", "location: /page"), "more than 3 times"),
        (answer(b"", "302 Found", "location: file:///etc/passwd"), "does not begin|no http"),
        (answer(b"", "302 Found", "location: http://10.0.0.1:1/"), "not public"),
        (b"SSH-2.0-OpenSSH\r\n", "Nothing can be had"),
        (b"", "Nothing can be had"),
    ],
)  # fmt: skip
async def test_what_is_too_long_leads_astray_or_is_no_answer_is_refused(
    page: bytes, words: str
) -> None:
    async with web() as site:
        site.pages["/page"] = page
        private = PrivateTargets.listed(["127.0.0.1"])
        with pytest.raises(NotFetched, match=words):
            await fetch(site.at("/page"), private, most_bytes=7, within_s=5)


async def test_who_never_answers_is_given_up() -> None:
    async with web() as site:
        site.pages["/page"] = None
        with pytest.raises(NotFetched, match=r"within 0\.2 s"):
            await fetch(site.at("/page"), ANY, most_bytes=7, within_s=0.2)


async def test_a_private_address_is_never_dialled_by_number_or_by_name() -> None:
    async with web() as site:
        site.pages["/?key=s3cret"] = answer(b"inside")
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f000001"):
            url = f"http://{host}:{site.port}/?key=s3cret"
            with pytest.raises(NotFetched) as refused:
                await fetch(url, PrivateTargets(), most_bytes=100)
            assert "s3cret" not in str(refused.value)
        assert site.asked == []


@pytest.mark.parametrize(
    "url",
    ["", "picture.png", "ftp://example.com/a", "ws://example.com", "http://", "http://a b/",
     "https://ada:s3cret@example.com/a.png", "https://example.com:0/", "x" * 3000],
)  # fmt: skip
async def test_what_is_no_address_is_refused_before_anything_is_looked_up(url: str) -> None:
    with pytest.raises(NotFetched) as refused:
        await fetch(url, ANY, most_bytes=100)
    assert "s3cret" not in str(refused.value)
