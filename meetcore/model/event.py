"""What every entry of a journal is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from attrs import field, frozen

from meetcore.model.plain import NO_TIME, data_of, format_time, to_json

__all__ = [
    "Event",
    "UnknownEvent",
]


class _WithJson:
    """Has room for the JSON of an event, beside the fields that make it what it is."""

    __slots__ = ("_json",)
    _json: str


@frozen(kw_only=True)
class Event(_WithJson):
    """Root of all events. The journal fills in `bot_id`, `seq`, `at` and `meeting_s`."""

    type: ClassVar[str]
    bot_id: str = ""
    seq: int = 0
    at: datetime = NO_TIME
    meeting_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, as it is on the wire, in a webhook and in the journal."""
        return {
            "type": self.type,
            "seq": self.seq,
            "bot_id": self.bot_id,
            "at": format_time(self.at),
            "meeting_s": self.meeting_s,
            "data": data_of(self),
        }

    def to_json(self) -> str:
        """Return `to_dict` as a line of JSON; it is made once, however many it is sent to."""
        try:
            return self._json
        except AttributeError:
            return self.remember_json(to_json(self.to_dict()))

    def remember_json(self, text: str) -> str:
        """Have `to_json` return the text that the event was read from; return it."""
        object.__setattr__(self, "_json", text)
        return text


@frozen(kw_only=True)
class UnknownEvent(Event):
    """An entry of a type this version does not know, kept as it was read."""

    type: ClassVar[str] = "unknown"
    type_name: str
    data: dict[str, object] = field(factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, as it was read."""
        return {**super().to_dict(), "type": self.type_name, "data": self.data}
