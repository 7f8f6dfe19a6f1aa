"""Routes and sockets a plugin adds to the server, as plain data: no web framework in sight.

A dialect says so in the hook `meetcore_register_routes`; the server carries it out:

    app.mount(
        Mount(
            name="vexa",
            title="Vexa",
            routes=[Route("POST", "/bots", create)],
            refuse=lambda request, error: Reply(status=400, json={"detail": error.message}),
        )
    )

Handlers take a `Request`, return a `Reply`, and raise what they like of `MeetcoreError`: the
mount's `refuse` turns it into the vendor's words.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl
from uuid import uuid4

from attrs import field, frozen

from meetcore.gateway.records import Client
from meetcore.model.errors import MeetcoreError
from meetcore.plugin.store import MediaStore, StoredFile

__all__ = [
    "ApiKey",
    "BadBody",
    "BodyTooLong",
    "BotFile",
    "Handler",
    "Listed",
    "MethodNotAllowed",
    "Mount",
    "NotFound",
    "Reply",
    "Request",
    "Route",
    "ServerFailed",
    "Socket",
    "SocketRoute",
    "SocketSession",
    "TooManyRequests",
    "find_route",
    "fit",
    "json_bytes",
    "json_pieces",
]

_PIECE_BYTES = 32 * 1024
_DEEPEST = 100


class BadBody(MeetcoreError):
    """The body of a request is not what the route takes."""

    code = "bad_body"


class BodyTooLong(BadBody):
    """The body of a request is longer than the route takes."""

    code = "body_too_long"


class TooManyRequests(MeetcoreError):
    """The client asks too often. Whatever `refuse` makes of it, the status will be 429."""

    code = "too_many_requests"

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("Too many requests.", f"Try again in {retry_after_s:.1f} s.")


class ServerFailed(MeetcoreError):
    """Something of ours went wrong, or took too long; the details are in the log alone."""

    code = "internal"


class NotFound(MeetcoreError):
    """There is nothing under this path."""

    code = "not_found"

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"There is nothing at {path}.")


class MethodNotAllowed(NotFound):
    """There is something under this path, for other methods; `methods` names them."""

    code = "method_not_allowed"

    def __init__(self, path: str, allowed: Sequence[str]) -> None:
        super().__init__(path)
        self.methods = ", ".join(sorted(set(allowed)))
        self.message = f"{self.message} It takes {self.methods}."


@frozen(kw_only=True)
class Request:
    """What a client sent.

    Attributes:
        method: In capitals.
        path: Below the mount, decoded, with a leading slash.
        params: The parts of the path that the route's template names, decoded.
        query: What stood behind the `?`, undecoded.
        headers: Names in lower case; a name may stand more than once.
        body: The whole body; bounded by the server.
        base_url: Where the mount is as this client sees it, without a slash at the end, for
            instance `http://127.0.0.1:8080/vexa`.
        origin_url: The same of the server's root.
        client_host: The address it came from.
    """

    method: str = "GET"
    path: str = "/"
    params: Mapping[str, str] = field(factory=dict)
    query: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=lambda body: f"<{len(body)} bytes>")
    base_url: str = "http://127.0.0.1"
    origin_url: str = "http://127.0.0.1"
    client_host: str = "127.0.0.1"

    def header(self, name: str) -> str | None:
        """Return a header's value (several joined with commas), None if it is not there."""
        values = [value for known, value in self.headers if known == name.lower()]
        return ", ".join(values) if values else None

    @property
    def args(self) -> dict[str, str]:
        """The query, decoded; the last of a name wins."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def json(self) -> Any:
        """Return the body as JSON; None for an empty one.

        Raises:
            BadBody: It is not JSON, or holds what cannot be written down (half a surrogate
                pair, NaN), or more than 100 objects and lists within each other.
        """
        if not self.body.strip():
            return None
        try:
            value = json.loads(self.body, parse_constant=_no_constant)
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
            _check_depth(value)
        except (ValueError, RecursionError) as error:
            raise BadBody("The body is not JSON.", "Send a JSON object, in UTF-8.") from error
        return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise ValueError(f"more than {_DEEPEST} levels")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@frozen(eq=False)
class BotFile:
    """A file of a bot, to be sent; `bot_file` finds it.

    Attributes:
        media: The bot's files.
        about: Which of them.
    """

    media: MediaStore
    about: StoredFile


@frozen(kw_only=True)
class Reply:
    """What is answered: exactly one of `json`, `body`, `file` and `stream`, or nothing.

    Attributes:
        status: The HTTP status.
        json: Anything that `json.dumps` takes; `...` (the default) for none.
        body: Bytes.
        file: A file of this machine or of a bot, sent with `Range` support.
        stream: Bytes in pieces. The first 32 KiB are made before the status is sent: what raises
            until then is answered as an error. What they come from is held open only while they are
            sent: an async generator is closed also where the client goes away in the middle.
        media_type: Of `body`, `file` and `stream`.
        headers: More headers.
    """

    status: int = 200
    json: Any = ...
    body: bytes = b""
    file: Path | BotFile | None = None
    stream: AsyncIterable[bytes] | None = None
    media_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(factory=dict)


@frozen(eq=False)
class Listed:
    """A list in a body of which never more than an item is in memory: see `json_pieces`.

    Attributes:
        items: What is in it: anything that `json.dumps` takes.
    """

    items: AsyncGenerator[Any, None]


def json_bytes(body: Any) -> bytes:
    """Return a body as `Reply.json` is sent: compact, characters as they are."""
    return _dumped(body).encode("utf-8", "replace")


def _dumped(body: Any, default: Callable[[Any], Any] | None = None) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=default)


async def json_pieces(body: Any) -> AsyncGenerator[bytes, None]:
    """Yield a body that has `Listed` somewhere in it, for `Reply.stream`.

    It is the bytes that `Reply.json` would be with each of them as a list, some 32 KiB at a time.
    """
    lists: list[Listed] = []
    mark = uuid4().hex

    def noted(value: object) -> str:
        if not isinstance(value, Listed):
            raise TypeError(f"{type(value).__name__} is nothing that JSON has")
        lists.append(value)
        return mark

    between = _dumped(body, noted).split(f'"{mark}"')
    waiting = bytearray()
    for text, listed in zip_longest(between, lists):
        waiting += text.encode("utf-8", "replace")
        if listed is None:
            break
        comma = b"["
        async with aclosing(listed.items):
            async for item in listed.items:
                waiting += comma + json_bytes(item)
                comma = b","
                if len(waiting) >= _PIECE_BYTES:
                    yield bytes(waiting)
                    waiting.clear()
        waiting += b"]" if comma == b"," else b"[]"
    yield bytes(waiting)


Handler: TypeAlias = Callable[[Request], Awaitable[Reply]]


@frozen
class Route:
    """One method and path. `{name}` in the template takes one part, `{name...}` the rest.

    Attributes:
        method: In capitals.
        template: For instance `/bots/{platform}/{native_id}`.
        handler: Who answers.
        body_bytes: The longest body it takes; None for the server's limit.
        safe: Of a GET, whether it changes nothing, as HTTP means it. Where it does change
            something, a HEAD is refused with 405 instead of being answered by it.
    """

    method: str
    template: str
    handler: Handler
    body_bytes: int | None = None
    safe: bool = True


class Socket(Protocol):
    """One WebSocket of a client."""

    @property
    def closed(self) -> bool:
        """Whether it takes nothing any more."""
        ...

    def owned_by(self, client: Client) -> None:
        """Say whose it is from now on. Has to be said within 10 s, or it is closed.

        Until then messages are short and few; and it is closed, with 4401, when the client's key
        is revoked or has expired.
        """
        ...

    def send(self, message: str | bytes, *, key: str | None = None) -> None:
        """Send text or bytes, now or as soon as possible. Never waits, never raises.

        Args:
            message: The message.
            key: For a mutable update: the newest of a key wins. None: never dropped; a client
                that falls too far behind is closed with 1013 instead.
        """
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye after what waits; returns at once."""
        ...

    async def room(self, below_bytes: int = 0) -> None:
        """Return when no more than that waits to be sent, or it is closed."""
        ...


