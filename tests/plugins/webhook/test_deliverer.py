"""Order, retries and the state file, on a mock clock and without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import trio
import trio.testing

from meetcore.log.journal import Journal
from meetcore.model.commands import Command
from meetcore.model.events import DeliveryAbandoned, DeliveryAttempted, Event, StepTaken
from meetcore.plugin.sink import SinkContext
from meetcore_webhook.deliverer import Deliverer
from meetcore_webhook.delivery_state import DeliveryState, StateFile
from meetcore_webhook.options import WebhookOptions
from meetcore_webhook.schedule import Verdict
from meetcore_webhook.sender import SendOutcome

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
OK = SendOutcome(verdict=Verdict.DELIVERED, status=204)
BUSY = SendOutcome(verdict=Verdict.RETRY, status=500, error="it answered 500")
BAD = SendOutcome(verdict=Verdict.UNACCEPTABLE, status=400, error="it answered 400")
GONE = SendOutcome(verdict=Verdict.GONE, status=410, error="it answered 410")


class Target:
    """Answers as it is told, then well; notes what it was sent, and when."""

    def __init__(self, *outcomes: SendOutcome) -> None:
        self.outcomes = list(outcomes)
        self.got: list[tuple[str, float]] = []

    async def post(self, identity: str, body: str) -> SendOutcome:
        await trio.lowlevel.checkpoint()
        assert json.loads(body)["bot_id"] == "b"
        self.got.append((identity, trio.current_time()))
        return self.outcomes.pop(0) if self.outcomes else OK

    @property
    def ids(self) -> list[str]:
        return [identity for identity, _ in self.got]


def wall_clock() -> datetime:
    return NOON + timedelta(seconds=trio.current_time())


@contextmanager
def a_context(folder: Path, steps: int) -> Iterator[SinkContext]:
    async def perform(command: Command) -> None:
        raise AssertionError(command)

    journal = Journal(folder / "journal.jsonl", "b", fsync=False)
    for number in range(steps):
        journal.append(StepTaken(name=f"step {number}"))
    try:
        yield SinkContext(
            name="webhook",
            bot_id="b",
            folder=folder,
            journal=journal,
            report=journal.append,
            perform=perform,
        )
    finally:
        journal.close()


Make = Callable[..., Deliverer]


def make(context: SinkContext, target: Target, **settings: object) -> Deliverer:
    options = WebhookOptions(url="https://h.example/x", seed=1, **settings)  # type: ignore[arg-type]
    folder = context.folder / "webhook"
    folder.mkdir(exist_ok=True)
    return Deliverer(context, folder, options, target, wall_clock)


def reported(context: SinkContext, kind: type[Event]) -> list[Event]:
    return [event for event in context.journal.read() if isinstance(event, kind)]


async def test_events_go_out_in_order_and_their_attempts_do_not(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    target = Target()
    with a_context(tmp_path, 3) as context:
        deliverer = make(context, target)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deliverer.run)
            await deliverer.drain(3)
            live = context.report(StepTaken(name="live"))
            await deliverer.drain(live.seq)
            await trio.sleep(60)
            nursery.cancel_scope.cancel()
        assert target.ids == ["b-1", "b-2", "b-3", f"b-{live.seq}"]
        assert len(reported(context, DeliveryAttempted)) == 4
        assert deliverer.owed() == 0


async def test_the_first_event_that_fails_holds_up_the_rest_and_its_pauses_grow(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    target = Target(BUSY, BUSY, BUSY)
    with a_context(tmp_path, 2) as context:
        await make(context, target).deliver_owed()
        assert target.ids == ["b-1"] * 4 + ["b-2"]
        times = [at for _, at in target.got]
        pauses = [b - a for a, b in pairwise(times[:4])]
        assert all(
            0.75 * whole <= pause <= whole for whole, pause in zip((1, 2, 4), pauses, strict=True)
        )
        attempts = reported(context, DeliveryAttempted)
        assert [a.attempt for a in attempts if isinstance(a, DeliveryAttempted)] == [1, 2, 3, 4, 1]
        first = attempts[0]
        assert isinstance(first, DeliveryAttempted)
        assert (first.ok, first.status, first.target) == (False, 500, "https://h.example")
        assert first.next_try_s == pytest.approx(pauses[0], abs=1e-3)


async def test_a_wish_for_a_later_try_is_heeded(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    later = SendOutcome(
        verdict=Verdict.RETRY, status=429, error="it answered 429", retry_after_s=90
    )
    target = Target(later)
    with a_context(tmp_path, 1) as context:
        await make(context, target).deliver_owed()
    assert target.got[1][1] - target.got[0][1] == pytest.approx(90)


async def test_an_event_whose_attempts_are_used_up_goes_to_the_dead_letters_and_the_next_follows(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    target = Target(BUSY, BUSY, BUSY)
    with a_context(tmp_path, 2) as context:
        deliverer = make(context, target, max_attempts=3)
        await deliverer.deliver_owed()
        assert target.ids == ["b-1"] * 3 + ["b-2"]
        (abandoned,) = reported(context, DeliveryAbandoned)
        assert isinstance(abandoned, DeliveryAbandoned)
        assert (abandoned.event_seq, abandoned.attempts) == (1, 3)
        assert deliverer.owed() == 0
    (letter,) = (tmp_path / "webhook/dead-letters.jsonl").read_text().splitlines()
    body = json.loads(letter)
    assert (body["id"], body["attempts"], body["error"]) == ("b-1", 3, "it answered 500")
    assert body["message"]["data"]["name"] == "step 0"


async def test_a_message_the_target_will_never_take_is_not_tried_again(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    target = Target(BAD)
    with a_context(tmp_path, 2) as context:
        await make(context, target).deliver_owed()
        assert len(reported(context, DeliveryAbandoned)) == 1
    assert target.ids == ["b-1", "b-2"]


async def test_a_target_that_is_gone_is_told_nothing_more_also_after_a_restart(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    target = Target(OK, GONE)
    with a_context(tmp_path, 4) as context:
        deliverer = make(context, target)
        await deliverer.run()
        await deliverer.drain(4)
        await make(context, target).run()
        await make(context, target).deliver_owed()
        (abandoned,) = reported(context, DeliveryAbandoned)
        assert isinstance(abandoned, DeliveryAbandoned)
        assert "nothing more" in abandoned.error
    assert target.ids == ["b-1", "b-2"]


async def test_a_restart_goes_on_with_the_attempts_and_the_pause_of_the_one_before(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    with a_context(tmp_path, 2) as context:
        first = Target(OK, BUSY, BUSY, BUSY)
        with trio.move_on_after(3.5):
            await make(context, first, max_attempts=6).run()
        state = StateFile(tmp_path / "webhook").state
        assert (state.delivered_up_to, state.attempts) == (1, 3)
        assert state.next_try_at is not None
        second = Target()
        with trio.move_on_after(60):
            await make(context, second, max_attempts=6).run()
        assert second.ids == ["b-2"]
        due_s = (state.next_try_at - NOON).total_seconds()
        assert second.got[0][1] == pytest.approx(due_s, abs=0.01)
        last = reported(context, DeliveryAttempted)[-1]
        assert isinstance(last, DeliveryAttempted)
        assert (last.attempt, last.ok) == (4, True)


async def test_the_same_seed_gives_the_same_pauses(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    pauses: list[list[float]] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with a_context(tmp_path / name, 1) as context:
            await make(context, Target(BUSY, BUSY, BUSY)).deliver_owed()
            pauses.append(
                [
                    a.next_try_s or 0.0
                    for a in reported(context, DeliveryAttempted)
                    if isinstance(a, DeliveryAttempted)
                ]
            )
    assert pauses[0] == pauses[1]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"delivered_up_to": "x"}'])
async def test_a_state_file_that_cannot_be_read_means_that_everything_is_owed(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, damage: bytes
) -> None:
    target = Target()
    with a_context(tmp_path, 2) as context:
        await make(context, Target()).deliver_owed()
        (tmp_path / "webhook/cursor.jsonl").write_bytes(damage)
        await make(context, target).deliver_owed()
    assert target.ids == ["b-1", "b-2"]


async def test_a_state_that_cannot_be_written_is_said_once_and_stops_nothing(
    tmp_path: Path,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = Target()
    with a_context(tmp_path, 3) as context:
        deliverer = make(context, target)

        def full(self: StateFile, state: DeliveryState) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(StateFile, "save", full)
        await deliverer.deliver_owed()
        told = [event for event in context.journal.read() if event.type == "plugin.event"]
    assert target.ids == ["b-1", "b-2", "b-3"]
    assert len(told) == 1
