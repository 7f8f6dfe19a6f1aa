"""Who holds a row: the server that looks after what it stands for.

A server holds rows under its number. It is believed as long as the table `servers` has that number;
a server that was taken for dead is not in it, and what it wrote its number into is anybody's.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from attrs import define

from meetcore import StorageUnavailable
from meetcore_server.storage.tables import servers

__all__ = ["Holder", "NotHeld"]

_ALIVE = sa.select(servers.c.number)
_THIS_ONE = _ALIVE.where(servers.c.number == sa.bindparam("this"))


class NotHeld(StorageUnavailable):
    """Another server holds it, or this one was taken for dead."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is looked after by another server now.",
            "This server stood still, or could not reach the database for a while; ask again.",
        )


@define(eq=False)
class Holder:
    """This server, as far as it holds something.

    Attributes:
        number: Its number; None for whoever holds nothing: a command line, a test of one table; 0
            for a server that was taken for dead and has no number yet: it may take nothing.
    """

    number: int | None = None

    def check(self, c: sa.Connection, what: str) -> None:
        """Raise `NotHeld` where this server was taken for dead."""
        if self.number is not None and c.scalar(_THIS_ONE, {"this": self.number}) is None:
            raise NotHeld(what)

    def is_mine(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that this server holds a row."""
        return column == self.number if self.number is not None else sa.true()

    def may_take(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that this server holds a row, or may take it: nobody alive does."""
        return sa.or_(column.is_(None), self.is_mine(column), column.not_in(_ALIVE))
