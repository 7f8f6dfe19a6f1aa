"""A bot that is told to stop has the time to leave, whoever does not answer meanwhile."""

from __future__ import annotations

import pytest
import trio

from meetcore import (
    ClusterBot,
    CommandFailed,
    EndReason,
    State,
    StateChanged,
    Stop,
    StorageUnavailable,
    read_journal,
)
from meetcore.fleet.launching import cluster_launcher
from meetcore.log.folders import journal_path
from meetcore_kubernetes import pod_launcher
from meetcore_kubernetes.cluster import Cluster
from tests.plugins.kubernetes.stage import Stage, staged
from tests.plugins.redis.broker import open_broker


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(cluster_launcher, "STOP_WITHIN_S", 1.0)
    monkeypatch.setattr(pod_launcher, "_END_AGAIN_S", 0.1)


def end_by_itself(stage: Stage) -> StateChanged:
    """Return the end that the bot itself wrote; fails where it was cut off."""
    end = list(read_journal(journal_path(stage.folder / "b-1")))[-1]
    assert isinstance(end, StateChanged)
    return end


async def test_a_stop_while_the_broker_is_away_gives_the_bot_its_pods_grace(tmp_path, cluster):
    with open_broker() as broker:
        async with staged(tmp_path, broker, cluster) as stage:
            bot = await stage.launched()
            broker.kill()
            await bot.perform(Stop("enough"))
            await bot.gone()
            end = end_by_itself(stage)
            broker.start()
    assert (end.state, end.reason) == (State.COMPLETED, EndReason.STOP_REQUESTED)
    assert stage.cluster.graces == {"meetcore-b-1": None}


async def test_whoever_gives_a_bot_up_that_was_told_to_stop_lets_it_leave(
    tmp_path, cluster, monkeypatch
):
    """As a supervision does whose patience is at its end before the broker answers."""
    monkeypatch.setattr(cluster_launcher, "STOP_WITHIN_S", 60.0)
    with open_broker() as broker:
        async with staged(tmp_path, broker, cluster) as stage:
            bot = await stage.launched()
            broker.kill()
            with trio.move_on_after(0.5):
                await bot.perform(Stop("enough"))
            bot.abandon()
            await bot.gone()
            end = end_by_itself(stage)
            broker.start()
    assert (end.state, end.reason) == (State.COMPLETED, EndReason.STOP_REQUESTED)
    assert set(stage.cluster.graces.values()) == {None}


async def test_a_bot_that_was_not_told_to_stop_is_ended_at_once(tmp_path, broker, cluster):
    async with staged(tmp_path, broker, cluster) as stage:
        bot = await stage.launched()
        bot.abandon()
        await bot.gone()
        assert stage.cluster.graces["meetcore-b-1"] == 0


async def test_a_stop_is_not_lost_while_the_cluster_does_not_answer_either(
    tmp_path, cluster, monkeypatch
):
    monkeypatch.setattr(pod_launcher, "_TIDY_WITHIN_S", 0.2)
    monkeypatch.setattr("meetcore_kubernetes.cluster._TRIES", 1)
    with open_broker() as broker:
        async with staged(tmp_path, broker, cluster) as stage:
            bot = await stage.launched()
            broker.kill()
            stage.cluster.away = True
            await bot.perform(Stop("enough"))
            await trio.sleep(0.3)
            assert stage.cluster.running() == ["meetcore-b-1"]
            stage.cluster.away = False
            await bot.gone()
            end = end_by_itself(stage)
            broker.start()
    assert (end.state, end.reason) == (State.COMPLETED, EndReason.STOP_REQUESTED)


async def test_a_pod_that_may_not_be_deleted_is_said_once(monkeypatch, caplog, tmp_path, cluster):
    asked = 0

    async def refused(self, name, *, grace_s=None):
        nonlocal asked
        asked += 1
        await trio.lowlevel.checkpoint()
        raise StorageUnavailable("no")

    monkeypatch.setattr(Cluster, "remove", refused)
    with open_broker() as broker:
        async with staged(tmp_path, broker, cluster) as stage:
            assert not await stage.launcher.end("meetcore-b-1")
    assert asked == 1
    assert "cannot be deleted" in caplog.text


async def test_a_bot_that_was_told_to_stop_long_ago_has_no_grace_any_more(
    tmp_path, broker, cluster, monkeypatch
):
    """As one that froze as it left: it would stay in the call for its Pod's whole grace."""
    monkeypatch.setattr(cluster_launcher, "_LEAVES_WITHIN_S", 0.0)
    async with staged(tmp_path, broker, cluster) as stage:
        bot = await stage.launched()
        stage.cluster.freeze("meetcore-b-1")
        with pytest.raises(CommandFailed), monkeypatch.context() as told_nothing:
            told_nothing.setattr(type(bot), "leave_otherwise", ClusterBot.leave_otherwise)
            await bot.perform(Stop("enough"))
        bot.abandon()
        await bot.gone()
        assert stage.cluster.graces["meetcore-b-1"] == 0


async def test_a_stop_that_the_cluster_refuses_is_said_to_have_failed(tmp_path, cluster):
    with open_broker() as broker:
        async with staged(tmp_path, broker, cluster) as stage:
            bot = await stage.launched()
            broker.kill()
            stage.cluster.forbidden.add(("delete", "pods"))
            with pytest.raises(CommandFailed, match="does not answer"):
                await bot.perform(Stop("enough"))
            assert stage.cluster.running() == ["meetcore-b-1"]
            stage.cluster.forbidden.clear()
            await bot.perform(Stop("enough"))
            await bot.gone()
            broker.start()
