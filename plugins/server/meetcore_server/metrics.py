"""What the server counts about itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from attrs import define, field

__all__ = ["Metrics"]


@define
class Metrics:
    """Counts, since the start.

    Attributes:
        began: When that was, on the monotonic clock.
        requests: HTTP requests answered, by status class (`2xx`).
        events: Events taken from bots.
        sockets: Tells how many WebSockets are open.
    """

    began: float = field(factory=time.monotonic)
    requests: Counter[str] = field(factory=Counter)
    events: int = 0
    sockets: Callable[[], int] = lambda: 0
