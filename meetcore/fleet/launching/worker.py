"""The process of one bot: `python -m meetcore.fleet.launching.worker [FILE]`, FILE with its order.

Without a file the order is a line on standard input.

It serves its launcher, or the next one after that, over a local socket: each connection is either
told what happens, or hears, or looks at the bot's page, or gives a command. Nobody has to be
connected for the bot to attend.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

import cattrs
import trio
from attrs import evolve

from meetcore.bot.bot import Bot
from meetcore.bot.bot_runner import BotRunner, bot_runner_of
from meetcore.bot.factory import prepare_bot
from meetcore.fleet.launching.bus_reception import shown_on
from meetcore.fleet.launching.error_frames import error_to_wire
from meetcore.fleet.launching.live_audio import LiveAudio
from meetcore.fleet.launching.protocol import (
    BadFrame,
    Frame,
    FrameKind,
    FrameReader,
    audio_frame,
    frame,
    json_frame,
)
from meetcore.fleet.launching.sockets import socket_path
from meetcore.fleet.launching.worker_looks import WorkerLooks
from meetcore.log.stores import store_of
from meetcore.model.config import BotConfig, load_config, written
from meetcore.model.drafts import Draft
from meetcore.model.errors import MeetcoreError
from meetcore.model.events import BotUnresponsive, Event
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.model.plain import parse_time, to_json
from meetcore.model.wire import command_from_wire
from meetcore.plugin.launcher import BotSpec
from meetcore.plugin.registry import Plugins
from meetcore.plugin.store import BotStore

__all__ = ["spec_from_json", "spec_to_json"]

SEND_TIMEOUT_S = 30.0
LISTENER_TIMEOUT_S = 600.0
LINGER_S = 5.0
_READ_BYTES = 64 * 1024


def spec_to_json(spec: BotSpec) -> str:
    """Return an order as a line of JSON."""
    when = spec.scheduled_for.isoformat() if spec.scheduled_for else None
    plain = {
        "bot_id": spec.bot_id,
        "url": spec.url,
        "settings": cattrs.unstructure(spec.settings),
        "platform": spec.platform,
        "scheduled_for": when,
        "plugin_files": list(spec.plugin_files),
    }
    if spec.leaves_nothing:  # said only then: workers of another version may not know it
        plain["leaves_nothing"] = True
    return to_json(plain)


def spec_from_json(text: str) -> BotSpec:
    """Return the order in a line of JSON."""
    plain = json.loads(text)
    when = plain["scheduled_for"]
    plain["scheduled_for"] = parse_time(when) if when else None
    plain["plugin_files"] = tuple(plain["plugin_files"])
    return BotSpec(**plain)


class _Conversation:
    """One connection of a launcher."""

    def __init__(self, bot: Bot, ears: LiveAudio, stream: trio.SocketStream) -> None:
        self._bot = bot
        self._ears = ears
        self._stream = stream
        self._in_turn = trio.Lock()
        self._looks = WorkerLooks(bot, self._send)

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        reader = FrameReader()
        async with self._stream, trio.open_nursery() as nursery:
            try:
                while data := await self._stream.receive_some(_READ_BYTES):
                    for each in reader.feed(bytes(data)):
                        self._take(each, nursery)
            except (BadFrame, trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # a launcher that went away, or none of ours: either way it is done with
            nursery.cancel_scope.cancel()

    def _take(self, each: Frame, nursery: trio.Nursery) -> None:
        if each.kind is FrameKind.HELLO:
            hello = each.json()
            nursery.start_soon(self._let_hear if hello["audio"] else self._tell, hello["after"])
        elif each.kind is FrameKind.COMMAND:
            nursery.start_soon(self._carry_out, each.json())
        elif each.kind is FrameKind.GIVE_PICTURE:
            nursery.start_soon(self._looks.give_picture, each.json())
        elif each.kind is FrameKind.LOOK_IN:
            nursery.start_soon(self._looks.look_in, each.json())
        elif each.kind is FrameKind.NEXT_PICTURE:
            self._looks.next_picture()
        elif each.kind is FrameKind.HANDS:
            self._looks.hands(each.json())
        elif each.kind is FrameKind.PING:
            nursery.start_soon(self._send, frame(FrameKind.PONG))
        elif each.kind is FrameKind.WAS_SILENT:
            if not self._bot.ended:
                bot_runner_of(self._bot).record(
                    BotUnresponsive(silent_s=float(each.json()["silent_s"]))
                )
        elif each.kind is FrameKind.QUIT:
            self._bot.abandon()

    async def _send(self, data: bytes, *, within_s: float = SEND_TIMEOUT_S) -> None:
        try:
            with trio.fail_after(within_s):
                async with self._in_turn:
                    await self._stream.send_all(data)
        except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.aclose_forcefully(self._stream)

    async def _tell(self, after: int) -> None:
        items: AsyncIterator[Event | Draft] = self._bot.events(after=after, drafts=True)
        async for item in items:
            kind = FrameKind.EVENT if isinstance(item, Event) else FrameKind.DRAFT
            await self._send(frame(kind, item.to_json().encode()))
        await self._end()

    async def _let_hear(self, _after: int) -> None:
        with self._ears.listening() as chunks:
            async for chunk in chunks:
                # While the launcher takes nothing, the oldest of what waits in `LiveAudio` goes.
                await self._send(audio_frame(chunk), within_s=LISTENER_TIMEOUT_S)
        await self._end()

    async def _end(self) -> None:
        try:
            await self._stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def _carry_out(self, message: object) -> None:
        assert isinstance(message, dict)
        error: MeetcoreError | None = None
        try:
            command = command_from_wire(message["command"])
            await self._bot.perform(evolve(command, by=message["by"]))
        except MeetcoreError as refused:
            error = refused
        result = {"id": message["id"], "error": error_to_wire(error)}
        await self._send(json_frame(FrameKind.RESULT, result))


class _Reception:
    """Serves the launchers that connect."""

    def __init__(self, bot: Bot, ears: LiveAudio) -> None:
        self._bot = bot
        self._ears = ears
        self._here = 0
        self._changed = trio.lowlevel.ParkingLot()

    async def open(self, path: Path, nursery: trio.Nursery) -> None:
        """Listen from now on."""
        with suppress(FileNotFoundError):
            os.unlink(path)
        listener = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
        await listener.bind(str(path))
        listener.listen(64)
        nursery.start_soon(
            partial(trio.serve_listeners, self._converse, [trio.SocketListener(listener)])
        )

    async def _converse(self, stream: trio.SocketStream) -> None:
        self._here += 1
        try:
            await _Conversation(self._bot, self._ears, stream).run()
        finally:
            self._here -= 1
            self._changed.unpark_all()

    async def alone(self) -> None:
        """Return when nobody is connected; the caller's deadline."""
        while self._here:
            await self._changed.park()


