"""The account of audio."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetcore.audio.ledger import Ledger

amounts = st.integers(0, 10**9)


@given(delivered=amounts, withheld=amounts, lost=amounts, missing=amounts)
def test_it_balances_exactly_when_everything_is_accounted_for(delivered, withheld, lost, missing):
    ledger = Ledger()
    assert ledger.balanced
    account = ledger.account("t", "recorder")
    account.delivered, account.withheld, account.lost = delivered, withheld, lost
    ledger.capture("t", delivered + withheld)
    ledger.capture("t", lost + missing)
    assert ledger.balanced == (missing == 0)


def test_accounts_are_one_per_track_and_consumer_and_listed_in_order():
    ledger = Ledger()
    assert ledger.account("b", "x") is ledger.account("b", "x")
    ledger.account("a", "y").delivered = 5
    ledger.account("a", "x")
    ledger.capture("a", 5)
    assert [(e.track_id, e.consumer, e.captured, e.delivered) for e in ledger.entries()] == [
        ("a", "x", 5, 0),
        ("a", "y", 5, 5),
        ("b", "x", 0, 0),
    ]
