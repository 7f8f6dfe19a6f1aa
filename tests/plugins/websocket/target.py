"""A WebSocket server that treats each connection as it is told, and notes what it gets."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from attrs import define, field
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

from tests.plugins.websocket.stage import eventually


@define(kw_only=True)
class Manners:
    """How one connection is treated.

    Attributes:
        status: The answer to the request; 101 accepts.
        pongs: Whether pings are answered.
        reads: Whether anything is read once the connection is open.
        drop_after: Cut the connection when so many messages came.
        drop_in_message: Cut it when so many bytes came after the request.
        close_after: Close it properly when so many messages came.
        ack: Whether events are acknowledged by a message.
        says: Sent as soon as the connection is open.
    """

    status: int = 101
    pongs: bool = True
    reads: bool = True
    drop_after: int | None = None
    drop_in_message: int | None = None
    close_after: int | None = None
    ack: bool = False
    says: bytes = b""


@define
class Target:
    """The server."""

    plans: list[Manners] = field(factory=list)
    texts: list[dict[str, Any]] = field(factory=list)
    binaries: list[bytes] = field(factory=list)
    requests: list[Request] = field(factory=list)
    codes: list[int] = field(factory=list)
    connections: int = 0
    pings: int = 0
    open_now: int = 0
    port: int = 0
    after: Manners = field(factory=Manners)
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/hook/abcdefghijklmnop?key=s3cret"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [message for message in self.texts if "seq" in message]

    @property
    def seqs(self) -> list[int]:
        """The numbers of the events, each where it came first."""
        return list(dict.fromkeys(message["seq"] for message in self.events))

    async def has(self, seq: int) -> None:
        await eventually(lambda: seq in self.seqs)

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        manners = self.plans.pop(0) if self.plans else self.after
        self.open_now += 1
        try:
            if self.tls is None:
                await self._serve(stream, manners)
            else:
                await self._serve(trio.SSLStream(stream, self.tls, server_side=True), manners)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            self.open_now -= 1
            linger = b"\x01\0\0\0\0\0\0\0"
            if manners.drop_in_message is not None:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            await trio.aclose_forcefully(stream)

    async def _serve(self, stream: trio.abc.Stream, manners: Manners) -> None:
        protocol = WSConnection(ConnectionType.SERVER)
        messages = 0
        size = 0
        text = ""
        binary = b""
        while data := bytes(await stream.receive_some(4_096)):
            protocol.receive_data(data)
            if self.requests and manners.drop_in_message is not None and size >= 0:
                size += len(data)
            for event in protocol.events():
                if isinstance(event, Request):
                    self.requests.append(event)
                    size = 0
                    if manners.status != 101:
                        reject = RejectConnection(status_code=manners.status)
                        await stream.send_all(protocol.send(reject))
                        return
                    await stream.send_all(protocol.send(AcceptConnection()) + manners.says)
                    if not manners.reads:
                        await trio.sleep_forever()
                elif isinstance(event, Ping) and manners.pongs:
                    self.pings += 1
                    await stream.send_all(protocol.send(event.response()))
                elif isinstance(event, CloseConnection):
                    self.codes.append(int(event.code))
                    await stream.send_all(protocol.send(event.response()))
                    return
                elif isinstance(event, (TextMessage, BytesMessage)):
                    if isinstance(event, TextMessage):
                        text += event.data
                    else:
                        binary += bytes(event.data)
                    if not event.message_finished:
                        continue
                    messages += 1
                    if isinstance(event, TextMessage):
                        message, text = json.loads(text), ""
                        self.texts.append(message)
                        if manners.ack and "seq" in message:
                            ack = json.dumps({"type": "ack", "seq": message["seq"]})
                            await stream.send_all(protocol.send(TextMessage(data=ack)))
                    else:
                        self.binaries.append(binary)
                        binary = b""
                    if messages == manners.drop_after:
                        return
                    if messages == manners.close_after:
                        await stream.send_all(protocol.send(CloseConnection(code=1012)))
                        return
            if manners.drop_in_message is not None and size >= manners.drop_in_message:
                return


@asynccontextmanager
async def a_target(
    *plans: Manners, port: int = 0, after: Manners | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Target]:
    target = Target(list(plans), after=after or Manners(), tls=tls)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(
                partial(trio.serve_tcp, target.serve, port, host="127.0.0.1")
            )
            target.port = listeners[0].socket.getsockname()[1]
            yield target
            nursery.cancel_scope.cancel()
