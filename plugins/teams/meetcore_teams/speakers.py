"""Who speaks in a Teams call, of several witnesses the one that is trusted most. Pure.

In this order: the client's own history of dominant speakers, the contributing sources of the mix,
the rings around the tiles, the captions. Each may say nothing in a meeting, and the first may be
stuck on one person for good. So the best that has said something is believed, until a lesser one
has seen several people change while it stood still.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from attrs import define, field

from meetcore import NameSource, SpeakingIndicated

__all__ = ["SpeakerChoice", "Witness"]

STUCK_S = 20.0
STUCK_TURNS = 3
BRIEFLY_S = 3.0


class Witness(IntEnum):
    """Who says that somebody speaks, the most trusted first."""

    DOMINANT = 0
    SOURCES = 1
    RING = 2
    CAPTIONS = 3


_SOURCE = {
    Witness.DOMINANT: NameSource.ACTIVE_SPEAKER,
    Witness.SOURCES: NameSource.CONTRIBUTING_SOURCE,
    Witness.RING: NameSource.ACTIVE_SPEAKER,
    Witness.CAPTIONS: NameSource.CAPTION,
}
_LAG_S = {Witness.RING: 0.2, Witness.CAPTIONS: 1.2}


@define
class _Testimony:
    """What one witness said so far."""

    speaking: frozenset[str] = frozenset()
    turned_s: float = 0.0
    turns: list[tuple[float, str]] = field(factory=list)
    told: bool = False


@define
class SpeakerChoice:
    """Takes what the witnesses say; gives what is to be believed of it.

    Attributes:
        believed: Who is believed now, None before anybody said anything.
    """

    believed: Witness | None = field(default=None, init=False)
    _accounts: dict[Witness, _Testimony] = field(factory=dict, init=False)
    _shown: frozenset[str] = field(default=frozenset(), init=False)

    def take(
        self, witness: Witness, ids: Iterable[str], now_s: float, at_s: float | None
    ) -> list[SpeakingIndicated]:
        """Take all that a witness says to speak now; return what changed.

        Args:
            witness: Who says so.
            ids: The people's ids.
            now_s: The host's clock.
            at_s: The sound's clock.
        """
        speaking = frozenset(ids)
        account = self._accounts.setdefault(witness, _Testimony())
        if speaking != account.speaking or not account.told:
            account.turns += [(now_s, one) for one in sorted(speaking - account.speaking)]
            account.turns = account.turns[-20:]
            account.speaking, account.turned_s = speaking, now_s
        account.told = account.told or bool(speaking)
        self.believed = self._choose(now_s)
        if self.believed is None:
            return []
        shown = self._accounts[self.believed].speaking
        lag_s = _LAG_S.get(self.believed, 0.0)
        when = None if at_s is None else max(0.0, at_s - lag_s)
        source = _SOURCE[self.believed]
        over = [SpeakingIndicated(one, False, source, at_s=when) for one in self._shown - shown]
        begun = [SpeakingIndicated(one, True, source, at_s=when) for one in shown - self._shown]
        self._shown = shown
        return sorted(over, key=_who) + sorted(begun, key=_who)

    def speaking(self, now_s: float) -> set[str]:
        """Return who is shown to speak at this moment.

        A dominant speaker stays one while nobody speaks, so it counts for a moment only.
        """
        if self.believed is None:
            return set()
        account = self._accounts[self.believed]
        if self.believed is Witness.DOMINANT and now_s - account.turned_s > BRIEFLY_S:
            return set()
        return set(account.speaking)

    def _choose(self, now_s: float) -> Witness | None:
        told = sorted(witness for witness, account in self._accounts.items() if account.told)
        for n, witness in enumerate(told):
            lesser = [self._accounts[other] for other in told[n + 1 :]]
            if not any(self._outdone(self._accounts[witness], other, now_s) for other in lesser):
                return witness
        return told[-1] if told else None

    def _outdone(self, account: _Testimony, other: _Testimony, now_s: float) -> bool:
        """Whether a lesser witness saw several people take turns while this one stood still."""
        if now_s - account.turned_s < STUCK_S:
            return False
        since = [who for at_s, who in other.turns if at_s > account.turned_s]
        return len(since) >= STUCK_TURNS and len(set(since)) >= 2


def _who(signal: SpeakingIndicated) -> str:
    return signal.participant_id
