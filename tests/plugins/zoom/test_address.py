"""From a link to the address of the client, and from what the page shows to a name."""
# ruff: noqa: E501 (a table of links)

from __future__ import annotations

import pytest

from meetcore import read_link
from meetcore_zoom.address import client_address
from meetcore_zoom.names import clean_name
from meetcore_zoom.platform import ZoomPlatform

APP = "https://app.zoom.us"


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("https://zoom.us/j/1234567890?pwd=abcdef", f"{APP}/wc/1234567890/join?pwd=abcdef"),
        ("https://us02web.zoom.us/j/85001833920?pwd=AbC123.1", f"{APP}/wc/85001833920/join?pwd=AbC123.1"),
        ("https://us06web.zoom.us/j/88240852079 (Passcode: 584706)", f"{APP}/wc/88240852079/join?pwd=584706"),
        ("https://us05web.zoom.us/wc/join/84335626851", f"{APP}/wc/84335626851/join"),
        ("843 3562 6851", f"{APP}/wc/84335626851/join"),
        ("https://zoom.us/j/1234567890?pwd=a%26b%20c", f"{APP}/wc/1234567890/join?pwd=a%26b%20c"),
        ("https://acme.zoom.us/w/98832106351?tk=TOKEN&pwd=x", "https://acme.zoom.us/w/98832106351?tk=TOKEN&pwd=x"),
        ("https://agency.zoomgov.com/j/1612345678?pwd=x", "https://agency.zoomgov.com/wc/1612345678/join?pwd=x"),
    ],
)  # fmt: skip
def test_where_the_client_of_a_link_is(link: str, address: str) -> None:
    meeting = read_link(link)
    assert meeting is not None
    assert client_address(meeting) == address


def test_another_origin_takes_all_links_and_keeps_a_token() -> None:
    here = "http://127.0.0.1:8080/"
    meeting = read_link("https://zoom.us/j/1234567890?pwd=x")
    token = read_link("https://acme.zoom.us/w/98832106351?tk=T")
    assert meeting is not None
    assert token is not None
    assert client_address(meeting, here) == "http://127.0.0.1:8080/wc/1234567890/join?pwd=x"
    assert client_address(token, here) == "http://127.0.0.1:8080/w/98832106351?tk=T"


def test_a_registrants_token_goes_to_the_links_own_host() -> None:
    meeting = read_link("https://acme.zoom.us/j/98832106351?pwd=x")
    assert meeting is not None
    assert client_address(meeting, None, "T/1") == (
        "https://acme.zoom.us/w/98832106351?tk=T%2F1&pwd=x"
    )
    here = client_address(meeting, "http://127.0.0.1:80", "T")
    assert here == "http://127.0.0.1:80/w/98832106351?tk=T&pwd=x"


@pytest.mark.parametrize(
    "link",
    ["https://meet.google.com/abc-defg-hij", "https://events.zoom.us/ejl/abc", "https://us02web.zoom.us/j/"],
)  # fmt: skip
def test_what_is_no_zoom_meeting_for_a_guest(link: str) -> None:
    assert ZoomPlatform().parse(link) is None


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("Ada", "Ada"),
        ("Ada (Host)", "Ada"),
        ("Ada (Host, me)", "Ada"),
        ("Ada (Co-host)", "Ada"),
        ("Ada Lovelace (Mich)", "Ada Lovelace"),
        ("Ada (Guest)(me)", "Ada"),
        ("Ada (Sales)", "Ada (Sales)"),
        ("Ada (Sales) (Host)", "Ada (Sales)"),
        ("アダ（ホスト、自分）", "アダ"),
        ("(Me)", "(Me)"),
        ("  Ada \n B ", "Ada B"),
        ("", ""),
    ],
)
def test_a_name_is_without_what_the_page_adds(shown: str, name: str) -> None:
    assert clean_name(shown) == name
