"""What an adapter of a hosted speech service costs beside the service: CPU per second of audio.

A stand-in of the service runs in a process of its own. This one feeds a stream 100 ms of sound at a
time, with drafts and finals coming back, and its CPU time is divided by the audio that was sent.
Deepgram's takes audio as fast as it comes; AssemblyAI's in real time, so it is fed less.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import trio

from benchmarks.figures import Figure, report, spread
from meetcore import Chunk, Hypothesis, Secret, StreamRequest, Transcriber
from meetcore.testing import synthetic_voice
from meetcore_assemblyai.options import AssemblyAIOptions
from meetcore_assemblyai.testing import AssemblyAIStandIn
from meetcore_assemblyai.transcriber import AssemblyAITranscriber
from meetcore_deepgram.options import DeepgramOptions
from meetcore_deepgram.testing import DeepgramStandIn
from meetcore_deepgram.transcriber import DeepgramTranscriber

RUNS = 3
FED_S = {"deepgram": 60, "assemblyai": 12}
UTTERANCE_S = 6
STEP = 1600


async def serve(name: str) -> None:
    """Run a stand-in until this process is ended."""
    kind = DeepgramStandIn if name == "deepgram" else AssemblyAIStandIn
    stand_in = kind.of()
    async with stand_in.serving() as url:
        print(url, stand_in.key, flush=True)
        await trio.sleep_forever()


def adapter(name: str, url: str, key: str) -> Transcriber:
    """Return the transcriber that is measured."""
    if name == "deepgram":
        return DeepgramTranscriber(DeepgramOptions(url=url, key=Secret(key)))
    return AssemblyAITranscriber(AssemblyAIOptions(url=url, files_url=url, key=Secret(key)))


async def cost(transcriber: Transcriber, seconds: int) -> float:
    """Return CPU seconds per second of audio, in percent."""
    results: list[object] = []
    sound = np.resize(synthetic_voice(2.0), UTTERANCE_S * 16_000)
    request = StreamRequest(bot_id="b", track_id="t", emit=results.append)
    with trio.fail_after(300):
        async with transcriber.stream(request) as stream:
            began = time.process_time()
            for number in range(seconds // UTTERANCE_S):
                at = number * (UTTERANCE_S + 2) * 16_000
                await stream.begin_utterance(f"u{number}", at)
                for start in range(0, len(sound), STEP):
                    await stream.feed(Chunk("t", at + start, sound[start : start + STEP]))
                await stream.end_utterance(f"u{number}", at + len(sound), "silence")
                await stream.flush()
            took = time.process_time() - began
    finals = [each for each in results if isinstance(each, Hypothesis) and each.final]
    assert len(finals) == seconds // UTTERANCE_S
    return 100 * took / seconds


def measure() -> list[Figure]:
    """Measure both adapters."""
    figures = []
    for name, seconds in FED_S.items():
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.stream_adapters", "--serve", name],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            url, key = server.stdout.readline().split()
            values = [trio.run(cost, adapter(name, url, key), seconds) for _ in range(RUNS)]
        finally:
            server.kill()
            server.wait()
        figures.append(spread(f"{name}: a core, per stream", "%", values, at_most=1.0))
    return figures


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        trio.run(serve, sys.argv[2])
    else:
        report(measure())
