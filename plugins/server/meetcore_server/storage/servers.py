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
from typing import Any

import sqlalchemy as sa
from attrs import define, field, frozen

from meetcore import ConfigError
from meetcore.gateway import BotRow
from meetcore_server.storage.bot_rows import SHOWN, UNFINISHED, bot_row
from meetcore_server.storage.database import Database
from meetcore_server.storage.locking import one_at_a_time
from meetcore_server.storage.tables import (
    bots,
    server_messages,
    server_secrets,
    servers,
    targets,
    transcriptions,
)
from meetcore_server.storage.upgrade import NEWEST, version_of

__all__ = ["LIVES_S", "Gone", "Renewal", "ServerMessage", "Servers", "ServersDiffer", "Terms"]

LIVES_S = 15.0
"""Who has not said for so long that it lives is taken for dead."""

_SETTLED_S = 15.0
"""A newer server that has lived for so long does work: the older ones may leave all to it."""

_MOST_MESSAGES = 200
_LEFT = datetime(2000, 1, 1, tzinfo=UTC)
_PLACE = "place of the bots"
_DRAINING = "draining"
_TABLES = "tables"
_ALIVE = sa.select(servers.c.number)


class ServersDiffer(ConfigError):
    """A server of the same database is set otherwise, in what all of them must be alike."""


@frozen(kw_only=True)
class Terms:
    """What all servers of a database must be set alike in: each may inherit from each.

    Attributes:
        store: Names the place of the bots.
        rehearsal: Whether links lead to rehearsals.
        private_targets: Where webhooks and sockets may go that is not public.
        draining: Whether the server takes over nothing, as long as another does. In this servers
            may differ.
    """

    store: str
    rehearsal: bool = False
    private_targets: tuple[str, ...] = ()
    draining: bool = False

    def written(self) -> dict[str, Any]:
        """Return it as it is kept, by the names that people know."""
        return {
            "the place of the bots (--out, [store] url)": self.store,
            "--rehearsal": self.rehearsal,
            "private_targets": sorted(set(self.private_targets)),
        }

    def kept(self, tables: str) -> dict[str, Any]:
        """Return what is kept of a server: that, whether it drains, and which tables it knows."""
        draining = {_DRAINING: True} if self.draining else {}
        return {**self.written(), _TABLES: tables, **draining}


@frozen
class Gone:
    """A server that was struck off.

    Attributes:
        left: Whether it said so itself.
    """

    number: int
    host: str
    pid: int
    left: bool


@frozen
class Renewal:
    """What a server learns when it says that it lives.

    Attributes:
        others: How many others live.
        inherited: The bots it looks after from now on, which nobody alive did, by number.
        gone: Who was struck off.
        moved: Whether the bots were in another place when a server began the last time.
        takers: How many others live that do not drain: they take over what is left to them.
        outdated: Whether a newer version has changed the tables, and a server of it takes over.
    """

    others: int
    inherited: Sequence[BotRow] = ()
    gone: Sequence[Gone] = ()
    moved: bool = False
    takers: int = 0
    outdated: bool = False


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


@define(eq=False)
class _InDoubt:
    """What was taken over in transactions of which nobody knows whether they were committed.

    A connection can break while a COMMIT is under way. Whoever was struck off then is in no list
    any more, and nothing would ever come of what it held: so the next renewal looks whether this
    server has it.

    Attributes:
        bots: The bots that were taken over, by id.
        gone: The servers that were struck off, by number.
    """

    bots: set[str] = field(factory=set)
    gone: dict[int, Gone] = field(factory=dict)

    def add(self, gone: Sequence[Gone], taken: Sequence[BotRow]) -> None:
        """Note what is about to be committed."""
        self.bots |= {row.bot_id for row in taken}
        self.gone |= {each.number: each for each in gone}

    def clear(self) -> None:
        """Doubt nothing more: the newest transaction was answered, and it saw those before."""
        self.bots.clear()
        self.gone.clear()

    def with_struck(self, c: sa.Connection, gone: Sequence[Gone]) -> Sequence[Gone]:
        """Return who is gone, with those struck off in doubt who are in no list any more."""
        if not self.gone:
            return gone
        known = {*c.scalars(_ALIVE), *(each.number for each in gone)}
        return [*gone, *(each for number, each in self.gone.items() if number not in known)]

    def with_taken(
        self, c: sa.Connection, number: int, taken: Sequence[BotRow]
    ) -> Sequence[BotRow]:
        """Return the bots taken over, with those taken over in doubt that a server does hold."""
        if not self.bots:
            return taken
        known = {row.bot_id for row in taken}
        mine = sa.select(*SHOWN).where(bots.c.held_by == number, bots.c.state.in_(UNFINISHED))
        held = [bot_row(row) for row in c.execute(mine.order_by(bots.c.number))]
        doubted = self.bots - known
        return [*taken, *(row for row in held if row.bot_id in doubted)]


