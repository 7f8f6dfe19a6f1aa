"""A line to a target: what is sent when, against a real server on the loopback."""

from __future__ import annotations

from typing import ClassVar

import pytest
import trio
import trio.testing
from attrs import frozen

from meetcore.model.addresses import PrivateTargets
from meetcore_websocket.client import Link
from meetcore_websocket.dial_options import DialOptions
from meetcore_websocket.outbound import Outbound, TargetUnreachable
from meetcore_websocket.target import Target
from tests.plugins.websocket.stage import eventually
from tests.plugins.websocket.users_server import User, serving


@frozen(kw_only=True)
class Options(DialOptions):
    where: ClassVar[str] = "[plugins.x]"

    first_retry_s: float = 0.01
    flush_timeout_s: float = 0.1


def linked(user: User, **how: object) -> tuple[Outbound, Link]:
    target, options = Target(user.url), Options()
    line = Outbound(target, options, **how)  # type: ignore[arg-type]
    return line, Link(target, options, PrivateTargets(all=True), notice=lambda name, why: None)


async def test_what_is_about_now_waits_for_no_connection_and_of_a_key_the_newest_is_sent() -> None:
    async with serving(User(greeted=False)) as user:
        line, link = linked(user)
        line.tell("kept")
        line.show("lost")
        async with link.keeping(line):
            await eventually(lambda: user.connections and user.connections[0])
            line.tell("first")
            for text in ("one", "two", "three"):
                line.show(text, "a key")
            line.show("without a key")
            line.show("without a key")
            await line.drained()
        await eventually(lambda: user.codes)
    assert user.connections == [["kept", "first", "three", *["without a key"] * 2]]
    assert user.codes == [1000]


async def test_nothing_is_dialled_before_it_is_due_and_an_end_before_that_takes_no_time() -> None:
    async with serving(User(greeted=False)) as user:
        due = trio.Event()
        line, link = linked(user, greeting=lambda: ["hello", "again"])
        async with link.keeping(line, due):
            await trio.testing.wait_all_tasks_blocked()
            assert user.connections == []
            due.set()
            await eventually(lambda: user.connections == [["hello", "again"]])
        line, link = linked(user)
        began = trio.current_time()
        async with link.keeping(line, trio.Event()):
            pass
        assert trio.current_time() - began < 60
    assert len(user.connections) == 1


async def test_sound_that_nobody_takes_is_given_up_once_it_has_to_hurry() -> None:
    async with serving(User()) as user:
        line, _ = linked(user)
    async with trio.open_nursery() as nursery:

        async def put() -> None:
            with pytest.raises(TargetUnreachable, match=f"ws://127.0.0.1:{user.port} took no more"):
                await line.put(b"sound")

        nursery.start_soon(put)
        await trio.testing.wait_all_tasks_blocked()
        line.hurry()
    with pytest.raises(TargetUnreachable):
        await line.put(b"more")
