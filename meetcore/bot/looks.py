"""Who looks at a bot's page, and who has taken it over: one person at a time, and not for ever.

A look costs the bot's browser up to half a core while its page moves, so there are few at once, and
each gives pictures only as fast as they are taken. To take over is another thing than
to look: it is asked for, it is in the journal with who it was, and it ends when it is given back,
with the look, when nothing was done for `IDLE_LIMIT_S`, and when the bot begins to leave.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from meetcore.bot.context import BotContext
from meetcore.bot.life import Life
from meetcore.log.mailbox import Wake
from meetcore.model.errors import (
    CapabilityMissing,
    CommandFailed,
    CommandRefused,
    MeetcoreError,
    NotTakenOver,
)
from meetcore.model.events import BotReleased, BotTakenOver, CommandAnswered, Event
from meetcore.model.lifecycle import State
from meetcore.model.page_input import PageInput, PagePicture, PictureFormat
from meetcore.plugin.page_view import LookIn, PageView
from meetcore.plugin.platform import Call, Capability, Platform

__all__ = ["IDLE_LIMIT_S", "MOST_LOOKS", "BotLookIn", "BotLooks"]

T = TypeVar("T")

SCREENSHOT_TIMEOUT_S = 10.0
OPEN_TIMEOUT_S = 10.0
ACT_TIMEOUT_S = 5.0
LET_GO_TIMEOUT_S = 2.0
IDLE_LIMIT_S = 120.0
"""How long whoever has taken over may do nothing before it is given back."""
MOST_LOOKS = 4
"""How many people may look at one bot at once."""


class BotLookIn(LookIn):
    """One person's look at a bot of this process. Made by `BotLooks.look_in`.

    Attributes:
        by: Who looks, as far as known.
        view: The page as its platform shows it.
    """

    def __init__(self, looks: BotLooks, view: PageView, by: str) -> None:
        self._looks = looks
        self.view = view
        self.by = by

    async def next_picture(self) -> PagePicture:
        """Return a picture that was not given before; waits until there is one."""
        return await self._looks.while_there(self.view.next_picture)

    async def take_over(self) -> None:
        """Have mouse and keyboard from now on."""
        await self._looks.take_over(self)

    async def release(self) -> None:
        """Give mouse and keyboard back."""
        await self._looks.give_back(self, "released")

    async def act(self, what: PageInput) -> None:
        """Do something in the page; at most 5 s."""
        await self._looks.act(self, what)


class BotLooks:
    """Takes screenshots of one bot's page, lets people look at it and, one at a time, act in it.

    Args:
        context: The bot's records.
        life: Its state and its call.
        platform: What it can do at best.
    """

    def __init__(self, context: BotContext, life: Life, platform: Platform) -> None:
        self._context = context
        self._life = life
        self._platform = platform
        self._open = 0
        self._waiting: set[trio.CancelScope] = set()
        self._acting: BotLookIn | None = None
        self._changing = trio.Lock()
        self._changed = Wake()
        self._since = 0.0
        self._idle_at = 0.0

    # --- pictures -----------------------------------------------------------------------

    async def screenshot(self, picture_format: PictureFormat, *, by: str = "") -> PagePicture:
        """Return a picture of the page, and note who asked; at most 10 s.

        Raises:
            CommandRefused: There is no page now, or (`CapabilityMissing`) not on this platform.
            CommandFailed: The page gave none, or not in time.
        """
        error: MeetcoreError | None = CommandFailed("Whoever asked for a screenshot went away.")
        try:
            picture = await self.picture(picture_format)
            error = None
        except MeetcoreError as trouble:
            error = trouble
            raise
        finally:
            self._note("screenshot", by, error)
        return picture

    async def picture(self, picture_format: PictureFormat) -> PagePicture:
        """Return a picture of the page, noted nowhere; raises as `screenshot` does."""
        call = self._call_that_can(Capability.SCREENSHOT)
        return await _in_words(
            call.screenshot, picture_format, name="screenshot", within_s=SCREENSHOT_TIMEOUT_S
        )

    def _call_that_can(self, capability: Capability) -> Call:
        name, life = self._platform.name, self._life
        if capability not in self._platform.capabilities:
            raise CapabilityMissing(name, capability)
        if life.call is None:
            state = (life.state or State.REQUESTED).value
            raise CommandRefused(f"The bot is {state}: it has no page to be seen now.")
        if capability not in life.call.capabilities:
            raise CapabilityMissing(name, capability)
        return life.call

    def _note(self, command: str, by: str, error: MeetcoreError | None) -> None:
        said = str(error) if error else None
        self._record(CommandAnswered(command=command, ok=error is None, error=said, by=by))

    def _record(self, event: Event) -> None:
        if not self._life.ended and not self._context.journal.closed:
            self._context.record(event)

    # --- looking in ---------------------------------------------------------------------

    @asynccontextmanager
    async def look_in(self, *, by: str = "") -> AsyncIterator[BotLookIn]:
        """Let a person look at the page; on exit nothing more is made for them.

        Args:
            by: Who looks, for the journal.

        Raises:
            CommandRefused: There is no page now, as many look as may, or (`CapabilityMissing`)
                there is none on this platform.
            CommandFailed: The page cannot be looked at, or not within 10 s.
        """
        opened = False
        try:
            async with self._view() as view:
                opened = True
                self._note("look_in", by, None)
                look = BotLookIn(self, view, by)
                try:
                    yield look
                finally:
                    with trio.CancelScope(shield=True):
                        await self.give_back(look, "gone")
        except MeetcoreError as error:
            if not opened:
                self._note("look_in", by, error)
            raise

    @asynccontextmanager
    async def _view(self) -> AsyncIterator[PageView]:
        """Hold one of the few views there may be; what is wrong in opening it is a typed error."""
        call = self._call_that_can(Capability.LOOK_IN)
        if self._open >= MOST_LOOKS:
            raise CommandRefused(
                f"{MOST_LOOKS} people look at this bot already.", "Try again when one has gone."
            )
        self._open += 1
        opened = False
        try:
            with trio.CancelScope(deadline=trio.current_time() + OPEN_TIMEOUT_S) as opening:
                async with call.open_view() as view:
                    opening.deadline = float("inf")
                    opened = True
                    yield view
            if opening.cancelled_caught:
                raise CommandFailed(f"The page could not be shown within {OPEN_TIMEOUT_S:g} s.")
        except MeetcoreError:
            raise
        except Exception as trouble:
            if opened:
                raise
            said = f"{type(trouble).__name__}: {trouble}"
            raise CommandFailed(f"The page cannot be shown: {said}.") from trouble
        finally:
            self._open -= 1

    async def while_there(self, show: Callable[[], Awaitable[PagePicture]]) -> PagePicture:
        """Return the next picture, or raise `CommandFailed` once there is no page any more."""
        if self._life.call is not None:
            with trio.CancelScope() as scope:
                self._waiting.add(scope)
                try:
                    return await _in_words(show, name="look_in")
                finally:
                    self._waiting.discard(scope)
        raise CommandFailed("The bot has left: its page is closed.")

    def end(self) -> None:
        """End all looks: the call is over."""
        self.leave()
        for scope in self._waiting:
            scope.cancel()

    # --- taking over --------------------------------------------------------------------

    async def run(self) -> None:
        """Give back what nobody uses any more; runs until cancelled."""
        while True:
            idle_s = self._idle_at - trio.current_time()
            if self._acting is None:
                await self._changed.wait()
            elif idle_s > 0:
                with trio.move_on_after(idle_s):
                    await self._changed.wait()
            else:
                await self.give_back(self._acting, "idle")

    async def take_over(self, look: BotLookIn) -> None:
        """Let the person of a look act from now on.

        Raises:
            CommandRefused: Somebody else does, or the bot is leaving.
        """
        async with self._changing:
            call = self._life.call
            if call is None or self._life.ending.reason is not None:
                raise CommandRefused("The bot is leaving: it cannot be taken over any more.")
            if self._acting is not None and self._acting is not look:
                raise CommandRefused(
                    "Somebody else has taken this bot over.",
                    f"Wait until it is given back: {IDLE_LIMIT_S:g} s without input at the latest.",
                )
            self._idle_at = trio.current_time() + IDLE_LIMIT_S
            if self._acting is None:
                self._acting, self._since = look, trio.current_time()
                call.person_acts(acting=True)
                self._count_without(acting=True)
                self._record(BotTakenOver(by=look.by))
                self._changed.set()

    async def act(self, look: BotLookIn, what: PageInput) -> None:
        """Do something for the person who has taken over.

        Raises:
            NotTakenOver: It is somebody who has not, or no more.
            CommandFailed: The page does not take it, or not in time.
        """
        if self._acting is not look:
            raise NotTakenOver
        self._idle_at = trio.current_time() + IDLE_LIMIT_S
        await _in_words(look.view.act, what, name="input", within_s=ACT_TIMEOUT_S)

    async def give_back(self, look: BotLookIn, cause: str) -> None:
        """Have mouse and keyboard be the bot's own again, if they are the look's.

        Args:
            look: Whose they may be.
            cause: Why, in a word: `released`, `gone`, `idle`.
        """
        async with self._changing:
            if self._acting is not look:
                await trio.lowlevel.checkpoint()
                return
            self._told_released(cause)
            try:
                with trio.move_on_after(LET_GO_TIMEOUT_S):
                    await look.view.let_go()
            finally:
                self._hands_back()

    def leave(self) -> None:
        """Have them be the bot's own at once: it begins to leave."""
        if self._acting is not None:
            self._told_released("leaving")
            self._hands_back()

    def _told_released(self, cause: str) -> None:
        look, self._acting = self._acting, None
        assert look is not None
        lasted_s = round(trio.current_time() - self._since, 3)
        self._record(BotReleased(by=look.by, cause=cause, lasted_s=lasted_s))
        self._changed.set()

    def _hands_back(self) -> None:
        self._count_without(acting=False)
        if self._life.call is not None:
            self._life.call.person_acts(acting=False)

    def _count_without(self, *, acting: bool) -> None:
        """Have the limits of joining stand still while a person acts."""
        self._context.leave_rules.person_acts(acting=acting, now=trio.current_time())
        self._context.rules_changed()


async def _in_words(
    do: Callable[..., Awaitable[T]], *args: object, name: str, within_s: float = float("inf")
) -> T:
    """Have a platform do something; whatever goes wrong is a typed error.

    Raises:
        MeetcoreError: Its own, as it is.
        CommandFailed: Anything else, and where it takes longer.
    """
    try:
        with trio.fail_after(within_s):
            return await do(*args)
    except trio.TooSlowError as slow:
        raise CommandFailed(f"The {_said(name)} was not done within {within_s:g} s.") from slow
    except MeetcoreError:
        raise
    except Exception as trouble:
        said = f"{type(trouble).__name__}: {trouble}"
        raise CommandFailed(f"The {_said(name)} failed: {said}.") from trouble


def _said(name: str) -> str:
    return name.replace("_", " ")
