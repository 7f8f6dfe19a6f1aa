"""Which selector pack a platform uses: the one that came with it, or a newer one, installed later.

A pack is loaded from a file on this machine, and from nowhere else.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from meetcore.log import make_private_folder, private_file
from meetcore_browser.errors import SelectorPackInvalid
from meetcore_browser.selectors import SelectorPack

__all__ = [
    "ENV_NAME",
    "ChosenPack",
    "choose_pack",
    "install_pack",
    "packs_folder",
    "version_of",
]

ENV_NAME = "MEETCORE_SELECTORS"

log = logging.getLogger(__name__)


@frozen
class ChosenPack:
    """A pack, and why it was taken.

    Attributes:
        pack: The pack.
        path: Its file.
        why: `option`, `installed` or `built in`.
    """

    pack: SelectorPack
    path: Path
    why: str


def packs_folder(env: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """Return where installed packs are: `$MEETCORE_SELECTORS`, or a folder of the user's."""
    env = os.environ if env is None else env
    if given := env.get(ENV_NAME):
        return Path(given)
    home = Path(env.get("HOME") or env.get("USERPROFILE") or ".")
    if platform == "darwin":
        base = home / "Library" / "Application Support"
    elif platform == "win32":
        base = Path(env.get("LOCALAPPDATA") or home)
    else:
        base = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "meetcore" / "selectors"


def choose_pack(platform: str, built_in: Path, given: str | None = None) -> ChosenPack:
    """Return the pack that a person named; else the newer of the installed and the built-in one.

    An installed pack that cannot be read is passed over, with a warning: a bot goes with the one
    that came with it.

    Raises:
        SelectorPackInvalid: The pack that was named cannot be used.
    """
    if given is not None:
        path = Path(given).expanduser()
        return ChosenPack(_of(platform, path), path, "option")
    ours = ChosenPack(_of(platform, built_in), built_in, "built in")
    path = packs_folder() / f"{platform}.toml"
    if not path.is_file():
        return ours
    try:
        newer = ChosenPack(_of(platform, path), path, "installed")
    except SelectorPackInvalid as error:
        log.warning("The installed selector pack is passed over: %s", error)
        return ours
    return newer if version_of(newer.pack) > version_of(ours.pack) else ours


def _of(platform: str, path: Path) -> SelectorPack:
    pack = SelectorPack.load(path)
    if pack.about is None:
        raise SelectorPackInvalid(f"{path} has no [pack].", "Say for which platform it is.")
    if pack.about.platform != platform:
        raise SelectorPackInvalid(
            f"{path} is for the platform {pack.about.platform!r}, not for {platform!r}."
        )
    return pack


def version_of(pack: SelectorPack) -> tuple[str, int]:
    """Return what tells the newer of two packs: its date, then the number behind it."""
    date, _, number = (pack.about.version if pack.about else "").partition(".")
    return date, int(number or 0)


def install_pack(path: Path, platform: str) -> Path:
    """Put a pack where the platform finds it; return its file.

    Raises:
        SelectorPackInvalid: It is none, or for another platform.
    """
    _of(platform, path)
    folder = packs_folder()
    make_private_folder(folder)
    target = folder / f"{platform}.toml"
    part = private_file(folder / f"{platform}.toml.part")
    part.write_bytes(path.read_bytes())
    part.replace(target)
    return target
