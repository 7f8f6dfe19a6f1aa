"""Speech with what is said in it, from packages; nothing of it is kept here but the prompts' texts.

* Asterisk's core sounds: a woman, studio, 16 kHz (Debian's `asterisk-core-sounds-en-g722`). In
  three of the published texts words are missing that two models hear alike; they are put in.
* LibriVox and others: the test data in pocketsphinx's source distribution.
* flite's voices: the program `flite`.
* Thirty clips in which nobody speaks: noise, hums, tones, music, key clicks; made here.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import wave
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from attrs import frozen

from meetcore import SAMPLE_RATE_HZ, Pcm

PROMPTS = Path(__file__).with_name("data") / "asterisk_prompts.tsv"
SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
SENTENCES = (
    "The first point on the agenda is the budget for next year.",
    "We should move the deadline to the second week of March.",
    "Can somebody share the numbers from the last quarter?",
    "I will send the notes to everyone after this call.",
    "Our customers asked for a simple way to export the data.",
    "The server was down for twenty minutes on Saturday night.",
    "Let us decide who talks to the legal department.",
    "I am not sure that the new design works on small screens.",
    "Please mute your microphone when you are not speaking.",
    "The contract with the supplier ends in September.",
    "We have three open positions in the support team.",
    "She will present the results of the survey tomorrow morning.",
    "The tests were green before I went home yesterday.",
    "Is there anything else that we need to discuss today?",
    "He found the problem in the second line of the script.",
    "Our office in the north will be closed on Friday.",
    "The training for new colleagues starts at nine o'clock.",
    "I agree that the price is too high for a small company.",
    "Thank you for joining, and have a good weekend.",
    "We will look at the risks again before the release.",
)


@frozen
class Spoken:
    """A recording and what is said in it."""

    name: str
    text: str
    pcm: Pcm

    @property
    def seconds(self) -> float:
        return len(self.pcm) / SAMPLE_RATE_HZ


def _decoded(path: Path, file_format: str | None = None) -> Pcm:
    with av.open(str(path), format=file_format) as container:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
        blocks = [
            piece.to_ndarray().reshape(-1)
            for frame in [*container.decode(audio=0), None]
            for piece in resampler.resample(frame)
        ]
    return np.concatenate(blocks).astype(np.int16)


@lru_cache
def prompts() -> tuple[Spoken, ...]:
    """Return sixty prompts; none where Debian's package is not installed."""
    found = []
    for line in PROMPTS.read_text("utf-8").splitlines():
        name, _, text = line.partition("\t")
        path = SOUNDS / f"{name}.g722"
        if path.is_file():
            found.append(Spoken(name, text, _decoded(path, "g722")))
    return tuple(found)


@lru_cache
def librivox() -> tuple[Spoken, ...]:
    """Return five sentences of a novel, read by a volunteer; none where pip cannot fetch them."""
    cache = Path.home() / ".cache" / "meetcore" / "benchmarks"
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / "pocketsphinx-5.1.1.tar.gz"
    if not archive.is_file():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", "pocketsphinx", "pocketsphinx==5.1.1", "--dest", str(cache)]
        if subprocess.run(command, check=False, timeout=300).returncode:
            return ()
    found = []
    with tarfile.open(archive) as tar, tempfile.TemporaryDirectory() as folder:
        for member in tar.getmembers():
            if "/librivox/" in member.name and member.name.endswith(".wav"):
                stem = member.name.removesuffix(".wav")
                tar.extract(member, folder, filter="data")
                text = tar.extractfile(f"{stem}.txt").read().decode()
                found.append(
                    Spoken(Path(stem).name[-4:], text, _decoded(Path(folder, member.name)))
                )
    return tuple(found)


@lru_cache
def flite(voice: str, sentences: tuple[str, ...] = SENTENCES) -> tuple[Spoken, ...]:
    """Return sentences in one of flite's voices."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(sentences):
            path = Path(folder) / "spoken.wav"
            command = ["flite", "-voice", voice, "-t", text, "-o", str(path)]
            subprocess.run(command, check=True, timeout=60)
            with wave.open(str(path), "rb") as file:
                pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            found.append(Spoken(f"{voice}-{number}", text, pcm))
    return tuple(found)


def with_noise(pcm: Pcm, snr_db: float, seed: int = 1) -> Pcm:
    """Return speech with white noise so many dB below it."""
    clean = pcm.astype(np.float64)
    power = np.mean(np.square(clean)) / 10 ** (snr_db / 10)
    noisy = clean + np.random.default_rng(seed).normal(0, np.sqrt(power), len(clean))
    return np.clip(noisy, -32768, 32767).astype(np.int16)


@lru_cache
def silences() -> tuple[Spoken, ...]:
    """Return thirty clips in which nobody speaks, of 1, 3 and 8 seconds."""
    random = np.random.default_rng(11)
    found = []
    for seconds in (1, 3, 8):
        t = np.arange(seconds * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
        white = random.normal(0, 1, len(t))
        shaped = np.fft.rfft(white) / np.maximum(1, np.arange(len(t) // 2 + 1)) ** 0.5
        pink = np.fft.irfft(shaped, len(t))
        clicks = np.zeros(len(t))
        clicks[random.integers(0, len(t) - 200, 6 * seconds)] = 1
        burst = np.exp(-np.arange(200) / 30) * random.normal(0, 1, 200)
        beat = 1 + np.sin(2 * np.pi * 2 * t)
        chord = sum(np.sin(2 * np.pi * pitch * t) * beat for pitch in (262, 330, 392))
        tune = np.sin(2 * np.pi * np.take((262, 294, 330, 392), (t * 4).astype(int) % 4) * t)
        ring = np.sin(2 * np.pi * 440 * t) * np.sin(2 * np.pi * 480 * t) * (np.mod(t, 1.5) < 0.5)
        breath = white * np.clip(np.sin(2 * np.pi * 0.4 * t), 0, 1) * 0.02
        clips = {
            "silence": np.zeros(len(t)),
            "white -50 dB": white * 0.003,
            "white -25 dB": white * 0.056,
            "pink": pink / np.max(np.abs(pink)) * 0.2,
            "key clicks": np.convolve(clicks, burst, "same") * 0.3,
            "hum": 0.05 * np.sin(314.16 * t) + 0.02 * np.sin(942.48 * t),
            "chord": np.asarray(chord) / 8,
            "tune": tune * 0.2,
            "ring tone": 0.2 * ring,
            "breath": breath,
        }
        for name, sound in clips.items():
            pcm = np.clip(sound * 32767, -32768, 32767).astype(np.int16)
            found.append(Spoken(f"{name}, {seconds} s", "", pcm))
    return tuple(found)
