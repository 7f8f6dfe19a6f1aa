"""The servers that share a database: who is alive, who inherits, what they ask of each other.

Each says a few times a minute that it lives, by the database's clock. One that did not for a while,
or whose process is known to be gone, is struck off by the next that looks, in the same transaction
in which that one takes over what the dead one held. A server that was struck off and lives finds it
out when it says so the next time: it holds nothing any more, and comes back under a new number.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from attrs import field, frozen

from meetcore import ConfigError
from meetcore.gateway import BotRow
from meetcore_server.storage.bot_rows import SHOWN, UNFINISHED, bot_row
from meetcore_server.storage.database import Database
from meetcore_server.storage.locking import one_at_a_time
from meetcore_server.storage.tables import bots, server_messages, servers, targets, transcriptions

__all__ = ["LIVES_S", "AnotherStore", "Renewal", "ServerMessage", "Servers"]

LIVES_S = 15.0
"""Who has not said for so long that it lives is taken for dead."""

_MOST_MESSAGES = 200
_ALIVE = sa.select(servers.c.number)


class AnotherStore(ConfigError):
    """A server of the same database keeps its bots elsewhere."""


@frozen
class Renewal:
    """What a server learns when it says that it lives.

    Attributes:
        others: How many others live.
        inherited: The bots it looks after from now on, which nobody alive did, by number.
        died: How many servers were struck off.
    """

    others: int
    inherited: Sequence[BotRow] = ()
    died: int = 0


@frozen(kw_only=True)
class ServerMessage:
    """What another server asks.

    Attributes:
        kind: What is to be done.
        subject: The bot, or the target.
        detail: In words.
    """

    id: int
    kind: str
    subject: str
    detail: str = field(default="")


def this_machine() -> str:
    """Return what names this machine, and the numbering of processes on it."""
    parts = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with suppress(OSError):
            parts.append(os.readlink(path) if "ns" in path else Path(path).read_text().strip())
    return " ".join(parts)


def _is_gone(machine: str, pid: int) -> bool:
    """Whether a process is known not to be there: only that of one's own machine can be."""
    if machine != this_machine():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@frozen
