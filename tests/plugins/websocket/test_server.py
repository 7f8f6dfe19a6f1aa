"""The sink `websocket` over real sockets: replay, live, drafts, the end."""

from __future__ import annotations

import gc
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed, WebSocketConnection

from meetcore.model.errors import ConfigError
from meetcore.model.events import PluginEvent, PluginFailed
from meetcore.model.secrets import Secret
from meetcore.testing.leaks import LeakGuard
from meetcore_websocket import server
from meetcore_websocket.options import WebSocketOptions
from meetcore_websocket.server import AddressUnavailable
from meetcore_websocket.sink import WebSocketSink
from tests.plugins.websocket.stage import (
    THE_END,
    Stage,
    draft,
    eventually,
    final,
    messages,
    next_message,
    port_of,
    raw_connection,
    read_all,
    read_until,
    request,
    serving,
    subscribed,
)


def seqs(found: list[dict[str, Any]]) -> list[int]:
    return [message["seq"] for message in found if "seq" in message]


async def closing(connection: WebSocketConnection) -> tuple[list[str | bytes], int]:
    """Return what still comes, and the close code."""
    rest: list[str | bytes] = []
    with trio.fail_after(90):
        try:
            while True:
                rest.append(await connection.get_message())
        except ConnectionClosed as closed:
            return rest, closed.reason.code if closed.reason is not None else 1006


async def test_a_subscriber_gets_every_event_from_the_first_and_then_live(tmp_path: Path) -> None:
    async with serving(tmp_path) as (stage, sink):
        stage.step("before")
        await stage.all_told()
        async with subscribed(sink) as connection:
            old = await messages(connection, stage.journal.last_seq)
            live = stage.step("live")
            new = await messages(connection, live.seq)
    assert seqs(old + new) == list(range(1, live.seq + 1))
    assert new[-1]["data"]["name"] == "live"


async def test_a_subscriber_resumes_after_its_seq(tmp_path: Path) -> None:
    async with serving(tmp_path) as (stage, sink):
        last = [stage.step() for _ in range(20)][-1]
        await stage.all_told()
        async with subscribed(sink, f"after={last.seq - 3}") as connection:
            found = await messages(connection, last.seq)
    assert seqs(found) == [last.seq - 2, last.seq - 1, last.seq]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), old=st.integers(0, 400), live=st.integers(1, 200))
def test_events_that_arrive_during_the_replay_come_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int, old: int, live: int
) -> None:
    chance = random.Random(seed)

    async def play() -> None:
        async with serving(tmp_path_factory.mktemp("journal")) as (stage, sink):
            for _ in range(old):
                stage.step("old", "x" * chance.choice((1, 300, 3_000)))
            after = chance.randint(0, stage.journal.last_seq)
            last_seq = stage.journal.last_seq + live
            got: list[list[dict[str, Any]]] = []

            async def subscribe() -> None:
                async with subscribed(sink, f"after={after}&drafts=0") as connection:
                    got.append(await messages(connection, last_seq))

            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(subscribe)
                while stage.journal.last_seq < last_seq:
                    for _ in range(chance.randint(1, 9)):
                        if stage.journal.last_seq < last_seq:
                            stage.step("live")
                    await trio.sleep(chance.choice((0, 0, 0.001)))
            for found in got:
                assert seqs(found) == list(range(after + 1, last_seq + 1))

    trio.run(play)


async def test_drafts_stand_in_their_place_between_events(tmp_path: Path) -> None:
    async with serving(tmp_path) as (stage, sink), subscribed(sink) as connection:
        await messages(connection, stage.journal.last_seq)
        stage.show(draft("s1", "hel", 1))
        first = await next_message(connection)
        stage.show(draft("s1", "hello", 2))
        second = await next_message(connection)
        done = stage.say(final("s1", "hello there"))
        third = await next_message(connection)
    assert [first["type"], second["type"], third["type"]] == [
        "segment.draft",
        "segment.draft",
        "segment.finalized",
    ]
    assert [first["after_seq"], third["seq"]] == [done.seq - 1, done.seq]
    assert second["data"]["segment"]["text"] == "hello"


async def test_a_subscriber_that_wants_no_drafts_gets_none(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as (stage, sink),
        subscribed(sink, "drafts=0") as without,
        subscribed(sink) as with_drafts,
    ):
        await messages(without, stage.journal.last_seq)
        await messages(with_drafts, stage.journal.last_seq)
        stage.show(draft("s1", "hel"))
        assert (await next_message(with_drafts))["type"] == "segment.draft"
        stage.say(final("s1", "hello"))
        assert (await next_message(without))["type"] == "segment.finalized"


async def test_after_the_terminal_event_everybody_is_closed_with_1000(tmp_path: Path) -> None:
    guard = LeakGuard()
    async with serving(tmp_path) as (stage, sink):
        async with subscribed(sink) as live, subscribed(sink, "after=1") as late:
            await messages(live, stage.journal.last_seq)
            end = stage.say(THE_END)
            assert seqs(await messages(live, end.seq)) == [end.seq]
            assert await closing(live) == ([], 1000)
            await messages(late, end.seq)
            assert await closing(late) == ([], 1000)
        async with subscribed(sink, "after=1") as too_late:
            assert seqs(await messages(too_late, end.seq)) == list(range(2, end.seq + 1))
            assert await closing(too_late) == ([], 1000)
    guard.check()


