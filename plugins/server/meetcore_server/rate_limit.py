"""How often somebody may ask: a bucket of tokens for each.

A bucket holds as many tokens as may be asked for at once and fills at a steady rate. Buckets that
nobody has used for a while are full again, so they can be forgotten: memory is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import trio
from attrs import define, field

__all__ = ["RateLimiter"]

_MOST = 10_000


@define
class RateLimiter:
    """Tokens by caller.

    Args:
        per_s: How many a second are given.
        burst: How many may be taken at once.
        clock: Seconds that only grow.
    """

    per_s: float
    burst: float
    clock: Callable[[], float] = trio.current_time
    _full_at: OrderedDict[str, float] = field(factory=OrderedDict, init=False)

    def wait_s(self, who: str, *, take: bool = True) -> float:
        """Take a token, or only look; return 0, or in how many seconds there is one again."""
        now = self.clock()
        full_at = max(now, self._full_at.pop(who, now))
        after = full_at + 1.0 / self.per_s
        missing_s = after - now - self.burst / self.per_s
        if missing_s > 1e-9:
            self._full_at[who] = full_at
            return missing_s
        self._full_at[who] = after if take else full_at
        if len(self._full_at) > _MOST:
            self._full_at.popitem(last=False)
        return 0.0
