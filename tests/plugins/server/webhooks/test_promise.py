"""At least once, in order: whatever targets answer, and whenever the dispatcher is stopped."""

from __future__ import annotations

import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any

import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetcore.gateway.service import Outgoing
from tests.plugins.server.empty_tables import with_tables
from tests.plugins.server.webhooks.receiver import Answer, hang_up, never, receiving, status
from tests.plugins.server.webhooks.stage import staged, target

OK, BUSY, BAD = status(204), status(503), status(400)
ANSWERS: dict[str, Answer] = {
    "ok": OK,
    "busy": BUSY,
    "bad": BAD,
    "hang up": hang_up,
    "never": never,
}
STEPS = st.one_of(
    st.tuples(st.just("write"), st.lists(st.sampled_from(["a", "quiet", "three"]), max_size=3)),
    st.tuples(st.just("post"), st.just(None)),
    st.tuples(st.just("restart"), st.integers(0, 3)),
    st.tuples(st.just("rest"), st.just(None)),
)
LIFE = st.lists(STEPS, min_size=1, max_size=12)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(life=LIFE, answers=st.lists(st.sampled_from(sorted(ANSWERS)), max_size=12))
def test_every_message_is_taken_or_given_up_in_order(
    life: list[tuple[str, Any]], answers: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trio.run(live, with_tables(Path(folder) / "server.db"), life, answers)


async def live(url: str, life: list[tuple[str, Any]], answers: list[str]) -> None:
    journals: dict[str, Any] = {}
    expected: list[str] = []
    steps, posted, bot_id = list(life), 0, None
    async with receiving() as receiver:
        receiver.answers["/hook"] = [ANSWERS[name] for name in answers]
        ended = False
        while not ended:
            async with staged(url, journals=journals) as stage:
                if bot_id is None:
                    bot_id = (await stage.bot(target(receiver.url(), "promise"))).bot_id
                row = await stage.bots.get(bot_id)
                (to,) = await stage.dispatcher.cursors.targets(bot_id)
                restart = False
                while steps and not restart:
                    what, how = steps.pop(0)
                    if what == "write":
                        first = len(journals.get(bot_id, ()))
                        for number, name in enumerate(how, first + 1):
                            if name == "three":
                                expected += [f"{number}.{part}" for part in range(3)]
                            elif name == "a":
                                expected.append(str(number))
                        stage.write(row, *how)
                        await stage.follow(row)
                    elif what == "post":
                        posted += 1
                        expected.append(f"posted {posted}")
                        body = f"posted {posted}".encode()
                        await stage.dispatcher.post(row, to, Outgoing(kind="own", body=body))
                    elif what == "restart":
                        for _ in range(how):
                            await trio.lowlevel.checkpoint()
                        restart = True
                    else:
                        await trio.testing.wait_all_tasks_blocked()
                if not restart:
                    await stage.until_idle()
                    ended = True
        got = [body.body.decode() for body in receiver.got]
        once = [body for body, _ in groupby(got)]
        assert once == expected
        async with staged(url, journals=journals, start=False) as stage:
            history = await stage.dispatcher.deliveries.history()
            assert len(history) == len(expected)
            assert all((d.delivered_at is None) != (d.given_up_at is None) for d in history)
