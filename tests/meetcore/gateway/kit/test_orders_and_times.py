"""Small things that every dialect does: times, notes, choices, signatures."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone

import pytest
from attrs import frozen

from meetcore.gateway import (
    format_ms,
    hmac_sha256,
    note_headers,
    parse_utc,
    still_to_come,
    with_choices,
)

NOW = datetime(2026, 1, 5, 9, 30, 0, 123_999, tzinfo=UTC)


def test_a_time_without_a_zone_is_in_utc():
    assert parse_utc("2026-01-05 09:30:00") == parse_utc("2026-01-05T10:30:00+01:00")
    assert parse_utc("2026-01-05T09:30:00z").utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "soon", "0001-01-01T00:00:00+12:00", "2026-13-01"])
def test_what_is_no_time_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_utc(text)


def test_a_time_is_written_to_the_millisecond_in_utc():
    there = NOW.astimezone(timezone(timedelta(hours=5)))
    assert format_ms(there) == format_ms(NOW) == "2026-01-05T09:30:00.123Z"


def test_a_time_that_has_passed_means_now():
    assert still_to_come(None, NOW) is still_to_come(NOW, NOW) is None
    later = NOW + timedelta(seconds=1)
    assert still_to_come(later, NOW) == later


def test_notes_stand_in_a_header_that_any_client_can_read():
    assert note_headers(None) == note_headers() == {}
    assert note_headers("Ää listens.", None, "Two.") == {"X-Meetcore-Note": "?? listens. Two."}


@frozen
class Shown:
    name: str = "a"
    extended: bool = False
    limit: int = 3


def test_a_user_chooses_on_top_of_the_operator():
    settings = {"name": "b", "extended": 1, "limit": True, "other": "x", "secret": "y"}
    assert with_choices(Shown(), settings) == Shown(name="b")
    assert with_choices(Shown(extended=True), {"extended": False, "limit": 4}) == Shown(limit=4)


def test_a_signature_is_over_all_parts():
    expected = hmac.new(b"s", b"1.body", hashlib.sha256).hexdigest()
    assert hmac_sha256("s", b"1", b".", b"body") == f"sha256={expected}"
