"""HTTP/1.1 for a small site over one Trio stream: heads in, files out, sockets handed on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

import h11
import trio
from attrs import field, frozen

__all__ = ["Head", "Replayed", "Response", "serve_http"]

HEAD_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 30.0
SEND_TIMEOUT_S = 30.0
MAX_HEAD_BYTES = 16_384
MAX_REQUESTS = 500
LINGER_S = 1.0
LINGER_READS = 16

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}


@frozen
class Head:
    """The head of a request.

    Attributes:
        method: `GET` or `HEAD`; others never get this far.
        path: Path without query, percent-decoded.
        headers: Names in lower case.
    """

    method: str
    path: str
    headers: dict[str, str]

    @property
    def wants_socket(self) -> bool:
        """Whether the client asks for a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"

    @property
    def same_origin(self) -> bool:
        """Whether the request comes from a page of this site, or from no page at all."""
        origin = self.headers.get("origin")
        return origin is None or urlsplit(origin).netloc == self.headers.get("host")


@frozen
class Response:
    """What to answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(factory=dict)


class Replayed(trio.abc.Stream):
    """A stream whose first bytes have been read already and come again."""

    def __init__(self, stream: trio.abc.Stream, first: bytes) -> None:
        self._stream = stream
        self._first = first

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the bytes read before, then those of the stream."""
        if self._first:
            await trio.lowlevel.checkpoint()
            end = len(self._first) if max_bytes is None else max_bytes
            data, self._first = self._first[:end], self._first[end:]
            return data
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send to the stream."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the stream takes more."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


async def serve_http(
    stream: trio.abc.HalfCloseableStream,
    answer: Callable[[Head], Response],
    take_socket: Callable[[Head, trio.abc.Stream], Awaitable[None]],
) -> None:
    """Serve one connection until the peer closes it, errs, stalls or upgrades.

    Args:
        stream: The connection; closed in any case.
        answer: Gives the response to a request; never waits.
        take_socket: Takes over when the client asks for a WebSocket; its stream gives the
            whole request once more.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
    seen = b""
    timeout_s = HEAD_TIMEOUT_S
    try:
        for _ in range(MAX_REQUESTS):
            with trio.move_on_after(timeout_s) as scope:
                request, seen = await _next_request(connection, stream, seen)
            if scope.cancelled_caught or request is None:
                return
            head = _head_of(request)
            if head.wants_socket:
                await take_socket(head, Replayed(stream, seen))
                return
            response = _checked(head) or answer(head)
            with trio.move_on_after(SEND_TIMEOUT_S) as scope:
                await _send(connection, stream, response, bodyless=head.method == "HEAD")
            if scope.cancelled_caught or connection.our_state is h11.MUST_CLOSE:
                return
            if not _finished(connection):
                return
            seen = connection.trailing_data[0]
            connection.start_next_cycle()
            timeout_s = IDLE_TIMEOUT_S
    except h11.RemoteProtocolError as error:
        with trio.move_on_after(SEND_TIMEOUT_S):
            await _refuse(connection, stream, error)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return  # the peer is gone: nobody is left to be told
    finally:
        await trio.aclose_forcefully(stream)


async def _next_request(
    connection: h11.Connection, stream: trio.abc.Stream, seen: bytes
) -> tuple[h11.Request | None, bytes]:
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event, seen
        if event is not h11.NEED_DATA:
            return None, seen
        data = await stream.receive_some(4096)
        connection.receive_data(bytes(data))
        seen += data


def _finished(connection: h11.Connection) -> bool:
    """Tell whether the request is over without a body, so that another may follow."""
    return (
        isinstance(connection.next_event(), h11.EndOfMessage)
        and connection.our_state is h11.DONE
        and connection.their_state is h11.DONE
    )


def _head_of(request: h11.Request) -> Head:
    target = request.target.decode("ascii", "replace")
    return Head(
        method=request.method.decode("ascii"),
        path=unquote(target.partition("?")[0]),
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in request.headers},
    )


def _checked(head: Head) -> Response | None:
    if head.method not in ("GET", "HEAD"):
        return Response(405, b"Only GET and HEAD.", headers={"allow": "GET, HEAD"})
    if "transfer-encoding" in head.headers or head.headers.get("content-length", "0") != "0":
        return Response(413, b"A request has no body here.", headers={"connection": "close"})
    return None


async def _send(
    connection: h11.Connection, stream: trio.abc.Stream, response: Response, *, bodyless: bool
) -> None:
    headers = {
        **SECURITY_HEADERS,
        "content-type": response.content_type,
        "content-length": str(len(response.body)),
        **response.headers,
    }
    reason = HTTPStatus(response.status).phrase
    out = connection.send(
        h11.Response(status_code=response.status, reason=reason, headers=[*headers.items()])
    )
    assert out is not None
    if not bodyless:
        out += connection.send(h11.Data(response.body)) or b""
    out += connection.send(h11.EndOfMessage()) or b""
    await stream.send_all(out)


async def _refuse(
    connection: h11.Connection,
    stream: trio.abc.HalfCloseableStream,
    error: h11.RemoteProtocolError,
) -> None:
    """Say what is wrong; then read on a little, or the answer would be lost with a reset."""
    if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    text = f"This is no HTTP request: {error}".encode()
    response = Response(error.error_status_hint, text, headers={"connection": "close"})
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await _send(connection, stream, response, bodyless=False)
        await stream.send_eof()
        with trio.move_on_after(LINGER_S):
            for _ in range(LINGER_READS):
                if not await stream.receive_some(65_536):
                    return
