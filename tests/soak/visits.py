"""The kinds of visit: what a room is like, what happens in it, how a bot has to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, field, frozen

import meetcore
from meetcore import AutomaticLeave, State
from tests.standins.site import StandinRoom, StandinSite, serve_standin

__all__ = ["PLATFORMS", "VISITS", "Site", "Visit", "served_sites"]

STANDINS = Path(__file__).parents[1] / "standins"
WAIT_S = 60.0
KNOCKED_S = 5.5
"""A denial that comes sooner is taken for the platform's own."""


@frozen
class Visit:
    """One kind of visit.

    Attributes:
        platform: Whose stand-in.
        about: What happens, in words.
        reasons: How it may end.
        switches: What the room is like.
        acts: What the host does, in order: `knocked`, `inside` and `wait` wait, `stop` is the
            bot's own, `cut` and `mend` are the network's, the rest goes to the page.
        leave: Leave rules, other than usual.
        kills: Whether the browser is killed in the call.
        shows: What the journal has to hold, as a step's name.
        options: Further options of the platform.
    """

    platform: str
    about: str
    reasons: tuple[str, ...]
    switches: Mapping[str, Any] = field(factory=dict)
    acts: Sequence[str] = ()
    leave: Mapping[str, float] = field(factory=dict)
    kills: bool = False
    shows: str = ""
    options: Mapping[str, Any] = field(factory=dict)

    @property
    def cuts(self) -> bool:
        """Whether the network is cut in the call."""
        return "cut" in self.acts

    def __str__(self) -> str:
        return f"{self.platform}: {self.about}"

    @property
    def leave_rules(self) -> AutomaticLeave:
        """Long ones, but for those that this visit is about."""
        usual = {"waiting_room_s": 60.0, "nobody_joined_s": 60.0, "everyone_left_s": 60.0}
        return AutomaticLeave(**{**usual, **self.leave})

    async def play(self, bot: meetcore.Bot, room: StandinRoom) -> None:
        """Do what happens, as the bot comes to it."""
        for act in self.acts:
            if act == "knocked":
                await _until(bot, {State.AWAITING_ADMISSION})
            elif act == "inside":
                await _until(bot, meetcore.IN_CALL)
            elif act == "wait":
                await trio.sleep(KNOCKED_S)
            elif act == "stop":
                await bot.stop()
            elif act == "cut":
                room.cut()
            elif act == "mend":
                room.mend()
            else:
                what, more = PLATFORMS[self.platform].acts.get(act, (act, {}))
                room.tell(what, **more)


async def _until(bot: meetcore.Bot, states: frozenset[State] | set[State]) -> None:
    with trio.fail_after(WAIT_S):
        while bot.state not in states:  # noqa: ASYNC110 (it is what a person would do)
            await trio.sleep(0.1)


@frozen
class Platform:
    """What is particular to one platform's stand-in.

    Attributes:
        link: The form of its links; `{room}` is the id of the room.
        room_id: The form of its rooms' ids, of a number.
        options: The platform's options.
        switches: What every room is like.
        acts: What acts are called there, and what goes with them.
    """

    link: str
    room_id: Callable[[int], str]
    options: Mapping[str, Any]
    switches: Mapping[str, Any]
    acts: Mapping[str, tuple[str, dict[str, Any]]]


