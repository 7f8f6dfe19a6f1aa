"""The course that is run for ten minutes, for half a minute and two bots; and that it judges."""

from __future__ import annotations

import random

import pytest
import trio

from tests.faults import talks
from tests.faults.__main__ import Course, Followed, run

pytestmark = [pytest.mark.folder_store, pytest.mark.timeout(240)]


async def test_two_bots_go_through_half_a_minute_of_it_without_a_loss(tmp_path) -> None:
    course = await run(tmp_path, 0.5, simulated=2, browsers=0, seed=4)
    assert course.troubles == []
    assert sum(course.killed.values()) >= 1
    assert all(bot.finals() == talks.lines(30.0) for bot in course.bots)
    assert all(bot.seqs == list(range(1, len(bot.seqs) + 1)) for bot in course.bots)
    assert {got.path for got in course.receiver.got} == {"/0", "/1"}


def test_a_line_is_told_from_every_other_and_the_last_is_heard_before_the_end() -> None:
    lines = talks.lines(600.0)
    assert len(set(lines)) == len(lines) == 199
    assert 1.0 + (len(lines) - 1) * talks.EVERY_S + 3.0 < 600.0


async def test_what_did_not_end_is_a_trouble(tmp_path) -> None:
    bots = [Followed(0, "https://meet.google.com/talk-0", talks=True, bot_id="b")]
    course = Course([], [], None, None, None, bots, random.Random(1))  # type: ignore[arg-type]
    await course.judge(30.0)
    assert course.troubles == ["bot 0 (b) has not ended"]


async def test_of_a_bot_that_did_not_end_it_is_said_what_the_servers_answer() -> None:
    bots = [Followed(0, "https://meet.google.com/talk-0", talks=True, bot_id="b")]
    with trio.fail_after(60):
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]

        async def answer(stream: trio.SocketStream) -> None:
            head = await stream.receive_some()
            assert head.startswith(b"GET /v1/bots/b ")
            await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nleaving")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, answer, [listener])
            course = Course([], [port, 1], None, None, None, bots, random.Random(1))  # type: ignore[arg-type]
            await course.judge(30.0)
            nursery.cancel_scope.cancel()
    assert course.troubles[:2] == [
        "bot 0 (b) has not ended",
        "bot 0: server 0 answers leaving",
    ]
    assert "ConnectError" in course.troubles[2]


async def test_a_server_that_does_not_shake_hands_does_not_hold_up_who_follows(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bot = Followed(0, "https://meet.google.com/talk-0", talks=True, bot_id="b")
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    course = Course([], [port, port], None, None, None, [bot], random.Random(1))  # type: ignore[arg-type]
    async with listener:
        with trio.move_on_after(100.0):
            await course.follow(bot)
    assert bot.changes == 5
