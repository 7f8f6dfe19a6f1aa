"""A pipecat program, run in pipecat's own environment: it answers when it is called by its name.

    python pipecat_agent.py URL TOKEN

It says on standard output, a JSON object a line, what its pipeline was given.
"""

from __future__ import annotations

import asyncio
import json
import math
import struct
import sys
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from meetcore_agents.pipecat_transport import MeetcoreTransport

logger.remove()
logger.add(sys.stderr, level="WARNING")
RATE = 24_000


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def tone(seconds: float) -> bytes:
    count = round(seconds * RATE)
    wave = (round(8000 * math.sin(2 * math.pi * 300 * n / RATE)) for n in range(count))
    return struct.pack(f"<{count}h", *wave)


class Agent(FrameProcessor):
    """Answers with a tone; the third call cuts the second answer short, which is long."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.heard: dict[str, int] = {}

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            who = frame.user_id if isinstance(frame, UserAudioRawFrame) else ""
            self.heard[who] = self.heard.get(who, 0) + len(frame.audio) // 2
        elif isinstance(frame, TranscriptionFrame):
            say(transcript=frame.text, who=frame.user_id, heard=self.heard)
            if "notes" in frame.text:
                await self._answer()
        elif isinstance(frame, InputTransportMessageFrame):
            say(message=frame.message["type"], data=frame.message.get("data"))
        await self.push_frame(frame, direction)

    async def _answer(self) -> None:
        self.calls += 1
        if self.calls == 3:
            await self.push_frame(InterruptionFrame())
            return
        seconds = 0.5 if self.calls == 1 else 20.0
        await self.push_frame(TTSStartedFrame())
        words = TTSTextFrame(text=f"answer {self.calls}", text_type="sentence")
        await self.push_frame(words)
        sound = tone(seconds)
        for at in range(0, len(sound), 4800):
            await self.push_frame(TTSAudioRawFrame(sound[at : at + 4800], RATE, 1))
        await self.push_frame(TTSStoppedFrame())


async def main() -> None:
    transport = MeetcoreTransport(sys.argv[1], token=sys.argv[2])
    worker = PipelineWorker(
        Pipeline([transport.input(), Agent(), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
        enable_rtvi=False,
        enable_turn_tracking=False,
        cancel_on_idle_timeout=False,
    )

    @transport.event_handler("on_connected")
    async def on_connected(transport: Any, websocket: Any) -> None:
        say(connected=True)

    @transport.event_handler("on_disconnected")
    async def on_disconnected(transport: Any, websocket: Any) -> None:
        say(disconnected=True)
        await worker.queue_frame(CancelFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main())
