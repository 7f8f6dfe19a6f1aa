"""A link, and what of it may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.meeting import MeetingLink, without_query


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/r/1?pwd=a#b", "https://x.example/r/1"),
        ("https://ada:pw@x.example:8443/r", "https://x.example:8443/r"),
        ("sim:meeting", "sim:meeting"),
        ("", ""),
    ],
)
def test_what_is_shown_has_no_user_query_or_fragment(url, shown):
    assert without_query(url) == shown


@given(secret=st.text("abcdef0123456789", min_size=8))
def test_neither_text_nor_public_url_of_a_link_shows_a_secret(secret):
    link = MeetingLink(
        platform="p", native_id="n", url=f"https://u:{secret}@x.example/r?k={secret}#{secret}",
        passcode=secret,
    )  # fmt: skip
    assert secret not in f"{link!r} {link} {link.public_url}"
    assert secret in link.url
