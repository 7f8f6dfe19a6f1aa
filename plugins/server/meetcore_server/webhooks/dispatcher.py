"""The delivery engine: one task finds whose turn it is, one serves each target that is served now.

A target that is idle, or pauses, has no task: it is a row in the database and at most an entry in
the line. A fresh dispatcher over the same database goes on where a killed one stood.
"""

from __future__ import annotations

import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

import trio

from meetcore import BotHistory, MeetcoreError, PrivateTargets
from meetcore.gateway import (
    BotRow,
    DeliveryRow,
    Outgoing,
    TranscriptRevision,
    WebhookFormat,
    WebhookTarget,
)
from meetcore_server.complaints import Complaint
from meetcore_server.storage.accounts import utc_now
from meetcore_server.storage.cursors import Cursors, DeliveryResult, DueTarget, HeldElsewhere
from meetcore_server.storage.database import Database
from meetcore_server.storage.deliveries import Deliveries
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.holding import Holder, NotHeld
from meetcore_server.webhooks.attempts import AttemptMaker
from meetcore_server.webhooks.delivery_loop import DeliveryLoop, Done, ReadEvents
from meetcore_server.webhooks.fair_queue import FairQueue
from meetcore_server.webhooks.trouble import kind_and_place
from meetcore_webhook.pinned import PinnedBackend, pinned_client

__all__ = ["WebhookDispatcher"]

_CONNECT_WITHIN_S = 5.0
_STEP_WITHIN_S = 30.0
_AFTER_TROUBLE_S = 5.0
_AFTER_STRANGE_TROUBLE_S = 60.0
_MOST_KNOWN_BOTS = 10_000
_MOST_STORIES = 4_000
_FIND_WITHIN_S = 60.0
_ROUND_WITHIN_S = 3_600.0
_KEPT = timedelta(days=30)
_PRUNE_EVERY_S = 3_600.0
_log = logging.getLogger("meetcore.server.webhooks")


