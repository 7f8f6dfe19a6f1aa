"""From the order for a bot to its joining, in a process of its own.

Orders come one after the other. An answer means that the order is durable: the database has
committed it and the first entries of the journal are on the disk. `joining` is the time that entry
has in the journal, less the time the order was sent at: most of it is a Python process starting.
Every other order comes while another bot's webhook target never answers and a subscriber of that
bot has stopped reading. Server, bots and client share the machine's cores. `--quick` takes few.
"""

from __future__ import annotations

import time
from datetime import datetime

from benchmarks.figures import Figure, report, spread
from benchmarks.served import MOST_CHANGE, QUICK, Server, percentile, served, stalled

ROUNDS = 1 if QUICK else 6
ORDERS = 1 if QUICK else 5


def _orders(server: Server, answers_ms: list[float], joins_ms: list[float]) -> None:
    for _ in range(ORDERS):
        began, sent_at = time.perf_counter(), time.time()
        bot_id = server.order()
        answers_ms.append((time.perf_counter() - began) * 1e3)
        joined = server.until(bot_id, "joining")["at"]
        joins_ms.append((datetime.fromisoformat(joined).timestamp() - sent_at) * 1e3)
        server.stop(bot_id)


def measure() -> list[Figure]:
    """Return the figures."""
    answers: tuple[list[float], list[float]] = ([], [])
    joins: tuple[list[float], list[float]] = ([], [])
    with served() as server:
        if not QUICK:
            server.stop(server.bot())
        for _ in range(ROUNDS):
            _orders(server, answers[0], joins[0])
            with stalled(server):
                _orders(server, answers[1], joins[1])
    figures = []
    for what, (plain, beside) in (("answered", answers), ("joining", joins)):
        name = f"order to {what}"
        ratios = [b / a for a, b in zip(sorted(plain), sorted(beside), strict=True)]
        figures += [
            spread(f"{name}, p50", "ms", plain),
            spread(f"{name}, p99", "ms", [percentile(plain, 0.99)]),
            spread(
                f"{name}: with a stalled subscriber and target ÷ without",
                "ratio",
                ratios,
                at_most=None if QUICK else MOST_CHANGE,
            ),
        ]
    return figures


if __name__ == "__main__":
    report(measure())
