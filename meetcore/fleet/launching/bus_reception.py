"""The bot's side of a bus: it tells there what happens, and does what is asked of it.

The journal is what is told, so it is also what waits while the bus is away: nothing is held in
memory for it but the place up to which the bus has it. Drafts that find no bus are let go of and
counted; sound too, and the journal has how much (`audio.lost`). A bot whose claim is not the newest
any more is run by another: it ends itself.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import trio
from attrs import define, evolve

from meetcore.audio.chunk import Chunk
from meetcore.bot.bot import Bot
from meetcore.bot.bot_runner import bot_runner_of
from meetcore.fleet.launching.bus_looks import BusLooks
from meetcore.fleet.launching.error_frames import error_to_wire
from meetcore.fleet.launching.live_audio import LiveAudio
from meetcore.fleet.launching.protocol import audio_content
from meetcore.model.drafts import Draft
from meetcore.model.errors import BusUnavailable, CommandRefused, MeetcoreError, brief
from meetcore.model.events import BotUnresponsive, Event
from meetcore.model.wire import command_from_wire
from meetcore.plugin.bus import BotBus, BusItem, BusRequest

__all__ = ["ALIVE_S", "HEAR_FOR_S", "BusReception", "shown_on"]

_LOG = logging.getLogger("meetcore")
ALIVE_S = 10.0
HEAR_FOR_S = 6.0
_AWAY = (BusUnavailable, OSError, trio.TooSlowError)
_BEAT_EVERY_S = 2.5
_TRIM_EVERY_S = 5.0
_AGAIN_FIRST_S = 0.1
_AGAIN_LAST_S = 2.0
_LAST_WORDS_S = 15.0
_READY_WITHIN_S = 3.0
_ANSWER_WITHIN_S = 60.0
_MOST_AT_ONCE = 64
_MOST_WAITING = 256
_REMEMBER_S = 120.0
_MOST_REMEMBERED = 10_000
_KEPT_ON_BUS = 256


@define
class _Given:
    """Something that was asked.

    Attributes:
        until: Trio's time up to which it is remembered: it may come once more.
        answer: What was answered; None as long as nothing is, and where it is not kept.
    """

    until: float
    answer: bytes | None = None


class BusReception:
    """Shows a bot on a bus.

    Args:
        bot: The bot.
        ears: Its live sound.
        bus: The bus, open.

    Attributes:
        published_seq: Number of the newest event that the bus has.
        lost_drafts: How many drafts found no bus.
        lost_frames: How many frames of live sound did not.
    """

    def __init__(self, bot: Bot, ears: LiveAudio, bus: BotBus) -> None:
        self.published_seq = 0
        self.lost_drafts = 0
        self.lost_frames = 0
        self._bot = bot
        self._ears = ears
        self._bus = bus
        self._looks = BusLooks(bot)
        self._claim = 0
        self._told_all = trio.Event()
        self._ready = trio.Event()
        self._hear_until = -1.0
        self._hearing = False
        self._given: OrderedDict[str, _Given] = OrderedDict()
        self._away_since: float | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Show it until cancelled; `started` when it takes commands, or the bus is away."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._show)
            with trio.move_on_after(_READY_WITHIN_S):
                await self._ready.wait()
            task_status.started()

    async def told(self) -> None:
        """Return when the bus has all, the last event too; at most 15 s."""
        with trio.move_on_after(_LAST_WORDS_S) as limit:
            await self._told_all.wait()
            with suppress(*_AWAY):
                await self._bus.leave(self._bot.id, self._claim)
        left = self._bot.journal.last_seq - self.published_seq
        if limit.cancelled_caught and left:
            _LOG.warning("bot=%s %d events have not come to the bus", self._bot.id, left)
        if self.lost_drafts or self.lost_frames:
            told = (self._bot.id, self.lost_drafts, self.lost_frames)
            _LOG.info("bot=%s found no bus for %d drafts and %d frames of live sound", *told)

    async def _show(self) -> None:
        while True:
            try:
                self._claim = await self._bus.claim(self._bot.id)
                break
            except _AWAY as error:
                self._away(error)
                await trio.sleep(_AGAIN_LAST_S)
        send, receive = trio.open_memory_channel[BusItem](_MOST_WAITING)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take, send)
            nursery.start_soon(self._publish, receive)
            nursery.start_soon(self._hear_requests, nursery)
            nursery.start_soon(self._trim)

    # --- what happens ------------------------------------------------------------------------

    async def _take(self, channel: trio.MemorySendChannel[BusItem]) -> None:
        """Hand on the journal and drafts as the bus takes them; the journal waits meanwhile."""
        seq = 0
        items: AsyncIterator[Event | Draft] = self._bot.events(drafts=True)
        async with channel:
            async for item in items:
                if isinstance(item, Event):
                    seq = item.seq
                draft = isinstance(item, Draft)
                await channel.send(BusItem(seq, item.to_json().encode(), draft))

    async def _publish(self, channel: trio.MemoryReceiveChannel[BusItem]) -> None:
        over = False
        await self._published([])
        self._ready.set()
        while True:
            items: list[BusItem] = []
            try:
                with trio.move_on_after(_BEAT_EVERY_S):
                    items.append(await channel.receive())
                while items and len(items) < _MOST_AT_ONCE:
                    items.append(channel.receive_nowait())
            except trio.WouldBlock:
                pass
            except trio.EndOfChannel:
                over = True
            if not await self._published(items):
                return
            if over:
                self._told_all.set()
                await trio.sleep(_BEAT_EVERY_S)

    async def _published(self, items: list[BusItem]) -> bool:
        """Publish items, however long that takes; return whether the bot is still ours."""
        pause_s = _AGAIN_FIRST_S
        while True:
            try:
                ours = await self._bus.publish(self._bot.id, self._claim, items, alive_s=ALIVE_S)
            except _AWAY as error:
                self._away(error)
                self.lost_drafts += sum(item.draft for item in items)
                items = [item for item in items if not item.draft]
                await trio.sleep(pause_s)
                pause_s = min(pause_s * 2, _AGAIN_LAST_S)
                continue
            self._back()
            if not ours:
                _LOG.error("bot=%s is shown on the bus by another now, ends", self._bot.id)
                self._bot.abandon()
                self._told_all.set()
            elif items:
                self.published_seq = items[-1].seq
            return ours

    def _away(self, error: BaseException) -> None:
        if self._away_since is None:
            self._away_since = trio.current_time()
            _LOG.warning("bot=%s the bus is away: %s", self._bot.id, brief(error))

    def _back(self) -> None:
        if self._away_since is not None:
            away_s = trio.current_time() - self._away_since
            self._away_since = None
            waits = self._bot.journal.last_seq - self.published_seq
            what = (self._bot.id, away_s, waits)
            _LOG.warning("bot=%s the bus is back after %.1f s; %d events waited for it", *what)

    async def _trim(self) -> None:
        """Let the bus go of what the store has, but for the newest, which somebody may ask for."""
        trimmed = 0
        while True:
            await trio.sleep(_TRIM_EVERY_S)
            lease = self._bot.lease
            kept = None if lease is None else lease.kept_seq
            upto = self.published_seq if kept is None else min(kept, self.published_seq)
            if upto - _KEPT_ON_BUS > trimmed:
                with suppress(*_AWAY):
                    await self._bus.trim(self._bot.id, upto - _KEPT_ON_BUS)
                    trimmed = upto - _KEPT_ON_BUS

    # --- what is asked -----------------------------------------------------------------------

    async def _hear_requests(self, nursery: trio.Nursery) -> None:
        async with aclosing(self._bus.requests(self._bot.id, self._claim)) as requests:
            async for request in requests:
                known = self._given.get(request.id)
                if known is None:
                    self._given[request.id] = given = _Given(self._forgotten_at(request))
                    nursery.start_soon(self._do, request, given, nursery)
                elif known.answer is not None:
                    nursery.start_soon(self._answer, request, known.answer)

    def _forgotten_at(self, request: BusRequest) -> float:
        """Return until when to remember what is asked; let go of what cannot come again."""
        now = trio.current_time()
        for oldest in list(self._given):
            if self._given[oldest].until > now and len(self._given) < _MOST_REMEMBERED:
                break
            del self._given[oldest]
        return now + max(_REMEMBER_S, request.left_s or 0.0)

    async def _do(self, request: BusRequest, given: _Given, nursery: trio.Nursery) -> None:
        error: MeetcoreError | None = None
        more: dict[str, Any] = {}
        left_s = float("inf") if request.left_s is None else request.left_s
        try:
            with trio.move_on_after(left_s) as limit:
                more = await self._obey(json.loads(request.content), nursery)
            if limit.cancelled_caught:
                return  # whoever asked was told that there is no answer
        except MeetcoreError as refused:
            error = refused
        except (ValueError, KeyError, TypeError) as trouble:
            error = CommandRefused(f"That cannot be understood: {brief(trouble)}.")
        content = json.dumps({"error": error_to_wire(error), **more}).encode()
        if not more:  # a picture is worth nothing a moment later
            given.answer = content
        await self._answer(request, content)

    async def _answer(self, request: BusRequest, content: bytes) -> None:
        pause_s = _AGAIN_FIRST_S
        with trio.move_on_after(_ANSWER_WITHIN_S):
            while True:
                with suppress(*_AWAY):
                    await self._bus.answer(request, content)
                    return
                await trio.sleep(pause_s)
                pause_s = min(pause_s * 2, _AGAIN_LAST_S)

    async def _obey(self, asked: dict[str, Any], nursery: trio.Nursery) -> dict[str, Any]:
        """Do what is asked; return what its answer has besides."""
        if "screenshot" in asked or "look" in asked:
            return await self._looks.obey(asked, nursery)
        if asked.get("quit"):
            self._bot.abandon()
        elif "hear_s" in asked:
            until = trio.current_time() + min(float(asked["hear_s"]), HEAR_FOR_S)
            self._hear_until = max(self._hear_until, until)
            if not self._hearing:
                self._hearing = True
                nursery.start_soon(self._let_hear)
        elif "silent_s" in asked:
            if not self._bot.ended:
                silent_s = float(asked["silent_s"])
                bot_runner_of(self._bot).record(BotUnresponsive(silent_s=silent_s))
        elif "command" in asked:
            command = command_from_wire(asked["command"])
            await self._bot.perform(evolve(command, by=asked.get("by", "")))
        else:
            raise CommandRefused("The bot's version of meetcore does not know what that asks.")
        return {}

    async def _let_hear(self) -> None:
        """Send sound for as long as somebody says that they listen."""
        over = False
        try:
            with self._ears.listener("bus") as listener:
                while not over and trio.current_time() < self._hear_until:
                    chunks: list[Chunk] = []
                    try:
                        with trio.move_on_at(self._hear_until):
                            chunks.append(await listener.receive.receive())
                        while chunks and len(chunks) < _MOST_AT_ONCE:
                            chunks.append(listener.receive.receive_nowait())
                    except trio.WouldBlock:
                        pass
                    except trio.EndOfChannel:
                        over = True  # what came before it is sent, too
                    taken = await self._sent(chunks)
                    listener.passed_on(chunks, taken=taken)
        finally:
            self._hearing = False

    async def _sent(self, chunks: list[Chunk]) -> bool:
        """Send sound; return whether the bus took it."""
        try:
            await self._bus.send_audio(self._bot.id, [audio_content(each) for each in chunks])
        except _AWAY:
            self.lost_frames += len(chunks)
            return False
        return True


@asynccontextmanager
async def shown_on(bot: Bot, ears: LiveAudio, bus: BotBus | None) -> AsyncIterator[None]:
    """Show a bot on an open bus while the block runs, and until the bus has its end.

    Nothing is done where there is no bus.
    """
    if bus is None:
        yield
        return
    reception = BusReception(bot, ears, bus)
    async with trio.open_nursery() as nursery:
        await nursery.start(reception.run)
        yield
        await reception.told()
        nursery.cancel_scope.cancel()
