"""What a server of bots offers to the dialects that are mounted on it.

A dialect never sees a database, a process or a socket of the operating system. It gets a
`Service` by the hook `meetcore_register_routes(app)`, asks it for bots, and describes what it
adds as data (`meetcore.gateway.http.Mount`, `WebhookFormat`). The server plugin implements all of
this.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import trio
from attrs import field, frozen

from meetcore.gateway.http import Mount, Socket
from meetcore.gateway.records import (
    BotQuery,
    BotRequest,
    BotRow,
    Client,
    DeliveryRow,
    KeyRow,
    Scope,
    TranscriberChoice,
    TranscriptionRequest,
    TranscriptRevision,
    UserRow,
    WebhookTarget,
)
from meetcore.model.addresses import PrivateTargets
from meetcore.model.commands import Command
from meetcore.model.dialect import Dialect
from meetcore.model.events import Event, SegmentFinalized
from meetcore.model.history import BotHistory
from meetcore.model.meeting import MeetingLink
from meetcore.model.page_input import PagePicture, PictureFormat
from meetcore.model.transcript import Segment
from meetcore.plugin.store import MediaStore

if TYPE_CHECKING:
    from meetcore.audio.chunk import Chunk
    from meetcore.plugin.platform import Capability

__all__ = ["App", "Moment", "Outgoing", "Service", "WebhookFormat"]


# --- webhooks ---------------------------------------------------------------------------


@frozen(kw_only=True)
class Outgoing:
    """One message for a webhook.

    Attributes:
        kind: Its type, for the delivery history and for filters.
        body: What is POSTed.
        headers: Besides `content-type: application/json`.
        url: Where to; None for the target's own.
        id: The same on every attempt, where receivers want one.
    """

    kind: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    url: str | None = field(default=None, repr=False)
    id: str | None = None


@frozen(kw_only=True)
class Moment:
    """An event of a bot as a webhook format sees it.

    Attributes:
        history: The bot's history up to and with the event.
        attempt: Counts from 1; above that the message is being sent again.
    """

    row: BotRow
    event: Event
    history: BotHistory
    target: WebhookTarget
    attempt: int = 1


class WebhookFormat(ABC):
    """Writes the messages about a bot's events for one kind of receiver.

    `messages` is called for each event in order, and again for each further attempt, so that
    signatures and signed URLs are fresh. It must give as many messages each time.

    Attributes:
        name: As in `WebhookTarget.format`.
        pauses_s: Pauses between attempts, in seconds; empty for a single attempt.
        timeout_s: How long one attempt may take.
        user_agent: Sent along.
    """

    name: ClassVar[str]
    pauses_s: ClassVar[tuple[float, ...]] = (5.0, 30.0, 120.0, 600.0, 3600.0, 4 * 3600.0)
    timeout_s: ClassVar[float] = 10.0
    user_agent: ClassVar[str] = "meetcore"

    @abstractmethod
    async def messages(self, moment: Moment) -> Sequence[Outgoing]:
        """Return what the target is told about an event; mostly nothing."""

    def signed(self, target: WebhookTarget, outgoing: Outgoing) -> Outgoing:
        """Return a message as it goes out now: called for each attempt, the stored ones too.

        For what must be fresh each time, such as a signature over the time of sending.
        """
        del target
        return outgoing

    async def after_deletion(
        self, row: BotRow, target: WebhookTarget, deleted_objects: int
    ) -> Sequence[Outgoing]:
        """Return what the target is told when a bot's data was deleted."""
        return ()

    async def after_transcription(
        self, row: BotRow, target: WebhookTarget, transcript: TranscriptRevision
    ) -> Sequence[Outgoing]:
        """Return what the target is told when a recording was transcribed, or that failed."""
        return ()


# --- the service ------------------------------------------------------------------------


