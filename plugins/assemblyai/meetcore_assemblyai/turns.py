"""AssemblyAI's turns as pieces of speech, and its files' results as hypotheses. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from meetcore import Hypothesis, Word
from meetcore_speech_api.assembly import SpokenPiece, SpokenWord

__all__ = ["Turn", "file_hypotheses", "read_revisions", "read_turn"]

PAUSE_S = 1.0
LONGEST_S = 20.0


@frozen(kw_only=True)
class Turn:
    """A `Turn` message.

    Attributes:
        order: Which turn it is, from 0.
        piece: Its words so far; of models that write unfinished words apart, these too.
        ended: Whether the turn is over.
        formatted: Whether it is written with punctuation and capitals.
    """

    order: int
    piece: SpokenPiece
    ended: bool
    formatted: bool


def _spoken(word: Mapping[str, Any], label: object) -> SpokenWord:
    speaker = word.get("speaker", label)
    return SpokenWord(
        str(word["text"]),
        float(word["start"]) / 1000,
        float(word["end"]) / 1000,
        word.get("confidence"),
        None if speaker is None else str(speaker),
    )


def read_turn(message: Mapping[str, Any]) -> Turn:
    """Read a `Turn` message, its times in milliseconds.

    A turn's own text holds only its finalized words with some models, and all with others: while
    it goes on, the words are what is read; once it ended, its text is how it is written.

    Raises:
        KeyError, TypeError, ValueError: It is no such message.
    """
    words = tuple(_spoken(each, message.get("speaker_label")) for each in message["words"])
    ended = bool(message["end_of_turn"])
    text = str(message.get("transcript") or "") if ended or not words else ""
    return Turn(
        order=int(message["turn_order"]),
        piece=SpokenPiece(
            start_s=words[0].start_s if words else 0.0,
            end_s=words[-1].end_s if words else 0.0,
            words=words,
            text=text,
            language=message.get("language_code"),
        ),
        ended=ended,
        formatted=bool(message.get("turn_is_formatted")),
    )


def read_revisions(message: Mapping[str, Any]) -> list[SpokenWord]:
    """Read a `SpeakerRevision`: stretches of earlier turns, and whose they are now.

    Raises:
        KeyError, TypeError, ValueError: It is no such message.
    """
    return [
        _spoken(word, revision.get("speaker_label"))
        for revision in message["revisions"]
        for word in revision.get("words") or ()
    ]


def _runs(words: Sequence[SpokenWord]) -> Iterator[list[SpokenWord]]:
    run: list[SpokenWord] = []
    for word in words:
        paused = run and word.start_s - run[-1].end_s >= PAUSE_S
        other = run and word.speaker != run[-1].speaker
        sentence = run and run[-1].text.endswith((".", "?", "!"))
        long = run and sentence and word.end_s - run[0].start_s > LONGEST_S
        if paused or other or long:
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def file_hypotheses(answer: Mapping[str, Any]) -> tuple[Hypothesis, ...]:
    """Return what was said in a file: an utterance each, or, where there are none, cut at pauses.

    Raises:
        KeyError, TypeError, ValueError: It is no answer about a file.
    """
    parts: list[tuple[list[SpokenWord], str]] = [
        ([_spoken(word, each.get("speaker")) for word in each["words"]], str(each["text"]))
        for each in answer.get("utterances") or ()
    ]
    if not parts:
        words = [_spoken(word, None) for word in answer.get("words") or ()]
        parts = [(run, " ".join(word.text for word in run)) for run in _runs(words)]
    language = answer.get("language_code")
    return tuple(
        Hypothesis(
            utterance_id=f"file-{number}",
            revision=1,
            text=text,
            words=tuple(Word(w.text, w.start_s, w.end_s, w.confidence, w.speaker) for w in words),
            final=True,
            language=_tag(language) if language else None,
        )
        for number, (words, text) in enumerate(parts, 1)
        if text.strip()
    )


def _tag(code: object) -> str:
    """Return a BCP-47 tag for a code such as `en_us`."""
    first, _, region = str(code).partition("_")
    return f"{first}-{region.upper()}" if region else first
