"""Which web pages a bot may show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore import CommandRefused, ConfigError, PrivateTargets
from meetcore_browser.page_hosts import PageHosts


def hosts(*entries: str, private: tuple[str, ...] = ()) -> PageHosts:
    return PageHosts.listed(entries, PrivateTargets.listed(private))


LISTED = hosts("Status.Example.com", "*.cdn.example.com", "board.internal:8080", "[2001:db8::7]:81")


@pytest.mark.parametrize(
    "url",
    [
        "https://status.example.com/board?key=1#top",
        "http://STATUS.example.com",
        "https://status.example.com.:443/",
        "https://a.b.cdn.example.com/",
        "http://board.internal:8080/",
    ],
)
def test_pages_of_listed_hosts_may_be_shown(url: str) -> None:
    assert LISTED.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://status.example.com.evil.org/",
        "https://evilstatus.example.com/",
        "https://cdn.example.com/",
        "https://evilcdn.example.com/",
        "https://status.example.com:8443/",
        "http://board.internal/",
        "ftp://status.example.com/",
        "wss://status.example.com/",
        "file:///etc/passwd",
        "status.example.com",
        "https://status.example.com@evil.org/",
        "https://ada:secret@status.example.com/",
        "https://status.example.com/ board",
        "http://[2001:db8::7]:81/",
        "",
    ],
)
def test_all_others_may_not_and_no_secret_is_in_the_error(url: str) -> None:
    with pytest.raises(CommandRefused) as refused:
        LISTED.check(url)
    assert "secret" not in str(refused.value)


def test_a_private_address_needs_to_be_listed_twice() -> None:
    with pytest.raises(CommandRefused, match="no address of the public internet"):
        hosts("10.0.0.7").check("http://10.0.0.7/")
    assert hosts("10.0.0.7", private=("10.0.0.0/8",)).check("http://10.0.0.7/") == "10.0.0.7"
    with pytest.raises(CommandRefused, match="may not be shown"):
        hosts(private=("*",)).check("http://10.0.0.7/")


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "https://example.com", "a/b", "a b", "x@y", "a:b"]
)
def test_what_names_no_host_is_refused_before_a_bot_goes(entry: str) -> None:
    with pytest.raises(ConfigError, match="page_hosts"):
        hosts(entry)


@given(st.text(max_size=40))
def test_whatever_the_address_the_answer_is_a_host_or_a_refusal(url: str) -> None:
    for each in (url, f"https://{url}", f"https://status.example.com{url}"):
        try:
            host = LISTED.check(each)
        except CommandRefused:
            continue
        assert LISTED.allow(host, 443) or LISTED.allow(host, 8080)
