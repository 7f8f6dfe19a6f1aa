"""What the plugin registers: it sees every event, and has the bot say and do what follows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import trio
from attrs import define, field

from meetcore import (
    BotConfig,
    BotView,
    ChatReceived,
    Command,
    CommandFailed,
    CommandRefused,
    EndReason,
    Event,
    ExcludeParticipant,
    HealthReport,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    PauseRecording,
    PluginEvent,
    ResumeRecording,
    RosterDegraded,
    RosterRestored,
    SendChat,
    Speak,
    State,
    StateChanged,
    Stop,
    build_options,
    hookimpl,
)
from meetcore.model import plain_name
from meetcore_consent.options import ConsentOptions
from meetcore_consent.wording import agrees, refuses

meetcore_api_version = "1.0"
_LOG = logging.getLogger("meetcore.consent")
_THERE = (State.IN_CALL, State.RECORDING, State.PAUSED)
_BY = "consent"
_BLIND_PAUSE_S, _LONGEST_PAUSE_S = 20.0, 300.0
"""How long it is not said again at least and at most, where it is not known who is there."""
_SURE_AFTER_S = 5.0
_OVER = (State.LEAVING, State.PROCESSING, State.COMPLETED, State.FAILED)


def _options(settings: Mapping[str, Any]) -> ConsentOptions | None:
    """Return how it is set; None where nobody asked for it: a table in the settings does."""
    if "consent" not in settings:
        return None
    return build_options(ConsentOptions, settings["consent"], "[plugins.consent]")


@define
class _Refusal:
    """Somebody who does not agree. Who comes back has a new id at times, so the name counts, too.

    Attributes:
        who: Their id, None where the platform does not say it.
        name: Their name, for comparing.
        gone: Whether they were seen to leave and not to come back.
    """

    who: str | None
    name: str
    gone: bool = False

    def of(self, participant_id: str | None, name: str | None) -> bool:
        """Whether it is somebody's."""
        same = participant_id is not None and participant_id == self.who
        return same or bool(self.name and self.name == plain_name(name or ""))


@define
class _WhoWasTold:
    """What is known of one bot's meeting.

    Attributes:
        told: Who was told, by id.
        told_at: When somebody was told last.
        told_blindly: How often in a row that was without knowing who is there.
        unwell: Whether it is not known who is there.
        refused: Who does not agree, and is not left out by themselves.
        paused: Whether recording was paused for them.
        gone: Whether it leaves.
    """

    options: ConsentOptions
    told: set[str] = field(factory=set)
    told_at: datetime | None = None
    told_blindly: int = 0
    unwell: bool = False
    refused: list[_Refusal] = field(factory=list)
    paused: bool = False
    gone: bool = False

    def held_by(self, bot: BotView) -> bool:
        """Whether somebody who does not agree is there, or may be."""
        return any(
            not each.gone or any(each.of(one.id, one.name) for one in bot.roster.others)
            for each in self.refused
        )


_MEETINGS: dict[str, _WhoWasTold] = {}


@hookimpl
def meetcore_configure_bot(config: BotConfig) -> None:
    """Refuse options that cannot be, before the bot starts."""
    _options(config.plugins)


@hookimpl
async def meetcore_on_event(bot: BotView, event: Event) -> None:
    """Tell whoever has not been told, and heed who does not agree."""
    if isinstance(event, StateChanged) and event.state in _OVER:
        _MEETINGS.pop(bot.id, None)
        return
    meeting = _meeting(bot)
    if meeting is None or meeting.gone:
        return
    if isinstance(event, RosterDegraded | RosterRestored):
        meeting.unwell = isinstance(event, RosterDegraded)
        meeting.told_blindly = 0
    if bot.state not in _THERE:
        return
    if isinstance(event, ChatReceived) and not event.by_bot:
        await _heed(bot, meeting, event)
    elif isinstance(event, ParticipantJoined | ParticipantUpdated):
        await _came(bot, meeting, event.participant)
    elif isinstance(event, ParticipantLeft):
        await _left(bot, meeting, event)
    elif isinstance(event, StateChanged) and event.state is State.RECORDING:
        await _hold(bot, meeting)
    if meeting.gone or isinstance(event, PluginEvent):
        return
    blindly = meeting.unwell or isinstance(event, RosterRestored)
    if isinstance(event, StateChanged) and event.state is State.RECORDING:
        blindly = blindly or meeting.told_at is None
    await _tell(bot, meeting, event.at, blindly=blindly)


