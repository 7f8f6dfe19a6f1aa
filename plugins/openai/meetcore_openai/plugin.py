"""What this plugin hooks into: it offers transcriber and voice, and answers `meetcore doctor`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from meetcore import (
    HealthReport,
    MeetcoreError,
    Synthesizer,
    Transcriber,
    TranscriberContext,
    build_options,
    hookimpl,
)
from meetcore_openai.options import OpenAIOptions
from meetcore_openai.synthesizer import OpenAISynthesizer
from meetcore_openai.transcriber import OpenAITranscriber

__all__ = [
    "meetcore_check_health",
    "meetcore_register_synthesizers",
    "meetcore_register_transcribers",
]

meetcore_api_version = "1.0"

_CHECK_WITHIN_S = 20.0


@hookimpl
def meetcore_register_transcribers(register: Callable[[type[Transcriber]], None]) -> None:
    """Offer `openai`."""
    register(OpenAITranscriber)


@hookimpl
def meetcore_register_synthesizers(register: Callable[[type[Synthesizer]], None]) -> None:
    """Offer the voice `openai`."""
    register(OpenAISynthesizer)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Have a third of a second of silence transcribed, where the configuration names an endpoint.

    Without settings of the plugin nothing is asked, unless it is named (`meetcore doctor openai`):
    a key in the environment may be there for something else.
    """
    import trio

    name = "transcriber openai"
    try:
        options = build_options(OpenAIOptions, report.config.get("openai", {}), "[plugins.openai]")
        transcriber = OpenAITranscriber(options)
        readiness = transcriber.readiness()
        if not report.config.get("openai") and report.asked_for is None:
            state = readiness.because if readiness.usable else "installed, not set up"
            report.fine(name, f"{state}; nothing was asked")
        elif not readiness.usable:
            report.trouble(name, readiness.because, readiness.remedy)
        else:
            trio.run(_ask_once, transcriber)
            report.fine(name, f"{options.host} transcribed 0.3 s of silence with {options.model}")
    except MeetcoreError as error:
        report.trouble(name, error.message, error.remedy)


async def _ask_once(transcriber: OpenAITranscriber) -> None:
    """Have silence transcribed, within a deadline.

    Raises:
        TranscriberError: It does not work.
    """
    import numpy as np
    import trio

    from meetcore import TranscriberError, UtteranceAudio

    context = TranscriberContext(bot_id="doctor", folder=Path(tempfile.gettempdir()))
    silence = UtteranceAudio(
        bot_id="doctor",
        track_id="doctor",
        utterance_id="doctor",
        start_sample=0,
        pcm=np.zeros(4800, np.int16),
    )
    try:
        with trio.fail_after(_CHECK_WITHIN_S):
            async with transcriber.open(context):
                await transcriber.transcribe(silence)
    except trio.TooSlowError as error:
        raise TranscriberError(
            "network", f"No answer within {_CHECK_WITHIN_S:g} s.", retryable=True
        ) from error
