"""How a bot begins: the first two entries of its journal, and a greeting once it is in the call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime

from meetcore.log.journal import Journal
from meetcore.model.commands import Command, SendChat
from meetcore.model.config import BotConfig
from meetcore.model.errors import CommandFailed, CommandRefused, JournalError
from meetcore.model.events import BotRequested, Event, StateChanged
from meetcore.model.lifecycle import State, check_transition
from meetcore.model.meeting import MeetingLink
from meetcore.model.version import __version__

__all__ = ["FORMAT", "begin", "greet", "head_of"]

FORMAT = 1
"""The format of the journals that this version writes. Those before the first release have 0."""


def head_of(
    link: MeetingLink,
    config: BotConfig,
    *,
    transcriber: str | None,
    sinks: Sequence[str],
    scheduled_for: datetime | None,
) -> tuple[BotRequested, StateChanged]:
    """Return the two events that a bot's log begins with."""
    state = State.SCHEDULED if scheduled_for else State.REQUESTED
    check_transition(None, state)
    requested = BotRequested(
        platform=link.platform,
        native_id=link.native_id,
        public_url=link.public_url,
        display_name=config.name,
        transcriber=transcriber,
        sinks=tuple(sinks),
        scheduled_for=scheduled_for,
        metadata=dict(config.metadata),
        kept="nothing" if config.retention.keep == "nothing" else "all",
        meetcore_version=__version__,
        format=FORMAT,
    )
    return requested, StateChanged(state=state)


def begin(journal: Journal, head: Sequence[Event]) -> State:
    """Write that a bot was asked for; return the state it begins in. The one writer of a head.

    A journal that holds just that already is taken up: whoever takes orders writes them down
    before they are answered, and another process may run the bot.

    Raises:
        JournalError: The bot of this journal has been under way before.
    """
    last = journal.last_event
    if isinstance(last, StateChanged) and last.state in (State.SCHEDULED, State.REQUESTED):
        return last.state
    if last is not None and not isinstance(last, BotRequested):
        journal.close()
        raise JournalError(
            f"The journal {journal.path} is that of a bot that has been under way.",
            "Send a new bot.",
        )
    for event in head if last is None else head[1:]:  # whoever wrote the first may have been killed
        last = journal.append(event)
    assert isinstance(last, StateChanged)
    return last.state


async def greet(
    events: AsyncIterator[Event], perform: Callable[[Command], Awaitable[None]], text: str
) -> None:
    """Send a chat message as soon as the bot is in the call; a failure is in the journal."""
    async for event in events:
        if isinstance(event, StateChanged) and event.state is State.IN_CALL:
            try:
                await perform(SendChat(text))
            except (CommandRefused, CommandFailed):
                return  # the answer is an event, with the reason
            return
