"""What the plugin registers: the synthesizer `piper`; `doctor` has it speak a word."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from meetcore import HealthReport, MeetcoreError, SynthesisRequest, build_options, hookimpl
from meetcore_piper.options import PiperOptions
from meetcore_piper.program import INSTALL
from meetcore_piper.synthesizer import PiperSynthesizer

if TYPE_CHECKING:
    from meetcore import Synthesizer

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_synthesizers(register: Callable[[type[Synthesizer]], None]) -> None:
    """Offer the synthesizer `piper`."""
    register(PiperSynthesizer)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Have it speak a word where somebody has set its options; else say whether it is there."""
    settings = report.config.get("piper")
    if settings is None:
        found = shutil.which(PiperOptions().command[0])
        report.fine("piper", f"{found}, and no voice is set" if found else f"none. {INSTALL}")
        return
    began = time.monotonic()
    try:
        synthesizer = _synthesizer(settings)
        seconds = _spoken_s(synthesizer)
    except MeetcoreError as error:
        report.trouble("piper", error.message, error.remedy)
        return
    took_s = time.monotonic() - began
    voice = synthesizer.voice.path.name
    report.fine("piper", f"{voice} spoke {seconds:.1f} s, {took_s:.1f} s after its start")


def _synthesizer(settings: Mapping[str, object]) -> PiperSynthesizer:
    return PiperSynthesizer(build_options(PiperOptions, settings, "[plugins.piper]"))


def _spoken_s(synthesizer: PiperSynthesizer) -> float:
    """Return how many seconds of sound it makes of a word."""
    import trio

    async def speak() -> float:
        size = 0
        try:
            async for piece in synthesizer.synthesize(SynthesisRequest(bot_id="", text="Hello.")):
                size += len(piece) if isinstance(piece, bytes) else 0
        finally:
            await synthesizer.aclose()
        return size / 2 / synthesizer.sample_rate_hz

    return trio.run(speak)
