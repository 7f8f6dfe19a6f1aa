"""A meeting service, and a bot's presence in one of its meetings.

Every method here is called on the Trio thread, inside a deadline that the core sets, and in a
task of the plugin's own: what it does wrong becomes an event and touches nobody else.
`meetcore.testing` has a conformance class for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from attrs import field, frozen

from meetcore.model.addresses import PrivateTargets
from meetcore.model.errors import CapabilityMissing
from meetcore.model.meeting import MeetingLink
from meetcore.model.roster import Participant
from meetcore.model.secrets import Redactor
from meetcore.model.signals import Signal
from meetcore.plugin.options import Configured, OptionsT

if TYPE_CHECKING:
    from meetcore.audio.chunk import Chunk
    from meetcore.model.commands import PersonAnswer
    from meetcore.model.page_input import PagePicture, PictureFormat
    from meetcore.plugin.health import HealthReport
    from meetcore.plugin.join_token import JoinToken
    from meetcore.plugin.page_view import PageView

__all__ = ["Call", "CallEvents", "CallRequest", "Capability", "Platform", "SpeechOutput"]


class Capability(StrEnum):
    """What can be done in a call besides hearing; the words read as 'cannot …' in errors."""

    SEND_CHAT = "send_chat"
    SEND_DIRECT_CHAT = "send_direct_chat"
    READ_CHAT = "read_chat"
    SPEAK = "speak"
    SHOW_IMAGE = "show_image"
    SHOW_PAGE = "show_page"
    SHARE_SCREEN = "share_screen"
    CAPTIONS = "captions"
    VIDEO = "video"
    SCREENSHOT = "screenshot"
    LOOK_IN = "look_in"


async def _no_token() -> JoinToken | None:
    return None


@frozen(kw_only=True)
class CallRequest:
    """What a platform needs to know to join.

    Attributes:
        bot_id: The bot's id.
        display_name: The name to show in the meeting, to be used as it is.
        folder: The bot's folder, for diagnostics.
        join_timeout_s: How long the client may take to reach the meeting's lobby, in seconds. A
            platform that ends an attempt itself then tells what its page showed last.
        waiting_room_s: After how long in the waiting room the core ends the call as not admitted,
            in seconds from the first `Knocked`; None for never. Who knows a better reason says so
            before.
        captions: Whether the meeting's captions are wanted: turn them on, observe `CaptionSeen`.
        video: Whether the meeting is recorded as video: hand in `media` of what it shows, as a
            person would see it; asked of platforms that have `Capability.VIDEO` only.
        redactor: Takes secrets out of anything written.
        join_token: Fetches the token to join with from the plugin that has it: to be called just
            before each attempt, and only by a platform that takes tokens. Returns None where there
            is none, raises `JoinTokenFailed` where one should have been.
        private_targets: What of the operator's own network the bot may load pages from.
        plugins: Settings of plugins by name, for what the platform stands on: a browser, say.
    """

    bot_id: str
    display_name: str
    folder: Path
    join_timeout_s: float = 60.0
    waiting_room_s: float | None = None
    captions: bool = False
    video: bool = False
    redactor: Redactor = field(factory=Redactor)
    join_token: Callable[[], Awaitable[JoinToken | None]] = field(default=_no_token, repr=False)
    private_targets: PrivateTargets = field(factory=PrivateTargets)
    plugins: Mapping[str, Mapping[str, Any]] = field(factory=dict, repr=lambda p: str(sorted(p)))


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

    def media(
        self,
        track_id: str,
        *,
        kind: str,
        container: str,
        data: bytes,
        at_s: float,
        duration_s: float,
        header: bool = False,
    ) -> None:
        """Hand in a fragment of media that passes by: encoded sound, video, a screen share.

        A track of media needs no announcement; its fragments come in order. They go to the sinks
        that want media, and are counted; what covers a pause is kept back. It never waits.

        Args:
            track_id: The track; it is counted apart from sound, so the name may be the same.
            kind: `audio`, `video`, `screen`, or `tab` for all of a page.
            container: How it is wrapped, as a media type: `video/mp4;codecs=…`.
            data: The bytes.
            at_s: When it begins, in seconds on the clock of the chunks.
            duration_s: How long it is, in seconds.
            header: Whether it is the container's beginning, by itself, with no media in it.

        Raises:
            PluginError: A header has a duration, or a duration is negative.
        """

    def declare_media_lost(self, track_id: str, fragments: int, cause: str) -> None:
        """Account for fragments that existed but never reached `media`."""


class SpeechOutput(ABC):
    """Where one speech of the bot goes in a call: its microphone, as long as the speech takes."""

    @abstractmethod
    async def write(self, pcm: bytes) -> None:
        """Take the next piece, at most 100 ms; wait while a second or more is still to be played.

        That wait is what paces whoever speaks, and bounds what is lost by an interruption.
        """

    @abstractmethod
    async def drain(self) -> None:
        """Return when all that was written has been played."""

    @abstractmethod
    async def stop(self) -> None:
        """Be silent at once, and forget what was not played; the caller sets the deadline."""

    @property
    @abstractmethod
    def played_s(self) -> float:
        """How many seconds of what was written were really played so far; also after `stop`."""


class Call(ABC):
    """The bot's presence in one meeting.

    Attributes:
        capabilities: What this call can do of what its platform can; by default all of it. A
            meeting whose host switched the chat off takes chat out.
        platform_name: Name of the platform, for errors.
    """

    capabilities: frozenset[Capability] = frozenset(Capability)
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

    async def send_direct_chat(self, text: str, to: Participant) -> None:
        """Send a chat message to one person, whom nobody else sees it.

        Never sent to everybody instead: where it cannot be made sure who gets it, it fails.

        Args:
            text: The message.
            to: Somebody who is in the meeting.

        Raises:
            CapabilityMissing: This platform cannot.
            RecipientRefused: They take none, or it cannot be told which of several it is.
            CommandFailed: It did not work this time.
        """
        raise CapabilityMissing(self.platform_name, Capability.SEND_DIRECT_CHAT)

    async def answer_person(self, answer: PersonAnswer) -> None:
        """Take that a person did what `PersonNeeded` asked for, or that nobody will.

        Called only while it is asked for. Look again at once, or end for the reason that stood in
        the way; return without waiting for what comes of it.

        Raises:
            CommandRefused: It is asked for no more.
            CapabilityMissing: This platform asks nobody, or sees by itself what was done.
        """
        raise CapabilityMissing(self.platform_name, "answer_person")

    async def reconnect(self, url: str) -> None:
        """Go on with the same meeting at another address; return once that has begun.

        Called in every state, also before the call. Nothing that is there already is broken off
        for it where the address is the one it is at.

        Args:
            url: The meeting's link, as it is now.

        Raises:
            CommandRefused: It is no link of this meeting, or one that may not be gone to.
            CapabilityMissing: This platform moves no meetings.
        """
        raise CapabilityMissing(self.platform_name, "reconnect")

    def open_speech(self, sample_rate_hz: int) -> AbstractAsyncContextManager[SpeechOutput]:
        """Open the bot's microphone for one speech of int16 mono PCM at that rate, in Hz.

        The core opens one at a time. On exit nothing more is heard of it.

        Raises:
            CapabilityMissing: This platform cannot.
            CommandFailed: It did not work this time.
        """
        raise CapabilityMissing(self.platform_name, Capability.SPEAK)

    async def show_image(self, image: bytes, media_type: str) -> None:
        """Show a picture as the bot's camera.

        Raises:
            CapabilityMissing: This platform cannot.
        """
        raise CapabilityMissing(self.platform_name, Capability.SHOW_IMAGE)

    async def show_page(self, url: str) -> None:
        """Show a web page as the bot's camera, as it changes; return once it is seen.

        Raises:
            CapabilityMissing: This platform cannot.
            CommandRefused: The page may not be shown.
            CommandFailed: It does not load, or did not work this time.
        """
        raise CapabilityMissing(self.platform_name, Capability.SHOW_PAGE)

    async def hide_picture(self) -> None:
        """Show nothing any more, neither a picture nor a page: switch the camera off.

        Raises:
            CapabilityMissing: This platform shows none.
            CommandFailed: It did not work this time.
        """
        raise CapabilityMissing(self.platform_name, Capability.SHOW_IMAGE)

    async def share_image(self, image: bytes, media_type: str) -> None:
        """Share a picture as the bot's screen, in place of what it shared; return once it is.

        Raises:
            CapabilityMissing: This platform cannot.
            CommandRefused: It is no picture that can be shown.
            CommandFailed: It did not work this time; a host may not allow it.
        """
        raise CapabilityMissing(self.platform_name, Capability.SHARE_SCREEN)

    async def share_page(self, url: str) -> None:
        """Share a web page as the bot's screen, as it changes; return once it is shared.

        Raises:
            CapabilityMissing: This platform cannot.
            CommandRefused: The page may not be shown.
            CommandFailed: It does not load, or did not work this time.
        """
        raise CapabilityMissing(self.platform_name, Capability.SHARE_SCREEN)

    async def stop_sharing(self) -> None:
        """Share no screen any more; where none is shared, there is nothing to do.

        Raises:
            CapabilityMissing: This platform shares none.
            CommandFailed: It did not work this time.
        """
        raise CapabilityMissing(self.platform_name, Capability.SHARE_SCREEN)

    async def screenshot(self, picture_format: PictureFormat) -> PagePicture:
        """Return a picture of the page as it is now, in any state; the caller sets the deadline.

        Raises:
            CapabilityMissing: This platform has no page.
            CommandFailed: The page is not open yet or any more, or gives no picture.
        """
        raise CapabilityMissing(self.platform_name, Capability.SCREENSHOT)

    def open_view(self) -> AbstractAsyncContextManager[PageView]:
        """Let a person see the page, in any state; several may look at once.

        On exit nothing more is made for them, and no key or button is held.

        Raises:
            CapabilityMissing: This platform has no page.
            CommandFailed: The page is not open yet or any more.
        """
        raise CapabilityMissing(self.platform_name, Capability.LOOK_IN)

    def person_acts(self, *, acting: bool) -> None:
        """Take that a person has taken the page over, or given it back; returns at once.

        While one has, the platform goes on looking at the page, and presses nothing in it.
        """


class Platform(Configured[OptionsT], ABC):
    """Knows the links of one meeting service and opens calls there.

    Attributes:
        name: Name of the platform, as in configuration and journals.
        link_examples: Links as a person meets them, for error messages.
        capabilities: What its calls can do at best, known before there is one. A single call may
            be able to do less (`Call.capabilities`), never more.
        sources: Where a call's sound, names, people, speakers, chat and captions come from, in
            words, the first tried first; for the page of platforms.
        claims_first: Whether it wins where another platform knows a link, too: for one that takes
            others' links, and only once a person turned it on.
    """

    name: ClassVar[str]
    claims_first: ClassVar[bool] = False
    sources: ClassVar[Mapping[str, str]] = {}
    link_examples: ClassVar[tuple[str, ...]] = ()
    capabilities: ClassVar[frozenset[Capability]] = frozenset()

    @abstractmethod
    def parse(self, url: str) -> MeetingLink | None:
        """Return the meeting `url` means, or None if it is not one of ours. Pure and quick."""

    def longest_join_s(self, join_timeout_s: float) -> float:
        """Return how long joining may take in all before the core ends it, in seconds.

        A platform that ends an attempt itself, with what its page showed, returns what all of its
        attempts may take, and some time to end the last. What a person needs (`PersonNeeded`, a
        page that was taken over) is not counted. Less than `join_timeout_s` counts for nothing.

        Args:
            join_timeout_s: What one attempt may take, as in `CallRequest`.
        """
        return join_timeout_s

    def examine_snapshot(
        self, path: Path, report: HealthReport, redacted_to: Path | None = None
    ) -> None:
        """Say what this platform makes of a page that a person saved, for `meetcore doctor`.

        Args:
            path: The file.
            report: Takes the findings.
            redacted_to: Where to write the page without what is personal, None for nowhere.

        Raises:
            CapabilityMissing: This platform reads no pages.
            MeetcoreError: There is no page in the file, or it cannot be read.
        """
        raise CapabilityMissing(self.name, "read saved pages")

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
