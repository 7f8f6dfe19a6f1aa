"""The pushing client's options, `[plugins.websocket_push]`."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from meetcore import Secret
from meetcore.model import nearest
from meetcore_websocket.dial_options import DialOptions
from meetcore_websocket.target import Target

__all__ = ["RATES_HZ", "PushOptions"]

RATES_HZ = (16_000, 24_000, 48_000)
"""The rates at which sound can be had."""

_CHOICES = {
    "mode": ("events", "audio"),
    "acknowledge": ("pong", "message"),
    "audio_format": ("framed", "raw_mix"),
}


@frozen(kw_only=True)
class PushOptions(DialOptions):
    """Where it connects to, and what it sends.

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
        sample_rate_hz: 16000, 24000 or 48000 (mode `audio`). What is heard has 16 kHz; it is
            resampled, and a frame's `start_sample` counts at the rate it names.
    """

    where: ClassVar[str] = "[plugins.websocket_push]"

    url: str = field(default="", repr=False)
    token: Secret | None = None
    mode: str = "events"
    drafts: bool = False
    acknowledge: str = "pong"
    audio_format: str = "framed"
    sample_rate_hz: int = 16_000
    first_retry_s: float = 0.5
    flush_timeout_s: float = 20.0

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why; never with the token's value.
        """
        super().__attrs_post_init__()
        self.target_in("url")
        for name, choices in _CHOICES.items():
            given = getattr(self, name)
            if given not in choices:
                guess = nearest(given, choices)
                hint = f"Did you mean {guess!r}? " if guess else ""
                raise self.refusal(name, f"{hint}Known: {', '.join(choices)}.")

        if self.sample_rate_hz not in RATES_HZ:
            known = ", ".join(map(str, RATES_HZ))
            raise self.refusal("sample_rate_hz", f"It can be one of {known}.")

    @property
    def target(self) -> Target:
        """Where it connects to."""
        return Target(self.url, self.token)
