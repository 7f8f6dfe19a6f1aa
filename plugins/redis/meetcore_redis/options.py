"""What can be chosen in `[plugins.redis]`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from attrs import frozen

from meetcore import ConfigError, Secret

__all__ = ["Broker", "RedisOptions", "broker_of"]


@frozen(kw_only=True)
class RedisOptions:
    """The options of `[plugins.redis]`.

    Attributes:
        username: The user of the broker's access list, None for its default one.
        password: Its password.
        tls: Whether the way to the broker is encrypted.
        ca_file: Certificates to trust in place of the system's.
        prefix: What all keys begin with: two installations of one broker have different ones.
        keep_s: For how long the broker holds what an ended bot published, in seconds.
    """

    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    ca_file: Path | None = None
    prefix: str = "meetcore"
    keep_s: float = 3600.0


@frozen(kw_only=True)
class Broker:
    """Where the broker is."""

    host: str
    port: int
    db: int
    username: str | None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def broker_of(url: str) -> Broker:
    """Return where the broker of a URL is: `redis://[user@]host[:6379][/0]`.

    Raises:
        ConfigError: It cannot be one.
    """
    example = "Write for instance redis://broker:6379, or redis://broker:6379/1."
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError as error:
        raise ConfigError(f"url in [bus] cannot be used: {error}.", example) from error
    path = parts.path.strip("/")
    if not parts.hostname or parts.query or parts.fragment or (path and not path.isdecimal()):
        raise ConfigError(f"url in [bus] is {url!r}, which names no broker.", example)
    return Broker(
        host=parts.hostname,
        port=port,
        db=int(path or 0),
        username=unquote(parts.username) if parts.username else None,
    )
