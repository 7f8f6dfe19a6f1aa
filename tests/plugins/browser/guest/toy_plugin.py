"""The made-up web client as a platform in one file, for the commands that go by platform."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import meetcore
from meetcore import MeetingLink
from meetcore_browser.guest.guest_platform import GuestPlatform
from meetcore_browser.guest.joiner import GuestJoiner
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.selectors import SelectorPack

HERE = Path(__file__).parent


class ToyPlatform(GuestPlatform[GuestOptions]):
    name: ClassVar[str] = "toy"
    sign_in_url: ClassVar[str] = "http://127.0.0.1:9/"
    pack_file: ClassVar[Path] = HERE / "toy.toml"
    readers: ClassVar[Path] = HERE / "toy_readers.js"

    def parse(self, url: str) -> MeetingLink | None:
        if not url.startswith("toy:"):
            return None
        return MeetingLink(platform="toy", native_id=url[4:], url=url)

    def make_joiner(self, pack: SelectorPack) -> GuestJoiner:
        raise AssertionError("no bot goes here")


@meetcore.hookimpl
def meetcore_register_platforms(register) -> None:
    register(ToyPlatform)
