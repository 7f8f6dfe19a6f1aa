"""Where clients see the server: what every link in an answer begins with."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import field, frozen

from meetcore import ConfigError

__all__ = ["Seen"]


def _checked(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and not (parts.query or parts.fragment or parts.username)
        usable = usable and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"public_url cannot be {value!r}.",
            "Write where clients see the server, for instance https://bots.example.org/meet.",
        )
    return value.strip().rstrip("/")


@frozen
class Seen:
    """Knows where the server is seen.

    Attributes:
        public_url: As the operator says, with a path where a proxy adds one; None to believe what
            a request says.
    """

    public_url: str | None = field(default=None, converter=_checked)

    @property
    def prefix(self) -> str:
        """The path that a proxy adds and takes off again, without a slash at the end."""
        return urlsplit(self.public_url).path if self.public_url else ""

    def origin(self, headers: Mapping[str, str]) -> str:
        """Return where the client of a request sees the server's root, without a slash at the end.

        Args:
            headers: Of the request, names in lower case.
        """
        if self.public_url is not None:
            return self.public_url
        scheme = headers.get("x-forwarded-proto", "http").partition(",")[0].strip()
        host = headers.get("x-forwarded-host") or headers.get("host") or "127.0.0.1"
        scheme = scheme if scheme in ("http", "https") else "http"
        return f"{scheme}://{host.partition(',')[0].strip()}"
