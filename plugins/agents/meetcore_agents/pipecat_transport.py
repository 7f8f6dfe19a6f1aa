"""A bot in a meeting as a transport of pipecat: `pip install meetcore-agents[pipecat]`.

    from meetcore_agents.pipecat_transport import MeetcoreTransport

    transport = MeetcoreTransport("ws://127.0.0.1:8767/agent")
    pipeline = Pipeline([transport.input(), stt, llm, tts, transport.output()])

The bot is wherever the sink `agent` runs: in this program (`meetcore.from_asyncio`), in another
one, or on a server. What goes over its socket is in docs/reference/agent-socket.md; this is that in
pipecat's terms, and needs nothing of meetcore but this module. It runs in pipecat's asyncio loop.

Facts of pipecat 1.14: its client transport dials when the pipeline is set up, paces what it sends
at twice the speed of sound, and drops what waits to be sent at an `InterruptionFrame`; what the bot
has by then is dropped by the bot, which is told here.
"""

from __future__ import annotations

import json
from typing import Any

from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TranscriptionFrame,
    TTSTextFrame,
    UserAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.transports.websocket.client import (
    WebsocketClientOutputTransport,
    WebsocketClientParams,
    WebsocketClientTransport,
)

__all__ = ["MeetcoreSerializer", "MeetcoreTransport"]

SAMPLE_RATE_HZ = 24_000
"""What the bot's socket speaks unless it is set otherwise."""


class MeetcoreSerializer(FrameSerializer):
    """Turns pipecat's frames into messages of the agent's socket, and those into frames.

    Args:
        transcripts: Whether what was said comes as a `TranscriptionFrame` for each final segment;
            leave it off where pipecat has a transcriber of its own.
        sample_rate_hz: Of sound in both directions, until the bot says which it has.
    """

    def __init__(self, *, transcripts: bool = True, sample_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        super().__init__()
        self.sample_rate_hz = sample_rate_hz
        self._transcripts = transcripts
        self._speaking: list[str] = []

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Return the message that a frame means; None where it means none."""
        if self.should_ignore_frame(frame):
            return None
        if isinstance(frame, OutputAudioRawFrame):
            return bytes(frame.audio)
        if isinstance(frame, InterruptionFrame):
            return '{"type": "interrupt"}'
        if isinstance(frame, BotStoppedSpeakingFrame):
            return '{"type": "end"}'
        if isinstance(frame, TTSTextFrame):
            return json.dumps({"type": "text", "text": frame.text})
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            return json.dumps(frame.message)
        return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Return the frame that a message means.

        Sound is a `UserAudioRawFrame` while one person speaks, with the id of the participant, and
        an `InputAudioRawFrame` otherwise. All that is no sound and no transcript is an
        `InputTransportMessageFrame` with the event as it came.
        """
        if isinstance(data, bytes):
            return self._sound(data)
        message: dict[str, Any] = json.loads(data)
        kind, told = message.get("type"), message.get("data") or {}
        if kind == "agent.hello":
            self.sample_rate_hz = int(message["sample_rate_hz"])
        elif kind == "speaking.started":
            self._speaking.append(str(told.get("participant_id")))
        elif kind == "speaking.stopped" and str(told.get("participant_id")) in self._speaking:
            self._speaking.remove(str(told.get("participant_id")))
        elif kind == "segment.finalized" and self._transcripts:
            segment = told["segment"]
            if not segment.get("by_bot"):
                return TranscriptionFrame(
                    text=segment["text"],
                    user_id=segment.get("participant_id") or segment.get("speaker_name") or "",
                    timestamp=message["at"],
                    result=message,
                    finalized=True,
                )
        return InputTransportMessageFrame(message=message)

    def _sound(self, data: bytes) -> InputAudioRawFrame:
        sound: dict[str, Any] = {
            "audio": data,
            "sample_rate": self.sample_rate_hz,
            "num_channels": 1,
        }
        if len(set(self._speaking)) == 1:
            return UserAudioRawFrame(user_id=self._speaking[0], **sound)
        return InputAudioRawFrame(**sound)


class MeetcoreOutput(WebsocketClientOutputTransport):
    """What the bot is to say."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Have the bot fall silent at an interruption, once nothing more is on its way."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            await self._write_frame(frame)

    async def push_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Say that a speech is over, when pipecat says so."""
        if isinstance(frame, BotStoppedSpeakingFrame) and direction is FrameDirection.DOWNSTREAM:
            await self._write_frame(frame)
        await super().push_frame(frame, direction)

    async def write_transport_frame(self, frame: Frame) -> None:
        """Send what stands between the sound: the words that it says."""
        await super().write_transport_frame(frame)
        if isinstance(frame, TTSTextFrame):
            await self._write_frame(frame)


class MeetcoreTransport(WebsocketClientTransport):
    """A bot in a meeting: hears everybody else, is told who speaks and what was said, and speaks.

    `on_connected(transport, websocket)` and `on_disconnected(transport, websocket)` are its events,
    as of every client transport; the meeting's own come down the pipeline as
    `InputTransportMessageFrame`. When the bot has left, its socket closes.

    Args:
        url: Where the sink `agent` listens: `ws://HOST:PORT/agent`.
        token: The sink's `token`, where it has one.
        transcripts: See `MeetcoreSerializer`.
        sample_rate_hz: What the sink's option of that name says.
        params: pipecat's own parameters, for what is none of the above.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        transcripts: bool = True,
        sample_rate_hz: int = SAMPLE_RATE_HZ,
        params: WebsocketClientParams | None = None,
    ) -> None:
        params = params or WebsocketClientParams()
        params = params.model_copy(
            update={
                "audio_in_enabled": True,
                "audio_out_enabled": True,
                "audio_in_sample_rate": sample_rate_hz,
                "audio_out_sample_rate": sample_rate_hz,
                "audio_out_channels": 1,
                # The bot's microphone is silent by itself; silence that is sent would be a speech.
                "audio_out_auto_silence": False,
                "audio_out_end_silence_secs": 0,
                "add_wav_header": False,
                "serializer": MeetcoreSerializer(
                    transcripts=transcripts, sample_rate_hz=sample_rate_hz
                ),
            }
        )
        if token is not None:
            headers = {**(params.additional_headers or {}), "Authorization": f"Bearer {token}"}
            params.additional_headers = headers
        super().__init__(url, params)
        self._speaking_end: MeetcoreOutput | None = None

    def output(self) -> MeetcoreOutput:
        """Return the end of the pipeline: what is to be said goes there."""
        if self._speaking_end is None:
            self._output = self._speaking_end = MeetcoreOutput(self, self._session, self._params)
        return self._speaking_end
