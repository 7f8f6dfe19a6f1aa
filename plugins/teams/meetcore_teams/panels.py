"""Which of the client's side panels is open when: people and chat share one place. Pure."""

from __future__ import annotations

from attrs import define, field

__all__ = ["PanelTurns"]

SHOWN_S = 2.5
"""How long the list of people stays open: it is read every second."""
TRY_AGAIN_S = 3.0
OPEN_TRIES = 3
"""How often a button is pressed in a row that opens nothing that is known."""
CAPTIONS_AGAIN_S = 15.0
CAPTIONS_TRIES = 3


@define
class PanelTurns:
    """Decides which button is pressed so that both panels are seen.

    Where the client shows both at once, both are opened and stay. Where it shows one, the list of
    people is opened now and then and the chat is open between.

    Attributes:
        people_every_s: How often the list of people is opened.
    """

    people_every_s: float = 20.0
    _people_s: float | None = field(default=None, init=False)
    _people_since_s: float | None = field(default=None, init=False)
    _pressed_s: float | None = field(default=None, init=False)
    _kept_s: float | None = field(default=None, init=False)
    _in_vain: dict[str, int] = field(factory=dict, init=False)
    _captions_s: float | None = field(default=None, init=False)
    _captions_tries: int = field(default=0, init=False)

    def press(self, now_s: float, *, people: bool, chat: bool) -> str | None:
        """Return which button is to be pressed, if any.

        Args:
            now_s: The time.
            people: Whether the list of people is shown.
            chat: Whether the chat is shown.
        """
        if chat:
            self._in_vain.pop("chat_button", None)
        if people:
            self._in_vain.pop("roster_button", None)
            self._people_since_s = self._people_since_s or now_s
            self._people_s = now_s
        else:
            self._people_since_s = None
        if people and chat:
            return None
        if self._pressed_s is not None and now_s - self._pressed_s < TRY_AGAIN_S:
            return None
        if self._kept_s is not None and now_s - self._kept_s < self.people_every_s / 2:
            return None
        due = self._people_s is None or now_s - self._people_s >= self.people_every_s
        if not people and due and self._may("roster_button", now_s):
            return "roster_button"
        seen = self._people_since_s is not None and now_s - self._people_since_s >= SHOWN_S
        if not chat and (seen or not people) and self._may("chat_button", now_s):
            return "chat_button"
        return None

    def _may(self, button: str, now_s: float) -> bool:
        tries = self._in_vain.get(button, 0)
        if tries >= OPEN_TRIES:
            return False
        self._in_vain[button] = tries + 1
        self._pressed_s = now_s
        return True

    def keep_chat(self, now_s: float) -> None:
        """Leave the panels alone for a while: somebody writes."""
        self._kept_s = now_s

    def captions_due(self, now_s: float) -> bool:
        """Whether to try now to turn captions on; a few times, with pauses between."""
        if self._captions_s is not None and now_s - self._captions_s < CAPTIONS_AGAIN_S:
            return False
        if self._captions_tries >= CAPTIONS_TRIES:
            return False
        self._captions_s = now_s
        self._captions_tries += 1
        return True
