"""Which addresses are public. Pure.

`ipaddress` says it of an address as it stands; several kinds of IPv6 address carry an IPv4 address
that a gateway or the own kernel will dial, and that one counts.
"""

from __future__ import annotations

import ipaddress

__all__ = ["is_address", "is_public"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_CARRIERS = (
    ipaddress.ip_network("64:ff9b::/96"),  # NAT64, RFC 6052
    ipaddress.ip_network("::/96"),  # IPv4-compatible, deprecated by RFC 4291
)
_NEVER = (
    ipaddress.ip_network("64:ff9b:1::/48"),  # NAT64 of one's own network, RFC 8215
    ipaddress.ip_network("192.88.99.0/24"),  # 6to4 relays, deprecated by RFC 7526
)


def is_address(text: str) -> bool:
    """Return whether a host is an address and not a name."""
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def is_public(text: str) -> bool:
    """Return whether an address belongs to the public internet; a bad one does not."""
    try:
        address = _carried(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return False
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not site_local
    )


def _carried(address: _Address) -> _Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
