"""The options of the four sinks that dial out."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from attrs import field, frozen

from meetcore import ConfigError
from meetcore_meetstream.options import AUDIO_FORMATS
from meetcore_meetstream.variants import Variant
from meetcore_websocket.dial_options import DialOptions
from meetcore_websocket.target import Target

__all__ = [
    "AudioOptions",
    "ControlOptions",
    "SocketOptions",
    "TranscriptOptions",
    "VideoOptions",
]


@frozen(kw_only=True)
class SocketOptions(DialOptions):
    """Which socket the bot dials.

    Attributes:
        url: `wss://…` or `ws://…`. What stands behind its host is treated as a secret.
    """

    longest_message_bytes: ClassVar[int] = 8 * 1024 * 1024

    url: str = field(default="", repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why.
        """
        super().__attrs_post_init__()
        self.target_in("url")

    @property
    def target(self) -> Target:
        """Which socket the bot dials."""
        return Target(self.url)


@frozen(kw_only=True)
class ControlOptions(SocketOptions):
    """The control socket."""

    where: ClassVar[str] = "[plugins.meetstream_control]"


@frozen(kw_only=True)
class VideoOptions(SocketOptions):
    """The live video socket."""

    where: ClassVar[str] = "[plugins.meetstream_video]"


@frozen(kw_only=True)
class AudioOptions(SocketOptions):
    """The live audio socket.

    Attributes:
        audio_format: `binary`, or `json` for the first API's `PCMChunk`.
    """

    where: ClassVar[str] = "[plugins.meetstream_audio]"

    audio_format: str = AUDIO_FORMATS[0]

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why.
        """
        super().__attrs_post_init__()
        if self.audio_format not in AUDIO_FORMATS:
            raise self.refusal("audio_format", f"Known: {', '.join(AUDIO_FORMATS)}.")


@frozen(kw_only=True)
class TranscriptOptions(SocketOptions):
    """The live transcription socket.

    Attributes:
        dialect: `legacy` for finalized segments, `current` for drafts too.
        custom_attributes: A JSON object, sent along in `current`.
    """

    where: ClassVar[str] = "[plugins.meetstream_transcript]"

    dialect: str = Variant.LEGACY.value
    custom_attributes: str = field(default="{}", repr=False)

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: Which option, and why.
        """
        super().__attrs_post_init__()
        if Variant.named(self.dialect) is None:
            raise self.refusal("dialect", 'Write "legacy" or "current".')
        try:
            attributes = json.loads(self.custom_attributes)
        except ValueError as error:
            raise ConfigError(f"{self.where} custom_attributes is not JSON.") from error
        if not isinstance(attributes, dict):
            raise ConfigError(f"{self.where} custom_attributes is no JSON object.")

    @property
    def variant(self) -> Variant:
        """The dialect."""
        return Variant.named(self.dialect) or Variant.LEGACY

    @property
    def attributes(self) -> dict[str, Any]:
        """The custom attributes."""
        attributes: dict[str, Any] = json.loads(self.custom_attributes)
        return attributes
