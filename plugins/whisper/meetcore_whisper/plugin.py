"""What this plugin hooks into: the transcriber, `meetcore models`, and `meetcore doctor`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from meetcore import (
    HealthReport,
    MeetcoreError,
    Transcriber,
    TranscriberContext,
    build_options,
    hookimpl,
)
from meetcore_whisper.cli import models
from meetcore_whisper.options import WhisperOptions
from meetcore_whisper.transcriber import WhisperTranscriber

if TYPE_CHECKING:
    import click

__all__ = ["meetcore_check_health", "meetcore_register_cli", "meetcore_register_transcribers"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_transcribers(register: Callable[[type[Transcriber]], None]) -> None:
    """Offer `whisper`."""
    register(WhisperTranscriber)


@hookimpl
def meetcore_register_cli(group: click.Group) -> None:
    """Add `meetcore models`."""
    group.add_command(models)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Check the model, and start a worker with it."""
    import trio

    name = "transcriber whisper"
    try:
        options = build_options(
            WhisperOptions, report.config.get("whisper", {}), "[plugins.whisper]"
        )
        ready = WhisperTranscriber(options).readiness()
        if not ready.usable and "whisper" not in report.config:
            report.fine(name, f"not used here: {ready.because}. {ready.remedy}")
            return
        told = trio.run(_start_worker, options)
    except MeetcoreError as error:
        report.trouble(name, error.message, error.remedy)
    else:
        report.fine(name, f"a worker answers: {told}")


async def _start_worker(options: WhisperOptions) -> str:
    """Start a worker, or find the one that runs; return what it says of itself."""
    told: list[str] = []
    context = TranscriberContext(
        bot_id="doctor",
        folder=Path(tempfile.gettempdir()),
        notice=lambda kind, detail: told.append(detail),
    )
    async with WhisperTranscriber(options).open(context):
        return told[-1] if told else "offline"