def _code(number: int) -> str:
    letters = "".join(chr(97 + number // 26**place % 26) for place in range(10))
    return f"{letters[:3]}-{letters[3:7]}-{letters[7:]}"


PLATFORMS = {
    "teams": Platform(
        "https://teams.microsoft.com/meet/{room}",
        "9{:012d}".format,
        {"loading_limit_s": 1.0, "attempts": 1, "roster_every_s": 2.0},
        {},
        {
            "ada": ("joins", {"id": "ada", "name": "Ada", "hz": 440, "source": 11}),
            "ada leaves": ("leaves", {"id": "ada"}),
        },
    ),
    "meet": Platform(
        "https://meet.google.com/{room}",
        _code,
        {"attempts": 1},
        {"people": [], "sync_ms": 1000},
        {
            "ada": ("joins", {"id": "ada", "name": "Ada", "tone": 440}),
            "ada leaves": ("leaves", {"id": "ada"}),
        },
    ),
    "zoom": Platform(
        "https://us02web.zoom.us/j/{room}",
        "9{:09d}".format,
        {"attempts": 1, "host_wait_s": 2.0},
        {"joining_ms": 100},
        {
            "ada": ("join", {"who": "a", "name": "Ada"}),
            "ada leaves": ("leave", {"who": "a"}),
        },
    ),
}


@define
class Site:
    """One platform's stand-in, as it is served."""

    served: StandinSite
    platform: Platform
    _rooms: int = 0

    def open_room(self, visit: Visit) -> tuple[str, StandinRoom]:
        """Open a room of its own for a visit; return its link as well."""
        self._rooms += 1
        room_id = self.platform.room_id(self._rooms)
        room = self.served.room(room_id, **{**self.platform.switches, **visit.switches})
        return self.platform.link.format(room=room_id), room

    def options(self, visit: Visit) -> dict[str, Any]:
        """Return the platform's options that lead to the stand-in."""
        return {"origin": self.served.origin, **self.platform.options, **visit.options}


@contextmanager
def served_sites() -> Iterator[dict[str, Site]]:
    """Serve every stand-in."""
    with ExitStack() as stack:
        yield {
            name: Site(stack.enter_context(serve_standin(STANDINS / name)), platform)
            for name, platform in PLATFORMS.items()
        }


def _everywhere(platform: str, opened: Mapping[str, Any]) -> list[Visit]:
    """Return the visits that go the same way on every platform.

    Args:
        platform: The platform.
        opened: The switches of a room without a lobby.
    """
    return [
        Visit(platform, "admitted, stopped", ("stop_requested",),
              acts=("knocked", "admit", "inside", "stop")),
        Visit(platform, "the meeting ends", ("meeting_ended",), opened,
              ("inside", "ada", "wait", "end")),
        Visit(platform, "removed", ("removed",), opened, ("inside", "remove")),
        Visit(platform, "denied by the host", ("denied",), acts=("knocked", "wait", "deny")),
        Visit(platform, "turned away at once", ("bot_blocked", "denied"),
              acts=("knocked", "deny")),
        Visit(platform, "nobody answers", ("admission_timeout",), leave={"waiting_room_s": 2.0}),
        Visit(platform, "nobody comes", ("nobody_joined",), opened,
              leave={"nobody_joined_s": 2.0}),
        Visit(platform, "everybody leaves", ("everyone_left",), opened,
              ("inside", "ada", "wait", "ada leaves"), {"everyone_left_s": 1.0}),
        Visit(platform, "it has been long enough", ("max_duration",), opened,
              leave={"max_duration_s": 4.0}),
        Visit(platform, "stopped in the lobby", ("stop_requested",), acts=("knocked", "stop")),
        Visit(platform, "nobody speaks", ("silence",), opened, ("inside", "ada"),
              leave={"silence_s": 3.0}),
        Visit(platform, "the network is cut", ("connection_lost",), {**opened, "lost_ms": 1500},
              ("inside", "ada", "cut")),
        Visit(platform, "the network is away for a moment", ("stop_requested",),
              {**opened, "lost_ms": 30000},
              ("inside", "ada", "cut", "wait", "mend", "wait", "stop"),
              shows="" if platform == "teams" else "page: reconnecting"),
        Visit(platform, "the browser dies", ("connection_lost", "crashed"), opened,
              ("inside", "ada"), kills=True),
    ]  # fmt: skip


# fmt: off
VISITS: list[Visit] = [
    *_everywhere("teams", {"open": True}),
    Visit("teams", "too early", ("meeting_not_started",), {"wall": "early"}),
    Visit("teams", "sign in", ("sign_in_required",), {"wall": "sign_in"}),
    Visit("teams", "encrypted", ("client_never_loaded",), {"wall": "encrypted"}),
    Visit("teams", "captcha", ("captcha_required",), {"wall": "captcha", "wall_after": True}),
    Visit("teams", "a client that does not load", ("client_never_loaded",),
          {"loading": "forever"}),
    Visit("teams", "not there", ("meeting_not_found",), {"wall": "bad_url"}),
    *_everywhere("meet", {"lobby": False}),
    Visit("meet", "not there", ("meeting_not_found",), {"not_found": True}),
    Visit("meet", "nobody answered", ("admission_timeout",), {"lobby_limit_ms": 1500}),
    Visit("meet", "captcha", ("captcha_required",), acts=("knocked", "captcha")),
    *_everywhere("zoom", {"waiting_room": False}),
    Visit("zoom", "locked", ("meeting_locked",), {"locked": True}),
    Visit("zoom", "full", ("meeting_full",), {"full": True}),
    Visit("zoom", "not there", ("meeting_not_found", "meeting_not_started"), {"invalid": True}),
    Visit("zoom", "a passcode that nobody has", ("wrong_passcode",), {"passcode": "x1"}),
    Visit("zoom", "captcha", ("captcha_required",), {"captcha": True}),
    Visit("zoom", "bots are not wanted", ("bot_blocked",), {"wall": "bots"}),
    Visit("zoom", "bots are to take another way", ("official_api_required",), {"wall": "rtms"}),
    Visit("zoom", "sign in", ("sign_in_required",), {"sign_in": "text"}),
    Visit("meet", "a page that nobody knows", ("client_never_loaded",), acts=("knocked", "unknown"),
          options={"unknown_limit_s": 3.0}),
]
# fmt: on
