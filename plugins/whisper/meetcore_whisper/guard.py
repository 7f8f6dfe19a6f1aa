"""How much a decode gets to see, how long its answer may be, and when it is not believed. Pure.

Whisper was trained on windows of 30 s and fills shorter speech up with silence; a CPU pays for all
of it. Given less it is cheaper by half and now and then repeats itself for ever. So the window is
short, the answer is bounded, and an answer that looks like that failure is decoded again over 30 s
(measured on 406 utterances: the short window alone repeated on 45 of them, guarded on none).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

__all__ = [
    "FULL_WINDOW_S",
    "Decoded",
    "agreed_words",
    "compression_ratio",
    "cut_points",
    "is_hallucinated",
    "needs_full_window",
    "token_limit",
    "window_s",
]

FULL_WINDOW_S = 30.0
SHORTEST_WINDOW_S = 10.0
ROOM_S = 3.0
SHORT_PIECE_S = 1.5
TOKENS_PER_S = 8
SPARE_TOKENS = 12
REPETITIVE = 2.2
HALLUCINATED_REPETITIVE = 2.4
UNLIKELY = -1.0
NO_SPEECH = 0.6
_RATE = 16_000


@frozen(kw_only=True)
class Decoded:
    """What one decode gave.

    Attributes:
        text: The words as text.
        tokens: How many tokens the answer has.
        limit: How many it was allowed.
        logprob: Mean log probability of a token.
        no_speech: How likely it is that nobody speaks, 0 to 1.
        window_s: How many seconds it saw.
    """

    text: str
    tokens: int
    limit: int
    logprob: float
    no_speech: float
    window_s: float


def window_s(length_s: float, *, shortest: bool = False) -> float:
    """Return how many seconds a decode sees of a piece of speech and the silence behind it.

    Args:
        length_s: How long the piece is.
        shortest: Whether a very short piece, too, sees no more than it has to.
    """
    if length_s < SHORT_PIECE_S and not shortest:
        return FULL_WINDOW_S  # too little to go on: what is short needs the silence
    return min(FULL_WINDOW_S, max(SHORTEST_WINDOW_S, length_s + ROOM_S))


def token_limit(length_s: float) -> int:
    """Return how many tokens an answer may have: nobody says more in that time."""
    return int(TOKENS_PER_S * length_s) + SPARE_TOKENS


def compression_ratio(text: str) -> float:
    """Return how often a text repeats itself: its bytes, by its bytes when they are compressed."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def needs_full_window(decoded: Decoded) -> bool:
    """Return whether a decode with a short window is not to be trusted and is done again."""
    if decoded.window_s >= FULL_WINDOW_S:
        return False
    return (
        decoded.tokens >= decoded.limit
        or compression_ratio(decoded.text) > REPETITIVE
        or decoded.logprob < UNLIKELY
    )


def is_hallucinated(decoded: Decoded) -> bool:
    """Return whether a text is no one's words: the model's own doubt, or an endless repetition."""
    return decoded.no_speech > NO_SPEECH or (
        compression_ratio(decoded.text) > HALLUCINATED_REPETITIVE
    )


def agreed_words(before: Sequence[str], now: Sequence[str]) -> int:
    """Return how many words two drafts in a row agree on from the start (LocalAgreement-2)."""
    count = 0
    for old, new in zip(before, now, strict=False):
        if old.casefold().strip(".,!?;:") != new.casefold().strip(".,!?;:"):
            break
        count += 1
    return count


def cut_points(samples: NDArray[np.float32], longest_s: float) -> list[int]:
    """Return where speech that is too long for one decode is cut: at the quietest 0.3 s.

    Args:
        samples: Mono, 16 kHz.
        longest_s: No piece is longer.

    Returns:
        The samples at which a new piece begins, none where nothing has to be cut.
    """
    longest, quiet = int(longest_s * _RATE), int(0.3 * _RATE)
    cuts: list[int] = []
    start = 0
    while len(samples) - start > longest:
        first, last = start + longest // 2, start + longest - quiet
        energy = np.square(samples[first : last + quiet], dtype=np.float64)
        sums = np.cumsum(np.concatenate(([0.0], energy)))
        loudness = sums[quiet:] - sums[:-quiet]
        start = first + int(np.argmin(loudness)) + quiet // 2
        cuts.append(start)
    return cuts
