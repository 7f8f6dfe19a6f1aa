"""What one attempt to attend has learned of its call: people, voices, chat. No page, no waiting."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from math import inf
from typing import Any

from attrs import define, evolve, field

from meetcore import TrackIdentified
from meetcore_browser.capture import SourceHeard
from meetcore_browser.guest.joiner import Guest
from meetcore_meet.caption_lines import CaptionLines
from meetcore_meet.chat import ChatMerge
from meetcore_meet.meeting_space import (
    SpaceMessage,
    SpaceUpdate,
    read_captions,
    read_collections,
    read_speakers,
    read_sync,
)
from meetcore_meet.names import clean_name, is_presentation
from meetcore_meet.people import MeetPeople
from meetcore_meet.slots import SlotOwners

__all__ = ["MeetVisit"]

_OWN = ("*own*",)
SPEAKERS_LAG_S = 0.2
"""How much later than the sound a tile shows that somebody speaks."""


@define
class MeetVisit:
    """One attempt. Its methods run on the Trio thread and return at once.

    Attributes:
        guest: The attempt's page, and where its signals go.
        now_s: The clock of the last look, in seconds.
        pressed_s: When the button to join was pressed, on that clock.
        elsewhere_s: Since when the page offers nothing but to move the account's call here.
        heard: Whether any source was heard on the call's tracks.
        wire_captions: Whether captions come from the service itself.
        wire_speakers: Whether the service itself tells who speaks.
        since_s: Since when it is in the call.
        chat_s: When the chat's panel was last seen or opened.
        panel_s: When a panel was last opened.
    """

    guest: Guest
    now_s: float = 0.0
    pressed_s: float | None = None
    elsewhere_s: float | None = None
    since_s: float | None = None
    chat_s: float = 0.0
    panel_s: float = -inf
    heard: bool = False
    wire_captions: bool = False
    wire_speakers: bool = False
    people: MeetPeople = field(init=False)
    owners: SlotOwners = field(factory=SlotOwners)
    chats: ChatMerge = field(factory=ChatMerge)
    lines: CaptionLines = field(factory=CaptionLines)
    _speaking: set[str] = field(factory=set)
    _listed: Any = None
    _twice: bool = False

    def __attrs_post_init__(self) -> None:
        self.people = MeetPeople(self.guest.request.display_name)

    # --- what the page shows ------------------------------------------------------------

    def on_people(self, data: Any, at_s: float | None) -> None:
        """Take the people that the page shows."""
        del at_s
        self.people.show(_without_presentations(data), self.now_s)
        self.tell_people()

    def tell_people(self, *, again: bool = False) -> None:
        """Tell who is there; `again` also if nothing changed, since one list proves no leave."""
        if not self.guest.follower.was_inside:
            return
        listed = self.people.listed(self.now_s)
        if listed is None or (listed == self._listed and not (again and self._twice)):
            return
        self._twice = listed != self._listed
        self._listed = listed
        self.guest.takes["people"](listed, None)

    def on_speakers(self, data: Any, at_s: float | None) -> None:
        """Take who is shown to speak: for the mix of all, or to learn whose a track is."""
        if isinstance(data, list):
            data = [self.people.known(str(each)) for each in data]
        self._somebody(data)
        if self.mixed:
            if not self.wire_speakers:
                self.guest.takes["speakers"](data, at_s)
        elif isinstance(data, list) and at_s is not None:
            own = self.people.self_id(self.now_s)
            people = [each for each in data if each != own]
            self._told(self.owners.speaking(people, max(0.0, at_s - SPEAKERS_LAG_S)))

    def _somebody(self, speakers: Any) -> None:
        if isinstance(speakers, list):
            self.guest.speaking = set(speakers) - {self.people.self_id(self.now_s)}

    def on_chat(self, data: Any, at_s: float | None) -> None:
        """Take the messages that the page shows."""
        for entry in data if isinstance(data, list) else ():
            if isinstance(entry, dict):
                self._said("page", entry, at_s)

    def _said(self, way: str, entry: dict[str, Any], at_s: float | None) -> None:
        name = clean_name(str(entry.get("name", "")))
        own = entry.get("own") is True or self._is_own_name(name)
        entry = {**entry, "name": self.guest.request.display_name if own else name, "own": own}
        key = _OWN[0] if own else entry["name"]
        if self.chats.is_new(way, str(entry.get("id", "")), key, str(entry.get("text", ""))):
            self.guest.takes["chat"]([entry], at_s)

    def _is_own_name(self, name: str) -> bool:
        """Whether a name can only be the bot's: nobody else is called that."""
        if name != self.guest.request.display_name:
            return False
        others = [person for person in self.guest.people.values() if not person.is_self]
        return all(person.name != name for person in others)

    def on_captions(self, data: Any, at_s: float | None) -> None:
        """Take the captions that the page shows, unless the service gives them itself."""
        if self.wire_captions:
            return
        self.guest.takes["captions"](data, at_s)
        if not isinstance(data, list) or not data:
            return
        for entry in data:
            if isinstance(entry, dict):
                name = clean_name(str(entry.get("name", "")))
                self.lines.show(name, str(entry.get("key", "")), str(entry.get("text", "")))
        if at_s is None:
            return
        newest = data[-1].get("name") if isinstance(data[-1], dict) else None
        if newest is not None and (who := self._one_called(clean_name(str(newest)))):
            self._told(self.owners.caption(who, at_s))

    def _one_called(self, name: str) -> str | None:
        found = [each.id for each in self.guest.people.values() if each.name == name]
        return found[0] if len(found) == 1 else None

    # --- what the service tells ---------------------------------------------------------

    def on_channel(self, data: Any, at_s: float | None) -> None:
        """Take a message of a datachannel; what cannot be read is passed over."""
        if not isinstance(data, dict):
            return
        try:
            raw = base64.b64decode(str(data.get("bytes", "")), validate=True)
        except (binascii.Error, ValueError):
            return
        label = data.get("label")
        if label == "collections":
            self.take_update(read_collections(raw), at_s)
        elif label == "captions":
            self._wire_captions(raw, at_s)
        elif label == "dcrpc":
            self._wire_speakers(raw, at_s)

    def take_sync(self, text: str) -> None:
        """Take an answer of the service's list of everybody."""
        self.take_update(read_sync(text), None, whole=True)

    def take_update(self, update: SpaceUpdate, at_s: float | None, *, whole: bool = False) -> None:
        """Take what the service told its client."""
        if not update:
            return
        self.people.tell(update.people, self.now_s, whole=whole and bool(update.people))
        self.people.tell_muted(update.muted)
        devices = {
            stream.source: stream.device if self.people.is_person(stream.device) else None
            for stream in update.streams
        }
        self._told(self.owners.streams(devices))
        self.tell_people()
        for message in update.messages:
            self._wire_message(message, at_s)

    def _wire_message(self, message: SpaceMessage, at_s: float | None) -> None:
        own = message.device == self.people.self_id(self.now_s)
        entry = {
            "id": message.id,
            "sender": message.device,
            "name": self.people.name_of(message.device),
            "text": message.text,
            "own": own,
        }
        self._said("service", entry, at_s)

    def _wire_captions(self, raw: bytes, at_s: float | None) -> None:
        lines = read_captions(raw)
        self.wire_captions = self.wire_captions or bool(lines)
        entries = [
            {
                "id": line.device,
                "key": self.lines.key_of(
                    line.device, self.people.name_of(line.device), line.key, line.text
                ),
                "name": self.people.name_of(line.device),
                "text": line.text,
                "final": line.final,
            }
            for line in lines
        ]
        if entries and self.guest.request.captions:
            self.guest.takes["captions"](entries, at_s)
        for line in lines if at_s is not None else ():
            self._told(self.owners.caption(line.device, at_s or 0.0))

    def _wire_speakers(self, raw: bytes, at_s: float | None) -> None:
        for device, speaks in read_speakers(raw).items():
            (self._speaking.add if speaks else self._speaking.discard)(device)
            self.wire_speakers = True
        self._somebody(sorted(self._speaking))
        if self.mixed and self.wire_speakers:
            self.guest.takes["speakers"](sorted(self._speaking), at_s)

    # --- voices -------------------------------------------------------------------------

    @property
    def mixed(self) -> bool:
        """Whether everybody is heard on one track."""
        tracks = self.guest.page.page.capture.tracks
        return not self.heard and any(track.peer_connection == 0 for track in tracks)

    def on_source(self, heard: SourceHeard) -> None:
        """Take which source is heard on a track."""
        self.heard = True
        self._told(self.owners.heard(heard.track_id, heard.source, heard.at_s, active=heard.active))

    def _told(self, signals: Iterable[TrackIdentified]) -> None:
        own = self.people.self_id(self.now_s)
        for signal in signals:
            if own is not None and signal.participant_id == own:
                signal = evolve(signal, participant_id=None)
            self.guest.events.observe(signal)


def _without_presentations(data: Any) -> Any:
    if not isinstance(data, list):
        return data
    return [
        {**entry, "name": clean_name(str(entry.get("name", "")))}
        for entry in data
        if isinstance(entry, dict) and not is_presentation(str(entry.get("name", "")))
    ]
