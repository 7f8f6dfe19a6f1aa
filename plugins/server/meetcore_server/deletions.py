"""What a bot left is deleted: by one server at a time, and what did not go is tried again."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import trio

from meetcore import BusUnavailable, StorageUnavailable
from meetcore.gateway import BotRow, NotNow
from meetcore.model import brief
from meetcore_server.storage.tombstones import Tombstones
from meetcore_server.transcriptions import FORGET

if TYPE_CHECKING:
    from meetcore_server.service import BotService

__all__ = ["Deletions"]

_LOG = logging.getLogger("meetcore.server")
_GONE_WITHIN_S = 10.0
_AGAIN_AFTER_S = 30.0
_LOOK_EVERY_S = 0.25
_REMEDY = "Ask again in a minute."


class Deletions:
    """Deletes.

    Args:
        service: The bots.
    """

    def __init__(self, service: BotService) -> None:
        self._service = service
        self._rows = service.stores.bots
        self._tombstones = Tombstones(self._rows.database)
        self._in_turn = trio.Lock()
        self._so_far: dict[str, int] = {}

    async def delete(self, row: BotRow) -> int:
        """Delete what a bot that has ended left; see `Service.delete_data`."""
        live = self._service.live.get(row.bot_id)
        if live is not None:
            if not (live.history.ended or row.ended):  # the row has it a moment earlier
                raise NotNow(live.row.state, "The bot has not ended yet.", "Stop it first.")
            with trio.move_on_after(_GONE_WITHIN_S) as limit:
                await live.ended.wait()
            if limit.cancelled_caught:
                raise _worked_on(live.row)
        async with self._in_turn, self._held(row) as newest:
            if newest.deleted_at is not None:
                return 0
            return await self._delete(newest)

    @asynccontextmanager
    async def _held(self, row: BotRow) -> AsyncIterator[BotRow]:
        """Be the one server that looks after a bot which has ended; gives its row as it is now.

        Raises:
            NotNow: It has not ended, or another server is at it still.
        """
        row, mine = await self._rows.get(row.bot_id), False
        if not row.ended:
            raise NotNow(row.state, "The bot has not ended yet.", "Stop it first.")
        try:  # it may be taken though the answer is lost
            with trio.move_on_after(_GONE_WITHIN_S):
                while not (mine := await self._rows.take(row.bot_id)):  # noqa: ASYNC110  nobody tells
                    await trio.sleep(_LOOK_EVERY_S)
            if not mine:
                raise NotNow(row.state, "Another server looks after the bot still.", _REMEDY)
            yield await self._rows.get(row.bot_id)
        finally:
            with (
                trio.CancelScope(shield=True, deadline=trio.current_time() + _GONE_WITHIN_S),
                suppress(StorageUnavailable),  # it is free when this server ends
            ):
                await self._rows.let_go(row.bot_id)

    async def lasts(self, bot_id: str) -> bool:
        """Whether a bot's data is there, and no deletion of it under way; looks for 10 s at most.

        Whoever deletes looks after the bot from before it looks for files until they are gone.
        """
        with trio.move_on_after(_GONE_WITHIN_S):
            while True:
                row = await self._rows.get(bot_id)
                if row.deleted_at is not None:
                    return False
                if not row.ended or await self._rows.held_by(bot_id) is None:
                    break
                await trio.sleep(_LOOK_EVERY_S)
        return await self._service.store.log(bot_id).exists()

    async def _until_nobody_works_on(self, row: BotRow) -> None:
        """Wait for whoever may write into the bot's files: its process, a job, another machine.

        Raises:
            NotNow: They go on for more than 10 s.
        """
        store = self._service.store
        with trio.move_on_after(_GONE_WITHIN_S):
            while await store.runner(row.bot_id) is not None:  # noqa: ASYNC110  nobody tells
                await trio.sleep(_LOOK_EVERY_S)
            return
        raise _worked_on(row)

    async def _delete(self, row: BotRow) -> int:
        """Delete it everywhere. What cannot be reached now is due again, in half a minute."""
        its = self._service
        await its.transcriptions.forget(row.bot_id)
        await self._until_nobody_works_on(row)
        its.forget_history(row.bot_id)
        deletion = await its.store.delete(row.bot_id)
        count = deletion.files + self._so_far.get(row.bot_id, 0)
        stayed = deletion.stayed or await self._still_on_the_bus(row.bot_id)
        if stayed:
            self._so_far[row.bot_id] = count
            later = its.now() + timedelta(seconds=_AGAIN_AFTER_S)
            await self._rows.delete_later(row.bot_id, later)
            raise StorageUnavailable(
                f"Of the data of bot {row.bot_id} this could not be deleted: {stayed}.",
                "It is tried again by itself every 30 s.",
            )
        await its.webhooks.after_deletion(row, count)
        await self._rows.mark_deleted(row.bot_id)
        self._so_far.pop(row.bot_id, None)
        try:
            await self.clean_tombstones()
            membership = its.supervisor.membership
            if membership.shared:  # machines that worked on it have a copy
                await membership.servers.ask_all(membership.number, FORGET, row.bot_id)
        except StorageUnavailable as error:
            _LOG.warning("bot=%s traces of it are left for now: %s", row.bot_id, error)
        return count

    async def _still_on_the_bus(self, bot_id: str) -> str:
        """Have the bus forget a bot; return in words what it may still have."""
        bus = self._service.supervisor.fleet.bus
        try:
            if bus is not None:
                await bus.forget(bot_id)
        except BusUnavailable as error:
            return f"what the bus has ({brief(error)})"
        return ""

    async def clear_copies(self, bot_id: str | None = None) -> None:
        """Delete what this machine still has of bots whose data another server deleted.

        Args:
            bot_id: Of that one alone; None for all of them.

        Raises:
            StorageUnavailable: The database does not answer, or something could not be deleted.
        """
        stayed = {}
        left = await self._service.store.left_here() if bot_id is None else [bot_id]
        for bot_id in await self._rows.deleted_among(left):
            if trouble := await self._service.store.clear_here(bot_id):
                stayed[bot_id] = trouble
            else:
                _LOG.info("bot=%s its copy on this machine is deleted", bot_id)
        if stayed:
            raise StorageUnavailable(
                f"Of deleted bots this could not be deleted here: {stayed}.",
                "It is tried again by itself every 30 s.",
            )

    async def clean_tombstones(self) -> bool:
        """Forget what is still known of bots whose data was deleted; return whether all is."""
        return await self._tombstones.clean()


def _worked_on(row: BotRow) -> NotNow:
    return NotNow(row.state, "What the bot left is still being worked on.", _REMEDY)
