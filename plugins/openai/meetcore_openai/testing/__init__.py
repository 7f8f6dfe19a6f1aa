"""Stand-ins for testing what uses the transcriber `openai`: they speak its wire and misbehave.

They are not OpenAI's service and understand no speech. `OpenAIStandIn` answers the HTTP API,
`RealtimeStandIn` the WebSocket, `SpeechStandIn` says texts (as tones),
each on a port of loopback, in your own Trio loop.
"""

from __future__ import annotations

from meetcore_openai.testing.realtime_stand_in import (
    RealtimeFault,
    RealtimeStandIn,
    open_realtime_stand_in,
)
from meetcore_openai.testing.speech_stand_in import SpeechFault, SpeechStandIn, open_speech_stand_in
from meetcore_openai.testing.stand_in import (
    OpenAIStandIn,
    ReceivedTranscription,
    StandInFault,
    open_stand_in,
)

__all__ = [
    "OpenAIStandIn",
    "RealtimeFault",
    "RealtimeStandIn",
    "ReceivedTranscription",
    "SpeechFault",
    "SpeechStandIn",
    "StandInFault",
    "open_realtime_stand_in",
    "open_speech_stand_in",
    "open_stand_in",
]
