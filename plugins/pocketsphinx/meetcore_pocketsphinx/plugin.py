"""What this plugin hooks into: it offers the transcriber and answers `meetcore doctor`."""

from __future__ import annotations

from collections.abc import Callable

from meetcore.contracts import HealthReport, Transcriber
from meetcore.errors import TranscriberError
from meetcore.hooks import hookimpl
from meetcore_pocketsphinx.transcriber import PocketsphinxTranscriber, require_library

__all__ = ["meetcore_check_health", "meetcore_register_transcribers"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_transcribers(register: Callable[[type[Transcriber]], None]) -> None:
    """Offer `pocketsphinx`."""
    register(PocketsphinxTranscriber)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say whether the library is there for this version of Python."""
    try:
        require_library()
    except TranscriberError as error:
        report.trouble("transcriber pocketsphinx", error.message, error.remedy)
        return
    from importlib.metadata import version

    report.fine(
        "transcriber pocketsphinx", f"offline, US English, library {version('pocketsphinx')}"
    )
