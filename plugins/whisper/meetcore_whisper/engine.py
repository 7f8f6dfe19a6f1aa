"""One loaded model of Whisper's: a piece of speech in, words with times out. Runs in the worker.

faster-whisper's model, tokenizer and alignment are used; the decode is our own, since theirs fills
every piece up to 30 s. Temperature 0 only: its ladder of temperatures costs up to six decodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from meetcore_whisper.guard import (
    FULL_WINDOW_S,
    Decoded,
    is_hallucinated,
    needs_full_window,
    token_limit,
    window_s,
)

__all__ = ["HeardWord", "LikelyLanguages", "Recognised", "WhisperEngine"]

RATE_HZ = 16_000
_FRAMES_PER_S = 100
_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"
_MOST_PROMPT_TOKENS = 100


@frozen
class HeardWord:
    """A word, in seconds of the piece."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None


@frozen(kw_only=True)
class Recognised:
    """What a piece of speech says.

    Attributes:
        text: The words as text; empty where the answer was not believed.
        words: The words with their times; none in a draft.
        language: Whisper's code of the language it was taken to be in.
        confidence: Mean probability of the words, None where there are none.
        seen_s: How many seconds the model saw in all: more than one window where it was decoded
            again.
    """

    text: str
    words: tuple[HeardWord, ...]
    language: str
    confidence: float | None
    seen_s: float


@frozen
class LikelyLanguages:
    """How likely each language is, the likeliest first, by Whisper's codes."""

    ranked: tuple[tuple[str, float], ...]

    @property
    def best(self) -> tuple[str, float]:
        """The likeliest and its probability."""
        return self.ranked[0]


