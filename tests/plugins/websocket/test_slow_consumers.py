"""Good, slow and stalled subscribers side by side, on real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage
from wsproto.frame_protocol import CloseReason

from meetcore_websocket.frames import text_frame
from meetcore_websocket.hub import Hub, Topic
from meetcore_websocket.limits import Limits
from meetcore_websocket.subscriber import Subscriber
from tests.plugins.websocket.stage import (
    Stage,
    draft,
    eventually,
    final,
    messages,
    raw_connection,
    read_until,
    request,
    serving,
    subscribed,
)

FINALS = 200
PADDING = "x" * 4_000


class Reader:
    """A subscriber that notes what it gets."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._protocol = Connection(ConnectionType.CLIENT)
        self._text = ""
        self.found: list[dict[str, Any]] = []
        self.code: int | None = None

    async def connect(self, path: str = "/events") -> None:
        await self._stream.send_all(request(path))
        answer = await read_until(self._stream)
        _, _, rest = answer.partition(b"\r\n\r\n")
        self.take(rest)

    def take(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            if isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    self.found.append(json.loads(self._text))
                    self._text = ""
            elif isinstance(event, CloseConnection):
                self.code = int(event.code)

    async def read(self, most_bytes: int = 65_536, pause_s: float = 0.0) -> None:
        """Read to the end."""
        try:
            while self.code is None and (data := await self._stream.receive_some(most_bytes)):
                self.take(data)
                if pause_s:
                    await trio.sleep(pause_s)
        except trio.BrokenResourceError:
            self.code = int(CloseReason.ABNORMAL_CLOSURE)

    @property
    def seqs(self) -> list[int]:
        return [message["seq"] for message in self.found if "seq" in message]


async def speak(stage: Stage) -> None:
    """Say many long segments, each with drafts before it."""
    for number in range(FINALS):
        for revision in range(5):
            stage.show(draft(f"s{number}", f"{revision} {PADDING}", revision))
            await trio.lowlevel.checkpoint()
        stage.say(final(f"s{number}", PADDING))
        await trio.sleep(0.005)
    await stage.all_told()


@pytest.mark.law(6)
async def test_good_ones_get_everything_a_slow_one_all_finals_a_stalled_one_1013_and_resumes(
    tmp_path: Path,
) -> None:
    limits = {"soft_limit_bytes": 64 * 1024, "hard_limit_bytes": 256 * 1024}
    async with serving(tmp_path, **limits) as (stage, sink), trio.open_nursery() as nursery:
        good: list[Reader] = []
        for _ in range(4):
            connection = await nursery.start(_held, sink, None)
            good.append(Reader(connection))
        slow = Reader(await nursery.start(_held, sink, 4_096))
        stalled = Reader(await nursery.start(_held, sink, 4_096))
        for reader in (*good, slow, stalled):
            await reader.connect()
        for reader in good:
            nursery.start_soon(reader.read)
        nursery.start_soon(slow.read, 4_096, 0.002)
        victim = sink.subscribers[-1]

        await speak(stage)
        last_seq = stage.journal.last_seq
        everything = list(range(1, last_seq + 1))
        await eventually(lambda: all(reader.seqs[-1:] == [last_seq] for reader in good))
        await eventually(lambda: slow.seqs[-1:] == [last_seq])
        assert [reader.seqs for reader in good] == [everything] * 4
        assert slow.seqs == everything
        assert len(slow.found) < len(good[0].found)
        assert victim.close_code == 1013

        await stalled.read()
        assert stalled.code in (1013, 1006)
        assert stalled.seqs == everything[: len(stalled.seqs)]
        assert len(stalled.seqs) < len(everything)
        async with subscribed(sink, f"after={stalled.seqs[-1]}") as resumed:
            rest = await messages(resumed, last_seq)
        assert stalled.seqs + [message["seq"] for message in rest] == everything
        nursery.cancel_scope.cancel()


async def _held(
    sink: Any, buffer_bytes: int | None, task_status: trio.TaskStatus[trio.SocketStream]
) -> None:
    async with raw_connection(sink, receive_buffer_bytes=buffer_bytes) as stream:
        task_status.started(stream)
        await trio.sleep_forever()


async def test_one_that_reads_again_in_time_sees_1013_behind_a_whole_frame(tmp_path: Path) -> None:
    limits = {"soft_limit_bytes": 4_096, "hard_limit_bytes": 8_192}
    async with (
        serving(tmp_path, **limits) as (stage, sink),
        raw_connection(sink, receive_buffer_bytes=4_096) as stream,
    ):
        reader = Reader(stream)
        await reader.connect()
        (subscriber,) = sink.subscribers
        while not subscriber.closed:
            stage.step("long", PADDING)
            await stage.all_told()
        await reader.read()
    assert reader.code == subscriber.close_code == 1013
    assert reader.seqs == list(range(1, len(reader.seqs) + 1))


# --- one subscriber, one socket pair ---------------------------------------------------------


class Anybody:
    """A handler that lets everybody in and holds them."""

    def __init__(self) -> None:
        self.got: list[str | bytes] = []
        self.entered = trio.Event()

    def admit(self, subscriber: Subscriber, request: object) -> None:
        return None

    async def attend(self, subscriber: Subscriber) -> None:
        self.entered.set()
        await trio.sleep_forever()

    def receive(self, subscriber: Subscriber, message: str | bytes) -> None:
        self.got.append(message)


@asynccontextmanager
async def a_pair(**limits: Any) -> AsyncIterator[tuple[Subscriber, Reader]]:
    ours, theirs = trio.socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    handler = Anybody()
    subscriber = Subscriber(trio.SocketStream(ours), Limits(**limits))
    reader = Reader(trio.SocketStream(theirs))
    with trio.fail_after(90):
        async with trio.open_nursery() as nursery, reader._stream:
            nursery.start_soon(subscriber.run, request(), handler)
            answer = await read_until(reader._stream)
            reader.take(answer.partition(b"\r\n\r\n")[2])
            await handler.entered.wait()
            yield subscriber, reader
            nursery.cancel_scope.cancel()


def fill(subscriber: Subscriber) -> int:
    """Push until something waits; return how many messages that took."""
    pushed = 0
    while not subscriber.backlog_bytes:
        subscriber.push(text_frame(json.dumps({"n": pushed, "pad": "x" * 500})))
        pushed += 1
    return pushed


async def test_the_newest_draft_of_a_key_waits_and_a_final_takes_its_place() -> None:
    async with a_pair() as (subscriber, reader):
        topic = Topic("t")
        topic.join(subscriber)
        pushed = fill(subscriber)
        for revision in range(5):
            await topic.publish(f'{{"draft":"a","revision":{revision}}}', key="a")
            await topic.publish(f'{{"draft":"b","revision":{revision}}}', key="b")
        await topic.publish('{"final":"a"}', position=1, supersedes="a")
        assert subscriber.spared == 4 + 4 + 1
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.5):
            await reader.read()
    assert [m["n"] for m in reader.found[:pushed]] == list(range(pushed))
    assert reader.found[pushed:] == [{"draft": "b", "revision": 4}, {"final": "a"}]


