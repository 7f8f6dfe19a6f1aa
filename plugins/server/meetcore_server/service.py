"""What dialects and the native API ask: `meetcore.gateway.service.Service`, for real."""

from __future__ import annotations

import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Mapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import trio
from attrs import evolve

from meetcore import (
    BotHistory,
    BotLog,
    BotStore,
    Capability,
    Chunk,
    Command,
    CommandRefused,
    Dialect,
    Event,
    JournalError,
    LookIn,
    MediaStore,
    MeetingLink,
    PagePicture,
    PictureFormat,
    PrivateTargets,
    RunningBot,
    Segment,
    SegmentFinalized,
    State,
    StateChanged,
    Stop,
    StorageUnavailable,
)
from meetcore.gateway import (
    BotFile,
    BotGone,
    BotQuery,
    BotRequest,
    BotRow,
    Client,
    DeliveryRow,
    NoSuchBot,
    NotNow,
    Outgoing,
    Socket,
    TooManyRequests,
    TranscriberChoice,
    WebhookTarget,
)
from meetcore.log import Wake
from meetcore.model import brief
from meetcore_server.account_keeper import AccountKeeper
from meetcore_server.deletions import Deletions
from meetcore_server.draining import Draining
from meetcore_server.feeds import Feed
from meetcore_server.lasting_media import LastingMedia
from meetcore_server.live import LiveBot, LiveBots
from meetcore_server.media_process import MediaProcesses, recorded_as
from meetcore_server.membership import Membership
from meetcore_server.metrics import Metrics
from meetcore_server.openings import Openings
from meetcore_server.orders_to_specs import Specs, check_webhooks
from meetcore_server.rate_limit import RateLimiter
from meetcore_server.refused_orders import RefusedOrders
from meetcore_server.served_socket import ServedSocket
from meetcore_server.storage.bot_rows import BotFacts
from meetcore_server.storage.bots import BotLimits
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.holding import NotHeld
from meetcore_server.storage.stores import Stores
from meetcore_server.supervisor import BotSupervisor
from meetcore_server.tokens import sign, verify
from meetcore_server.transcriptions import TranscriptReader
from meetcore_server.webhooks.dispatcher import WebhookDispatcher
from meetcore_webhook.fetching import fetch

__all__ = ["BotService"]

_HISTORIES_KEPT = 32
_SCREENSHOTS_PER_S = 1.0
_SCREENSHOTS_AT_ONCE = 5.0
"""How many screenshots of one bot there may be: each holds up its page for some milliseconds."""
_KEPT_ELSEWHERE = "Was it kept in another place: another --out, another [store] url?"
_NOT_THERE_YET = (State.SCHEDULED, State.REQUESTED)
_LOG = logging.getLogger("meetcore.server")


