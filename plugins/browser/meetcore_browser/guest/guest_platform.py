"""A platform that is joined through its web client: its pack, its calls, its saved pages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar
from urllib.parse import urlsplit

from meetcore import (
    Call,
    CallEvents,
    CallRequest,
    ConfigError,
    HealthReport,
    MeetingLink,
    Platform,
)
from meetcore_browser.guest.options import BETWEEN_ATTEMPTS_S, GuestOptions
from meetcore_browser.guest.packs import ChosenPack, choose_pack
from meetcore_browser.options import ATTEMPT_SLACK_S

if TYPE_CHECKING:
    from meetcore_browser.guest.joiner import GuestJoiner
    from meetcore_browser.selectors import SelectorPack

__all__ = ["GuestPlatform"]

GuestOptionsT = TypeVar("GuestOptionsT", bound=GuestOptions)


class GuestPlatform(Platform[GuestOptionsT]):
    """Joins the meetings of a web client as a guest.

    A subclass gives the names of its files, and its joiner, whose module it imports only there:
    Playwright comes with it.

    Attributes:
        pack_file: The selector pack that comes with it.
        readers: Its page's readers (see page/observer.js).
        sign_in_url: Where a person signs the bot's own account in; empty where there are none.
        sign_in_hosts: Further hosts whose part of a session it needs, with all below them.
    """

    Options: ClassVar[type] = GuestOptions
    sign_in_url: ClassVar[str] = ""
    sign_in_hosts: ClassVar[tuple[str, ...]] = ()
    pack_file: ClassVar[Path]
    readers: ClassVar[Path]

    def __init__(self, options: GuestOptionsT | None = None) -> None:
        super().__init__(options)
        if self.options.identity and not self.sign_in_url:
            raise ConfigError(
                f"[plugins.{self.name}] identity is set, and no account can be signed in there.",
                "Leave it out: bots go there as guests.",
            )
        if self.options.selectors is not None:
            self.chosen_pack()  # one that cannot be used is said before a bot goes

    @classmethod
    def session_hosts(cls) -> tuple[str, ...]:
        """Return the hosts of which a session is kept: where one signs in, and those named."""
        own = urlsplit(cls.sign_in_url).hostname
        return tuple(dict.fromkeys((*([own] if own else []), *cls.sign_in_hosts)))

    def longest_join_s(self, join_timeout_s: float) -> float:
        """Return how long all attempts may take, with the pauses between them."""
        attempts = max(1, self.options.attempts)
        pauses_s = BETWEEN_ATTEMPTS_S * attempts * (attempts - 1) / 2
        return attempts * (join_timeout_s + ATTEMPT_SLACK_S) + pauses_s

    @abstractmethod
    def make_joiner(self, pack: SelectorPack) -> GuestJoiner:
        """Return the joiner, with this platform's options and that pack."""

    def joiner_for(self, link: MeetingLink, pack: SelectorPack) -> GuestJoiner:
        """Return the joiner for a link, where a platform has several."""
        del link
        return self.make_joiner(pack)

    def chosen_pack(self) -> ChosenPack:
        """Return the pack that this platform uses.

        Raises:
            SelectorPackInvalid: The one that the options name cannot be used.
        """
        return choose_pack(self.name, self.pack_file, self.options.selectors)

    def examine_snapshot(
        self, path: Path, report: HealthReport, redacted_to: Path | None = None
    ) -> None:
        """Say what the pack and the readers make of a saved page."""
        from meetcore_browser.guest.snapshot import examine_snapshot

        pack = self.chosen_pack().pack
        examine_snapshot(path, report, pack, [self.readers], redacted_to)

    @asynccontextmanager
    async def open_call(
        self, link: MeetingLink, request: CallRequest, events: CallEvents
    ) -> AsyncIterator[Call]:
        """Begin to join as a guest."""
        from meetcore_browser.guest.guest_call import open_guest_call

        joiner = self.joiner_for(link, self.chosen_pack().pack)
        async with open_guest_call(joiner, link, request, events, self.capabilities) as call:
            yield call
