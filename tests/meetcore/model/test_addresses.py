"""Which addresses are public, however they are written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.addresses import PrivateTargets, is_address, is_public, url_trouble
from meetcore.model.errors import ConfigError


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1",
        "192.88.99.1", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1", "2002:7f00:1::", "2002:c0a8:101::1", "::127.0.0.1", "2001:db8::1",
        "2001:0:7f00:1::", "localhost", "", "127.1", "0x7f000001", "2130706433", "8.8.8.8.",
    ],
)  # fmt: skip
def test_ones_own_addresses_and_what_is_no_address_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808",
     "2002:808:808::1"],
)  # fmt: skip
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_carrying_an_address_in_ipv6_changes_nothing(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for carrier in ("::ffff:0:0", "64:ff9b::"):
        carried = ipaddress.IPv6Address(int(ipaddress.IPv6Address(carrier)) | number)
        assert is_public(str(carried)) == is_public(str(address))
    sixtofour = ipaddress.IPv6Address((0x2002 << 112) | (number << 80))
    assert is_public(str(sixtofour)) == is_public(str(address))


@given(st.text(max_size=60))
def test_any_text_is_judged(text: str) -> None:
    assert is_address(text) or not is_public(text)


@pytest.mark.parametrize(
    ("host", "address"), [("::1", True), ("fe80::1%eth0", True), ("1.2.3.4", True), ("a.b", False)]
)
def test_an_address_is_told_from_a_name(host: str, address: bool) -> None:
    assert is_address(host) is address


@pytest.mark.parametrize(
    ("entries", "host", "address", "admitted"),
    [
        ([], "crm.internal", "10.1.2.3", False),
        ([], "a.example", "93.184.215.14", True),
        (["crm.internal"], "crm.internal", "10.1.2.3", True),
        (["CRM.internal."], "crm.Internal", "10.1.2.3", True),
        (["crm.internal"], "other.internal", "10.1.2.3", False),
        (["crm.internal"], "sub.crm.internal", "10.1.2.3", False),
        (["10.1.0.0/16"], "anything.example", "10.1.2.3", True),
        (["10.1.0.0/16"], "anything.example", "10.2.2.3", False),
        (["10.1.0.0/16"], "::ffff:10.1.2.3", "::ffff:10.1.2.3", True),
        (["10.1.2.3"], "10.1.2.3", "10.1.2.3", True),
        (["fd00::/8"], "fd00::1", "fd00::1%eth0", True),
        (["fd00::/8"], "x", "10.1.2.3", False),
        (["*"], "localhost", "127.0.0.1", True),
        (["::1"], "::1", "::1", True),
        (["::1"], "x", "::2", False),
    ],
)
def test_of_private_targets_those_that_are_listed_are_admitted(
    entries: list[str], host: str, address: str, admitted: bool
) -> None:
    assert PrivateTargets.listed(entries).admit(host, address) is admitted


def test_what_is_named_counts_as_listed_and_what_it_leads_to_does_not() -> None:
    private = PrivateTargets.listed(["crm.internal", "10.1.0.0/16"])
    assert private.name("crm.internal")
    assert private.name("10.1.255.1")
    assert not private.name("a.example")
    assert not private.name("10.2.0.1")


@pytest.mark.parametrize(
    "entry", ["", "10.1.2.3/16", "10.1.0.0/33", "a b", "https://crm.internal", "crm.internal:80",
              "*.internal", "a..b"],
)  # fmt: skip
def test_an_entry_that_is_no_target_is_refused_with_what_may_stand_there(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"no private target") as refused:
        PrivateTargets.listed(["crm.internal", entry])
    assert "10.1.0.0/16" in (refused.value.remedy or "")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("192.0.0.8", False),
        ("192.0.0.9", True),
        ("192.0.0.10", True),
        ("192.0.0.11", False),
        ("192.0.0.200", False),
        ("3fff::1", False),
        ("3fff:fff::1", False),
        ("4000::1", False),
        ("5f00::1", False),
    ],
)
def test_ranges_that_older_pythons_take_for_public_are_not(address, public):
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/x?y=z",
        "https://example.org:8443/",
        "https://b\u00fccher.example/",
        "http://[2001:db8::1]:80/x",
        "https://crm.internal./x",
        "https://under_score.example/",
    ],
)
def test_an_address_that_can_be_called_has_no_trouble(url):
    assert url_trouble(url) is None


@given(st.text(max_size=40))
def test_no_address_however_odd_breaks_the_reading_of_it(text):
    for url in (text, f"https://{text}", f"https://example.org:{text}/"):
        trouble = url_trouble(url)
        assert trouble is None or trouble
