"""The options of the three sinks that dial out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import field, frozen

from meetcore.errors import ConfigError
from meetcore_meetstream.options import AUDIO_FORMATS
from meetcore_meetstream.variants import Variant
from meetcore_websocket.push_options import PushOptions

__all__ = ["AudioOptions", "DialOptions", "TranscriptOptions"]

_TIMES = (
    "connect_timeout_s",
    "send_timeout_s",
    "ping_s",
    "pong_timeout_s",
    "first_retry_s",
    "longest_retry_s",
)
_LONGEST_FLUSH_S = 50.0


@frozen(kw_only=True)
class DialOptions:
    """Which socket the bot dials, and how long it waits.

    Attributes:
        url: `wss://…` or `ws://…`. What stands behind its host is treated as a secret.
        allow_private: Whether it may be an address of your own machine or network. Only heeded
            where a person named it.
        ca_file: Certificates to trust instead of the system's.
        connect_timeout_s: How long connecting may take.
        send_timeout_s: How long one message may take to be sent.
        ping_s: How often the connection is tried with a ping.
        pong_timeout_s: How soon a pong has to come.
        first_retry_s: The pause before the second attempt to connect; it doubles from there.
        longest_retry_s: The longest pause.
        flush_timeout_s: How long, at the end of a meeting, the rest is tried for.
    """

    url: str = field(default="", repr=False)
    allow_private: bool = True
    ca_file: Path | None = None
    connect_timeout_s: float = 10.0
    send_timeout_s: float = 10.0
    ping_s: float = 20.0
    pong_timeout_s: float = 10.0
    first_retry_s: float = 1.0
    longest_retry_s: float = 30.0
    flush_timeout_s: float = 10.0

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why.
        """
        for name in _TIMES:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}.", "It must be greater than 0.")
        if not 0 <= self.flush_timeout_s <= _LONGEST_FLUSH_S:
            raise ConfigError(
                f"flush_timeout_s is {self.flush_timeout_s}.",
                f"It can be 0 to {_LONGEST_FLUSH_S:g}: a bot has to end.",
            )
        self.push()

    def push(self) -> PushOptions:
        """Return what the dialling client needs.

        Raises:
            ConfigError: The address cannot be dialled.
        """
        times: dict[str, Any] = {name: getattr(self, name) for name in _TIMES}
        return PushOptions(
            url=self.url,
            mode="audio",
            allow_private=self.allow_private,
            ca_file=self.ca_file,
            flush_timeout_s=self.flush_timeout_s,
            **times,
        )


@frozen(kw_only=True)
class AudioOptions(DialOptions):
    """The live audio socket.

    Attributes:
        url: `wss://…` or `ws://…`. What stands behind its host is treated as a secret.
        allow_private: Whether it may be an address of your own machine or network. Only heeded
            where a person named it.
        ca_file: Certificates to trust instead of the system's.
        connect_timeout_s: How long connecting may take.
        send_timeout_s: How long one message may take to be sent.
        ping_s: How often the connection is tried with a ping.
        pong_timeout_s: How soon a pong has to come.
        first_retry_s: The pause before the second attempt to connect; it doubles from there.
        longest_retry_s: The longest pause.
        flush_timeout_s: How long, at the end of a meeting, the rest is tried for.
        audio_format: `binary`, or `json` for the first API's `PCMChunk`.
    """

    audio_format: str = AUDIO_FORMATS[0]

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why.
        """
        super().__attrs_post_init__()
        if self.audio_format not in AUDIO_FORMATS:
            raise ConfigError(
                f"audio_format is {self.audio_format!r}.", f"Known: {', '.join(AUDIO_FORMATS)}."
            )


@frozen(kw_only=True)
class TranscriptOptions(DialOptions):
    """The live transcription socket.

    Attributes:
        url: `wss://…` or `ws://…`. What stands behind its host is treated as a secret.
        allow_private: Whether it may be an address of your own machine or network. Only heeded
            where a person named it.
        ca_file: Certificates to trust instead of the system's.
        connect_timeout_s: How long connecting may take.
        send_timeout_s: How long one message may take to be sent.
        ping_s: How often the connection is tried with a ping.
        pong_timeout_s: How soon a pong has to come.
        first_retry_s: The pause before the second attempt to connect; it doubles from there.
        longest_retry_s: The longest pause.
        flush_timeout_s: How long, at the end of a meeting, the rest is tried for.
        dialect: `legacy` for finalized segments, `current` for drafts too.
        custom_attributes: A JSON object, sent along in `current`.
    """

    dialect: str = Variant.LEGACY.value
    custom_attributes: str = field(default="{}", repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why.
        """
        super().__attrs_post_init__()
        if Variant.named(self.dialect) is None:
            raise ConfigError(f"dialect is {self.dialect!r}.", 'Write "legacy" or "current".')
        try:
            attributes = json.loads(self.custom_attributes)
        except ValueError as error:
            raise ConfigError("custom_attributes is not JSON.") from error
        if not isinstance(attributes, dict):
            raise ConfigError("custom_attributes is no JSON object.")

    @property
    def variant(self) -> Variant:
        """The dialect."""
        return Variant.named(self.dialect) or Variant.LEGACY

    @property
    def attributes(self) -> dict[str, Any]:
        """The custom attributes."""
        attributes: dict[str, Any] = json.loads(self.custom_attributes)
        return attributes
