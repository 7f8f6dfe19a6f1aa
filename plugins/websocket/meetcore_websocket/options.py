"""The server's options, `[plugins.websocket]`."""

from __future__ import annotations

from attrs import frozen

from meetcore import ConfigError, Secret
from meetcore_websocket.access import Access, is_own_machine
from meetcore_websocket.limits import Limits

__all__ = ["PATH", "USUAL_PORT", "WebSocketOptions"]

PATH = "/events"
USUAL_PORT = 8766
_WHERE = "[plugins.websocket]"
_SHORTEST_TOKEN = 8
_LONGEST_DRAIN_S = 50.0
_ABOVE_ZERO = (
    "ping_s",
    "stall_s",
    "handshake_s",
    "soft_limit_bytes",
    "message_limit_bytes",
    "max_connections",
)


@frozen(kw_only=True)
class WebSocketOptions:
    """Where the server listens, who may come in, and what a subscriber may cost.

    Attributes:
        host: The address to listen on. Without any token it must be the own machine's.
        port: The port to listen on; 0 for any that is free. None, the default: 8766, or any that
            is free where another bot has that already.
        read_tokens: Tokens that may read.
        full_tokens: Tokens that may give commands too.
        allowed_origins: Origins of web pages that may connect besides those of the same host, for
            instance `https://dashboard.example`.
        ping_s: How often a subscriber is pinged; no pong within as long ends it.
        soft_limit_bytes: What may wait for a subscriber before drafts are dropped.
        hard_limit_bytes: What may wait for a subscriber before it is closed with 1013.
        stall_s: How long a subscriber's socket may take nothing before it is cut.
        handshake_s: How soon a subscriber's request has to be there.
        message_limit_bytes: The longest message a subscriber with a full token may send.
        drain_s: How long subscribers may take to read the rest when the bot has ended.
        max_connections: How many may be open at once, those among them that have not said who
            they are; one more is answered with 503.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    read_tokens: tuple[Secret, ...] = ()
    full_tokens: tuple[Secret, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    ping_s: float = 20.0
    soft_limit_bytes: int = 256 * 1024
    hard_limit_bytes: int = 1024 * 1024
    stall_s: float = 10.0
    handshake_s: float = 10.0
    message_limit_bytes: int = 1024 * 1024
    drain_s: float = 3.0
    max_connections: int = 256

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work, or would leave a meeting open to anybody.

        Raises:
            ConfigError: Which option, and why; never with a token's value.
        """
        tokens = [token.reveal() for token in (*self.read_tokens, *self.full_tokens)]
        if any(len(token) < _SHORTEST_TOKEN or len(token.split()) > 1 for token in tokens):
            raise ConfigError(
                f"{_WHERE} a token is shorter than {_SHORTEST_TOKEN} characters or has spaces.",
                "Make one: python -c 'import secrets; print(secrets.token_urlsafe(24))'",
            )
        if len(set(tokens)) != len(tokens):
            raise ConfigError(f"{_WHERE} a token is there twice.", "Give each its own.")
        if not tokens and not is_own_machine(self.host):
            raise ConfigError(
                f"{_WHERE} host is {self.host!r}, and there is no token.",
                "Set read_tokens or full_tokens, or listen on 127.0.0.1.",
            )
        if self.port is not None and not 0 <= self.port <= 65_535:
            raise ConfigError(f"{_WHERE} port is {self.port}.", "It must be 0 to 65535.")
        for name in _ABOVE_ZERO:
            if not getattr(self, name) > 0:
                raise ConfigError(
                    f"{_WHERE} {name} is {getattr(self, name)}.", "It must be greater than 0."
                )
        if self.hard_limit_bytes < self.soft_limit_bytes:
            raise ConfigError(
                f"{_WHERE} hard_limit_bytes is {self.hard_limit_bytes}.",
                f"It cannot be below soft_limit_bytes, {self.soft_limit_bytes}.",
            )
        if not 0 <= self.drain_s <= _LONGEST_DRAIN_S:
            raise ConfigError(
                f"{_WHERE} drain_s is {self.drain_s}.",
                f"It can be 0 to {_LONGEST_DRAIN_S:g}: a bot has to end.",
            )

    @property
    def access(self) -> Access:
        """Who may come in."""
        return Access(PATH, self.read_tokens, self.full_tokens, self.allowed_origins)

    @property
    def limits(self) -> Limits:
        """What a subscriber may cost."""
        return Limits(
            soft_bytes=self.soft_limit_bytes,
            hard_bytes=self.hard_limit_bytes,
            stall_s=self.stall_s,
            ping_s=self.ping_s,
            pong_s=self.ping_s,
            handshake_s=self.handshake_s,
        )
