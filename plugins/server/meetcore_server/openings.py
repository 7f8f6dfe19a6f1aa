"""What clients have opened with their keys, and what ends with them.

A key that was revoked, or has expired, must not go on through a WebSocket or a long answer that it
opened while it was good. So everything of that kind is entered here with the key's id; a few times
a second those keys are looked up, all at once, and at once where this server revokes one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager

import trio

from meetcore.model import brief
from meetcore_server.complaints import Complaint

__all__ = ["Openings"]

_LOG = logging.getLogger("meetcore.server")
LOOK_EVERY_S = 0.4


class Openings:
    """What is open, by the id of the key that opened it.

    Args:
        valid: Returns which keys are good, of some.
    """

    def __init__(self, valid: Callable[[Collection[str]], Awaitable[Collection[str]]]) -> None:
        self._valid = valid
        self._open: dict[str, set[Callable[[], None]]] = {}
        self._changed = trio.Event()
        self._complaint = Complaint(_LOG, "the keys of what is open cannot be looked up")

    def add(self, key_id: str, end: Callable[[], None]) -> Callable[[], None]:
        """Have something ended when a key is void; return what takes it off the list again."""
        if not self._open:
            self._changed.set()
        self._open.setdefault(key_id, set()).add(end)

        def close() -> None:
            mine = self._open.get(key_id)
            if mine is not None:
                mine.discard(end)
                if not mine:
                    del self._open[key_id]

        return close

    @contextmanager
    def opened_by(self, key_id: str) -> Iterator[trio.CancelScope]:
        """Cancel the block when a key is void."""
        with trio.CancelScope() as scope:
            close = self.add(key_id, scope.cancel)
            try:
                yield scope
            finally:
                close()

    def look(self) -> None:
        """Look at the keys now: one has been revoked."""
        self._changed.set()

    async def run(self) -> None:
        """End what has to end, until cancelled."""
        while True:
            if not self._open:
                await self._changed.wait()
            self._changed = trio.Event()
            await self._end_void()
            with trio.move_on_after(LOOK_EVERY_S):
                await self._changed.wait()

    async def _end_void(self) -> None:
        asked = frozenset(self._open)
        try:
            valid = frozenset(await self._valid(asked))
        except Exception as error:  # noqa: BLE001  it goes on, whatever was wrong this time
            # Whether they are void is not known, and other people's meetings hang on it.
            self._complaint.wrong(brief(error))
            return
        self._complaint.fine()
        for key_id in asked - valid:
            for end in list(self._open.get(key_id, ())):
                try:
                    end()
                except Exception:  # noqa: BLE001  the others end all the same
                    _LOG.exception("what a void key opened did not end")
