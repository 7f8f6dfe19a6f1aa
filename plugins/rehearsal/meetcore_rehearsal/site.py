"""The meeting site: pages, files and signalling sockets on one port, in the caller's nursery."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
import trio_websocket

from meetcore_browser.nursery import open_plain_nursery
from meetcore_rehearsal.errors import PortTaken
from meetcore_rehearsal.hub import MAX_MESSAGE_BYTES, RoomHub
from meetcore_rehearsal.room import Room
from meetcore_rehearsal.web import Head, Response, serve_http

__all__ = ["ROOM_ID", "Site", "new_room_id", "open_site"]

STATIC = Path(__file__).parent / "static"
ROOM_ID = re.compile(r"mc-[a-z0-9]+(?:-[a-z0-9]+)*")
HANDSHAKE_TIMEOUT_S = 10.0
MAX_CONNECTIONS = 200

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".wav": "audio/wav",
}


def new_room_id() -> str:
    """Return a room id nobody can guess, with the mark by which links are recognised."""
    letters = "abcdefghjkmnpqrstuvwxyz"
    parts = ("".join(secrets.choice(letters) for _ in range(4)) for _ in range(2))
    return "mc-" + "-".join(parts)


class Site:
    """A running site. Made by `open_site`.

    Attributes:
        url: Where it is, without a slash at the end.
        hub: Its rooms.
    """

    def __init__(self, url: str, hub: RoomHub) -> None:
        self.url = url
        self.hub = hub
        self._files = {
            path.name: path.read_bytes()
            for path in STATIC.iterdir()
            if path.suffix in CONTENT_TYPES
        }
        self._extra: dict[str, Path | bytes] = {}

    def open_room(
        self,
        *,
        room_id: str | None = None,
        title: str = "Rehearsal",
        passcode: str | None = None,
        waiting_room: bool = True,
        closes_at_end: bool = False,
    ) -> Room:
        """Open a room and return it.

        Raises:
            ValueError: The id is none, or taken.
        """
        room_id = room_id or new_room_id()
        if not ROOM_ID.fullmatch(room_id) or room_id in self.hub.rooms:
            raise ValueError(f"{room_id!r} is no free room id; they look like 'mc-blue-door'")
        room = Room(
            id=room_id,
            title=title,
            host_key=secrets.token_urlsafe(16),
            cast_key=secrets.token_urlsafe(16),
            passcode=passcode,
            waiting_room=waiting_room,
            closes_at_end=closes_at_end,
        )
        self.hub.rooms[room_id] = room
        return room

    def guest_link(self, room: Room) -> str:
        """Return the link for guests; the passcode travels in the fragment, unseen by servers."""
        link = f"{self.url}/r/{room.id}"
        return link if room.passcode is None else f"{link}#passcode={room.passcode}"

    def host_link(self, room: Room) -> str:
        """Return the link that makes whoever opens it a host."""
        return f"{self.url}/r/{room.id}#host={room.host_key}"

    def serve_extra(self, path: str, content: Path | bytes) -> str:
        """Serve one more file under a path; return its URL."""
        self._extra[path] = content
        return self.url + path

    def static(self, name: str) -> bytes:
        """Return one of the site's own files."""
        return self._files[name]

    def answer(self, head: Head) -> Response:
        """Answer a request for a page or a file."""
        folder, _, name = head.path.rpartition("/")
        if folder == "/static" and name in self._files:
            return self._file(name)
        if head.path == "/":
            return self._file("index.html")
        if head.path in self._extra:
            content = self._extra[head.path]
            body = content if isinstance(content, bytes) else content.read_bytes()
            return Response(200, body, CONTENT_TYPES[Path(head.path).suffix or ".html"])
        if head.path.startswith("/r/"):
            return self._room_page(head.path.removeprefix("/r/"))
        return self._file("missing.html", 404)

    def _room_page(self, rest: str) -> Response:
        room_id, _, name = rest.partition("/")
        room = self.hub.rooms.get(room_id)
        if room is None:
            return self._file("missing.html", 404)
        if name == "":
            return self._file("room.html")
        if name == "info.json":
            info = {
                "title": room.title,
                "passcode": room.passcode is not None,
                "waiting_room": room.waiting_room,
                "closed": room.closed,
            }
            return Response(200, json.dumps(info).encode(), CONTENT_TYPES[".json"])
        return self._file("missing.html", 404)

    def _file(self, name: str, status: int = 200) -> Response:
        return Response(status, self._files[name], CONTENT_TYPES[Path(name).suffix])

    async def take_socket(self, head: Head, stream: trio.abc.Stream) -> None:
        """Serve a signalling socket, from its handshake to its end."""
        match = re.fullmatch(r"/r/([a-z0-9-]+)/socket", head.path)
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(HANDSHAKE_TIMEOUT_S):
                request = await trio_websocket.wrap_server_stream(
                    nursery, stream, max_message_size=MAX_MESSAGE_BYTES
                )
                if match is None or match[1] not in self.hub.rooms:
                    await request.reject(404)
                elif not head.same_origin:
                    await request.reject(403)
                else:
                    socket = await request.accept()
                    nursery.start_soon(self._attend, match[1], socket, nursery)
                    return
            nursery.cancel_scope.cancel()

    async def _attend(
        self, room_id: str, socket: trio_websocket.WebSocketConnection, nursery: trio.Nursery
    ) -> None:
        await self.hub.attend(room_id, socket)
        nursery.cancel_scope.cancel()

    async def serve(self, listeners: list[trio.SocketListener]) -> None:
        """Serve until cancelled."""
        limit = trio.Semaphore(MAX_CONNECTIONS)
        await trio.serve_listeners(partial(self._connection, limit), listeners)

    async def _connection(self, limit: trio.Semaphore, stream: trio.SocketStream) -> None:
        try:
            limit.acquire_nowait()
        except trio.WouldBlock:
            await trio.aclose_forcefully(stream)
            return
        try:
            await serve_http(stream, self.answer, self.take_socket)
        finally:
            limit.release()


@asynccontextmanager
async def open_site(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    on_report: Callable[[str, str, dict[str, Any]], None] | None = None,
    on_change: Callable[[Room], None] | None = None,
) -> AsyncIterator[Site]:
    """Serve the meeting site for as long as the block runs.

    Args:
        host: Address to listen on. A browser gives microphone and camera to plain http only on
            the own machine (127.0.0.1).
        port: Port, 0 for any free one.
        on_report: Takes what a cast reports: room id, member id, data.
        on_change: Told after every change of a room.

    Raises:
        PortTaken: It cannot listen there.
    """
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise PortTaken(
            f"The rehearsal site cannot listen on {host}:{port}: {error.strerror or error}.",
            "Choose another port, or 0 for any free one.",
        ) from error
    bound = listeners[0].socket.getsockname()[1]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    site = Site(f"http://{shown}:{bound}", RoomHub(on_report, on_change))
    async with open_plain_nursery() as nursery:
        nursery.start_soon(site.serve, listeners)
        yield site
        nursery.cancel_scope.cancel()
