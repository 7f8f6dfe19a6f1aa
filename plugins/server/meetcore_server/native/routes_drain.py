"""Taking this server out of service over HTTP: for whoever operates it, not for its users."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import frozen
from litestar import delete, get, post
from litestar.di import NamedDependency

from meetcore.gateway import Client
from meetcore_server.draining import DrainState
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]


@frozen(kw_only=True)
class Drain:
    """How far a server is with draining.

    Of this one server: behind a balancer, `host`, `pid` and `instance` say which one answered.
    `takers` are other servers that take over its bots. `bots` are those that it looks after and
    that are under way, `scheduled` those whose time has not come, `bots_here` those that run on
    its machine, whoever looks after them: they end with it. `drained` says that nothing of this is
    left, but for what is scheduled.
    """

    draining: bool
    since: datetime | None
    host: str
    pid: int
    instance: str
    takers: int
    handed_over: bool
    bots: int
    scheduled: int
    bots_here: int
    sockets: int
    drained: bool

    @classmethod
    def of(cls, state: DrainState) -> Drain:
        """Return how the API shows it."""
        return cls(
            draining=state.since is not None,
            since=state.since,
            host=state.host,
            pid=state.pid,
            instance=state.instance,
            takers=state.takers,
            handed_over=state.handed_over,
            bots=state.bots,
            scheduled=state.scheduled,
            bots_here=state.bots_here,
            sockets=state.sockets,
            drained=state.drained,
        )


@post("/drain", status_code=202, summary="Drain this server", operation_id="drain")
async def begin_drain(
    service: NamedDependency[BotService], operator: NamedDependency[Client]
) -> Drain:
    """Take no new bots, leave those there are to other servers, and send clients to them.

    Answers at once; asked again, it says how far it is. Needs the scope `operate`. A bot that runs
    as a process of this machine goes on there until it ends.
    """
    del operator
    service.draining.begin()
    return Drain.of(service.draining.state())


@get("/drain", summary="How far draining is", operation_id="drain_state")
async def drain_state(
    service: NamedDependency[BotService], operator: NamedDependency[Client]
) -> Drain:
    """Return whether this server drains, and what is left of it. Needs the scope `operate`."""
    del operator
    return Drain.of(service.draining.state())


@delete("/drain", status_code=200, summary="Drain no longer", operation_id="undo_drain")
async def undo_drain(
    service: NamedDependency[BotService], operator: NamedDependency[Client]
) -> Drain:
    """Serve as before. What was handed over stays with the others. Needs the scope `operate`."""
    del operator
    service.draining.undo()
    return Drain.of(service.draining.state())


HANDLERS: list[Any] = [begin_drain, drain_state, undo_drain]
