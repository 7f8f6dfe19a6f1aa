"""A bot's journal and drafts with the sink over them, and subscribers of several tempers."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from meetcore.log.journal import Journal
from meetcore.log.subscription import Drafts, Subscription
from meetcore.model.addresses import PrivateTargets
from meetcore.model.commands import Command
from meetcore.model.drafts import Draft, SegmentDraft
from meetcore.model.events import Event, SegmentFinalized, StateChanged, StepTaken
from meetcore.model.lifecycle import EndReason, State
from meetcore.model.roster import NameSource
from meetcore.model.transcript import Segment
from meetcore.plugin.sink import Sink, SinkContext
from meetcore_websocket.options import WebSocketOptions
from meetcore_websocket.sink import WebSocketSink

DEADLINE_S = 90.0


def segment(name: str, text: str, revision: int = 1, *, finalized: bool = False) -> Segment:
    return Segment(
        id=name,
        revision=revision,
        finalized=finalized,
        track_id="t1",
        participant_id="p1",
        speaker_name="Ada",
        speaker_source=NameSource.TRACK,
        speaker_confidence=1.0,
        text=text,
        start_s=0.0,
        end_s=1.0,
    )


def draft(name: str, text: str, revision: int = 1) -> SegmentDraft:
    return SegmentDraft(segment=segment(name, text, revision))


def final(name: str, text: str, revision: int = 9) -> SegmentFinalized:
    return SegmentFinalized(segment=segment(name, text, revision, finalized=True))


THE_END = StateChanged(
    state=State.COMPLETED, previous=State.PROCESSING, reason=EndReason.MEETING_ENDED
)


class Stage:
    """One bot's log, told to one sink as the core would."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "websocket",
        trusted: bool = True,
        listed: Sequence[str] = (),
    ) -> None:
        self.journal = Journal(folder / "journal.jsonl", "b-1", fsync=False)
        self.drafts = Drafts()
        self.performed: list[Command] = []
        self.perform_error: Exception | None = None
        self.perform_gate = trio.Event()
        self.perform_gate.set()
        self.gated: type[Command] = Command
        self.told_up_to = 0
        self.context = SinkContext(
            name=name,
            bot_id="b-1",
            folder=folder,
            journal=self.journal,
            report=self.journal.append,
            perform=self._perform,
            trusted=trusted,
            private_targets=PrivateTargets.listed(listed),
        )

    async def _perform(self, command: Command) -> None:
        if isinstance(command, self.gated):
            await self.perform_gate.wait()
        if self.perform_error is not None:
            raise self.perform_error
        self.performed.append(command)

    def say(self, event: Event) -> Event:
        return self.journal.append(event)

    def step(self, name: str = "step", detail: str = "") -> Event:
        return self.say(StepTaken(name=name, detail=detail))

    def show(self, item: Draft) -> None:
        import attrs

        self.drafts.publish(attrs.evolve(item, bot_id="b-1", after_seq=self.journal.last_seq))

    async def tell(self, sink: Sink) -> None:
        """Do what the core's runner does."""
        async for item in Subscription(self.journal, self.drafts if sink.wants_drafts else None):
            if isinstance(item, Event):
                await sink.deliver(item)
                self.told_up_to = item.seq
            else:
                await sink.deliver_draft(item)

    async def all_told(self) -> None:
        await eventually(lambda: self.told_up_to >= self.journal.last_seq)

    @asynccontextmanager
    async def running(self, sink: Sink) -> AsyncIterator[None]:
        """Open a sink and tell it everything until the block ends."""
        with trio.fail_after(DEADLINE_S):
            async with sink.open(self.context), trio.open_nursery() as nursery:
                nursery.start_soon(self.tell, sink)
                yield
                nursery.cancel_scope.cancel()

    def close(self) -> None:
        self.journal.close()


async def eventually(condition: Any, *, within_s: float = 90.0) -> None:
    """Return when a condition holds."""
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110  any condition, also of another process
            await trio.sleep(0.005)


@asynccontextmanager
async def serving(folder: Path, **options: Any) -> AsyncIterator[tuple[Stage, WebSocketSink]]:
    """A stage with the server running on a free port."""
    stage = Stage(folder)
    sink = WebSocketSink(WebSocketOptions(port=0, **options))
    try:
        async with stage.running(sink):
            yield stage, sink
    finally:
        stage.close()


def port_of(sink: WebSocketSink) -> int:
    return int(sink.urls[0].rpartition(":")[2].partition("/")[0])


@asynccontextmanager
async def subscribed(
    sink: WebSocketSink, query: str = "", headers: list[tuple[bytes, bytes]] | None = None
) -> AsyncIterator[WebSocketConnection]:
    host, port = "127.0.0.1", port_of(sink)
    path = "/events" + (f"?{query}" if query else "")
    async with await trio.open_tcp_stream(host, port) as stream, trio.open_nursery() as nursery:
        connection = await wrap_client_stream(
            nursery, stream, f"{host}:{port}", path, extra_headers=headers
        )
        yield connection
        with trio.move_on_after(DEADLINE_S):
            await connection.aclose()
        nursery.cancel_scope.cancel()


async def next_message(connection: WebSocketConnection) -> dict[str, Any]:
    with trio.fail_after(DEADLINE_S):
        message: dict[str, Any] = json.loads(await connection.get_message())
    return message


async def messages(connection: WebSocketConnection, upto_seq: int) -> list[dict[str, Any]]:
    """Return what comes up to and with the event of that number."""
    found = [await next_message(connection)]
    while found[-1].get("seq") != upto_seq:
        found.append(await next_message(connection))
    return found


def request(
    path: str = "/events", *, port: int = 0, headers: dict[str, str] | None = None
) -> bytes:
    """Return a WebSocket request as bytes; a header with an empty value is left out."""
    lines = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(),
        "Sec-WebSocket-Version": "13",
        **(headers or {}),
    }
    shown = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"GET {path} HTTP/1.1\r\n{shown}\r\n".encode("latin-1")


@asynccontextmanager
async def raw_connection(
    sink: WebSocketSink, *, receive_buffer_bytes: int | None = None
) -> AsyncIterator[trio.SocketStream]:
    """A bare socket to the server; a small buffer makes a peer that soon stops taking."""
    plain = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer_bytes is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    await plain.connect(("127.0.0.1", port_of(sink)))
    stream = trio.SocketStream(plain)
    async with stream:
        yield stream


async def read_until(stream: trio.SocketStream, mark: bytes = b"\r\n\r\n") -> bytes:
    data = b""
    with trio.fail_after(DEADLINE_S):
        while mark not in data:
            more = await stream.receive_some(65_536)
            if not more:
                break
            data += more
    return data


async def read_all(stream: trio.SocketStream) -> bytes:
    """Return what comes until the end, however it ends."""
    data = b""
    with trio.fail_after(DEADLINE_S):
        try:
            while more := await stream.receive_some(65_536):
                data += more
        except trio.BrokenResourceError:
            return data
    return data
