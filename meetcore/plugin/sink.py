"""What carries events, drafts and audio out.

Every method here is called on the Trio thread, inside a deadline that the core sets, and in a
task of the plugin's own: what it does wrong becomes an event and touches nobody else.
`meetcore.testing` has a conformance class for it.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from attrs import field, frozen

from meetcore.model.addresses import PrivateTargets
from meetcore.model.commands import Command
from meetcore.model.drafts import Draft
from meetcore.model.errors import CommandRefused
from meetcore.model.events import Event
from meetcore.model.secrets import Redactor
from meetcore.plugin.options import Configured, OptionsT

if TYPE_CHECKING:
    from meetcore.audio.chunk import Chunk
    from meetcore.audio.media import MediaFragment

__all__ = ["JournalView", "Sink", "SinkContext", "SinkSpeech", "SinkVoice"]


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


class SinkSpeech(Protocol):
    """Something that the bot says for a sink, as `meetcore.Speech` has it."""

    @property
    def position(self) -> float:
        """How many seconds of it were really played."""
        ...

    def interrupt(self) -> None:
        """Be silent; what is not said yet is not."""

    async def wait(self) -> bool:
        """Return when it is over: True if it was said to its end, False if it was interrupted."""
        ...


class SinkVoice(Protocol):
    """Has the bot say something; see `meetcore.Bot.say`."""

    def __call__(
        self,
        source: bytes | str | AsyncIterable[bytes | str],
        *,
        sample_rate_hz: int = 16_000,
        when_speaking: str = "append",
        text: str = "",
        barge_in: str | None = None,
    ) -> SinkSpeech:
        """Return at once; raise `CommandRefused` where it cannot be said now."""
        ...


def _no_voice(*args: object, **kwargs: object) -> SinkSpeech:
    raise CommandRefused("This bot is not running: it says nothing.")


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
        say: Has the bot say something, also sound that comes bit by bit; returns at once.
        redactor: Takes secrets out of anything written.
        trusted: Whether a person named this sink's targets on their own command line or in
            their own code. False: they came over an API, and private addresses are refused.
        private_targets: Those that the operator lists as fine all the same.
        unfinished: `recover` adds a line for what it could not finish now and is still to do.
    """

    name: str
    bot_id: str
    folder: Path
    journal: JournalView
    report: Callable[[Event], Event]
    perform: Callable[[Command], Awaitable[None]]
    say: SinkVoice = field(default=_no_voice, repr=False)
    redactor: Redactor = field(factory=Redactor)
    trusted: bool = True
    private_targets: PrivateTargets = field(factory=PrivateTargets)
    unfinished: list[str] = field(factory=list)

    def may_dial(self, *, allow_private: bool) -> PrivateTargets:
        """Return which private targets it may dial; a person who named the target allows any."""
        return PrivateTargets(all=allow_private) if self.trusted else self.private_targets


class Sink(Configured[OptionsT], ABC):
    """Carries events, drafts or audio out.

    A life: `open` → (`deliver`, `deliver_draft`, `on_audio`)* → `finish` → `deliver` of what came
    meanwhile and of the terminal state → exit of `open`. Events come in order, from a cursor
    over the journal: none is ever skipped. Drafts come in their place between events, the
    newest of a key only. `on_audio` runs in a task of its own, so a slow `deliver` does not hold
    up audio; its bounded mailbox drops the oldest, and that is declared. `on_media` likewise.

    Only `name` has to be set: a sink overrides what it has a use for.

    Attributes:
        name: Name of the sink, as in configuration and journals.
        wants_events: Whether `deliver` is to be called.
        wants_drafts: Whether `deliver_draft` is to be called.
        wants_audio: Whether `on_audio` is to be called.
        wants_native_audio: Whether it gets chunks as the platform gave them, at the rate they came
            in, instead of 16 kHz. Gaps and the account stay in samples at 16 kHz.
        wants_own_voice: Whether `on_audio` gets what the bot itself says, too, as a track of its
            own: for what records a meeting, not for what listens to people.
        wants_media: Whether `on_media` is to be called: encoded sound, video, a screen.
        call_timeout_s: How long one call may take before it counts as hung.
        finish_timeout_s: How long `finish` and the exit of `open` may take, each; asked when the
            meeting is over, so that a sink may set it by how much it has to finish.
        keeps: Whether what it writes into the bot's folder is what it is for: then it has no place
            where nothing is kept.
        transient: Whether it belongs to the process and not to the bot: then the journal does
            not name it, and nothing of it is recovered.
    """

    name: ClassVar[str]
    wants_events: ClassVar[bool] = True
    wants_drafts: ClassVar[bool] = False
    wants_audio: ClassVar[bool] = False
    wants_native_audio: ClassVar[bool] = False
    wants_own_voice: ClassVar[bool] = False
    wants_media: ClassVar[bool] = False
    call_timeout_s: ClassVar[float] = 30.0
    finish_timeout_s: float = 60.0
    keeps: ClassVar[bool] = False
    transient: ClassVar[bool] = False

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Hold what the sink needs for one bot; the sink may open a nursery of its own here."""
        yield

    async def deliver(self, event: Event) -> None:
        """Take one event."""

    async def deliver_draft(self, draft: Draft) -> None:
        """Take one draft."""

    async def on_audio(self, chunk: Chunk) -> None:
        """Take audio of one track, 16 kHz."""

    async def on_gap(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Learn that these samples of a track never come, in order with `on_audio`.

        Causes `paused` and `excluded` mean that they were kept back on purpose.
        """

    async def on_media(self, fragment: MediaFragment) -> None:
        """Take a fragment of media; those of a track come in order.

        What waits for a slow sink is bounded: the oldest fragments go, headers last.
        """

    async def on_media_gap(self, track_id: str, first: int, fragments: int, cause: str) -> None:
        """Learn that these fragments of a track never come, in order with `on_media`.

        Causes `paused` and `excluded` mean that they were kept back on purpose.
        """

    async def finish(self) -> None:
        """The meeting is over and everything was delivered: write what is for afterwards."""

    async def recover(self, context: SinkContext) -> Sequence[str]:
        """Finish what a killed process left in the bot's folder; return a line for each thing done.

        Called instead of `open`, after the journal was repaired and ended.
        """
        return ()
