"""Messages of Zoom's Realtime Media Streams, protocol version 1: JSON over two WebSockets. Pure.

Numbers and fields are those of Zoom's public documentation (developers.zoom.us/docs/rtms: event
reference, data types, media parameter definitions) and of its public SDK and samples, as of
2026-11. A field or number that is not known here is passed over, never an error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

__all__ = [
    "AUDIO_RATE_HZ",
    "EventType",
    "MediaType",
    "MsgType",
    "SessionState",
    "Status",
    "StopReason",
    "StreamState",
    "close_request",
    "event_subscription",
    "keep_alive_answer",
    "media_handshake",
    "pcm_of",
    "read_message",
    "ready",
    "signalling_handshake",
    "signature",
]

AUDIO_RATE_HZ = 16_000
SEND_EVERY_MS = 100
_SAMPLE_BYTES = 2


class MsgType(IntEnum):
    """What a message is: `msg_type`."""

    SIGNALLING_HANDSHAKE = 1
    SIGNALLING_ANSWER = 2
    MEDIA_HANDSHAKE = 3
    MEDIA_ANSWER = 4
    EVENT_SUBSCRIPTION = 5
    EVENT = 6
    CLIENT_READY = 7
    STREAM_STATE = 8
    SESSION_STATE = 9
    KEEP_ALIVE = 12
    KEEP_ALIVE_ANSWER = 13
    AUDIO = 14
    TRANSCRIPT = 17
    CHAT = 18
    STREAM_CLOSE = 21
    STREAM_CLOSE_ANSWER = 22


class MediaType(IntEnum):
    """What a media connection carries; added up."""

    AUDIO = 1
    TRANSCRIPT = 8
    CHAT = 16


class EventType(IntEnum):
    """What happened in the meeting: `event_type`."""

    ACTIVE_SPEAKER = 2
    PARTICIPANT_JOINED = 3
    PARTICIPANT_LEFT = 4
    MEDIA_INTERRUPTED = 7


class StreamState(IntEnum):
    """How the stream stands."""

    INACTIVE = 0
    ACTIVE = 1
    INTERRUPTED = 2
    TERMINATING = 3
    TERMINATED = 4
    PAUSED = 5
    RESUMED = 6


class SessionState(IntEnum):
    """How the session of the user stands for whom it is streamed."""

    STARTED = 2
    PAUSED = 3
    RESUMED = 4
    STOPPED = 5


class Status(IntEnum):
    """How a handshake was answered: `status_code`."""

    OK = 0
    INVALID_STREAM = 2
    INVALID_SIGNATURE = 3
    DUPLICATE_SIGNALLING = 8
    MEDIA_TYPE_INVALID = 14
    MEDIA_CONNECTION_EXISTS = 15
    DUPLICATE_MEDIA = 16


class StopReason(IntEnum):
    """Why a stream ended: `stop_reason`."""

    HOST = 1
    USER = 2
    USER_LEFT = 3
    USER_EJECTED = 4
    HOST_DISABLED_APP = 5
    MEETING_ENDED = 6
    CANCELED = 7
    REVOKED = 8
    ALL_APPS_DISABLED = 9
    INTERNAL_EXCEPTION = 10
    CONNECTION_TIMEOUT = 11
    INSTANCE_INTERRUPTED = 12
    SIGNALLING_INTERRUPTED = 13
    MEDIA_INTERRUPTED = 14
    SIGNALLING_CLOSED = 15
    MEDIA_CLOSED = 16
    EXIT_SIGNAL = 17
    AUTHENTICATION_FAILED = 18
    RECONNECTION_TIMEOUT = 19
    CLOSED_BY_RECEIVER = 20
    CUSTOMER_DISCONNECTED = 21
    AGENT_DISCONNECTED = 22
    ADMIN_DISABLED_APP = 23
    KEEP_ALIVE_TIMEOUT = 24
    MANUAL_API = 25
    NOT_SUPPORTED = 26


def signature(client_id: str, client_secret: str, meeting_uuid: str, stream_id: str) -> str:
    """Return what proves in a handshake that the client is the app: HMAC-SHA256, hexadecimal."""
    message = f"{client_id},{meeting_uuid},{stream_id}".encode()
    return hmac.new(client_secret.encode(), message, hashlib.sha256).hexdigest()


def _written(kind: MsgType, **fields: Any) -> str:
    return json.dumps({"msg_type": int(kind), **fields}, separators=(",", ":"))


def signalling_handshake(
    meeting_uuid: str, stream_id: str, proof: str, *, sequence: int, buffer_data: bool = True
) -> str:
    """Return the first message of the signalling connection.

    Args:
        meeting_uuid: The meeting.
        stream_id: The stream.
        proof: `signature` of both.
        sequence: Any number; the answer has it again.
        buffer_data: Whether Zoom keeps what is said until the media connection is there, up to a
            minute of it.
    """
    return _written(
        MsgType.SIGNALLING_HANDSHAKE,
        protocol_version=1,
        sequence=sequence,
        meeting_uuid=meeting_uuid,
        rtms_stream_id=stream_id,
        signature=proof,
        buffer_data=buffer_data,
    )


def media_handshake(
    meeting_uuid: str, stream_id: str, proof: str, *, mixed: bool, captions: bool
) -> str:
    """Return the first message of the media connection: raw audio at 16 kHz, and chat.

    Args:
        meeting_uuid: The meeting.
        stream_id: The stream.
        proof: `signature` of both.
        mixed: One track for everybody instead of one for each speaker.
        captions: Whether Zoom's own transcript is wanted, too.
    """
    text = {"content_type": 5}
    media = MediaType.AUDIO | MediaType.CHAT
    params: dict[str, Any] = {
        "audio": {
            "content_type": 2,
            "sample_rate": 1,
            "channel": 1,
            "codec": 1,
            "data_opt": 1 if mixed else 2,
            "send_rate": SEND_EVERY_MS,
        },
        "chat": text,
    }
    if captions:
        media |= MediaType.TRANSCRIPT
        params["transcript"] = text
    return _written(
        MsgType.MEDIA_HANDSHAKE,
        protocol_version=1,
        meeting_uuid=meeting_uuid,
        rtms_stream_id=stream_id,
        signature=proof,
        media_type=int(media),
        payload_encryption=False,
        media_params=params,
    )


def ready(stream_id: str) -> str:
    """Return what says on the signalling connection that media may come."""
    return _written(MsgType.CLIENT_READY, rtms_stream_id=stream_id)


def event_subscription() -> str:
    """Return the request for everything that is told about people."""
    kinds = (
        EventType.ACTIVE_SPEAKER,
        EventType.PARTICIPANT_JOINED,
        EventType.PARTICIPANT_LEFT,
        EventType.MEDIA_INTERRUPTED,
    )
    events = [{"event_type": int(kind), "subscribe": True} for kind in kinds]
    return _written(MsgType.EVENT_SUBSCRIPTION, events=events)


def keep_alive_answer(message: Mapping[str, Any]) -> str:
    """Return the answer to a `KEEP_ALIVE`."""
    stamp = {"timestamp": message["timestamp"]} if "timestamp" in message else {}
    return _written(MsgType.KEEP_ALIVE_ANSWER, **stamp)


def close_request(stream_id: str) -> str:
    """Return the request to end the stream."""
    return _written(MsgType.STREAM_CLOSE, rtms_stream_id=stream_id)


def read_message(raw: str | bytes) -> dict[str, Any] | None:
    """Return a message, None for what is none: no JSON object, or without a number of a type."""
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("msg_type"), int):
        return None
    return message


def pcm_of(content: Mapping[str, Any]) -> bytes:
    """Return the samples of an audio packet: int16, little-endian, empty where it has none.

    The byte order follows from the packet in Zoom's documentation, whose samples are a smooth
    wave when they are read so, and noise otherwise.
    """
    data = content.get("data")
    if not isinstance(data, str):
        return b""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw[: len(raw) - len(raw) % _SAMPLE_BYTES]