class Service(Protocol):
    """Bots as a service. Async methods take a few milliseconds unless they say otherwise.

    Every method that takes a `client` sees the bots of its user only and raises `NoSuchBot`
    for any other. Methods that take a row trust the caller.
    """

    @property
    def rehearsal(self) -> bool:
        """Whether every link leads to the rehearsal site."""
        ...

    @property
    def records_video(self) -> bool:
        """Whether bots are recorded as video whose orders do not say so, where they can be."""
        ...

    @property
    def private_targets(self) -> PrivateTargets:
        """Which targets of callbacks are taken that are not public."""
        ...

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        ...

    # Keys and users.

    async def authenticate(self, key: str | None) -> Client | None:
        """Return whose key this is; None for an unknown, revoked or expired one.

        As long as no key was ever made the server is open on loopback, and every key, also none,
        is the operator's.
        """
        ...

    async def key_is_valid(self, key_id: str) -> bool:
        """Return whether a client's key is still good, by its id.

        What was made for a client in a token or a link ends with the key: put `Client.key_id` in
        its claims and ask.
        """
        ...

    async def user(self, user_id: int) -> UserRow | None:
        """Return a user."""
        ...

    async def users(self, *, email: str | None = None) -> list[UserRow]:
        """Return the users, by number; only the one with that email if one is given."""
        ...

    async def create_user(
        self,
        email: str,
        *,
        name: str | None = None,
        image_url: str | None = None,
        max_bots: int | None = None,
    ) -> tuple[UserRow, bool]:
        """Return the user with that email, and whether it is new."""
        ...

    async def change_user(self, user_id: int, **changes: Any) -> UserRow:
        """Change `name`, `image_url`, `max_bots` or `email`; raise `NoSuchBot` for no such user."""
        ...

    async def settings(self, user_id: int, dialect: str) -> Mapping[str, Any]:
        """Return what a dialect keeps for a user; empty at first."""
        ...

    async def put_settings(self, user_id: int, dialect: str, settings: Mapping[str, Any]) -> None:
        """Keep that instead."""
        ...

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
        """Make a key; return its row, and the key itself, which is never shown again.

        `max_bots` is how many bots ordered with it there may be at once, None for the server's
        limit.
        """
        ...

    async def keys(self, user_id: int | None = None) -> list[KeyRow]:
        """Return the keys of a user, or all."""
        ...

    async def revoke_key(self, key_id: str) -> bool:
        """Make a key void; return whether it was there and valid."""
        ...

    # Bots.

    def parse_link(self, url: str) -> MeetingLink:
        """Return the meeting a link means; raise `LinkRefused` if it is none we can join."""
        ...

    def capabilities(self, url: str) -> frozenset[Capability]:
        """Return what can be done at best in the calls of the platform that a link leads to.

        A single call may be able to do less: `perform` raises `CapabilityMissing` then.

        Raises:
            LinkRefused: It leads to none we can join.
        """
        ...

    def choose_transcriber(
        self, provider: str | None, language: str | None = None
    ) -> TranscriberChoice:
        """Return who transcribes for a provider's name, and in which language.

        Where the server rehearses, the embedded one plays any provider and any language, and the
        note says so. `create` chooses in the same way and refuses the same.

        Raises:
            UnknownPlugin: It is not installed.
            LanguageRefused: The language is unknown, or the transcriber does not speak it.
        """
        ...

    async def create(self, client: Client, order: BotRequest) -> BotRow:
        """Send a bot. On return the order is durable, and the bot on its way or scheduled.

        Raises:
            LinkRefused, LimitReached, AlreadyThere: As they say.
            UnknownPlugin, ConfigError: A transcriber, sink or setting.
        """
        ...

    async def bot(self, client: Client, bot_id: str) -> BotRow:
        """Return a bot by its id."""
        ...

    async def bot_numbered(self, client: Client, number: int) -> BotRow:
        """Return a bot by its number."""
        ...

    async def bots(self, client: Client, query: BotQuery) -> list[BotRow]:
        """List bots."""
        ...

    async def put_extras(self, row: BotRow, extras: Mapping[str, Any]) -> BotRow:
        """Replace what the dialect keeps with a bot."""
        ...

    async def reschedule(self, row: BotRow, order: BotRequest) -> BotRow:
        """Replace the order of a bot that is still scheduled; raise `NotNow` for any other.

        With `join_at` None it joins at once. `webhooks` replace those it had.
        """
        ...

    async def order(self, row: BotRow) -> BotRequest:
        """Return the order a bot was made by."""
        ...

    async def stop(self, row: BotRow, detail: str = "") -> BotRow:
        """Have a bot leave, or not come at all; returns when that was said to it.

        Does nothing for one that has ended.
        """
        ...

    async def perform(self, row: BotRow, command: Command) -> None:
        """Have a bot carry out a command; up to 30 s.

        Raises:
            CapabilityMissing: The platform, or this version, cannot.
            CommandRefused, CommandFailed: Not now; or it did not work.
        """
        ...

    async def screenshot(
        self, row: BotRow, picture_format: PictureFormat = PictureFormat.JPEG
    ) -> PagePicture:
        """Return a picture of a bot's page as it is now; up to 35 s.

        Raises:
            CapabilityMissing: The platform has no page.
            CommandRefused, CommandFailed: Not now; or it did not work.
            TooManyRequests: So many of one bot.
        """
        ...

    # What a client names by its URL, or sends encoded.

    async def fetch(self, url: str, *, most_bytes: int) -> bytes:
        """Return what lies at an http or https URL; within 15 s.

        Only public addresses are asked, and those of `private_targets`; each redirection counts.

        Raises:
            NotFetched: It cannot be had, or is longer than that.
        """
        ...

    async def pcm_of(self, data: bytes, sample_rate_hz: int) -> bytes:
        """Return the sound of a media file as int16 mono PCM, at most five minutes of it.

        It is decoded in a process of its own, which may take a second to begin.

        Raises:
            MediaRefused: It holds no sound that can be decoded.
        """
        ...

    async def delete_data(self, row: BotRow) -> int:
        """Delete media, transcript and journal of a bot that has ended; return how many files.

        Its row stays, without what says which meeting it was and for whom: link, native id, name,
        metadata, extras. Its webhook targets are told. 0 where it was done before.

        Raises:
            NotNow: It has not ended.
        """
        ...

    # Transcripts of its recording.

    async def transcribe_again(
        self, row: BotRow, asked: TranscriptionRequest
    ) -> TranscriptRevision:
        """Have the recording of a bot that has ended transcribed once more, when there is room.

        On return the request is durable, and goes on after a restart where it stood. The outcome
        is told to webhooks (`WebhookFormat.after_transcription`).

        Raises:
            NotNow: The bot has not ended.
            NoRecording: Nothing was recorded, or its data was deleted.
            TranscriptionUnderWay: One is still being made.
            LimitReached: As many wait as may.
            UnknownPlugin, ConfigError, LanguageRefused: The transcriber cannot be used so.
        """
        ...

    async def transcripts(self, row: BotRow) -> list[TranscriptRevision]:
        """Return the transcripts of a bot, by number: first the live one, where there is one."""
        ...

    # What a bot has to tell.

    async def history(self, row: BotRow) -> BotHistory:
        """Return a bot's history as of now; not to be changed. Raises `BotGone` after deletion."""
        ...

    def segments(
        self, row: BotRow, *, after_seq: int = 0, revision: int = 0
    ) -> AsyncGenerator[Segment, None]:
        """Yield the finalized segments, each in its newest revision, by start, then by end.

        Reads as it goes: memory does not grow with the meeting. To be closed by whoever does not
        read it to its end.

        Args:
            row: The bot.
            after_seq: Only those of later events of the journal; for the live transcript alone.
            revision: Which transcript, as in `transcripts`; it is held in memory unless it is 0.

        Raises:
            BotGone: Its data was deleted.
            NoSuchTranscript: There is no transcript of that number, or it is not done.
        """
        ...

    def finalized(self, row: BotRow) -> AsyncGenerator[SegmentFinalized, None]:
        """Yield the newest event of each segment, by the segment's start, then by its end.

        For whoever wants to know when a segment came, too. Reads as `segments` does.
        """
        ...

    def events(self, row: BotRow, *, after: int = 0) -> AsyncGenerator[Event, None]:
        """Yield the events there are now, from the journal; raises `BotGone`."""
        ...

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
        """Send what happens to a bot to a socket, in a dialect; returns when the socket is live.

        Each message is encoded once for all sockets of the same variant.

        Args:
            row: The bot.
            socket: Who is told. It is let go when it closes.
            variant: Names what `dialect` makes, for instance `vexa/E1`: two callers that give
                the same variant get the same messages.
            dialect: Makes a dialect for this bot. It is shown every event from the first on.
            after: The last `seq` that is not told any more; None for 'from now on'.
            drafts: Whether drafts are told.
        """
        ...

    def unfollow(self, row: BotRow, socket: Socket) -> None:
        """Send nothing more of a bot to a socket, in no variant.

        A socket that follows a bot a second time is to be let go first.
        """
        ...

    def hear(self, row: BotRow) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with a bot's live audio, 16 kHz, all tracks; the oldest is dropped.

        It ends with the bot. Entering raises `NotNow` while the bot is not running.
        """
        ...

    def new_bots(
        self, user_id: int
    ) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[BotRow]]:
        """Hold a channel with each bot that a user orders from now on."""
        ...

    # Media and links to it.

    async def media(self, row: BotRow) -> MediaStore:
        """Return a bot's files, by the names in `BotHistory.artifacts`; `BotGone` if deleted.

        A file made of another one, that a vendor's clients expect, is asked for with `derive`.
        """
        ...

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
        """Return a URL, below the server's root, that gives a file to whoever has it for a time.

        With a client it ends with its key, too; without one (in a webhook) with its time alone.
        """
        ...

    def sign(self, purpose: str, claims: Mapping[str, Any], *, expires_s: float | None) -> str:
        """Return a token nobody else can make; letters that may stand in a URL."""
        ...

    def verify(self, purpose: str, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token for that purpose, None if it is false or expired."""
        ...

    # Webhooks.

    async def targets(self, row: BotRow) -> list[WebhookTarget]:
        """Return a bot's webhook targets."""
        ...

    async def post(self, row: BotRow, target: WebhookTarget, outgoing: Outgoing) -> None:
        """Send a message that belongs to no event. Durable on return."""
        ...

    async def deliveries(self, row: BotRow, *, limit: int = 100) -> list[DeliveryRow]:
        """Return what was delivered about a bot, newest first."""
        ...


class App(Protocol):
    """What `meetcore_register_routes` gets."""

    @property
    def service(self) -> Service:
        """The bots."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """What the configuration says for dialects, by name: `[plugins.server.dialects.vexa]`."""
        ...

    def mount(self, mount: Mount) -> None:
        """Add routes and sockets."""
        ...

    def add_webhook_format(self, webhook_format: WebhookFormat) -> None:
        """Add a way to write webhooks."""
        ...
