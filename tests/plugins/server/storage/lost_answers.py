"""A database whose answers do not come: what it was asked is done all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from meetcore_server.storage.database import Database
from meetcore_server.storage.errors import DatabaseUnavailable


class LosesAnswers:
    """Does what it is asked; the next `lost` answers do not come."""

    def __init__(self, database: Database) -> None:
        self.database, self.lost = database, 0

    async def do(self, fn: Callable[[sa.Connection], Any]) -> Any:
        result = await self.database.do(fn)
        if self.lost:
            self.lost -= 1
            raise DatabaseUnavailable("The connection broke while it was committed.")
        return result