class SocketSession(ABC):
    """A client's conversation over one WebSocket. One object for each connection."""

    message_bytes: int = 64 * 1024

    @abstractmethod
    async def attend(self, socket: Socket) -> None:
        """Serve the socket; a task that is cancelled when it ends. May return earlier."""

    def receive(self, message: str | bytes) -> None:
        """Take a message; returns at once. By default messages are ignored."""


@frozen
class SocketRoute:
    """One path for WebSockets.

    Attributes:
        template: As in `Route`.
        admit: Returns the session, or a `Reply` that refuses before the handshake.
    """

    template: str
    admit: Callable[[Request], Awaitable[SocketSession | Reply]]


@frozen
class ApiKey:
    """Where a client's key stands in a request.

    Attributes:
        header: The header, in lower case.
        scheme: The word before the key, for instance `Bearer`; None where the key stands alone.
        query: The field of a WebSocket's query that may have it too, for clients that can set no
            header.
    """

    header: str
    scheme: str | None = None
    query: str | None = None

    def of(self, request: Request) -> str | None:
        """Return the key of a request, None where it has none here."""
        value = (request.header(self.header) or "").strip()
        if self.scheme is not None:
            scheme, _, value = value.partition(" ")
            value = value.strip() if scheme.lower() == self.scheme.lower() else ""
        if not value and self.query is not None:
            value = request.args.get(self.query, "")
        return value or None


