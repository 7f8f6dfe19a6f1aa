"""One task per sink and per `meetcore_on_event` plugin, with a cursor and a mailbox of its own.

Nothing here waits for a plugin but the plugin's own task. A call that raises or hangs is
reported and given up; a plugin that fails five times in a row is detached, and what a detached
sink does not hear is in the ledger as lost.
"""

from __future__ import annotations

import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.audio.ledger import Account
from meetcore.bot.context import BotContext
from meetcore.bot.media import MediaDelivery
from meetcore.log.mailbox import AudioMailbox, Lost, Wake, lost_chunk
from meetcore.log.subscription import Subscription
from meetcore.model.events import AudioLost, Event, PluginFailed, PluginSlow
from meetcore.plugin.bot_view import BotView
from meetcore.plugin.failures import FailureReports
from meetcore.plugin.hook_calls import HookImplementation
from meetcore.plugin.sink import Sink, SinkContext

__all__ = ["EventHookRunner", "SinkRunner", "call_hook"]

FAILURES_TO_DETACH = 5
AUDIO_LIMIT_S = 30.0
LOSS_STRETCH_S = 10.0
OPEN_TIMEOUT_S = 30.0
BLOCKED_S = 0.25
HOOK_TIMEOUT_S = 30.0


class _CircuitBreaker:
    """Counts a plugin's failures; after five of one kind of call in a row it is detached."""

    def __init__(self, name: str, tell: FailureReports) -> None:
        self.name = name
        self.detached = False
        self._tell = tell
        self._in_a_row: dict[str, int] = {}

    async def try_call(
        self, where: str, call: Callable[[], Awaitable[object]], timeout_s: float
    ) -> bool:
        """Make a call under a deadline; return whether it worked. Never raises `Exception`."""
        try:
            with trio.fail_after(timeout_s):
                await call()
        except trio.TooSlowError:
            self.failed(where, f"it did not return within {timeout_s:g} s")
            return False
        except Exception as error:  # noqa: BLE001  a plugin's trouble is an event, not ours
            self.failed(where, error)
            return False
        self._in_a_row.pop(where, None)
        return True

    def failed(self, where: str, error: Exception | str, *, detached: bool = False) -> None:
        in_a_row = self._in_a_row[where] = self._in_a_row.get(where, 0) + 1
        self.detached = self.detached or detached or in_a_row >= FAILURES_TO_DETACH
        self._tell(self.name, where, error, detached=self.detached)


def _about(event: Event, plugin: str) -> bool:
    """Whether an event reports a plugin's own trouble: it is not told, or it would never end."""
    return isinstance(event, (PluginFailed, PluginSlow)) and event.plugin == plugin


class _Losses:
    """What one sink does not hear, told in stretches: an event a chunk would drown the journal."""

    def __init__(self, consumer: str, record: Callable[[Event], Event]) -> None:
        self._consumer = consumer
        self._record = record
        self._open: dict[str, Lost] = {}

    def add(self, lost: Lost) -> None:
        """Note a loss; it is told with those that follow it without a hole."""
        last = self._open.pop(lost.track_id, None)
        if last is not None:
            if last.cause == lost.cause and last.end_sample == lost.start_sample:
                samples = last.samples + lost.samples
                lost = Lost(lost.track_id, last.start_sample, samples, lost.cause)
            else:
                self._tell(last)
        if lost.samples >= LOSS_STRETCH_S * SAMPLE_RATE_HZ:
            self._tell(lost)
        else:
            self._open[lost.track_id] = lost

    def tell(self) -> None:
        """Tell what has not been told."""
        while self._open:
            self._tell(self._open.pop(next(iter(self._open))))

    def _tell(self, lost: Lost) -> None:
        self._record(
            AudioLost(
                track_id=lost.track_id,
                consumer=self._consumer,
                start_sample=lost.start_sample,
                samples=lost.samples,
                cause=lost.cause,
            )
        )


