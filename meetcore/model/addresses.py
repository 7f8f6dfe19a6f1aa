"""Which addresses are public, what a target that came over an API has to be, and who may be else.

`ipaddress` judges an address as it stands. Several kinds of IPv6 address carry an IPv4 address that
a gateway, or the own kernel, will dial in the end; then that one is judged. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TypeAlias
from urllib.parse import urlsplit

from attrs import frozen

from meetcore.model.errors import ConfigError

__all__ = ["PrivateTargets", "is_address", "is_public", "url_trouble"]

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(r"(?!-)[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_ALL = "*"

_CARRIERS = (
    ipaddress.IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052
    ipaddress.IPv6Network("::/96"),  # IPv4-compatible, deprecated by RFC 4291
)
_NEVER: tuple[_Network, ...] = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 within one's own network, RFC 8215
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays, deprecated by RFC 7526
    ipaddress.IPv6Network("3fff::/20"),  # documentation, RFC 9637; unknown to Python 3.11
    ipaddress.IPv6Network("5f00::/16"),  # segment routing, RFC 9602; likewise
    # Protocol assignments, RFC 6890, without the two that are reachable (9 and 10).
    *(
        ipaddress.IPv4Network(f"192.0.0.{part}")
        for part in ("0/29", "8/32", "11/32", "12/30", "16/28", "32/27", "64/26", "128/25")
    ),
)
_LONGEST_URL = 2048
_LISTED = "the operator lists its host in private_targets"


def _parsed(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_address(host: str) -> bool:
    """Return whether a host is an address and not a name; a zone (`%eth0`) may follow it."""
    return _parsed(host) is not None


def is_public(host: str) -> bool:
    """Return whether a host is an address of the public internet. A name is none."""
    parsed = _parsed(host)
    if parsed is None:
        return False
    address = _carried(parsed)
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def url_trouble(url: str) -> str | None:
    """Return what is wrong with a callback's URL as it is written, None for nothing.

    Whether it leads somewhere private is another question: see `PrivateTargets`.
    """
    if len(url) > _LONGEST_URL:
        return f"has {len(url)} characters; it may have {_LONGEST_URL}"
    if any(c.isspace() or not c.isprintable() for c in url):
        return "has spaces or control characters"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return f"cannot be read: {error}"
    if parts.scheme.lower() not in ("https", "http", "wss", "ws") or not host or port == 0:
        return "does not begin with https:// and a host"
    if not is_address(host) and not _is_name(host):
        return "names a host that cannot be"
    return None


def _is_name(host: str) -> bool:
    bare = host.removesuffix(".")
    if not bare.isascii():
        try:
            bare = bare.encode("idna").decode()
        except UnicodeError:
            return False
    fits = len(bare) <= 253 and all(len(label) <= 63 for label in bare.split("."))
    return fits and _NAME.fullmatch(bare.lower()) is not None


def _carried(address: _Address) -> _Address:
    """Return the IPv4 address inside an IPv6 one, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return address  # ::1 lies among the carriers, and carries none
    inner = address.ipv4_mapped or address.sixtofour
    if inner is not None:
        return inner
    if any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


@frozen
class PrivateTargets:
    """Which targets may be dialled that are not public: names, addresses and networks, or all.

    A name that is listed may lead to any address; for one that is not, the addresses count that it
    leads to.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[_Network, ...] = ()
    all: bool = False

    @classmethod
    def listed(cls, entries: Iterable[str]) -> PrivateTargets:
        """Return those of a list: `crm.internal`, `10.0.0.7`, `10.1.0.0/16`, `*` for all.

        Raises:
            ConfigError: An entry is none of these.
        """
        hosts: set[str] = set()
        networks: list[_Network] = []
        for entry in entries:
            bare = entry.strip().lower().removesuffix(".")
            try:
                networks.append(ipaddress.ip_network(bare))
            except ValueError as error:
                if bare != _ALL and ("/" in bare or not _NAME.fullmatch(bare)):
                    raise ConfigError(
                        f"{entry!r} is no private target: {error}.",
                        "List host names, addresses, networks such as 10.1.0.0/16, or * for all.",
                    ) from error
                hosts.add(bare)
        return cls(frozenset(hosts - {_ALL}), tuple(networks), _ALL in hosts)

    def name(self, host: str) -> bool:
        """Return whether a host as it was given, a name or an address, is listed."""
        if self.all or host.lower().removesuffix(".") in self.hosts:
            return True
        address = _parsed(host)
        return address is not None and self._hold(address)

    def admit(self, host: str, address: str) -> bool:
        """Return whether an address to which a host leads may be dialled: public ones always."""
        return is_public(address) or self.name(host) or self.name(address)

    def webhook_trouble(self, url: str) -> str | None:
        """Return why nothing would ever be posted to a URL that came over an API, None for no such.

        Whether a name leads to a private address shows when something is posted, and is judged
        then.
        """
        trouble = url_trouble(url)
        if trouble is not None:
            return trouble
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("https", "http"):
            return "does not begin with https:// and a host"
        if parts.scheme != "https" and not self.name(host):
            return f"must begin with https://, unless {_LISTED}"
        if is_address(host) and not self.admit(host, host):
            return f"must not lead to a private address, unless {_LISTED}"
        return None

    def _hold(self, address: _Address) -> bool:
        real = _carried(address)
        return any(real.version == each.version and real in each for each in self.networks)
