"""Bots with journals in memory, a dispatcher over a real database, and formats that are quick."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import trio
import trio.testing
from attrs import define, field

from meetcore.gateway.records import BotGone, BotRow, WebhookTarget
from meetcore.gateway.service import Moment, Outgoing, WebhookFormat
from meetcore.model.addresses import PrivateTargets
from meetcore.model.events import Event, StepTaken
from meetcore.model.lifecycle import State
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.database import Database, open_database
from meetcore_server.storage.endpoints import Endpoints
from meetcore_server.webhooks.dispatcher import WebhookDispatcher
from meetcore_server.webhooks.fair_queue import FairQueue
from meetcore_server.webhooks.native import NativeFormat
from tests.plugins.server.storage.orders_of_tests import insert

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

ANY = PrivateTargets(all=True)


class Plain(WebhookFormat):
    """Each step as a message of two words: its number, and how many events the history has."""

    name: ClassVar[str] = "plain"
    pauses_s: ClassVar[tuple[float, ...]] = (0.02, 0.02, 0.02)
    timeout_s: ClassVar[float] = 2.0

    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        event, history = moment.event, moment.history
        assert history.last_seq == event.seq
        if not isinstance(event, StepTaken) or event.name == "quiet":
            return ()
        count = 3 if event.name == "three" else 1
        texts = [f"{event.seq}.{n}" if count > 1 else str(event.seq) for n in range(count)]
        headers = {"X-Attempt": str(moment.attempt)}
        return [Outgoing(kind="step", body=text.encode(), headers=headers) for text in texts]

    async def after_deletion(
        self, row: BotRow, target: WebhookTarget, deleted_objects: int
    ) -> Sequence[Outgoing]:
        return (Outgoing(kind="deleted", body=f"deleted {deleted_objects}".encode()),)


class Impatient(Plain):
    """Half a second, and no second attempt."""

    name: ClassVar[str] = "impatient"
    pauses_s: ClassVar[tuple[float, ...]] = ()
    timeout_s: ClassVar[float] = 0.5


class Promise(Plain):
    """Tries often and soon, and waits for no answer for long."""

    name: ClassVar[str] = "promise"
    pauses_s: ClassVar[tuple[float, ...]] = (0.001,) * 20
    timeout_s: ClassVar[float] = 0.05


class Patient(Plain):
    """Pauses for an hour."""

    name: ClassVar[str] = "patient"
    pauses_s: ClassVar[tuple[float, ...]] = (3600.0,)


class Unhurried(Plain):
    """Waits a minute for an answer."""

    name: ClassVar[str] = "unhurried"
    timeout_s: ClassVar[float] = 60.0


class Broken(Plain):
    """Raises on `bad`, and cannot sign `worse`."""

    name: ClassVar[str] = "broken"

    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        if isinstance(moment.event, StepTaken) and moment.event.name == "bad":
            raise ZeroDivisionError("https://secret.example/path")
        return await super().messages(moment)

    def signed(self, target: WebhookTarget, outgoing: Outgoing) -> Outgoing:
        if outgoing.body == b"2":
            raise KeyError("worse")
        return outgoing

    async def after_deletion(
        self, row: BotRow, target: WebhookTarget, deleted_objects: int
    ) -> Sequence[Outgoing]:
        raise ZeroDivisionError


FORMATS: dict[str, WebhookFormat] = {
    f.name: f
    for f in (
        Plain(),
        Impatient(),
        Promise(),
        Patient(),
        Unhurried(),
        Broken(),
        NativeFormat(),
    )
}


@define(eq=False)
class Stage:
    """Everything around a dispatcher.

    Attributes:
        journals: The events of each bot.
        gone: Bots whose journal was deleted.
        reads: After which number a journal was read, each time.
    """

    database: Database
    bots: BotRows
    endpoints: Endpoints
    dispatcher: WebhookDispatcher
    nursery: trio.Nursery
    journals: dict[str, list[Event]] = field(factory=dict)
    gone: set[str] = field(factory=set)
    reads: list[int] = field(factory=list)

    async def read_events(self, row: BotRow, after: int) -> AsyncGenerator[Event, None]:
        self.reads.append(after)
        await trio.lowlevel.checkpoint()
        if row.bot_id in self.gone:
            raise BotGone(f"The journal of {row.bot_id} was deleted.")
        for event in self.journals.get(row.bot_id, [])[after:]:
            yield event

    async def bot(self, *webhooks: WebhookTarget, **order: Any) -> BotRow:
        return await insert(self.bots, webhooks=webhooks, **order)

    def write(self, row: BotRow, *names: str, wake: bool = True) -> None:
        """Append steps to a bot's journal."""
        journal = self.journals.setdefault(row.bot_id, [])
        for name in names:
            at = NOON + timedelta(seconds=len(journal))
            event = StepTaken(name=name, bot_id=row.bot_id, seq=len(journal) + 1, at=at)
            journal.append(event)
        if wake:
            self.dispatcher.wake(row.bot_id)

    async def follow(self, row: BotRow, state: State | None = None) -> None:
        """Note in the database how far the journal is."""
        last_seq = len(self.journals.get(row.bot_id, ()))
        await self.bots.update(row.bot_id, state=state, last_seq=last_seq)

    async def until_quiet(self) -> None:
        """Return when nothing is under way: whoever still waits, pauses."""
        with trio.fail_after(60):
            while True:
                await trio.testing.wait_all_tasks_blocked(0.01)
                if not self.dispatcher.busy:
                    return

    async def until_idle(self) -> None:
        """Return when everything was sent that can be."""
        with trio.fail_after(60):
            while self.dispatcher.busy or self.dispatcher.waiting:
                await trio.testing.wait_all_tasks_blocked(0.01)
            await self.until_quiet()


@asynccontextmanager
async def staged(
    url: str,
    *,
    journals: dict[str, list[Event]] | None = None,
    private: PrivateTargets = ANY,
    line: FairQueue | None = None,
    start: bool = True,
) -> AsyncIterator[Stage]:
    """Hold a dispatcher that runs. The journals of an earlier stage can be taken over."""
    async with open_database(url) as database, trio.open_nursery() as nursery:
        stage: Stage

        def read_events(row: BotRow, after: int) -> AsyncGenerator[Event, None]:
            return stage.read_events(row, after)

        dispatcher = WebhookDispatcher(database, FORMATS, read_events, private=private, line=line)
        stage = Stage(database, BotRows(database), Endpoints(database), dispatcher, nursery)
        stage.journals = journals if journals is not None else {}
        if start:
            await nursery.start(dispatcher.run)
        yield stage
        nursery.cancel_scope.cancel()


def target(url: str, webhook_format: str = "plain", **more: Any) -> WebhookTarget:
    return WebhookTarget(format=webhook_format, url=url, **more)