class BotService(AccountKeeper, TranscriptReader):
    """Bots as a service; see `meetcore.gateway.service.Service` for what each method does.

    Args:
        stores: What is kept.
        store: Where bots' logs and files are.
        specs: Makes specs of orders.
        limits: How many bots there may be.
        secret: For tokens.
        anonymous_access: Whether a request without a key is the operator's: only where no key
            was ever made, and only on loopback.
        extra_key: A key of the operator's that is kept nowhere.
        private_targets: Which targets of callbacks are taken that are not public.
        keep_s: How long the data of bots is kept whose orders do not say so.
    """

    def __init__(
        self,
        stores: Stores,
        store: BotStore,
        specs: Specs,
        *,
        limits: BotLimits,
        secret: bytes,
        anonymous_access: bool,
        private_targets: PrivateTargets,
        extra_key: str | None = None,
        keep_s: float | None = None,
        links_lead_on: bool = False,
    ) -> None:
        self.stores = stores
        self.links_lead_on = links_lead_on
        self.store = store
        self.specs = specs
        self.anonymous_access = anonymous_access
        self.private_targets = private_targets
        self.metrics = Metrics()
        self.bot_ended = Wake()
        self.live = LiveBots(self._update_row, self._wake, store)
        self.membership: Membership
        self.draining: Draining
        self.supervisor: BotSupervisor
        self.webhooks: WebhookDispatcher
        self.limits, self.records_video = limits, specs.config.video
        self._keep_s, self._secret = keep_s, secret
        self._extra_key = extra_key.encode() if extra_key else None
        self._operator = self._holder_of_extra_key()
        self.openings = Openings(self._valid_keys)
        self._stories: dict[str, BotHistory] = {}
        self._refused = RefusedOrders(stores.bots)
        self._screenshots = RateLimiter(_SCREENSHOTS_PER_S, _SCREENSHOTS_AT_ONCE)
        self._deletions = Deletions(self)
        self._watchers: list[tuple[int, trio.MemorySendChannel[BotRow]]] = []
        self.media_processes = MediaProcesses()

    @property
    def rehearsal(self) -> bool:
        """Whether every link leads to the rehearsal site."""
        return self.specs.sandbox is not None

    def now(self) -> datetime:
        """Return the wall time."""
        return datetime.now(UTC)

    # --- ordering -----------------------------------------------------------------------------

    def parse_link(self, url: str) -> MeetingLink:
        """Return the meeting a link means."""
        return self.specs.link(url)

    def capabilities(self, url: str) -> frozenset[Capability]:
        """Return what can be done at best in calls of a link's platform."""
        return self.specs.capabilities(url)

    def choose_transcriber(
        self, provider: str | None, language: str | None = None
    ) -> TranscriberChoice:
        """Return who transcribes for a provider's name, and in which language."""
        return self.specs.transcriber(provider, language)

    def _facts(self, order: BotRequest, link: MeetingLink) -> BotFacts:
        return BotFacts(
            platform=link.platform,
            native_id=order.native_id or link.native_id,
            public_url=link.public_url,
            name=order.name or self.specs.config.name,
            transcriber=self.specs.transcriber(order.transcriber, order.language).name,
            state=State.SCHEDULED if order.join_at else State.REQUESTED,
            scheduled_for=order.join_at,
            keep_s=self._keep_s,
        )

    def _kept_as_long(self, order: BotRequest) -> BotRequest:
        """Return an order as it stands here: where nothing is kept, no longer than to its end."""
        nothing = self.specs.keep(order) == "nothing"
        return evolve(order, keep="nothing", keep_s=0.0) if nothing else order

    async def create(self, client: Client, order: BotRequest) -> BotRow:
        """Send a bot."""
        self.membership.check_staying()
        check_webhooks(order.webhooks, self.private_targets)
        await self.forget_refused()
        order = self._kept_as_long(order)
        link = self.specs.link(order.url)
        bot_id = str(uuid4())
        spec = self.specs.spec(bot_id, order)
        endpoints = await self.stores.endpoints.targets_of(client.user_id)
        order = evolve(order, webhooks=(*order.webhooks, *endpoints))
        try:
            row = await self.stores.bots.insert(
                order,
                self._facts(order, link),
                bot_id=bot_id,
                user_id=client.user_id,
                key_id=client.key_id,
                limits=self.limits,
            )
        except DatabaseUnavailable:
            await self._refused.take_back(bot_id)  # it may be there: its COMMIT had no answer
            raise
        if row.replayed:
            await self._refused.check_written(row)
            return self._newest(row, replayed=True)
        try:
            live = await self.supervisor.begin(row, spec, link)
        except NotHeld:
            return await self._seen_through_elsewhere(row)
        except BaseException as trouble:
            await self._refused.take_back(bot_id)
            if isinstance(trouble, (OSError, JournalError, StorageUnavailable, trio.TooSlowError)):
                raise StorageUnavailable(
                    f"The order could not be written down: {brief(trouble)}",
                    "Nothing of it is kept; order again when there is room.",
                ) from trouble
            raise
        self.tell_new(live.row)
        return live.row

    async def _seen_through_elsewhere(self, row: BotRow) -> BotRow:
        """Return a bot that was written down while this server was taken for dead.

        Raises:
            NotHeld: Whoever inherited it found nothing of it then, and forgot it.
        """
        try:
            return await self.stores.bots.get(row.bot_id)
        except NoSuchBot:
            await self.store.delete(row.bot_id)
            raise NotHeld(f"Bot {row.bot_id}") from None

    def tell_new(self, row: BotRow) -> None:
        """Tell who wants to know of new bots."""
        for user_id, channel in self._watchers:
            if user_id == row.user_id:
                try:
                    channel.send_nowait(row)
                except (trio.WouldBlock, trio.BrokenResourceError):
                    continue  # it lists the bots when it has time again

    @property
    def watched(self) -> bool:
        """Whether anybody wants to know of new bots."""
        return bool(self._watchers)

    async def give_up_all(self) -> None:
        """Look after nothing any more: this server was taken for dead, and others do."""
        await self.supervisor.give_up_all()
        await self.transcriptions.give_up_all()

    async def inherit(self, rows: Sequence[BotRow]) -> None:
        """Look after bots, and serve webhooks, that a server looked after which is dead."""
        self.transcriptions.look()
        await self.supervisor.resume(rows)
        await self.webhooks.look_for_owing()

    async def forget(self, row: BotRow) -> bool:
        """Forget an order that was never acknowledged; return whether it was one."""
        return await self.stores.bots.forget(row.bot_id)

    async def forget_refused(self) -> None:
        """Forget refused orders whose rows could not be taken back so far."""
        await self._refused.forget()

    async def reschedule(self, row: BotRow, order: BotRequest) -> BotRow:
        """Replace the order of a scheduled bot."""
        check_webhooks(order.webhooks, self.private_targets)
        order = self._kept_as_long(order)
        link = self.specs.link(order.url)
        spec = self.specs.spec(row.bot_id, order)
        facts = evolve(self._facts(order, link), state=State.SCHEDULED)

        async def write() -> BotRow:
            return await self.stores.bots.replace_order(row.bot_id, order, facts)

        try:
            return await self.supervisor.reschedule(row, spec, write)
        finally:
            self.webhooks.targets_changed(row.bot_id)

    async def order(self, row: BotRow) -> BotRequest:
        """Return the order a bot was made by."""
        return await self.stores.bots.order(row.bot_id)

    # --- finding ------------------------------------------------------------------------------

    def _newest(self, row: BotRow, *, replayed: bool = False) -> BotRow:
        live = self.live.get(row.bot_id)
        if live is None or live.row.updated_at < row.updated_at:
            return row
        return evolve(live.row, extras=row.extras, replayed=replayed)

    async def bot(self, client: Client, bot_id: str) -> BotRow:
        """Return a bot by its id."""
        return await self.stores.bots.get(bot_id, user_id=client.user_id)

    async def bot_numbered(self, client: Client, number: int) -> BotRow:
        """Return a bot by its number."""
        return await self.stores.bots.get_numbered(number, user_id=client.user_id)

    async def bots(self, client: Client, query: BotQuery) -> list[BotRow]:
        """List bots."""
        return await self.stores.bots.list(query, user_id=client.user_id)

    async def put_extras(self, row: BotRow, extras: Mapping[str, Any]) -> BotRow:
        """Replace what the dialect keeps with a bot."""
        changed = await self.stores.bots.put_extras(row.bot_id, extras)
        live = self.live.get(row.bot_id)
        if live is not None:
            live.row = evolve(live.row, extras=changed.extras)
        return changed

    async def _update_row(self, row: BotRow, event: Event) -> BotRow:
        assert isinstance(event, StateChanged)
        ended = event.state in (State.COMPLETED, State.FAILED)
        row = await self.stores.bots.update(
            row.bot_id,
            state=event.state,
            reason=event.reason,
            in_call_at=event.at if event.state is State.IN_CALL else None,
            ended_at=event.at if ended else None,
            last_seq=event.seq,
        )
        if ended:
            self.bot_ended.set()
        return row

    async def give_up(self, row: BotRow, end: StateChanged) -> BotRow:
        """End the row of a bot whose journal takes no end."""
        row = await self.stores.bots.update(
            row.bot_id, state=end.state, reason=end.reason, ended_at=end.at
        )
        self.metrics.count_end(end)
        self.bot_ended.set()
        return row

    def _wake(self, event: Event) -> None:
        self.metrics.take(event)
        self.webhooks.wake(event.bot_id)

    # --- asking -------------------------------------------------------------------------------

    async def stop(self, row: BotRow, detail: str = "") -> BotRow:
        """Have a bot leave, or not come at all."""
        live = await self.attend(row)
        if live is not None:
            await self.supervisor.stop(live, detail)
        return await self.stores.bots.get(row.bot_id)

    async def attend(self, row: BotRow) -> LiveBot | None:
        """Return a bot that has not ended, whichever server looks after it; None otherwise."""
        return await self.supervisor.attend(row)

    async def perform(self, row: BotRow, command: Command) -> None:
        """Have a bot carry out a command; to stop also where it does not run yet."""
        if isinstance(command, Stop) and row.state in _NOT_THERE_YET:
            await self.stop(row, command.detail or "api")
        else:
            await (await self._running(row)).perform(evolve(command, by="api"))

    async def _running(self, row: BotRow) -> RunningBot:
        """Return where a bot runs, for whoever asks something of it.

        Raises:
            CommandRefused: Nowhere (yet, any more), or where this server does not reach it.
        """
        live = await self.attend(row)
        if live is None or live.row.ended:
            raise CommandRefused("The bot has ended.")
        if live.running is None:
            if live.row.state in _NOT_THERE_YET or await self.store.runner(row.bot_id) is None:
                state = live.row.state.value
                raise CommandRefused(f"The bot is {state}, not in the call.", "Ask again then.")
            return await live.reached()
        return live.running

    async def screenshot(
        self, row: BotRow, picture_format: PictureFormat = PictureFormat.JPEG
    ) -> PagePicture:
        """Return a picture of a bot's page as it is now."""
        wait_s = self._screenshots.wait_s(row.bot_id)
        if wait_s > 0:
            raise TooManyRequests(wait_s)
        return await (await self._running(row)).screenshot(picture_format, by="api")

    @asynccontextmanager
    async def look_in(self, row: BotRow, *, by: str) -> AsyncIterator[LookIn]:
        """Look at a bot's page while the block lasts; raises as `meetcore.Bot.look_in` does."""
        async with (await self._running(row)).look_in(by=by) as look:
            yield look

    async def fetch(self, url: str, *, most_bytes: int) -> bytes:
        """Return what lies at a URL."""
        return await fetch(url, self.private_targets, most_bytes=most_bytes)

    async def pcm_of(self, data: bytes, sample_rate_hz: int) -> bytes:
        """Return the sound of a media file."""
        return await self.media_processes.pcm_of(data, sample_rate_hz)

    async def delete_data(self, row: BotRow) -> int:
        """Delete what a bot that has ended left."""
        return await self._deletions.delete(row)

    def forget_history(self, bot_id: str) -> None:
        """Know nothing more of a bot whose data is about to be deleted."""
        self._stories.pop(bot_id, None)

    async def clear_copies(self, bot_id: str | None = None) -> None:
        """Delete what this machine has of bots whose data others deleted, or of that one."""
        await self._deletions.clear_copies(bot_id)

    async def clean_tombstones(self) -> bool:
        """Forget what is still known of bots whose data was deleted; return whether all is."""
        return await self._deletions.clean_tombstones()

    # --- telling ------------------------------------------------------------------------------

    async def _log_of(self, row: BotRow) -> BotLog:
        live = self.live.get(row.bot_id)
        log = live.log if live is not None else self.store.log(row.bot_id)
        if row.deleted_at is not None:
            raise BotGone(f"The data of bot {row.bot_id} was deleted.")
        if not await log.exists():
            raise BotGone(f"The store has nothing of bot {row.bot_id}.", _KEPT_ELSEWHERE)
        return log

    async def history(self, row: BotRow) -> BotHistory:
        """Return a bot's history."""
        live = self.live.get(row.bot_id)
        if live is not None:
            return live.history
        log = await self._log_of(row)
        history = self._stories.get(row.bot_id) or await log.history()
        if not history.ended:  # it is being ordered: who asks when it has ended would get this
            return history
        self._stories.pop(row.bot_id, None)
        self._stories[row.bot_id] = history
        while len(self._stories) > _HISTORIES_KEPT:
            del self._stories[next(iter(self._stories))]
        return history

    async def live_segments(self, row: BotRow, after_seq: int) -> AsyncGenerator[Segment, None]:
        """Yield what was transcribed live, in the order of speech, in its newest revision."""
        log = await self._log_of(row)
        async with aclosing(log.finalized(after_seq)) as events:
            async for event in events:
                yield event.segment

    async def finalized(self, row: BotRow) -> AsyncGenerator[SegmentFinalized, None]:
        """Yield the newest event of each segment, in the order of speech."""
        log = await self._log_of(row)
        async with aclosing(log.finalized()) as events:
            async for event in events:
                yield event

    async def events(self, row: BotRow, *, after: int = 0) -> AsyncGenerator[Event, None]:
        """Yield the events there are now."""
        log = await self._log_of(row)
        async with aclosing(log.read(after)) as events:
            async for event in events:
                yield event

    def events_of(self, row: BotRow, after: int) -> AsyncGenerator[Event, None]:
        """Yield the events there are after a number; raises `BotGone` after deletion."""
        return self.events(row, after=after)

    async def follow(
        self,
        row: BotRow,
        socket: Socket,
        *,
        variant: str,
        dialect: Callable[[], Dialect],
        after: int | None = None,
        drafts: bool = True,
    ) -> None:
        """Send what happens to a bot to a socket."""
        assert isinstance(socket, ServedSocket), "only sockets of this server can follow"
        live = await self.attend(row)
        if live is not None:
            feed = await live.feed(variant, dialect)
        else:
            feed = Feed(row.bot_id, variant, dialect, await self._log_of(row))
            feed.stand_at((await self.history(row)).last_seq)
        await feed.follow(socket, after, drafts=drafts)

    def unfollow(self, row: BotRow, socket: Socket) -> None:
        """Send nothing more of a bot to a socket."""
        assert isinstance(socket, ServedSocket)
        self.live.let_go(row, socket)

    @asynccontextmanager
    async def hear(self, row: BotRow) -> AsyncIterator[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with a bot's audio; it ends with the bot."""
        live = await self.attend(row)
        if live is None or live.running is None:
            raise NotNow(row.state if live is None else live.row.state, "The bot is not there.")
        async with live.running.hear() as chunks:
            yield chunks

    @asynccontextmanager
    async def new_bots(self, user_id: int) -> AsyncIterator[trio.MemoryReceiveChannel[BotRow]]:
        """Hold a channel with each bot that a user orders from now on."""
        send, receive = trio.open_memory_channel[BotRow](256)
        entry = (user_id, send)
        self._watchers.append(entry)
        try:
            async with send, receive:
                yield receive
        finally:
            self._watchers.remove(entry)

    # --- media and tokens ---------------------------------------------------------------------

    async def media(self, row: BotRow) -> MediaStore:
        """Return a bot's files."""
        await self._log_of(row)
        lasts = partial(self._deletions.lasts, row.bot_id)
        return LastingMedia(self.store.media(row.bot_id), lasts)

    async def recording(self, row: BotRow, name: str) -> BotFile:
        """Return a file of a bot; a recording also in a format in which it is not there yet.

        Raises:
            BotGone: There is none, or not any more.
            MediaRefused: The recording cannot be read.
        """
        media = await self.media(row)
        about = await media.stat(name)
        if about is not None:
            return BotFile(media, about)
        source = recorded_as(await self.history(row), name)
        if source is None:
            raise BotGone(f"There is no file {name[:200]!r} of bot {row.bot_id} any more.")
        return await self.media_processes.derived(media, source, name)

    def media_url(
        self,
        origin_url: str,
        row: BotRow,
        relative: str,
        *,
        client: Client | None,
        expires_s: float,
        filename: str | None = None,
    ) -> str:
        """Return a URL that gives a file to whoever has it, for a time."""
        claims = {"b": row.bot_id, "p": relative, "k": client.key_id if client else None}
        token = self.sign("media", claims, expires_s=expires_s)
        name = filename or PurePosixPath(relative).name
        return f"{origin_url.rstrip('/')}/v1/media/{token}/{quote(name)}"

    def sign(self, purpose: str, claims: Mapping[str, Any], *, expires_s: float | None) -> str:
        """Return a token."""
        return sign(self._secret, purpose, claims, self.now(), expires_s)

    def verify(self, purpose: str, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token."""
        return verify(self._secret, purpose, token, self.now())

    # --- webhooks -----------------------------------------------------------------------------

    async def targets(self, row: BotRow) -> list[WebhookTarget]:
        """Return a bot's webhook targets."""
        return await self.webhooks.cursors.targets(row.bot_id)

    async def post(self, row: BotRow, target: WebhookTarget, outgoing: Outgoing) -> None:
        """Send a message that belongs to no event."""
        await self.webhooks.post(row, target, outgoing)

    async def deliveries(self, row: BotRow, *, limit: int = 100) -> list[DeliveryRow]:
        """Return what was delivered about a bot."""
        return await self.webhooks.deliveries.history(bot_id=row.bot_id, limit=limit)
