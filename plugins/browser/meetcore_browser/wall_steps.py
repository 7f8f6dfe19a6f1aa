"""Tells apart the time that passes from a wall clock that is set. Pure, but for `read_clocks`."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import define, field

__all__ = ["WallSteps", "read_clocks"]

_LEAST_STEP_S = 0.1
"""What differs by less is taken for the time between two readings, and is no matter for a film."""
_MOST_STEPS = 50
_READINGS = 3


def read_clocks() -> tuple[float, float]:
    """Return the wall's clock and the steady one, in seconds, read as nearly at once as can be."""
    readings = []
    for _ in range(_READINGS):
        before, wall, after = time.monotonic(), time.time(), time.monotonic()
        readings.append((after - before, wall, (before + after) / 2))
    _, wall, steady = min(readings)
    return wall, steady


@define
class WallSteps:
    """By how much this machine's wall clock was set since the call began, or jumped in a sleep.

    Steady time is what the wall's clock would show had nobody set it. A page's clock never jumps:
    it counts from what the wall showed when the page's process began.

    Args:
        read: Gives the wall's clock and the steady one, in seconds.
    """

    _read: Callable[[], tuple[float, float]] = read_clocks
    _apart_s: float = field(init=False)
    _steps_s: list[float] = field(factory=lambda: [0.0], init=False)

    def __attrs_post_init__(self) -> None:
        wall, steady = self._read()
        self._apart_s = wall - steady

    def _now(self) -> float:
        """Return the steady time, having looked whether the wall's clock was set."""
        wall, steady = self._read()
        step = wall - steady - self._apart_s
        if abs(step - self._steps_s[-1]) >= _LEAST_STEP_S:
            self._steps_s = [*self._steps_s[-_MOST_STEPS:], step]
        return steady + self._apart_s

    def steady(self, wall_s: float) -> float:
        """Return the steady time of what was stamped just now by the wall's clock."""
        self._now()
        return wall_s - self._steps_s[-1]

    def of_page(self, wall_s: float) -> float:
        """Return by how much a page's clock was set when its process began, from its time now."""
        now = self._now()
        return min(self._steps_s, key=lambda step: abs(wall_s - step - now))
