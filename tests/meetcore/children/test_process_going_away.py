"""The moment in which a bot's process goes away, as whoever is connected to it meets it."""

from __future__ import annotations

import fcntl
import socket
from contextlib import contextmanager

import pytest
import trio
import trio.testing

import meetcore
from meetcore.children.launcher import ChildBot
from meetcore.children.sockets import socket_path
from meetcore.errors import CommandRefused


@contextmanager
def process_at(folder):
    """Hold a journal and listen, as a process does that is too busy to take connections."""
    folder.mkdir()
    with (
        (folder / "journal.jsonl").open("wb") as journal,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        fcntl.flock(journal, fcntl.LOCK_EX)
        listener.bind(str(socket_path(folder)))
        listener.listen()
        yield journal, listener
    socket_path(folder).unlink()


async def test_connections_it_never_took_do_not_trouble_whoever_waits_for_its_end(tmp_path):
    with process_at(tmp_path / "b-1") as (journal, listener), trio.fail_after(10):
        bot = ChildBot("b-1", tmp_path / "b-1", None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bot.gone)
            await trio.testing.wait_all_tasks_blocked()
            listener.close()  # resets the connection that waits to be taken
            await trio.testing.wait_all_tasks_blocked()
            journal.close()


async def test_who_asks_what_happens_of_a_process_that_goes_that_moment_is_told_nothing(tmp_path):
    class Going(ChildBot):
        async def connect(self):
            ours, theirs = socket.socketpair(socket.AF_UNIX)
            theirs.close()
            return trio.SocketStream(trio.socket.from_stdlib_socket(ours))

    bot = Going("b-1", tmp_path / "b-1", None)
    assert [item async for item in bot.items()] == []
    with pytest.raises(CommandRefused, match="ended"):
        await bot.perform(meetcore.Stop())
    async with bot.hear() as chunks:
        assert [chunk async for chunk in chunks] == []
