"""What a plugin implements: Platform and Call, Transcriber, Sink, Store, Vault, Launcher.

Every method here is called on the Trio thread, inside a deadline that the core sets, and in a
task of the plugin's own: what it does wrong becomes an event and touches nobody else.
`meetcore.testing` has a conformance class for each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import trio
from attrs import field, frozen

from meetcore.model.addresses import PrivateTargets
from meetcore.model.commands import Command
from meetcore.model.errors import CapabilityMissing, MeetcoreError
from meetcore.model.events import Draft, Event
from meetcore.model.meeting import MeetingLink
from meetcore.model.secrets import Redactor
from meetcore.model.signals import Signal
from meetcore.model.transcript import Hypothesis
from meetcore.plugin.options import Configured, OptionsT

if TYPE_CHECKING:
    from meetcore.audio.chunk import Chunk

__all__ = [
    "BotRecord",
    "BotSpec",
    "Call",
    "CallEvents",
    "CallRequest",
    "Capability",
    "HealthFinding",
    "HealthReport",
    "JournalView",
    "Launcher",
    "Platform",
    "RunningBot",
    "Sink",
    "SinkContext",
    "Store",
    "StreamRequest",
    "Transcriber",
    "TranscriberCapabilities",
    "TranscriberContext",
    "TranscriberStream",
    "UntranscribedAudio",
    "Vault",
]


class Capability(StrEnum):
    """What a call can do besides being heard; the words read as 'cannot …' in errors."""

    SEND_CHAT = "send_chat"
    READ_CHAT = "read_chat"
    SPEAK = "speak"
    SHOW_IMAGE = "show_image"


# --- platforms ------------------------------------------------------------------------


@frozen(kw_only=True)
class CallRequest:
    """What a platform needs to know to join.

    Attributes:
        bot_id: The bot's id.
        display_name: The name to show in the meeting, to be used as it is.
        folder: The bot's folder, for diagnostics.
        join_timeout_s: How long the client may take to reach the meeting's lobby, in seconds.
        incoming_video: Whether to receive the others' video at all.
        headed: Whether a browser should be visible.
        redactor: Takes secrets out of anything written.
    """

    bot_id: str
    display_name: str
    folder: Path
    join_timeout_s: float = 60.0
    incoming_video: bool = False
    headed: bool = False
    redactor: Redactor = field(factory=Redactor)


class CallEvents(Protocol):
    """What a Call calls back: it hands what it sees and hears to the core.

    All methods return at once and are to be called on the Trio thread.
    """

    def observe(self, signal: Signal) -> None:
        """Hand in a signal. Signals are never dropped."""

    def hear(self, chunk: Chunk) -> None:
        """Hand in audio of a track announced by `TrackAppeared`.

        Counts it as captured. Any sample rate is taken; about 100 ms a chunk is best. When
        the core is behind, the chunk is declared lost; it never waits. A hole since the
        track's previous chunk is declared lost with cause `gap`.

        Raises:
            PluginError: The track was not announced, or the chunk starts before the end
                of the previous one.
        """

    def declare_lost(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Account for audio that existed but never reached `hear`.

        Args:
            track_id: The track.
            start_sample: First lost sample, on the clock and at the rate of the track's chunks.
            samples: How many.
            cause: One word for the events, for instance `bridge_overflow`.
        """


class Call(ABC):
    """The bot's presence in one meeting."""

    capabilities: frozenset[Capability] = frozenset()
    platform_name: str = "this platform"

    @abstractmethod
    async def leave(self) -> None:
        """Leave politely, as a person would; the caller sets the deadline."""

    async def send_chat(self, text: str) -> None:
        """Send a chat message to everybody.

        Raises:
            CapabilityMissing: This platform cannot.
            CommandFailed: It did not work this time.
        """
        raise CapabilityMissing(self.platform_name, Capability.SEND_CHAT)

    async def speak(self, pcm: bytes, sample_rate_hz: int) -> None:
        """Say int16 mono PCM; returns when it is queued.

        Raises:
            CapabilityMissing: This platform cannot.
        """
        raise CapabilityMissing(self.platform_name, Capability.SPEAK)

    async def show_image(self, image: bytes, media_type: str) -> None:
        """Show a picture as the bot's camera.

        Raises:
            CapabilityMissing: This platform cannot.
        """
        raise CapabilityMissing(self.platform_name, Capability.SHOW_IMAGE)


