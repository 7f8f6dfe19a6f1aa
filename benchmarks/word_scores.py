"""Word errors, cpWER and diarization errors, by the tools in which others count them, too.

Texts are compared after whisper-normalizer (case, punctuation, numbers). No figure is counted by
something else where a tool is missing: `require_tools` says which, and how it is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import import_module

import meetcore

TOOLS = {
    "jiwer": "jiwer",
    "whisper_normalizer.english": "whisper-normalizer",
    "regex": "regex",
    "meeteval": "meeteval",
    "pyannote.metrics.diarization": "pyannote.metrics",
}
"""Modules that count, and the packages they are in. whisper-normalizer needs regex, unsaid."""


def require_tools() -> None:
    """Return if everything that counts can be imported.

    Raises:
        SystemExit: Something cannot; it says what, why and how to install it.
    """
    missing = []
    for module, package in TOOLS.items():
        try:
            import_module(module)
        except ImportError as error:
            missing.append(f"  {package}: {error}")
    if missing:
        raise SystemExit(
            "\n".join(
                [
                    "Nothing was measured: these tools cannot be imported:",
                    *missing,
                    "Install them: pip install --group fidelity",
                ]
            )
        )


def normalised(text: str) -> str:
    """Return a text as it is compared."""
    from whisper_normalizer.english import EnglishTextNormalizer

    words = EnglishTextNormalizer()(re.sub(r"\bmr\b\.?", "mister", text, flags=re.I)).split()
    return " ".join(word for word in words if any(c.isalnum() for c in word))


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Return the word error rate over pairs of what was said and what was understood."""
    import jiwer

    both = [(normalised(said), normalised(heard)) for said, heard in pairs]
    return float(jiwer.wer([said for said, _ in both], [heard for _, heard in both]))


def cp_word_error_rate(said: Mapping[str, str], segments: Iterable[meetcore.Segment]) -> float:
    """Return cpWER: each person's words, joined, under the best pairing of speakers."""
    import meeteval

    heard: dict[str, str] = {}
    for segment in segments:
        who = segment.participant_id or "?"
        heard[who] = f"{heard.get(who, '')} {normalised(segment.text)}".strip()
    truth = {who: normalised(text) for who, text in said.items()}
    return float(meeteval.wer.cp_word_error_rate(truth, heard).error_rate)


def diarization_error_rate(
    turns: Iterable[tuple[str, float, float]], segments: Iterable[meetcore.Segment]
) -> float:
    """Return the diarization error rate of segments against (who, start, end) with a collar.

    pyannote's collar is the whole width around an edge: 0.5 is 0.25 s on either side.
    """
    from pyannote.core import Annotation
    from pyannote.core import Segment as Stretch
    from pyannote.metrics.diarization import DiarizationErrorRate

    truth, found = Annotation(), Annotation()
    for number, (who, start_s, end_s) in enumerate(turns):
        truth[Stretch(start_s, end_s), number] = who
    for number, segment in enumerate(segments):
        if segment.end_s > segment.start_s:
            found[Stretch(segment.start_s, segment.end_s), number] = segment.participant_id or "?"
    return float(DiarizationErrorRate(collar=0.5)(truth, found))
