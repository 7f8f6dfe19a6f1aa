"""An address that is dialled: what may be one, its parts, and what of it is a secret. Pure."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from attrs import field, frozen

from meetcore import ConfigError, Secret

__all__ = ["Target"]

_LOOKS_LIKE_A_KEY = 12


@frozen
class Target:
    """An address, `wss://…` or `ws://…`; as text, without what may be a secret.

    Attributes:
        url: The whole of it.
        token: Sent as `Authorization: Bearer …`.
    """

    url: str = field(repr=False)
    token: Secret | None = None

    @classmethod
    def read(cls, url: str, option: str) -> Target:
        """Return the target that a user named.

        Args:
            url: What he wrote.
            option: Where he wrote it, for error messages.

        Raises:
            ConfigError: It cannot be dialled, and why; never with a secret in it.
        """
        remedy = "Give the whole address, for instance wss://example.org/meetings."
        if not url:
            raise ConfigError(f"{option} is empty.", remedy)
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018  raises for a port that is none
        except ValueError as error:
            raise ConfigError(f"{option} cannot be read: {error}.", remedy) from error
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ConfigError(f"{option} is not a ws or wss address.", remedy)
        if parts.username or parts.password:
            raise ConfigError(
                f"{option} holds a name or password.",
                "They are not sent; `token` is, where there is such an option.",
            )
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise ConfigError(
                f"{option} holds characters that no address has.", "Write them percent-encoded."
            )
        return cls(url)

    @property
    def parts(self) -> SplitResult:
        """The URL, taken apart."""
        return urlsplit(self.url)

    @property
    def host(self) -> str:
        """The host, without brackets."""
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        """The port."""
        return self.parts.port or (443 if self.tls else 80)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.parts.scheme == "wss"

    @property
    def authority(self) -> str:
        """Host and port, as in a `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.parts.port is None else f"{host}:{self.parts.port}"

    @property
    def resource(self) -> str:
        """Path and query."""
        path = self.parts.path or "/"
        return f"{path}?{self.parts.query}" if self.parts.query else path

    @property
    def secrets(self) -> list[str | Secret | None]:
        """What must not be shown: paths and queries often are keys."""
        pieces = (piece for piece in self.parts.path.split("/") if len(piece) >= _LOOKS_LIKE_A_KEY)
        return [self.token, self.parts.query, *pieces]

    def __str__(self) -> str:
        return f"{self.parts.scheme}://{self.authority}"