class Platform(Configured[OptionsT], ABC):
    """Knows the links of one meeting service and opens calls there.

    Attributes:
        name: Name of the platform, as in configuration and journals.
        link_examples: Links as a person meets them, for error messages.
    """

    name: ClassVar[str]
    link_examples: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def parse(self, url: str) -> MeetingLink | None:
        """Return the meeting `url` means, or None if it is not one of ours. Pure and quick."""

    @abstractmethod
    def open_call(
        self, link: MeetingLink, request: CallRequest, events: CallEvents
    ) -> AbstractAsyncContextManager[Call]:
        """Begin to join; on exit nothing of the call remains.

        Entering returns as soon as commands can be given; knocking, admission, denial and
        the end come as signals.

        Raises:
            MeetingRefused: The meeting cannot be joined at all; carries the end reason.
        """


# --- transcribers ---------------------------------------------------------------------


@frozen(kw_only=True)
class TranscriberCapabilities:
    """What a transcriber can do.

    Attributes:
        streaming: Whether it takes audio while it is spoken.
        partials: Whether it gives drafts before the final.
        word_times: Whether words have times.
        confidence: Whether words or utterances have a confidence.
        languages: BCP-47 tags, empty for 'whatever the provider detects'.
        wants: `utterances` for speech only, `continuous` for everything between, too.
        max_streams: How many tracks at once, None for no limit of its own.
    """

    streaming: bool = True
    partials: bool = True
    word_times: bool = True
    confidence: bool = True
    languages: tuple[str, ...] = ()
    wants: Literal["utterances", "continuous"] = "utterances"
    max_streams: int | None = None


@frozen(kw_only=True)
class UntranscribedAudio:
    """Speech a transcriber had to give up, in samples of the call's clock at 16 kHz."""

    start_sample: int
    end_sample: int
    cause: str


@frozen(kw_only=True)
class TranscriberContext:
    """What a transcriber gets for one bot."""

    bot_id: str
    folder: Path
    redactor: Redactor = field(factory=Redactor)


@frozen(kw_only=True)
class StreamRequest:
    """One track to transcribe.

    Attributes:
        bot_id: The bot's id.
        track_id: The track's id.
        emit: Takes results, at any time, on the Trio thread; returns at once.
        language: BCP-47 tag wished for, None for the transcriber's own choice.
    """

    bot_id: str
    track_id: str
    emit: Callable[[Hypothesis | UntranscribedAudio], None]
    language: str | None = None


class TranscriberStream(ABC):
    """One track being transcribed.

    The core calls these from one supervised task per track, in order, never two at a time,
    each under a deadline. When one raises `TranscriberError` the core closes the stream, opens
    another after a pause, and replays the utterance that was not finalized (once).
    """

    @abstractmethod
    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        """Speech begins; results about it carry `utterance_id`."""

    @abstractmethod
    async def feed(self, chunk: Chunk) -> None:
        """Take audio, 16 kHz. In `continuous` mode it also comes between utterances."""

    @abstractmethod
    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        """Speech ended: `cause` is `silence`, `max_length`, `gap`, `paused` or `track_closed`.

        A final `Hypothesis` (maybe with empty text) or an `UntranscribedAudio` must follow,
        here or later.
        """

    async def flush(self) -> None:
        """Return when everything fed so far has had its final result."""


class Transcriber(Configured[OptionsT], ABC):
    """Turns the speech of tracks into text; a call of a stream may take `call_timeout_s`."""

    name: ClassVar[str]
    call_timeout_s: ClassVar[float] = 30.0
    capabilities: ClassVar[TranscriberCapabilities] = TranscriberCapabilities()

    @asynccontextmanager
    async def open(self, context: TranscriberContext) -> AsyncIterator[None]:
        """Hold what one bot's streams share, for instance a worker process."""
        yield

    @abstractmethod
    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[TranscriberStream]:
        """Open a stream for one track.

        Raises:
            TranscriberError: It cannot be opened now, or ever (`retryable`).
        """

    async def transcribe_file(self, path: Path) -> list[Hypothesis]:
        """Transcribe a recording afterwards.

        Raises:
            MeetcoreError: This transcriber only works live.
        """
        raise MeetcoreError(f"The transcriber {self.name!r} cannot transcribe {path}: it is live.")


