"""HTTP/1.1 over one connection: heads and bodies by h11, answers by an ASGI application.

General servers read a body as it comes and keep it for the application, speak HTTP/2 to whoever
asks for it, and send under a shield. Each of these lets a client without a key hold memory, tasks
or the shutdown for as long as it likes. Here a body is read when the application asks for it, with
a deadline that grows with what came, and all bodies together have a bound; there is no HTTP/2
(a request to change to it is answered as HTTP/1.1, which RFC 9110 section 7.8 allows); every wait
for the other side has a deadline; and when a client hangs up the application is told, and nothing
of the request outlives its answer.

A connection is a task, and while the application runs a second one that sees the client hang up.
"""

from __future__ import annotations

import email.utils
import json
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import h11
import trio
from attrs import define, field, frozen

from meetcore.gateway import Reply

__all__ = ["App", "Bodies", "HttpConnection", "HttpLimits", "refusal"]

_LOG = logging.getLogger("meetcore.server")
_READ_BYTES = 16 * 1024
_BODY_READ_BYTES = 64 * 1024
_SEND_BYTES = 64 * 1024
_DISCARDED_BYTES = 1024 * 1024
_END_OF_HEAD = b"\r\n\r\n"

App = Callable[[Any, Any, Any], Awaitable[None]]


@frozen(kw_only=True)
class HttpLimits:
    """What a client may cost, in bytes and seconds.

    Attributes:
        head_bytes: The longest head of a request.
        head_s: How soon a head that has begun has to be there, and the first one at all.
        idle_s: How long a connection may wait for its next request.
        body_s: How soon a body has to be there, with a second more for each `body_bytes_per_s`.
        body_bytes_per_s: How fast a body has to come.
        send_s: How soon 64 KiB of an answer have to be taken.
        linger_s: How long a client that is parted with may take to read the last words.
        ahead_bytes: How much of the next requests is read while one is answered.
    """

    head_bytes: int = 64 * 1024
    head_s: float = 15.0
    idle_s: float = 30.0
    body_s: float = 15.0
    body_bytes_per_s: float = 8 * 1024
    send_s: float = 30.0
    linger_s: float = 2.0
    ahead_bytes: int = 64 * 1024


@define
class Bodies:
    """How much of bodies is in memory, in all and by address; given back with each answer.

    Attributes:
        most: In all, in bytes.
        most_of_one: From one address.
    """

    most: int = 128 * 1024 * 1024
    most_of_one: int = 32 * 1024 * 1024
    held: int = field(default=0, init=False)
    _by_address: dict[str, int] = field(factory=dict, init=False)

    def take(self, address: str, count: int) -> bool:
        """Count bytes that came; return whether there is room for them."""
        mine = self._by_address.get(address, 0) + count
        if self.held + count > self.most or mine > self.most_of_one:
            return False
        self.held += count
        self._by_address[address] = mine
        return True

    def give_back(self, address: str, count: int) -> None:
        """Count them no more."""
        self.held -= count
        left = self._by_address.get(address, 0) - count
        if left > 0:
            self._by_address[address] = left
        else:
            self._by_address.pop(address, None)


def refusal(reply: Reply, *, head_only: bool = False) -> bytes:
    """Return an answer after which the connection ends."""
    body = json.dumps(reply.json).encode() if reply.json is not ... else reply.body
    kind = "application/json" if reply.json is not ... else reply.media_type
    headers = dict(reply.headers)
    if "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = kind
    lines = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    head = "\r\n".join(lines).encode("latin-1", "replace") + _END_OF_HEAD
    return head if head_only else head + body


def _problem(status: int, code: str, detail: str, **headers: str) -> Reply:
    body = {"status": status, "code": code, "detail": detail}
    return Reply(status=status, json=body, headers=headers)


