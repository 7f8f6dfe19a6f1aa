"""What the scripts share: a figure with its spread, and how it is shown."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence

from attrs import asdict, frozen

__all__ = ["Figure", "report", "spread"]


@frozen
class Figure:
    """One measured figure.

    Attributes:
        name: What was measured.
        unit: In what.
        median: The median of the runs.
        low: The smallest run.
        high: The largest run.
        runs: How many runs.
        wanted: What was to be reached, in words; empty for 'published as it is'.
        reached: Whether it was, None where nothing was asked for.
    """

    name: str
    unit: str
    median: float
    low: float
    high: float
    runs: int
    wanted: str = ""
    reached: bool | None = None


def spread(
    name: str,
    unit: str,
    values: Sequence[float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    """Return the figure of several runs, held against a bound if there is one."""
    median = statistics.median(values)
    wanted, reached = "", None
    if at_least is not None:
        wanted, reached = f"≥ {at_least:g}", median >= at_least
    elif at_most is not None:
        wanted, reached = f"≤ {at_most:g}", median <= at_most
    return Figure(name, unit, median, min(values), max(values), len(values), wanted, reached)


def shown(value: float) -> str:
    """Return a value with as many digits as it deserves."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def report(figures: Sequence[Figure]) -> None:
    """Print figures as a table, or as JSON with `--json`."""
    if "--json" in sys.argv:
        print(json.dumps([asdict(figure) for figure in figures]))
        return
    for figure in figures:
        mark = {True: "reached", False: "NOT REACHED", None: ""}[figure.reached]
        print(
            f"{figure.name:<72} {shown(figure.median):>9} {figure.unit:<12} "
            f"[{shown(figure.low)} – {shown(figure.high)}, n={figure.runs}] "
            f"{figure.wanted} {mark}".rstrip()
        )
