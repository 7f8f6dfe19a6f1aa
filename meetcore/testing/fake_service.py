"""An in-memory `Service` for tests of dialects: real journals on disk, no database, no process.

    async with open_fake_service(tmp_path) as fake:
        fake.load(plugin_module)                     # its meetcore_register_routes
        key = fake.new_key()
        reply = await fake.call("POST", "/bots", json={...}, headers={"X-API-Key": key})
        row = fake.only
        fake.go(row, State.JOINING)                  # things happen to the bot ...
        fake.happen(row, ChatReceived(...))
        await fake.settled()                         # ... and everybody has been told
        assert fake.posted[-1].kind == "status_update"

What a bot does is said by the test, event by event. Commands are kept in `commanded`;
`refusing` makes them fail. The clock stands until `pass_time`.
"""

from __future__ import annotations

import hashlib
import json as jsonlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import trio
import trio.testing
from attrs import define, evolve, field

from meetcore.audio.chunk import Chunk
from meetcore.gateway.http import (
    Mount,
    NotFound,
    Reply,
    Request,
    Socket,
    find_route,
    fit,
)
from meetcore.gateway.records import (
    AlreadyThere,
    BotGone,
    BotQuery,
    BotRequest,
    BotRow,
    Client,
    DeliveryRow,
    LinkRefused,
    NoSuchBot,
    NotNow,
    TranscriberChoice,
    WebhookTarget,
)
from meetcore.gateway.service import Moment, Outgoing, WebhookFormat
from meetcore.log.folder_store import FolderMedia
from meetcore.log.journal import Journal
from meetcore.model.addresses import PrivateTargets
from meetcore.model.commands import Command, Stop
from meetcore.model.dialect import Dialect
from meetcore.model.drafts import Draft
from meetcore.model.errors import CommandRefused, MeetcoreError
from meetcore.model.events import BotRequested, Event, SegmentFinalized, StateChanged
from meetcore.model.history import BotHistory
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.links import read_link
from meetcore.model.meeting import MeetingLink
from meetcore.plugin.platform import Capability
from meetcore.plugin.store import MediaStore
from meetcore.testing.fake_accounts import FakeAccounts
from meetcore.testing.fake_pages import FakePages
from meetcore.testing.fake_queries import chosen, matches
from meetcore.testing.fake_records import delivered, finalized_by, followed, newest
from meetcore.testing.fake_socket import FakeSocket, Posted
from meetcore.testing.fake_transcripts import FakeTranscripts
from meetcore.testing.fake_web import FakeWeb

__all__ = ["FakeService", "FakeSocket", "Posted", "open_fake_service"]


@define
class _Kept:
    row: BotRow
    order: BotRequest
    journal: Journal
    history: BotHistory = field(factory=BotHistory)
    targets: list[WebhookTarget] = field(factory=list)
    followers: list[tuple[Socket, Dialect, int, bool]] = field(factory=list)
    ears: list[trio.MemorySendChannel[Chunk]] = field(factory=list)


