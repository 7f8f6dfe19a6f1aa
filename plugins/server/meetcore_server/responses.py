"""Replies over ASGI: bodies, files with ranges, streams; and requests read with a limit."""

from __future__ import annotations

import codecs
import email.utils
import mimetypes
import os
import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
)
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import trio

from meetcore.gateway import BodyTooLong, BotFile, Reply, json_bytes

__all__ = [
    "AsgiReceive",
    "AsgiScope",
    "AsgiSend",
    "begun",
    "read_body",
    "send_reply",
    "without_mark",
]

AsgiScope: TypeAlias = Mapping[str, Any]
AsgiReceive: TypeAlias = Callable[[], Awaitable[Any]]
AsgiSend: TypeAlias = Callable[[Any], Awaitable[None]]

_PIECE_BYTES = 256 * 1024
_SENT_AT_ONCE_BYTES = 32 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))


class ClientGone(Exception):
    """The client hung up before its request was whole."""


def without_mark(receive: AsgiReceive) -> AsgiReceive:
    """Return the same without the byte-order mark that some programs put before a text."""
    begun = False

    async def received() -> Any:
        nonlocal begun
        message = await receive()
        if not begun and message["type"] == "http.request":
            begun = True
            body = message.get("body", b"")
            if body.startswith(codecs.BOM_UTF8):
                return {**message, "body": body.removeprefix(codecs.BOM_UTF8)}
        return message

    return received


async def read_body(receive: AsgiReceive, limit_bytes: int) -> bytes:
    """Return a request's body.

    Raises:
        BodyTooLong: It has more bytes than that.
        ClientGone: It never was whole.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit_bytes:
            raise BodyTooLong(
                f"The body has more than {limit_bytes} bytes.", "Send less, or in several requests."
            )
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def send_reply(
    scope: AsgiScope, send: AsgiSend, reply: Reply, receive: AsgiReceive | None = None
) -> None:
    """Send a reply.

    Args:
        scope: Of the request.
        send: Takes the reply.
        reply: It.
        receive: Tells when the client has gone, if its body was read: a file or a stream is then
            not read to its end.
    """
    if reply.file is not None:
        await _send_file(scope, send, reply, reply.file, receive)
    elif reply.stream is not None:
        async with _closing(reply.stream) as parts:
            await _start(send, reply, reply.media_type, None)
            await _send_parts(scope, send, parts, receive)
    else:
        body, media_type = reply.body, reply.media_type
        if reply.json is not ...:
            body, media_type = json_bytes(reply.json), "application/json"
        await _start(send, reply, media_type if body else None, len(body))
        empty = scope["method"] == "HEAD"
        await send({"type": "http.response.body", "body": b"" if empty else body})


@asynccontextmanager
async def _closing(parts: AsyncIterable[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Hold the parts of a body; what they come from is closed whatever happens."""
    made = aiter(parts)
    try:
        yield made
    finally:
        if isinstance(made, AsyncGenerator):
            with trio.CancelScope(shield=True):
                await made.aclose()


async def begun(parts: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Return the same bytes in fewer pieces, of which the first was made.

    What cannot be read at all is an error then, and no half answer; and each piece that is sent
    costs as much as a segment's text.
    """

    async def pieces() -> AsyncGenerator[bytes, None]:
        waiting = bytearray()
        async with _closing(parts) as made:
            async for part in made:
                waiting += part
                if len(waiting) >= _SENT_AT_ONCE_BYTES:
                    yield bytes(waiting)
                    waiting.clear()
        if waiting:
            yield bytes(waiting)

    async def begin() -> AsyncGenerator[bytes, None]:
        async with aclosing(pieces()) as gathered:
            first = await anext(gathered, b"")
            yield b""  # to here it is run at once: what is closed from now on closes the rest, too
            if first:
                yield first
            async for piece in gathered:
                yield piece

    whole = begin()
    await anext(whole)
    return whole


def _header(value: str) -> bytes:
    """Return a header's value as it can be sent: in one line, whatever a client put into it."""
    return _CONTROL.sub(" ", value).strip().encode("latin-1", "replace")


async def _start(send: AsgiSend, reply: Reply, media_type: str | None, length: int | None) -> None:
    headers = [(name.lower().encode(), _header(value)) for name, value in reply.headers.items()]
    headers += _HEADERS
    if media_type and not any(name == b"content-type" for name, _ in headers):
        headers.append((b"content-type", media_type.encode()))
    if length is not None and reply.status not in (204, 304):
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})