class WhisperEngine:
    """A model in memory.

    Args:
        folder: Where its files lie.
        device: `cpu`, `cuda` or `auto`.
        compute_type: What CTranslate2 computes with, for instance `int8`; `auto` for what suits
            the device.
        threads: How many threads a decode takes on a CPU.
    """

    def __init__(self, folder: str, device: str, compute_type: str, threads: int) -> None:
        import ctranslate2
        from faster_whisper import WhisperModel

        if device == "auto":
            device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        if compute_type == "auto":
            compute_type = "float16" if device == "cuda" else "int8"
        self.device = device
        self.compute_type = compute_type
        self._model = WhisperModel(
            folder, device=device, compute_type=compute_type, cpu_threads=threads
        )
        self._tokenizers: dict[str, Any] = {}
        self._suppressed: tuple[int, ...] | None = None

    @property
    def multilingual(self) -> bool:
        """Whether it knows other languages than English."""
        return bool(self._model.model.is_multilingual)

    @property
    def languages(self) -> tuple[str, ...]:
        """Whisper's codes of the languages it knows."""
        return tuple(self._model.supported_languages)

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        found = self._tokenizers.get(language)
        if found is None:
            found = self._tokenizers[language] = Tokenizer(
                self._model.hf_tokenizer,
                self.multilingual,
                task="transcribe",
                language=language,
            )
        return found

    def _encoded(self, samples: NDArray[np.float32], seen_s: float) -> Any:
        """Return the encoder's output for a piece, filled up to a window."""
        features = self._model.feature_extractor(samples)
        frames = math.ceil(seen_s * _FRAMES_PER_S / 2) * 2
        content = min(len(samples) // (RATE_HZ // _FRAMES_PER_S), frames)
        window = np.zeros((features.shape[0], frames), dtype=np.float32)
        window[:, :content] = features[:, :content]
        return self._model.encode(window)

    def _likely_languages(self, output: Any) -> LikelyLanguages:
        if not self.multilingual:
            return LikelyLanguages((("en", 1.0),))
        (ranked,) = self._model.model.detect_language(output)
        return LikelyLanguages(tuple((token[2:-2], float(p)) for token, p in ranked))

    def recognise(
        self,
        samples: NDArray[np.float32],
        *,
        language: str | Callable[[LikelyLanguages], str],
        terms: Sequence[str] = (),
        beam: int = 5,
        times: bool = True,
        full_window: bool = False,
        once: bool = False,
    ) -> Recognised:
        """Return what a piece says.

        Args:
            samples: Mono, 16 kHz, −1 to 1, at most 30 s.
            language: Whisper's code of its language, or who says it once it was listened for.
            terms: Names and terms that are likely to be said.
            beam: How many hypotheses are followed: 5 for finals, 1 for drafts.
            times: Whether words get times.
            full_window: Whether the model sees 30 s at once.
            once: Whether it is decoded once and with a short window, whatever comes of it: for
                drafts, of which the next is better. What would be decoded again is no text.
        """
        length_s = len(samples) / RATE_HZ
        seen_s = FULL_WINDOW_S if full_window else window_s(length_s, shortest=once)
        total_s = seen_s
        output = self._encoded(samples, seen_s)
        if callable(language):
            language = language(self._likely_languages(output))
        tokenizer = self._tokenizer(language)
        decoded, tokens = self._decode(output, tokenizer, length_s, seen_s, terms, beam)
        doubtful = needs_full_window(decoded)
        if doubtful and not once:
            total_s += FULL_WINDOW_S
            output = self._encoded(samples, FULL_WINDOW_S)
            decoded, tokens = self._decode(
                output, tokenizer, length_s, FULL_WINDOW_S, (), max(beam, 5)
            )
        if is_hallucinated(decoded) or not decoded.text or (doubtful and once):
            return Recognised(text="", words=(), language=language, confidence=None, seen_s=total_s)
        words = self._times(output, tokenizer, tokens, length_s) if times else ()
        known = [word.confidence for word in words if word.confidence is not None]
        return Recognised(
            text=decoded.text,
            words=words,
            language=language,
            confidence=sum(known) / len(known) if known else None,
            seen_s=total_s,
        )

    def _decode(
        self,
        output: Any,
        tokenizer: Any,
        length_s: float,
        seen_s: float,
        terms: Sequence[str],
        beam: int,
    ) -> tuple[Decoded, list[int]]:
        from faster_whisper.transcribe import get_suppressed_tokens

        if self._suppressed is None:
            self._suppressed = get_suppressed_tokens(tokenizer, [-1])
        prompt = self._model.get_prompt(
            tokenizer, [], without_timestamps=False, hotwords=self._hotwords(tokenizer, terms)
        )
        limit = min(token_limit(length_s), self._model.max_length - len(prompt))
        result = self._model.model.generate(
            output,
            [prompt],
            beam_size=beam,
            max_length=len(prompt) + limit,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            max_initial_timestamp_index=50,
        )[0]
        sequence = list(result.sequences_ids[0])
        tokens = [token for token in sequence if token < tokenizer.eot]
        decoded = Decoded(
            text=tokenizer.decode(tokens).strip(),
            tokens=len(sequence),
            limit=limit,
            logprob=result.scores[0] * len(sequence) / (len(sequence) + 1),
            no_speech=float(result.no_speech_prob),
            window_s=seen_s,
        )
        return decoded, tokens

    @staticmethod
    def _hotwords(tokenizer: Any, terms: Sequence[str]) -> str | None:
        """Return as many terms as fit into a prompt that leaves room for the answer."""
        taken: list[str] = []
        count = 0
        for term in terms:
            count += len(tokenizer.encode(f" {term},"))
            if count > _MOST_PROMPT_TOKENS:
                break
            taken.append(term)
        return ", ".join(taken) or None

    def _times(
        self, output: Any, tokenizer: Any, tokens: list[int], length_s: float
    ) -> tuple[HeardWord, ...]:
        from faster_whisper.transcribe import merge_punctuations

        frames = max(2, int(length_s * _FRAMES_PER_S))
        (aligned,) = self._model.find_alignment(tokenizer, [tokens], output, frames)
        merge_punctuations(aligned, _PREPENDED, _APPENDED)
        return tuple(
            HeardWord(
                text=word["word"].strip(),
                start_s=float(word["start"]),
                end_s=float(word["end"]),
                confidence=float(word["probability"]),
            )
            for word in aligned
            if word["word"].strip()
        )