# --- sinks ----------------------------------------------------------------------------


class JournalView(Protocol):
    """A bot's journal, to be read."""

    @property
    def last_seq(self) -> int:
        """Number of the newest event, 0 for none."""
        ...

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def read(self, after: int = 0) -> Iterable[Event]:
        """Yield the events there are now with `seq` greater than `after`."""
        ...

    def cursor(self, after: int = 0) -> AsyncIterator[Event]:
        """Yield events from `after` on, then live ones, until the journal is closed."""
        ...

    async def synced(self, seq: int) -> None:
        """Return when the event numbered `seq` is on the disk."""


@frozen(kw_only=True)
class SinkContext:
    """What a sink gets for one bot.

    Attributes:
        name: The name this sink goes by for this bot, `webhook` or `webhook:crm`.
        bot_id: The bot's id.
        folder: The bot's folder; a sink keeps what is its own in a folder of its name there.
        journal: The bot's journal, to be read at any cursor.
        report: Appends an event of its own (`ArtifactWritten` …), returns it with its number.
        perform: Returns when a command is done; raises `CommandRefused` or `CommandFailed`.
        redactor: Takes secrets out of anything written.
        trusted: Whether a person named this sink's targets on their own command line or in
            their own code. False: they came over an API, and private addresses are refused.
        private_targets: Those that the operator lists as fine all the same.
    """

    name: str
    bot_id: str
    folder: Path
    journal: JournalView
    report: Callable[[Event], Event]
    perform: Callable[[Command], Awaitable[None]]
    redactor: Redactor = field(factory=Redactor)
    trusted: bool = True
    private_targets: PrivateTargets = field(factory=PrivateTargets)

    def may_dial(self, *, allow_private: bool) -> PrivateTargets:
        """Return which private targets it may dial; a person who named the target allows any."""
        return PrivateTargets(all=allow_private) if self.trusted else self.private_targets


class Sink(Configured[OptionsT], ABC):
    """Carries events, drafts or audio out.

    A life: `open` → (`deliver`, `deliver_draft`, `hear`)* → `finish` → `deliver` of what came
    meanwhile and of the terminal state → exit of `open`. Events come in order, from a cursor
    over the journal: none is ever skipped. Drafts come in their place between events, the
    newest of a key only. `hear` runs in a task of its own, so a slow `deliver` does not hold
    up audio; its bounded mailbox drops the oldest, and that is declared.

    Attributes:
        wants_events: Whether `deliver` is to be called.
        wants_drafts: Whether `deliver_draft` is to be called.
        wants_audio: Whether `hear` is to be called.
        call_timeout_s: How long one call may take before it counts as hung.
        finish_timeout_s: How long `finish` and the exit of `open` may take, each.
        transient: Whether it belongs to the process and not to the bot: then the journal does
            not name it, and nothing of it is recovered.
    """

    name: ClassVar[str]
    wants_events: ClassVar[bool] = True
    wants_drafts: ClassVar[bool] = False
    wants_audio: ClassVar[bool] = False
    call_timeout_s: ClassVar[float] = 30.0
    finish_timeout_s: ClassVar[float] = 60.0
    transient: ClassVar[bool] = False

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Hold what the sink needs for one bot; the sink may open a nursery of its own here."""
        yield

    async def deliver(self, event: Event) -> None:
        """Take one event."""

    async def deliver_draft(self, draft: Draft) -> None:
        """Take one draft."""

    async def hear(self, chunk: Chunk) -> None:
        """Take audio of one track, 16 kHz."""

    async def lose(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Learn that these samples of a track never come, in order with `hear`.

        Cause `paused` means that they were kept back on purpose.
        """

    async def finish(self) -> None:
        """The meeting is over and everything was delivered: write what is for afterwards."""

    async def recover(self, context: SinkContext) -> Sequence[str]:
        """Finish what a killed process left in the bot's folder; return a line for each thing done.

        Called instead of `open`, after the journal was repaired and ended.
        """
        return ()


