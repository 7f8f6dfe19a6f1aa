"""Bots on one side of a wire, a broker on the other, and the wire is cut for a while.

To be run in a network namespace of its own, where nothing leads out:
`unshare --net --map-root-user python -m tests.plugins.redis.partition FOLDER SECONDS`. It makes a
second one for the broker, and a pair of virtual interfaces between them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

from tests.plugins.redis.broker import Broker, program
from tests.plugins.redis.test_faults import Talking, check, run_through, until_told

HERE, THERE = "10.91.0.1", "10.91.0.2"


def run(*words: str) -> None:
    subprocess.run(words, check=True)


@contextmanager
def wired_broker() -> Iterator[Broker]:
    """Hold a broker in a namespace of its own, at the other end of the interface `here`."""
    run("ip", "link", "set", "lo", "up")
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo there; exec sleep 3600"], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"there\n"
        pid = str(holder.pid)
        inside = ("nsenter", "--target", pid, "--net", "--")
        run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", pid)
        run("ip", "address", "add", f"{HERE}/30", "dev", "here")
        run("ip", "link", "set", "here", "up")
        run(*inside, "ip", "address", "add", f"{THERE}/30", "dev", "there")
        run(*inside, "ip", "link", "set", "there", "up")
        with tempfile.TemporaryDirectory(prefix="meetcore-broker-") as folder:
            settings = ("--protected-mode", "no")
            broker = Broker(Path(folder), program(), settings, host=THERE, run_by=inside)
            broker.start()
            try:
                yield broker
            finally:
                broker.kill()
    finally:
        holder.kill()
        holder.wait()


async def cut(seconds: float, broker: Broker, bots: list[Talking]) -> None:
    """Cut the wire for some time: nobody is told anything, packets are simply gone."""
    run("ip", "link", "set", "here", "down")
    before = [each.sent for each in bots]
    told = [len(each.seqs) for each in bots]
    await trio.sleep(seconds)
    assert all(each.sent - was > 3 * seconds for each, was in zip(bots, before, strict=True))
    # Whoever follows them reads the store meanwhile.
    assert all(len(each.seqs) > was for each, was in zip(bots, told, strict=True))
    run("ip", "link", "set", "here", "up")
    with trio.fail_after(60):
        await until_told(bots)


async def main(folder: Path, seconds: float) -> None:
    with wired_broker() as broker:
        check(await run_through(folder, broker, partial(cut, seconds)))


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), float(sys.argv[2]))
    print("nothing was lost")
