"""The plugin's options, `[plugins.files]`."""

from __future__ import annotations

from typing import Literal, get_args

from attrs import field, frozen, validators

from meetcore import ConfigError

__all__ = ["MP3_RATES_KBPS", "AudioFormat", "FilesOptions", "TranscriptKind"]

AudioFormat = Literal["opus", "flac", "mp3", "m4a", "wav"]
MP3_RATES_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""The bit rates of MP3 at 16 kHz (MPEG-2, layer III)."""
TranscriptKind = Literal["json", "srt", "vtt", "txt", "md", "html"]


@frozen(kw_only=True)
class FilesOptions:
    """What is written, and how.

    Attributes:
        tracks: Whether each track has a file of its own.
        mix: Whether there is a file with all tracks mixed.
        format: `opus` (Ogg Opus, about 10 MB an hour and track at its bit rate), `mp3` and `m4a`
            (AAC; give them 48 kbit/s or more), `flac` (lossless, about 60 MB an hour and track)
            or `wav` (115 MB).
        bit_rate_kbps: Of `opus`, `mp3` and `m4a`.
        transcripts: What the transcript is written as: `json`, `srt`, `vtt`, `txt`, `md`, `html`.
        fillers: Whether words like "um" stay in the transcript for people (txt, md and html).
    """

    tracks: bool = True
    mix: bool = True
    format: str = field(default="opus", validator=validators.in_(get_args(AudioFormat)))
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
        if self.format == "mp3" and self.bit_rate_kbps not in MP3_RATES_KBPS:
            raise ConfigError(
                f"[plugins.files] bit_rate_kbps is {self.bit_rate_kbps}, which MP3 has not.",
                f"It has {', '.join(map(str, MP3_RATES_KBPS))}; 48 is good for speech.",
            )
