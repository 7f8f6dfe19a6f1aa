"""Carrying out commands: each with a deadline and an answer, and none that stop waits for.

What asks something of the call (chat, a picture) is done one at a time, in order. What is the bot's
own to do (stop, pause, resume) waits for nobody, nor does taking a place among the speeches; once
the bot concludes its attendance whatever is in hand or waiting is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import trio
from attrs import define, field

from meetcore.bot.context import BotContext
from meetcore.bot.life import Life
from meetcore.bot.speaking import SpeechQueue
from meetcore.model.commands import (
    AnswerPerson,
    Command,
    ExcludeParticipant,
    HidePicture,
    IncludeParticipant,
    InterruptSpeech,
    MarkTopic,
    NameVoice,
    PauseRecording,
    Reconnect,
    ResumeRecording,
    SendChat,
    ShareImage,
    SharePage,
    ShowImage,
    ShowPage,
    Speak,
    Stop,
    StopSharing,
)
from meetcore.model.errors import CapabilityMissing, CommandFailed, CommandRefused, MeetcoreError
from meetcore.model.events import CommandAnswered, PersonAnswered, TopicMarked
from meetcore.model.lifecycle import IN_CALL, Evidence, State
from meetcore.model.printable import one_line
from meetcore.plugin.platform import Call, Capability, Platform

__all__ = ["COMMAND_TIMEOUT_S", "CommandRunner"]

COMMAND_TIMEOUT_S = 30.0
OUTCOMES_KEPT = 1000
TOPIC_CHARS = 200
_OUR_OWN = (
    *(Stop, PauseRecording, ResumeRecording, Speak, InterruptSpeech, NameVoice),
    *(ExcludeParticipant, IncludeParticipant, MarkTopic),
)
_NEEDS: dict[type[Command], Capability] = {
    SendChat: Capability.SEND_CHAT,
    ShowImage: Capability.SHOW_IMAGE,
    ShowPage: Capability.SHOW_PAGE,
    HidePicture: Capability.SHOW_IMAGE,
    ShareImage: Capability.SHARE_SCREEN,
    SharePage: Capability.SHARE_SCREEN,
    StopSharing: Capability.SHARE_SCREEN,
}


@define(eq=False)
class _Answer:
    """What became of a command; asked for again by its id, it is the same."""

    command: Command
    done: trio.Event = field(factory=trio.Event)
    error: MeetcoreError | None = None


class CommandRunner:
    """Carries out one bot's commands.

    Args:
        context: The bot's records.
        life: Its state and its call.
        platform: What it can do at best.
        speeches: What it has to say.
        name_voice: Names a voice in the transcript.
    """

    def __init__(
        self,
        context: BotContext,
        life: Life,
        platform: Platform,
        speeches: SpeechQueue,
        name_voice: Callable[[NameVoice], None],
    ) -> None:
        self._name_voice = name_voice
        self._speeches = speeches
        self._context = context
        self._life = life
        self._platform = platform
        self._one_at_a_time = trio.Lock()
        self._in_hand: set[trio.CancelScope] = set()
        self._outcomes: dict[str, _Answer] = {}
        self._numbers = count(1)

    def give_up(self) -> None:
        """Cancel what is in hand or waits: the bot leaves, and whoever asked is told so."""
        for scope in self._in_hand:
            scope.cancel()

    async def perform(self, command: Command) -> None:
        """Carry out a command; returns when it is done. Has a deadline of its own.

        A command whose id was given before is not carried out again: it ends as the first did.

        Raises:
            CommandRefused: It makes no sense now, or (`CapabilityMissing`) not here.
            CommandFailed: It was tried and did not work, or not in time.
        """
        command_id = command.id or next(
            each for number in self._numbers if (each := f"command-{number}") not in self._outcomes
        )
        known = self._outcomes.get(command_id)
        if known is not None:
            await self._end_as_the_first(command, known)
            return
        answer = self._outcomes[command_id] = _Answer(command)
        if len(self._outcomes) > OUTCOMES_KEPT:
            del self._outcomes[next(iter(self._outcomes))]
        error: MeetcoreError | None = CommandFailed(
            f"Whoever gave the command {command.type!r} went away before it was done."
        )
        try:
            with trio.fail_after(COMMAND_TIMEOUT_S):
                if isinstance(command, _OUR_OWN):
                    self._do(command)
                    await trio.lowlevel.checkpoint()
                else:
                    await self._ask(command)
            error = None
        except trio.TooSlowError as slow:
            error = CommandFailed(
                f"The command {command.type!r} was not done within {COMMAND_TIMEOUT_S:g} s."
            )
            raise error from slow
        except MeetcoreError as refused:
            error = refused
            raise
        except Exception as trouble:
            error = CommandFailed(
                f"The command {command.type!r} failed: {type(trouble).__name__}: {trouble}."
            )
            raise error from trouble
        finally:
            answer.error = error
            answer.done.set()
            answered = CommandAnswered(
                command=command.type,
                ok=error is None,
                error=str(error) if error else None,
                command_id=command_id,
                by=command.by,
            )
            self._context.record(answered)

    @staticmethod
    async def _end_as_the_first(command: Command, first: _Answer) -> None:
        if first.command != command:
            raise CommandRefused(
                f"The id {command.id!r} is another command's ({first.command.type}).",
                "Give every command an id of its own, for instance a UUID.",
            )
        with trio.move_on_after(COMMAND_TIMEOUT_S):
            await first.done.wait()
        if first.error is not None:
            raise first.error
        if not first.done.is_set():
            raise CommandFailed(f"The command {command.type!r} is still being carried out.")

    def _do(self, command: Command) -> None:
        life = self._life
        if isinstance(command, Stop):
            life.conclude(command.reason, Evidence("command", command.detail or "stop"))
            return
        self._check_in_call(command)
        if isinstance(command, Speak):
            self._speeches.say(
                command.pcm or command.text,
                sample_rate_hz=command.sample_rate_hz,
                when_speaking=command.when_speaking,
                text=command.text,
                barge_in=command.barge_in,
                by=command.by,
            )
            return
        if isinstance(command, NameVoice):
            self._name_voice(command)
            return
        if isinstance(command, MarkTopic):
            self._mark_topic(command)
            return
        if isinstance(command, ExcludeParticipant):
            who, start = command.participant_id, command.since_start
            self._context.exclusions.exclude(
                who, since_start=start, by=command.by, own_wish=command.own_wish
            )
            return
        if isinstance(command, IncludeParticipant):
            self._context.exclusions.include(command.participant_id, by=command.by)
            return
        if isinstance(command, InterruptSpeech):
            self._speeches.interrupt_all("interrupted")
            return
        if isinstance(command, PauseRecording):
            life.recording.pause()
        else:
            life.recording.resume()
        life.follow_recording()

    def _mark_topic(self, command: MarkTopic) -> None:
        topic = one_line(command.topic)
        if not topic or len(topic) > TOPIC_CHARS:
            raise CommandRefused(
                f"A topic is a line of 1 to {TOPIC_CHARS} characters; this one has {len(topic)}."
            )
        self._context.record(TopicMarked(topic=topic, by=command.by))

    async def _ask(self, command: Command) -> None:
        with trio.CancelScope() as scope:
            self._in_hand.add(scope)
            try:
                if isinstance(command, AnswerPerson):
                    await self._answer_person(command)
                elif isinstance(command, Reconnect):
                    await self._reconnect(command)
                else:
                    async with self._one_at_a_time:
                        self._check_in_call(command)
                        await self._ask_call(command)
            finally:
                self._in_hand.discard(scope)
        if scope.cancelled_caught:
            raise CommandFailed(
                f"The command {command.type!r} was not done: the bot is leaving and gave it up."
            )

    async def _answer_person(self, command: AnswerPerson) -> None:
        """Pass on what a person says: it waits for no other command."""
        call, what = self._life.call, self._life.person_needed
        if self._life.ending.reason is not None or call is None or what is None:
            state = (self._life.state or State.REQUESTED).value
            raise CommandRefused(
                f"Nobody is asked to do anything just now: the bot is {state}.",
                "It asks by the event `person.needed`, and only where it was told to wait for one.",
            )
        await call.answer_person(command.answer)
        answered = PersonAnswered(what=what, answer=command.answer, by=command.by)
        self._context.record(answered)

    async def _reconnect(self, command: Reconnect) -> None:
        """Pass on where the meeting is now: it waits for no other command, and for no admission."""
        call = self._life.call
        if self._life.ending.reason is not None or call is None:
            state = (self._life.state or State.REQUESTED).value
            raise CommandRefused(f"The bot is {state}: it has no call that could go on elsewhere.")
        await call.reconnect(command.url)

    def _check_in_call(self, command: Command) -> None:
        state = self._life.state
        if state not in IN_CALL:
            raise CommandRefused(
                f"The bot is {(state or State.REQUESTED).value}, not in the call: "
                f"it cannot {command.type.replace('_', ' ')} now."
            )

    def _can(self, call: Call, capability: Capability) -> bool:
        return capability in self._platform.capabilities & call.capabilities

    async def _ask_call(self, command: Command) -> None:
        call = self._life.call
        capability = _NEEDS.get(type(command))
        if isinstance(command, SendChat) and command.to is not None:
            capability = Capability.SEND_DIRECT_CHAT
        if call is None or capability is None or not self._can(call, capability):
            raise CapabilityMissing(self._platform.name, capability or command.type)
        match command:
            case SendChat():
                await self._send_chat(call, command)
            case ShowImage():
                await call.show_image(command.image, command.media_type)
            case ShowPage():
                await call.show_page(command.url)
            case HidePicture():
                await call.hide_picture()
            case ShareImage():
                await call.share_image(command.image, command.media_type)
            case SharePage():
                await call.share_page(command.url)
            case StopSharing():
                await call.stop_sharing()

    async def _send_chat(self, call: Call, command: SendChat) -> None:
        if not command.text.strip():
            raise CommandRefused("A message without a text cannot be sent.")
        to = None if command.to is None else self._context.roster.recipient(command.to)
        if to is None:
            await call.send_chat(command.text)
        else:
            await call.send_direct_chat(command.text, to)
        if not self._can(call, Capability.READ_CHAT):
            self._life.chat_sent(command.text, to)
