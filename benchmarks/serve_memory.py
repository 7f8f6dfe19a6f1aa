"""Memory of `meetcore serve` for each bot and each subscriber that only waits.

Of a process: its PSS, what it has for itself and its part of what it shares with others. Bots are
in their calls, record and transcribe nothing, and nothing happens there; each is a process of its
own, Python and all, which shares with the others what the kernel read from files. The server's
share is the anonymous memory its own process grew by, if it did, divided by the number. `--quick`
takes few.
"""

from __future__ import annotations

import statistics

from benchmarks.figures import Figure, report, spread
from benchmarks.served import QUICK, Server, Subscriber, memory_bytes, served

BOTS = 1 if QUICK else 20
SUBSCRIBERS = 20 if QUICK else 1_000
RUNS = 1 if QUICK else 3


def _bots(server: Server) -> tuple[list[str], float, float]:
    """Return bots, the kilobytes of the process of one, and the server's for one."""
    others = set(server.children)
    before = memory_bytes(server.pid, "Anonymous")
    bots = [server.bot() for _ in range(BOTS)]
    own = max(0, memory_bytes(server.pid, "Anonymous") - before) / BOTS / 1024
    children = set(server.children) - others
    assert len(children) == BOTS
    return bots, statistics.mean(memory_bytes(pid) for pid in children) / 1024, own


def _subscribers(server: Server, bot_id: str) -> float:
    """Return the server's kilobytes for a subscriber."""
    before = memory_bytes(server.pid, "Anonymous")
    lines = [Subscriber(server.port) for _ in range(SUBSCRIBERS)]
    for line in lines:
        line.say(type="subscribe", bot_id=bot_id)
    for line in lines:
        assert line.hear()["type"] == "subscribed"
    grown = max(0, memory_bytes(server.pid, "Anonymous") - before)
    for line in lines:
        line.socket.close()
    return grown / SUBSCRIBERS / 1024


def measure() -> list[Figure]:
    """Return the figures; each run has a server of its own."""
    empty, processes, shares, followers = [], [], [], []
    for _ in range(RUNS):
        with served() as server:
            if not QUICK:
                server.stop(server.bot())
            empty.append(memory_bytes(server.pid) / 1024 / 1024)
            bots, process, share = _bots(server)
            processes.append(process / 1024)
            shares.append(share)
            followers.append(_subscribers(server, bots[0]))
            for bot_id in bots:
                server.stop(bot_id)
    return [
        spread("a server with nothing to do", "MB", empty),
        spread(f"an idle bot of {BOTS}: its process", "MB", processes),
        spread(f"an idle bot of {BOTS}: the server's share", "KB", shares),
        spread(f"an idle subscriber of {SUBSCRIBERS:,}: the server's share", "KB", followers),
    ]


if __name__ == "__main__":
    report(measure())
