"""What this plugin hooks into: it offers the transcriber and answers `meetcore doctor`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from meetcore import (
    HealthReport,
    MeetcoreError,
    Transcriber,
    TranscriberContext,
    build_options,
    hookimpl,
)
from meetcore_pocketsphinx.options import PocketsphinxOptions
from meetcore_pocketsphinx.transcriber import PocketsphinxTranscriber

__all__ = ["meetcore_check_health", "meetcore_register_transcribers"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_transcribers(register: Callable[[type[Transcriber]], None]) -> None:
    """Offer `pocketsphinx`."""
    register(PocketsphinxTranscriber)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Start a worker, with the library, the model and the options it would have in a meeting."""
    from importlib.metadata import version

    import trio

    name = "transcriber pocketsphinx"
    try:
        options = build_options(
            PocketsphinxOptions, report.config.get("pocketsphinx", {}), "[plugins.pocketsphinx]"
        )
        trio.run(_start_worker, options)
    except MeetcoreError as error:
        report.trouble(name, error.message, error.remedy)
    else:
        report.fine(name, f"a worker starts; offline, library {version('pocketsphinx')}")


async def _start_worker(options: PocketsphinxOptions) -> None:
    """Start a worker and end it; its own start has a deadline."""
    import trio

    context = TranscriberContext(bot_id="doctor", folder=Path(tempfile.gettempdir()))
    async with PocketsphinxTranscriber(options).open(context):
        await trio.lowlevel.checkpoint()
