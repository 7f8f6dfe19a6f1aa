"""What a page's readers told, turned into signals: people, speakers, chat, captions, screens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import trio
from attrs import define, field, frozen

from meetcore import (
    CaptionSeen,
    ChatArrived,
    Participant,
    RosterHealth,
    RosterSeen,
    ShareSeen,
    SpeakingIndicated,
)
from meetcore_browser.guest.joiner import Guest, GuestJoiner

__all__ = ["ObservedCall", "OwnMessage"]

MAX_NAME_CHARS = 200
MAX_ID_CHARS = 40
MAX_TEXT_CHARS = 20_000
CONFIRMED_AFTER_S = 1.5
"""How long a list has to have stood unchanged: the page tells it only when it changes."""


@frozen
class OwnMessage:
    """A message of the bot's own as it appeared; `to` is the name of whom alone it is for."""

    text: str
    to: str | None = None


@define
class ObservedCall:
    """Takes what one page's readers tell. All methods run on the Trio thread and return at once.

    Attributes:
        joiner: The platform.
        guest: The attempt whose page it is.
        own_messages: The bot's own chat messages as they appeared, by id.
    """

    joiner: GuestJoiner
    guest: Guest
    own_messages: dict[str, OwnMessage] = field(factory=dict)
    _speaking: set[str] = field(factory=set)
    _shares: dict[str, str | None] = field(factory=dict)
    _listed: RosterSeen | None = None
    _confirm_s: float | None = None
    _changed: trio.Event = field(factory=trio.Event)

    async def changed(self) -> None:
        """Return when another chat message was seen."""
        await self._changed.wait()

    def on_people(self, data: Any, at_s: float | None) -> None:
        """Take the whole list of people as the page shows it."""
        del at_s
        if isinstance(data, dict):
            self.guest.events.observe(RosterHealth(False, str(data.get("error", ""))[:300]))
            return
        people = [self._participant(entry) for entry in _entries(data)]
        own = [person.id for person in people if person.is_self]
        self.guest.people = {person.id: person for person in people}
        self._listed = RosterSeen(tuple(people), own[0] if len(own) == 1 else None)
        self._confirm_s = trio.current_time() + CONFIRMED_AFTER_S
        self.guest.events.observe(self._listed)

    def confirm_people(self) -> None:
        """Tell a list once more that has not changed since: one alone proves nobody's leaving."""
        if self._listed is None or self._confirm_s is None:
            return
        if trio.current_time() >= self._confirm_s:
            self._confirm_s = None
            self.guest.events.observe(self._listed)

    def _participant(self, entry: dict[str, Any]) -> Participant:
        muted = entry.get("muted")
        return Participant(
            id=str(entry.get("id", "")),
            name=self.joiner.clean_name(str(entry.get("name", "")))[:MAX_NAME_CHARS],
            is_bot=entry.get("bot") is True or entry.get("self") is True,
            is_self=entry.get("self") is True,
            is_host=entry.get("host") is True,
            muted=muted if isinstance(muted, bool) else None,
        )

    def on_speakers(self, data: Any, at_s: float | None) -> None:
        """Take the ids of all who speak now."""
        if not isinstance(data, list):
            return
        own = {person.id for person in self.guest.people.values() if person.is_self}
        speaking = {str(one) for one in data} - own
        when = None if at_s is None else max(0.0, at_s - self.joiner.speakers_lag_s)
        for person_id in sorted(speaking ^ self._speaking):
            self.guest.events.observe(
                SpeakingIndicated(
                    person_id, person_id in speaking, self.joiner.name_source, at_s=when
                )
            )
        self._speaking = speaking
        self.guest.speaking = speaking

    def on_chat(self, data: Any, at_s: float | None) -> None:
        """Take the messages that the page shows; those that were told before say nothing new."""
        del at_s
        for entry in _entries(data):
            own, text = entry.get("own") is True, str(entry.get("text", ""))[:MAX_TEXT_CHARS]
            direct = entry.get("direct") is True
            to_name = self.joiner.clean_name(str(entry.get("to", "")))[:MAX_NAME_CHARS]
            if own:
                appeared = OwnMessage(text, to_name if direct else None)
                self.own_messages[str(entry.get("id", ""))] = appeared
            sender = entry.get("sender")
            name = self.joiner.clean_name(str(entry.get("name", "")))[:MAX_NAME_CHARS]
            self.guest.events.observe(
                ChatArrived(
                    message_id=str(entry.get("id", "")),
                    sender_id=self._id_of(name) if sender is None else str(sender),
                    sender_name=name,
                    text=text,
                    by_bot=own,
                    direct=direct,
                    to_id=self._id_of(to_name) if direct else None,
                    to_name=to_name if direct else "",
                )
            )
        self._changed.set()
        self._changed = trio.Event()

    def on_shares(self, data: Any, at_s: float | None) -> None:
        """Take the screens that are shared now; the bot's own is not told."""
        del at_s
        own = {person.id for person in self.guest.people.values() if person.is_self}
        shares: dict[str, str | None] = {}
        for entry in _entries(data):
            by = entry.get("by")
            who = None if by is None else str(by)[:MAX_NAME_CHARS]
            if who not in own:
                shares[str(entry.get("share", ""))[:MAX_ID_CHARS]] = who
        for share_id in [known for known in self._shares if known not in shares]:
            self.guest.events.observe(ShareSeen(share_id, self._shares[share_id], False))
        for share_id, who in shares.items():
            if share_id not in self._shares:
                self.guest.events.observe(ShareSeen(share_id, who, True))
        self._shares = shares

    def on_captions(self, data: Any, at_s: float | None) -> None:
        """Take the lines of captions as they stand now."""
        for entry in _entries(data):
            name = self.joiner.clean_name(str(entry.get("name", "")))[:MAX_NAME_CHARS]
            who = entry.get("id")
            self.guest.events.observe(
                CaptionSeen(
                    self._id_of(name) if who is None else str(who),
                    name,
                    str(entry.get("text", ""))[:MAX_TEXT_CHARS],
                    at_s,
                    entry.get("final") is True,
                    str(entry.get("key", "")),
                )
            )

    def _id_of(self, name: str) -> str | None:
        """Return who has this name, if exactly one person has: a wrong one is worse than none."""
        found = [person.id for person in self.guest.people.values() if person.name == name]
        return found[0] if len(found) == 1 else None


def _entries(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, list):
        yield from (entry for entry in data if isinstance(entry, dict))
