"""The moments in which a bot's process comes or goes, as whoever looks for it meets them."""

from __future__ import annotations

import fcntl
import socket
from contextlib import contextmanager

import pytest
import trio
import trio.testing

import meetcore
from meetcore.fleet.launching.child_bot import ChildBot
from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.fleet.launching.sockets import socket_path
from meetcore.log.folder_store import FolderStore
from meetcore.model.errors import CommandRefused


@contextmanager
def process_at(folder, *, listens=True):
    """Hold a journal and listen, as a process does that is too busy to take connections."""
    folder.mkdir()
    with (
        (folder / "journal.jsonl").open("wb") as journal,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        fcntl.flock(journal, fcntl.LOCK_EX)
        if listens:
            listener.bind(str(socket_path(folder)))
            listener.listen()
        yield journal, listener
    socket_path(folder).unlink(missing_ok=True)


async def test_a_process_that_has_its_journal_and_does_not_listen_yet_is_waited_for(tmp_path):
    folder = tmp_path / "b-1"
    with process_at(folder, listens=False) as (_, listener), trio.fail_after(90):
        async with trio.open_nursery() as nursery:

            async def listen_later():
                await trio.testing.wait_all_tasks_blocked()
                listener.bind(str(socket_path(folder)))
                listener.listen()

            nursery.start_soon(listen_later)
            launcher = ChildProcessLauncher(stop_with_launcher=False)
            launcher.store = FolderStore(folder.parent)
            bot = await launcher.adopt("b-1", nursery)
            assert bot is not None
            nursery.cancel_scope.cancel()


async def test_one_that_never_listens_is_not_adopted(tmp_path, autojump_clock):
    folder = tmp_path / "b-1"
    with process_at(folder, listens=False):
        async with trio.open_nursery() as nursery:
            launcher = ChildProcessLauncher()
            launcher.store = FolderStore(folder.parent)
            assert await launcher.adopt("b-1", nursery) is None
    assert trio.current_time() < 6


async def test_connections_it_never_took_do_not_trouble_whoever_waits_for_its_end(tmp_path):
    with process_at(tmp_path / "b-1") as (journal, listener), trio.fail_after(90):
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
