"""Skribby's names of transcription models: which are live, and whose they are. Pure."""

from __future__ import annotations

import re

__all__ = ["ALIASES", "NO_TRANSCRIPT", "is_batch", "is_realtime", "key_of", "provider_of"]

NO_TRANSCRIPT = "none"

ALIASES = {
    "whisper": "openai/whisper-large-v3",
    "soniox": "soniox/stt-async-v4",
    "soniox-realtime": "soniox/stt-rt-v4",
    "assembly-ai": "assemblyai/universal-2",
    "assembly-ai-realtime": "assemblyai/universal-streaming",
    "deepgram": "deepgram/nova-2",
    "deepgram-realtime": "deepgram/nova-2-realtime",
    "deepgram-v3": "deepgram/nova-3-multilingual",
    "deepgram-realtime-v3": "deepgram/nova-3-multilingual-realtime",
    "speechmatics": "speechmatics/batch-standard",
    "speechmatics-realtime": "speechmatics/realtime-standard",
    "rev-ai": "revai/reverb-foreign-language",
    "elevenlabs": "elevenlabs/scribe-v1",
    "elevenlabs-v2": "elevenlabs/scribe-v2",
    "elevenlabs-realtime-v2": "elevenlabs/scribe-v2-realtime",
    "gladia": "gladia/async",
    "gladia-realtime": "gladia/realtime",
}
"""The short names, and the key each stands for."""

_LIVE_MARKS = ("realtime", "streaming", "stt-rt-")
_LIVE_SUFFIX = re.compile(r"-(realtime|streaming)\b.*$")


def key_of(model: str) -> str:
    """Return the key a model's name stands for; an unknown name is its own."""
    return ALIASES.get(model, model)


def is_realtime(model: str) -> bool:
    """Whether a model transcribes while people speak: only then are there sockets."""
    return any(mark in model or mark in key_of(model) for mark in _LIVE_MARKS)


def is_batch(model: str) -> bool:
    """Whether a model transcribes after the meeting, as its clients see it."""
    return model != NO_TRANSCRIPT and not is_realtime(model)


def provider_of(model: str) -> str | None:
    """Return the provider's name, None for no transcript.

    Whisper is Whisper wherever it is hosted. A name without a vendor before a slash, for instance
    `pocketsphinx-realtime`, is a provider's own.
    """
    if model == NO_TRANSCRIPT:
        return None
    key = key_of(model)
    if "whisper" in key:
        return "whisper"
    vendor, slash, _ = key.partition("/")
    return vendor if slash else _LIVE_SUFFIX.sub("", key)
