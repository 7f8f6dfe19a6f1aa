"""Bots of whose launch nobody could say how it went: they come up late, and are not lost."""

from __future__ import annotations

import pytest
import trio

import meetcore
from meetcore.fleet.launching.in_process import InProcessLauncher, TaskBot
from meetcore.model.errors import BusUnavailable, StorageUnavailable
from meetcore.model.lifecycle import EndReason, State
from meetcore_server import bot_supervision as supervision
from meetcore_server import dead_bots
from meetcore_server.bot_supervision import Supervision

from .running import STAY, http, ordered, plugin_files_of_tests, serving, until
from .test_supervision import Strange, Trouble, row_without_a_server


class Unanswered(InProcessLauncher):
    """Launches a bot, and cannot say so: it comes up later, and is found when it may be."""

    def __init__(self, error: type[Exception], plugins: meetcore.Plugins) -> None:
        super().__init__(plugins)
        self.error = error
        self.asked, self.go_on = trio.Event(), trio.Event()
        self.found = False
        self.bot: TaskBot | None = None

    async def launch(self, spec, nursery):
        self.spec = spec
        self.asked.set()
        await self.go_on.wait()
        raise self.error("Nobody answers.")

    async def come_up(self, nursery) -> None:
        self.bot = await InProcessLauncher.launch(self, self.spec, nursery)

    async def adopt(self, bot_id, nursery):
        await trio.lowlevel.checkpoint()
        if self.found and self.bot is None:
            await self.come_up(nursery)
        running = self.bot is not None and not self.bot._gone.is_set()
        return self.bot if running and self.found else None


@pytest.mark.parametrize("error", [StorageUnavailable, BusUnavailable, trio.TooSlowError])
async def test_a_stop_during_a_launch_that_nobody_can_judge_reaches_the_bot_that_is_found(
    tmp_path, short_limits, error
):
    plugins = meetcore.Plugins(only=["files", "server"], files=plugin_files_of_tests())
    launcher = Unanswered(error, plugins)
    async with serving(tmp_path, launcher=launcher) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await launcher.asked.wait()
        assert (await client.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
        launcher.found = True
        launcher.go_on.set()
        with trio.fail_after(60):
            row = await until(client, bot_id, "completed")
        assert (row["state"], row["reason"]) == ("completed", "stop_requested")
        assert launcher.bot is not None
        await launcher.bot.gone()


@pytest.mark.parametrize("when", ["before", "while it runs"])
async def test_a_bot_that_comes_up_after_it_was_given_up_is_accompanied_and_leaves_when_asked_to(
    tmp_path, monkeypatch, short_limits, when
):
    plugins = meetcore.Plugins(only=["files", "server"], files=plugin_files_of_tests())
    launcher = Unanswered(StorageUnavailable, plugins)
    async with serving(tmp_path, launcher=launcher) as server, http(server) as client:
        its = server.service
        end = Supervision._end

        async def end_when_it_is_up(self):
            if launcher.bot is None:
                await launcher.come_up(its.supervisor.fleet._nursery)
                while not await its.store.runner(self.live.row.bot_id):  # noqa: ASYNC110
                    await trio.sleep(0.01)
            await end(self)

        monkeypatch.setattr(Supervision, "_end", end_when_it_is_up)
        monkeypatch.setattr(supervision, "_LATE_EVERY_S", 0.0)
        bot_id = (await ordered(client, STAY))["id"]
        await launcher.asked.wait()
        if when == "before":
            assert (await client.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
        else:
            monkeypatch.setattr(supervision, "LATEST_S", 0.0)
        launcher.go_on.set()
        with trio.fail_after(60):
            seen = its.supervisor._supervisions[bot_id]
            while seen._ending is None:  # noqa: ASYNC110
                await trio.sleep(0.01)
            launcher.found = True
            if when == "while it runs":
                await until(client, bot_id, "recording")
                while seen.live.running is not launcher.bot:  # noqa: ASYNC110  looked for soon
                    await trio.sleep(0.01)
                assert (await client.post(f"/v1/bots/{bot_id}/stop")).status_code == 202
            row = await until(client, bot_id, "completed")
        assert (row["state"], row["reason"]) == ("completed", "stop_requested")
        kept = await its.store.log(bot_id).history()
        assert kept.reason is EndReason.STOP_REQUESTED


async def test_the_row_of_a_bot_that_nobody_can_judge_and_whose_end_cannot_be_written_ends(
    tmp_path, monkeypatch, short_limits
):
    async def nothing(*args, **options):
        await trio.lowlevel.checkpoint()
        return []

    monkeypatch.setattr(dead_bots, "recover_bot", nothing)
    plugins = meetcore.Plugins(only=["files", "server"], files=plugin_files_of_tests())
    launcher = Strange(plugins)
    async with serving(tmp_path, launcher=launcher) as server, http(server) as client:
        trouble = Trouble("adopt")
        row = await row_without_a_server(server, trouble, "lost", state=State.JOINING)
        launcher.strange = True
        await server.service.supervisor.resume([row])
        with trio.fail_after(60):
            while (live := server.service.live.get(row.bot_id)) is not None:
                await live.ended.wait()
        assert (await server.service.stores.bots.get(row.bot_id)).reason is EndReason.CRASHED
        assert (await client.get("/ready")).status_code == 200
