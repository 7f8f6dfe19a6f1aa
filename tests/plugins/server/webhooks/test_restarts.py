"""A dispatcher that was stopped or killed is followed by one that forgets nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from meetcore.gateway.service import Outgoing
from meetcore.model.lifecycle import State
from tests.plugins.server.webhooks.receiver import Receiver, never, receiving, status
from tests.plugins.server.webhooks.stage import staged, target

ROOT = Path(__file__).parents[4]
EVENTS = 60


def bodies(receiver: Receiver, path: str = "/hook") -> list[str]:
    return [got.body.decode() for got in receiver.at(path)]


async def test_a_fresh_dispatcher_goes_on_after_the_cursor_without_being_woken(
    database_url: str,
) -> None:
    async with receiving() as receiver:
        async with staged(database_url) as stage:
            row = await stage.bot(target(receiver.url()))
            stage.write(row, "a", "b")
            await receiver.until_got(2)
            await stage.until_idle()
        stage.write(row, "c", "quiet", "d", wake=False)
        async with staged(database_url, journals=stage.journals):
            await receiver.until_got(4)
        assert bodies(receiver) == ["1", "2", "3", "5"]


async def test_what_had_no_answer_noted_is_sent_again_and_nothing_before_it(
    database_url: str,
) -> None:
    async with receiving() as receiver:
        receiver.answers["/hook"] = [status(204), never]
        async with staged(database_url) as stage:
            row = await stage.bot(target(receiver.url()))
            stage.write(row, "a", "three")
            await receiver.until_got(2)
        async with staged(database_url, journals=stage.journals) as stage:
            await receiver.until_got(5)
            await stage.until_idle()
        assert bodies(receiver) == ["1", "2.0", "2.0", "2.1", "2.2"]


async def test_in_the_middle_of_an_event_of_several_messages_it_goes_on_there(
    sqlite_url: str,
) -> None:
    async with receiving() as receiver:
        receiver.answers["/hook"] = [status(204), never]
        async with staged(sqlite_url) as stage:
            row = await stage.bot(target(receiver.url()))
            stage.write(row, "three")
            await receiver.until_got(2)
        async with staged(sqlite_url, journals=stage.journals):
            await receiver.until_got(4)
        assert bodies(receiver) == ["1.0", "1.1", "1.1", "1.2"]


async def test_attempts_and_pauses_go_on_where_they_stood(sqlite_url: str) -> None:
    async with receiving() as receiver:
        receiver.answers["/hook"] = [status(500)]
        async with staged(sqlite_url) as stage:
            row = await stage.bot(target(receiver.url(), "patient"))
            stage.write(row, "a")
            await receiver.until_got(1)
            await stage.until_quiet()
        async with staged(sqlite_url, journals=stage.journals) as stage:
            stage.write(row, "b")
            await stage.until_quiet()
            assert len(receiver.got) == 1
            (held,) = await stage.dispatcher.deliveries.history()
            await stage.dispatcher.redeliver(held.id)
            await receiver.until_got(4)
            assert bodies(receiver) == ["1", "1", "1", "2"]
            assert receiver.got[2].headers["x-attempt"] == "2"


async def test_what_was_posted_and_asked_for_again_is_not_forgotten(sqlite_url: str) -> None:
    async with receiving() as receiver:
        async with staged(sqlite_url) as stage:
            row = await stage.bot(target(receiver.url()))
            stage.write(row, "a")
            await receiver.until_got(1)
            await stage.until_idle()
        async with staged(sqlite_url, journals=stage.journals, start=False) as stage:
            (to,) = await stage.dispatcher.cursors.targets(row.bot_id)
            await stage.dispatcher.post(row, to, Outgoing(kind="k", body=b"posted"))
            (_, first) = await stage.dispatcher.deliveries.history()
            await stage.dispatcher.redeliver(first.id)
            await stage.follow(row, State.FAILED)
        async with staged(sqlite_url, journals=stage.journals) as stage:
            await receiver.until_got(3)
            await stage.until_idle()
        assert bodies(receiver) == ["1", "1", "posted"]


async def test_a_bot_that_ended_and_was_told_of_is_not_looked_at_again(database_url: str) -> None:
    async with receiving() as receiver:
        async with staged(database_url) as stage:
            row = await stage.bot(target(receiver.url()))
            stage.write(row, "a", wake=False)
            await stage.follow(row, State.COMPLETED)
            stage.dispatcher.wake(row.bot_id)
            await receiver.until_got(1)
            await stage.until_idle()
            assert await stage.dispatcher.cursors.owing() == []
        async with staged(database_url, journals=stage.journals) as stage:
            await stage.until_idle()
            assert stage.reads == []
            stage.write(row, "late")
            await receiver.until_got(2)
        assert bodies(receiver) == ["1", "2"]


async def test_a_bot_whose_journal_is_not_there_yet_is_told_of_from_the_start(
    sqlite_url: str,
) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        row = await stage.bot(target(receiver.url()))
        stage.gone.add(row.bot_id)
        stage.write(row, "a", "b")
        await stage.follow(row)
        await stage.until_idle()
        assert len(await stage.dispatcher.cursors.owing()) == 1
        stage.gone.clear()
        stage.dispatcher.wake(row.bot_id)
        await receiver.until_got(2)
        assert bodies(receiver) == ["1", "2"]


# A process that has imported everything and then forks: what is killed is the fork.
CHILD = """
import os, sys, trio
sys.path.insert(0, sys.argv[3])
from tests.plugins.server.webhooks.stage import staged, target
from meetcore.gateway.records import BotQuery

