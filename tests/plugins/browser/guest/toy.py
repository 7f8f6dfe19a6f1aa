"""A made-up web client in one page, and its joiner: what the kit for guests is tried on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from meetcore import CommandFailed, MeetingLink
from meetcore_browser.guest.joiner import Guest, GuestJoiner
from meetcore_browser.guest.look import PageLook
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import SelectorPack

__all__ = ["HERE", "PACK", "ToyJoiner"]

HERE = Path(__file__).parent
PACK = HERE / "toy.toml"


class ToyJoiner(GuestJoiner):
    """Joins the page in `toy.html`."""

    name: ClassVar[str] = "toy"
    readers: ClassVar[Path] = HERE / "toy_readers.js"
    hints: ClassVar[Mapping[PageState, str]] = {PageState.WAITING: "The host must press 'Let in'."}
    chat_limit: ClassVar[int] = 40
    refused_within_s: ClassVar[float | None] = 5.0

    def __init__(self, options: GuestOptions | None = None) -> None:
        super().__init__(options or GuestOptions(), SelectorPack.load(PACK))

    def address(self, link: MeetingLink) -> str:
        return link.url

    async def advance(self, guest: Guest, state: PageState, look: PageLook) -> None:
        if state is PageState.PRE_JOIN:
            await guest.page.fill("name_field", guest.request.display_name)
            guest.note("press join", await guest.page.click("join_button"))
            guest.knocked()

    async def leave(self, guest: Guest, state: PageState) -> None:
        await guest.page.press("leave_button")

    async def send_chat(self, guest: Guest, text: str) -> None:
        if text == "forbidden":
            raise CommandFailed("not that")
        await guest.page.fill("chat_field", text)
        await guest.page.key("chat_field", "Enter")
