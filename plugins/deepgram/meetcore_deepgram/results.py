"""Deepgram's results as pieces of speech, and its files' results as hypotheses. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from meetcore import Hypothesis, Word
from meetcore_speech_api.assembly import SpokenPiece, SpokenWord

__all__ = ["LiveResult", "file_hypotheses", "read_result"]


@frozen(kw_only=True)
class LiveResult:
    """A `Results` message: what Deepgram says about a range of the audio.

    Attributes:
        piece: The range and its words.
        is_final: Whether this range will not change any more.
        from_finalize: Whether it answers a `Finalize`.
        arch: The architecture of the model that made it, empty where it does not say.
    """

    piece: SpokenPiece
    is_final: bool
    from_finalize: bool
    arch: str


def _spoken(word: Mapping[str, Any]) -> SpokenWord:
    speaker = word.get("speaker")
    return SpokenWord(
        str(word.get("punctuated_word") or word["word"]),
        float(word["start"]),
        float(word["end"]),
        word.get("confidence"),
        None if speaker is None else str(speaker),
    )


def _language(alternative: Mapping[str, Any], channel: Mapping[str, Any]) -> str | None:
    languages = alternative.get("languages") or ()
    found = languages[0] if languages else channel.get("detected_language")
    return str(found) if found else None


def read_result(message: Mapping[str, Any]) -> LiveResult | None:
    """Read a `Results` message; None for one about another channel than the first.

    Raises:
        KeyError, TypeError, ValueError: It is no such message.
    """
    if (message.get("channel_index") or [0])[0] != 0:
        return None
    start_s = float(message["start"])
    channel = message["channel"]
    alternative: Mapping[str, Any] = (channel.get("alternatives") or [{}])[0]
    piece = SpokenPiece(
        start_s=start_s,
        end_s=start_s + float(message["duration"]),
        words=tuple(_spoken(word) for word in alternative.get("words") or ()),
        text=str(alternative.get("transcript") or ""),
        language=_language(alternative, channel),
    )
    info = (message.get("metadata") or {}).get("model_info") or {}
    return LiveResult(
        piece=piece,
        is_final=bool(message.get("is_final")),
        from_finalize=bool(message.get("from_finalize")),
        arch=str(info.get("arch") or ""),
    )


def _words(words: Sequence[Mapping[str, Any]]) -> tuple[Word, ...]:
    spoken = [_spoken(word) for word in words]
    return tuple(
        Word(word.text, word.start_s, word.end_s, word.confidence, word.speaker) for word in spoken
    )


def file_hypotheses(answer: Mapping[str, Any]) -> tuple[Hypothesis, ...]:
    """Return what was said in a file: an utterance each, or a channel each where there are none.

    Raises:
        KeyError, TypeError, ValueError: It is no answer about a file.
    """
    results = answer["results"]
    channels = results.get("channels") or ()
    languages = [_language((each.get("alternatives") or [{}])[0], each) for each in channels]
    parts: list[tuple[Mapping[str, Any], str | None]] = [
        (each, (languages or [None])[min(int(each.get("channel", 0)), len(languages) - 1)])
        for each in results.get("utterances") or ()
    ]
    if not parts:
        parts = [
            ((each.get("alternatives") or [{}])[0], language)
            for each, language in zip(channels, languages, strict=True)
        ]
    return tuple(
        Hypothesis(
            utterance_id=f"file-{number}",
            revision=1,
            text=str(part.get("transcript") or "").strip(),
            words=_words(part.get("words") or ()),
            final=True,
            confidence=part.get("confidence"),
            language=language,
            start_s=part.get("start"),
            end_s=part.get("end"),
        )
        for number, (part, language) in enumerate(parts, 1)
        if part.get("transcript")
    )