def _meeting(bot: BotView) -> _WhoWasTold | None:
    """Return what is known of a bot's meeting; None where nobody is to be told."""
    if bot.id not in _MEETINGS and bot.state not in _OVER:
        options = _options(bot.config.plugins)
        if options is not None:
            _MEETINGS[bot.id] = _WhoWasTold(options)
    return _MEETINGS.get(bot.id)


async def _tell(bot: BotView, meeting: _WhoWasTold, now: datetime, *, blindly: bool) -> None:
    """Say it, if somebody is there who has not heard it, and it was not said a moment ago.

    Args:
        bot: The bot.
        meeting: What is known of its meeting.
        now: When this is.
        blindly: Whether somebody may be there of whom nothing is known.
    """
    options = meeting.options
    people = {person.id: person.name for person in bot.roster.people}
    untold = [who for who in people if who not in meeting.told]
    if not untold and not blindly:
        return
    pause_s = options.again_every_s
    if not untold:
        times = 2.0 ** max(0, min(meeting.told_blindly, 10) - 1)
        pause_s = max(pause_s, min(max(pause_s, _BLIND_PAUSE_S) * times, _LONGEST_PAUSE_S))
    if meeting.told_at is not None and now - meeting.told_at < timedelta(seconds=pause_s):
        return
    meeting.told |= set(people)
    meeting.told_at = now
    meeting.told_blindly = meeting.told_blindly + 1 if meeting.unwell else 0
    text = options.message.format(
        bot=bot.config.name, refuse=options.refuse[0], agree=options.agree[0]
    )
    if options.voice:
        await _done(bot, Speak(text=text, by=_BY))
    if await _done(bot, SendChat(text, by=_BY)):
        for who in untold:
            _report(bot, "told", who, people[who])
    elif options.unheard == "leave":
        await _leave(bot, meeting, "nobody could be told that it records")


async def _heed(bot: BotView, meeting: _WhoWasTold, message: ChatReceived) -> None:
    """Do what follows from a message that says no, or yes."""
    if _is_bots(bot, message):
        return
    who, name = message.sender_id, message.sender_name
    if refuses(message.text, meeting.options):
        _report(bot, "refused", who, name)
        await _refused(bot, meeting, who, name)
    elif agrees(message.text, meeting.options):
        _report(bot, "agreed", who, name)
        meeting.refused = [each for each in meeting.refused if not _takes_back(bot, each, message)]
        await _go_on(bot, meeting)


def _takes_back(bot: BotView, refusal: _Refusal, message: ChatReceived) -> bool:
    """Whether who writes a message is surely who refused: nobody takes back another's no."""
    same = _named(bot, message.sender_name)
    who = message.sender_id or (same[0].id if len(same) == 1 else None)
    if who is None or refusal.who == who:
        return who is not None
    came_back = len(same) == 1 and refusal.who not in bot.roster.present
    return came_back and refusal.of(who, message.sender_name)


def _named(bot: BotView, name: str) -> list[Participant]:
    return [each for each in bot.roster.others if plain_name(each.name) == plain_name(name)]


def _is_bots(bot: BotView, message: ChatReceived) -> bool:
    """Whether another bot wrote a message."""
    if message.sender_id is not None:
        known = bot.roster.known.get(message.sender_id)
        return known is not None and known.is_bot
    senders = _named(bot, message.sender_name)
    return bool(senders) and all(each.is_bot for each in senders)


