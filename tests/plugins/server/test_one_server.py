"""A second server on the same SQLite or bots' folder is told who holds it; a crash lets go."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from meetcore_server.storage.database import open_database
from meetcore_server.storage.server_lock import AlreadyServed

from .running import serving


@pytest.mark.parametrize("shared", ["database", "folder"])
async def test_a_second_server_is_told_who_holds_what_it_wants(tmp_path, shared):
    one, two = tmp_path / "one", tmp_path / "two"
    async with serving(one):
        with pytest.RaisesGroup(AlreadyServed, flatten_subgroups=True, allow_unwrapped=True) as e:
            elsewhere = one if shared == "folder" else two
            other = {"database": f"sqlite:///{(two if shared == 'folder' else one) / 'server.db'}"}
            async with serving(elsewhere, **other):
                pass
        found = e.value
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        assert f"process number {os.getpid()} on {socket.gethostname()}" in str(found)
        assert "since 20" in str(found)
    async with serving(one):  # nobody holds it any more
        pass


async def test_only_a_server_holds_a_sqlite_and_lets_go_of_it_at_its_end(sqlite_url):
    async with open_database(sqlite_url, alone=True) as first:
        async with open_database(sqlite_url) as beside:  # `meetcore keys` may
            assert await beside.do(lambda c: 1) == 1
        with pytest.raises(AlreadyServed, match=f"process number {os.getpid()}"):
            async with open_database(sqlite_url, alone=True):
                pass
        assert await first.do(lambda c: 1) == 1
    async with open_database(sqlite_url, alone=True) as second:
        assert await second.do(lambda c: 1) == 1


async def test_several_hold_a_postgresql(postgres):
    url = postgres.new_database_with_tables()
    async with open_database(url, alone=True) as first, open_database(url, alone=True) as second:
        assert await first.do(lambda c: 1) == await second.do(lambda c: 1) == 1


def test_a_killed_server_holds_nothing(tmp_path, database_url):
    program = (
        "import sys, trio\n"
        "from meetcore_server.storage.database import open_database\n"
        "async def main():\n"
        "    async with open_database(sys.argv[1], alone=True):\n"
        "        print('held', flush=True)\n"
        "        await trio.sleep_forever()\n"
        "trio.run(main)\n"
    )

    def hold() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, database_url], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    for _ in range(2):
        process = hold()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
