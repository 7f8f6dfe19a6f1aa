"""What the plugin registers: the synthesizer `flite`; `doctor` looks for the program."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from meetcore import HealthReport, hookimpl
from meetcore_flite.synthesizer import PROGRAM, REMEDY, FliteSynthesizer

if TYPE_CHECKING:
    from meetcore import Synthesizer

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_synthesizers(register: Callable[[type[Synthesizer]], None]) -> None:
    """Offer the synthesizer `flite`."""
    register(FliteSynthesizer)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say whether the program is there: trouble only where somebody has set its options."""
    found = shutil.which(PROGRAM)
    if found is not None:
        report.fine("voice", found)
    elif "flite" in report.config:
        report.trouble("voice", f"the program {PROGRAM} is not installed", REMEDY)
    else:
        report.fine("voice", f"none; the program {PROGRAM} would be one. {REMEDY}")
