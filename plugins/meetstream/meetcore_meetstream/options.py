"""The operator's options for MeetStream's API, and what a user may choose instead. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from meetcore.model.config import build_options
from meetcore.model.errors import ConfigError
from meetcore_meetstream.variants import Variant

__all__ = ["AUDIO_FORMATS", "MeetstreamOptions", "read_options"]

AUDIO_FORMATS = ("binary", "json")
_WHERE = "[plugins.server.dialects.meetstream]"


@frozen(kw_only=True)
class MeetstreamOptions:
    """How bots are told about.

    Attributes:
        dialect: `legacy` or `current`.
        audio_format: Live audio in `binary` frames, or as `json` (`PCMChunk`).
    """

    dialect: str = Variant.CURRENT.value
    audio_format: str = AUDIO_FORMATS[0]

    def __attrs_post_init__(self) -> None:
        """Refuse what is neither.

        Raises:
            ConfigError: Which it may be.
        """
        if Variant.named(self.dialect) is None:
            raise ConfigError(
                f"dialect in {_WHERE} is {self.dialect!r}.", 'Write "legacy" or "current".'
            )
        if self.audio_format not in AUDIO_FORMATS:
            raise ConfigError(
                f"audio_format in {_WHERE} is {self.audio_format!r}.",
                f"Known: {', '.join(AUDIO_FORMATS)}.",
            )

    @property
    def variant(self) -> Variant:
        """The dialect."""
        return Variant.named(self.dialect) or Variant.CURRENT

    def with_user(self, settings: Mapping[str, Any]) -> MeetstreamOptions:
        """Return these with what a user chose on top."""
        dialect, audio_format = settings.get("dialect"), settings.get("audio_format")
        return MeetstreamOptions(
            dialect=dialect if isinstance(dialect, str) else self.dialect,
            audio_format=audio_format if isinstance(audio_format, str) else self.audio_format,
        )


def read_options(table: Any) -> MeetstreamOptions:
    """Return the options in a table.

    Raises:
        ConfigError: One that nobody knows, or a value that cannot be used.
    """
    return build_options(MeetstreamOptions, table, _WHERE)
