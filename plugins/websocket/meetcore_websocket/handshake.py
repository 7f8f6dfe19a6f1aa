"""The opening handshake, from a request's bytes to what was asked, and the answers to it. Pure.

RFC 6455 section 4, server's side, on h11. wsproto has one too, but it loses frames that come in the
same packet as the request, and trips over headers that are not ASCII.
"""

from __future__ import annotations

import base64
import binascii
import json

import h11
from wsproto.utilities import generate_accept_token

from meetcore_websocket.request import Refusal, Request

__all__ = ["LONGEST_HEAD_BYTES", "BadHandshake", "accepted", "read_request", "refused"]

LONGEST_HEAD_BYTES = 16 * 1024


class BadHandshake(Exception):
    """A request that is none for a WebSocket; carries the refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.error)
        self.refusal = refusal


_UPGRADE = {"upgrade": "websocket", "sec-websocket-version": "13"}


def read_request(head: bytes) -> Request:
    """Return what the head of a request asks for.

    Args:
        head: Everything up to and with the empty line.

    Raises:
        BadHandshake: It is not HTTP, or no request for a WebSocket.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD_BYTES)
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise BadHandshake(Refusal(400, f"This is not an HTTP request: {error}.")) from error
    if not isinstance(event, h11.Request):
        raise BadHandshake(Refusal(400, "This is not a whole HTTP request."))
    path, _, query = event.target.decode("latin-1").partition("?")
    request = Request(
        path=path,
        query=query,
        headers=tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in event.headers),
        key=b"",
    )
    return _checked(request, event.method)


def _tokens(request: Request, name: str) -> set[str]:
    return {token.strip().lower() for token in (request.header(name) or "").split(",")}


def _checked(request: Request, method: bytes) -> Request:
    if method != b"GET" or "websocket" not in _tokens(request, "upgrade"):
        remedy = "Connect with a WebSocket client."
        raise BadHandshake(Refusal(426, "Here is only a WebSocket.", remedy, _UPGRADE))
    if "upgrade" not in _tokens(request, "connection"):
        raise BadHandshake(Refusal(400, "The header 'Connection: Upgrade' is missing."))
    if request.header("sec-websocket-version") != "13":
        raise BadHandshake(
            Refusal(426, "Only version 13 of the WebSocket protocol is spoken.", "", _UPGRADE)
        )
    key = (request.header("sec-websocket-key") or "").encode("latin-1")
    try:
        whole = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        whole = False
    if not whole:
        raise BadHandshake(Refusal(400, "The header 'Sec-WebSocket-Key' is missing or no key."))
    return Request(path=request.path, query=request.query, headers=request.headers, key=key)


def accepted(request: Request) -> bytes:
    """Return the answer that opens the WebSocket."""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + generate_accept_token(request.key) + b"\r\n\r\n"
    )


_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
}


def refused(refusal: Refusal) -> bytes:
    """Return the answer that refuses, with a small JSON body."""
    body = json.dumps({"error": refusal.error, "remedy": refusal.remedy}).encode()
    lines = [
        f"HTTP/1.1 {refusal.status} {_REASONS.get(refusal.status, 'Refused')}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close" + (", Upgrade" if "upgrade" in refusal.headers else ""),
        *(f"{name}: {value}" for name, value in refusal.headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
