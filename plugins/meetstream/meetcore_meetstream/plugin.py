"""What this plugin hooks into: the server, and the sinks that dial out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from meetcore import hookimpl

if TYPE_CHECKING:
    from meetcore import Sink
    from meetcore.gateway import App

__all__ = ["meetcore_register_routes", "meetcore_register_sinks"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_sinks(register: Callable[[type[Sink]], None]) -> None:
    """Offer `meetstream_control`, `_audio`, `_video` and `_transcript`."""
    from meetcore_meetstream.audio_sink import MeetstreamAudioSink
    from meetcore_meetstream.control_sink import MeetstreamControlSink
    from meetcore_meetstream.transcript_sink import MeetstreamTranscriptSink
    from meetcore_meetstream.video_sink import MeetstreamVideoSink

    register(MeetstreamControlSink)
    register(MeetstreamAudioSink)
    register(MeetstreamTranscriptSink)
    register(MeetstreamVideoSink)


@hookimpl
def meetcore_register_routes(app: App) -> None:
    """Mount the API at `/meetstream`, and offer its webhook formats."""
    from meetcore_meetstream.mount import add_to

    add_to(app)
