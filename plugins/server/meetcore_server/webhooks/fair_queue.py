"""Whose turn it is: targets that wait, those that are served, those that pause. Pure.

A target is here only while there is something to do for it; one that is idle costs nothing. Of one
host only so many are served at a time, and of one that lets us wait, fewer: however many targets
of it stand still, the others have the room they need.
"""

from __future__ import annotations

import heapq
import math
from collections import deque

from attrs import define, field

__all__ = ["FairQueue"]


_MOST_REMEMBERED = 10_000


@define(eq=False)
class _Host:
    ready: deque[int] = field(factory=deque)
    served: int = 0
    in_turn: bool = False


@define(eq=False)
class FairQueue:
    """The order of service.

    Args:
        most: So many targets are served at once.
        most_per_host: So many of one host.
        most_of_slow: So many of a host that last let us wait.
    """

    most: int = 256
    most_per_host: int = 16
    most_of_slow: int = 2
    _host_of: dict[int, str] = field(factory=dict, init=False)
    _hosts: dict[str, _Host] = field(factory=dict, init=False)
    _turn: deque[str] = field(factory=deque, init=False)
    _served: set[int] = field(factory=set, init=False)
    _asked_again: dict[int, bool] = field(factory=dict, init=False)
    _slow: dict[str, None] = field(factory=dict, init=False)
    _pausing: dict[int, float] = field(factory=dict, init=False)
    _pauses: list[tuple[float, int]] = field(factory=list, init=False)

    @property
    def served(self) -> int:
        """How many targets are served now."""
        return len(self._served)

    @property
    def waiting(self) -> int:
        """How many targets are in line, those that pause too."""
        return len(self._host_of) - len(self._served)

    def ask(self, target_id: int, host: str, *, force: bool = False) -> None:
        """Have a target served: now, or after its pause, or once more after now.

        Args:
            target_id: The target.
            host: Whom it belongs to.
            force: Whether its pause ends.
        """
        if target_id in self._served:
            self._asked_again[target_id] = force or self._asked_again.get(target_id, False)
        elif target_id not in self._host_of or (force and target_id in self._pausing):
            self._pausing.pop(target_id, None)
            self._make_ready(target_id, host)

    def pause(self, target_id: int, host: str, until: float) -> None:
        """Have a target served at a time, unless it is in line already."""
        if target_id not in self._host_of:
            self._host_of[target_id] = host
            self._pausing[target_id] = until
            heapq.heappush(self._pauses, (until, target_id))

    def next(self, now: float) -> int | None:
        """Return the next target to serve, which counts as served then; None for none now."""
        self._end_pauses(now)
        if len(self._served) >= self.most:
            return None
        for _ in range(len(self._turn)):
            name = self._turn.popleft()
            host = self._hosts[name]
            if host.served >= (self.most_of_slow if name in self._slow else self.most_per_host):
                self._turn.append(name)
                continue
            target_id = host.ready.popleft()
            host.served += 1
            host.in_turn = bool(host.ready)
            if host.in_turn:
                self._turn.append(name)
            self._served.add(target_id)
            return target_id
        return None

    def done(
        self, target_id: int, *, again_at: float | None = None, slow: bool | None = None
    ) -> None:
        """Note that a target was served.

        Args:
            target_id: The target.
            again_at: When it is to be served again; None for when it is asked for.
            slow: Whether its host let us wait; None for not known.
        """
        name = self._host_of.pop(target_id)
        host = self._hosts[name]
        host.served -= 1
        self._served.remove(target_id)
        if slow is not None:
            self._remember(name, slow=slow)
        forced = self._asked_again.pop(target_id, None)
        if forced or (again_at is None and forced is not None):
            self._make_ready(target_id, name)
        elif again_at is not None:
            self.pause(target_id, name, again_at)
        if not host.ready and not host.served:
            del self._hosts[name]

    def next_pause_ends(self) -> float:
        """Return when the next pause ends; infinity for none."""
        while self._pauses and self._pausing.get(self._pauses[0][1]) != self._pauses[0][0]:
            heapq.heappop(self._pauses)
        return self._pauses[0][0] if self._pauses else math.inf

    def _end_pauses(self, now: float) -> None:
        while self.next_pause_ends() <= now:
            _, target_id = heapq.heappop(self._pauses)
            del self._pausing[target_id]
            self._make_ready(target_id, self._host_of[target_id])

    def _make_ready(self, target_id: int, name: str) -> None:
        self._host_of[target_id] = name
        host = self._hosts.setdefault(name, _Host())
        host.ready.append(target_id)
        if not host.in_turn:
            host.in_turn = True
            self._turn.append(name)

    def _remember(self, name: str, *, slow: bool) -> None:
        self._slow.pop(name, None)
        if slow:
            self._slow[name] = None
            if len(self._slow) > _MOST_REMEMBERED:
                del self._slow[next(iter(self._slow))]