class WebhookDispatcher:
    """Delivers what bots have to tell to their webhook targets: in order, at least once.

    Args:
        database: Where targets, cursors and deliveries are.
        formats: Who writes the messages, by name. May still grow.
        read_events: Yields the events of a bot after a number, those there are now, from its
            journal; raises `BotGone` after deletion.
        private: Which targets may be private addresses, and plain http.
        holder: Which server this is.
        elsewhere: Told of a target that another server serves, by that one's number and the
            target's: it is asked to serve it.
        sure: Whether this server is not taken for dead, as far as can be known without asking.
        now: Gives the wall time, aware.
        line: The order of service, for other bounds.

    Attributes:
        counts: How many messages were delivered, held (tried in vain, to be tried again) and
            given up since the start.
    """

    def __init__(
        self,
        database: Database,
        formats: Mapping[str, WebhookFormat],
        read_events: ReadEvents,
        *,
        private: PrivateTargets,
        holder: Holder | None = None,
        elsewhere: Callable[[int, int], Awaitable[None]] | None = None,
        sure: Callable[[], bool] = lambda: True,
        now: Callable[[], datetime] = utc_now,
        line: FairQueue | None = None,
    ) -> None:
        self.cursors = Cursors(database, now, holder or Holder())
        self.deliveries = Deliveries(database, now)
        self.counts: dict[DeliveryResult, int] = dict.fromkeys(DeliveryResult, 0)
        self._formats = formats
        self._read_events = read_events
        self._private = private
        self._elsewhere = elsewhere
        self._sure = sure
        self._now = now
        self._random = random.Random()
        self._line = line or FairQueue()
        self._news = trio.Event()
        self._woken: set[str] = set()
        self._finding: set[str] = set()
        self._changes = 0
        self._known: OrderedDict[str, list[DueTarget]] = OrderedDict()
        self._stories: OrderedDict[int, BotHistory] = OrderedDict()
        self._missing: set[str] = set()
        self._complaint = Complaint(_log, "webhooks")

    @property
    def busy(self) -> int:
        """How many targets are served at this moment."""
        return self._line.served

    @property
    def waiting(self) -> int:
        """How many targets wait for their turn or for the end of a pause, and bots with news."""
        return self._line.waiting + len(self._woken) + len(self._finding)

    # --- what the server says -----------------------------------------------------------

    def wake(self, bot_id: str) -> None:
        """Say that a bot has new events in its journal. Returns at once; from Trio's thread."""
        self._woken.add(bot_id)
        self._news.set()

    def targets_changed(self, bot_id: str) -> None:
        """Say that a bot has other targets than before."""
        self._changes += 1
        self._known.pop(bot_id, None)
        self.wake(bot_id)

    async def serve_soon(self, target_id: int) -> None:
        """Have a target served that another server was asked to serve."""
        await self._ask_target(target_id, force=True)

    async def look_for_owing(self) -> None:
        """Serve what is owed by nobody who lives: other servers died."""
        while not await self._find_owing():  # noqa: ASYNC110  nobody says when it is back
            await trio.sleep(_AFTER_TROUBLE_S)

    async def endpoint_enabled(self, endpoint_id: str) -> None:
        """Say that an endpoint was switched on again, or its address changed."""
        for due_target in await self.cursors.of_endpoint(endpoint_id):
            self._ask(due_target, force=True)

    async def post(self, row: BotRow, target: WebhookTarget, outgoing: Outgoing) -> DeliveryRow:
        """Send a message that belongs to no event. Durable on return; goes after the events."""
        delivery = await self.deliveries.post(row, target, outgoing)
        await self._ask_target(target.id)
        return delivery

    async def redeliver(self, delivery_id: int) -> DeliveryRow | None:
        """Send a message once more, now; return the new delivery, None for no such message.

        It is one attempt, also where the target pauses, or was given up.
        """
        delivery = await self.deliveries.again(delivery_id)
        if delivery is not None:
            await self._ask_target(delivery.target_id, force=True)
        return delivery

    async def after_deletion(self, row: BotRow, deleted_objects: int) -> None:
        """Tell a bot's targets that its data was deleted. Nothing of its journal is sent any more.

        Call it between deleting and noting that it is deleted: then a server that is killed in
        between does it again, and nobody is left untold.
        """
        await self.cursors.skip_journal(row.bot_id)
        for target in await self.cursors.targets(row.bot_id):
            webhook_format = self._formats.get(target.format)
            if webhook_format is not None:
                for outgoing in await _farewells(webhook_format, row, target, deleted_objects):
                    await self.deliveries.post(row, target, outgoing)
            await self._ask_target(target.id, force=True)

    async def after_transcription(self, row: BotRow, transcript: TranscriptRevision) -> None:
        """Tell a bot's targets, or the one that it names, what came of a transcription."""
        for target in await self.cursors.targets(row.bot_id):
            webhook_format = self._formats.get(target.format)
            if webhook_format is None or transcript.target_id not in (None, target.id):
                continue
            for outgoing in await _of_transcript(webhook_format, row, target, transcript):
                await self.deliveries.post(row, target, outgoing)
            await self._ask_target(target.id, force=True)

    # --- the engine ---------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until cancelled; what is under way then is sent again by the next run.

        A database that is away is waited for. Raises nothing but `Cancelled`.
        """
        backend = PinnedBackend(self._private)
        most = self._line.most
        await self.look_for_owing()
        async with (
            pinned_client(
                backend, _CONNECT_WITHIN_S, _STEP_WITHIN_S, max_connections=most
            ) as client,
            trio.open_nursery() as nursery,
        ):
            sender = AttemptMaker(client, self._private)
            nursery.start_soon(self._prune)
            task_status.started()
            while True:
                self._news = trio.Event()
                await self._find_woken()
                while (target_id := self._line.next(trio.current_time())) is not None:
                    nursery.start_soon(self._serve, target_id, sender)
                with trio.move_on_at(self._line.next_pause_ends()):
                    await self._news.wait()

    async def _find_owing(self) -> bool:
        """Put every target that is owed something in line; return whether that could be done."""
        try:
            with trio.fail_after(_FIND_WITHIN_S):
                due_targets = await self.cursors.owing()
        except Exception as error:  # noqa: BLE001  it goes on, whatever was wrong this time
            self._say(error)
            return False
        for due_target in due_targets:
            self._ask(due_target)
        return True

    async def _find_woken(self) -> None:
        """Put the targets of the bots that were woken in line."""
        self._finding, self._woken = self._woken, set()
        changes = self._changes
        unknown = self._finding - self._known.keys()
        found: list[DueTarget] = []
        if unknown:
            try:
                with trio.fail_after(_FIND_WITHIN_S):
                    found = await self.cursors.due_targets(unknown)
            except Exception as error:  # noqa: BLE001  it goes on, whatever was wrong this time
                self._say(error)
                await trio.sleep(_AFTER_TROUBLE_S)
                self._woken |= self._finding
                self._news.set()
                return
        fresh: dict[str, list[DueTarget]] = {bot_id: [] for bot_id in unknown}
        for due_target in found:
            fresh[due_target.bot_id].append(due_target)
        for bot_id in self._finding:
            for due_target in fresh.get(bot_id) or self._known.get(bot_id, []):
                self._line.ask(due_target.target_id, due_target.host)
        if changes == self._changes:
            self._known.update(fresh)
        while len(self._known) > _MOST_KNOWN_BOTS:
            self._known.popitem(last=False)
        self._finding = set()

    def _ask(self, due_target: DueTarget, *, force: bool = False) -> None:
        pause_s = (
            (due_target.at - self._now()).total_seconds() if due_target.at is not None else 0.0
        )
        if pause_s > 0 and not force:
            self._line.pause(due_target.target_id, due_target.host, trio.current_time() + pause_s)
        else:
            self._line.ask(due_target.target_id, due_target.host, force=force)
        self._news.set()

    async def _ask_target(self, target_id: int, *, force: bool = False) -> None:
        due_target = await self.cursors.due_target(target_id)
        if due_target is not None:
            self._ask(due_target, force=force)

    async def _serve(self, target_id: int, sender: AttemptMaker) -> None:
        """Serve a target, and put it back in line where it has to come again."""
        try:
            with trio.fail_after(_ROUND_WITHIN_S):
                done = await self._round(target_id, sender)
            self._complaint.fine()
        except HeldElsewhere as held:
            done = await self._have_served(held.server, target_id)
        except NotHeld:
            done = Done(again_at=self._now() + timedelta(seconds=_AFTER_TROUBLE_S))
        except DatabaseUnavailable as error:
            self._complaint.wrong(str(error), level=logging.ERROR)
            done = Done(again_at=self._now() + timedelta(seconds=_AFTER_TROUBLE_S))
        except trio.Cancelled:
            self._line.done(target_id, again_at=trio.current_time())
            raise
        except Exception as error:  # noqa: BLE001  one target's trouble is not the others'
            _log.error("webhooks: target %d: %s", target_id, kind_and_place(error))
            done = Done(again_at=self._now() + timedelta(seconds=_AFTER_STRANGE_TROUBLE_S))
        again_at = None
        if done.again_at is not None:
            pause_s = (done.again_at - self._now()).total_seconds()
            again_at = trio.current_time() + max(0.0, pause_s)
        self._line.done(target_id, again_at=again_at, slow=done.slow)
        self._news.set()

    async def _have_served(self, server: int, target_id: int) -> Done:
        """Ask the server that serves a target to do so."""
        if self._elsewhere is not None:
            try:
                await self._elsewhere(server, target_id)
            except Exception as error:  # noqa: BLE001  one target's trouble is not the others'
                self._say(error)
                return Done(again_at=self._now() + timedelta(seconds=_AFTER_TROUBLE_S))
        return Done()

    async def _round(self, target_id: int, sender: AttemptMaker) -> Done:
        work = await self.cursors.load(target_id)
        if work is None:
            return Done()
        webhook_format = self._formats.get(work.target.format)
        if webhook_format is None:
            if work.target.format not in self._missing:
                self._missing.add(work.target.format)
                _log.warning("webhooks: nobody here writes the format %r", work.target.format)
            return Done()
        loop = DeliveryLoop(
            cursors=self.cursors,
            sender=sender,
            webhook_format=webhook_format,
            read_events=self._read_events,
            work=work,
            history=self._stories.pop(target_id, BotHistory()),
            now=self._now,
            random=self._random,
            tell=self._count,
            sure=self._sure,
        )
        done = await loop.go()
        if not done.settled and not work.over:
            self._stories[target_id] = loop.history
            while len(self._stories) > _MOST_STORIES:
                self._stories.popitem(last=False)
        return done

    def _count(self, delivery_result: DeliveryResult) -> None:
        self.counts[delivery_result] += 1

    async def _prune(self) -> None:
        """Forget old deliveries, now and then."""
        while True:
            try:
                while await self.deliveries.prune(self._now() - _KEPT):
                    await trio.lowlevel.checkpoint()
            except Exception as error:  # noqa: BLE001  it goes on, whatever was wrong this time
                self._say(error)
            await trio.sleep(_PRUNE_EVERY_S)

    def _say(self, error: Exception) -> None:
        """Tell trouble: in our own words where they are ours."""
        if isinstance(error, DatabaseUnavailable):
            self._complaint.wrong(str(error), level=logging.ERROR)
            return
        known = isinstance(error, MeetcoreError)
        _log.error("webhooks: %s", error if known else kind_and_place(error))


async def _farewells(
    webhook_format: WebhookFormat, row: BotRow, target: WebhookTarget, deleted_objects: int
) -> Sequence[Outgoing]:
    try:
        return await webhook_format.after_deletion(row, target, deleted_objects)
    except Exception as error:  # noqa: BLE001  the data is deleted, whatever a dialect says to it
        _log.error("webhook %s: %s", webhook_format.name, kind_and_place(error))
        return ()


async def _of_transcript(
    webhook_format: WebhookFormat, row: BotRow, target: WebhookTarget, made: TranscriptRevision
) -> Sequence[Outgoing]:
    try:
        return await webhook_format.after_transcription(row, target, made)
    except Exception as error:  # noqa: BLE001  it is made, whatever a dialect says to it
        _log.error("webhook %s: %s", webhook_format.name, kind_and_place(error))
        return ()
