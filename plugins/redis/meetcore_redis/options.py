"""What can be chosen in `[plugins.redis]`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from attrs import frozen

from meetcore import ConfigError, Secret

__all__ = ["Broker", "RedisOptions", "brokers_of"]


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


def brokers_of(url: str) -> tuple[Broker, ...]:
    """Return where the brokers of a URL are: `redis://[user@]host[:6379][,host[:6379]…][/0]`.

    Raises:
        ConfigError: It names none, or one twice.
    """
    example = "Write for instance redis://broker:6379, or redis://one:6379,two:6379/1."
    try:
        parts = urlsplit(url)
        user, _, hosts = parts.netloc.rpartition("@")
        places = [urlsplit(f"//{host}") for host in hosts.split(",")]
        ports = [each.port or 6379 for each in places]
    except ValueError as error:
        raise ConfigError(f"url in [bus] cannot be used: {error}.", example) from error
    path = parts.path.strip("/")
    odd = parts.query or parts.fragment or (path and not path.isdecimal())
    if odd or not all(each.hostname for each in places):
        raise ConfigError(f"url in [bus] is {url!r}, which names no broker.", example)
    found = tuple(
        Broker(
            host=str(place.hostname),
            port=port,
            db=int(path or 0),
            username=unquote(user) if user else None,
        )
        for place, port in zip(places, ports, strict=True)
    )
    if len(set(found)) < len(found):
        raise ConfigError(f"url in [bus] is {url!r}, which names a broker twice.", example)
    return found
