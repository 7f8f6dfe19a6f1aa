"""Looking at a bot's page over a bus: the bot's side, and that of whoever looks.

A bus carries questions and answers. So a look has a name that whoever looks made up, each picture
is asked for, and a look of which nothing is heard for a while is over: whoever had it went away
without a word. Pictures are let go of as soon as they were sent; a question that is repeated
because its answer got lost finds none, and the next one is asked for.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import trio
from attrs import define, field

from meetcore.bot.bot import Bot
from meetcore.model.errors import CommandFailed, CommandRefused, MeetcoreError
from meetcore.model.page_input import (
    PageInput,
    PagePicture,
    PictureFormat,
    page_input_from_wire,
    page_input_to_wire,
)
from meetcore.plugin.page_view import LookIn

__all__ = ["BusLookIn", "BusLooks", "looking_over_bus", "picture_from_answer"]

NEXT_WITHIN_S = 5.0
"""How long a question for a picture is kept open; a page that stands still has none."""
FORGOTTEN_AFTER_S = 15.0
_MOST = 16

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def _picture_of(picture: PagePicture) -> dict[str, Any]:
    return {
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
        "image": base64.b64encode(picture.image).decode(),
    }


def picture_from_answer(answer: dict[str, Any]) -> PagePicture | None:
    """Return the picture in an answer, None where there is none.

    Raises:
        CommandFailed: The answer is not one.
    """
    about = answer.get("picture")
    if about is None:
        return None
    try:
        image = base64.b64decode(about["image"], validate=True)
        return PagePicture(
            image=image,
            media_type=str(about["media_type"]),
            width=int(about["width"]),
            height=int(about["height"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CommandFailed("The bot's answer is no picture.") from error


# --- the bot's side -----------------------------------------------------------------------------


@define(eq=False)
class _HeldLook:
    look: LookIn | None = None
    error: MeetcoreError | None = None
    opened: trio.Event = field(factory=trio.Event)
    scope: trio.CancelScope = field(factory=trio.CancelScope)

    def heard(self) -> None:
        """Take it that whoever looks is there still."""
        self.scope.deadline = trio.current_time() + FORGOTTEN_AFTER_S


class BusLooks:
    """Answers what is asked of a bot's page.

    Args:
        bot: The bot.
    """

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._held: dict[str, _HeldLook] = {}

    async def obey(self, asked: dict[str, Any], nursery: trio.Nursery) -> dict[str, Any]:
        """Do what is asked; return what the answer has besides.

        Args:
            asked: It has a `screenshot`, or a `look` and what to `do`.
            nursery: For looks, which last.

        Raises:
            MeetcoreError: As the bot has it, or there is no such look (any more).
        """
        by = str(asked.get("by", ""))
        if "screenshot" in asked:
            picture = await self._bot.screenshot(PictureFormat(asked["screenshot"]), by=by)
            return {"picture": _picture_of(picture)}
        name, do = str(asked["look"]), asked["do"]
        if do == "open":
            await self._open(name, by, nursery)
            return {}
        held = self._held.get(name)
        if held is None or held.look is None:
            raise CommandRefused("That look is over: nothing was heard of it for a while.")
        held.heard()
        return await self._do(held, held.look, do, asked)

    async def _open(self, name: str, by: str, nursery: trio.Nursery) -> None:
        if len(self._held) >= _MOST:
            raise CommandRefused("So many look at this bot already.", "Try again in a moment.")
        held = self._held[name] = _HeldLook()
        held.heard()
        nursery.start_soon(self._hold, name, held, by)
        await held.opened.wait()
        if held.error is not None:
            raise held.error

    async def _hold(self, name: str, held: _HeldLook, by: str) -> None:
        try:
            with held.scope:
                async with self._bot.look_in(by=by) as held.look:
                    held.opened.set()
                    await trio.sleep_forever()
        except MeetcoreError as error:
            held.error = error
        finally:
            del self._held[name]
            held.opened.set()

    @staticmethod
    async def _do(
        held: _HeldLook, look: LookIn, do: object, asked: dict[str, Any]
    ) -> dict[str, Any]:
        if do == "next":
            try:
                with trio.move_on_after(NEXT_WITHIN_S):
                    return {"picture": _picture_of(await look.next_picture())}
            except MeetcoreError:
                held.scope.cancel()  # the page is gone, and with it the look
                raise
            return {}
        if do == "take_over":
            await look.take_over()
        elif do == "release":
            await look.release()
        elif do == "act":
            await look.act(page_input_from_wire(asked.get("input")))
        elif do == "close":
            held.scope.cancel()
        else:
            raise CommandRefused("The bot's version of meetcore does not know what that asks.")
        return {}


# --- the side of whoever looks ------------------------------------------------------------------


class BusLookIn(LookIn):
    """One person's look at a bot of another machine. Made by `looking_over_bus`.

    Args:
        ask: Asks the bot something; its errors are raised.
        name: The look's.
    """

    def __init__(self, ask: Ask, name: str) -> None:
        self._ask = ask
        self._name = name

    async def next_picture(self) -> PagePicture:
        """Return a picture that was not given before; waits until there is one."""
        while True:
            picture = picture_from_answer(await self._ask({"look": self._name, "do": "next"}))
            if picture is not None:
                return picture

    async def take_over(self) -> None:
        """Have mouse and keyboard from now on."""
        await self._ask({"look": self._name, "do": "take_over"})

    async def release(self) -> None:
        """Give mouse and keyboard back."""
        await self._ask({"look": self._name, "do": "release"})

    async def act(self, what: PageInput) -> None:
        """Do something in the page."""
        await self._ask({"look": self._name, "do": "act", "input": page_input_to_wire(what)})


@asynccontextmanager
async def looking_over_bus(
    ask: Ask, by: str, *, close: Callable[[dict[str, Any]], None]
) -> AsyncIterator[BusLookIn]:
    """Hold a look at a bot of another machine.

    Args:
        ask: Asks the bot something; its errors are raised.
        by: Who looks.
        close: Has the bot told of the end, without waiting for an answer.

    Raises:
        CommandRefused, CommandFailed: As `Bot.look_in`, or the bot does not answer.
    """
    name = uuid4().hex
    try:
        await ask({"look": name, "do": "open", "by": by})
        yield BusLookIn(ask, name)
    finally:
        with suppress(MeetcoreError):
            close({"look": name, "do": "close"})
