"""Links of rehearsal rooms: ours on any host, others' never; the passcode never in the URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore_rehearsal.links import LINK_EXAMPLES, parse_link
from meetcore_rehearsal.site import new_room_id


@pytest.mark.parametrize(
    ("url", "native_id", "opened"),
    [
        ("http://127.0.0.1:8765/r/mc-blue-door", "mc-blue-door", None),
        ("https://meet.example.org/r/mc-a", "mc-a", None),
        ("http://[::1]:80/r/mc-a-b-c/", "mc-a-b-c", "http://[::1]:80/r/mc-a-b-c"),
        (" http://HOST:1/r/mc-a1 ", "mc-a1", "http://host:1/r/mc-a1"),
    ],
)
def test_a_link_of_ours_is_known_on_any_host(url: str, native_id: str, opened: str | None) -> None:
    link = parse_link(url)
    assert link is not None
    assert link.platform == "rehearsal"
    assert link.native_id == native_id
    assert link.url == (opened or url)


@pytest.mark.parametrize(
    "url",
    [
        "https://meet.google.com/abc-defg-hij",
        "https://zoom.us/j/123",
        "https://www.reddit.com/r/python",
        "https://example.org/r/blue-door",
        "http://127.0.0.1:8765/r/mc-",
        "http://127.0.0.1:8765/r/mc-Blue",
        "http://127.0.0.1:8765/r/mc-a/socket",
        "ftp://127.0.0.1/r/mc-a",
        "http:///r/mc-a",
        "http://127.0.0.1:99999999/r/mc-a",
        "http://[::1/r/mc-a",
        "mc-blue-door",
        "",
    ],
)
def test_links_of_others_are_left_alone(url: str) -> None:
    assert parse_link(url) is None


@pytest.mark.parametrize("mark", ["#", "?", "?x=1&", "?x=1#"])
def test_the_passcode_is_taken_out_of_the_link(mark: str) -> None:
    link = parse_link(f"http://u:p@127.0.0.1:8765/r/mc-a{mark}passcode=47%2011")
    assert link is not None
    assert link.passcode == "47 11"
    assert link.url == "http://127.0.0.1:8765/r/mc-a"
    assert "47" not in repr(link)


def test_the_examples_and_new_rooms_are_links_of_ours() -> None:
    for url in (*LINK_EXAMPLES, f"http://127.0.0.1:1/r/{new_room_id()}"):
        assert parse_link(url) is not None


@given(st.text())
def test_no_text_breaks_the_parser(url: str) -> None:
    assert parse_link(url) is None or "/r/mc-" in url