async def _refused(bot: BotView, meeting: _WhoWasTold, who: str | None, name: str) -> None:
    if meeting.options.on_refusal == "exclude":
        people = [who] if who else [each.id for each in _named(bot, name)]
        commands = [
            ExcludeParticipant(each, since_start=True, own_wish=True, by=_BY) for each in people
        ]
        if commands and all([await _done(bot, each) for each in commands]):
            return
    if meeting.options.on_refusal == "leave":
        await _leave(bot, meeting, "somebody does not agree to the recording")
        return
    known = [each for each in meeting.refused if each.who == who and each.of(who, name)]
    for each in known:
        each.gone = False  # whoever says so is there
    if not known:
        meeting.refused.append(_Refusal(who, plain_name(name)))
    await _hold(bot, meeting)


async def _came(bot: BotView, meeting: _WhoWasTold, participant: Participant) -> None:
    """Record nothing again once somebody comes back who did not agree."""
    for each in meeting.refused:
        if each.of(participant.id, participant.name):
            each.gone = False
    await _hold(bot, meeting)


async def _hold(bot: BotView, meeting: _WhoWasTold) -> None:
    """Record nothing while somebody is there who does not agree, whoever said to record."""
    if bot.state is not State.RECORDING or not meeting.held_by(bot):
        return
    if await _done(bot, PauseRecording(by=_BY)):
        meeting.paused = True
    elif bot.state is State.RECORDING:
        await _leave(bot, meeting, "somebody does not agree, and recording cannot be paused")


async def _left(bot: BotView, meeting: _WhoWasTold, left: ParticipantLeft) -> None:
    """Record again some seconds after the last who did not agree has left."""
    meeting.told.discard(left.participant_id)
    theirs = [each for each in meeting.refused if each.of(left.participant_id, left.name)]
    for each in theirs:
        each.gone = True
    if theirs and meeting.paused and await _stays_so(bot, meeting, left.seq):
        await _go_on(bot, meeting)


async def _stays_so(bot: BotView, meeting: _WhoWasTold, after: int) -> bool:
    """Return whether nothing speaks against recording for some seconds: a connection may blip."""
    if meeting.held_by(bot):
        return False
    with trio.move_on_after(_SURE_AFTER_S):
        async for later in bot.events(after=after):
            if isinstance(later, ChatReceived) and refuses(later.text, meeting.options):
                return False
            if isinstance(later, StateChanged) and later.state in _OVER:
                return False
            if isinstance(later, ParticipantJoined) and meeting.held_by(bot):
                return False
    return not meeting.held_by(bot)


async def _go_on(bot: BotView, meeting: _WhoWasTold) -> None:
    if not meeting.paused or meeting.held_by(bot):
        return
    meeting.paused = False
    if bot.state is State.PAUSED:
        await _done(bot, ResumeRecording(by=_BY))


async def _leave(bot: BotView, meeting: _WhoWasTold, why: str) -> None:
    meeting.gone = True
    await _done(bot, Stop(why, EndReason.RECORDING_PERMISSION_DENIED))


async def _done(bot: BotView, command: Command) -> bool:
    """Have a bot carry out a command; return whether it did."""
    try:
        await bot.perform(command)
    except (CommandRefused, CommandFailed) as error:
        _LOG.warning("bot=%s cannot %s: %s", bot.id, command.type, error)
        return False
    return True


def _report(bot: BotView, what: str, who: str | None, name: str) -> None:
    """Have the journal say who was told, agreed or refused."""
    data = {"participant_id": who or "", "name": name}
    bot.report(PluginEvent(plugin=_BY, name=what, data=data))


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say what bots tell people, and what they do when somebody does not agree."""
    options = _options(report.config)
    if options is None:
        report.fine("people are told", "nothing: [plugins.consent] is not set")
    else:
        report.fine("people are told", f"{options.message} On a refusal: {options.on_refusal}.")
