"""The options of the sink `spoke_stream`."""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen

from meetcore.errors import ConfigError
from meetcore_spoke.wish import web_address
from meetcore_websocket.push_options import PushOptions

__all__ = ["StreamOptions"]

_WHERE = "[plugins.spoke_stream]"
_RATES_HZ = (16_000, 24_000)
_LONGEST_FLUSH_S = 50.0


@frozen(kw_only=True)
class StreamOptions:
    """Which sockets the bot dials, and how long it waits.

    Attributes:
        output: Where the meeting's sound goes, `wss://…` or `ws://…`; empty for nowhere. What
            stands behind its host is treated as a secret.
        input: Where sound to speak comes from; the same as `output` for one socket both ways.
        sample_rate_hz: 16000 or 24000.
        allow_private: Whether they may be addresses of your own machine or network. Only heeded
            where a person named them.
        ca_file: Certificates to trust instead of the system's.
        connect_timeout_s: How long connecting may take.
        send_timeout_s: How long one message may take to be sent.
        ping_s: How often the connection is tried with a ping.
        pong_timeout_s: How soon a pong has to come.
        first_retry_s: The pause before the second attempt to connect; it doubles from there.
        longest_retry_s: The longest pause.
        flush_timeout_s: How long, at the end of a meeting, the rest is tried for.
    """

    output: str = field(default="", repr=False)
    input: str = field(default="", repr=False)
    sample_rate_hz: int = 24_000
    allow_private: bool = True
    ca_file: Path | None = None
    connect_timeout_s: float = 10.0
    send_timeout_s: float = 10.0
    ping_s: float = 20.0
    pong_timeout_s: float = 10.0
    first_retry_s: float = 1.0
    longest_retry_s: float = 60.0
    flush_timeout_s: float = 10.0

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why.
        """
        if not self.output and not self.input:
            raise ConfigError(f"{_WHERE} has neither output nor input.", "Give one of them.")
        for name in ("output", "input"):
            url = getattr(self, name)
            if url and not (web_address(url, ("ws", "wss")) and url.isascii()):
                raise ConfigError(f"{_WHERE} {name} is not a ws or wss address.")
        if self.sample_rate_hz not in _RATES_HZ:
            raise ConfigError(
                f"{_WHERE} sample_rate_hz is {self.sample_rate_hz}.", "It can be 16000 or 24000."
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

    def dialling(self, url: str) -> PushOptions:
        """Return what the dialling client needs for one of the sockets.

        Raises:
            ConfigError: It is no address that can be dialled.
        """
        return PushOptions(
            url=url,
            mode="audio",
            allow_private=self.allow_private,
            ca_file=self.ca_file,
            connect_timeout_s=self.connect_timeout_s,
            send_timeout_s=self.send_timeout_s,
            ping_s=self.ping_s,
            pong_timeout_s=self.pong_timeout_s,
            first_retry_s=self.first_retry_s,
            longest_retry_s=self.longest_retry_s,
            flush_timeout_s=self.flush_timeout_s,
        )
