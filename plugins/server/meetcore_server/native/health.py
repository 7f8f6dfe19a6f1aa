"""Whether the server is well, and what it counts: for supervisors and Prometheus."""

from __future__ import annotations

import math
import shutil
import time
from collections import Counter
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import trio
from litestar import MediaType, Response, get
from litestar.di import NamedDependency

from meetcore import EndReason, MeetcoreError, State, StorageUnavailable, __version__
from meetcore.model import brief
from meetcore_server.live import LiveBot
from meetcore_server.metrics import Metrics
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]

_READY_WITHIN_S = 5.0
_LEAST_FREE_BYTES = 16_000_000


@get("/health", summary="Whether it lives", operation_id="health")
async def health() -> dict[str, str]:
    """Answer that the server lives."""
    return {"status": "ok", "version": __version__}


@get("/ready", summary="Whether it can work", operation_id="ready")
async def ready(service: NamedDependency[BotService]) -> Response[dict[str, str]]:
    """Answer whether orders can be taken and bots seen through.

    That is: the database answers, the folder can be written, 16 MB are left on its disk and on that
    of SQLite (a bot that finds it full has to end), no bot's end waits to be written, and it is
    not told to drain or to end.
    """
    if service.membership.going:
        body = {"status": "draining", "detail": "it takes no more orders"}
        return Response(body, status_code=503)
    trouble = ""
    try:
        with trio.fail_after(_READY_WITHIN_S):
            await service.stores.bots.database.do(lambda c: c.scalar(sa.select(1)))
    except (StorageUnavailable, trio.TooSlowError) as error:
        trouble = str(error) or "the database does not answer"
    if not trouble:
        trouble = await _store_in_trouble(service)
    if not trouble:
        trouble = _disk_in_trouble(service)
    if not trouble:
        trouble = _bots_in_trouble(service)
    away = service.supervisor.fleet.bus_trouble
    body = {"status": "ready", **({"detail": f"the bus is away: {away}"} if away else {})}
    if trouble:
        body = {"status": "not ready", "detail": trouble}
    return Response(body, status_code=503 if trouble else 200)


async def _store_in_trouble(service: BotService) -> str:
    try:
        with trio.fail_after(_READY_WITHIN_S):
            return await service.store.trouble()
    except (MeetcoreError, OSError) as error:
        return brief(error)
    except trio.TooSlowError:
        return "the store does not answer"


def _disk_in_trouble(service: BotService) -> str:
    """Return what is wrong with the disk of SQLite's file."""
    file = service.stores.bots.database.file
    if file is None:
        return ""
    try:
        left = shutil.disk_usage(file.absolute().parent).free
    except OSError as error:
        return f"the disk that holds the database cannot be asked: {error.strerror}"
    if left < _LEAST_FREE_BYTES:
        return f"the disk that holds the database has {left / 1e6:.1f} MB left"
    return ""


def _bots_in_trouble(service: BotService) -> str:
    troubles = {
        bot_id: each.detail
        for bot_id, each in service.supervisor.troubles.items()
        if each.concerns_all
    }
    if not troubles:
        return ""
    bot_id, detail = next(iter(troubles.items()))
    return f"{len(troubles)} bots cannot be seen through now; of {bot_id}: {detail}"


@get(
    "/metrics",
    media_type=MediaType.TEXT,
    summary="Counts, for Prometheus",
    operation_id="metrics",
)
async def metrics(
    service: NamedDependency[BotService], metrics: NamedDependency[Metrics]
) -> Response[str]:
    """Return what the server counts, in Prometheus' text format."""
    bots = service.live.all()
    states = Counter(live.row.state for live in bots)
    now = service.now()
    lines = [
        "# HELP meetcore_bots Bots this server looks after that have not ended, by state.",
        "# TYPE meetcore_bots gauge",
        *(
            f'meetcore_bots{{state="{state.value}"}} {states.get(state, 0)}'
            for state in State
            if state not in (State.COMPLETED, State.FAILED)
        ),
        *_gauge(
            "meetcore_bots_waiting",
            "Bots whose time has come and that nothing runs yet: there was no place, or no moment.",
            sum(_waits(live, now) for live in bots),
        ),
        *_gauge(
            "meetcore_bots_limit",
            "How many bots there may be at once, of all servers of this database.",
            math.inf if service.limits.total is None else service.limits.total,
        ),
        *_gauge(
            "meetcore_bots_troubled",
            "Bots that cannot be seen through now; `/ready` says why, where it concerns all.",
            len(service.supervisor.troubles),
        ),
        *_gauge(
            "meetcore_bots_unresponsive",
            "Bots whose process answers nothing now.",
            sum(getattr(live.running, "unresponsive_since", None) is not None for live in bots),
        ),
        *_gauge(
            "meetcore_servers",
            "Servers of this database that live, this one too.",
            service.membership.others + 1,
        ),
        *_gauge(
            "meetcore_draining",
            "Whether this server is being taken out of service: it takes no more orders.",
            int(service.membership.going),
        ),
        *_gauge(
            "meetcore_bus_up",
            "Whether the bus between machines answers; 1 also where there is none.",
            int(not service.supervisor.fleet.bus_trouble),
        ),
        *_gauge("meetcore_sockets", "WebSockets that are open.", metrics.sockets()),
        *_gauge("meetcore_uptime_seconds", "Since the start.", time.monotonic() - metrics.began),
        *_gauge("meetcore_tasks", "Trio tasks.", trio.lowlevel.current_statistics().tasks_living),
        "# HELP meetcore_requests_total HTTP requests answered, by status class.",
        "# TYPE meetcore_requests_total counter",
        *(
            f'meetcore_requests_total{{status="{name}"}} {count}'
            for name, count in sorted(metrics.requests.items())
        ),
        "# HELP meetcore_events_total Events taken from bots.",
        "# TYPE meetcore_events_total counter",
        f"meetcore_events_total {metrics.events}",
        "# HELP meetcore_bots_ended_total Bots that ended, by last state and reason.",
        "# TYPE meetcore_bots_ended_total counter",
        # All from the start: of a series that begins with 50, Prometheus sees no increase.
        *(
            f'meetcore_bots_ended_total{{state="{state.value}",reason="{reason.value}"}}'
            f" {metrics.ended[state, reason]}"
            for state in (State.COMPLETED, State.FAILED)
            for reason in EndReason
        ),
        *_gauge(
            "meetcore_webhooks_waiting",
            "Webhook targets that wait for their turn or the end of a pause, and bots with news.",
            service.webhooks.waiting,
        ),
        "# HELP meetcore_webhook_messages_total Attempts at webhook messages, by what came of it.",
        "# TYPE meetcore_webhook_messages_total counter",
        *(
            f'meetcore_webhook_messages_total{{result="{result.name.lower()}"}} {count}'
            for result, count in service.webhooks.counts.items()
        ),
    ]
    media_type = "text/plain; version=0.0.4; charset=utf-8"
    return Response("\n".join(lines) + "\n", media_type=media_type)


def _waits(live: LiveBot, now: datetime) -> bool:
    """Whether a bot's time has come and nothing runs it."""
    if live.running is not None or live.row.state not in (State.SCHEDULED, State.REQUESTED):
        return False
    return live.row.scheduled_for is None or live.row.scheduled_for <= now


def _gauge(name: str, words: str, value: float) -> list[str]:
    shown = "+Inf" if value == math.inf else f"{value:g}"
    return [f"# HELP {name} {words}", f"# TYPE {name} gauge", f"{name} {shown}"]


HANDLERS: list[Any] = [health, ready, metrics]