@frozen(kw_only=True)
class Mount:
    """What one plugin adds, below `/NAME` (and at the root where the operator says so).

    Attributes:
        name: The path it is mounted at, and how the operator names it.
        title: For people.
        routes: HTTP.
        sockets: WebSockets.
        refuse: Turns an error into the answer its clients expect. Whatever is not a
            `MeetcoreError` reaches it as `ServerFailed`.
        docs: A line for the page that lists what is mounted.
        keys: Where its clients' keys stand. The server limits by them how often each client may
            ask, and reads a body for whoever has a valid key: anybody else's request comes to its
            handler with an empty one, to be refused. With none of them all requests count for
            their address, and all bodies are read.
    """

    name: str
    title: str
    routes: Sequence[Route] = ()
    sockets: Sequence[SocketRoute] = ()
    refuse: Callable[[Request, MeetcoreError], Reply]
    docs: str = ""
    keys: Sequence[ApiKey] = ()


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route for a method and a decoded path, with the parts its template names.

    Routes are tried in their order, so that `/bots/status` stands before `/bots/{id}`. A HEAD is
    answered by the route for GET, unless that changes something.

    Raises:
        NotFound: No template fits.
        MethodNotAllowed: One does, for other methods only.
    """
    wanted = "GET" if method == "HEAD" else method
    allowed: list[str] = []
    given = path.strip("/").split("/")
    for route in routes:
        params = _fit(_parts(route.template), given)
        if params is None:
            continue
        if route.method == wanted and (route.safe or method != "HEAD"):
            return route, params
        allowed.append(route.method)
    raise MethodNotAllowed(path, allowed) if allowed else NotFound(path)


def fit(template: str, path: str) -> dict[str, str] | None:
    """Return the parts of a path that a template names, None if it does not fit.

    A slash at the end of the path does not matter.
    """
    return _fit(_parts(template), path.strip("/").split("/"))


@lru_cache(maxsize=1024)
def _parts(template: str) -> tuple[str, ...]:
    return tuple(template.strip("/").split("/"))


def _fit(wanted: Sequence[str], given: Sequence[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for index, part in enumerate(wanted):
        named = part.startswith("{")
        if named and part.endswith("...}"):
            params[part[1:-4]] = "/".join(given[index:])
            return params
        if index >= len(given):
            return None
        if named and part.endswith("}"):
            if not given[index]:
                return None
            params[part[1:-1]] = given[index]
        elif part != given[index]:
            return None
    return params if len(given) == len(wanted) else None
