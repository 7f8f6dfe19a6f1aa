"""What is particular to one platform's web client; all the rest is `guest_call`'s."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import trio
from attrs import define, field

from meetcore import (
    CallEvents,
    CallRequest,
    Capability,
    CapabilityMissing,
    MeetingLink,
    NameSource,
    Participant,
    StepWorked,
    TrackAppeared,
)
from meetcore_browser.capture import CaptureOptions, RemoteTrack, SourceHeard, by_track
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.guest.follower import PageFollower
from meetcore_browser.guest.guest_page import GuestPage
from meetcore_browser.guest.layers import SoundLayer
from meetcore_browser.guest.look import Found, PageLook, StateSeen
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import SelectorPack

__all__ = ["Guest", "GuestJoiner"]


@define
class Guest:
    """One attempt to attend: a page, and what was done on it so far.

    Attributes:
        page: The page.
        link: Where it goes.
        request: What the platform was asked for.
        events: Where signals go.
        follower: What is believed of the page.
        done: Names of what was done once and is not to be done again.
        people: The people of the newest list, by id.
        speaking: Who of them the page shows speaking at this moment.
        capabilities: What this call can do; a joiner takes out what the meeting forbids.
        clicked: How often each dialog was answered, or told, while it was there.
        used: The bot's own devices that it uses, of `microphone` and `camera`: a joiner switches
            off the others only.
        takes: What takes `people`, `speakers`, `chat`, `captions` and `shares`, with their times:
            of a joiner that learns of them in another way than by a reader.
    """

    page: GuestPage
    link: MeetingLink
    request: CallRequest
    events: CallEvents
    follower: PageFollower
    done: set[str] = field(factory=set)
    people: dict[str, Participant] = field(factory=dict)
    speaking: set[str] = field(factory=set)
    capabilities: set[Capability] = field(factory=set)
    clicked: Counter[str] = field(factory=Counter)
    used: set[str] = field(factory=set)
    takes: Mapping[str, Callable[[Any, float | None], None]] = field(factory=dict, repr=False)

    def note(self, step: str, detail: str | Found = "") -> None:
        """Record that a step worked, and by what."""
        said = detail.describe(self.page.pack) if isinstance(detail, Found) else detail
        self.events.observe(StepWorked(step, said))

    def once(self, name: str) -> bool:
        """Return True the first time it is asked for a name."""
        if name in self.done:
            return False
        self.done.add(name)
        return True

    def knocked(self) -> None:
        """Note that the button was pressed that asks to join."""
        self.follower.knocked(trio.current_time())


class GuestJoiner(ABC):
    """A platform's web client, as a guest meets it.

    The page is looked at about once a second; each look becomes a state by the selector pack, and
    for each look `advance` may do one thing: fill in the name, press 'join'. It is called again
    as long as the state lasts, so a step that did not work is simply done again, and a page that
    comes in another order than usual is no surprise.

    Attributes:
        name: Name of the platform, in configuration and journals.
        readers: A file of JavaScript that gives `meetcore.readers` (see page/observer.js).
        scripts: Further files, run before it.
        hints: Sentences for people, by state, in place of the general ones.
        name_source: How the page's speakers are known.
        speakers_lag_s: How much later than the sound the page shows who speaks.
        chat_limit: How many characters one message may have.
        layers: The ways to the sound, in the order in which they are tried.
        layer_limit_s: How long a call with people in it may be without sound.
        refused_within_s: A platform that turns guests away by itself, in the words of a host's
            denial, does so within this time after the knock; None for one that does not.
        guest_field: The control that only somebody without an account is shown: where an account
            meets it, also once the page was loaded again, it is not known there. None where that
            cannot be told.
        account_as_guest: Whether an account that is not known there goes in as a guest.
        devices: For `microphone` and `camera` the controls that are there while it is on, and
            while it is off; a device without them cannot be used.
        share_controls: What is pressed, one after the other, until the client asks for a screen;
            of one that is not there the next is looked for. None where nothing can be shared.
        sharing_control: What ends the share.
        view_controls: What is pressed, one after the other, for each view of a recording
            (`gallery`, `speaker`) that the client lets its guests choose.
    """

    name: ClassVar[str]
    readers: ClassVar[Path]
    scripts: ClassVar[Sequence[Path]] = ()
    hints: ClassVar[Mapping[PageState, str]] = {}
    name_source: ClassVar[NameSource] = NameSource.ACTIVE_SPEAKER
    speakers_lag_s: ClassVar[float] = 0.0
    chat_limit: ClassVar[int] = 500
    layers: ClassVar[Sequence[SoundLayer]] = tuple(SoundLayer)
    layer_limit_s: float = 20.0
    refused_within_s: ClassVar[float | None] = None
    guest_field: ClassVar[str | None] = None
    account_as_guest: ClassVar[bool] = False
    permissions: ClassVar[Sequence[str]] = ("microphone", "camera")
    devices: ClassVar[Mapping[str, tuple[str, str]]] = {}
    share_controls: ClassVar[Sequence[str]] = ()
    sharing_control: ClassVar[str] = ""
    view_controls: ClassVar[Mapping[str, Sequence[str]]] = {}

    def __init__(self, options: GuestOptions, pack: SelectorPack) -> None:
        self.options = options
        self.pack = pack

    @abstractmethod
    def address(self, link: MeetingLink) -> str:
        """Return the address that the browser opens for a link."""

    async def opened(self, guest: Guest) -> None:
        """Prepare the page before it goes to its address. Once for each attempt."""

    def conclude(self, guest: Guest, seen: StateSeen, look: PageLook) -> StateSeen:
        """Return the state that a look shows, where the pack's rules cannot say it alone."""
        del guest, look
        return seen

    @abstractmethod
    async def advance(self, guest: Guest, state: PageState, look: PageLook) -> None:
        """Do the next thing on the way into the call; called with every look before it.

        Raises:
            BrowserError, playwright.async_api.Error: It did not work; it is tried again, and given
                up after a few times.
        """

    async def entered(self, guest: Guest) -> None:
        """Do what is done first in the call: open lists, turn captions on. It may fail."""

    async def in_call(self, guest: Guest, look: PageLook) -> None:
        """Do what is to be done with each look in the call. It may fail."""

    @abstractmethod
    async def leave(self, guest: Guest, state: PageState) -> None:
        """Leave as a person would."""

    async def send_chat(self, guest: Guest, text: str) -> None:
        """Type one message and send it; that it appears is seen by the caller.

        Raises:
            CapabilityMissing: This platform cannot.
            CommandFailed: It cannot be sent.
        """
        raise CapabilityMissing(self.name, Capability.SEND_CHAT)

    async def send_direct_chat(self, guest: Guest, text: str, to: Participant) -> None:
        """Choose one person, type a message and send it; that it appears is seen by the caller.

        What is written to everybody afterwards has to go to everybody again: a client remembers
        whom it was told last.

        Raises:
            CapabilityMissing: This platform cannot.
            RecipientRefused: They cannot be chosen, or not told from others of their name.
            CommandFailed: It cannot be sent.
        """
        raise CapabilityMissing(self.name, Capability.SEND_DIRECT_CHAT)

    def launch_options(self) -> LaunchOptions:
        """Return how the browser is started."""
        return LaunchOptions(tab_capture=True)

    def capture_options(self) -> CaptureOptions | None:
        """Return how the page's sound is captured."""
        return CaptureOptions(web_audio="ready")

    def whose(self, guest: Guest, track: RemoteTrack) -> TrackAppeared | None:
        """Say whose a track is, or None to leave it out."""
        del guest
        return by_track(track)

    def heard(self, guest: Guest, heard: SourceHeard) -> None:
        """Take that a source is heard on a track; only if the capture is asked to tell it."""

    def clean_name(self, name: str) -> str:
        """Return a person's name without the badges that the page glues to it."""
        return name

    def topics(self, guest: Guest) -> Mapping[str, Callable[[Any, float | None], None]]:
        """Return handlers of what the platform's own scripts tell, by topic."""
        del guest
        return {}
