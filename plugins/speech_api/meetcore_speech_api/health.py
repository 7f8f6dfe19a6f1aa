"""What `meetcore doctor` says about a hosted service; the service itself is asked on request."""

from __future__ import annotations

from typing import Any

import trio

from meetcore import HealthReport, MeetcoreError, build_options
from meetcore_speech_api.options import ProviderOptions
from meetcore_speech_api.transcriber import ProviderTranscriber

__all__ = ["check_provider"]

CHECK_WITHIN_S = 60.0


def check_provider(
    report: HealthReport,
    transcriber_type: type[ProviderTranscriber[Any]],
    options_type: type[ProviderOptions],
) -> None:
    """Say whether a key is set, and, where `doctor` was asked for this one, whether it is taken.

    A missing key is trouble only for those who asked for it, or have set options of it.

    Args:
        report: Takes the finding.
        transcriber_type: The transcriber.
        options_type: Its options.
    """
    name = transcriber_type.name
    line = f"transcriber {name}"
    asked = report.asked_for == name
    try:
        settings = report.config.get(name)
        options = build_options(options_type, settings, f"[plugins.{name}]")
        transcriber = transcriber_type(options)
        ready = transcriber.readiness()
        if not ready.usable and not asked and not settings:
            report.fine(line, f"not set up: {ready.because}")
        elif not ready.usable:
            report.trouble(line, ready.because, ready.remedy)
        elif not asked:
            report.fine(line, f"{ready.because}; `meetcore doctor {name}` asks whether it is taken")
        else:
            done = trio.run(_within, transcriber)
            report.fine(line, f"{ready.because} and is taken by {options.url}: {done}")
    except trio.TooSlowError:
        words = f"it did not answer within {CHECK_WITHIN_S:g} s"
        report.trouble(line, words, "Look at the network, then try again.")
    except MeetcoreError as error:
        report.trouble(line, error.message, error.remedy or "Try again later.")


async def _within(transcriber: ProviderTranscriber[Any]) -> str:
    with trio.fail_after(CHECK_WITHIN_S):
        return await transcriber.check()