async def main(url, hook, events):
    async with staged(url, start=False) as stage:
        rows = await stage.bots.list(BotQuery())
        row = rows[0] if rows else await stage.bot(target(hook))
        names = ["three" if n % 5 == 0 else "quiet" if n % 7 == 0 else "a" for n in range(events)]
        stage.write(row, *names)
        await stage.nursery.start(stage.dispatcher.run)
        await trio.sleep_forever()

for _ in iter(sys.stdin.readline, ""):
    pid = os.fork()
    if not pid:
        trio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[4]))
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""


@asynccontextmanager
async def forking(*arguments: str) -> AsyncIterator[trio.Process]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", CHILD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with process.stdin, process.stdout:
        try:
            yield process
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()


async def line_of(process: trio.Process) -> str:
    assert process.stdout is not None
    said = b""
    while not said.endswith(b"\n"):
        more = await process.stdout.receive_some()
        assert more, said
        said += more
    return said.decode().strip()


async def test_killed_again_and_again_it_delivers_everything_in_order(
    database_url: str,
) -> None:
    async with receiving() as receiver:
        receiver.answers["/hook"] = [status(500)] + [status(204)] * 20 + [status(503)] * 2
        expected = []
        for number in range(EVENTS):
            if number % 5 == 0:
                expected += [f"{number + 1}.{part}" for part in range(3)]
            elif number % 7:
                expected.append(str(number + 1))
        kills = 0
        arguments = (database_url, receiver.url(), str(ROOT), str(EVENTS))
        with trio.fail_after(90):
            async with forking(*arguments) as parent:
                assert parent.stdin is not None
                while expected[-1] not in bodies(receiver):
                    await parent.stdin.send_all(b"\n")
                    pid = int(await line_of(parent))
                    try:
                        enough = len(receiver.got) + 19
                        await receiver.until(
                            lambda: len(receiver.got) >= enough or expected[-1] in bodies(receiver),  # noqa: B023
                            60,
                        )
                    finally:
                        os.kill(pid, signal.SIGKILL)
                    assert await line_of(parent) == "gone"
                    kills += 1
        got = bodies(receiver)
        once = [body for n, body in enumerate(got) if n == 0 or got[n - 1] != body]
        assert once == expected
        assert kills >= 4
        assert len(got) - len(expected) <= kills + 3
