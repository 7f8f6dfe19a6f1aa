"""What the server counts about itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from attrs import define, field

from meetcore import EndReason, Event, State, StateChanged

__all__ = ["Metrics"]


@define
class Metrics:
    """Counts, since the start.

    Attributes:
        began: When that was, on the monotonic clock.
        requests: HTTP requests answered, by status class (`2xx`).
        events: Events taken from bots.
        ended: Bots that ended, by their last state and the reason.
        sockets: Tells how many WebSockets are open.
    """

    began: float = field(factory=time.monotonic)
    requests: Counter[str] = field(factory=Counter)
    events: int = 0
    ended: Counter[tuple[State, EndReason]] = field(factory=Counter)
    sockets: Callable[[], int] = lambda: 0

    def take(self, event: Event) -> None:
        """Count an event of a bot that this server looks after."""
        self.events += 1
        if isinstance(event, StateChanged):
            self.count_end(event)

    def count_end(self, end: StateChanged) -> None:
        """Count a bot that ended, where that is the end of one."""
        if end.state in (State.COMPLETED, State.FAILED) and end.reason is not None:
            self.ended[end.state, end.reason] += 1
