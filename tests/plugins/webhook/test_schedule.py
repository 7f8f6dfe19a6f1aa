"""What answers mean and when to try again."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from meetcore_webhook.schedule import Verdict, retry_after_s, verdict_of

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def test_retry_after_is_read_as_seconds_or_as_a_date_and_bounded() -> None:
    assert retry_after_s("7", NOW, 60) == 7
    assert retry_after_s("Fri, 20 Nov 2026 12:00:30 GMT", NOW, 60) == 30
    assert retry_after_s("Fri, 20 Nov 2026 11:00:00 GMT", NOW, 60) == 0
    assert retry_after_s("999999999999999999", NOW, 60) == 60
    assert retry_after_s(None, NOW, 60) is None


@given(st.text(max_size=40))
def test_any_retry_after_gives_a_bounded_pause_or_none(header: str) -> None:
    pause = retry_after_s(header, NOW, 60)
    assert pause is None or 0 <= pause <= 60


@given(st.integers(100, 599))
def test_only_2xx_is_a_delivery_and_only_410_ends_it(status: int) -> None:
    verdict = verdict_of(status)
    assert (verdict is Verdict.DELIVERED) == (200 <= status < 300)
    assert (verdict is Verdict.GONE) == (status == 410)


def test_a_redirect_is_no_delivery() -> None:
    assert verdict_of(302) is Verdict.RETRY
