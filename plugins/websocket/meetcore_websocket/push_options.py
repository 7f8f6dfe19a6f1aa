"""The pushing client's options, `[plugins.websocket_push]`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from attrs import field, frozen

from meetcore.errors import ConfigError, nearest
from meetcore.secrets import Secret

__all__ = ["PushOptions"]

_WHERE = "[plugins.websocket_push]"
_CHOICES = {
    "mode": ("events", "audio"),
    "acknowledge": ("pong", "message"),
    "audio_format": ("framed", "raw_mix"),
}
_LONGEST_FLUSH_S = 50.0


@frozen(kw_only=True)
class PushOptions:
    """Where it connects to, what it sends, and how long it waits.

    Attributes:
        url: Where to connect, `wss://…` or `ws://…`. What stands behind its host is treated as a
            secret.
        token: Sent as `Authorization: Bearer …`.
        mode: `events` for JSON, `audio` for sound.
        drafts: Whether drafts are sent too (mode `events`).
        acknowledge: What counts as received (mode `events`): `pong`, a pong to a ping sent after
            it, or `message`, only the other side's own `{"type":"ack","seq":N}`.
        audio_format: `framed`, every track with a header, or `raw_mix`, all tracks as one bare
            stream (mode `audio`).
        allow_private: Whether the target may be an address of your own machine or network. Only
            heeded where a person named the target; one that came over an API must be public.
        ca_file: Certificates to trust instead of the system's.
        connect_timeout_s: How long connecting may take, from lookup to handshake.
        send_timeout_s: How long one message may take to be sent.
        ping_s: How often an idle connection is pinged.
        pong_timeout_s: How soon a pong has to come.
        first_retry_s: The pause before the second attempt to connect; it doubles from there.
        longest_retry_s: The longest pause.
        flush_timeout_s: How long, at the end of a meeting, the rest is tried for.
    """

    url: str = field(default="", repr=False)
    token: Secret | None = None
    mode: str = "events"
    drafts: bool = False
    acknowledge: str = "pong"
    audio_format: str = "framed"
    allow_private: bool = True
    ca_file: Path | None = None
    connect_timeout_s: float = 10.0
    send_timeout_s: float = 10.0
    ping_s: float = 20.0
    pong_timeout_s: float = 10.0
    first_retry_s: float = 0.5
    longest_retry_s: float = 30.0
    flush_timeout_s: float = 20.0

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why; never with the token's value.
        """
        _check_url(self.url)
        for name, choices in _CHOICES.items():
            given = getattr(self, name)
            if given not in choices:
                guess = nearest(given, choices)
                hint = f"Did you mean {guess!r}? " if guess else ""
                raise ConfigError(
                    f"{_WHERE} {name} is {given!r}.", f"{hint}Known: {', '.join(choices)}."
                )
        for name in ("connect_timeout_s", "send_timeout_s", "ping_s", "pong_timeout_s",
                     "first_retry_s", "longest_retry_s"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise ConfigError(
                    f"{_WHERE} {name} is {getattr(self, name)}.", "It must be greater than 0."
                )
        if not 0 <= self.flush_timeout_s <= _LONGEST_FLUSH_S:
            raise ConfigError(
                f"{_WHERE} flush_timeout_s is {self.flush_timeout_s}.",
                f"It can be 0 to {_LONGEST_FLUSH_S:g}: a bot has to end.",
            )

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
    def target(self) -> str:
        """The target as it may be shown: paths and queries often are keys."""
        return f"{self.parts.scheme}://{self.authority}"


def _check_url(url: str) -> None:
    remedy = "Give the whole address, for instance wss://example.org/meetings."
    if not url:
        raise ConfigError(f"{_WHERE} has no url.", remedy)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError as error:
        raise ConfigError(f"{_WHERE} url cannot be read: {error}.", remedy) from error
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ConfigError(f"{_WHERE} url is not a ws or wss address.", remedy)
    if parts.username or parts.password:
        raise ConfigError(f"{_WHERE} url holds a name or password.", "Use `token` instead.")
    if not url.isascii() or any(character.isspace() for character in url):
        raise ConfigError(
            f"{_WHERE} url holds characters that no address has.", "Write them percent-encoded."
        )
