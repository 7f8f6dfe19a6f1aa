"""What becomes of bots whose actor, node, server, or way to the cluster is lost: for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
import trio
import trio.lowlevel

from meetcore import BusUnavailable, FleetFull, Plugins, RunningBot, SendChat, Stop
from meetcore.fleet.recovery import recover
from meetcore.log.folders import journal_path
from meetcore.log.journal import read_journal
from meetcore.log.who_runs import is_running
from meetcore.model.events import ChatReceived, StateChanged
from meetcore.model.lifecycle import EndReason, State
from meetcore_ray import cluster as way
from meetcore_ray.cluster import ClusterSilent
from meetcore_ray.ray_launcher import RayLauncher, actor_name
from tests.plugins.ray.conftest import ROOT, RayCluster
from tests.plugins.ray.placing import Placing
from tests.plugins.redis.broker import Broker

WITHIN_S = 60.0


@pytest.fixture
def placing(cluster: RayCluster, broker: Broker, tmp_path: Path) -> Placing:
    return Placing(cluster, broker, tmp_path)


async def until(bot: RunningBot, state: State) -> None:
    async with aclosing(bot.items()) as items:
        async for item in items:
            if isinstance(item, StateChanged) and item.state is state:
                return
    raise AssertionError(f"it never came to {state}")


def process_of(folder: Path) -> psutil.Process:
    """Return the process of a bot: it holds its journal open."""
    place = str(folder / "b-1")
    for process in psutil.process_iter(["cmdline"]):
        if "meetcore_ray.bot_process" in (process.info["cmdline"] or ()):
            with suppress(psutil.Error):
                if any(each.path.startswith(place) for each in process.open_files()):
                    return process
    raise AssertionError("nobody runs it")


async def end_of(folder: Path) -> StateChanged:
    """Return the end that recovery writes for a bot."""
    await recover(folder / "b-1", plugins=Plugins(entry_points=False))
    end = list(read_journal(journal_path(folder / "b-1")))[-1]
    assert isinstance(end, StateChanged)
    return end


@asynccontextmanager
async def launched(placing: Placing, launcher: RayLauncher) -> AsyncIterator[RunningBot]:
    with trio.fail_after(WITHIN_S):
        async with trio.open_nursery() as nursery:
            bot = await launcher.launch(placing.spec(), nursery)
            await until(bot, State.IN_CALL)
            yield bot


async def test_a_stop_while_the_broker_is_away_has_the_bot_leave_in_order(
    placing: Placing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its actor tells it, by a signal."""
    monkeypatch.setattr("meetcore.fleet.launching.cluster_launcher.STOP_WITHIN_S", 1.0)
    launcher = await placing.open_launcher()

    async def away(bot_id: str, content: bytes, *, within_s: float) -> bytes:
        await trio.lowlevel.checkpoint()
        raise BusUnavailable("it does not answer")

    async with launched(placing, launcher) as bot:
        monkeypatch.setattr(launcher.bus, "ask", away)
        await bot.perform(Stop("enough"))
        await bot.gone()
    end = list(read_journal(journal_path(tmp_path / "b-1")))[-1]
    assert isinstance(end, StateChanged)
    assert (end.state, end.reason) == (State.COMPLETED, EndReason.STOP_REQUESTED)


async def test_the_bot_of_a_server_that_is_killed_is_found_by_the_next_one(
    placing: Placing, tmp_path: Path
):
    spec = placing.spec(name="of-the-order")
    told = {
        "url": placing.url,
        "prefix": placing.namespace,
        "options": placing.options(),
        "folder": str(tmp_path),
        "bot_id": spec.bot_id,
        "link": spec.url,
        "settings": dict(spec.settings),
        "plugin_files": list(spec.plugin_files),
    }
    with trio.fail_after(WITHIN_S):
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "tests.plugins.ray.launch_and_stay"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        async with process.stdin, process.stdout:
            await process.stdin.send_all(json.dumps(told).encode() + b"\n")
            assert (await process.stdout.receive_some(100)).startswith(b"launched b-1")
            drivers = psutil.Process(process.pid).children()
            process.kill()
            await process.wait()
        assert len(drivers) == 1
        await trio.to_thread.run_sync(drivers[0].wait, 20)  # it goes with its server
        actor = process_of(tmp_path).parent()
        assert actor is not None
        for each in (process_of(tmp_path), actor, drivers[0]):
            if each.is_running():
                assert "of-the-order" not in " ".join(each.cmdline())
        async with trio.open_nursery() as nursery:
            launcher = await placing.open_launcher()
            assert await launcher.list() == ["b-1"]
            again = await launcher.adopt("b-1", nursery)
            assert again is not None
            await until(again, State.IN_CALL)
            await again.perform(SendChat("still here"))
            other = await placing.open_launcher()
            twice = await other.launch(spec, nursery)  # launched twice it is launched once
            twice.release()
            assert await other.list() == ["b-1"]
            pid = process_of(tmp_path).pid
            assert pid == process_of(tmp_path).pid
            await again.perform(Stop("enough"))
            await again.gone()
        assert await launcher.list() == []
    events = list(read_journal(journal_path(tmp_path / "b-1")))
    assert "still here" in [each.text for each in events if isinstance(each, ChatReceived)]
    end = events[-1]
    assert isinstance(end, StateChanged)
    assert (end.state, end.reason) == (State.COMPLETED, EndReason.STOP_REQUESTED)


