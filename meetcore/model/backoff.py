"""How long to wait before the next try. Pure."""

from __future__ import annotations

from random import Random

__all__ = ["backoff_s"]


def backoff_s(
    failures: int,
    first_s: float,
    longest_s: float,
    random: Random | None = None,
    *,
    jitter: float = 0.25,
) -> float:
    """Return the pause after so many failures, in seconds: doubling, and bounded.

    Args:
        failures: How many there were in a row, from 1.
        first_s: The pause after the first, in seconds.
        longest_s: The longest pause, in seconds.
        random: Shortens it by chance, so that those who lost the same peer do not come back to it
            together; None for no chance.
        jitter: The part of the pause that chance may take away at most.
    """
    whole = min(longest_s, first_s * 2.0 ** min(failures - 1, 60))
    return whole if random is None else whole * (1 - jitter * random.random())
