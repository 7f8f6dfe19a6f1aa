"""Which web pages a bot may show, by the hosts that its operator listed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from attrs import field, frozen

from meetcore import CommandRefused, ConfigError, PrivateTargets
from meetcore.model import is_address, url_trouble

__all__ = ["PageHosts"]

_PORTS = {"http": 80, "https": 443}
_HOW = "List its host as page_hosts in [plugins.browser]."


@frozen
class PageHosts:
    """The hosts whose pages may be shown, and that those pages may load from.

    Attributes:
        entries: As they were listed: `status.example.com` (on the ports 80 and 443),
            `status.example.com:8080`, `*.example.com` for every name below one.
        private: Which of them may lead to addresses that are not public.
    """

    entries: tuple[str, ...] = ()
    private: PrivateTargets = field(factory=PrivateTargets)

    @classmethod
    def listed(cls, entries: Iterable[str], private: PrivateTargets) -> PageHosts:
        """Return those of a list.

        Raises:
            ConfigError: An entry names no host.
        """
        found = tuple(entry.strip().lower() for entry in entries)
        for entry in found:
            bare = entry.removeprefix("*.")
            if "/" in bare or "*" in bare or "@" in bare or url_trouble(f"https://{bare}"):
                raise ConfigError(
                    f"[plugins.browser] page_hosts has {entry!r}, which names no host.",
                    "List hosts: status.example.com, status.example.com:8080, *.example.com.",
                )
        return cls(found, private)

    def allow(self, host: str, port: int) -> bool:
        """Return whether something may be loaded from a host at all."""
        host = host.lower().removesuffix(".")
        for entry in self.entries:
            parts = urlsplit(f"//{entry.removeprefix('*.')}")
            name, wanted = parts.hostname or "", parts.port
            fits = host.endswith(f".{name}") if entry.startswith("*.") else host == name
            if fits and (port == wanted if wanted else port in _PORTS.values()):
                return True
        return False

    def check(self, url: str) -> str:
        """Return the host of a page that may be shown.

        Raises:
            CommandRefused: It may not, or is none.
        """
        trouble = url_trouble(url)
        parts = None if trouble else urlsplit(url)
        scheme = parts.scheme.lower() if parts else ""
        if parts is None or scheme not in _PORTS:
            raise CommandRefused(
                f"This address {trouble or 'is none of a web page'}.",
                "A page's address begins with http:// or https:// and a host.",
            )
        if parts.username is not None or parts.password is not None:
            raise CommandRefused("A page's address has no user and password in it.")
        host = parts.hostname or ""
        if not self.allow(host, parts.port or _PORTS[scheme]):
            raise CommandRefused(f"Pages of {parts.netloc} may not be shown.", _HOW)
        if is_address(host) and not self.private.admit(host, host):
            raise CommandRefused(
                f"{host} is no address of the public internet.",
                "List it as one of private_targets where that is meant.",
            )
        return host