class Servers:
    """The servers of a database. Every method is one operation: done whole, or not at all."""

    database: Database

    async def enter(self, store: str) -> tuple[int, Renewal]:
        """Take part under a new number; take over what nobody alive holds.

        Args:
            store: What names the store with the bots: all servers have the same.

        Raises:
            AnotherStore: Another server that lives has another store.
        """

        def enter(c: sa.Connection) -> tuple[int, Renewal]:
            one_at_a_time(c, "servers")
            now = _now(c)
            died = _strike_off(c, now)
            for other in c.execute(sa.select(servers.c.store, servers.c.pid, servers.c.machine)):
                if other.store != store:
                    raise AnotherStore(
                        f"The server with process number {other.pid} on "
                        f"{other.machine.partition(' ')[0]} shares this database, and keeps its "
                        "bots in another place.",
                        "Give both servers the same [store] url, or the same --out.",
                    )
            values = {
                "machine": this_machine(),
                "pid": os.getpid(),
                "store": store,
                "since": now,
                "alive_until": now + timedelta(seconds=LIVES_S),
            }
            new = sa.insert(servers).values(values).returning(servers.c.number)
            number = int(c.execute(new).scalar_one())
            return number, Renewal(_others(c, number), _inherit(c, number), died)

        return await self.database.do(enter)

    async def renew(self, number: int) -> Renewal | None:
        """Say that a server lives; take over what dead ones held.

        Returns:
            What it learns; None where it was taken for dead, and holds nothing any more.
        """

        def renew(c: sa.Connection) -> Renewal | None:
            now = _now(c)
            later = now + timedelta(seconds=LIVES_S)
            mine = sa.update(servers).where(servers.c.number == number)
            if not c.execute(mine.values(alive_until=later)).rowcount:
                return None
            died = _strike_off(c, now, besides=number)
            return Renewal(_others(c, number), _inherit(c, number) if died else (), died)

        return await self.database.do(renew)

    async def leave(self, number: int) -> None:
        """Say that a server is gone: the next that looks takes over what it held."""
        mine = sa.update(servers).where(servers.c.number == number)

        def leave(c: sa.Connection) -> None:
            c.execute(mine.values(alive_until=_now(c) - timedelta(seconds=1)))

        await self.database.do(leave)

    async def ask(self, server: int, kind: str, subject: str, detail: str = "") -> None:
        """Ask something of another server; whoever inherits from it does it where it cannot."""
        values = {"server": server, "kind": kind, "subject": subject, "detail": detail}

        def ask(c: sa.Connection) -> None:
            c.execute(sa.insert(server_messages).values(values))

        await self.database.do(ask)

    async def ask_all(self, besides: int, kind: str, subject: str, detail: str = "") -> None:
        """Ask the same of every server that lives, but one."""
        asked = sa.select(
            servers.c.number, sa.literal(kind), sa.literal(subject), sa.literal(detail)
        ).where(servers.c.number != besides)
        names = ["server", "kind", "subject", "detail"]
        new = sa.insert(server_messages).from_select(names, asked)

        def ask_all(c: sa.Connection) -> None:
            c.execute(new)

        await self.database.do(ask_all)

    async def asked(self, number: int) -> list[ServerMessage]:
        """Return what is asked of a server, the oldest first."""
        query = (
            sa.select(
                server_messages.c.id,
                server_messages.c.kind,
                server_messages.c.subject,
                server_messages.c.detail,
            )
            .where(server_messages.c.server == number)
            .order_by(server_messages.c.id)
            .limit(_MOST_MESSAGES)
        )
        return await self.database.do(
            lambda c: [ServerMessage(**row._mapping) for row in c.execute(query)]
        )

    async def done(self, message: ServerMessage) -> None:
        """Forget what was asked, and is done."""
        forget = sa.delete(server_messages).where(server_messages.c.id == message.id)

        def done(c: sa.Connection) -> None:
            c.execute(forget)

        await self.database.do(done)


def _now(c: sa.Connection) -> datetime:
    """Return the database's time: of all who share it there is one clock."""
    if c.dialect.name == "postgresql":
        at: datetime = c.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return at
    return datetime.now(UTC)


def _others(c: sa.Connection, number: int) -> int:
    query = sa.select(sa.func.count()).select_from(servers).where(servers.c.number != number)
    return c.scalar(query) or 0


def _strike_off(c: sa.Connection, now: datetime, besides: int | None = None) -> int:
    """Strike off who is dead, as far as can be known; return how many.

    Of a SQLite nobody but its one server writes: whoever else is in the list is gone.
    """
    if c.dialect.name == "sqlite":
        dead = [servers.c.number != besides] if besides is not None else []
        return c.execute(sa.delete(servers).where(*dead)).rowcount
    known = c.execute(sa.select(servers.c.number, servers.c.machine, servers.c.pid)).all()
    gone = [each.number for each in known if _is_gone(each.machine, each.pid)]
    late = servers.c.alive_until < now
    return c.execute(sa.delete(servers).where(sa.or_(late, servers.c.number.in_(gone)))).rowcount


def _inherit(c: sa.Connection, number: int) -> Sequence[BotRow]:
    """Take over what nobody alive holds; return the bots that have not ended, by number."""
    unfinished = bots.c.state.in_(UNFINISHED)
    orphaned = sa.or_(bots.c.held_by.is_(None), bots.c.held_by.not_in(_ALIVE))
    take = sa.update(bots).where(unfinished, orphaned).values(held_by=number, launching=False)
    taken = [bot_row(row) for row in c.execute(take.returning(*SHOWN))]
    for table in (bots, targets, transcriptions):
        held = table.c.held_by
        mine = () if table is not bots else (sa.not_(unfinished),)
        let_go = sa.update(table).where(held.is_not(None), held.not_in(_ALIVE), *mine)
        c.execute(let_go.values(held_by=None))
    to = server_messages.c.server
    c.execute(sa.update(server_messages).where(to.not_in(_ALIVE)).values(server=number))
    return sorted(taken, key=lambda row: row.number)
