"""Names and terms for Deepgram, counted first: over 500 tokens it silently stops transcribing.

Then no error comes: the stream is closed with 1011 NET-0000 after about half a minute. Deepgram
does not publish its tokens, so they are estimated, on the safe side: three bytes to a token.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["MOST_TOKENS", "fitting_keyterms", "tokens_of"]

MOST_TOKENS = 500


def tokens_of(term: str) -> int:
    """Return how many tokens a term has, rather too many than too few."""
    return sum(-(-len(word.encode("utf-8")) // 3) for word in term.split())


def fitting_keyterms(vocabulary: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the terms that are sent, in order, each once, and those that find no room."""
    sent: list[str] = []
    left_out: list[str] = []
    used = 0
    for term in dict.fromkeys(" ".join(each.split()) for each in vocabulary):
        tokens = tokens_of(term)
        if not tokens:
            continue
        if used + tokens > MOST_TOKENS:
            left_out.append(term)
        else:
            sent.append(term)
            used += tokens
    return tuple(sent), tuple(left_out)
