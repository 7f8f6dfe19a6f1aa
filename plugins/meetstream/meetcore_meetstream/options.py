"""The operator's options for MeetStream's API, and what a user may choose instead. Pure."""

from __future__ import annotations

from attrs import frozen

from meetcore import ConfigError
from meetcore_meetstream.variants import Variant

__all__ = ["AUDIO_FORMATS", "WHERE", "MeetstreamOptions"]

AUDIO_FORMATS = ("binary", "json")
WHERE = "[plugins.server.dialects.meetstream]"


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
                f"dialect in {WHERE} is {self.dialect!r}.", 'Write "legacy" or "current".'
            )
        if self.audio_format not in AUDIO_FORMATS:
            raise ConfigError(
                f"audio_format in {WHERE} is {self.audio_format!r}.",
                f"Known: {', '.join(AUDIO_FORMATS)}.",
            )

    @property
    def variant(self) -> Variant:
        """The dialect."""
        return Variant.named(self.dialect) or Variant.CURRENT
