"""What `BotConfig` takes, as plain settings with types: for editors and type checkers.

A misspelt name or a value of the wrong kind in `open_bot(..., name=3)` is an error while it is
typed. When it runs, `BotConfig` and `load_config` check the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from meetcore.model.config import (
    AudioConfig,
    AutomaticLeave,
    BusConfig,
    ExclusionConfig,
    RetentionConfig,
    SpeechConfig,
    StoreConfig,
    TranscriptionConfig,
)

__all__ = [
    "AudioSettings",
    "AutomaticLeaveSettings",
    "BotSettings",
    "SpeechSettings",
    "TranscriptionSettings",
]


class AutomaticLeaveSettings(TypedDict, total=False):
    """The fields of `AutomaticLeave`, each in seconds, None for never."""

    join_s: float
    waiting_room_s: float | None
    nobody_joined_s: float | None
    everyone_left_s: float | None
    only_bots_s: float | None
    silence_s: float | None
    max_duration_s: float | None
    recording_permission_s: float | None


class AudioSettings(TypedDict, total=False):
    """The fields of `AudioConfig`."""

    vad_mode: int
    hangover_ms: int
    pre_roll_ms: int
    max_utterance_s: float
    levels: bool


class TranscriptionSettings(TypedDict, total=False):
    """The fields of `TranscriptionConfig`."""

    streams: Literal["auto", "tracks", "mix"]
    diarize: bool
    withhold_echoes: bool
    captions_for_names: bool
    offer_names: bool
    fallback: Sequence[str]
    fallback_after_s: float


class SpeechSettings(TypedDict, total=False):
    """The fields of `SpeechConfig`."""

    barge_in: Literal["stop", "duck", "go_on"]
    duck_db: float
    in_transcript: bool


class ExclusionSettings(TypedDict, total=False):
    """The fields of `ExclusionConfig`."""

    over_a_mix: Literal["pause", "drop_words", "keep"]


class RetentionSettings(TypedDict, total=False):
    """The fields of `RetentionConfig`."""

    keep: Literal["all", "nothing"]
    memory: Path | str


class StoreSettings(TypedDict, total=False):
    """The fields of `StoreConfig`."""

    url: str | None


class BusSettings(TypedDict, total=False):
    """The fields of `BusConfig`."""

    url: str | None


class BotSettings(TypedDict, total=False):
    """The fields of `BotConfig` but `transcriber`, `sinks` and `plugins`.

    Those three are arguments of their own of `open_bot` and `Fleet.start`, which take objects too.
    """

    name: str
    synthesizer: str | None
    language: str | None
    vocabulary: Sequence[str]
    out_dir: Path | str
    entry_message: str | None
    record: bool
    video: bool
    screenshots: Literal["off", "states"]
    leave_on_transcription_failure: bool
    leave_timeout_s: float
    drain_timeout_s: float
    fsync: bool
    metadata: Mapping[str, str]
    automatic_leave: AutomaticLeave | AutomaticLeaveSettings
    audio: AudioConfig | AudioSettings
    transcription: TranscriptionConfig | TranscriptionSettings
    speech: SpeechConfig | SpeechSettings
    exclusion: ExclusionConfig | ExclusionSettings
    retention: RetentionConfig | RetentionSettings
    store: StoreConfig | StoreSettings
    bus: BusConfig | BusSettings
    plugin_files: Sequence[str]
    launcher: str | None
    trusted: bool
    ordered_sinks: Sequence[str]
    private_targets: Sequence[str]


PluginSettings = Mapping[str, Mapping[str, Any]]
"""Options of plugins by the plugin's name, as in `[plugins.NAME]` of a configuration file."""
