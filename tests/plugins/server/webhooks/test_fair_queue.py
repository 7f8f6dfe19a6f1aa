"""The order of service: nobody is forgotten, nobody is served twice at once, bounds hold."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from meetcore_server.webhooks.fair_queue import FairQueue


def test_hosts_take_turns_and_targets_of_a_host_stand_in_line() -> None:
    line = FairQueue()
    for target_id, host in ((1, "a"), (2, "a"), (3, "a"), (4, "b")):
        line.ask(target_id, host)
    assert [line.next(0.0) for _ in range(5)] == [1, 4, 2, 3, None]


def test_a_host_that_lets_us_wait_is_visited_less_until_it_answers() -> None:
    line = FairQueue(most_per_host=3, most_of_slow=1)
    line.ask(1, "a")
    assert line.next(0.0) == 1
    line.done(1, slow=True)
    for target_id in (1, 2, 3):
        line.ask(target_id, "a")
    assert (line.next(0.0), line.next(0.0)) == (1, None)
    line.done(1, slow=False)
    assert (line.next(0.0), line.next(0.0)) == (2, 3)


def test_news_while_it_is_served_or_pauses() -> None:
    line = FairQueue()
    line.ask(1, "a")
    assert line.next(0.0) == 1
    line.ask(1, "a")
    assert line.next(0.0) is None
    line.done(1)
    assert line.next(0.0) == 1
    line.done(1, again_at=10.0)
    line.ask(1, "a")
    assert (line.next(9.0), line.next_pause_ends()) == (None, 10.0)
    assert line.next(10.0) == 1
    line.done(1, again_at=30.0)
    line.ask(1, "a", force=True)
    assert line.next(11.0) == 1
    line.ask(1, "a", force=True)
    line.done(1, again_at=40.0)
    assert line.next(12.0) == 1
    line.done(1)
    assert (line.waiting, line.next_pause_ends()) == (0, math.inf)


class AnyLine(RuleBasedStateMachine):
    """Asks, serves and finishes in any order; a plain model knows who is owed a visit."""

    def __init__(self) -> None:
        super().__init__()
        self.line = FairQueue(most=4, most_per_host=2, most_of_slow=1)
        self.now = 0.0
        self.owed: set[int] = set()
        self.served: set[int] = set()
        self.pausing: dict[int, float] = {}

    targets = st.integers(0, 11)

    @staticmethod
    def host(target_id: int) -> str:
        return f"h{target_id % 3}"

    @rule(target_id=targets, force=st.booleans())
    def ask(self, target_id: int, force: bool) -> None:
        self.line.ask(target_id, self.host(target_id), force=force)
        if force:
            self.pausing.pop(target_id, None)
        if target_id in self.served or target_id not in self.pausing:
            self.owed.add(target_id)

    @rule(target_id=targets, pause_s=st.floats(0, 5))
    def pause(self, target_id: int, pause_s: float) -> None:
        known = target_id in self.owed | self.served or target_id in self.pausing
        self.line.pause(target_id, self.host(target_id), self.now + pause_s)
        if not known:
            self.pausing[target_id] = self.now + pause_s

    @rule(seconds=st.floats(0, 5))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def serve(self) -> None:
        target_id = self.line.next(self.now)
        if target_id is None:
            return
        assert target_id not in self.served
        until = self.pausing.pop(target_id, None)
        assert target_id in self.owed or (until is not None and until <= self.now)
        self.owed.discard(target_id)
        self.served.add(target_id)

    @rule(data=st.data(), slow=st.sampled_from([True, False, None]))
    def finish(self, data: st.DataObject, slow: bool | None) -> None:
        if self.served:
            target_id = data.draw(st.sampled_from(sorted(self.served)))
            self.line.done(target_id, slow=slow)
            self.served.remove(target_id)

    @invariant()
    def bounds_hold(self) -> None:
        assert self.line.served == len(self.served) <= 4
        hosts = [self.host(target_id) for target_id in self.served]
        assert all(hosts.count(host) <= 2 for host in hosts)

    def teardown(self) -> None:
        for target_id in sorted(self.served):
            self.line.done(target_id)
        self.served.clear()
        for _ in range(100):
            self.now += 5.0
            while (following := self.line.next(self.now)) is not None:
                self.owed.discard(following)
                self.pausing.pop(following, None)
                self.line.done(following)
        assert not self.owed
        assert not self.pausing
        assert self.line.waiting == 0
        assert self.line._hosts == {}


TestAnyLine = AnyLine.TestCase
TestAnyLine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
