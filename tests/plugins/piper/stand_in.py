"""Behaves as piper's program does, without a voice: a line's number is how loud it is spoken.

`--notes FILE` has each start appended with its arguments; `--gate FILE` has it answer a line only
once that file is there; `--fault NAME` has it misbehave.
"""

from __future__ import annotations

import argparse
import re
import struct
import sys
import time
import wave
from pathlib import Path

SAMPLE_RATE_HZ = 16_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", "-m", type=Path, required=True)
    parser.add_argument("--output-dir", "-d", type=Path, required=True)
    parser.add_argument("--length-scale", type=float, default=1.0)
    parser.add_argument("--speaker", type=int)
    parser.add_argument("--notes", type=Path)
    parser.add_argument("--gate", type=Path)
    parser.add_argument("--fault", default="")
    options = parser.parse_args()
    if options.notes:
        with options.notes.open("a") as notes:
            notes.write(" ".join(sys.argv[1:]) + "\n")
    if options.fault == "no_voice":
        raise ValueError(f"Unable to find voice: {options.model.name}")
    for line in sys.stdin:
        while options.gate and not options.gate.exists():
            time.sleep(0.005)
        while options.fault == "hang":  # not even the end of its input ends it
            time.sleep(1)
        if "die" in line:
            raise ValueError("no channels" if options.fault != "tells" else line)
        print("WARNING:piper.voice:Missing phoneme", file=sys.stderr)
        path = speak(line, options)
        print(f"INFO:__main__:Wrote {path}", file=sys.stderr, flush=True)


def speak(line: str, options: argparse.Namespace) -> Path:
    folder = options.output_dir.parent if options.fault == "outside" else options.output_dir
    path: Path = folder / f"{time.monotonic_ns()}.wav"
    if options.fault == "garbage":
        path.write_bytes(b"no sound")
        return path
    level = int(found[0]) if (found := re.search(r"\d+", line)) else 1
    samples = round(0.25 * options.length_scale * SAMPLE_RATE_HZ)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000 if options.fault == "other_rate" else SAMPLE_RATE_HZ)
        file.writeframes(struct.pack("<h", level) * samples)
    return path


if __name__ == "__main__":
    main()
