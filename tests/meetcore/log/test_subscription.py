"""Events and drafts as one stream; that finals are never dropped is law 6's."""

from __future__ import annotations

import trio
import trio.testing

from meetcore.log.journal import Journal
from meetcore.log.subscription import Drafts, Subscription
from meetcore.model.drafts import LevelDraft
from meetcore.model.events import PluginEvent, StateChanged
from meetcore.model.lifecycle import State


def level(track_id: str, dbfs: float) -> LevelDraft:
    return LevelDraft(track_id=track_id, participant_id=None, dbfs=dbfs)


async def test_drafts_come_after_the_events_before_them_and_the_newest_of_a_key_only(
    tmp_path, autojump_clock
):
    journal, drafts = Journal(tmp_path / "journal.jsonl", "b", fsync=False), Drafts()
    assert not drafts.wanted
    subscription = Subscription(journal, drafts)
    assert drafts.wanted
    journal.append(PluginEvent(plugin="p", name="1"))
    for dbfs in (-1.0, -2.0):
        drafts.publish(level("a", dbfs))
    drafts.publish(level("b", -9.0))
    journal.append(PluginEvent(plugin="p", name="2"))
    journal.append(StateChanged(state=State.FAILED))
    journal.append(PluginEvent(plugin="p", name="after the end"))
    seen = [getattr(item, "name", getattr(item, "dbfs", "end")) async for item in subscription]
    assert seen == ["1", "2", "end"]
    assert [item async for item in subscription] == []


async def test_a_draft_wakes_who_waits_and_a_dropped_subscription_is_forgotten(
    tmp_path, autojump_clock
):
    journal, drafts = Journal(tmp_path / "journal.jsonl", "b", fsync=False), Drafts()
    seen: list[float] = []

    async def follow() -> None:
        async for item in Subscription(journal, drafts):
            seen.append(item.dbfs)  # noqa: PERF401  one by one is what the test is about

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        for dbfs in (-1.0, -2.0):
            drafts.publish(level("a", dbfs))
            await trio.testing.wait_all_tasks_blocked()
        journal.close()
    assert seen == [-1.0, -2.0]
    assert not drafts.wanted
