"""The plugin's options, `[plugins.files]`."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators

from meetcore import ConfigError

__all__ = ["AudioFormat", "FilesOptions", "TranscriptKind"]

AudioFormat = Literal["opus", "flac"]
TranscriptKind = Literal["json", "srt", "vtt", "txt", "md", "html"]


@frozen(kw_only=True)
class FilesOptions:
    """What is written, and how.

    Attributes:
        tracks: Whether each track has a file of its own.
        mix: Whether there is a file with all tracks mixed.
        format: `opus` (Ogg Opus, about 10 MB an hour and track) or `flac` (lossless, about
            60 MB an hour and track).
        bit_rate_kbps: Of `opus`.
        transcripts: What the transcript is written as: `json`, `srt`, `vtt`, `txt`, `md`, `html`.
        fillers: Whether words like "um" stay in the transcript for people (txt, md and html).
    """

    tracks: bool = True
    mix: bool = True
    format: str = field(default="opus", validator=validators.in_(("opus", "flac")))
    bit_rate_kbps: int = 24
    transcripts: tuple[TranscriptKind, ...] = ("json", "srt", "vtt", "txt")
    fillers: bool = True

    def __attrs_post_init__(self) -> None:
        """Refuse a bit rate that Opus does not have.

        Raises:
            ConfigError: It is out of range.
        """
        if not 6 <= self.bit_rate_kbps <= 256:
            raise ConfigError(
                f"[plugins.files] bit_rate_kbps is {self.bit_rate_kbps}.",
                "Opus takes 6 to 256; 24 is good for speech.",
            )
