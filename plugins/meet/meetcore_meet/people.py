"""Who is in the meeting, from what the service tells and what the page shows. Pure.

The service tells of each who comes, and lists everybody about once a minute; only that list says
for certain who left. The page shows tiles, of which some may be out of sight, or the panel of
people, which is whole. What the service told counts as long as it goes on telling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define, evolve, field

from meetcore_meet.meeting_space import SpacePerson

__all__ = ["MeetPeople"]

BELIEVED_S = 150.0
"""How long the service may keep silent before the page alone is believed: two lists and a half."""
SHOWN_S = 30.0
"""How long the page's last whole list is believed while it shows only some, the panel closed."""


@define
class MeetPeople:
    """The people of one meeting.

    Attributes:
        display_name: What the bot calls itself there.
    """

    display_name: str
    _told: dict[str, SpacePerson] = field(factory=dict)
    _muted: dict[str, bool] = field(factory=dict)
    _told_s: float | None = None
    _shown: dict[str, dict[str, Any]] = field(factory=dict)
    _shown_s: float | None = None
    _trouble: str = ""
    _trouble_s: float | None = None

    def tell(self, people: Iterable[SpacePerson], now_s: float, *, whole: bool = False) -> None:
        """Take what the service told, `whole` where it listed everybody."""
        people = tuple(people)
        if whole:
            listed = {person.id for person in people}
            for each in self._told.values():
                if each.id not in listed and each.present is not False:
                    self._told[each.id] = evolve(each, present=False)
        for person in people:
            before = self._told.get(person.id)
            if before is not None:
                person = evolve(
                    person,
                    name=person.name or before.name,
                    present=before.present if person.present is None else person.present,
                    is_self=person.is_self or before.is_self,
                    parent=person.parent or before.parent,
                )
            self._told[person.id] = person
        if people:
            self._told_s = now_s

    def tell_muted(self, muted: Iterable[tuple[str, bool]]) -> None:
        """Take whose sound the service says to be switched off, or on."""
        self._muted.update(muted)

    def show(self, data: Any, now_s: float) -> None:
        """Take what the page shows: a list as page/readers.js gives it, or why there is none."""
        if isinstance(data, list):
            entries = [entry for entry in data if isinstance(entry, dict)]
            shown = {self.known(str(entry.get("id", ""))): entry for entry in entries}
            self._shown = {key: {**entry, "id": key} for key, entry in shown.items()}
            self._shown_s = now_s
            self._trouble = ""
        elif isinstance(data, Mapping):
            self._trouble_s = now_s
            self._trouble = str(data.get("error", "the people cannot be read"))

    def told_lately(self, now_s: float) -> bool:
        """Whether what the service tells is believed now."""
        return self._told_s is not None and now_s - self._told_s <= BELIEVED_S

    def known(self, shown_id: str) -> str:
        """Return the id by which the service calls a device that the page shows, if it does.

        The two may differ in what stands before the device's own part.
        """
        if shown_id in self._told:
            return shown_id
        tail = _tail(shown_id)
        return next((told for told in self._told if _tail(told) == tail), shown_id)

    def crowded(self, now_s: float) -> bool:
        """Whether more people are there than tiles, so that only the panel shows everybody."""
        return self._trouble_s is not None and now_s - self._trouble_s <= 2 * SHOWN_S

    def is_person(self, device: str) -> bool:
        """Whether a device is a person's, and not a shared screen."""
        person = self._told.get(device)
        return person is None or person.parent is None

    def name_of(self, device: str) -> str:
        """Return a name as it was told or shown, empty if none was."""
        person = self._told.get(device)
        if person is not None and person.name:
            return person.name
        return str(self._shown.get(device, {}).get("name", ""))

    def self_id(self, now_s: float) -> str | None:
        """Return which of them the bot is, if exactly one can be."""
        told = self._present() if self.told_lately(now_s) else []
        shown = list(self._shown.values())
        for found in (
            [each.id for each in told if each.is_self],
            [str(each["id"]) for each in shown if each.get("self") is True],
            [each.id for each in told if each.name == self.display_name],
            [str(each["id"]) for each in shown if each.get("name") == self.display_name],
        ):
            if len(found) == 1:
                return found[0]
        return None

    def _present(self) -> list[SpacePerson]:
        return [p for p in self._told.values() if p.present is not False and p.parent is None]

    def listed(self, now_s: float) -> list[dict[str, Any]] | dict[str, str] | None:
        """Return everybody, as a reader would; or why that cannot be said; None for nothing yet."""
        own = self.self_id(now_s)
        if not self.told_lately(now_s):
            lately = self._shown_s is not None and now_s - self._shown_s <= SHOWN_S
            if self._trouble and not lately:
                return {"error": self._trouble}
            if not self._shown:
                return None
            return [{**entry, "self": key == own} for key, entry in self._shown.items()]
        entries: dict[str, dict[str, Any]] = {
            person.id: {
                **self._shown.get(person.id, {}),
                "id": person.id,
                "name": person.name or self.name_of(person.id),
                "host": person.is_host or self._shown.get(person.id, {}).get("host") is True,
                "self": person.id == own,
                "muted": self._muted.get(person.id),
            }
            for person in self._present()
        }
        # Who is shown and was never told of came just now; who was told to be out is on the way.
        # Where nobody is known by both, the page counts otherwise, and everybody would be two.
        alike = any(key in self._told for key in self._shown)
        for key, entry in self._shown.items():
            if alike and key not in self._told:
                entries[key] = {**entry, "self": key == own}
        return list(entries.values())


def _tail(device: str) -> str:
    return device.rpartition("/")[2]