async def _heed_signals(runner: BotRunner) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            runner.conclude(EndReason.STOP_REQUESTED, Evidence("signal", "SIGTERM"))


async def run(spec: BotSpec) -> None:
    """Run a bot to its end, and serve whoever connects."""
    config = load_config(overrides=written(spec.settings), environ={})
    plugins = Plugins(files=spec.plugin_files)
    store = store_of(config, plugins)
    with store.scratch():
        await _run(spec, config, plugins, store)
        if spec.leaves_nothing and spec.bot_id not in await store.uncarried():
            await store.clear_here(spec.bot_id)


async def _run(spec: BotSpec, config: BotConfig, plugins: Plugins, store: BotStore) -> None:
    await store.prepare(spec.bot_id)
    ears = LiveAudio()
    runner = prepare_bot(
        spec.url,
        config,
        plugins,
        store=store,
        bot_id=spec.bot_id,
        platform=spec.platform,
        sinks=[ears],
        scheduled_for=spec.scheduled_for,
    )
    bot = runner.bot
    path = socket_path(bot.folder)
    reception = _Reception(bot, ears)
    bus = plugins.bus(config.bus.url, config) if config.bus.url else None
    try:
        async with bus.open() if bus else nullcontext(), trio.open_nursery() as nursery:
            async with shown_on(bot, ears, bus):
                await reception.open(path, nursery)
                nursery.start_soon(_heed_signals, runner)
                await runner.run()
                path.unlink(missing_ok=True)
                with trio.move_on_after(LINGER_S):
                    await reception.alone()
            nursery.cancel_scope.cancel()
    finally:
        path.unlink(missing_ok=True)


def main() -> None:
    """Run the bot whose order is in the file that is named, or on standard input."""
    os.umask(0o077)  # what a plugin writes is for its owner alone, too
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the launcher to decide about
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s"
    )
    if len(sys.argv) > 1:
        order = Path(sys.argv[1]).read_text("utf-8")
    else:
        order = sys.stdin.readline()
        sys.stdin.close()
    spec = spec_from_json(order)
    try:
        trio.run(run, spec)
    except MeetcoreError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