class HttpConnection:
    """One connection.

    Args:
        stream: The connection; who made it closes it.
        app: Answers.
        limits: What the client may cost.
        bodies: How much of bodies there is.
        client: Address and port of the other side.
        server: Address and port of ours.

    Attributes:
        received: What was read and belongs to no request so far.
        going: Whether it answers no more requests than the one under way.
        last: Whether it ends after the next answer, which says so.
    """

    def __init__(
        self,
        stream: trio.abc.HalfCloseableStream,
        app: App,
        limits: HttpLimits,
        bodies: Bodies,
        client: tuple[str, int] = ("", 0),
        server: tuple[str, int] = ("", 0),
    ) -> None:
        self.stream = stream
        self.app = app
        self.limits = limits
        self.bodies = bodies
        self.client = client
        self.server = server
        self.received = b""
        self.going = False
        self.last = False
        self._idle = trio.CancelScope()
        self._answered = 0

    def wind_up(self) -> None:
        """Answer no more requests than the one under way."""
        self.going = True
        self._idle.cancel()

    async def next_head(self) -> bytes:
        """Return the head of the next request; empty where there is none to come.

        It stays in `received`.
        """
        limits, first = self.limits, not self._answered
        begun = first or bool(self.received)
        deadline = trio.current_time() + (limits.head_s if begun else limits.idle_s)
        while (end := self.received.find(_END_OF_HEAD, 0, limits.head_bytes)) < 0:
            if len(self.received) >= limits.head_bytes:
                await self._part(_problem(431, "head_too_long", "The head is too long."))
                return b""
            more = await self._more(deadline)
            if not more:
                return b""
            self.received += more
            if not begun:
                begun, deadline = True, trio.current_time() + limits.head_s
        return self.received[:end]

    async def _more(self, deadline: float) -> bytes:
        if self.going and not self.received:
            return b""
        self._idle = trio.CancelScope(deadline=deadline)
        with self._idle:
            return bytes(await self.stream.receive_some(_READ_BYTES))
        return b""

    async def answer(self) -> bool:
        """Answer the request whose head was read; return whether another may follow."""
        self._answered += 1
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=self.limits.head_bytes)
        http.receive_data(self.received)
        self.received = b""
        try:
            request = http.next_event()
        except h11.RemoteProtocolError as error:
            await self._part(_problem(error.error_status_hint, "bad_request", str(error)))
            return False
        if not isinstance(request, h11.Request) or request.http_version not in (b"1.0", b"1.1"):
            await self._part(_problem(400, "bad_request", "HTTP/1.1 is spoken here."))
            return False
        exchange = _Exchange(self, http, request)
        await exchange.run()
        if exchange.may_go_on and not self.going:
            self.received = bytes(http.trailing_data[0] + exchange.ahead)
            return True
        if not exchange.broken:
            await self.say_goodbye()
        return False

    async def _part(self, reply: Reply) -> None:
        if await self.send(refusal(reply)):
            await self.say_goodbye()

    async def send(self, data: bytes) -> bool:
        """Send within the deadline; return whether the other side took it."""
        view = memoryview(data)
        try:
            for first in range(0, len(view), _SEND_BYTES):
                with trio.fail_after(self.limits.send_s):
                    await self.stream.send_all(view[first : first + _SEND_BYTES])
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            return False
        return True

    async def say_goodbye(self) -> None:
        """Wait for the other side to hang up, for a moment.

        To hang up first, with something unread, would make the kernel take the last words back.
        """
        discarded = 0
        with trio.move_on_after(self.limits.linger_s):
            try:
                await self.stream.send_eof()
                while discarded < _DISCARDED_BYTES:
                    part = await self.stream.receive_some(_BODY_READ_BYTES)
                    if not part:
                        return
                    discarded += len(part)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, connection: HttpConnection, http: h11.Connection, request: h11.Request
    ) -> None:
        self.ahead = b""
        self.broken = False
        self._connection = connection
        self._limits = connection.limits
        self._http = http
        self._request = request
        self._scope = trio.CancelScope()
        self._gone = trio.Event()
        self._whole = trio.Event()
        self._told_end = False
        self._parts: list[bytes] = []
        self._held = 0
        self._began: float | None = None
        self._waiting_head = b""
        self._started = False
        self._complete = False
        self._trouble: Reply | None = None

    @property
    def may_go_on(self) -> bool:
        """Whether another request may follow on the connection."""
        states = (self._http.our_state, self._http.their_state)
        return self._complete and not self.broken and states == (h11.DONE, h11.DONE)

    async def run(self) -> None:
        """Have the request answered."""
        connection = self._connection
        try:
            self._pull()
            if self._trouble is None:
                await self._run_app()
        finally:
            connection.bodies.give_back(connection.client[0], self._held)
        if self.broken or self._complete:
            return
        if not self._started:
            reply = self._trouble or _problem(500, "internal", "Something went wrong.")
            data = refusal(reply, head_only=self._request.method == b"HEAD")
            self.broken = not await connection.send(data)
        elif self._waiting_head:
            self.broken = not await connection.send(self._waiting_head)

    async def _run_app(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            try:
                with self._scope:
                    await self._connection.app(self._asgi_scope(), self.receive, self.send)
            except Exception:  # noqa: BLE001  whatever it is, the client gets an answer
                _LOG.exception("%s %s", self._request.method.decode(), self._path())
            nursery.cancel_scope.cancel()

    async def _watch(self) -> None:
        """See the client hang up, and what it sends ahead, once its body is there."""
        await self._whole.wait()
        while len(self.ahead) < self._limits.ahead_bytes:
            try:
                data = await self._connection.stream.receive_some(_READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                self._gone.set()
                return
            self.ahead += data

    def _path(self) -> str:
        target = self._request.target
        if target[:7].lower() in (b"http://", b"https:/"):
            target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
        return unquote(target.partition(b"?")[0].decode("latin-1"))

    def _asgi_scope(self) -> dict[str, Any]:
        request = self._request
        return {
            "type": "http",
            "asgi": {"spec_version": "2.3", "version": "3.0"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode(),
            "scheme": "http",
            "path": self._path(),
            "raw_path": request.target.partition(b"?")[0],
            "query_string": request.target.partition(b"?")[2],
            "root_path": "",
            "headers": list(request.headers),
            "client": self._connection.client,
            "server": self._connection.server,
            "state": {},
            "extensions": {},
        }

    # --- the request -------------------------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """Return the next part of the body; after it, that the client has gone, once it has."""
        if self._told_end:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        while not self._parts and not self._whole.is_set():
            await self._read()
        body, self._parts = b"".join(self._parts), []
        self._told_end = self._whole.is_set()
        return {"type": "http.request", "body": body, "more_body": not self._told_end}

    async def _read(self) -> None:
        """Read some of the body; whatever is wrong with it ends the application."""
        limits, connection = self._limits, self._connection
        if self._began is None:
            self._began = trio.current_time()
        if self._http.they_are_waiting_for_100_continue and not self._started:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            if not await connection.send(self._http.send(go_on) or b""):
                await self._leave()
        data = None
        deadline = self._began + limits.body_s + self._held / limits.body_bytes_per_s
        with trio.move_on_at(deadline):
            try:
                data = bytes(await connection.stream.receive_some(_BODY_READ_BYTES))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self._leave()
        if data is None:
            words = "The body did not come fast enough."
            await self._end_with(_problem(408, "body_too_slow", words))
            return
        if not connection.bodies.take(connection.client[0], len(data)):
            words = "Too many bodies are being read. Try again."
            await self._end_with(_problem(503, "too_busy", words, **{"Retry-After": "5"}))
            return
        self._held += len(data)
        self._http.receive_data(data)
        self._pull()
        if self._trouble is not None:
            await self._end_with(self._trouble)

    def _pull(self) -> None:
        """Take what has come of the body."""
        try:
            while True:
                event = self._http.next_event()
                if isinstance(event, h11.Data):
                    self._parts.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self._whole.set()
                    return
                else:
                    return
        except h11.RemoteProtocolError as error:
            self._trouble = _problem(400, "bad_request", f"The body is not whole: {error}.")

    async def _end_with(self, reply: Reply) -> None:
        self._trouble = reply
        self._scope.cancel()
        await trio.lowlevel.checkpoint()

    async def _leave(self) -> None:
        self.broken = True
        self._gone.set()
        self._scope.cancel()
        await trio.lowlevel.checkpoint()

    # --- the answer --------------------------------------------------------------------------

    async def send(self, message: Any) -> None:
        """Send the head or a part of the answer; where nobody takes it the application ends."""
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.start":
            self._start(message)
            if self._request.method == b"HEAD":
                await self._finish(self._waiting_head + self._http_sent(h11.EndOfMessage()))
        elif message["type"] == "http.response.body" and not self._complete:
            await self._send_body(message)

    def _http_sent(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""

    def _start(self, message: Any) -> None:
        status = int(message["status"])
        headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", [])]
        headers.append((b"date", email.utils.formatdate(usegmt=True).encode()))
        if not self._whole.is_set() or self._connection.going or self._connection.last:
            headers.append((b"connection", b"close"))
        reason = HTTPStatus(status).phrase.encode() if status in set(HTTPStatus) else b""
        self._waiting_head = self._http_sent(
            h11.Response(status_code=status, headers=headers, reason=reason)
        )
        self._started = True

    async def _send_body(self, message: Any) -> None:
        body, data = message.get("body", b""), self._waiting_head
        if body:
            data += self._http_sent(h11.Data(data=body))
        if not message.get("more_body", False):
            await self._finish(data + self._http_sent(h11.EndOfMessage()))
        elif data:
            self._waiting_head = b""
            if not await self._connection.send(data):
                await self._leave()

    async def _finish(self, data: bytes) -> None:
        self._waiting_head = b""
        if not await self._connection.send(data):
            await self._leave()
        self._complete = True
        self._gone.set()