class SinkRunner:
    """Runs one sink for one bot.

    Args:
        sink: The plugin's object.
        bot: The bot's records.
        context: What the sink gets.
    """

    def __init__(self, sink: Sink, bot: BotContext, context: SinkContext) -> None:
        self.name = context.name
        self.sink = sink
        self._bot = bot
        self._context = context
        self._audio = AudioMailbox(int(AUDIO_LIMIT_S * SAMPLE_RATE_HZ), "consumer_behind")
        self._accounts: dict[str, Account] = {}
        self._in_hand: deque[Chunk | Lost] = deque()
        self._gave_up = False
        self._patience = _CircuitBreaker(self.name, bot.plugin_failed)
        self._losses = _Losses(self.name, bot.record)
        self.media: MediaDelivery | None = None
        if sink.wants_media:
            patience = self._patience
            self.media = MediaDelivery(
                sink, self.name, bot, patience.try_call, lambda: patience.detached
            )
        self._opening = trio.CancelScope()
        self._open_by = float("inf")
        self._told_up_to = 0
        self._told = Wake()
        self._finish_asked = trio.Event()
        self._heard_all = trio.Event()
        self.finished = trio.Event()
        self.ended = trio.Event()

    # --- audio ---------------------------------------------------------------------

    def put(self, item: Chunk | Lost) -> None:
        """Take a chunk, or the news that samples are missing. Returns at once."""
        if self.ended.is_set() or self._gave_up:
            self._account_for_unheard(item, "sink_ended")
        else:
            self._audio.put(item)

    def expect_track(self, track_id: str) -> None:
        """Open the account of a track."""
        self._accounts[track_id] = self._bot.ledger.account(track_id, self.name)

    def _account_for_unheard(self, item: Chunk | Lost, cause: str) -> None:
        account = self._accounts[item.track_id]
        if isinstance(item, Lost) and item.withheld:
            account.withheld += item.samples
        elif isinstance(item, Lost):
            account.lost += item.samples
            if item.cause == "consumer_behind":
                self._losses.add(item)
        else:
            lost = lost_chunk(item, cause)
            account.lost += lost.samples
            self._losses.add(lost)

    async def _hear(self) -> None:
        while items := await self._audio.take():
            self._in_hand.extend(items)
            while self._in_hand:
                await self._hear_one()
        self._losses.tell()
        self._heard_all.set()

    async def _hear_one(self) -> None:
        """Give it what is next in hand; a chunk stays there until the sink has it."""
        sink, timeout_s = self.sink, self.sink.call_timeout_s
        item = self._in_hand[0]
        if self._patience.detached:
            self._in_hand.popleft()
            self._account_for_unheard(item, "sink_detached")
        elif isinstance(item, Lost):
            self._in_hand.popleft()
            self._account_for_unheard(item, item.cause)
            await self._patience.try_call(
                "on_gap",
                lambda: sink.on_gap(item.track_id, item.start_sample, item.samples, item.cause),
                timeout_s,
            )
        else:
            took = await self._patience.try_call("on_audio", lambda: sink.on_audio(item), timeout_s)
            if not self._in_hand:
                return  # given up meanwhile
            self._in_hand.popleft()
            if took:
                self._accounts[item.track_id].delivered += item.core_samples
                self._losses.tell()
            else:
                self._account_for_unheard(item, "sink_failed")

    def give_up(self) -> None:
        """Account for what it has not taken by now; what it takes after that does not count."""
        if self.finished.is_set():
            return
        self._gave_up = True
        self._account_for_the_rest("unfinished")

    def _account_for_the_rest(self, cause: str) -> None:
        for item in [*self._in_hand, *self._audio.drain()]:
            self._account_for_unheard(item, cause)
        self._in_hand.clear()
        self._losses.tell()
        if self.media is not None:
            self.media.end(cause)

    # --- the life of a sink ------------------------------------------------------------

    def open_by(self, deadline: float) -> None:
        """Give the sink until then to open, if it has not: its bot is stopped already."""
        self._open_by = deadline
        self._opening.deadline = min(self._opening.deadline, deadline)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Open the sink, tell it everything, let it finish, close it. Never raises `Exception`."""
        scope = trio.CancelScope(deadline=trio.current_time() + OPEN_TIMEOUT_S)
        self._opening = scope
        self.open_by(self._open_by)
        opened = False
        try:
            with scope:
                async with self.sink.open(self._context):
                    self._opening = trio.CancelScope()
                    scope.deadline = float("inf")
                    opened = True
                    task_status.started()
                    async with trio.open_nursery() as nursery:
                        if self.sink.wants_audio:
                            nursery.start_soon(self._hear)
                        if self.media is not None:
                            nursery.start_soon(self.media.run)
                        nursery.start_soon(self._finish_when_asked)
                        await self._tell()
                    scope.deadline = trio.current_time() + self.sink.finish_timeout_s
            if scope.cancelled_caught:
                self._patience.failed(
                    "close" if opened else "open", "no end in time", detached=True
                )
        except Exception as error:  # noqa: BLE001  a sink's trouble is an event, not ours
            self._patience.failed("close" if opened else "open", error, detached=True)
        finally:
            self.ended.set()
            self.finished.set()
            self._account_for_the_rest("sink_ended")
            if not opened:
                task_status.started()

    async def _tell(self) -> None:
        sink = self.sink
        if not (sink.wants_events or sink.wants_drafts):
            await self.finished.wait()
            return
        drafts = self._bot.drafts if sink.wants_drafts else None
        async for item in Subscription(self._bot.journal, drafts):
            if isinstance(item, Event):
                if (
                    sink.wants_events
                    and not self._patience.detached
                    and not _about(item, self.name)
                ):
                    await self._patience.try_call(
                        "deliver", partial(sink.deliver, item), sink.call_timeout_s
                    )
                self._told_up_to = item.seq
                self._told.set()
            elif not self._patience.detached:
                await self._patience.try_call(
                    "deliver_draft",
                    partial(sink.deliver_draft, item),
                    sink.call_timeout_s,
                )

    def ask_to_finish(self) -> None:
        """Say that the meeting is over: nothing more to hear, and soon nothing more to tell."""
        self._audio.close()
        if self.media is not None:
            self.media.close()
        if self.ended.is_set():
            self._losses.tell()
        self._finish_asked.set()

    async def _finish_when_asked(self) -> None:
        await self._finish_asked.wait()
        if self.sink.wants_audio:
            await self._heard_all.wait()
        if self.media is not None:
            await self.media.done.wait()
        if self.sink.wants_events or self.sink.wants_drafts:
            upto = self._bot.journal.last_seq
            while self._told_up_to < upto:
                await self._told.wait()
        if not self._patience.detached:
            await self._patience.try_call("finish", self.sink.finish, self.sink.finish_timeout_s)
        self.finished.set()


async def call_hook(
    implementation: HookImplementation,
    record: Callable[[Event], Event],
    timeout_s: float,
    hook: str,
    **arguments: object,
) -> object:
    """Call one plugin's function for a hook, plain or async, under a deadline.

    A plain function that holds up the event loop for a quarter of a second is reported; the
    operating system's clock is meant, so that a mock clock does not hide it.

    Raises:
        trio.TooSlowError: It did not return in time.
    """
    began = time.perf_counter()
    result = implementation.call(**arguments)
    blocked_s = time.perf_counter() - began
    if blocked_s > BLOCKED_S:
        record(
            PluginSlow(plugin=implementation.plugin_name, where=hook, seconds=round(blocked_s, 2))
        )
    if inspect.isawaitable(result):
        with trio.fail_after(timeout_s):
            return await result
    return result


class EventHookRunner:
    """Shows one plugin's `meetcore_on_event` every event of one bot, in order."""

    def __init__(self, implementation: HookImplementation, bot: BotContext, view: BotView) -> None:
        self._implementation = implementation
        self._bot = bot
        self._view = view
        self._patience = _CircuitBreaker(implementation.plugin_name, bot.plugin_failed)
        self.ended = trio.Event()

    async def run(self) -> None:
        """Show every event up to the terminal one. Never raises `Exception`."""
        async for event in Subscription(self._bot.journal):
            if not isinstance(event, Event) or _about(event, self._implementation.plugin_name):
                continue
            if self._patience.detached:
                break
            await self._patience.try_call(
                "meetcore_on_event",
                partial(
                    call_hook,
                    self._implementation,
                    self._bot.record,
                    HOOK_TIMEOUT_S,
                    "meetcore_on_event",
                    bot=self._view,
                    event=event,
                ),
                HOOK_TIMEOUT_S,
            )
        self.ended.set()
