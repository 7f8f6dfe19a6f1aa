"""Audio-seconds per CPU-second through voice detector, utterances, ledger and two consumers.

Beside it, in the same process and over the same frames: a bare loop that calls webrtcvad on each
20 ms frame and hands it to two functions. And, in an environment of its own, the same work in
pipecat 1.14.0 (its lean settings, webrtcvad as its analyzer, two consumers as processors), with
eight frames in flight so that its unbounded queues measure work and not memory.

What the comparison does not say: pipecat does more per frame (interruptions, observers, metrics),
and meetcore's path takes blocks of 100 ms where pipecat is given its usual 20 ms; the row with
20 ms chunks shows what that alone makes out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import webrtcvad

from benchmarks.figures import Figure, report, spread
from benchmarks.signal_source import bursts
from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.audio.ledger import Account, Ledger
from meetcore.bot.tracks import FeedItem, TrackPath
from meetcore.log.mailbox import Lost

SECONDS = 300
RUNS = 7
PIPECAT = "1.14.0"
FRAME = 320


class Recorder:
    """A consumer that counts what it gets."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def put(self, item: Chunk | Lost) -> None:
        self._account.delivered += item.samples


class Feed:
    """A transcriber's feed that counts what it gets."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.marks = 0

    def put(self, item: FeedItem) -> None:
        if isinstance(item, Chunk):
            self._account.delivered += item.samples
        else:
            self.marks += 1


def meetcore_path(block: int) -> tuple[float, int]:
    """Return audio-seconds per CPU-second, and how many utterances were found."""
    pcm = bursts(SECONDS)
    chunks = [Chunk("t", at, pcm[at : at + block]) for at in range(0, len(pcm), block)]
    ledger = Ledger()
    account = ledger.account("t", "transcriber")
    feed = Feed(account)
    path = TrackPath(
        "t", consumers=[Recorder(ledger.account("t", "recorder"))], feed=feed, feed_account=account
    )
    began = time.process_time()
    for chunk in chunks:
        ledger.capture("t", chunk.samples)
        path.process(chunk)
    path.close()
    took = time.process_time() - began
    assert ledger.balanced
    return SECONDS / took, feed.marks // 2


def bare_loop() -> float:
    """Return audio-seconds per CPU-second of the detector and two calls per frame."""
    data = bursts(SECONDS).tobytes()
    is_speech = webrtcvad.Vad(3).is_speech
    counts = [0, 0]

    def first(frame: bytes) -> None:
        counts[0] += len(frame)

    def second(frame: bytes) -> None:
        counts[1] += len(frame)

    began = time.process_time()
    for at in range(0, len(data), 2 * FRAME):
        frame = data[at : at + 2 * FRAME]
        first(frame)
        if is_speech(frame, SAMPLE_RATE_HZ):
            second(frame)
    return SECONDS / (time.process_time() - began)


def pipecat_figures(runs: int) -> list[float]:
    """Install pipecat in an environment of its own and measure it; empty if that fails."""
    with tempfile.TemporaryDirectory(prefix="meetcore-pipecat-") as folder:
        venv = Path(folder) / "venv"
        python = venv / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        wanted = [f"pipecat-ai=={PIPECAT}", "webrtcvad-wheels"]
        installed = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *wanted], check=False
        )
        if installed.returncode:
            print("pipecat cannot be installed here; its row is left out.", file=sys.stderr)
            return []
        sound = Path(folder) / "sound.raw"
        sound.write_bytes(bursts(SECONDS).tobytes())
        program = Path(__file__).with_name("pipecat_side.py")
        values = []
        for _ in range(runs):
            done = subprocess.run(
                [str(python), str(program), str(sound)], check=True, capture_output=True, text=True
            )
            values.append(json.loads(done.stdout.strip().splitlines()[-1])["audio_s_per_cpu_s"])
        return values


def measure() -> list[Figure]:
    """Return the figures."""
    blocks, frames, bare, ratios = [], [], [], []
    meetcore_path(1600)
    for _ in range(RUNS):
        speed, _utterances = meetcore_path(1600)
        loop = bare_loop()
        blocks.append(speed)
        bare.append(loop)
        ratios.append(speed / loop)
        frames.append(meetcore_path(FRAME)[0])
    figures = [
        spread("audio path, 100 ms chunks", "audio-s/CPU-s", blocks, at_least=1500),
        spread("audio path, 20 ms chunks", "audio-s/CPU-s", frames),
        spread("bare loop: webrtcvad and two calls per frame", "audio-s/CPU-s", bare),
        spread("audio path ÷ bare loop", "ratio", ratios, at_least=0.6),
    ]
    if "--without-pipecat" not in sys.argv:
        theirs = pipecat_figures(5)
        if theirs:
            figures.append(spread(f"the same in pipecat {PIPECAT}", "audio-s/CPU-s", theirs))
            pairs = [ours / other for ours, other in zip(blocks, theirs, strict=False)]
            figures.append(spread("audio path ÷ pipecat", "ratio", pairs, at_least=10))
    return figures


if __name__ == "__main__":
    report(measure())
