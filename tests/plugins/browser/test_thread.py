"""The bridge: cancel scopes work, every call has a deadline, exceptions arrive as themselves."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time

import pytest
import trio
import trio.testing

from meetcore_browser import thread as thread_module
from meetcore_browser.errors import BrowserThreadClosed, CallTimedOut
from meetcore_browser.testing import until
from meetcore_browser.thread import BrowserThread, browser_thread, open_browser_thread

pytestmark = pytest.mark.usefixtures("nothing_left")


class FarAwayError(Exception):
    pass


async def test_a_call_returns_what_the_asyncio_function_returns() -> None:
    async with open_browser_thread() as aio:

        async def add(a: int, b: int) -> tuple[int, str]:
            await asyncio.sleep(0)
            return a + b, threading.current_thread().name

        assert await aio.call(add, 1, b=2) == (3, "meetcore-browser")
        assert await aio.sync(lambda: threading.current_thread().name) == "meetcore-browser"


async def test_an_exception_arrives_as_itself_with_its_traceback() -> None:
    async with open_browser_thread() as aio:

        async def fails() -> None:
            raise FarAwayError("over there")

        with pytest.raises(FarAwayError, match="over there") as caught:
            await aio.call(fails)
        assert any(entry.name == "fails" for entry in caught.traceback)


async def test_a_cancelled_call_returns_promptly_thirty_times_and_leaves_nothing_running() -> None:
    async with open_browser_thread() as aio:
        begun, ended = [], []

        async def forever() -> None:
            begun.append(True)
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(True)

        slowest = 0.0
        for _ in range(30):
            with trio.move_on_after(0.01) as scope:
                await aio.call(forever)
            assert scope.cancelled_caught
            slowest = max(slowest, trio.current_time() - scope.deadline)
        assert slowest < 1.0
        # One that is cancelled before its turn came is never begun.
        assert 0 < len(ended) == len(begun) <= 30
        assert aio.pending_calls == 0
        assert await aio.sync(lambda: len(asyncio.all_tasks())) == 2


async def test_a_failing_sibling_cancels_a_pending_call() -> None:
    async with open_browser_thread() as aio:

        async def fail_soon() -> None:
            await trio.sleep(0.02)
            raise FarAwayError

        began = trio.current_time()
        with pytest.RaisesGroup(FarAwayError):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(aio.call, asyncio.sleep, 3600)
                nursery.start_soon(fail_soon)
        assert trio.current_time() - began < 60


async def test_a_call_that_finishes_as_it_is_cancelled_gives_its_value() -> None:
    async with open_browser_thread() as aio:

        async def stubborn() -> str:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                return "a browser that was launched just now"
            return "never"

        with trio.move_on_after(0.02) as scope:
            value = await aio.call(stubborn)
            assert value == "a browser that was launched just now"
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught


async def test_every_call_has_a_deadline_and_names_itself_when_it_passes() -> None:
    async with open_browser_thread() as aio:

        async def hangs() -> None:
            await asyncio.sleep(3600)

        with pytest.raises(CallTimedOut, match=r"hangs did not return within 0\.05 s"):
            await aio.call(hangs, timeout_s=0.05)
        assert await aio.sync(lambda: 1) == 1


async def test_the_deadline_holds_even_when_the_whole_loop_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thread_module, "ABORT_GRACE_S", 0.1)
    release = threading.Event()
    async with open_browser_thread() as aio:
        began = trio.current_time()
        with pytest.raises(CallTimedOut):
            await aio.sync(release.wait, timeout_s=0.1)
        assert trio.current_time() - began < 60
        release.set()
        assert await aio.sync(lambda: "alive") == "alive"


async def test_many_calls_run_side_by_side() -> None:
    async with open_browser_thread() as aio:
        order: list[int] = []

        async def one(number: int) -> None:
            await aio.call(asyncio.sleep, 1.0)
            order.append(number)

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(one, number)
        assert len(order) == 20
        assert trio.current_time() - began < 15  # one after the other: 20 s


async def test_what_a_handler_hands_over_arrives_on_the_trio_thread_in_order() -> None:
    async with open_browser_thread() as aio:
        arrived: list[tuple[int, str]] = []
        done = trio.Event()

        def take(number: int) -> None:
            arrived.append((number, threading.current_thread().name))
            if number == 99:
                done.set()

        def tell_a_hundred() -> None:
            for number in range(100):
                aio.to_trio(take, number)

        await aio.sync(tell_a_hundred)
        with trio.fail_after(90):
            await done.wait()
        assert [number for number, _ in arrived] == list(range(100))
        assert {name for _, name in arrived} == {threading.current_thread().name}


async def test_bots_share_one_thread_and_the_last_one_ends_it() -> None:
    threads: set[BrowserThread] = set()
    inside = trio.Event()

    async def bot(*, stays: bool) -> None:
        async with browser_thread() as aio:
            threads.add(aio)
            if stays:
                await inside.wait()
            assert await aio.sync(lambda: 1) == 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: bot(stays=True))
        for _ in range(5):
            nursery.start_soon(lambda: bot(stays=False))
        await trio.testing.wait_all_tasks_blocked(0.2)
        assert len(threads) == 1
        [aio] = threads
        assert await aio.sync(lambda: 1) == 1
        inside.set()
    with pytest.raises(BrowserThreadClosed):
        await aio.call(asyncio.sleep, 0)
    async with browser_thread() as another:
        assert another is not aio


async def test_a_call_that_is_under_way_when_the_thread_ends_is_told_so() -> None:
    async with trio.open_nursery() as nursery:
        errors: list[Exception] = []

        async def call(aio: BrowserThread) -> None:
            try:
                await aio.call(asyncio.sleep, 3600)
            except BrowserThreadClosed as error:
                errors.append(error)

        async with open_browser_thread() as aio:
            nursery.start_soon(call, aio)
            await trio.testing.wait_all_tasks_blocked(0.05)
        await until(lambda: len(errors) == 1)


async def test_the_asyncio_policy_of_the_process_plays_no_part() -> None:
    class Refusing(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            raise AssertionError("the loop was made through the policy")

    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(Refusing())
    try:
        async with open_browser_thread() as aio:
            assert await aio.sync(lambda: 1) == 1
    finally:
        asyncio.set_event_loop_policy(before)


async def test_what_nobody_awaited_is_not_printed(caplog: pytest.LogCaptureFixture) -> None:
    async with open_browser_thread() as aio:

        def lose_a_future() -> None:
            asyncio.get_running_loop().create_future().set_exception(FarAwayError("lost"))

        await aio.sync(lose_a_future)
        await aio.call(asyncio.sleep, 0)
        await aio.sync(gc.collect)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_bridged_call_costs_little() -> None:
    async with open_browser_thread() as aio:
        began = time.perf_counter()
        for _ in range(300):
            await aio.call(asyncio.sleep, 0)
        assert (time.perf_counter() - began) / 300 < 0.01