class FakeService(FakePages, FakeTranscripts, FakeAccounts, FakeWeb):
    """A `Service` and `App` for one test. Make one with `open_fake_service`.

    Attributes:
        rehearsal: As in `Service`.
        options: As in `App`.
        mounts: What was mounted, by name.
        formats: The webhook formats, by name.
        posted: What went to webhooks.
        commanded: Commands given to bots, with the bot's id.
        refusing: Raised by `perform`, None to obey.
        providers: Transcribers that are 'installed'; None for any.
        limit: How many bots a user may have at once.
        abilities: What can be done in calls.
        platforms: Maps a URL to its meeting; `LinkRefused` where it gives None.
    """

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        super().__init__()
        self.rehearsal = False
        self.options: dict[str, Any] = {}
        self.mounts: dict[str, Mount] = {}
        self.formats: dict[str, WebhookFormat] = {}
        self.posted: list[Posted] = []
        self.commanded: list[tuple[str, Command]] = []
        self.refusing: MeetcoreError | None = None
        self.providers: set[str] | None = None
        self.limit = 1000
        self.languages: tuple[str, ...] = ()
        self.abilities = frozenset({Capability.SEND_CHAT, Capability.READ_CHAT})
        self.platforms: Callable[[str], MeetingLink | None] = read_link
        self._folder = folder
        self._nursery = nursery
        self._kept: dict[str, _Kept] = {}
        self._watchers: list[tuple[int, trio.MemorySendChannel[BotRow]]] = []
        self._tokens: dict[str, tuple[str, Mapping[str, Any], datetime | None]] = {}

    # --- what a test says ------------------------------------------------------------------

    @property
    def private_targets(self) -> PrivateTargets:
        """As in `Service`."""
        this_machine = ("localhost", "127.0.0.0/8", "::1")
        return PrivateTargets.listed(this_machine if self.rehearsal else ())

    @property
    def service(self) -> FakeService:
        """Itself."""
        return self

    def load(self, plugin: Any) -> None:
        """Have a plugin add its routes."""
        plugin.meetcore_register_routes(app=self)

    def mount(self, mount: Mount) -> None:
        """Take what a plugin adds."""
        self.mounts[mount.name] = mount

    def add_webhook_format(self, webhook_format: WebhookFormat) -> None:
        """Take a webhook format."""
        self.formats[webhook_format.name] = webhook_format

    def now(self) -> datetime:
        """Return the time of the test's clock."""
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Move the clock on."""
        self._now = self._now + timedelta(seconds=seconds)

    @property
    def only(self) -> BotRow:
        """The newest bot."""
        return list(self._kept.values())[-1].row

    def row(self, bot_id: str) -> BotRow:
        """Return a bot as it is now."""
        return self._kept[bot_id].row

    def happen(self, row: BotRow, *events: Event) -> BotRow:
        """Let events happen to a bot; an event without `meeting_s` happens now."""
        kept = self._kept[row.bot_id]
        for event in events:
            written = kept.journal.append(event)
            kept.history.take(written)
            kept.row = followed(kept.row, written)
            kept.followers = [entry for entry in kept.followers if not entry[0].closed]
            for socket, dialect, after, _ in kept.followers:
                for text in dialect.messages(written):
                    if written.seq > after:
                        socket.send(text)
            for target in kept.targets:
                self._nursery.start_soon(self._tell, kept, target, written)
        return kept.row

    def go(
        self,
        row: BotRow,
        state: State,
        reason: EndReason | None = None,
        evidence: Evidence | None = None,
    ) -> BotRow:
        """Let a bot change its state."""
        previous = self._kept[row.bot_id].history.state
        event = StateChanged(state=state, previous=previous, reason=reason, evidence=evidence)
        return self.happen(row, event)

    def draft(self, row: BotRow, draft: Draft) -> None:
        """Show a draft of a bot."""
        kept = self._kept[row.bot_id]
        draft = evolve(draft, bot_id=row.bot_id, at=self._now, after_seq=kept.journal.last_seq)
        for socket, dialect, _, drafts in kept.followers:
            if drafts and not socket.closed:
                for text in dialect.messages(draft):
                    socket.send(text, key=draft.key)

    def sound(self, row: BotRow, chunk: Chunk) -> None:
        """Let a bot hear audio."""
        for ear in self._kept[row.bot_id].ears:
            ear.send_nowait(chunk)

    async def settled(self) -> None:
        """Return when everything that was going to happen has."""
        await trio.testing.wait_all_tasks_blocked()

    async def _tell(self, kept: _Kept, target: WebhookTarget, event: Event) -> None:
        history = BotHistory()
        for earlier in kept.journal.read():
            if earlier.seq <= event.seq:
                history.take(earlier)
        moment = Moment(row=kept.row, event=event, history=history, target=target)
        for outgoing in await self.formats[target.format].messages(moment):
            self.posted.append(Posted(kept.row, target, outgoing))

    # --- what a client does ----------------------------------------------------------------

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = ...,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        mount: str | None = None,
    ) -> Reply:
        """Send a request to the (only, or named) mount; the query may stand in the path."""
        chosen = self._mount(mount)
        request = self._request(method, path, headers, chosen)
        if json is not ...:
            body = jsonlib.dumps(json).encode()
        request = evolve(request, body=body)
        try:
            route, params = find_route(chosen.routes, method, request.path)
            return await route.handler(evolve(request, params=params))
        except MeetcoreError as error:
            return chosen.refuse(request, error)

    async def connect(
        self, path: str, *, headers: Mapping[str, str] | None = None, mount: str | None = None
    ) -> FakeSocket | Reply:
        """Open a WebSocket; returns once the session waits for something, or the refusal."""
        chosen = self._mount(mount)
        request = self._request("GET", path, headers, chosen)
        for route in chosen.sockets:
            params = fit(route.template, request.path)
            if params is not None:
                break
        else:
            return chosen.refuse(request, NotFound(request.path))
        session = await route.admit(evolve(request, params=params))
        if isinstance(session, Reply):
            return session
        socket = FakeSocket(session)
        self._nursery.start_soon(session.attend, socket)
        await self.settled()
        return socket

    def _mount(self, name: str | None) -> Mount:
        return self.mounts[name] if name else next(iter(self.mounts.values()))

    def _request(
        self, method: str, path: str, headers: Mapping[str, str] | None, mount: Mount
    ) -> Request:
        bare, _, query = path.partition("?")
        return Request(
            method=method,
            path=unquote(bare),
            query=query,
            headers=tuple((name.lower(), value) for name, value in (headers or {}).items()),
            base_url=f"http://fake.test/{mount.name}",
            origin_url="http://fake.test",
        )

    # --- bots ------------------------------------------------------------------------------

    def parse_link(self, url: str) -> MeetingLink:
        """Return the meeting a link means."""
        link = self.platforms(url)
        if link is None:
            raise LinkRefused("That is no link of a platform that is installed here.")
        return link

    def capabilities(self, url: str) -> frozenset[Capability]:
        """Return what can be done at best in calls of a link's platform."""
        self.parse_link(url)
        return self.abilities

    def choose_transcriber(
        self, provider: str | None, language: str | None = None
    ) -> TranscriberChoice:
        """Return who transcribes, and in which language."""
        return chosen(provider, language, self.providers, self.languages, self.rehearsal)

    async def create(self, client: Client, order: BotRequest) -> BotRow:
        """Take an order: the bot is requested or scheduled, and then waits for the test."""
        link = self.parse_link(order.url)
        if order.language is not None:
            self.choose_transcriber(order.transcriber, order.language)
        mine = [kept for kept in self._kept.values() if kept.row.user_id == client.user_id]
        for kept in mine:
            if order.idempotency_key and kept.order.idempotency_key == order.idempotency_key:
                return evolve(kept.row, replayed=True)
            if order.exclusive and kept.order.exclusive == order.exclusive and not kept.row.ended:
                raise AlreadyThere(kept.row)
        self._refuse_too_many(client, [kept.row for kept in mine], self.limit)
        kept = self._keep(client, order, link)
        requested = BotRequested(
            platform=link.platform,
            native_id=link.native_id,
            public_url=link.public_url,
            display_name=kept.row.name,
            transcriber=kept.row.transcriber,
            scheduled_for=order.join_at,
            metadata=dict(order.metadata),
        )
        self.happen(kept.row, requested)
        self.go(kept.row, State.SCHEDULED if order.join_at else State.REQUESTED)
        for user_id, channel in self._watchers:
            if user_id == client.user_id:
                channel.send_nowait(kept.row)
        return kept.row

    def _keep(self, client: Client, order: BotRequest, link: MeetingLink) -> _Kept:
        number = len(self._kept) + 1
        bot_id = str(UUID(bytes=hashlib.sha256(str(number).encode()).digest()[:16], version=4))
        folder = self._folder / bot_id
        folder.mkdir(parents=True)
        journal = Journal(
            folder / "journal.jsonl", bot_id, wall_clock=lambda: self._now, fsync=False
        )
        row = BotRow(
            number=number,
            bot_id=bot_id,
            user_id=client.user_id,
            key_id=client.key_id,
            dialect=order.dialect,
            platform=link.platform,
            native_id=order.native_id or link.native_id,
            public_url=link.public_url,
            url=order.url,
            name=order.name or "meetcore bot",
            state=State.SCHEDULED if order.join_at else State.REQUESTED,
            created_at=self._now,
            updated_at=self._now,
            scheduled_for=order.join_at,
            transcriber=order.transcriber,
            metadata=order.metadata,
            extras=jsonlib.loads(jsonlib.dumps(dict(order.extras))),
        )
        kept = self._kept[bot_id] = _Kept(row, order, journal)
        journal.meeting_clock = lambda: self._meeting_s(kept)
        kept.targets = [evolve(each, id=n) for n, each in enumerate(order.webhooks, 1)]
        return kept

    def _meeting_s(self, kept: _Kept) -> float | None:
        began = kept.history.in_call_at
        return None if began is None else round((self._now - began).total_seconds(), 3)

    def _mine(self, client: Client, kept: _Kept | None) -> BotRow:
        if kept is None or kept.row.user_id != client.user_id:
            raise NoSuchBot("There is no such bot.")
        return kept.row

    async def bot(self, client: Client, bot_id: str) -> BotRow:
        """Return a bot by its id."""
        return self._mine(client, self._kept.get(bot_id))

    async def bot_numbered(self, client: Client, number: int) -> BotRow:
        """Return a bot by its number."""
        numbered = {kept.row.number: kept for kept in self._kept.values()}
        return self._mine(client, numbered.get(number))

    async def bots(self, client: Client, query: BotQuery) -> list[BotRow]:
        """List bots."""
        rows = [
            kept.row
            for kept in self._kept.values()
            if kept.row.user_id == client.user_id and matches(kept.row, query)
        ]
        if not query.oldest_first:
            rows.reverse()
        return rows[: query.limit]

    async def put_extras(self, row: BotRow, extras: Mapping[str, Any]) -> BotRow:
        """Replace what the dialect keeps with a bot."""
        kept = self._kept[row.bot_id]
        kept.row = evolve(kept.row, extras=jsonlib.loads(jsonlib.dumps(dict(extras))))
        return kept.row

    async def reschedule(self, row: BotRow, order: BotRequest) -> BotRow:
        """Replace the order of a scheduled bot."""
        kept = self._kept[row.bot_id]
        if kept.row.state is not State.SCHEDULED:
            raise NotNow(kept.row.state, "The bot is not scheduled any more.")
        link = self.parse_link(order.url)
        kept.order = order
        kept.targets = [evolve(each, id=n) for n, each in enumerate(order.webhooks, 1)]
        kept.row = evolve(
            kept.row,
            scheduled_for=order.join_at,
            url=order.url,
            public_url=link.public_url,
            platform=link.platform,
            native_id=order.native_id or link.native_id,
            name=order.name or kept.row.name,
            transcriber=order.transcriber,
            metadata=order.metadata,
            extras=jsonlib.loads(jsonlib.dumps(dict(order.extras))),
        )
        return kept.row if order.join_at else self.go(kept.row, State.REQUESTED)

    async def order(self, row: BotRow) -> BotRequest:
        """Return the order a bot was made by."""
        return self._kept[row.bot_id].order

    async def stop(self, row: BotRow, detail: str = "") -> BotRow:
        """Note the wish; a bot that has not come yet is done with it."""
        kept = self._kept[row.bot_id]
        if not kept.row.ended:
            self.commanded.append((row.bot_id, Stop(detail)))
            if kept.row.state in (State.SCHEDULED, State.REQUESTED):
                reason, evidence = EndReason.STOP_REQUESTED, Evidence("command", "stop")
                return self.go(row, State.COMPLETED, reason, evidence)
        return kept.row

    async def perform(self, row: BotRow, command: Command) -> None:
        """Note a command, or refuse it."""
        if self.refusing is not None:
            raise self.refusing
        if self._kept[row.bot_id].row.ended:
            raise CommandRefused(f"The bot has ended: it cannot {command.type}.")
        self.commanded.append((row.bot_id, command))

    async def delete_data(self, row: BotRow) -> int:
        """Delete what a bot that has ended left."""
        kept = self._kept[row.bot_id]
        if not kept.row.ended:
            raise NotNow(kept.row.state, "The bot has not ended yet.", "Stop it first.")
        if kept.row.deleted_at is not None:
            return 0
        kept.journal.close()
        files = [path for path in self.folder_of(row).rglob("*") if path.is_file()]
        for path in files:
            path.unlink()
        nothing: dict[str, Any] = {"native_id": "", "public_url": "", "url": "", "name": ""}
        kept.row = evolve(kept.row, deleted_at=self._now, metadata={}, extras={}, **nothing)
        for target in kept.targets:
            told = await self.formats[target.format].after_deletion(kept.row, target, len(files))
            self.posted += [Posted(kept.row, target, outgoing) for outgoing in told]
        return len(files)

    # --- what a bot has to tell --------------------------------------------------------------

    def _there(self, row: BotRow) -> _Kept:
        kept = self._kept[row.bot_id]
        if kept.row.deleted_at is not None:
            raise BotGone(f"The data of bot {row.bot_id} was deleted.")
        return kept

    def _journal(self, row: BotRow) -> Journal:
        return self._there(row).journal

    async def history(self, row: BotRow) -> BotHistory:
        """Return a bot's history."""
        return self._there(row).history

    async def finalized(self, row: BotRow) -> AsyncGenerator[SegmentFinalized, None]:
        """Yield the newest event of each segment, in the order of speech."""
        journal = self._there(row).journal
        for seq in newest(journal):
            yield finalized_by(journal, seq)

    async def events(self, row: BotRow, *, after: int = 0) -> AsyncGenerator[Event, None]:
        """Yield the events there are now."""
        for event in self._there(row).journal.read(after):
            yield event

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
        kept = self._there(row)
        after = kept.journal.last_seq if after is None else after
        made = dialect()
        for event in kept.journal.read():
            for text in made.messages(event):
                if event.seq > after:
                    socket.send(text)
        self.unfollow(row, socket)
        kept.followers.append((socket, made, after, drafts))

    def unfollow(self, row: BotRow, socket: Socket) -> None:
        """Send nothing more of a bot to a socket."""
        kept = self._kept[row.bot_id]
        kept.followers = [entry for entry in kept.followers if entry[0] is not socket]

    @asynccontextmanager
    async def hear(self, row: BotRow) -> AsyncIterator[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with a bot's audio."""
        send, receive = trio.open_memory_channel[Chunk](100)
        ears = self._there(row).ears
        ears.append(send)
        async with send, receive:
            yield receive
        ears.remove(send)

    @asynccontextmanager
    async def new_bots(self, user_id: int) -> AsyncIterator[trio.MemoryReceiveChannel[BotRow]]:
        """Hold a channel with each bot that a user orders from now on."""
        send, receive = trio.open_memory_channel[BotRow](100)
        entry = (user_id, send)
        self._watchers.append(entry)
        try:
            async with send, receive:
                yield receive
        finally:
            self._watchers.remove(entry)

    # --- media, tokens, webhooks -------------------------------------------------------------

    def folder_of(self, row: BotRow) -> Path:
        """Return the folder of a bot, for tests that put files into it."""
        return self._folder / row.bot_id

    async def media(self, row: BotRow) -> MediaStore:
        """Return a bot's files."""
        self._there(row)
        return FolderMedia(self.folder_of(row))

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
        """Return a URL for a file."""
        key_id = client.key_id if client else None
        claims = {"bot": row.bot_id, "path": relative, "filename": filename, "key": key_id}
        return f"{origin_url}/v1/media/{self.sign('media', claims, expires_s=expires_s)}"

    def sign(self, purpose: str, claims: Mapping[str, Any], *, expires_s: float | None) -> str:
        """Return a token; the same claims give the same one."""
        until = self.now() + timedelta(seconds=expires_s) if expires_s is not None else None
        written = jsonlib.dumps([purpose, dict(claims), str(until)], sort_keys=True)
        token = hashlib.sha256(written.encode()).hexdigest()
        self._tokens[token] = (purpose, claims, until)
        return token

    def verify(self, purpose: str, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token."""
        known = self._tokens.get(token)
        if known is None or known[0] != purpose or (known[2] and known[2] <= self._now):
            return None
        return known[1]

    async def targets(self, row: BotRow) -> list[WebhookTarget]:
        """Return a bot's webhook targets."""
        return list(self._kept[row.bot_id].targets)

    async def post(self, row: BotRow, target: WebhookTarget, outgoing: Outgoing) -> None:
        """Send a message that belongs to no event."""
        self.posted.append(Posted(self._kept[row.bot_id].row, target, outgoing))

    async def deliveries(self, row: BotRow, *, limit: int = 100) -> list[DeliveryRow]:
        """Return what was posted about a bot, newest first."""
        return delivered(self.posted, row, self._now)[:limit]


@asynccontextmanager
async def open_fake_service(folder: Path) -> AsyncIterator[FakeService]:
    """Hold a fake service whose journals lie in a folder."""
    async with trio.open_nursery() as nursery:
        fake = FakeService(folder, nursery)
        yield fake
        nursery.cancel_scope.cancel()
