"""Launches each bot in a process of its own, and adopts those that an earlier process launched.

The process is the leader of a session of its own: Ctrl-C in a terminal does not reach it, and with
its group everything it started (drivers, browsers) can be ended. It goes on when its launcher dies,
SIGKILL included; the next one finds it by its socket. That a bot lives is not believed from a
process number but from the lock on its journal, which the kernel lets go with the process.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO, ClassVar

import trio

from meetcore.audio.chunk import Chunk
from meetcore.fleet.launching.error_frames import error_from_wire
from meetcore.fleet.launching.heartbeat import Pulse
from meetcore.fleet.launching.protocol import (
    BadFrame,
    Frame,
    FrameKind,
    FrameReader,
    chunk_in,
    json_frame,
)
from meetcore.fleet.launching.sockets import remove_socket, socket_path
from meetcore.fleet.launching.worker import spec_to_json
from meetcore.log.folders import journal_path, make_private_folder, private_file
from meetcore.log.scratch import remove_stale
from meetcore.model.commands import Command, Stop
from meetcore.model.config import load_config
from meetcore.model.errors import CommandFailed, CommandRefused, MeetcoreError, StorageUnavailable
from meetcore.model.events import Draft, Event
from meetcore.model.wire import command_to_wire, draft_from_wire, event_from_wire
from meetcore.plugin.contracts import BotSpec, Launcher, RunningBot

__all__ = ["PROCESS_LOG", "ChildProcessLauncher", "is_running"]

PROCESS_LOG = "process.log"
_LOG = logging.getLogger("meetcore")
START_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 35.0
LEAVE_TIMEOUT_S = 45.0
UNRESPONSIVE_LIMIT_S = 60.0
_RETRY_S = 0.02
_WAITING_CHUNKS = 8
_READ_BYTES = 64 * 1024
_WENT_AWAY = (OSError, trio.TooSlowError, trio.BrokenResourceError)
"""What a process that goes away does to a connection, which may be one that it never took."""


def is_running(folder: Path) -> bool:
    """Whether a process holds the journal of the bot in a folder."""
    try:
        fd = os.open(journal_path(folder), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class ChildBot(RunningBot):
    """A bot in another process. Every use has a connection of its own.

    Attributes:
        unresponsive_since: Trio's time since when its process answers nothing; None while it
            does.
    """

    def __init__(self, bot_id: str, folder: Path, process: trio.Process | None) -> None:
        self.bot_id = bot_id
        self.folder = folder
        self._path = socket_path(folder)
        self.unresponsive_since: float | None = None
        self._process = process
        self._numbers = count(1)

    async def connect(self) -> trio.SocketStream:
        """Return a connection to the bot's process.

        Raises:
            OSError: It does not listen.
            trio.TooSlowError: It does not answer.
        """
        with trio.fail_after(CONNECT_TIMEOUT_S):
            return await trio.open_unix_socket(str(self._path))

    async def items(self, after: int = 0) -> AsyncGenerator[Event | Draft, None]:
        """Yield what happens after a `seq`; ends with the terminal event or with the process."""
        try:
            stream = await self._greeted({"after": after, "audio": False})
        except _WENT_AWAY:
            return
        async with stream:
            reader = FrameReader()
            while frames := await _read(stream, reader):
                for each in frames:
                    if each.kind is FrameKind.EVENT:
                        yield event_from_wire(each.json())
                    elif each.kind is FrameKind.DRAFT:
                        yield draft_from_wire(each.json())

    async def _greeted(self, hello: dict[str, object]) -> trio.SocketStream:
        stream = await self.connect()
        try:
            await stream.send_all(json_frame(FrameKind.HELLO, hello))
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream

    async def perform(self, command: Command) -> None:
        """Have the process carry out a command; at most 35 s.

        Raises:
            CommandRefused: The bot has ended, or as `Bot.perform`.
            CommandFailed: As `Bot.perform`, or the process does not answer.
        """
        try:
            with trio.fail_after(COMMAND_TIMEOUT_S):
                error = await self._ask(command)
        except (*_WENT_AWAY, BadFrame) as trouble:
            if not is_running(self.folder):
                raise CommandRefused("The bot has ended.") from trouble
            raise CommandFailed("The process of the bot does not answer.") from trouble
        if error is not None:
            raise error

    async def _ask(self, command: Command) -> MeetcoreError | None:
        number = next(self._numbers)
        async with await self.connect() as stream:
            message = {"id": number, "command": command_to_wire(command)}
            await stream.send_all(json_frame(FrameKind.COMMAND, message))
            for each in await _read(stream, FrameReader()):
                if each.kind is FrameKind.RESULT and each.json()["id"] == number:
                    return error_from_wire(each.json()["error"])
        raise trio.BrokenResourceError("the process went away")

    def abandon(self) -> None:
        """Kill the process and whatever it started; recovery finishes what it left."""
        if self._process is not None:
            _kill_group(self._process.pid)
        else:
            self._kill_adopted()

    def _kill_adopted(self) -> None:
        with suppress(OSError, ValueError, KeyError):
            pid = int(json.loads((self.folder / _PID_FILE).read_text())["pid"])
            if is_running(self.folder):
                _kill_group(pid)

    @asynccontextmanager
    async def hear(self) -> AsyncIterator[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with the audio of all tracks."""
        send, receive = trio.open_memory_channel[Chunk](_WAITING_CHUNKS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, send)
            with receive:
                yield receive
            nursery.cancel_scope.cancel()

    async def _hear(self, channel: trio.MemorySendChannel[Chunk]) -> None:
        with channel, suppress(*_WENT_AWAY):
            async with await self._greeted({"after": 0, "audio": True}) as stream:
                reader = FrameReader()
                while frames := await _read(stream, reader):
                    for each in frames:
                        # Waits: what does not fit is dropped, and said, where the journal is.
                        await channel.send(chunk_in(each.content))

    async def gone(self) -> None:
        """Return when the process is gone, and with it everything it started."""
        if self._process is not None:
            await self._process.wait()
            _kill_group(self._process.pid)
            await self._tidy()
            return
        while is_running(self.folder):
            with suppress(*_WENT_AWAY):
                async with await self.connect() as stream:
                    await stream.receive_some(1)
            await trio.sleep(_RETRY_S)
        await self._tidy()

    async def _tidy(self) -> None:
        """Remove what a killed process could not."""
        remove_socket(self.folder)
        await trio.to_thread.run_sync(remove_stale)

    @property
    def pid(self) -> int | None:
        """Number of the process, None where it is not our child."""
        return self._process.pid if self._process else None


