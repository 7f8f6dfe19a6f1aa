"""What this plugin hooks into: it offers the transcriber and answers `meetcore doctor`."""

from __future__ import annotations

from collections.abc import Callable

from meetcore import HealthReport, Transcriber, hookimpl
from meetcore_assemblyai.options import AssemblyAIOptions
from meetcore_assemblyai.transcriber import AssemblyAITranscriber
from meetcore_speech_api.health import check_provider

__all__ = ["meetcore_check_health", "meetcore_register_transcribers"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_transcribers(register: Callable[[type[Transcriber]], None]) -> None:
    """Offer `assemblyai`."""
    register(AssemblyAITranscriber)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say whether a key is set; `meetcore doctor assemblyai` asks whether it is taken."""
    check_provider(report, AssemblyAITranscriber, AssemblyAIOptions)
