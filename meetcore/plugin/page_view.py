"""Looking at a bot's page while it attends, and acting in it: what a platform gives, what one gets.

A platform that has a page gives a `PageView` for each person who looks (`Call.open_view`). Whoever
looks has a `LookIn`, wherever the bot runs: the core lets one person at a time act, and only as
long as they do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from meetcore.model.page_input import PageInput, PagePicture

__all__ = ["LookIn", "PageView"]


class PageView(ABC):
    """One person's sight of a page, as its platform gives it."""

    @abstractmethod
    async def next_picture(self) -> PagePicture:
        """Return a picture that was not given before, as JPEG; waits until there is one.

        That this is called is what makes pictures: whoever is slow gets fewer, and a page that does
        not change gives none. No deadline of its own.

        Raises:
            CommandFailed: The page is gone.
        """

    @abstractmethod
    async def act(self, what: PageInput) -> None:
        """Do something in the page; the caller sets the deadline.

        Raises:
            CommandRefused: There is no such key.
            CommandFailed: The page does not take it.
        """

    @abstractmethod
    async def let_go(self) -> None:
        """Let go of every key and button that is still held; never raises for a page that is gone.

        The caller sets the deadline.
        """


class LookIn(ABC):
    """One person's look at a bot's page: pictures, and taking over."""

    @abstractmethod
    async def next_picture(self) -> PagePicture:
        """Return a picture that was not given before, as JPEG; waits until there is one.

        No deadline of its own.

        Raises:
            CommandFailed: The page is gone, or the bot has ended.
        """

    @abstractmethod
    async def take_over(self) -> None:
        """Have mouse and keyboard from now on, until `release`, the end of the look, or idleness.

        The bot keeps its own hands still meanwhile. Whoever has it already has it still.

        Raises:
            CommandRefused: Somebody else has, or the bot is leaving.
            CommandFailed: It was not done in time.
        """

    @abstractmethod
    async def release(self) -> None:
        """Give mouse and keyboard back; does nothing where one does not have them.

        Raises:
            CommandFailed: It was not done in time, or the page is gone.
        """

    @abstractmethod
    async def act(self, what: PageInput) -> None:
        """Do something in the page; at most 5 s.

        Raises:
            NotTakenOver: One has not taken over, or no more.
            CommandRefused: It cannot be done.
            CommandFailed: The page does not take it, or not in time.
        """