async def test_above_the_soft_limit_drafts_go_and_finals_stay() -> None:
    async with a_pair(soft_bytes=1_000, hard_bytes=100_000) as (subscriber, reader):
        pushed = fill(subscriber)
        for number in range(20):
            subscriber.push(text_frame(json.dumps({"draft": "x" * 200})), f"k{number}")
            subscriber.push(text_frame(json.dumps({"n": pushed + number, "pad": "x" * 200})))
        assert subscriber.backlog_bytes > 1_000
        assert not subscriber.closed
        with trio.move_on_after(0.5):
            await reader.read()
    assert [m["n"] for m in reader.found if "n" in m] == list(range(pushed + 20))
    assert len([m for m in reader.found if "draft" in m]) < 10


async def test_a_socket_that_takes_nothing_is_cut_and_never_used_again() -> None:
    async with a_pair(stall_s=0.2) as (subscriber, reader):
        fill(subscriber)
        await eventually(lambda: subscriber.closed)
        waiting = subscriber.backlog_bytes
        subscriber.push(text_frame("after"))
        assert subscriber.backlog_bytes == waiting
        await reader.read()
    assert subscriber.close_code is None
    assert reader.code in (None, 1006)
    assert {"n"} <= set(reader.found[0])


async def test_a_subscriber_that_goes_on_reading_slowly_is_not_cut() -> None:
    async with a_pair(stall_s=0.4, hard_bytes=10_000_000) as (subscriber, reader):
        fill(subscriber)
        for number in range(400):
            subscriber.push(text_frame(json.dumps({"late": number, "pad": "x" * 500})))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.read, 2_048, 0.02)
            await eventually(lambda: reader.found and reader.found[-1].get("late") == 399)
            nursery.cancel_scope.cancel()
        assert not subscriber.closed
        assert [m["late"] for m in reader.found if "late" in m] == list(range(400))


# --- the hub -------------------------------------------------------------------------------


class Counted:
    """Stands for a subscriber in a large audience."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def push(self, frame: bytes, key: str | None = None) -> None:
        self.got.append(frame)

    def forget(self, key: str) -> None:
        pass


async def test_a_large_fan_out_lets_others_run_in_between() -> None:
    topic = Topic("t")
    audience = [Counted() for _ in range(1_000)]
    for one in audience:
        topic.join(one)  # type: ignore[arg-type]
    seen: set[int] = set()

    async def watch() -> None:
        while True:
            seen.add(sum(len(one.got) for one in audience))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await topic.publish("hello", position=1)
        nursery.cancel_scope.cancel()
    assert seen & {200, 400, 600, 800}
    assert {bytes(frame) for one in audience for frame in one.got} == {text_frame("hello")}


async def test_a_fan_out_that_is_cancelled_has_reached_everybody_or_nobody() -> None:
    topic = Topic("t")
    audience = [Counted() for _ in range(1_000)]
    for one in audience:
        topic.join(one)  # type: ignore[arg-type]
    for turns in range(8):
        before = {len(one.got) for one in audience}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(topic.publish, "x")
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        after = {len(one.got) for one in audience}
        assert len(after) == 1
        assert after.pop() - before.pop() in (0, 1)


async def test_messages_of_many_publishers_reach_all_in_the_same_order() -> None:
    topic = Topic("t")
    audience = [Counted() for _ in range(450)]
    for one in audience:
        topic.join(one)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(topic.publish, str(number))
    assert len({tuple(one.got) for one in audience}) == 1
    assert len(audience[0].got) == 20


async def test_a_hub_keeps_topics_apart() -> None:
    hub = Hub()
    one, two = Counted(), Counted()
    hub.topic("a").join(one)  # type: ignore[arg-type]
    hub.topic("b").join(two)  # type: ignore[arg-type]
    await hub.topic("a").publish("for a")
    hub.leave(one)  # type: ignore[arg-type]
    await hub.topic("a").publish("for nobody")
    hub.drop("b")
    assert "b" not in hub
    assert (one.got, two.got) == ([text_frame("for a")], [])
