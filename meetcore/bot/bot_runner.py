"""Runs a bot: one attendance at one meeting, as a nursery that leaves nothing behind.

    BotRunner.run
    ├─ journal     brings events to the disk
    ├─ sinks, on_event plugins     one task each
    ├─ listening   tracks, transcriptions
    └─ the meeting
       ├─ call     the platform's Call: signals and audio come in by `CallEvents`
       ├─ speeches what the bot says, one after the other
       └─ leaving  deadlines only

What is outside may cancel the bot at any checkpoint. That is not passed through, or a recording
would be cut in the middle of a word and a browser left in the meeting: a watcher takes it as the
wish to stop, the bot leaves in order, in a hurry and under deadlines, and only then does
the cancellation go on. `abandon` is for those who cannot wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from random import Random

import trio
from attrs import evolve

from meetcore.bot.bot import Bot
from meetcore.bot.command_runner import CommandRunner
from meetcore.bot.context import BotContext
from meetcore.bot.delivery import EventHookRunner, SinkRunner
from meetcore.bot.exclusion import exclusion_rules
from meetcore.bot.hearing import Listening
from meetcore.bot.join_tokens import HOOK, token_source
from meetcore.bot.leaving import keep_leave_rules
from meetcore.bot.life import Life
from meetcore.bot.looks import BotLooks
from meetcore.bot.memory import give_memory_back
from meetcore.bot.signal_handler import BotCallEvents, SignalHandler
from meetcore.bot.speaking import SpeechQueue
from meetcore.bot.state_pictures import keep_state_pictures
from meetcore.log.bot_log import event_logger
from meetcore.log.folders import journal_path
from meetcore.log.journal import Journal
from meetcore.log.journal_head import begin, greet, head_of
from meetcore.model.addresses import PrivateTargets
from meetcore.model.commands import Command
from meetcore.model.config import BotConfig
from meetcore.model.errors import (
    MeetcoreError,
    MeetingRefused,
    PluginError,
    brief,
    found_in,
)
from meetcore.model.events import (
    AudioLost,
    Event,
    LedgerClosed,
    MediaLost,
    PluginEvent,
    StateChanged,
)
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.meeting import MeetingLink
from meetcore.model.secrets import Redactor, secrets_in
from meetcore.model.signals import Signal
from meetcore.model.work_events import REVISES
from meetcore.plugin.platform import Call, CallRequest, Capability, Platform
from meetcore.plugin.registry import Plugins
from meetcore.plugin.sink import Sink, SinkContext
from meetcore.plugin.store import BotStore, Lease
from meetcore.plugin.synthesizer import Synthesizer
from meetcore.plugin.transcriber import Transcriber, TranscriberContext

__all__ = ["BotRunner", "bot_runner_of"]

_LOG = logging.getLogger("meetcore.bot")
CLOSE_TIMEOUT_S = 20.0
HURRY_S = 5.0
LONGEST_FINISH_S = 3600.0


class BotRunner:
    """Runs one bot, for whoever launches bots; `bot` is what everybody else sees of it.

    Attributes:
        bot: The bot.
        lease: The right to write it, once it runs, where a store gave one.
        plugin_failed: Where a plugin's failure is told.
    """

    def __init__(
        self,
        *,
        link: MeetingLink,
        platform: Platform,
        config: BotConfig,
        folder: Path,
        store: BotStore | None = None,
        bot_id: str,
        transcriber: Transcriber | None = None,
        transcriber_because: str | None = None,
        fallback: Sequence[Transcriber] = (),
        synthesizer: Synthesizer | None = None,
        sinks: Sequence[tuple[str, Sink]] = (),
        plugins: Plugins | None = None,
        scheduled_for: datetime | None = None,
        random: Random | None = None,
        wall_clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.lease: Lease | None = None
        self._id = bot_id
        self._folder = folder
        self._store = store
        self._link = link
        self._config = config
        self._platform_name = platform.name
        self._plugins = plugins or Plugins(entry_points=False)
        rules = exclusion_rules(self._plugins, config)
        self._platform = platform
        self._scheduled_for = scheduled_for
        self._hurried = False
        self._step = trio.CancelScope()
        self._begin = trio.Event()
        self._concluded = trio.Event()
        self._ended = trio.Event()
        self._call_scope = trio.CancelScope()
        self._shield = trio.CancelScope(shield=True)
        transcribers = [transcriber, *fallback] if transcriber is not None else []
        redactor = self._make_redactor(transcribers, synthesizer, sinks)
        self._context = context = BotContext(
            id=bot_id,
            folder=folder,
            config=config,
            journal=Journal(
                journal_path(folder), bot_id, wall_clock=wall_clock, fsync=config.fsync
            ),
            redactor=redactor,
            random=random or Random(),
            cannot_write=lambda error: self._life.cannot_write(error),
        )
        context.exclusions.rules = rules
        self._life = Life(context, self._first_concluded)
        self._ledger = context.ledger
        self.plugin_failed = context.plugin_failed
        self._speeches = SpeechQueue(context, self._life, platform, synthesizer)
        self._looks = BotLooks(context, self._life, platform)
        self._command_runner = CommandRunner(
            context,
            self._life,
            platform,
            self._speeches,
            lambda command: self._listening.owners.name_voice(command),
        )
        self.bot = Bot(
            self,
            context,
            self._life,
            self._speeches,
            self._looks,
            self._command_runner,
            link=link,
            platform_name=platform.name,
            store=store,
        )
        # What may not be on a disk in the clear is in no log either.
        bare = config.retention.keep == "nothing" or config.store.encrypt is not None
        self._context.journal.listen(event_logger(bot_id, redactor, bare=bare))
        self._sinks = [SinkRunner(sink, context, self._sink_context(name)) for name, sink in sinks]
        self._listening = Listening(
            context,
            self.bot,
            transcribers=transcribers,
            sinks=self._sinks,
            revisers=self._plugins.implementations("meetcore_revise_segment"),
            context=TranscriberContext(
                bot_id=bot_id,
                folder=folder,
                redactor=redactor,
                notice=partial(context.transcriber_notice, transcriber.name if transcriber else ""),
            ),
            failed=self._life.transcription_failed,
            watch=self._speeches.watch,
            being_said=self._speeches.being_said,
        )
        self._speeches.heard_by(self._listening.owners.owner_of, self._listening.was_said)
        self._life.hears = lambda in_call: self._listening.entered_call(in_call=in_call)
        self._life.pauses = lambda paused: self._listening.pause(paused=paused)
        self._signal_handler = SignalHandler(context, self._life, self._listening)
        head = head_of(
            link,
            config,
            transcriber=transcriber.name if transcriber else None,
            sinks=[name for name, sink in sinks if not sink.transient],
            scheduled_for=scheduled_for,
        )
        self._life.state = begin(self._context.journal, head)
        if transcriber is not None and transcriber_because is not None:
            context.transcriber_notice(transcriber.name, "chosen", transcriber_because)

    def _make_redactor(
        self,
        transcribers: Sequence[Transcriber],
        synthesizer: Synthesizer | None,
        sinks: Sequence[tuple[str, Sink]],
    ) -> Redactor:
        redactor = Redactor([self._link.passcode])
        holders = [self._platform.options, *(each.options for each in transcribers)]
        holders += [synthesizer and synthesizer.options, *(sink.options for _, sink in sinks)]
        for holder in holders:
            for secret in secrets_in(holder):
                redactor.add(secret)
        return redactor

    def _sink_context(self, name: str) -> SinkContext:
        return SinkContext(
            name=name,
            bot_id=self._id,
            folder=self._folder,
            journal=self._context.journal,
            report=partial(self._record_from_sink, name),
            perform=partial(self._perform_for, name),
            say=partial(self._speeches.say, by=name),
            redactor=self._context.redactor,
            trusted=self._config.trusts(name),
            private_targets=PrivateTargets.listed(self._config.private_targets),
        )

    async def _perform_for(self, sink_name: str, command: Command) -> None:
        await self.bot.perform(evolve(command, by=sink_name))

    def _record_from_sink(self, name: str, event: Event) -> Event:
        """Append a sink's own event; what it lost after taking it is moved in its account."""
        if isinstance(event, AudioLost) and event.consumer == name:
            account = self._ledger.account(event.track_id, name)
            account.delivered -= event.samples
            account.lost += event.samples
        elif isinstance(event, MediaLost) and event.consumer == name:
            account = self._context.media_ledger.account(event.track_id, name)
            account.delivered -= event.fragments
            account.lost += event.fragments
        return self.record(event)

    def __repr__(self) -> str:
        return f"<BotRunner of {self.bot!r}>"

    @property
    def ended(self) -> bool:
        """Whether the bot is in a terminal state."""
        return self._life.ended

    async def wait_ended(self) -> StateChanged:
        """Return the terminal event once there is one. No deadline of its own."""
        await self._ended.wait()
        return self._terminal

    def abandon(self) -> None:
        """End at once: no leave-taking, no drain. What was captured is kept; recovery ends it."""
        self._shield.cancel()

    def hurry(self) -> None:
        """Make what is left of the end short: a few seconds for each step."""
        self._hurried = True
        self._step.deadline = min(self._step.deadline, trio.current_time() + HURRY_S)

    def record(self, event: Event) -> Event:
        """Append an event; a journal that takes none ends the bot."""
        return self._context.record(event)

    def conclude(self, reason: EndReason, evidence: Evidence) -> None:
        """End the attendance for a reason. The first one stays; later ones become detail."""
        self._life.conclude(reason, evidence)

    def _first_concluded(self) -> None:
        self._begin.set()
        self._concluded.set()
        self._command_runner.give_up()
        self._looks.leave()
        self._speeches.interrupt_all("leaving")
        for runner in self._sinks:
            runner.open_by(trio.current_time() + HURRY_S)
        if self._life.call is None:
            self._call_scope.cancel()

    # --- what the platform calls back ---------------------------------------------------

    def observe(self, signal: Signal) -> None:
        """Take what the platform saw. See `CallEvents`."""
        self._signal_handler.take(signal)

    @property
    def call_events(self) -> BotCallEvents:
        """What the platform gets."""
        return BotCallEvents(self.observe, self._listening)

    # --- the life -----------------------------------------------------------------------

    async def run(self) -> None:
        """Attend the meeting, from here to a terminal state. Raises nothing but `Cancelled`."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_for_cancellation)
            try:
                with self._shield:
                    await self._run_kept()
                if self._shield.cancelled_caught:
                    self.conclude(EndReason.STOP_REQUESTED, Evidence("abandoned"))
                    self._finish()
            finally:
                self._context.journal.close()
                self._ended.set()
                give_memory_back()
            nursery.cancel_scope.cancel()

    async def _watch_for_cancellation(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            if not self._ended.is_set():
                self.hurry()
                self.conclude(EndReason.STOP_REQUESTED, Evidence("cancelled"))

    async def _run_kept(self) -> None:
        """Run while what is written goes to the store; where it belongs to another, end at once."""
        if self._store is None:
            await self._run_shielded()
            return
        try:
            keeping = self._store.keep(self._id, self._context.journal)
            async with keeping as lease, trio.open_nursery() as own:
                self.lease = lease
                own.start_soon(self._abandon_when_lost, lease)
                await self._run_shielded()
                own.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001  what could not be kept is kept at its recovery
            if self._life.ended:
                _LOG.error("bot=%s could not be kept: %s", self._id, brief(error))
                return
            self._life.failure = self._life.failure or error
            self.conclude(EndReason.INTERNAL_ERROR, Evidence("store", brief(error)))
            self._finish()

    async def _abandon_when_lost(self, lease: Lease) -> None:
        await lease.lost.wait()
        _LOG.error("bot=%s is run by another now, ends", self._id)
        self.abandon()

    async def _run_shielded(self) -> None:
        try:
            async with trio.open_nursery() as services:
                services.start_soon(self._context.journal.keep_synced)
                for runner in self._sinks:
                    await services.start(runner.run)
                on_event = self._plugins.implementations("meetcore_on_event")
                hooks = [EventHookRunner(each, self._context, self.bot) for each in on_event]
                for hook in hooks:
                    services.start_soon(hook.run)
                await services.start(self._listening.run)
                self._note_strict_revisers()
                await self._attend()
                await self._process()
                with self._patience(self._finish_timeout_s()):
                    for ended in [*(r.ended for r in self._sinks), *(h.ended for h in hooks)]:
                        await ended.wait()
                services.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001  a bot's crash does not touch its siblings
            self._life.failure = self._life.failure or error
            self.conclude(EndReason.INTERNAL_ERROR, Evidence("exception", brief(error)))
            self._finish()

    def _note_strict_revisers(self) -> None:
        """Have the journal say which plugins the words do not pass by: nor do they later."""
        installed = {info.name for info in self._plugins.infos if info.installed}
        for each in self._plugins.implementations("meetcore_revise_segment"):
            name = each.plugin_name
            does = name in self._config.plugins or name not in installed
            if each.fail_closed and does:
                self.record(PluginEvent(plugin=each.plugin_name, name=REVISES))

    def _patience(self, seconds: float) -> trio.CancelScope:
        """Return a scope for a step of the end; `hurry` makes it shorter, now or when it runs."""
        patience = min(seconds, HURRY_S) if self._hurried else seconds
        self._step = trio.CancelScope(deadline=trio.current_time() + patience)
        return self._step

    async def _attend(self) -> None:
        if self._scheduled_for is not None:
            await self._wait_for_schedule(self._scheduled_for)
        if self._concluded.is_set():
            return
        join_s = self._config.automatic_leave.join_s
        self._context.leave_rules.longest_join_s = self._platform.longest_join_s(join_s)
        self._life.go(State.JOINING)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                keep_leave_rules, self._context.leave_rules, self._context.rules_wake, self.conclude
            )
            if self._config.entry_message:
                nursery.start_soon(
                    greet, self.bot.events(), self.bot.perform, self._config.entry_message
                )
            nursery.start_soon(self._speeches.run)
            nursery.start_soon(self._looks.run)
            if self._config.screenshots == "states":
                nursery.start_soon(
                    keep_state_pictures,
                    self.bot.events(),
                    lambda: self._life.state,
                    self._looks,
                    self._context,
                )
            await self._hold_call()
            nursery.cancel_scope.cancel()

    async def _wait_for_schedule(self, when: datetime) -> None:
        seconds = (when - self._context.journal.wall_clock()).total_seconds()
        with trio.move_on_after(max(0.0, seconds)):
            await self._begin.wait()
        if not self._concluded.is_set():
            self._life.go(State.REQUESTED)

    async def _hold_call(self) -> None:
        captions = self._config.transcription.captions_for_names
        request = CallRequest(
            bot_id=self._id,
            display_name=self._config.name,
            folder=self._folder,
            join_timeout_s=self._config.automatic_leave.join_s,
            waiting_room_s=self._config.automatic_leave.waiting_room_s,
            captions=self._listening.wants_captions or captions,
            video=self._config.video,
            redactor=self._context.redactor,
            join_token=token_source(
                self._plugins.implementations(HOOK), self._link, self._id, self._context.redactor
            ),
            private_targets=PrivateTargets.listed(self._config.private_targets),
            plugins=self._config.plugins,
        )
        scope, opened = self._call_scope, False
        try:
            with scope:
                async with self._platform.open_call(self._link, request, self.call_events) as call:
                    self._life.call, opened = call, True
                    captions = self._listening.wants_captions
                    if captions and Capability.CAPTIONS not in call.capabilities:
                        self._listening.captions_missing(self._platform_name)
                    try:
                        await self._concluded.wait()
                        self._life.begin_leaving()
                        await self._take_leave(call)
                    finally:
                        self._looks.end()
                        self._life.call = None
                    scope.deadline = trio.current_time() + CLOSE_TIMEOUT_S
            if scope.cancelled_caught and self._life.ending.reason is None:
                unclosed = Evidence("call", "it did not close in time")
                self.conclude(EndReason.INTERNAL_ERROR, unclosed)
        except Exception as error:  # noqa: BLE001  a platform's trouble ends this bot, no other
            self._call_failed(error, opened=opened)
        self._life.begin_leaving()

    def _call_failed(self, error: Exception, *, opened: bool) -> None:
        ours: MeetcoreError | None = found_in(error, MeetingRefused)
        if ours is None and not opened:
            ours = found_in(error, MeetcoreError)
        if ours is not None and not isinstance(ours, PluginError):
            reason = EndReason(getattr(ours, "reason", EndReason.CLIENT_NEVER_LOADED))
            self.conclude(reason, Evidence("open_call", self._context.redactor.redact(str(ours))))
            return
        self.plugin_failed(self._platform_name, "call", error)
        told = self._context.redactor.redact(brief(error))
        self.conclude(EndReason.CRASHED, Evidence("call", told))

    async def _take_leave(self, call: Call) -> None:
        with self._patience(self._config.leave_timeout_s) as scope:
            try:
                await call.leave()
            except Exception as error:  # noqa: BLE001  leaving goes on without manners
                self.plugin_failed(self._platform_name, "leave", error)
        if scope.cancelled_caught:
            self.plugin_failed(self._platform_name, "leave", "it did not leave in time")

    async def _process(self) -> None:
        """Finish what was heard, close the account, let the sinks write, end."""
        if self._life.state is State.LEAVING:
            self._life.go(State.PROCESSING)
        self._listening.close()
        with self._patience(self._config.drain_timeout_s):
            await self._listening.drained.wait()
        self._listening.give_up("unfinished")
        for runner in self._sinks:
            runner.ask_to_finish()
        with self._patience(self._finish_timeout_s()):
            for runner in self._sinks:
                await runner.finished.wait()
        for runner in self._sinks:
            runner.give_up()
        media = self._context.media_ledger
        entries = (*self._ledger.entries(), *media.entries())
        balanced = self._ledger.balanced and media.balanced
        self.record(LedgerClosed(entries=entries, balanced=balanced))
        self._finish()

    def _finish_timeout_s(self) -> float:
        """Return how long all sinks together may take to finish."""
        longest_s = max([0.0, *(runner.sink.finish_timeout_s for runner in self._sinks)])
        return min(max(CLOSE_TIMEOUT_S * 3, longest_s), LONGEST_FINISH_S)

    def _finish(self) -> None:
        terminal = self._life.finish()
        if terminal is not None:
            self._terminal = terminal
            self._ended.set()


def bot_runner_of(bot: Bot) -> BotRunner:
    """Return who runs a bot: for launchers, and for programs that end one for a reason."""
    runner = bot._runner
    assert isinstance(runner, BotRunner)
    return runner
