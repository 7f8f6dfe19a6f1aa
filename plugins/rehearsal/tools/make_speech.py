"""Makes the audio files of the bundled script again: synthetic voices by flite, one human voice.

    python plugins/rehearsal/tools/make_speech.py --recordings UNPACKED/pocketsphinx-5.1.1/test/data

`flite` (Debian package `flite`) speaks the lines of Ada (voice slt), Ben (rms) and Callum (awb).
Robin is a person: two recordings from the test data of pocketsphinx, whose source distribution
`pip download --no-deps --no-binary pocketsphinx pocketsphinx` fetches. Without `--recordings`
Robin's files stay as they are. Voices made by formant synthesis (espeak) are of no use here:
a recogniser trained on people understands less than half of them.
"""

from __future__ import annotations

import argparse
import subprocess
import tomllib
import wave
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "meetcore_rehearsal/scripts/planning/script.toml"
FLITE_VOICES = {"ada": "slt", "ben": "rms", "callum": "awb"}
RECORDINGS = {"robin-1.wav": "goforward.raw", "robin-2.wav": "something.raw"}


def speak(voice: str, text: str, path: Path) -> None:
    """Write `text` spoken by a flite voice as a 16 kHz mono WAV."""
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, timeout=60)


def wrap_raw(source: Path, path: Path) -> None:
    """Write headerless 16 kHz mono int16 PCM as a WAV."""
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(source.read_bytes())


def main() -> None:
    """Make every audio file the script names."""
    parser = argparse.ArgumentParser(description="Make the audio files of the bundled script.")
    parser.add_argument("--recordings", type=Path, help="pocketsphinx's folder test/data")
    recordings: Path | None = parser.parse_args().recordings
    for line in tomllib.loads(SCRIPT.read_text(encoding="utf-8"))["lines"]:
        path = SCRIPT.parent / line["audio"]
        if line["who"] in FLITE_VOICES:
            speak(FLITE_VOICES[line["who"]], line["text"], path)
        elif recordings is not None:
            wrap_raw(recordings / RECORDINGS[path.name], path)


if __name__ == "__main__":
    main()
