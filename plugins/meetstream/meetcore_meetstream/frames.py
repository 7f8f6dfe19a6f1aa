"""What goes over the sockets: chunks of live transcription out, control messages in. Pure."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from attrs import define, field, frozen

from meetcore import Command, Segment, SendChat, ShowImage, Speak, Word
from meetcore.gateway import format_ms, picture_type
from meetcore_meetstream.variants import Variant

__all__ = ["UNKNOWN", "Interrupt", "NewText", "PictureByUrl", "bare", "chunk", "read_control"]

UNKNOWN = "Unknown"


def bare(word: str) -> str:
    """Return a word without the punctuation around it."""
    return word.strip(string.punctuation + "…“”„«»¿¡") or word


@define
class NewText:
    """Finds what a chunk adds to the one before it of the same segment."""

    _told: dict[str, str] = field(factory=dict)

    def of(self, segment: Segment) -> str:
        """Return what is new in a segment; all of it where its beginning has changed."""
        before = self._told.pop(segment.id, "")
        if not segment.finalized:
            self._told[segment.id] = segment.text
        if before and segment.text.startswith(before):
            return segment.text[len(before) :].strip()
        return segment.text


def chunk(
    segment: Segment,
    variant: Variant,
    *,
    bot_id: str,
    at: datetime,
    in_call_at: datetime | None,
    attributes: Mapping[str, Any],
    new_text: str | None = None,
) -> dict[str, Any]:
    """Return the body of one chunk.

    Args:
        segment: The segment, finalized or not.
        variant: Which dialect.
        bot_id: The bot's id.
        at: When it was told, for the case that there is no `in_call_at`.
        in_call_at: Where the meeting's time begins.
        attributes: The custom attributes.
        new_text: What is new in it; None for all of it.
    """
    name = segment.speaker_name or UNKNOWN
    begun = at if in_call_at is None else in_call_at + timedelta(seconds=segment.start_s)
    words = [_word(word, name) for word in segment.words]
    if variant is Variant.LEGACY:
        return {
            "speakerName": name,
            "timestamp": format_ms(begun),
            "transcript": segment.text,
            "words": words,
            "bot_id": bot_id,
            "custom_attributes": dict(attributes),
        }
    return {
        "bot_id": bot_id,
        "speakerId": segment.participant_id or "",
        "speakerName": name,
        "timestamp": format_ms(begun),
        "new_text": segment.text if new_text is None else new_text,
        "transcript": segment.text,
        "utterance": segment.text if segment.finalized else "",
        "words": [{**word, "word_is_final": segment.finalized} for word in words],
        "is_final": segment.finalized,
        "end_of_turn": segment.finalized,
        "turn_is_formatted": segment.finalized,
        "transcription_mode": "sentence" if segment.finalized else "raw",
        "custom_attributes": dict(attributes),
    }


def _word(word: Word, speaker: str) -> dict[str, Any]:
    confidence = word.confidence if word.confidence is not None else 0
    return {
        "word": bare(word.text),
        "start": word.start_s,
        "end": word.end_s,
        "confidence": confidence,
        "speaker": speaker,
        "punctuated_word": word.text,
        "speech_confidence": confidence,
    }


# --- what a client asks over the control socket; nothing it sends is an error --------------

_RATE_HZ = 48_000
_RATES_HZ = (8_000, 192_000)


@frozen
class Interrupt:
    """Say nothing more of what waits to be said."""


@frozen
class PictureByUrl:
    """Show a picture that lies somewhere."""

    type: ClassVar[str] = "sendimg_url"
    url: str = field(repr=False)


def read_control(message: str | bytes) -> Command | Interrupt | PictureByUrl | None:
    """Return what a message asks for.

    None for what is to be ignored: malformed messages, unknown commands, acknowledgements, sound
    that is not what was agreed on, and chat that is not final yet.
    """
    try:
        asked = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, Mapping):
        return None
    command = asked.get("command")
    if command == "sendmsg":
        return _chat(asked, ("message", "msg"))
    if command == "sendchat":
        return _chat(asked, ("text",)) if asked.get("is_final") is True else None
    if command == "sendaudio":
        return _sound(asked)
    if command == "interrupt":
        return Interrupt() if asked.get("action", "clear_audio_queue") else None
    if command == "sendimg":
        return _picture(asked)
    if command == "sendimg_url":
        url = asked.get("img_url")
        return PictureByUrl(url) if isinstance(url, str) and url.strip() else None
    return None


def _chat(asked: Mapping[str, Any], names: tuple[str, ...]) -> SendChat | None:
    texts = [asked.get(name) for name in names]
    for text in texts:
        if isinstance(text, str) and text.strip():
            return SendChat(text.encode("utf-8", "replace").decode())
    return None


def _decoded(value: object) -> bytes | None:
    if not isinstance(value, str):
        return None
    if value.startswith("data:"):
        value = value.partition(",")[2]
    try:
        return base64.b64decode(value, validate=True) or None
    except ValueError:
        return None


def _sound(asked: Mapping[str, Any]) -> Speak | None:
    pcm = _decoded(asked.get("audiochunk"))
    rate_hz = asked.get("sample_rate", _RATE_HZ)
    whole = isinstance(rate_hz, int) and not isinstance(rate_hz, bool)
    agreed = (
        asked.get("encoding", "pcm16") == "pcm16"
        and asked.get("channels", 1) == 1
        and asked.get("endianness", "little") == "little"
    )
    if pcm is None or len(pcm) % 2 or not agreed or not whole:
        return None
    if not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
        return None
    return Speak(pcm, rate_hz)


def _picture(asked: Mapping[str, Any]) -> ShowImage | None:
    image = _decoded(asked.get("img"))
    kind = None if image is None else picture_type(image)
    return None if image is None or kind is None else ShowImage(image, kind)
