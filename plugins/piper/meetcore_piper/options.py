"""The options of `[plugins.piper]`, and what the file beside a voice says of it."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import frozen

from meetcore import ConfigError

__all__ = ["PiperOptions", "PiperVoice", "voice_of"]

RATES = (0.5, 2.0)
_HIGHEST_HZ = 192_000
_GET_A_VOICE = (
    "`python -m piper.download_voices en_US-ryan-medium` in piper's own environment fetches one; "
    "the .onnx.json file has to lie beside the .onnx file."
)


@frozen(kw_only=True)
class PiperOptions:
    """The options of `[plugins.piper]`.

    Attributes:
        voice: Path of the voice, a file NAME.onnx with its NAME.onnx.json beside it. Has to be
            given.
        command: How piper is started, for instance `["/opt/piper/bin/python", "-m", "piper"]`.
        rate: How fast it speaks, 0.5 to 2.
        speaker: Who speaks, in a voice of several: a number from 0.
    """

    voice: Path | None = None
    command: tuple[str, ...] = ("piper",)
    rate: float = 1.0
    speaker: int | None = None


@frozen
class PiperVoice:
    """A voice that can be used.

    Attributes:
        path: The file NAME.onnx.
        sample_rate_hz: The rate of what it speaks.
    """

    path: Path
    sample_rate_hz: int


def voice_of(options: PiperOptions) -> PiperVoice:
    """Return the voice, with all options checked.

    Raises:
        ConfigError: One cannot be used; it says which, and what to do.
    """
    if isinstance(options.command, str) or not options.command or not options.command[0]:
        raise ConfigError(
            f"[plugins.piper] command is {options.command!r}.",
            'Write it as a list, ["piper"] or ["/opt/piper/bin/python", "-m", "piper"].',
        )
    if not RATES[0] <= options.rate <= RATES[1]:
        raise ConfigError(
            f"[plugins.piper] rate is {options.rate:g}.",
            f"Take one from {RATES[0]:g} to {RATES[1]:g}.",
        )
    if options.voice is None:
        raise ConfigError("[plugins.piper] has no voice.", f"Set its path. {_GET_A_VOICE}")
    path = Path(options.voice)
    about = Path(f"{path}.json")
    for file in (path, about):
        if not file.is_file():
            raise ConfigError(f"[plugins.piper] voice: there is no file {file}.", _GET_A_VOICE)
    rate_hz, speakers = _read(about)
    if options.speaker is not None and not 0 <= options.speaker < speakers:
        raise ConfigError(
            f"[plugins.piper] speaker is {options.speaker}, and the voice {path.name} has "
            f"{speakers}.",
            f"Take one from 0 to {speakers - 1}, or leave it out.",
        )
    return PiperVoice(path.absolute(), rate_hz)


def _read(about: Path) -> tuple[int, int]:
    """Return a voice's sample rate and how many speakers it has."""
    try:
        said = json.loads(about.read_text("utf-8"))
        rate_hz, speakers = said["audio"]["sample_rate"], said.get("num_speakers", 1)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"[plugins.piper] voice: {about} does not say audio.sample_rate.", _GET_A_VOICE
        ) from error
    if type(rate_hz) is not int or not 1_000 <= rate_hz <= _HIGHEST_HZ:
        raise ConfigError(
            f"[plugins.piper] voice: {about} says audio.sample_rate {rate_hz!r}.", _GET_A_VOICE
        )
    return rate_hz, max(1, speakers) if isinstance(speakers, int) else 1
