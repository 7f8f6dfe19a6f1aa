"""A bot's own account for a stand-in's meeting, as a person would have signed it in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore import RosterSeen
from meetcore_browser.guest.identities import Identity, IdentityStore
from meetcore_browser.testing import KeepingCallEvents, until

__all__ = ["ACCOUNT_NAME", "own_name_in_list", "sign_in"]

ACCOUNT_NAME = "Protokoll Contoso"


def sign_in(monkeypatch: pytest.MonkeyPatch, folder: Path, platform: str) -> dict[str, Any]:
    """Keep an account that is shown as `ACCOUNT_NAME`; return the options that use it."""
    monkeypatch.setenv("MEETCORE_IDENTITIES", str(folder / "identities"))
    monkeypatch.setenv("MEETCORE_IDENTITY_KEY_FILE", str(folder / "key"))
    state: dict[str, Any] = {"cookies": [], "origins": []}
    IdentityStore().save(Identity("notes-bot", platform, state, shown_as=ACCOUNT_NAME))
    return {"identity": "notes-bot"}


async def own_name_in_list(events: KeepingCallEvents) -> str:
    """Return the name of who is the bot in the newest list of people, once somebody is."""
    found: list[str] = []

    def listed() -> bool:
        lists = [each for each in events.signals if isinstance(each, RosterSeen)]
        found[:] = [each.name for each in lists[-1].participants if each.is_self] if lists else []
        return bool(found)

    await until(listed)
    [name] = found
    return name