@frozen
class Servers:
    """The servers of a database. Every method is one operation: done whole, or not at all.

    Attributes:
        database: The database.
        version: The tables that this server knows.
    """

    database: Database
    version: str = NEWEST
    _in_doubt: _InDoubt = field(factory=_InDoubt, init=False, repr=False)

    async def enter(self, terms: Terms) -> tuple[int, Renewal]:
        """Take part under a new number; take over what nobody alive holds.

        A server that drains leaves that to others, where there are any.

        Raises:
            ServersDiffer: Another server that lives is set otherwise.
        """
        written = terms.written()

        def enter(c: sa.Connection) -> tuple[int, Renewal]:
            one_at_a_time(c, "servers")
            now = _now(c)
            takers = _takers(c, now)
            leaves_it = terms.draining and takers > 0
            gone = () if leaves_it else _strike_off(c, now)
            for other in c.execute(sa.select(servers.c.terms, servers.c.pid, servers.c.machine)):
                # One of another version may know more, or less, that they have to be alike in.
                known = [name for name in written if name in other.terms]
                unlike = [name for name in known if other.terms[name] != written[name]]
                if unlike:
                    raise ServersDiffer(
                        f"The server with process number {other.pid} on {_host(other.machine)} "
                        f"shares this database, and is set otherwise: {'; '.join(unlike)}.",
                        "Servers of one database inherit from each other: set them alike.",
                    )
            moved = _remember_place(c, terms.store, now)
            number = _added(c, terms.kept(self.version), now)
            inherited = () if leaves_it else _inherit(c, number)
            outdated = self._is_outdated(c, now)
            return number, Renewal(_others(c, number), inherited, gone, moved, takers, outdated)

        return await self.database.do(enter)

    async def renew(
        self, number: int, *, patient: bool = False, terms: Terms | None = None
    ) -> Renewal | None:
        """Say that a server lives; take over what dead ones held.

        A server that drains leaves that to others, where there are any. What an earlier call took
        over without knowing it, since no answer came, is told by the next.

        Args:
            number: The server.
            patient: Whether who is only late is spared this time: the database was away.
            terms: How it is set from now on; None for as before.

        Returns:
            What it learns; None where it was taken for dead, and holds nothing any more.
        """
        values = {} if terms is None else {"terms": terms.kept(self.version)}

        def renew(c: sa.Connection) -> Renewal | None:
            now = _now(c)
            later = now + timedelta(seconds=LIVES_S)
            mine = sa.update(servers).where(servers.c.number == number)
            if not c.execute(mine.values(alive_until=later, **values)).rowcount:
                return None
            takers = _takers(c, now, besides=number)
            outdated = self._is_outdated(c, now)
            leaves_it = terms is not None and terms.draining and takers > 0
            gone = () if leaves_it else _strike_off(c, now, besides=number, patient=patient)
            inherited = _inherit(c, number) if gone else ()
            gone = self._in_doubt.with_struck(c, gone)
            inherited = self._in_doubt.with_taken(c, number, inherited)
            self._in_doubt.add(gone, inherited)
            return Renewal(_others(c, number), inherited, gone, takers=takers, outdated=outdated)

        renewal = await self.database.do(renew)
        self._in_doubt.clear()
        return renewal

    async def hand_over(self, number: int, terms: Terms) -> int | None:
        """Leave all that a server holds to those that do not drain, and take part without it.

        The next of them that looks takes it over.

        Args:
            number: The server.
            terms: How it is set.

        Returns:
            Its number from now on; None where nobody is there to take over, or where the server
            itself was taken for dead. Then nothing is done.
        """

        def hand_over(c: sa.Connection) -> int | None:
            one_at_a_time(c, "servers")
            now = _now(c)
            mine = sa.update(servers).where(servers.c.number == number)
            if not _takers(c, now, besides=number):
                return None
            if not c.execute(mine.values(alive_until=_LEFT)).rowcount:
                return None
            return _added(c, terms.kept(self.version), now)

        return await self.database.do(hand_over)

    def _is_outdated(self, c: sa.Connection, now: datetime) -> bool:
        """Whether the tables are other than this server knows, and one that knows them serves.

        Where nobody does, it goes on: a release only adds to the tables.
        """
        tables = version_of(c)
        if tables == self.version:
            return False
        serves = sa.select(servers.c.terms).where(
            servers.c.alive_until > now, servers.c.since <= now - timedelta(seconds=_SETTLED_S)
        )
        found = c.scalars(serves)
        return any(each.get(_TABLES) == tables and not each.get(_DRAINING) for each in found)

    async def leave(self, number: int) -> None:
        """Say that a server is gone: the next that looks takes over what it held."""
        mine = sa.update(servers).where(servers.c.number == number)

        def leave(c: sa.Connection) -> None:
            c.execute(mine.values(alive_until=_LEFT))

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


