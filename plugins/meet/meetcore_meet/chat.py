"""A message that comes by two ways is told once. Pure."""

from __future__ import annotations

from collections import Counter

from attrs import define, field

from meetcore_meet.names import plain_text

__all__ = ["ChatMerge"]


@define
class ChatMerge:
    """Takes the messages of several ways, each with ids of its own.

    Two ways number the same message differently, and one may have begun to look later. So the n-th
    message that somebody wrote with the same words is the same message on each of them.
    """

    _seen: dict[str, set[str]] = field(factory=dict)
    _counts: dict[str, Counter[tuple[str, str]]] = field(factory=dict)
    _told: Counter[tuple[str, str]] = field(factory=Counter)

    def is_new(self, way: str, message_id: str, name: str, text: str) -> bool:
        """Whether a message is to be told; each is to be asked for once it is seen, in order."""
        seen = self._seen.setdefault(way, set())
        if message_id in seen:
            return False
        seen.add(message_id)
        key = (_alike(name), _alike(text))
        count = self._counts.setdefault(way, Counter())
        count[key] += 1
        if count[key] <= self._told[key]:
            return False
        self._told[key] += 1
        return True


def _alike(text: str) -> str:
    return plain_text(text).replace("’", "'")
