"""Requests per second of `meetcore serve`: a list of 50 of 1,000 bots, one bot, and `/health`.

Eight connections, kept alive, each with the next request when the answer to the last is there, from
an epoll program in another process. `/health` touches neither database nor journal: it is the
price of the HTTP stack alone, so each row is held against it within the same round. Every other
round goes beside a bot whose webhook target never answers and a subscriber of it that has stopped
reading. The client shares the machine's cores with the server. `--quick` takes few.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from uuid import uuid4

import trio

from benchmarks.figures import Figure, report, spread
from benchmarks.served import MOST_CHANGE, QUICK, Server, cpu_ns, percentile, served, stalled
from meetcore.gateway.records import BotRequest
from meetcore.log.folders import journal_path, make_bot_folder
from meetcore.log.journal import Journal
from meetcore.log.journal_end import write_end
from meetcore.log.journal_head import begin, head_of
from meetcore.model.config import BotConfig
from meetcore.model.history import BotHistory
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.meeting import MeetingLink
from meetcore_server.storage.accounts import OPERATOR_ID
from meetcore_server.storage.bot_rows import BotFacts
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.database import open_database

BOTS = 51 if QUICK else 1_000
SECONDS = 0.1 if QUICK else 1.5
ROUNDS = 1 if QUICK else 7


async def _ended_bots(folder: Path) -> str:
    """Put bots into the server's database that were ordered and ended; return the id of one."""
    link = MeetingLink(platform="loud", native_id="old", url="https://loud.invalid/old")
    facts = BotFacts(
        platform="loud",
        native_id="old",
        public_url=link.url,
        name="meetcore",
        transcriber=None,
        state=State.REQUESTED,
    )
    order = BotRequest(url=link.url)
    async with open_database(f"sqlite:///{folder}/server.db") as database:
        bots = BotRows(database)
        for _ in range(BOTS):
            bot_id = str(uuid4())
            where = make_bot_folder(folder, bot_id)
            journal = Journal(journal_path(where), bot_id, fsync=False)
            head = head_of(link, BotConfig(), transcriber=None, sinks=(), scheduled_for=None)
            begin(journal, head)
            history = BotHistory()
            for event in journal.read():
                history.take(event)
            write_end(journal, history, EndReason.STOP_REQUESTED, Evidence("command", "stop"))
            journal.close()
            await bots.insert(order, facts, bot_id=bot_id, user_id=OPERATOR_ID, key_id="k")
            await bots.update(bot_id, state=State.COMPLETED, reason=EndReason.MEETING_ENDED)
    return bot_id


def _asked(server: Server, path: str) -> tuple[float, list[float], float]:
    """Return requests a second, how long each took, and the CPU microseconds of one."""
    command = [sys.executable, "-m", "benchmarks.rest_client"]
    command += [str(server.port), path, str(SECONDS)]
    began = cpu_ns(server.pid)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    spent_us = (cpu_ns(server.pid) - began) / 1e3
    took_ms: list[float] = json.loads(done.stdout)
    return len(took_ms) / SECONDS, took_ms, spent_us / len(took_ms)


def measure() -> list[Figure]:
    """Return the figures."""
    with served() as server:
        bot_id = trio.run(partial(_ended_bots, server.folder))
        paths = {
            "health": "/health",
            "list of 50": "/v1/bots?limit=50",
            "one bot": f"/v1/bots/{bot_id}",
        }
        rates: dict[str, list[float]] = {name: [] for name in paths}
        beside: dict[str, list[float]] = {name: [] for name in paths}
        costs: dict[str, list[float]] = {name: [] for name in paths}
        tails: dict[str, list[float]] = {name: [] for name in paths}
        for path in () if QUICK else paths.values():
            _asked(server, path)
        for _ in range(ROUNDS):
            for name, path in paths.items():
                rate, took_ms, cost_us = _asked(server, path)
                rates[name].append(rate)
                costs[name].append(cost_us)
                tails[name].append(percentile(took_ms, 0.99))
            with stalled(server):
                for name, path in paths.items():
                    beside[name].append(_asked(server, path)[0])
    figures = []
    for name in paths:
        to_health = [each / floor for each, floor in zip(costs[name], costs["health"], strict=True)]
        to_quiet = [one / other for one, other in zip(rates[name], beside[name], strict=True)]
        figures += [
            spread(f"{name}", "requests/s", rates[name]),
            spread(f"{name}: p99", "ms", tails[name]),
            spread(f"{name}: CPU", "µs/request", costs[name]),
        ]
        if name != "health":
            figures.append(spread(f"{name}: CPU ÷ that of health", "ratio", to_health))
        figures.append(
            spread(
                f"{name}: time with a stalled subscriber and target ÷ without",
                "ratio",
                to_quiet,
                at_most=None if QUICK else MOST_CHANGE,
            )
        )
    return figures


if __name__ == "__main__":
    report(measure())
