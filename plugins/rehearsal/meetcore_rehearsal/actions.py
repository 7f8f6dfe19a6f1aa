"""What members of a room do, and how a browser's JSON message becomes such an action."""

from __future__ import annotations

import json
import re
from typing import Any

from attrs import frozen

__all__ = [
    "Action",
    "Admit",
    "Arrive",
    "BadMessage",
    "Deny",
    "Depart",
    "EndForAll",
    "Relay",
    "Remove",
    "Report",
    "Say",
    "SetCamera",
    "SetMuted",
    "SetSpeaking",
    "read_action",
]

MAX_TEXT = 4_000
WANTED_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class BadMessage(ValueError):
    """A message no client of ours sends; its text says what is wrong with it."""


@frozen
class Action:
    """Root of all actions."""


@frozen(kw_only=True)
class Arrive(Action):
    """Somebody opened a connection and said who they are."""

    member_id: str
    name: str
    passcode: str | None = None
    host_key: str | None = None
    cast_key: str | None = None
    wants_host: bool = False
    muted: bool = False
    camera: bool = False
    is_bot: bool = False
    colour: str = "#5f6b7a"
    wanted_id: str | None = None


@frozen
class Admit(Action):
    """A host lets somebody in."""

    by: str
    member_id: str


@frozen
class Deny(Action):
    """A host sends somebody in the waiting room away."""

    by: str
    member_id: str


@frozen
class Depart(Action):
    """Somebody left, or their connection is gone."""

    by: str


@frozen
class Remove(Action):
    """A host removes somebody from the call."""

    by: str
    member_id: str


@frozen
class EndForAll(Action):
    """A host ends the meeting."""

    by: str


@frozen
class Say(Action):
    """A chat message, to everybody or to one member alone."""

    by: str
    text: str
    to: str | None = None


@frozen
class SetMuted(Action):
    """Microphone off or on."""

    by: str
    muted: bool


@frozen
class SetCamera(Action):
    """Camera on or off."""

    by: str
    on: bool


@frozen
class SetSpeaking(Action):
    """Somebody's own page hears them speak, or no longer does."""

    by: str
    speaking: bool


@frozen
class Relay(Action):
    """WebRTC signalling from one member to another; the room does not look into it."""

    by: str
    to: str
    data: dict[str, Any]


@frozen
class Report(Action):
    """The cast tells its director what it did; no business of the room."""

    by: str
    data: dict[str, Any]


def read_action(text: str | bytes, member_id: str, *, arrived: bool) -> Action:
    """Read one message of a client.

    Args:
        text: The WebSocket message.
        member_id: Who sent it.
        arrived: Whether this client has said hello already.

    Raises:
        BadMessage: It is not JSON, of an unknown type, out of order, or a field is wrong.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadMessage("a message is a JSON object") from error
    if not isinstance(data, dict):
        raise BadMessage("a message is a JSON object")
    kind = data.get("type")
    if (kind == "hello") == arrived:
        raise BadMessage("say hello once, first")
    read = _Fields(data)
    match kind:
        case "hello":
            return _arrive(read, member_id)
        case "admit":
            return Admit(member_id, read.text("id"))
        case "deny":
            return Deny(member_id, read.text("id"))
        case "remove":
            return Remove(member_id, read.text("id"))
        case "leave":
            return Depart(member_id)
        case "end":
            return EndForAll(member_id)
        case "chat":
            return Say(member_id, read.text("text"), read.maybe_text("to"))
        case "muted":
            return SetMuted(member_id, read.flag("muted"))
        case "camera":
            return SetCamera(member_id, read.flag("on"))
        case "speaking":
            return SetSpeaking(member_id, read.flag("speaking"))
        case "signal":
            return Relay(member_id, read.text("to"), read.mapping("data"))
        case "report":
            return Report(member_id, read.mapping("data"))
        case _:
            raise BadMessage(f"nobody knows messages of type {str(kind)[:40]!r}")


def _arrive(read: _Fields, member_id: str) -> Arrive:
    colour, wanted = read.maybe_text("colour"), read.maybe_text("wanted_id")
    return Arrive(
        member_id=member_id,
        name=read.text("name"),
        passcode=read.maybe_text("passcode"),
        host_key=read.maybe_text("host_key"),
        cast_key=read.maybe_text("cast_key"),
        wants_host=read.flag("host", False),
        muted=read.flag("muted", False),
        camera=read.flag("camera", False),
        is_bot=read.flag("bot", False),
        colour=colour if colour and COLOUR.fullmatch(colour) else "#5f6b7a",
        wanted_id=wanted if wanted and WANTED_ID.fullmatch(wanted) else None,
    )


@frozen
class _Fields:
    data: dict[str, Any]

    def text(self, key: str) -> str:
        value = self.data.get(key)
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise BadMessage(f"{key!r} has to be text of at most {MAX_TEXT} characters")
        return value

    def maybe_text(self, key: str) -> str | None:
        return None if self.data.get(key) is None else self.text(key)

    def flag(self, key: str, default: bool | None = None) -> bool:
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            raise BadMessage(f"{key!r} has to be true or false")
        return value

    def mapping(self, key: str) -> dict[str, Any]:
        value = self.data.get(key)
        if not isinstance(value, dict):
            raise BadMessage(f"{key!r} has to be an object")
        return value
