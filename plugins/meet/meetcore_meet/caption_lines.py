"""Which line of captions a text belongs to, where it comes two ways. Pure.

The page shows a line a moment before or after the service tells it. Until the service has told one,
what the page shows is taken; the line that was growing then goes on under the key it had.
"""

from __future__ import annotations

from attrs import define, field

__all__ = ["CaptionLines"]


def _bare(text: str) -> str:
    """Return a text without what the two ways write differently: case, punctuation, spaces."""
    return "".join(c for c in text.casefold() if c.isalnum())


@define
class CaptionLines:
    """The lines of one attempt."""

    _shown: dict[str, tuple[str, str]] = field(factory=dict)
    _keys: dict[tuple[str, str], str] = field(factory=dict)

    def show(self, name: str, key: str, text: str) -> None:
        """Take a line as the page shows it; the newest of each person counts."""
        self._shown[name] = key, _bare(text)

    def key_of(self, device: str, name: str, key: str, text: str) -> str:
        """Return the key of a line that the service tells.

        Args:
            device: Whose it is.
            name: What the page calls them.
            key: The service's key.
            text: What it says so far.
        """
        line = device, key
        if name in self._shown and line not in self._keys:
            shown_key, shown = self._shown.pop(name)
            told = _bare(text)
            if shown and (told.startswith(shown) or shown.startswith(told)):
                self._keys[line] = shown_key
        return self._keys.get(line, key)
