"""What this plugin hooks into: it offers the sink, and answers `meetcore doctor`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from meetcore import HealthReport, Sink, hookimpl
from meetcore_rtmp.sink import RtmpSink

__all__ = ["meetcore_check_health", "meetcore_register_sinks"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_sinks(register: Callable[[type[Sink]], None]) -> None:
    """Offer `rtmp`."""
    register(RtmpSink)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say whether ffmpeg's libraries are there, which speak RTMP."""
    if importlib.util.find_spec("av") is None:
        report.trouble("live video", "the library PyAV is missing", "Run `pip install av`.")
        return
    from importlib.metadata import version

    report.fine("live video", f"RTMP by ffmpeg's libraries, PyAV {version('av')}")
