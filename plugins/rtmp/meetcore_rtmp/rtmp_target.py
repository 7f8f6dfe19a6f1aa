"""Where a live stream goes: an address, what of it is told, and what of it is a secret. Pure."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from attrs import field, frozen

from meetcore import ConfigError, Secret

__all__ = ["RtmpTarget"]

_PORTS = {"rtmp": 1935, "rtmps": 443}
_REMEDY = "Give the address and `key` as the receiver shows them: rtmps://live.example.org/app."


@frozen
class RtmpTarget:
    """A receiver and the stream's place there; as text, host and port alone.

    Attributes:
        host: The host, without brackets.
        port: The port.
        tls: Whether the connection is encrypted (`rtmps`).
        app: The application: the path up to the key.
        key: The stream's key.
    """

    host: str
    port: int
    tls: bool
    app: str = field(repr=False)
    key: Secret

    @classmethod
    def read(cls, url: str, key: Secret | None, where: str) -> RtmpTarget:
        """Return the target that a user named.

        Args:
            url: The address; its last part is the key where `key` is None.
            key: The stream's key.
            where: Which table the two stand in, for error messages.

        Raises:
            ConfigError: It cannot be one, and why; never with the key or the path in it.
        """
        if not url:
            raise ConfigError(f"{where} url is empty.", _REMEDY)
        parts = _parts(url, where)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigError(f"{where} url is not an rtmp or rtmps address.", _REMEDY)
        if parts.username or parts.password:
            raise ConfigError(f"{where} url holds a name or password; neither is sent.", _REMEDY)
        path = parts.path.strip("/")
        if key is None:
            path, _, last = path.rpartition("/")
            key = Secret(f"{last}?{parts.query}" if parts.query else last)
        elif parts.query:
            path = f"{path}?{parts.query}"
        if not path or not key.reveal():
            missing = "an application" if not path else "a key"
            raise ConfigError(
                f"{where} names no place of the receiver: it lacks {missing}.", _REMEDY
            )
        if not _plain(key.reveal()):
            raise ConfigError(f"{where} key has blanks or control characters.", _REMEDY)
        tls = parts.scheme == "rtmps"
        return cls(parts.hostname, parts.port or _PORTS[parts.scheme], tls, path, key)

    @property
    def tc_url(self) -> str:
        """The address without the key, as a client tells it the receiver."""
        return f"{self}/{self.app}"

    @property
    def secrets(self) -> list[str | Secret]:
        """What must not be shown: the key, and the path, in which keys stand as well."""
        return [self.key, self.app] if len(self.app) > _SHORT_APP else [self.key]

    def __str__(self) -> str:
        scheme = "rtmps" if self.tls else "rtmp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == _PORTS[scheme]
        return f"{scheme}://{host}" if usual else f"{scheme}://{host}:{self.port}"


_SHORT_APP = 11
"""`live`, `live2`, `rtmp` and the like are no secrets, and words that people say."""


def _parts(url: str, where: str) -> SplitResult:
    if not _plain(url):
        raise ConfigError(f"{where} url holds characters that no address has.", _REMEDY)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError as error:
        raise ConfigError(f"{where} url cannot be read: it is no address.", _REMEDY) from error
    if parts.fragment:
        raise ConfigError(f"{where} url has a '#', which no receiver gets.", _REMEDY)
    return parts


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
