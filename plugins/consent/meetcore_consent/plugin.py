"""What the plugin registers: it sees every event, and has the bot say and do what follows."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

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
    ParticipantLeft,
    PauseRecording,
    ResumeRecording,
    SendChat,
    Speak,
    State,
    StateChanged,
    Stop,
    build_options,
    hookimpl,
)
from meetcore_consent.options import ConsentOptions

meetcore_api_version = "1.0"
_LOG = logging.getLogger("meetcore.consent")
_THERE = (State.IN_CALL, State.RECORDING, State.PAUSED)
_OVER = (State.LEAVING, State.PROCESSING, State.COMPLETED, State.FAILED)


def _options(settings: Mapping[str, Any]) -> ConsentOptions | None:
    """Return how it is set; None where nobody asked for it: a table in the settings does."""
    if "consent" not in settings:
        return None
    return build_options(ConsentOptions, settings["consent"], "[plugins.consent]")


@define
class _WhoWasTold:
    """What is known of one bot's meeting.

    Attributes:
        told: Who was told, by id.
        told_at: When somebody was told last.
        refused: Who does not agree, by id, or by name where there is none.
        paused: Whether recording was paused for them.
    """

    options: ConsentOptions
    told: set[str] = field(factory=set)
    told_at: datetime | None = None
    refused: set[str] = field(factory=set)
    paused: bool = False
    gone: bool = False


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
    if bot.state not in _THERE:
        return
    meeting = _MEETINGS.get(bot.id)
    if meeting is None:
        options = _options(bot.config.plugins)
        if options is None:
            return
        meeting = _MEETINGS[bot.id] = _WhoWasTold(options)
    if meeting.gone:
        return
    if isinstance(event, ChatReceived) and not event.by_bot:
        await _heed(bot, meeting, event)
    elif isinstance(event, ParticipantLeft):
        await _go_on_without(bot, meeting, event)
    await _tell(bot, meeting, event.at)


async def _tell(bot: BotView, meeting: _WhoWasTold, now: datetime) -> None:
    """Say it, if somebody is there who has not heard it, and it was not said a moment ago."""
    people = {person.id for person in bot.roster.people}
    if not people - meeting.told:
        return
    pause = timedelta(seconds=meeting.options.again_every_s)
    if meeting.told_at is not None and now - meeting.told_at < pause:
        return
    meeting.told |= people
    meeting.told_at = now
    text = meeting.options.message.format(bot=bot.config.name, refuse=meeting.options.refuse[0])
    if meeting.options.voice:
        await _done(bot, Speak(text=text))
    if not await _done(bot, SendChat(text)) and meeting.options.unheard == "leave":
        await _leave(bot, meeting, "nobody could be told that it records")


async def _heed(bot: BotView, meeting: _WhoWasTold, message: ChatReceived) -> None:
    """Do what follows from a message that says no."""
    if not any(_says(message.text, phrase) for phrase in meeting.options.refuse):
        return
    meeting.refused.add(message.sender_id or message.sender_name)
    if meeting.options.on_refusal == "exclude":
        who = message.sender_id
        if who and await _done(bot, ExcludeParticipant(who, since_start=True, by="consent")):
            return
    if meeting.options.on_refusal == "leave":
        await _leave(bot, meeting, "somebody does not agree to the recording")
    elif bot.state is not State.PAUSED and await _done(bot, PauseRecording()):
        meeting.paused = True
    elif bot.state is not State.PAUSED:
        await _leave(bot, meeting, "somebody does not agree, and recording cannot be paused")


async def _go_on_without(bot: BotView, meeting: _WhoWasTold, left: ParticipantLeft) -> None:
    """Record again when the last who did not agree has left."""
    meeting.told.discard(left.participant_id)
    if not meeting.refused:
        return
    meeting.refused -= {left.participant_id, left.name or ""}
    if meeting.paused and not meeting.refused and await _done(bot, ResumeRecording()):
        meeting.paused = False


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


def _says(text: str, phrase: str) -> bool:
    words = r"\W+".join(re.escape(word) for word in phrase.replace("’", "'").split())
    return re.search(rf"(?<!\w){words}(?!\w)", text.replace("’", "'"), re.IGNORECASE) is not None


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say what bots tell people, and what they do when somebody does not agree."""
    options = _options(report.config)
    if options is None:
        report.fine("people are told", "nothing: [plugins.consent] is not set")
    else:
        report.fine("people are told", f"{options.message} On a refusal: {options.on_refusal}.")
