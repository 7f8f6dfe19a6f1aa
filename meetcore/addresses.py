"""Which addresses are public: what a target that came over an API has to be. Pure.

`ipaddress` judges an address as it stands. Several kinds of IPv6 address carry an IPv4 address that
a gateway, or the own kernel, will dial in the end; then that one is judged.
"""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

__all__ = ["is_address", "is_public"]

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_CARRIERS = (
    ipaddress.IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052
    ipaddress.IPv6Network("::/96"),  # IPv4-compatible, deprecated by RFC 4291
)
_NEVER: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 within one's own network, RFC 8215
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays, deprecated by RFC 7526
)


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


def _carried(address: _Address) -> _Address:
    """Return the IPv4 address inside an IPv6 one, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is not None:
        return inner
    if any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
