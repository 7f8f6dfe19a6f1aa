"""What counts as speech: hum, a ringing tone and music against voices, behind several guards.

Each figure is the share of 20 ms frames that are taken for speech; for voices, of those that the
bare detector takes at full level. The guards: `bare` (webrtcvad alone, which is a small statistical
model itself, in its strictest mode), `gate` (what peaks below -57 dBFS is not asked about), `level`
(what peaks below -40 dBFS is silence), `normalised` (each second brought to one level first),
`steady` (the default: gate, and for the silence rule what does not change for a second is none).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, report, spread
from meetcore.audio.chunk import SAMPLE_RATE_HZ, Pcm
from meetcore.audio.vad import VoiceDetector
from meetcore.testing.voice import read_wav

VOICES = Path(__file__).parents[1] / "plugins/rehearsal/meetcore_rehearsal/scripts/planning"
LEVELS_DBFS = (-20, -30, -40, -50)
SECONDS = 30
Guard = Callable[[Pcm], list[bool]]


def _at(sound: np.ndarray, dbfs: float) -> Pcm:
    """Return sound with its loud parts (the 95th percentile of 20 ms levels) at a level."""
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    loud = np.percentile(np.sqrt((frames.astype(float) ** 2).mean(axis=1)), 95)
    scaled = sound * (10 ** (dbfs / 20) * 32768 / max(loud, 1e-9))
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def machines() -> dict[str, np.ndarray]:
    """Return half a minute of each sound that is nobody's voice."""
    t = np.arange(SECONDS * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    chance = np.random.default_rng(1)
    hum = sum(np.sin(2 * np.pi * 50 * n * t) / n for n in range(1, 20))
    us = (np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 480 * t)) * (t % 6 < 2)
    eu = np.sin(2 * np.pi * 425 * t) * (t % 5 < 1)
    scale = 220 * 2 ** (np.array([0, 3, 7, 12, 10, 7, 5, 3]) / 12)
    note = (t / 0.4).astype(int)
    pitch = scale[note % len(scale)]
    fade = np.exp(-3 * (t % 0.4))
    music = sum(np.sin(2 * np.pi * pitch * n * t) / n for n in range(1, 6)) * fade
    return {
        "hum": np.asarray(hum) + 0.01 * chance.standard_normal(len(t)),
        "ringing, two tones": us + 0.001 * chance.standard_normal(len(t)),
        "ringing, one tone": eu + 0.001 * chance.standard_normal(len(t)),
        "hold music": np.asarray(music),
    }


def _normalised(pcm: Pcm) -> list[bool]:
    detector, flags = VoiceDetector(), []
    for at in range(0, len(pcm), SAMPLE_RATE_HZ):
        second = pcm[at : at + SAMPLE_RATE_HZ].astype(float)
        gain = min(3000 / max(1.0, float(np.sqrt((second**2).mean()))), 100.0)
        flags += detector.feed(np.clip(second * gain, -32768, 32767).astype(np.int16))
    return flags


GUARDS: dict[str, Guard] = {
    "bare": lambda pcm: VoiceDetector(gate_peak=0).feed(pcm),
    "gate": lambda pcm: _in_chunks(VoiceDetector(), pcm),
    "level": lambda pcm: _in_chunks(VoiceDetector(gate_peak=328), pcm),
    "normalised": _normalised,
    "steady": lambda pcm: _unsteady(pcm),
}


def _unsteady(pcm: Pcm) -> list[bool]:
    """Return the flags that the silence rule counts: those of steady sound are none."""
    steady = [False]
    detector = VoiceDetector(on_steady=lambda now: steady.__setitem__(0, now))
    flags: list[bool] = []
    for at in range(0, len(pcm), 1600):
        heard = detector.feed(pcm[at : at + 1600])
        flags += [flag and not steady[0] for flag in heard]
    return flags


def _in_chunks(detector: VoiceDetector, pcm: Pcm) -> list[bool]:
    return [f for at in range(0, len(pcm), 1600) for f in detector.feed(pcm[at : at + 1600])]


def measure() -> list[Figure]:
    """Return the figures."""
    voices = [read_wav(path) for path in sorted(VOICES.glob("*.wav"))]
    figures: list[Figure] = []
    for guard, flags_of in GUARDS.items():
        for name, sound in machines().items():
            for dbfs in LEVELS_DBFS:
                flags = flags_of(_at(sound, dbfs))
                share = sum(flags) / len(flags)
                figures.append(spread(f"{guard}: {name} at {dbfs} dBFS", "ratio", [share]))
        for dbfs in LEVELS_DBFS:
            kept = []
            for voice in voices:
                whole = sum(GUARDS["bare"](_at(voice, LEVELS_DBFS[0])))
                kept.append(sum(flags_of(_at(voice, dbfs))) / max(1, whole))
            figures.append(spread(f"{guard}: voices at {dbfs} dBFS", "ratio", kept))
    return figures


if __name__ == "__main__":
    report(measure())
