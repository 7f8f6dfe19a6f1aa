"""A person at the terminal says that what the page wanted of them is done, or that nobody will."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import trio

from meetcore.bot.bot import Bot
from meetcore.model.commands import AnswerPerson, PersonAnswer
from meetcore.model.errors import MeetcoreError
from meetcore.model.events import PersonAskedFor

__all__ = ["ASK", "can_answer", "take_answers"]

ASK = "Press Enter once it is done, or type 'give up' and Enter."
_ANSWERS = {
    "": PersonAnswer.DONE,
    "done": PersonAnswer.DONE,
    "give up": PersonAnswer.GIVE_UP,
    "give_up": PersonAnswer.GIVE_UP,
}
_MOST_BYTES = 4096


def can_answer(terminal: TextIO | None = None) -> bool:
    """Whether somebody can type here."""
    terminal = terminal or sys.stdin
    return sys.platform != "win32" and terminal is not None and terminal.isatty()


async def take_answers(bot: Bot, terminal: TextIO | None = None) -> None:
    """Read lines while a person is asked for; returns when the bot has ended.

    Args:
        bot: The bot.
        terminal: Where they are typed; standard input by default.
    """
    file = (terminal or sys.stdin).fileno()
    async with trio.open_nursery() as nursery:
        scope: trio.CancelScope | None = None
        async for event in bot.events():
            if not isinstance(event, PersonAskedFor):
                continue
            if event.needed:
                print(ASK, file=sys.stderr)
                if scope is None:
                    scope = trio.CancelScope()
                    nursery.start_soon(_read, bot, file, scope)
            elif scope is not None:
                scope.cancel()
                scope = None
        nursery.cancel_scope.cancel()


async def _read(bot: Bot, file: int, scope: trio.CancelScope) -> None:
    """Take one line after the other; a terminal gives them whole."""
    with scope:
        while True:
            await trio.lowlevel.wait_readable(file)
            try:
                typed = os.read(file, _MOST_BYTES)
            except OSError:  # the terminal is gone
                return
            if not typed:
                return
            for line in typed.decode("utf-8", "replace").splitlines():
                await _answer(bot, line)


async def _answer(bot: Bot, line: str) -> None:
    answer = _ANSWERS.get(" ".join(line.lower().split()))
    if answer is None:
        print(ASK, file=sys.stderr)
        return
    try:
        await bot.perform(AnswerPerson(answer, by="terminal"))
    except MeetcoreError as error:
        print(error, file=sys.stderr)
