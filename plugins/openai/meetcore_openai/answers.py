"""The answer of a transcription endpoint, as text with words. Pure.

`json` has a text; `verbose_json` has segments, too, and words where the server can: in the answer
itself (OpenAI), or in the segments (servers on faster-whisper). OpenAI's words are bare; the text's
punctuation is put back on them. Fields that are missing or odd are passed over: only a body without
any text is trouble.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import frozen

from meetcore import LanguageRefused, TranscriberError, UtteranceText, Word
from meetcore.model import language_tag

__all__ = ["TranscriptionAnswer", "finite_number", "punctuated", "read_answer"]

MOST_NO_SPEECH = 0.6
MOST_COMPRESSION = 2.4
"""Above these Whisper's text of noise, music and silence lies (28 clips, two models, 2026-11)."""

_LARGEST = 1e9


@frozen(kw_only=True)
class TranscriptionAnswer:
    """What a server made of an utterance.

    Attributes:
        text: The text, with word times where there are any.
        billed_s: Seconds that it counts, None where it does not say.
    """

    text: UtteranceText
    billed_s: float | None


def read_answer(body: bytes, *, guard: bool) -> TranscriptionAnswer:
    """Return what a server's answer says.

    Args:
        body: The JSON text.
        guard: Whether segments go that the model takes for no speech, or that repeat themselves.

    Raises:
        TranscriberError: It is no such answer (`protocol`).
    """
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _odd("it is no JSON") from error
    text = said.get("text") if isinstance(said, Mapping) else None
    if not isinstance(text, str):
        raise _odd("it has no text")
    segments = [each for each in _list(said.get("segments")) if isinstance(each, Mapping)]
    dropped = [each for each in segments if guard and _is_no_speech(each)]
    kept = [each for each in segments if each not in dropped]
    if dropped:
        text = " ".join(str(each.get("text", "")).strip() for each in kept)
    words = list(_words(_list(said.get("words"))))
    if not words:
        words = [word for each in kept for word in _words(_list(each.get("words")))]
    words = [word for word in words if not any(_within(word, each) for each in dropped)]
    text = " ".join(text.split())
    return TranscriptionAnswer(
        text=UtteranceText(
            text=text,
            words=punctuated(text, words),
            confidence=_confidence(kept),
            language=_language(said.get("language")),
        ),
        billed_s=_billed(said.get("usage")),
    )


def _odd(why: str) -> TranscriberError:
    return TranscriberError(
        "protocol",
        f"The server's answer is no transcription: {why}.",
        retryable=True,
        remedy="Check that base_url in [plugins.openai] is an OpenAI-compatible API.",
    )


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def finite_number(value: object) -> float | None:
    """Return a number as a sane server would send it, None for anything else."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return float(value) if abs(value) < _LARGEST else None  # NaN is not smaller either


def _is_no_speech(segment: Mapping[str, Any]) -> bool:
    silent, repeats = (
        finite_number(segment.get("no_speech_prob")),
        finite_number(segment.get("compression_ratio")),
    )
    return (silent or 0.0) > MOST_NO_SPEECH or (repeats or 0.0) > MOST_COMPRESSION


def _words(items: Sequence[Any]) -> Iterator[Word]:
    before_s = 0.0
    for item in items:
        if not isinstance(item, Mapping) or not isinstance(item.get("word"), str):
            continue
        start_s, end_s = finite_number(item.get("start")), finite_number(item.get("end"))
        text = item["word"].strip()
        if start_s is None or end_s is None or not text:
            continue
        start_s = max(start_s, before_s)
        before_s = start_s
        confidence = finite_number(item.get("probability"))
        if confidence is not None:
            confidence = round(min(1.0, max(0.0, confidence)), 4)
        yield Word(text, start_s, max(start_s, end_s), confidence)


def _within(word: Word, segment: Mapping[str, Any]) -> bool:
    start_s, end_s = finite_number(segment.get("start")), finite_number(segment.get("end"))
    middle_s = (word.start_s + word.end_s) / 2
    return start_s is not None and end_s is not None and start_s <= middle_s <= end_s


def _confidence(segments: Sequence[Mapping[str, Any]]) -> float | None:
    known = [p for each in segments if (p := finite_number(each.get("avg_logprob"))) is not None]
    return round(math.exp(min(0.0, sum(known) / len(known))), 4) if known else None


def _language(name: object) -> str | None:
    if isinstance(name, str):
        with suppress(LanguageRefused):
            return language_tag(name)
    return None


def _billed(usage: object) -> float | None:
    if isinstance(usage, Mapping) and usage.get("type") == "duration":
        return finite_number(usage.get("seconds"))
    return None


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def punctuated(text: str, words: Sequence[Word]) -> tuple[Word, ...]:
    """Return words as the text writes them; as they are, where they do not spell the text.

    A token of the text that several words spell (`real-time`) is one word from the first's start to
    the last's end.
    """
    tokens, left, made = text.split(), list(words), list[Word]()
    if len(tokens) == 1 and len(words) > 1:
        return tuple(words)  # a script without spaces
    for token in tokens:
        spelled, parts = _bare(token), list[Word]()
        got = ""
        while left and len(got) < len(spelled):
            parts.append(left.pop(0))
            got += _bare(parts[-1].text)
        if got != spelled:
            return tuple(words)
        if not parts:
            if made:  # a dash of its own belongs to the word before it
                last = made.pop()
                made.append(Word(f"{last.text} {token}", last.start_s, last.end_s, last.confidence))
            continue
        known = [part.confidence for part in parts if part.confidence is not None]
        made.append(Word(token, parts[0].start_s, parts[-1].end_s, min(known) if known else None))
    return tuple(words) if left else tuple(made)
