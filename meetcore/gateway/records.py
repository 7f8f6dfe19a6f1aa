"""The words of a service of bots: who asks, what is ordered, what is known, and what is refused.

Plain data, kept by a server and read by dialects; `meetcore.gateway.service` is what can be
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from attrs import field, frozen

from meetcore.model.errors import MeetcoreError
from meetcore.model.lifecycle import TERMINAL, EndReason, State

__all__ = [
    "AlreadyThere",
    "BotGone",
    "BotQuery",
    "BotRequest",
    "BotRow",
    "Client",
    "DeliveryRow",
    "KeyReused",
    "KeyRow",
    "LimitOf",
    "LimitReached",
    "LinkRefused",
    "NoRecording",
    "NoSuchBot",
    "NoSuchTranscript",
    "NotNow",
    "RevisionState",
    "Scope",
    "TranscriberChoice",
    "TranscriptRevision",
    "TranscriptionRequest",
    "TranscriptionUnderWay",
    "UserRow",
    "WebhookTarget",
    "same_order",
]


# --- who asks ---------------------------------------------------------------------------


class Scope(StrEnum):
    """What a key may do.

    `ADMIN` is for users and keys, `TAKE_OVER` for mouse and keyboard of a bot's page, in which it
    may be signed in, `OPERATE` for the server itself, which it can drain; none of them includes
    anything else, and nothing else includes them.
    """

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    TAKE_OVER = "take_over"
    OPERATE = "operate"


@frozen(kw_only=True)
class Client:
    """Whoever holds a valid key.

    Attributes:
        key_id: The key, by its id; never the key itself.
        user_id: Whose key it is. Users see their own bots only.
        scopes: What it may do.
    """

    key_id: str
    user_id: int
    scopes: frozenset[Scope] = frozenset({Scope.READ, Scope.WRITE})

    def may(self, scope: Scope) -> bool:
        """Whether the key has a scope."""
        return scope in self.scopes


@frozen(kw_only=True)
class UserRow:
    """A user: an account with bots, keys and limits.

    Attributes:
        max_bots: How many bots at once, None for the server's limit.
        settings: What dialects keep for this user, by dialect.
    """

    id: int
    email: str
    name: str | None = None
    image_url: str | None = None
    max_bots: int | None = None
    created_at: datetime
    settings: Mapping[str, Any] = field(factory=dict, repr=False)


@frozen(kw_only=True)
class KeyRow:
    """A key, without what only its holder knows.

    Attributes:
        id: Its id, which may be shown.
        number: A running number.
        hint: The first few characters of the key.
        max_bots: How many bots ordered with it at once, None for the server's limit.
    """

    id: str
    number: int
    user_id: int
    label: str
    hint: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    max_bots: int | None = None


# --- bots -------------------------------------------------------------------------------


@frozen(kw_only=True)
class WebhookTarget:
    """Somewhere the messages about one bot are sent to.

    Attributes:
        format: Name of the `WebhookFormat` that writes them.
        url: Where to; None where the format knows (for instance from the user's settings).
        secret: For signatures.
        data: The format's own.
        id: Given by the server.
    """

    format: str
    url: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    data: Mapping[str, Any] = field(factory=dict, repr=False)
    id: int = 0


@frozen(kw_only=True)
class BotRequest:
    """A bot that somebody wants.

    Attributes:
        url: The meeting's link.
        dialect: Who took the order; `native` for the server's own API.
        native_id: The id by which the client knows the meeting and will ask for it, where that is
            not the platform's own.
        name: The name the bot shows; None for the server's default.
        transcriber: Name of a provider, None for no transcript, `default` for the server's own.
        language: As the client names it; None or `auto` for the transcriber's own choice.
        join_at: When to join, None for now.
        automatic_leave: Changes to the leave rules, by the names of `AutomaticLeave`.
        vocabulary: Names and terms that are likely to be said, besides the server's own.
        record: Whether audio goes to sinks and transcriber from the start.
        video: Whether it is recorded as video, too; None for the server's own choice. Where the
            platform cannot, an order of the native API is refused, and a dialect's goes without.
        entry_message: Sent to the chat once the bot is in the call.
        metadata: The client's own keys, kept in the journal's first event.
        sinks: Sinks besides the server's own, for instance one that dials a client's socket.
        plugins: Settings of those sinks, by plugin name. May hold secrets. Those of another plugin
            count where it is installed.
        webhooks: Where messages go.
        extras: Whatever the dialect wants to see again in `BotRow.extras`; JSON.
        keep_s: After the end, media and transcript are deleted when this has passed; None for
            never.
        keep: `nothing` for a bot of which nothing is kept, where the server leaves that to orders;
            None for what the server does.
        idempotency_key: The same key by the same user gives the bot of the first time.
        exclusive: None, or a word: while a bot of the same user with the same word has not
            ended, another is refused with `AlreadyThere`.
        script: The rehearsal script to play; refused where the server does not rehearse.
    """

    url: str = field(repr=False)
    dialect: str = "native"
    native_id: str | None = None
    name: str | None = None
    transcriber: str | None = "default"
    language: str | None = None
    join_at: datetime | None = None
    automatic_leave: Mapping[str, float | None] = field(factory=dict)
    vocabulary: Sequence[str] = ()
    record: bool = True
    video: bool | None = None
    entry_message: str | None = None
    metadata: Mapping[str, str] = field(factory=dict)
    sinks: Sequence[str] = ()
    plugins: Mapping[str, Mapping[str, Any]] = field(factory=dict, repr=False)
    webhooks: Sequence[WebhookTarget] = ()
    extras: Mapping[str, Any] = field(factory=dict, repr=False)
    keep_s: float | None = None
    keep: Literal["all", "nothing"] | None = None
    idempotency_key: str | None = field(default=None, repr=False)
    exclusive: str | None = None
    script: str | None = None


@frozen(kw_only=True)
class BotRow:
    """What the server knows about a bot without opening its journal.

    Attributes:
        number: A running number, unique on this server: the integer id of dialects that have one.
        bot_id: Its id. A UUID.
        replayed: True where `create` answered with a bot that an idempotency key had made.
        state: Where it is; follows the journal.
        reason: Why it ended, once it has.
        native_id: The id by which the meeting is known: the platform's own, or the order's.
        public_url: The link without its secrets.
        url: The link as it was given; may hold a passcode.
        in_call_at: When it was first in the call.
        deleted_at: When its media and transcript were deleted.
    """

    number: int
    bot_id: str
    user_id: int
    key_id: str
    dialect: str
    platform: str
    native_id: str
    public_url: str
    url: str = field(repr=False)
    name: str
    state: State
    reason: EndReason | None = None
    created_at: datetime
    updated_at: datetime
    scheduled_for: datetime | None = None
    in_call_at: datetime | None = None
    ended_at: datetime | None = None
    delete_after: datetime | None = None
    deleted_at: datetime | None = None
    transcriber: str | None = None
    metadata: Mapping[str, str] = field(factory=dict)
    extras: Mapping[str, Any] = field(factory=dict, repr=False)
    replayed: bool = False

    @property
    def ended(self) -> bool:
        """Whether the bot is in a terminal state."""
        return self.state in TERMINAL


@frozen(kw_only=True)
class BotQuery:
    """Which bots to list, newest first. None means 'any'.

    Attributes:
        before: Only those with a lower `number`: the cursor.
        limit: At most so many; None for all.
    """

    dialect: str | None = None
    platform: str | None = None
    native_id: str | None = None
    states: frozenset[State] | None = None
    public_url: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    ended_after: datetime | None = None
    before: int | None = None
    limit: int | None = 50
    oldest_first: bool = False


@frozen(kw_only=True)
class TranscriberChoice:
    """Who transcribes in place of the provider that was asked for.

    Attributes:
        name: The plugin, None for no transcript.
        note: What to tell the client where that is not who was asked for.
        language: BCP-47 tag of what will be listened for, None for the transcriber's own choice.
    """

    name: str | None
    note: str | None = None
    language: str | None = None


# --- transcripts of a recording -----------------------------------------------------------


class RevisionState(StrEnum):
    """How far a transcript is. `DONE` and `FAILED` are for good."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@frozen(kw_only=True)
class TranscriptionRequest:
    """A finished bot's recording, to be transcribed once more.

    Attributes:
        transcriber: Name of a provider, `default` for the server's own.
        language: As the client names it; None or `auto` for the transcriber's own choice.
        vocabulary: Names and terms that are said.
        diarize: Whether voices on one track are told apart.
        dialect: Who took the request; `native` for the server's own API.
        extras: Whatever the dialect wants to see again in `TranscriptRevision.extras`; JSON.
        webhook: Who alone is told the outcome; None for all targets of the bot.
    """

    transcriber: str = "default"
    language: str | None = None
    vocabulary: Sequence[str] = ()
    diarize: bool = False
    dialect: str = "native"
    extras: Mapping[str, Any] = field(factory=dict, repr=False)
    webhook: WebhookTarget | None = field(default=None, repr=False)


@frozen(kw_only=True)
class TranscriptRevision:
    """One transcript of a bot.

    Attributes:
        revision: 0 for the one that was made live; of the recording 2, 3 and so on, as the files
            `transcript-2.json` are numbered.
        transcriber: Who made it, None where that is not known.
        language: What was listened for, None for the transcriber's own choice.
        dialect: Who took the request, None where no request made it.
        requested_at: When it was asked for; None for one made beside the server.
        started_at: When it was begun.
        ended_at: When it was done, or had failed.
        error: Why it failed.
        progress: How much of the recording was taken, 0 to 1; None where that is not known.
        target_id: The webhook target that alone is told the outcome, None for all.
    """

    bot_id: str
    revision: int
    state: RevisionState
    transcriber: str | None = None
    language: str | None = None
    vocabulary: Sequence[str] = ()
    diarize: bool = False
    dialect: str | None = None
    extras: Mapping[str, Any] = field(factory=dict, repr=False)
    requested_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    progress: float | None = None
    target_id: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing comes of it any more."""
        return self.state in (RevisionState.DONE, RevisionState.FAILED)


class NoSuchTranscript(MeetcoreError):
    """The bot has no transcript of that number, or it is not done."""

    code = "no_such_transcript"


class NoSuchBot(MeetcoreError):
    """There is no such bot, or it is somebody else's."""

    code = "bot_not_found"


class BotGone(MeetcoreError):
    """What was asked for of this bot has been deleted."""

    code = "data_deleted"


class LimitOf(StrEnum):
    """Whose bots a limit counts: those ordered with a key, a user's, or all of the server."""

    KEY = "key"
    USER = "user"
    ALL = "all"


_COUNTED = {
    LimitOf.KEY: "ordered with this key",
    LimitOf.USER: "of this user",
    LimitOf.ALL: "on this server",
}
_MORE_BOTS = {
    LimitOf.KEY: "Stop one of them or wait for one to end; a key made with a larger max_bots, or "
    "max_bots_per_key of the server, allows more.",
    LimitOf.USER: "Stop one of them or wait for one to end; the max_bots of the user, or "
    "max_bots_per_user of the server, allows more.",
    LimitOf.ALL: "Wait for one to end; max_bots of the server allows more.",
}


class LimitReached(MeetcoreError):
    """The key, the user or the server has as many bots as allowed.

    Args:
        limit: How many.
        message: Instead of the one that names limit and owner.
        remedy: Instead of the one that names the setting.
        of: Whose bots were counted.
    """

    code = "limit_reached"

    def __init__(
        self, limit: int, message: str = "", remedy: str = "", *, of: LimitOf = LimitOf.USER
    ) -> None:
        self.limit = limit
        self.of = of
        super().__init__(
            message or f"The limit of {limit} concurrent bots {_COUNTED[of]} is reached.",
            remedy or _MORE_BOTS[of],
        )


class AlreadyThere(MeetcoreError):
    """There is such a bot already (`row`), and there is to be only one."""

    code = "already_there"

    def __init__(self, row: BotRow, message: str = "") -> None:
        self.row = row
        super().__init__(message or f"Bot {row.bot_id} is in that meeting already.")


class KeyReused(MeetcoreError):
    """An idempotency key was used before, for another order; `row` is what that one made."""

    code = "idempotency_key_reused"

    def __init__(self, row: BotRow) -> None:
        self.row = row
        super().__init__(
            f"That Idempotency-Key was used for another order, which made bot {row.bot_id}.",
            "Use a new key for each order, and the same one only to send the same order again.",
        )


def same_order(known: BotRequest, sent: BotRequest) -> bool:
    """Return whether an order that was sent again asks for the same as the first time.

    What the server added, and a time that has come meanwhile, make no difference.
    """
    names = ("url", "name", "transcriber", "language", "record", "video", "entry_message", "script")
    alike = all(getattr(known, name) == getattr(sent, name) for name in names)
    times = (known.join_at, sent.join_at)
    return (
        alike
        and (None in times or times[0] == times[1])
        and dict(known.metadata) == dict(sent.metadata)
        and dict(known.automatic_leave) == dict(sent.automatic_leave)
        and tuple(known.sinks) == tuple(sent.sinks)
        and tuple(known.vocabulary) == tuple(sent.vocabulary)
        and {each.url for each in sent.webhooks} <= {each.url for each in known.webhooks}
    )


class NotNow(MeetcoreError):
    """The bot is in a state in which that cannot be done."""

    code = "wrong_state"

    def __init__(self, state: State, message: str, remedy: str = "") -> None:
        self.state = state
        super().__init__(message, remedy)


class NoRecording(NotNow):
    """Nothing was recorded of the bot, or nothing of what is wanted."""

    code = "no_recording"


class TranscriptionUnderWay(NotNow):
    """A recording of the bot is being transcribed; there is one such job per bot at a time.

    Args:
        state: The bot's.
        revision: The number of the transcript that is being made.
    """

    code = "transcription_under_way"

    def __init__(self, state: State, revision: int) -> None:
        self.revision = revision
        super().__init__(
            state,
            f"Transcript {revision} of this bot is still being made.",
            "Wait until it is done; a bot's recording is transcribed once at a time.",
        )


class LinkRefused(MeetcoreError):
    """The link is none of a platform that is installed here."""

    code = "link_refused"


@frozen(kw_only=True)
class DeliveryRow:
    """What became of one message to one target."""

    id: int
    bot_id: str
    target_id: int
    kind: str
    event_seq: int
    attempts: int
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
    next_try_at: datetime | None = None
    status: int | None = None
    error: str | None = None
