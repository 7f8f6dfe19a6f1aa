"""From one look at a page to the next: what is believed, and when a state has become news. Pure.

A page flickers, a toolbar hides, a look fails. A final state that a page says in words is believed
at once; that a call is over because nothing of it is to be seen any more, only after several looks
and some time. What is not recognised has a short limit of its own: waiting in an unknown place is
how bots stood for a quarter of an hour before a page that nobody had thought of.
"""

from __future__ import annotations

from attrs import define, evolve, field

from meetcore_browser.guest.look import StateSeen
from meetcore_browser.page_state import PageState, is_final

__all__ = ["PASSING_LIMIT_S", "PageFollower"]

PASSING_LIMIT_S = 90.0

_BEFORE = frozenset(
    {
        PageState.LOADING,
        PageState.GETTING_READY,
        PageState.LAUNCHER,
        PageState.PRE_JOIN,
        PageState.PASSCODE_ASKED,
        PageState.CONNECTING,
        PageState.UNKNOWN,
    }
)
_INSIDE = frozenset({PageState.IN_CALL, PageState.RECONNECTING})
_WAITING = frozenset({PageState.WAITING, PageState.WAITING_FOR_HOST})
_PASSING = frozenset({PageState.LOADING, PageState.GETTING_READY, PageState.CONNECTING})
"""What a page goes through by itself, and may be stuck in: also after it let the bot in."""


@define
class PageFollower:
    """Follows the states of one page.

    Attributes:
        unknown_limit_s: How long a page may show nothing that is known.
        passing_limit_s: How long it may load and connect, also once it has let the bot in.
        refused_within_s: A denial that comes sooner after the knock, of a bot that was not seen
            to wait since, is none of a host's; None where the platform refuses nobody by itself.
        misses_needed: How many looks have to miss the call before it is believed to be gone.
        grace_s: How long it has to be missed.
        reconnect_limit_s: How long a call may say that it reconnects.
        state: The state that is believed.
    """

    unknown_limit_s: float = 45.0
    passing_limit_s: float = PASSING_LIMIT_S
    refused_within_s: float | None = None
    misses_needed: int = 3
    grace_s: float = 20.0
    reconnect_limit_s: float = 120.0
    state: PageState = field(default=PageState.LOADING, init=False)
    seen: StateSeen = field(default=StateSeen(PageState.LOADING), init=False)
    knocked_s: float | None = field(default=None, init=False)
    was_inside: bool = field(default=False, init=False)
    _since_s: float | None = field(default=None, init=False)
    _unseen_s: float | None = field(default=None, init=False)
    _waited: bool = field(default=False, init=False)
    _passing_s: float | None = field(default=None, init=False)
    _misses: int = field(default=0, init=False)

    def knocked(self, now_s: float) -> None:
        """Note that 'join' was pressed."""
        self.knocked_s, self._waited = now_s, False

    def forgive(self, now_s: float) -> None:
        """Begin anew to count what is not seen: a person has the page, and goes where they like."""
        self._misses = 0
        if self._passing_s is not None:
            self._passing_s = now_s
        if self._unseen_s is not None:
            self._unseen_s = now_s

    def take(self, seen: StateSeen, now_s: float) -> StateSeen | None:
        """Take one look; return the state if it is another than before, as it is to be told."""
        if is_final(self.state):
            return None
        told = self._believed(seen, now_s)
        if told is None or told.state is self.state:
            told = None
        else:
            self.state, self.seen, self._since_s = told.state, told, now_s
            self.was_inside = self.was_inside or told.state in _INSIDE
            self._waited = self._waited or told.state in _WAITING
        if self.state not in _PASSING:
            self._passing_s = None
        elif self._passing_s is None and seen.state in _PASSING:
            self._passing_s = now_s
        return told

    def _believed(self, seen: StateSeen, now_s: float) -> StateSeen | None:
        if is_final(seen.state):
            return self._final(seen, now_s)
        if self.state in _INSIDE and seen.state in _BEFORE:
            return self._missed(now_s)
        self._misses = 0
        if seen.state is PageState.RECONNECTING:
            return self._reconnecting(seen, now_s)
        if seen.state is not PageState.UNKNOWN:
            self._unseen_s = None
            return seen
        return self._unknown(now_s)

    def _final(self, seen: StateSeen, now_s: float) -> StateSeen:
        if seen.state is PageState.REMOVED and not self.was_inside:
            # Nobody can be put out who was not let in; some pages say both in the same words.
            seen = evolve(seen, state=PageState.DENIED)
        if seen.state is PageState.DENIED and self._unseen_by_all(now_s):
            detail = f"refused within {self.refused_within_s:g} s of the knock: {seen.detail}"
            return StateSeen(PageState.REFUSED, seen.by, detail, seen.about)
        return seen

    def _unseen_by_all(self, now_s: float) -> bool:
        """Whether it is too soon after the knock for anybody in the meeting to have answered."""
        if self.knocked_s is None or self.refused_within_s is None:
            return False
        at_once = now_s - self.knocked_s <= self.refused_within_s
        return at_once and not self._waited and not self.was_inside

    def _missed(self, now_s: float) -> StateSeen | None:
        if self._misses == 0:
            self._unseen_s = now_s
        self._misses += 1
        missing_s = now_s - (self._unseen_s if self._unseen_s is not None else now_s)
        if self._misses < self.misses_needed or missing_s < self.grace_s:
            return None
        detail = f"nothing of the call was to be seen for {missing_s:.0f} s"
        return StateSeen(PageState.CONNECTION_LOST, detail=detail)

    def _reconnecting(self, seen: StateSeen, now_s: float) -> StateSeen | None:
        if self.state is not PageState.RECONNECTING:
            return seen
        if self._since_s is not None and now_s - self._since_s >= self.reconnect_limit_s:
            detail = f"the page tried to reconnect for {self.reconnect_limit_s:g} s"
            return StateSeen(PageState.CONNECTION_LOST, seen.by, detail)
        return None

    def _unknown(self, now_s: float) -> StateSeen | None:
        """One unknown look changes nothing; a stretch of them does, and then has an end."""
        if self._unseen_s is None:
            self._unseen_s = now_s
        return None

    def unknown_for_s(self, now_s: float) -> float:
        """Return how long nothing that is known has been seen, 0 while something is."""
        inside = self.state in _INSIDE
        return 0.0 if self._unseen_s is None or inside else now_s - self._unseen_s

    def passing_for_s(self, now_s: float) -> float:
        """Return how long the page has been loading and connecting, 0 while it is not."""
        return 0.0 if self._passing_s is None else now_s - self._passing_s

    def is_stuck(self, now_s: float) -> bool:
        """Whether the page has been loading and connecting for longer than it may."""
        return self.passing_for_s(now_s) >= self.passing_limit_s

    def lost_its_way(self, now_s: float) -> bool:
        """Whether the page has shown nothing that is known for longer than it may."""
        return self.unknown_for_s(now_s) >= self.unknown_limit_s
