"""The same work as `audio_path.py` in pipecat 1.14.0; run by it in an environment of its own.

Lean settings (no RTVI, no turn tracking, no idle timeout), webrtcvad behind pipecat's own
VADAnalyzer, two consumers as processors, at most eight frames in flight.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import webrtcvad
from loguru import logger
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import EndFrame, InputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

logger.remove()
FRAME_BYTES = 640


class WebRtcAnalyzer(VADAnalyzer):
    """webrtcvad as a pipecat analyzer."""

    def __init__(self) -> None:
        super().__init__(sample_rate=16000, params=VADParams(start_secs=0.2, stop_secs=0.5))
        self._vad = webrtcvad.Vad(3)

    def num_frames_required(self) -> int:
        return 320

    def voice_confidence(self, buffer: bytes) -> float:
        return 1.0 if self._vad.is_speech(buffer, 16000) else 0.0


class Consumer(FrameProcessor):
    """Counts audio and passes it on."""

    def __init__(self, done: asyncio.Semaphore | None = None) -> None:
        super().__init__()
        self.samples = 0
        self._done = done

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.samples += len(frame.audio) // 2
            if self._done is not None:
                self._done.release()
        await self.push_frame(frame, direction)


async def main() -> None:
    data = open(sys.argv[1], "rb").read()  # noqa: SIM115, ASYNC230
    in_flight = asyncio.Semaphore(8)
    first, second = Consumer(), Consumer(in_flight)
    pipeline = Pipeline([VADProcessor(vad_analyzer=WebRtcAnalyzer()), first, second])
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=16000),
        enable_rtvi=False,
        enable_turn_tracking=False,
        cancel_on_idle_timeout=False,
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def on_started(*args):
        started.set()

    async def produce() -> float:
        await started.wait()
        began = time.process_time()
        for at in range(0, len(data), FRAME_BYTES):
            await in_flight.acquire()
            await worker.queue_frame(
                InputAudioRawFrame(
                    audio=data[at : at + FRAME_BYTES], sample_rate=16000, num_channels=1
                )
            )
        for _ in range(8):
            await in_flight.acquire()
        took = time.process_time() - began
        await worker.queue_frame(EndFrame())
        return took

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    producing = asyncio.ensure_future(produce())
    await runner.run()
    took = await producing
    seconds = len(data) / 32000
    assert second.samples == len(data) // 2
    print(json.dumps({"audio_s_per_cpu_s": seconds / took}))


asyncio.run(main())
