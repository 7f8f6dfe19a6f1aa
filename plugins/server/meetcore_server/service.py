"""What dialects and the native API ask: `meetcore.gateway.service.Service`, for real."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
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
    MediaStore,
    MeetingLink,
    PrivateTargets,
    Segment,
    SegmentFinalized,
    State,
    StateChanged,
    StorageUnavailable,
)
from meetcore.gateway import (
    BotGone,
    BotQuery,
    BotRequest,
    BotRow,
    Client,
    DeliveryRow,
    KeyRow,
    NotNow,
    Outgoing,
    Scope,
    Socket,
    TranscriberChoice,
    UserRow,
    WebhookTarget,
)
from meetcore.log import Wake
from meetcore.model import brief
from meetcore_server.feeds import Feed
from meetcore_server.live import LiveBots
from meetcore_server.metrics import Metrics
from meetcore_server.openings import Openings
from meetcore_server.orders_to_specs import Specs, check_webhooks
from meetcore_server.served_socket import ServedSocket
from meetcore_server.storage.bot_rows import BotFacts
from meetcore_server.storage.bots import BotLimits
from meetcore_server.storage.stores import Stores
from meetcore_server.storage.tombstones import Tombstones
from meetcore_server.supervisor import BotSupervisor
from meetcore_server.tokens import sign, verify
from meetcore_server.transcriptions import TranscriptReader
from meetcore_server.webhooks.dispatcher import WebhookDispatcher

__all__ = ["OPEN_KEY_ID", "BotService"]

_HISTORIES_KEPT = 32
_GONE_WITHIN_S = 10.0
_FORGET_WITHIN_S = 35.0
_DELETE_AGAIN_AFTER_S = 30.0
_LOG = logging.getLogger("meetcore.server")
OPEN_KEY_ID = "open"
"""Stands for the key of whoever needs none."""

_ALL = frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN})
_OPERATOR = Client(key_id=OPEN_KEY_ID, user_id=1, scopes=_ALL)


class BotService(TranscriptReader):
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
    ) -> None:
        self.stores = stores
        self.store = store
        self.specs = specs
        self.anonymous_access = anonymous_access
        self.private_targets = private_targets
        self.metrics = Metrics()
        self.bot_ended = Wake()
        self.live = LiveBots(self._update_row, self._wake, store)
        self.supervisor: BotSupervisor
        self.webhooks: WebhookDispatcher
        self._limits = limits
        self._secret = secret
        self._extra_key = extra_key.encode() if extra_key else None
        self._holder = self._holder_of_extra_key()
        self.openings = Openings(self._valid_keys)
        self._stories: dict[str, BotHistory] = {}
        self._refused: set[str] = set()
        self._deleting = trio.Lock()
        self._deleted_so_far: dict[str, int] = {}
        self.tombstones = Tombstones(stores.bots.database)
        self._watchers: list[tuple[int, trio.MemorySendChannel[BotRow]]] = []

    @property
    def rehearsal(self) -> bool:
        """Whether every link leads to the rehearsal site."""
        return self.specs.sandbox is not None

    def now(self) -> datetime:
        """Return the wall time."""
        return datetime.now(UTC)

    # --- keys and users -----------------------------------------------------------------------

    async def authenticate(self, key: str | None) -> Client | None:
        """Return whose key this is."""
        if key and self._extra_key and hmac.compare_digest(key.encode(), self._extra_key):
            return self._holder
        client = await self.stores.keys.authenticate(key) if key else None
        if client is None and self.anonymous_access and not await self.has_keys():
            return _OPERATOR
        return client

    def _holder_of_extra_key(self) -> Client | None:
        """Return whose the configured key is: named by it, so that another one is another's."""
        if self._extra_key is None:
            return None
        digest = hmac.digest(self._secret, b"configured key" + self._extra_key, "sha256")
        return Client(key_id=f"configured-{digest.hex()[:12]}", user_id=1, scopes=_ALL)

    async def key_is_valid(self, key_id: str) -> bool:
        """Return whether a key is still good, by its id."""
        return key_id in await self._valid_keys({key_id})

    async def _valid_keys(self, key_ids: Collection[str]) -> frozenset[str]:
        """Return which of some keys are still good."""
        own = {OPEN_KEY_ID} if self._holder is None else {OPEN_KEY_ID, self._holder.key_id}
        good = await self.stores.keys.valid(set(key_ids) - own) if set(key_ids) - own else set()
        if self._holder is not None:
            good = {*good, self._holder.key_id}
        if OPEN_KEY_ID in key_ids and self.anonymous_access and not await self.has_keys():
            good = {*good, OPEN_KEY_ID}
        return frozenset(good)

    async def has_keys(self) -> bool:
        """Whether a key was ever made: from then on nobody comes in without one.

        Also when all of them are void: who revokes the last key does not want to let everybody in.
        """
        return self._extra_key is not None or await self.stores.keys.any_made()

    async def user(self, user_id: int) -> UserRow | None:
        """Return a user."""
        return await self.stores.accounts.user(user_id)

    async def users(self, *, email: str | None = None) -> list[UserRow]:
        """Return the users."""
        return await self.stores.accounts.users(email=email)

    async def create_user(
        self,
        email: str,
        *,
        name: str | None = None,
        image_url: str | None = None,
        max_bots: int | None = None,
    ) -> tuple[UserRow, bool]:
        """Return the user with that email, and whether it is new."""
        return await self.stores.accounts.create_user(
            email, name=name, image_url=image_url, max_bots=max_bots
        )

    async def change_user(self, user_id: int, **changes: Any) -> UserRow:
        """Change a user."""
        return await self.stores.accounts.change_user(user_id, **changes)

    async def settings(self, user_id: int, dialect: str) -> Mapping[str, Any]:
        """Return what a dialect keeps for a user."""
        return await self.stores.accounts.settings(user_id, dialect)

    async def put_settings(self, user_id: int, dialect: str, settings: Mapping[str, Any]) -> None:
        """Keep that instead."""
        await self.stores.accounts.put_settings(user_id, dialect, settings)

    async def create_key(
        self,
        user_id: int,
        *,
        label: str = "",
        prefix: str = "mc_",
        scopes: frozenset[Scope] = frozenset({Scope.READ, Scope.WRITE}),
        expires_at: datetime | None = None,
        max_bots: int | None = None,
    ) -> tuple[KeyRow, str]:
        """Make a key."""
        return await self.stores.keys.create(
            user_id,
            label=label,
            prefix=prefix,
            scopes=scopes,
            expires_at=expires_at,
            max_bots=max_bots,
        )

    async def keys(self, user_id: int | None = None) -> list[KeyRow]:
        """Return the keys of a user, or all."""
        return await self.stores.keys.keys(user_id)

    async def revoke_key(self, key_id: str) -> bool:
        """Make a key void."""
        done = await self.stores.keys.revoke(key_id)
        self.openings.look()
        return done

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
        )

    async def create(self, client: Client, order: BotRequest) -> BotRow:
        """Send a bot."""
        check_webhooks(order)
        await self.forget_refused()
        link = self.specs.link(order.url)
        bot_id = str(uuid4())
        spec = self.specs.spec(bot_id, order)
        endpoints = await self.stores.endpoints.targets_of(client.user_id)
        order = evolve(order, webhooks=(*order.webhooks, *endpoints))
        row = await self.stores.bots.insert(
            order,
            self._facts(order, link),
            bot_id=bot_id,
            user_id=client.user_id,
            key_id=client.key_id,
            limits=self._limits,
        )
        if row.replayed:
            return self._newest(row, replayed=True)
        try:
            live = await self.supervisor.begin(row, spec, link)
        except BaseException as trouble:
            await self._take_back(row)
            if isinstance(trouble, (OSError, JournalError, StorageUnavailable, trio.TooSlowError)):
                raise StorageUnavailable(
                    f"The order could not be written down: {brief(trouble)}",
                    "Nothing of it is kept; order again when there is room.",
                ) from trouble
            raise
        for user_id, channel in self._watchers:
            if user_id == client.user_id:
                try:
                    channel.send_nowait(live.row)
                except (trio.WouldBlock, trio.BrokenResourceError):
                    continue  # it lists the bots when it has time again
        return live.row

    async def forget(self, row: BotRow) -> bool:
        """Forget an order that was never acknowledged; return whether it was one."""
        return await self.stores.bots.forget(row.bot_id)

    async def _take_back(self, row: BotRow) -> None:
        """Forget an order that could not be written down; where not now, as soon as it can be."""
        self._refused.add(row.bot_id)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _FORGET_WITHIN_S):
            try:
                await self.forget_refused()
            except StorageUnavailable as error:
                _LOG.error("bot=%s was refused, its row stays for now: %s", row.bot_id, error)

    async def forget_refused(self) -> None:
        """Forget refused orders whose rows could not be taken back so far.

        Raises:
            StorageUnavailable: It cannot be done now, either.
        """
        for bot_id in list(self._refused):
            await self.stores.bots.forget(bot_id)
            self._refused.discard(bot_id)

    async def reschedule(self, row: BotRow, order: BotRequest) -> BotRow:
        """Replace the order of a scheduled bot."""
        check_webhooks(order)
        link = self.specs.link(order.url)
        spec = self.specs.spec(row.bot_id, order)
        facts = evolve(self._facts(order, link), state=State.SCHEDULED)

        async def write() -> BotRow:
            return await self.stores.bots.replace_order(row.bot_id, order, facts)

        changed = await self.supervisor.reschedule(row, spec, write)
        self.webhooks.targets_changed(row.bot_id)
        return changed

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
        self.bot_ended.set()
        return row

    def _wake(self, bot_id: str) -> None:
        self.metrics.events += 1
        self.webhooks.wake(bot_id)

    # --- asking -------------------------------------------------------------------------------

    async def stop(self, row: BotRow, detail: str = "") -> BotRow:
        """Have a bot leave, or not come at all."""
        live = self.live.get(row.bot_id)
        if live is not None:
            await self.supervisor.stop(live, detail)
        return await self.stores.bots.get(row.bot_id)

    async def perform(self, row: BotRow, command: Command) -> None:
        """Have a bot carry out a command."""
        live = self.live.get(row.bot_id)
        if live is None:
            raise CommandRefused("The bot has ended.")
        if live.running is None:
            raise CommandRefused(f"The bot is {live.row.state.value}, not in the call.")
        await live.running.perform(evolve(command, by="api"))

    async def delete_data(self, row: BotRow) -> int:
        """Delete what a bot that has ended left."""
        live = self.live.get(row.bot_id)
        if live is not None:
            if not live.history.ended:
                raise NotNow(live.row.state, "The bot has not ended yet.", "Stop it first.")
            with trio.move_on_after(_GONE_WITHIN_S):
                await live.ended.wait()
        async with self._deleting:
            row = await self.stores.bots.get(row.bot_id)
            if row.deleted_at is not None:
                return 0
            await self.transcriptions.forget(row.bot_id)
            self._stories.pop(row.bot_id, None)
            deletion = await self.store.delete(row.bot_id)
            count = deletion.files + self._deleted_so_far.get(row.bot_id, 0)
            if deletion.stayed:
                self._deleted_so_far[row.bot_id] = count
                later = self.now() + timedelta(seconds=_DELETE_AGAIN_AFTER_S)
                await self.stores.bots.delete_later(row.bot_id, later)
                raise StorageUnavailable(
                    f"Of the data of bot {row.bot_id} this could not be deleted: "
                    f"{deletion.stayed}.",
                    "It is tried again by itself every 30 s.",
                )
            await self.webhooks.after_deletion(row, count)
            await self.stores.bots.mark_deleted(row.bot_id)
            self._deleted_so_far.pop(row.bot_id, None)
            try:
                await self.clean_tombstones()
            except StorageUnavailable as error:
                _LOG.warning("bot=%s traces of it are left for now: %s", row.bot_id, error)
        return count

    async def clean_tombstones(self) -> bool:
        """Forget what is still known of bots whose data was deleted; return whether all is."""
        return await self.tombstones.clean()

    # --- telling ------------------------------------------------------------------------------

    async def _log_of(self, row: BotRow) -> BotLog:
        live = self.live.get(row.bot_id)
        log = live.log if live is not None else self.store.log(row.bot_id)
        if row.deleted_at is not None or not await log.exists():
            raise BotGone(f"The data of bot {row.bot_id} was deleted.")
        return log

    async def history(self, row: BotRow) -> BotHistory:
        """Return a bot's history."""
        live = self.live.get(row.bot_id)
        if live is not None:
            return live.history
        known = self._stories.pop(row.bot_id, None)
        log = await self._log_of(row)
        history = known or await log.history()
        if not history.ended:  # it is being ordered: who asks when it has ended would get this
            return history
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
        live = self.live.get(row.bot_id)
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
        live = self.live.get(row.bot_id)
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
        if row.deleted_at is not None or not await self.store.log(row.bot_id).exists():
            raise BotGone(f"The data of bot {row.bot_id} was deleted.")
        return self.store.media(row.bot_id)

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
