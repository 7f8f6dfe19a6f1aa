"""The cast: a Chromium of its own whose one page plays all people of a meeting script."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from meetcore.testing import Decision, EndHow, Script
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.nursery import open_plain_nursery
from meetcore_rehearsal.errors import CastFailed
from meetcore_rehearsal.room import Room
from meetcore_rehearsal.site import Site

__all__ = ["MEDIA_FEATURES_OFF", "MEDIA_SWITCHES", "Cast", "open_cast"]

READY_TIMEOUT_S = 40.0

MEDIA_FEATURES_OFF = ("WebRtcHideLocalIpsWithMdns",)
"""With hidden addresses two browsers find each other through mDNS only, which needs a network."""

MEDIA_SWITCHES = ("--allow-loopback-in-peer-connection",)
"""Chromium leaves the loopback interface out of WebRTC, and it may be the only one there is."""


class Cast:
    """The scripted people as they are seen from the host process.

    Attributes:
        script: What they play.
        clock_started_at: When the script clock was 0, in seconds since the epoch; None before.
        line_starts: When each line really began, by its index in `script.lines`, likewise.
        troubles: What went wrong on the cast's page.
        browser_pid: Process id of their browser.
        ready: Set when everybody who is there from the start is in the room.
        started: Set when the script clock has started.
        ended: Set when the script's end was reached.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.clock_started_at: float | None = None
        self.line_starts: dict[int, float] = {}
        self.troubles: list[str] = []
        self.browser_pid: int | None = None
        self.ready = trio.Event()
        self.started = trio.Event()
        self.ended = trio.Event()

    def reported(self, data: dict[str, Any]) -> None:
        """Take a report of the cast's page."""
        match data:
            case {"event": "ready"}:
                self.ready.set()
            case {"event": "clock", "wall_ms": float() | int() as wall_ms}:
                self.clock_started_at = wall_ms / 1000
                self.started.set()
            case {"event": "line", "index": int() as index, "wall_ms": float() | int() as wall_ms}:
                self.line_starts[index] = wall_ms / 1000
            case {"event": "end"}:
                self.ended.set()
            case {"event": "trouble", "detail": str() as detail}:
                self.troubles.append(detail)


def check_playable(script: Script) -> None:
    """Raise unless a cast can play the script.

    Raises:
        CastFailed: Nobody is there from the start, or it takes a host and there is none.
    """
    if not any(person.joins_s == 0 for person in script.people):
        raise CastFailed(
            f"Nobody is there at the start of {script.title!r}.",
            "At least one person needs joins_s = 0, which is the default.",
        )
    asks = script.waiting_room and script.admission.decision is not Decision.IGNORE
    ends = script.end is not None and script.end.how is not EndHow.EVERYONE_LEAVES
    if (asks or ends or script.kicks) and script.host is None:
        raise CastFailed(
            f"The script {script.title!r} needs a host, and none of its people is one.",
            "Give one of them host = true.",
        )


@asynccontextmanager
async def open_cast(
    site: Site, room: Room, cast: Cast, *, headed: bool = False
) -> AsyncIterator[None]:
    """Have the cast come into the room; on exit they and their browser are gone.

    Args:
        site: Where the room is; the caller hands its reports to `cast.reported`.
        room: The room.
        cast: Whom to play.
        headed: Whether their browser is visible.

    Raises:
        CastFailed: They did not come in time, or their browser broke off.
        ChromiumMissing: There is no Chromium on this machine.
    """
    check_playable(cast.script)
    folder = f"/cast/{secrets.token_urlsafe(12)}"
    url = site.serve_extra(f"{folder}/index.html", site.static("cast.html"))
    site.serve_extra(f"{folder}/script.json", _score(site, room, cast.script, folder, headed))
    options = LaunchOptions(
        headed=headed, disabled_features=MEDIA_FEATURES_OFF, arguments=MEDIA_SWITCHES
    )
    async with open_browser(options) as browser, open_plain_nursery() as nursery:
        cast.browser_pid = browser.pid
        nursery.start_soon(_watch, browser)
        page = await browser.call(browser.raw.new_page)
        await browser.call(page.goto, url)
        with trio.move_on_after(READY_TIMEOUT_S):
            await cast.ready.wait()
        if not cast.ready.is_set():
            detail = "; ".join(cast.troubles) or "no word from their page"
            raise CastFailed(f"The cast did not come within {READY_TIMEOUT_S:g} s: {detail}.")
        yield
        nursery.cancel_scope.cancel()


async def _watch(browser: Browser) -> None:
    error = await browser.wait_lost()
    raise CastFailed(f"The cast's browser broke off: {error.message}", error.remedy) from error


def _score(site: Site, room: Room, script: Script, folder: str, shown: bool) -> bytes:
    """Return what the cast's page needs to know of the script."""
    lines = []
    for index, line in enumerate(script.lines):
        audio = None
        if line.audio is not None:
            audio = f"{folder}/{index}.wav"
            site.serve_extra(audio, line.audio)
        entry = {"index": index, "who": line.who, "at_s": line.at_s, "audio": audio}
        lines.append({**entry, "duration_s": line.duration_s})
    by = script.host.id if script.host else None
    admission = script.admission
    score = {
        "room": room.id,
        "cast_key": room.cast_key,
        "seed": script.seed,
        "shown": shown,
        "admission": {"decision": admission.decision, "after_s": admission.after_s, "by": by},
        "people": [
            {
                "id": person.id,
                "name": person.name,
                "host": person.host,
                "is_bot": person.is_bot,
                "colour": person.colour,
                "joins_s": person.joins_s,
                "leaves_s": person.leaves_s,
                "rejoins_s": person.rejoins_s,
            }
            for person in script.people
        ],
        "lines": lines,
        "chat": [
            {"who": c.who, "at_s": c.at_s, "text": c.text, "to_bot": c.to_bot} for c in script.chat
        ],
        "mutes": [{"who": m.who, "at_s": m.at_s, "until_s": m.until_s} for m in script.mutes],
        "shares": [{"who": s.who, "at_s": s.at_s, "until_s": s.until_s} for s in script.shares],
        "kicks": [{"who": k.who, "at_s": k.at_s} for k in script.kicks],
        "end": None if script.end is None else {"at_s": script.end.at_s, "how": script.end.how},
    }
    return json.dumps(score).encode()
