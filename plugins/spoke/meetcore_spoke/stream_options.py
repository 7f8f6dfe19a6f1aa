"""The options of the sink `spoke_stream`."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from meetcore import ConfigError
from meetcore_websocket.dial_options import DialOptions

__all__ = ["StreamOptions"]

_RATES_HZ = (16_000, 24_000)


@frozen(kw_only=True)
class StreamOptions(DialOptions):
    """Which sockets the bot dials.

    Attributes:
        output: Where the meeting's sound goes, `wss://…` or `ws://…`; empty for nowhere. What
            stands behind its host is treated as a secret.
        input: Where sound to speak comes from; the same as `output` for one socket both ways.
        sample_rate_hz: 16000 or 24000.
    """

    where: ClassVar[str] = "[plugins.spoke_stream]"

    output: str = field(default="", repr=False)
    input: str = field(default="", repr=False)
    sample_rate_hz: int = 24_000
    longest_retry_s: float = 60.0

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why.
        """
        super().__attrs_post_init__()
        if not self.output and not self.input:
            raise ConfigError(f"{self.where} has neither output nor input.", "Give one of them.")
        for name in ("output", "input"):
            if getattr(self, name):
                self.target_in(name)
        if self.sample_rate_hz not in _RATES_HZ:
            raise self.refusal("sample_rate_hz", "It can be 16000 or 24000.")