async def test_a_bot_that_goes_without_an_end_says_going_away(tmp_path: Path) -> None:
    codes: list[int] = []
    async with trio.open_nursery() as nursery, serving(tmp_path) as (stage, sink):
        ready = trio.Event()

        async def follow() -> None:
            async with subscribed(sink) as connection:
                await messages(connection, stage.journal.last_seq)
                ready.set()
                codes.append((await closing(connection))[1])

        nursery.start_soon(follow)
        await ready.wait()
    assert codes == [1001]


async def test_leaving_with_subscribers_connected_leaves_nothing(tmp_path: Path) -> None:
    guard = LeakGuard()
    stage = Stage(tmp_path)
    sink = WebSocketSink(WebSocketOptions(port=0))
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with (
                stage.running(sink),
                raw_connection(sink) as silent,
                raw_connection(sink) as asked,
            ):
                await asked.send_all(request())
                await read_until(asked)
                await silent.send_all(b"GET /ev")
                scope.cancel()
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    stage.close()
    guard.check()


async def test_events_the_sink_was_not_told_are_sent_before_the_next(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    sink = WebSocketSink(WebSocketOptions(port=0))
    async with sink.open(stage.context):
        for event in list(stage.journal.read()):
            await sink.deliver(event)
        async with subscribed(sink) as connection:
            stage.say(PluginFailed(plugin="websocket", where="deliver", error="itself"))
            told = stage.step()
            await sink.deliver(told)
            found = await messages(connection, told.seq)
    stage.close()
    assert seqs(found) == list(range(1, told.seq + 1))


async def test_the_address_is_an_event_and_holds_no_secret(tmp_path: Path) -> None:
    tokens = (Secret("read-secret-1"),)
    async with serving(tmp_path, read_tokens=tokens) as (stage, sink):
        found = [e for e in stage.journal.read() if isinstance(e, PluginEvent)]
        assert found[0].name == "listening"
        assert found[0].data == {"url": f"ws://127.0.0.1:{port_of(sink)}/events"}
        assert stage.context.redactor.redact("read-secret-1") == "[redacted]"


async def test_a_taken_port_is_refused_by_port_and_option(tmp_path: Path) -> None:
    async with serving(tmp_path) as (stage, sink):
        second = WebSocketSink(WebSocketOptions(port=port_of(sink)))
        with pytest.raises(AddressUnavailable, match=rf"port {port_of(sink)} .*another `port`"):
            async with second.open(stage.context):
                pytest.fail("it opened")


async def test_where_no_port_is_chosen_a_second_bot_has_another_than_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    stages = [Stage(tmp_path / name) for name in ("first", "second")]
    [free] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    usual = free.socket.getsockname()[1]
    await free.aclose()
    monkeypatch.setattr(server, "USUAL_PORT", usual)
    first, second = WebSocketSink(), WebSocketSink()
    async with first.open(stages[0].context), second.open(stages[1].context):
        assert port_of(first) == usual
        assert port_of(second) != usual
        async with subscribed(second):
            assert second.subscribers
    for stage in stages:
        stage.close()


async def test_an_address_that_is_not_this_machines_is_refused(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    options = WebSocketOptions(host="192.0.2.1", port=0, read_tokens=(Secret("a-token-here"),))
    with pytest.raises(AddressUnavailable, match=r"192\.0\.2\.1"):
        async with WebSocketSink(options).open(stage.context):
            pytest.fail("it opened")
    stage.close()


async def test_an_address_that_turns_out_public_is_refused_without_a_token(tmp_path: Path) -> None:
    class Resolver(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # type: ignore[no-untyped-def]  # noqa: A002
            return [(2, 1, 6, "", ("0.0.0.0", port))]

        async def getnameinfo(self, sockaddr, flags):  # type: ignore[no-untyped-def]
            raise AssertionError

    trio.socket.set_custom_hostname_resolver(Resolver())
    guard = LeakGuard()
    stage = Stage(tmp_path)
    with pytest.raises(ConfigError, match="not this machine's own"):
        async with WebSocketSink(WebSocketOptions(host="localhost", port=0)).open(stage.context):
            pytest.fail("it opened")
    stage.close()
    guard.check()


async def test_a_stalled_replay_costs_little_memory_and_is_cut(tmp_path: Path) -> None:
    async with serving(tmp_path, stall_s=1.0) as (stage, sink):
        for _ in range(3_000):
            stage.step("long", "x" * 4_000)
        await stage.all_told()
        async with raw_connection(sink, receive_buffer_bytes=4_096) as stalled:
            gc.collect()
            tracemalloc.start()
            try:
                await stalled.send_all(request("/events?after=1"))
                await eventually(lambda: len(sink.subscribers) == 1)
                (subscriber,) = sink.subscribers
                await eventually(lambda: subscriber.backlog_bytes > 0)
                await eventually(lambda: subscriber.closed)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak < 4_000_000
            assert subscriber.close_code is None
            assert len(await read_all(stalled)) < 12_000_000
        await eventually(lambda: not sink.subscribers)
        async with subscribed(sink, "after=2") as healthy:
            found = await messages(healthy, stage.journal.last_seq)
    assert seqs(found) == list(range(3, stage.journal.last_seq + 1))
