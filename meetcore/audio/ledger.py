"""The ledger, per track and consumer: captured = delivered + withheld + lost.

Audio is counted in samples at 16 kHz, media that passes by in fragments, in ledgers of their own.
"""

from __future__ import annotations

from attrs import define, field

from meetcore.model.events import LedgerEntry

__all__ = ["Account", "Ledger"]


@define(eq=False)
class Account:
    """What one consumer got of one track. Counted in place: it is hot."""

    track_id: str
    consumer: str
    delivered: int = 0
    withheld: int = 0
    lost: int = 0


@define
class Ledger:
    """The accounts of all tracks and consumers of one bot, in one unit."""

    unit: str = "samples"
    captured: dict[str, int] = field(factory=dict)
    _accounts: dict[tuple[str, str], Account] = field(factory=dict)

    def capture(self, track_id: str, amount: int) -> None:
        """Count what exists: it was handed in, or is known never to be."""
        self.captured[track_id] = self.captured.get(track_id, 0) + amount

    def account(self, track_id: str, consumer: str) -> Account:
        """Return the account of one consumer of one track, opening it if need be."""
        key = (track_id, consumer)
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(track_id, consumer)
            self.captured.setdefault(track_id, 0)
        return account

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Return every account beside what was captured, ordered by track and consumer."""
        return tuple(
            LedgerEntry(
                account.track_id,
                account.consumer,
                self.captured[account.track_id],
                account.delivered,
                account.withheld,
                account.lost,
                self.unit,
            )
            for _, account in sorted(self._accounts.items())
        )

    @property
    def balanced(self) -> bool:
        """Whether every account adds up to what was captured."""
        return all(e.captured == e.delivered + e.withheld + e.lost for e in self.entries())
