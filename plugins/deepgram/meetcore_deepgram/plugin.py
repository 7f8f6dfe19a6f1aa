"""What this plugin hooks into: it offers the transcriber and answers `meetcore doctor`."""

from __future__ import annotations

from collections.abc import Callable

from meetcore import HealthReport, Transcriber, hookimpl
from meetcore_deepgram.options import DeepgramOptions
from meetcore_deepgram.transcriber import DeepgramTranscriber
from meetcore_speech_api.health import check_provider

__all__ = ["meetcore_check_health", "meetcore_register_transcribers"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_transcribers(register: Callable[[type[Transcriber]], None]) -> None:
    """Offer `deepgram`."""
    register(DeepgramTranscriber)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say whether a key is set; `meetcore doctor deepgram` asks whether it is taken."""
    check_provider(report, DeepgramTranscriber, DeepgramOptions)