def _requested(scope: AsgiScope, size: int) -> tuple[int, int] | None:
    """Return first and last byte asked for; None for the whole file.

    Raises:
        ValueError: Nothing of the file lies there.
    """
    value = next((v for n, v in scope["headers"] if n == b"range"), b"").decode("latin-1")
    match = _RANGE.fullmatch(value.strip())
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        first, last = max(0, size - int(match[2])), size - 1
    else:
        first = int(match[1])
        last = min(int(match[2]), size - 1) if match[2] else size - 1
    if first >= size or first > last:
        raise ValueError(value)
    return first, last


class _LocalFile:
    """A file of this machine, to be sent."""

    def __init__(self, path: Path) -> None:
        status = os.stat(path)
        self.name = path.name
        self.size = status.st_size
        self.modified_at = status.st_mtime
        self._path = path

    def pieces(self, first: int, length: int) -> AsyncIterator[bytes]:
        """Yield a part of it."""
        return _pieces(self._path, first, length)


class _FileOfBot:
    """A file of a bot, to be sent, wherever it is kept."""

    def __init__(self, file: BotFile) -> None:
        self.name = file.about.name
        self.size = file.about.size_bytes
        self.modified_at = file.about.modified_at.timestamp()
        self._file = file

    def pieces(self, first: int, length: int) -> AsyncIterator[bytes]:
        """Yield a part of it."""
        return self._file.media.read(self._file.about.name, first, length)


async def _send_file(
    scope: AsgiScope,
    send: AsgiSend,
    reply: Reply,
    given: Path | BotFile,
    receive: AsgiReceive | None,
) -> None:
    file = _FileOfBot(given) if isinstance(given, BotFile) else _LocalFile(given)
    size = file.size
    kind = reply.media_type
    if kind == "application/octet-stream":
        kind = mimetypes.guess_type(file.name)[0] or kind
    headers = {
        "accept-ranges": "bytes",
        "last-modified": email.utils.formatdate(file.modified_at, usegmt=True),
        **reply.headers,
    }
    try:
        asked = _requested(scope, size)
    except ValueError:
        wrong = Reply(status=416, headers={"content-range": f"bytes */{size}"})
        await _start(send, wrong, None, 0)
        await send({"type": "http.response.body", "body": b""})
        return
    first, last = asked or (0, size - 1)
    if asked:
        headers["content-range"] = f"bytes {first}-{last}/{size}"
    answer = Reply(status=206 if asked else reply.status, headers=headers)
    async with _closing(file.pieces(first, last - first + 1)) as parts:
        await _start(send, answer, kind, last - first + 1)
        await _send_parts(scope, send, parts, receive)


async def _send_parts(
    scope: AsgiScope, send: AsgiSend, parts: AsyncIterator[bytes], receive: AsgiReceive | None
) -> None:
    """Send a body in parts, until the client goes away."""
    whole = scope["method"] == "HEAD"
    async with trio.open_nursery() as nursery:
        if receive is not None:
            nursery.start_soon(_leave_when_gone, receive, nursery.cancel_scope)
        if not whole:
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            whole = True
        nursery.cancel_scope.cancel()
    if whole:
        await send({"type": "http.response.body", "body": b""})


async def _leave_when_gone(receive: AsgiReceive, sending: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    sending.cancel()


async def _pieces(path: Path, first: int, length: int) -> AsyncIterator[bytes]:
    async with await trio.open_file(path, "rb") as file:
        await file.seek(first)
        while length > 0:
            part = await file.read(min(_PIECE_BYTES, length))
            if not part:
                return
            length -= len(part)
            yield part
