"""Puts the page's scripts together: one function, run in every document before the page's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from meetcore import SAMPLE_RATE_HZ
from meetcore_browser.capture import CaptureOptions
from meetcore_browser.page_devices import PICTURE_SIZE, SCREEN_SIZE, SPEECH_RATE_HZ

__all__ = ["PAGE_FOLDER", "page_script"]

PAGE_FOLDER = Path(__file__).parent / "page"
FLUSH_MS = 1000
_OWN = (
    "pictureEncoder",
    "pictureTrack",
    "tellHost",
    "tellAudio",
    "captured",
    "firstLayer",
    "captureTrack",
    "releaseTrack",
)
"""What only our own files may use."""


def page_script(
    binding: str,
    *,
    capture: CaptureOptions | None,
    incoming_video: bool,
    devices: bool = False,
    tab_video: bool = False,
    share: bool = False,
    scripts: Sequence[Path | str] = (),
) -> str:
    """Return the script.

    Every file becomes a block of one function, so that nothing of it becomes a name of the page;
    what they share is the object `meetcore`.

    Args:
        binding: Name of the binding that leads to the host.
        capture: How to capture audio, None to leave it alone.
        incoming_video: Whether to receive video.
        tab_video: Whether the tab can be recorded as video.
        share: Whether a joiner's script can have a shared screen recorded.
        devices: Whether the page gets a microphone, a camera and a screen of the bot's own.
        scripts: The joiner's own files, or their text, run last, each on its own.
    """
    options = capture or CaptureOptions()
    capture_files = ["capture.js", "sources.js", "tab_capture.js"] if capture is not None else []
    if capture is not None and (tab_video or share):
        wanted = {"tab_video.js": tab_video, "share_video.js": share}
        capture_files += ["picture_encoder.js", *(name for name in wanted if wanted[name])]
    if devices:
        capture_files += ["picture_track.js", "devices.js"]
    if capture is not None and options.web_audio != "off":
        capture_files.append("web_audio.js")
    ours = [PAGE_FOLDER / name for name in ("wire.js", *capture_files, "video_policy.js")]
    config = {
        "binding": binding,
        "sampleRate": SAMPLE_RATE_HZ,
        "blockS": options.block_s,
        "healthMs": options.health_interval_s * 1000,
        "flushMs": FLUSH_MS,
        "attachElement": options.attach_element,
        "webAudio": options.web_audio,
        "contributingSources": options.contributing_sources,
        "incomingVideo": incoming_video,
        "worklet": (PAGE_FOLDER / "pcm_worklet.js").read_text(encoding="utf-8"),
    }
    if devices:
        config |= {
            "devices": True,
            "speechRate": SPEECH_RATE_HZ,
            "picture": {"width": PICTURE_SIZE[0], "height": PICTURE_SIZE[1]},
            "screen": {"width": SCREEN_SIZE[0], "height": SCREEN_SIZE[1]},
            "speechWorklet": (PAGE_FOLDER / "speech_worklet.js").read_text(encoding="utf-8"),
        }
    parts = [path.read_text(encoding="utf-8") for path in ours]
    parts += [f"delete meetcore.{name};" for name in _OWN]
    parts += [f"(() => {{\n{_text_of(script)}\n}})();" for script in scripts]
    body = "\n".join(parts)
    return f"((meetcore) => {{\n'use strict';\n{body}\n}})({{config: {json.dumps(config)}}});"


def _text_of(script: Path | str) -> str:
    return script if isinstance(script, str) else script.read_text(encoding="utf-8")
