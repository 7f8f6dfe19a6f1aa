"""What this plugin hooks into: it offers the sink and answers `meetcore doctor`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

from meetcore import HealthReport, Sink, hookimpl
from meetcore_files.sink import FilesSink

if TYPE_CHECKING:
    import click

__all__ = ["meetcore_check_health", "meetcore_register_cli", "meetcore_register_sinks"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_sinks(register: Callable[[type[Sink]], None]) -> None:
    """Offer `files`."""
    register(FilesSink)


@hookimpl
def meetcore_register_cli(group: click.Group) -> None:
    """Add `meetcore transcribe`, what a server runs for these, `name` and `clip`."""
    from meetcore_files.clip_command import clip_command
    from meetcore_files.name_command import name_command
    from meetcore_files.sound_job import sound_job
    from meetcore_files.transcribe import transcribe
    from meetcore_files.transcription_job import transcription_job

    group.add_command(transcribe)
    group.add_command(transcription_job)
    group.add_command(name_command)
    group.add_command(clip_command)
    group.add_command(sound_job)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say whether the encoder is there."""
    if importlib.util.find_spec("av") is None:
        report.trouble("recorder", "the library PyAV is missing", "Run `pip install av`.")
        return
    from importlib.metadata import version

    report.fine("recorder", f"Ogg Opus, FLAC, MP3, M4A and WAV, PyAV {version('av')}")