_PID_FILE = "process.json"
_LEFT_RUNNING: list[ChildBot] = []
"""Held so that nobody takes a process that goes on for one that was forgotten."""


async def _read(stream: trio.SocketStream, reader: FrameReader) -> list[Frame]:
    """Return the next frames, none at the end. No deadline of its own."""
    try:
        while data := await stream.receive_some(_READ_BYTES):
            if frames := reader.feed(bytes(data)):
                return frames
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return []
    return []


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


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
        folder = Path(spec.settings.get("out_dir", "meetings")) / spec.bot_id
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
                longest_s = _max_duration_s(spec)
                about = {"pid": process.pid, "max_duration_s": longest_s}
                private_file(folder / _PID_FILE).write_text(json.dumps(about))
                assert process.stdin is not None
                async with process.stdin:
                    await process.stdin.send_all(spec_to_json(spec).encode() + b"\n")
                await _until_listening(bot, process)
        except (trio.TooSlowError, trio.BrokenResourceError, CommandFailed) as error:
            _kill_group(process.pid)
            await process.wait()
            words = _last_words(folder / PROCESS_LOG)
            raise CommandFailed(f"The process of the bot did not come up. {words}") from error
        except OSError as error:
            _kill_group(process.pid)
            await process.wait()
            raise StorageUnavailable(
                f"The process of the bot in {folder} did not come up: {error.strerror or error}."
            ) from error
        except BaseException:
            _kill_group(process.pid)
            raise
        nursery.start_soon(self._look_after, bot, longest_s)
        return bot

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

    async def adopt(self, bot_id: str, folder: Path, nursery: trio.Nursery) -> ChildBot | None:
        """Return the bot of a process that runs still, None if there is none.

        One that has its journal and does not listen yet is waited for, 5 s at most.
        """
        bot = ChildBot(bot_id, folder, None)
        with trio.move_on_after(CONNECT_TIMEOUT_S):
            while is_running(folder):
                with suppress(OSError, trio.TooSlowError):
                    async with await bot.connect():
                        nursery.start_soon(self._look_after, bot, _noted_max_duration_s(folder))
                        return bot
                await trio.sleep(_RETRY_S)
        return None

    async def _look_after(self, bot: ChildBot, max_duration_s: float | None) -> None:
        """Wait for the process, and ask whether it answers."""
        pulse = Pulse(bot, limit_s=self.unresponsive_limit_s, max_duration_s=max_duration_s)
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
            if self.stop_with_launcher:
                with trio.CancelScope(shield=True), trio.move_on_after(LEAVE_TIMEOUT_S) as limit:
                    await _have_it_leave(bot)
                if limit.cancelled_caught:
                    bot.abandon()
            else:
                _LEFT_RUNNING.append(bot)
            raise


def _max_duration_s(spec: BotSpec) -> float | None:
    """Return the longest that a bot may be in the call, by its leave rules."""
    return load_config(overrides=spec.settings, environ={}).automatic_leave.max_duration_s


def _noted_max_duration_s(folder: Path) -> float | None:
    """Return the same of a bot that an earlier process launched."""
    try:
        noted = json.loads((folder / _PID_FILE).read_text()).get("max_duration_s")
    except (OSError, ValueError, AttributeError):
        return None
    return float(noted) if isinstance(noted, (int, float)) else None


async def _have_it_leave(bot: ChildBot) -> None:
    """Tell a bot to leave, and return when it is gone. No deadline of its own."""
    try:
        with suppress(CommandRefused, CommandFailed):
            await bot.perform(Stop("the launcher is going"))
        await bot.gone()
    except Exception:  # noqa: BLE001  one bot's trouble is its own
        _LOG.exception("bot=%s does not leave, is ended", bot.bot_id)
        bot.abandon()


async def _until_listening(bot: ChildBot, process: trio.Process) -> None:
    while True:
        try:
            async with await bot.connect():
                return
        except OSError:
            if process.poll() is not None:
                raise CommandFailed("It ended at once.") from None
            await trio.sleep(_RETRY_S)


def _log_in(folder: Path) -> BinaryIO:
    """Make a bot's folder where it is missing, and open the log of its process."""
    make_private_folder(folder)
    return private_file(folder / PROCESS_LOG).open("ab")


def _last_words(path: Path) -> str:
    lines = path.read_text("utf-8", "replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("Error: ")]
    return (errors or lines or [""])[-1][:500]