async def test_a_cancelled_launch_leaves_its_actor_to_whoever_launches_it_again(
    placing: Placing, tmp_path: Path
):
    launcher = await placing.open_launcher()
    with trio.fail_after(WITHIN_S):
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as launching:
                launching.start_soon(launcher.launch, placing.spec(), nursery)
                while not (tmp_path / "b-1").exists():  # noqa: ASYNC110
                    await trio.sleep(0.01)
                launching.cancel_scope.cancel()
            heir = await placing.open_launcher()
            assert await heir.list() == ["b-1"]
            bot = await heir.launch(placing.spec(), nursery)
            await bot.perform(Stop("once"))
            await bot.gone()


async def test_an_actor_is_adopted_where_the_bus_cannot_say(
    placing: Placing, monkeypatch: pytest.MonkeyPatch
):
    async def silent(self: object, bot_id: str) -> bool:
        await trio.lowlevel.checkpoint()
        raise BusUnavailable("The broker cannot be reached.")

    launcher = await placing.open_launcher()
    async with launched(placing, launcher) as bot:
        heir = await placing.open_launcher()
        assert heir.bus is not None
        async with trio.open_nursery() as nursery:
            monkeypatch.setattr(type(heir.bus), "alive", silent)
            found = await heir.adopt("b-1", nursery)
            assert await heir.adopt("b-2", nursery) is None
            monkeypatch.undo()
            assert found is not None
            found.release()
            nursery.cancel_scope.cancel()
        await bot.perform(Stop())
        await bot.gone()


async def test_an_actor_that_is_killed_takes_its_bot_along_and_that_is_told(
    placing: Placing, tmp_path: Path
):
    launcher = await placing.open_launcher()
    async with launched(placing, launcher) as bot:
        process = process_of(tmp_path)
        actor = process.parent()
        assert actor is not None
        async with launcher.cluster() as driver:
            driver._process.kill()  # as Ray itself does where its control plane is silent
        await bot.perform(SendChat("nobody noticed"))
        with trio.fail_after(20):
            while (  # noqa: ASYNC110
                (new := launcher._driver) in (None, driver) or not new.state(bot.name).up
            ):
                await trio.sleep(0.05)
        os.kill(actor.pid, signal.SIGKILL)
        await bot.gone()
        assert not is_running(tmp_path / "b-1")
        await trio.to_thread.run_sync(lambda: psutil.wait_procs([process], timeout=10))
        assert not process.is_running()
    end = await end_of(tmp_path)
    assert end.reason is EndReason.CRASHED
    assert end.evidence is not None
    assert end.evidence.signal == "ray.actor"
    assert "died unexpectedly" in end.evidence.detail
    assert "class_name" not in end.evidence.detail


async def test_a_node_that_is_lost_takes_its_bots_along_and_that_is_told(
    placing: Placing, tmp_path: Path, cluster: RayCluster
):
    raylet = cluster.add_node("doomed", 1)
    launcher = await placing.open_launcher(resources={"doomed": 1})
    async with launched(placing, launcher) as bot:
        process = process_of(tmp_path)
        os.kill(raylet, signal.SIGKILL)
        await bot.gone()
        await trio.to_thread.run_sync(lambda: psutil.wait_procs([process], timeout=10))
        assert not process.is_running()  # the node's processes do not outlive its raylet
    end = await end_of(tmp_path)
    assert end.reason is EndReason.CRASHED
    assert end.evidence is not None
    assert end.evidence.signal in ("ray.node", "ray.actor")
    assert end.evidence.detail


async def test_where_no_node_has_room_the_fleet_is_full_in_the_clusters_own_figures(
    placing: Placing, tmp_path: Path
):
    launcher = await placing.open_launcher(resources={"nowhere": 1}, unschedulable_s=0.5)
    with trio.fail_after(WITHIN_S):
        async with trio.open_nursery() as nursery:
            with pytest.raises(FleetFull, match=r"nowhere 1 \(0 free of 0\)") as full:
                await launcher.launch(placing.spec(), nursery)
            assert "CPU 0.5 (" in full.value.message
            assert "memory 50 MB (" in full.value.message
            assert await launcher.list() == []
    assert not is_running(tmp_path / "b-1")


async def test_a_cluster_that_does_not_answer_is_said_within_a_deadline(
    placing: Placing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(way, "READY_WITHIN_S", 1.0)
    launcher = await placing.open_launcher(address="127.0.0.1:1")
    with trio.fail_after(WITHIN_S), pytest.raises(ClusterSilent, match="no answer within 1 s"):
        await launcher.list()


async def test_a_bot_that_outlives_its_rules_is_ended_and_a_way_that_hangs_is_left(
    placing: Placing, monkeypatch: pytest.MonkeyPatch
):
    launcher, name = await placing.open_launcher(), actor_name("b-1")
    order, _ = launcher._order(placing.spec())
    needs = launcher.options.needs(None)
    with trio.fail_after(WITHIN_S):
        async with launcher.cluster() as driver:
            driver.expect(name)
            await driver.ask("make", name=name, needs=needs, order=order, longest_s=3.0)
            over = await driver.until_over(name)
            assert (over["code"], over["late_s"]) == (-signal.SIGKILL, 3.0)
            monkeypatch.setattr(way, "ANSWER_WITHIN_S", 1.0)
            os.kill(driver._process.pid, signal.SIGSTOP)
            with pytest.raises(ClusterSilent, match="did not answer within 1 s"):
                await driver.ask("list")
            with pytest.raises(ClusterSilent, match="has ended the process"):
                await driver.ask("list")
            monkeypatch.undo()
            async with launcher.cluster() as another:
                assert another is not driver
                await another.ask("kill", name=name, up=True)
                assert await another.ask("list") is not None
