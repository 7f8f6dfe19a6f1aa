"""What happens in a room: who waits, who is in, who may do what. Pure: actions in, messages out.

A room is a frozen value. `decide(room, action)` returns the next room and what to tell whom;
nothing here waits, sends or knows a socket, so every rule can be tried without a server.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import Any

from attrs import evolve, field, frozen

from meetcore_rehearsal.actions import (
    Action,
    Admit,
    Arrive,
    Deny,
    Depart,
    EndForAll,
    Relay,
    Remove,
    Say,
    SetCamera,
    SetMuted,
    SetSpeaking,
)

__all__ = ["Decision", "Dismiss", "Effect", "Member", "Room", "RoomMessage", "Tell", "decide"]

MAX_NAME = 80
MAX_CHAT_TEXT = 2_000
MAX_CHAT_KEPT = 300
MAX_MEMBERS = 40

Message = dict[str, Any]


@frozen(kw_only=True)
class Member:
    """Somebody in the waiting room or in the room.

    Attributes:
        id: Given by the server, stable for one attendance.
        name: As typed by the person.
        host: May admit, deny, remove and end.
        inside: False while in the waiting room.
        muted: Microphone off.
        camera: Camera on.
        speaking: The speaking indicator.
        is_bot: Shown as a bot; whoever comes says so of themselves.
        scripted: Played by the cast; such members have no connection to each other.
        colour: Colour of the avatar.
    """

    id: str
    name: str
    host: bool = False
    inside: bool = False
    muted: bool = False
    camera: bool = False
    speaking: bool = False
    is_bot: bool = False
    scripted: bool = False
    colour: str = "#5f6b7a"

    def card(self) -> Message:
        """What others get to know."""
        return {
            "id": self.id,
            "name": self.name,
            "host": self.host,
            "muted": self.muted,
            "camera": self.camera,
            "speaking": self.speaking,
            "bot": self.is_bot,
            "scripted": self.scripted,
            "colour": self.colour,
        }


@frozen
class RoomMessage:
    """A chat message as it stands in the room; `to` is for whom alone, None for everybody."""

    id: str
    sender_id: str
    sender_name: str
    text: str
    to: Member | None = None

    def card(self) -> Message:
        """What goes over the wire."""
        card = {"id": self.id, "from": self.sender_id, "name": self.sender_name, "text": self.text}
        return card if self.to is None else {**card, "to": self.to.id, "to_name": self.to.name}


@frozen
class Tell:
    """Send a message to one member."""

    to: str
    message: Message


@frozen
class Dismiss:
    """Send a last message to somebody who is no member any more, then close the connection."""

    to: str
    message: Message


Effect = Tell | Dismiss


@frozen(kw_only=True)
class Room:
    """One room.

    Attributes:
        id: Part of the link.
        title: Shown to people.
        host_key: Who brings it is a host and needs neither passcode nor admission.
        cast_key: Who brings it is one of the cast.
        passcode: What guests must know, None for nothing.
        waiting_room: Whether guests wait for a host.
        closes_at_end: Whether the room stays shut after a host ended the meeting.
        closed: Whether it is shut.
        members: Who waits or is in, in the order of arrival.
        chat: The newest messages to everybody, oldest first.
        messages: How many messages there ever were.
    """

    id: str
    title: str = "Rehearsal"
    host_key: str = field(repr=False)
    cast_key: str = field(repr=False)
    passcode: str | None = field(default=None, repr=False)
    waiting_room: bool = True
    closes_at_end: bool = False
    closed: bool = False
    members: Mapping[str, Member] = field(factory=dict)
    chat: tuple[RoomMessage, ...] = ()
    messages: int = 0

    @property
    def inside(self) -> tuple[Member, ...]:
        """Who is in the call."""
        return tuple(member for member in self.members.values() if member.inside)

    @property
    def waiting(self) -> tuple[Member, ...]:
        """Who is in the waiting room."""
        return tuple(member for member in self.members.values() if not member.inside)

    @property
    def hosts(self) -> tuple[Member, ...]:
        """Hosts in the call."""
        return tuple(member for member in self.inside if member.host)

    def host_inside(self, member_id: str) -> bool:
        """Tell whether this id is a host in the call."""
        member = self.members.get(member_id)
        return member is not None and member.inside and member.host


Decision = tuple[Room, tuple[Effect, ...]]


@singledispatch
def decide(action: Action, room: Room) -> Decision:
    """Return the room after the action and what to tell whom.

    An action that its actor may not do, or that comes too late, changes nothing.
    """
    raise TypeError(f"{type(action).__name__} is no action of a room")


@decide.register
def _(action: Arrive, room: Room) -> Decision:
    name = " ".join(action.name.split())[:MAX_NAME]
    scripted = _same(action.cast_key, room.cast_key)
    host = (scripted and action.wants_host) or _same(action.host_key, room.host_key)
    refusal = None
    if action.member_id in room.members:
        refusal = "already_here"
    elif room.closed:
        refusal = "ended"
    elif not name:
        refusal = "name_missing"
    elif len(room.members) >= MAX_MEMBERS:
        refusal = "full"
    elif not (host or scripted or room.passcode is None or _same(action.passcode, room.passcode)):
        refusal = "wrong_passcode"
    if refusal:
        return room, (Dismiss(action.member_id, {"type": "refused", "reason": refusal}),)
    member = Member(
        id=action.member_id,
        name=name,
        host=host,
        muted=action.muted,
        camera=action.camera,
        is_bot=action.is_bot,
        scripted=scripted,
        colour=action.colour,
    )
    room = evolve(room, members={**room.members, member.id: member})
    if host or scripted or not room.waiting_room:
        return _enter(room, member)
    waiting: Message = {"type": "waiting", "you": member.id, "title": room.title}
    return room, (Tell(member.id, waiting), *_knocks(room))


@decide.register
def _(action: Admit, room: Room) -> Decision:
    guest = room.members.get(action.member_id)
    if not room.host_inside(action.by) or guest is None or guest.inside:
        return room, ()
    room, effects = _enter(room, guest)
    return room, (*effects, *_knocks(room))


@decide.register
def _(action: Deny, room: Room) -> Decision:
    guest = room.members.get(action.member_id)
    if not room.host_inside(action.by) or guest is None or guest.inside:
        return room, ()
    room = _without(room, guest.id)
    return room, (Dismiss(guest.id, {"type": "denied"}), *_knocks(room))


@decide.register
def _(action: Depart, room: Room) -> Decision:
    member = room.members.get(action.by)
    if member is None:
        return room, ()
    room = _without(room, member.id)
    if not member.inside:
        return room, _knocks(room)
    return room, _to_all(room, {"type": "left", "id": member.id})


@decide.register
def _(action: Remove, room: Room) -> Decision:
    member = room.members.get(action.member_id)
    if not room.host_inside(action.by) or member is None or not member.inside:
        return room, ()
    if member.id == action.by:
        return room, ()
    room = _without(room, member.id)
    return room, (
        Dismiss(member.id, {"type": "removed"}),
        *_to_all(room, {"type": "left", "id": member.id}),
    )


@decide.register
def _(action: EndForAll, room: Room) -> Decision:
    if not room.host_inside(action.by):
        return room, ()
    message: Message = {"type": "ended", "by": room.members[action.by].name}
    effects = tuple(Dismiss(member_id, message) for member_id in room.members)
    return evolve(room, members={}, chat=(), closed=room.closes_at_end), effects


@decide.register
def _(action: Say, room: Room) -> Decision:
    sender = room.members.get(action.by)
    text = action.text.strip()[:MAX_CHAT_TEXT]
    if sender is None or not sender.inside or not text:
        return room, ()
    number = f"m{room.messages + 1}"
    if action.to is not None:
        receiver = room.members.get(action.to)
        if receiver is None or not receiver.inside or receiver.id == sender.id:
            return room, ()
        alone = RoomMessage(number, sender.id, sender.name, text, receiver)
        message: Message = {"type": "chat", "message": alone.card()}
        return evolve(room, messages=room.messages + 1), _tell((sender, receiver), message)
    said = RoomMessage(number, sender.id, sender.name, text)
    room = evolve(room, chat=(*room.chat, said)[-MAX_CHAT_KEPT:], messages=room.messages + 1)
    return room, _to_all(room, {"type": "chat", "message": said.card()})


@decide.register
def _(action: SetMuted, room: Room) -> Decision:
    member = room.members.get(action.by)
    if member is None:
        return room, ()
    speaking = member.speaking and not action.muted
    return _change(room, evolve(member, muted=action.muted, speaking=speaking))


@decide.register
def _(action: SetCamera, room: Room) -> Decision:
    member = room.members.get(action.by)
    return (room, ()) if member is None else _change(room, evolve(member, camera=action.on))


@decide.register
def _(action: SetSpeaking, room: Room) -> Decision:
    member = room.members.get(action.by)
    if member is None or not member.inside or member.speaking == action.speaking:
        return room, ()
    room = _with(room, evolve(member, speaking=action.speaking))
    message: Message = {"type": "speaking", "id": member.id, "speaking": action.speaking}
    return room, _to_all(room, message)


@decide.register
def _(action: Relay, room: Room) -> Decision:
    sender, receiver = room.members.get(action.by), room.members.get(action.to)
    if sender is None or receiver is None or not (sender.inside and receiver.inside):
        return room, ()
    return room, (Tell(receiver.id, {"type": "signal", "from": sender.id, "data": action.data}),)


def _enter(room: Room, member: Member) -> Decision:
    member = evolve(member, inside=True)
    others = [other for other in room.inside if other.id != member.id]
    room = _with(room, member)
    admitted: Message = {
        "type": "admitted",
        "you": member.id,
        "title": room.title,
        "people": [member.card(), *(other.card() for other in others)],
        "chat": [message.card() for message in room.chat],
        "knocks": _knocking(room) if member.host else [],
    }
    joined: Message = {"type": "joined", "person": member.card()}
    return room, (Tell(member.id, admitted), *(Tell(other.id, joined) for other in others))


def _change(room: Room, changed: Member) -> Decision:
    if room.members[changed.id] == changed:
        return room, ()
    room = _with(room, changed)
    if not changed.inside:
        return room, ()
    return room, _to_all(room, {"type": "changed", "person": changed.card()})


def _with(room: Room, member: Member) -> Room:
    return evolve(room, members={**room.members, member.id: member})


def _without(room: Room, member_id: str) -> Room:
    return evolve(room, members={k: v for k, v in room.members.items() if k != member_id})


def _to_all(room: Room, message: Message) -> tuple[Tell, ...]:
    return tuple(Tell(member.id, message) for member in room.inside)


def _knocking(room: Room) -> list[Message]:
    return [{"id": member.id, "name": member.name} for member in room.waiting]


def _knocks(room: Room) -> tuple[Tell, ...]:
    return _tell(room.hosts, {"type": "knocks", "people": _knocking(room)})


def _tell(members: Iterable[Member], message: Message) -> tuple[Tell, ...]:
    return tuple(Tell(member.id, message) for member in members)


def _same(given: str | None, wanted: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())