# --- storage and launching ------------------------------------------------------------


@frozen(kw_only=True)
class BotRecord:
    """What a store knows about a bot without opening its journal."""

    bot_id: str
    folder: Path
    requested_at: datetime | None = None


class Store(ABC):
    """Keeps journals and the list of bots."""

    name: ClassVar[str]

    @abstractmethod
    def create(self, bot_id: str) -> BotRecord:
        """Make room for a new bot.

        Raises:
            StorageUnavailable: There is none to be had.
        """

    @abstractmethod
    def records(self) -> Iterable[BotRecord]:
        """Yield every bot known, oldest first."""


class Vault(ABC):
    """Keeps media."""

    name: ClassVar[str]

    @abstractmethod
    def folder_for(self, bot_id: str) -> Path:
        """Return the folder in which a bot's media is written while it runs."""

    @abstractmethod
    def delete(self, bot_id: str) -> int:
        """Delete a bot's media; return how many files went."""


@frozen(kw_only=True)
class BotSpec:
    """A bot to be run, as plain data that can cross to another process.

    Attributes:
        bot_id: Its id, and the name of its folder.
        url: The meeting's link; may hold a passcode.
        settings: Everything of `BotConfig`, plain, as in a TOML file. May hold secrets.
        platform: The platform that is to take the link, None for the one that knows it.
        scheduled_for: When it is to join, None for now.
        plugin_files: Python files to load as plugins where it runs.
    """

    bot_id: str
    url: str = field(repr=False)
    settings: Mapping[str, Any] = field(factory=dict, repr=False)
    platform: str | None = None
    scheduled_for: datetime | None = None
    plugin_files: tuple[str, ...] = ()


class RunningBot(ABC):
    """A bot that runs somewhere, for whoever looks after it.

    Attributes:
        bot_id: Its id.
        folder: Its folder, with the journal.
    """

    bot_id: str
    folder: Path

    @abstractmethod
    def items(self, after: int = 0) -> AsyncGenerator[Event | Draft, None]:
        """Yield what its journal holds after a `seq`, then what happens, with drafts between.

        Ends after the terminal event, or without one when the bot is gone. To be closed by
        whoever does not read it to its end.
        """

    @abstractmethod
    async def perform(self, command: Command) -> None:
        """Have it carry out a command; at most 30 s. Raises as `Bot.perform` does."""

    @abstractmethod
    def abandon(self) -> None:
        """End it at once, without leave-taking; recovery finishes what it left."""

    @abstractmethod
    async def gone(self) -> None:
        """Return when nothing of it runs any more. No deadline of its own."""

    @abstractmethod
    def hear(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with its audio, all tracks at 16 kHz; what is not taken is dropped."""


class Launcher(ABC):
    """Decides where bots run. A crash of one must not pass to its siblings."""

    name: ClassVar[str]

    @abstractmethod
    async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> RunningBot:
        """Start a bot; return when it takes commands. Cancelling the nursery ends it in order.

        Raises:
            MeetcoreError: It could not be started; nothing of it runs.
        """

    async def adopt(self, bot_id: str, folder: Path, nursery: trio.Nursery) -> RunningBot | None:
        """Return a bot that an earlier process launched and that runs still, or None."""
        return None


# --- health ---------------------------------------------------------------------------


@frozen
class HealthFinding:
    """One line of `meetcore doctor`."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


class HealthReport:
    """Collects the findings of plugins for `meetcore doctor`."""

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self.config: Mapping[str, Any] = config or {}
        self.findings: list[HealthFinding] = []

    def fine(self, name: str, detail: str) -> None:
        """Note that something is as it should be."""
        self.findings.append(HealthFinding(name, True, detail))

    def trouble(self, name: str, detail: str, remedy: str) -> None:
        """Note that something is missing or wrong, and what to do about it."""
        self.findings.append(HealthFinding(name, False, detail, remedy))
