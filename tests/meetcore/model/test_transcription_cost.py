"""What transcription used and cost: added up per transcriber and currency, and told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore import BotHistory, TranscriberUsage, TranscriptionCost
from meetcore.cli.running import usage_lines


def usage(transcriber="openai", **more):
    return TranscriberUsage(
        transcriber=transcriber, track_id="a", audio_s=10.0, open_s=20.0, **more
    )


def test_usage_is_added_up_for_each_transcriber_and_currency():
    account = TranscriptionCost()
    for event in (
        usage(billed_s=12.0, cost=0.02, currency="USD"),
        usage(billed_s=6.0, cost=0.01, currency="USD"),
        usage("eu", billed_s=1.0, cost=0.5, currency="EUR"),
        usage("whisper"),
    ):
        account.take(event)
    total = account.totals["openai"]
    assert (total.streams, total.audio_s, total.open_s, total.billed_s) == (2, 20.0, 40.0, 18.0)
    assert account.totals["whisper"].billed_s is None
    assert account.costs == {"USD": pytest.approx(0.03), "EUR": 0.5}


def test_a_bots_history_has_it():
    history = BotHistory()
    history.take(usage(cost=1.0, currency="USD"))
    assert history.transcription_cost.costs == {"USD": 1.0}


@given(st.permutations([0.01, 0.02, 0.03, None]))
def test_the_order_makes_no_difference(costs):
    account = TranscriptionCost()
    for cost in costs:
        account.take(usage(cost=cost, currency="USD"))
    assert account.costs["USD"] == pytest.approx(0.06)
    assert account.totals["openai"].streams == 4


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ([], []),
        ([usage("whisper")], []),
        (
            [usage(cost=0.0123, currency="USD"), usage("whisper")],
            ["transcribed: 10.0 s by openai (0.0123 USD), 10.0 s by whisper"],
        ),
    ],
)
def test_the_closing_line_is_there_where_it_says_something(events, lines):
    account = TranscriptionCost()
    for event in events:
        account.take(event)
    assert usage_lines(account) == lines