def _added(c: sa.Connection, kept: dict[str, Any], now: datetime) -> int:
    """Enter this server in the list; return its number."""
    values = {
        "machine": this_machine(),
        "pid": os.getpid(),
        "terms": kept,
        "since": now,
        "alive_until": now + timedelta(seconds=LIVES_S),
    }
    new = sa.insert(servers).values(values).returning(servers.c.number)
    return int(c.execute(new).scalar_one())


def _takers(c: sa.Connection, now: datetime, besides: int | None = None) -> int:
    """Return how many live, but for one, that take over what others leave."""
    if c.dialect.name == "sqlite":
        return 0
    alive = sa.select(servers.c.number, servers.c.terms).where(servers.c.alive_until > now)
    found = [each for each in c.execute(alive) if each.number != besides]
    return sum(not each.terms.get(_DRAINING) for each in found)


def _others(c: sa.Connection, number: int) -> int:
    query = sa.select(sa.func.count()).select_from(servers).where(servers.c.number != number)
    return c.scalar(query) or 0


def _strike_off(
    c: sa.Connection, now: datetime, besides: int | None = None, *, patient: bool = False
) -> Sequence[Gone]:
    """Strike off who is dead, as far as can be known, or has left; return them.

    Of a SQLite nobody but its one server writes: whoever else is in the list is gone.
    """
    gone: list[Gone] = []
    for each in c.execute(sa.select(servers)):
        left = each.alive_until == _LEFT
        late = each.alive_until < now and not patient
        alone = c.dialect.name == "sqlite"
        if each.number == besides:
            continue
        if left or late or alone or _is_gone(each.machine, each.pid):
            # Who says at this very moment that it lives is not struck off.
            unheard = servers.c.alive_until == each.alive_until
            strike = sa.delete(servers).where(servers.c.number == each.number, unheard)
            if c.execute(strike).rowcount:
                gone.append(Gone(each.number, _host(each.machine), each.pid, left))
    return gone


def _remember_place(c: sa.Connection, place: str, now: datetime) -> bool:
    """Note where the bots are; return whether they were elsewhere the last time."""
    mine = server_secrets.c.name == _PLACE
    known = c.scalar(sa.select(server_secrets.c.value).where(mine))
    value = place.encode()
    if known is None:
        new = {"name": _PLACE, "value": value, "created_at": now}
        c.execute(sa.insert(server_secrets).values(new))
    elif bytes(known) != value:
        c.execute(sa.update(server_secrets).where(mine).values(value=value))
        return True
    return False


def _host(machine: str) -> str:
    return machine.partition(" ")[0]


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
