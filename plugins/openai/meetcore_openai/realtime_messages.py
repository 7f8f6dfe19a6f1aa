"""The realtime API's messages, as far as a transcription needs them. Pure.

Source: OpenAI's event reference for `type: transcription` sessions (2026). Sound goes out as base64
of 16-bit PCM at 24 kHz. Text comes per *item*, one for each committed piece of sound: deltas are
appended, `completed` has the whole. Items are committed in order, and may be finished in any.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen

from meetcore import Pcm, TranscriberError
from meetcore_openai.answers import finite_number

__all__ = [
    "REALTIME_RATE_HZ",
    "RealtimeNews",
    "append_message",
    "commit_message",
    "read_news",
    "realtime_trouble",
    "session_message",
    "silence",
]

REALTIME_RATE_HZ = 24_000

_KINDS = {
    "input_audio_buffer.committed": "committed",
    "conversation.item.input_audio_transcription.delta": "delta",
    "conversation.item.input_audio_transcription.completed": "completed",
    "conversation.item.input_audio_transcription.failed": "failed",
    "session.updated": "ready",
    "transcription_session.updated": "ready",
    "error": "error",
}


@frozen(kw_only=True)
class RealtimeNews:
    """One message of the server.

    Attributes:
        kind: `committed`, `delta`, `completed`, `failed`, `ready`, `error`, or `other`.
        item_id: The item that it is about, empty for none.
        text: The addition of a delta, or the whole text.
        seconds: Seconds that it counts, None where it counts tokens or nothing.
        code: The code and type of an error.
        message: Its words.
    """

    kind: str
    item_id: str = ""
    text: str = ""
    seconds: float | None = None
    code: str = ""
    message: str = ""


def session_message(model: str, language: str | None, prompt: str) -> str:
    """Return the message that begins a transcription whose pieces we cut ourselves."""
    transcription: dict[str, Any] = {"model": model}
    if language is not None:
        transcription["language"] = language.partition("-")[0]
    if prompt:
        transcription["prompt"] = prompt
    sound = {
        "format": {"type": "audio/pcm", "rate": REALTIME_RATE_HZ},
        "transcription": transcription,
        "turn_detection": None,
    }
    session = {"type": "transcription", "audio": {"input": sound}}
    return json.dumps({"type": "session.update", "session": session})


def append_message(pcm: Pcm) -> str:
    """Return the message with some sound, 24 kHz."""
    sound = b64encode(pcm.astype("<i2", copy=False).tobytes()).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": sound})


def commit_message() -> str:
    """Return the message that ends a piece of sound."""
    return json.dumps({"type": "input_audio_buffer.commit"})


def silence(seconds: float) -> Pcm:
    """Return silence at 24 kHz."""
    return np.zeros(math.ceil(seconds * REALTIME_RATE_HZ), np.int16)


def read_news(text: str | bytes) -> RealtimeNews:
    """Return what a message says; `other` for a type that does not concern us.

    Raises:
        TranscriberError: It is none (`protocol`).
    """
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _odd("it is no JSON") from error
    if not isinstance(body, Mapping) or not isinstance(body.get("type"), str):
        raise _odd("it has no type")
    kind = _KINDS.get(body["type"], "other")
    said = body.get("delta") if kind == "delta" else body.get("transcript")
    trouble, usage = body.get("error"), body.get("usage")
    trouble = trouble if isinstance(trouble, Mapping) else {}
    seconds = usage.get("seconds") if isinstance(usage, Mapping) else None
    item_id = body.get("item_id")
    if kind in ("committed", "delta", "completed", "failed") and not isinstance(item_id, str):
        raise _odd("it has no item_id")
    if kind in ("delta", "completed") and not isinstance(said, str):
        raise _odd("it has no text")
    return RealtimeNews(
        kind=kind,
        item_id=item_id if isinstance(item_id, str) else "",
        text=said if isinstance(said, str) else "",
        seconds=finite_number(seconds),
        code=" ".join(str(trouble[key]) for key in ("code", "type") if trouble.get(key)),
        message="".join(c for c in str(trouble.get("message") or "") if c.isprintable())[:300],
    )


def _odd(why: str) -> TranscriberError:
    return TranscriberError(
        "protocol", f"A realtime message cannot be understood: {why}.", retryable=True
    )


def realtime_trouble(news: RealtimeNews, host: str) -> TranscriberError:
    """Return what an error message, or a failed item, means."""
    kind, retryable, said = "server", True, f": {news.message}" if news.message else ""
    remedy = ""
    if "invalid_api_key" in news.code or "authentication" in news.code:
        # What it says of a key may repeat the key.
        kind, retryable, said, remedy = "auth", False, "", "Check the key."
    elif "insufficient_quota" in news.code or "billing" in news.code:
        kind, retryable, remedy = "quota", False, f"Look at the account at {host}."
    elif "rate_limit" in news.code:
        kind = "rate"
    elif "session_expired" in news.code:
        kind = "network"
    elif "invalid_request" in news.code and news.kind == "error":
        kind, retryable = "bad_request", False
        remedy = "Check model and realtime_url in [plugins.openai]."
    return TranscriberError(
        kind, f"{host} reports an error{said}", retryable=retryable, remedy=remedy
    )
