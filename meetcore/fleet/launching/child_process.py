"""Launches each bot in a process of its own, and adopts those that an earlier process launched.

The process is the leader of a session of its own: Ctrl-C in a terminal does not reach it, and with
its group everything it started (drivers, browsers) can be ended. It goes on when its launcher dies,
SIGKILL included; the next one finds it by its socket. That a bot lives is not believed from a
process number but from the lock on its journal, which the kernel lets go with the process.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import BinaryIO, ClassVar

import trio

from meetcore.fleet.launching.child_bot import (
    CONNECT_TIMEOUT_S,
    RETRY_S,
    ChildBot,
    kill_group,
)
from meetcore.fleet.launching.heartbeat import Pulse
from meetcore.fleet.launching.worker import spec_to_json
from meetcore.log.folders import make_private_folder, private_file
from meetcore.log.stores import store_of
from meetcore.log.who_runs import is_running, note_runner, runner_of
from meetcore.model.config import BotConfig, load_config
from meetcore.model.errors import CommandFailed, StorageUnavailable
from meetcore.plugin.launcher import BotSpec, Launcher, have_it_leave
from meetcore.plugin.registry import Plugins
from meetcore.plugin.store import BotStore, Runner

__all__ = ["PROCESS_LOG", "ChildProcessLauncher"]

PROCESS_LOG = "process.log"
_LOG = logging.getLogger("meetcore")
START_TIMEOUT_S = 60.0
LEAVE_TIMEOUT_S = 45.0
UNRESPONSIVE_LIMIT_S = 60.0
_LEFT_RUNNING: list[ChildBot] = []
"""Held so that nobody takes a process that goes on for one that was forgotten."""


class ChildProcessLauncher(Launcher):
    """A process for each bot.

    Args:
        stop_with_launcher: Whether bots leave when the launcher's nursery is cancelled; otherwise
            they go on and can be adopted.
        unresponsive_limit_s: A process that answers nothing for so long is ended; None for never.
        python: The interpreter, with its options.
    """

    name: ClassVar[str] = "child_process"

    def __init__(
        self,
        *,
        stop_with_launcher: bool = True,
        unresponsive_limit_s: float | None = UNRESPONSIVE_LIMIT_S,
        python: Sequence[str] = (sys.executable,),
    ) -> None:
        self.stop_with_launcher = stop_with_launcher
        self.unresponsive_limit_s = unresponsive_limit_s
        self._python = tuple(python)

    async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> ChildBot:
        """Start a process; return when it takes commands, which takes about a second.

        Raises:
            CommandFailed: It did not come up; the message holds its last words.
        """
        config = load_config(overrides=spec.settings, environ={})
        folder = self._store_of(spec, config).workplace(spec.bot_id)
        try:
            process = await self._started(folder)
        except OSError as error:
            raise StorageUnavailable(
                f"No process can be started for the bot in {folder}: {error.strerror or error}.",
                "Make room on the disk, or let the server have more files open.",
            ) from error
        bot = ChildBot(spec.bot_id, folder, process)
        try:
            with trio.fail_after(START_TIMEOUT_S):
                rules = config.automatic_leave
                runner = Runner(
                    pid=process.pid,
                    max_duration_s=rules.max_duration_s,
                    waiting_room_s=rules.waiting_room_s,
                )
                note_runner(folder, runner)
                assert process.stdin is not None
                async with process.stdin:
                    await process.stdin.send_all(spec_to_json(spec).encode() + b"\n")
                await _until_listening(bot, process)
        except (trio.TooSlowError, trio.BrokenResourceError, CommandFailed) as error:
            kill_group(process.pid)
            await process.wait()
            words = _last_words(folder / PROCESS_LOG)
            raise CommandFailed(f"The process of the bot did not come up. {words}") from error
        except OSError as error:
            kill_group(process.pid)
            await process.wait()
            raise StorageUnavailable(
                f"The process of the bot in {folder} did not come up: {error.strerror or error}."
            ) from error
        except BaseException:
            kill_group(process.pid)
            with trio.move_on_after(CONNECT_TIMEOUT_S, shield=True):
                await process.wait()
            raise
        nursery.start_soon(self._look_after, bot, runner)
        return bot

    def _store_of(self, spec: BotSpec, config: BotConfig) -> BotStore:
        """Return where bots are found; without a fleet the spec says it."""
        store: BotStore | None = getattr(self, "store", None)
        return store or store_of(config, Plugins(files=spec.plugin_files))

    async def _started(self, folder: Path) -> trio.Process:
        """Start a process that writes its log into a bot's folder."""
        with _log_in(folder) as log:
            return await trio.lowlevel.open_process(
                [*self._python, "-m", "meetcore.fleet.launching.worker"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def list(self) -> list[str]:
        """Return the bots that run on this machine."""
        here: list[str] = []
        async with aclosing(self.store.records()) as records:
            async for record in records:
                place = self.store.workplace(record.bot_id)
                if await trio.to_thread.run_sync(is_running, place):
                    here.append(record.bot_id)
        return here

    async def adopt(self, bot_id: str, nursery: trio.Nursery) -> ChildBot | None:
        """Return the bot of a process that runs still, None if there is none on this machine.

        One that has its journal and does not listen yet is waited for, 5 s at most.
        """
        folder = self.store.workplace(bot_id)
        with trio.move_on_after(CONNECT_TIMEOUT_S):
            while (runner := runner_of(folder)) is not None:
                if (bot := await self.reach(bot_id)) is not None:
                    nursery.start_soon(self._look_after, bot, runner)
                    return bot
                await trio.sleep(RETRY_S)
        return None

    async def reach(self, bot_id: str) -> ChildBot | None:
        """Return the bot of a process of this machine that somebody else looks after, or None."""
        folder = self.store.workplace(bot_id)
        bot = ChildBot(bot_id, folder, None)
        if is_running(folder):
            with suppress(OSError, trio.TooSlowError):
                async with await bot.connect():
                    return bot
        await trio.lowlevel.checkpoint()
        return None

    async def _look_after(self, bot: ChildBot, runner: Runner) -> None:
        """Wait for the process, and ask whether it answers."""
        pulse = Pulse(bot, runner, limit_s=self.unresponsive_limit_s)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pulse.watch)
            await self._wait_for(bot)
            nursery.cancel_scope.cancel()

    async def _wait_for(self, bot: ChildBot) -> None:
        """Wait for the process; when we are to end, have the bot leave, within a deadline."""
        try:
            await bot.gone()
        except Exception:  # noqa: BLE001  one bot's trouble is its own
            _LOG.exception("bot=%s cannot be waited for", bot.bot_id)
        except trio.Cancelled:
            if self.stop_with_launcher and not bot.released:
                with trio.CancelScope(shield=True), trio.move_on_after(LEAVE_TIMEOUT_S) as limit:
                    await have_it_leave(bot)
                if limit.cancelled_caught:
                    bot.abandon()
            else:
                _LEFT_RUNNING.append(bot)
            raise


async def _until_listening(bot: ChildBot, process: trio.Process) -> None:
    while True:
        try:
            async with await bot.connect():
                return
        except OSError:
            if process.poll() is not None:
                raise CommandFailed("It ended at once.") from None
            await trio.sleep(RETRY_S)


def _log_in(folder: Path) -> BinaryIO:
    """Make a bot's folder where it is missing, and open the log of its process."""
    make_private_folder(folder)
    return private_file(folder / PROCESS_LOG).open("ab")


def _last_words(path: Path) -> str:
    lines = path.read_text("utf-8", "replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("Error: ")]
    return (errors or lines or [""])[-1][:500]
