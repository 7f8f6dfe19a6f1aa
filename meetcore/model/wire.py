"""The native JSON form of events, drafts and commands.

An event on the wire, in a webhook and in the journal alike:

    {"type": "segment.finalized", "seq": 7, "bot_id": "b-1", "at": "2026-11-20T12:00:00.123456Z",
     "meeting_s": 3.42, "data": {"segment": {...}}}

A draft has `after_seq` instead of `seq`. A command is `{"type": "send_chat", "data": {...}}`, with
an `id` if it is to be one command however often it is sent.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from enum import Enum
from types import NoneType
from typing import Any, get_args

from attrs import NOTHING, fields, resolve_types

from meetcore.model.commands import COMMAND_TYPES, Command
from meetcore.model.drafts import DRAFT_TYPES, Draft
from meetcore.model.errors import CommandInvalid, MeetcoreError, nearest
from meetcore.model.events import EVENT_TYPES, Event, UnknownEvent
from meetcore.model.plain import ENVELOPE, MISREAD, converter, parse_time

__all__ = [
    "command_from_wire",
    "command_to_wire",
    "draft_from_wire",
    "draft_to_wire",
    "event_from_wire",
    "event_to_wire",
]

LONGEST_COMMAND_ID = 200
_ASKED = ("id", "by")
_LOG = logging.getLogger("meetcore.wire")


def event_to_wire(event: Event) -> dict[str, Any]:
    """Return an event as the mapping that becomes its JSON."""
    return event.to_dict()


def draft_to_wire(draft: Draft) -> dict[str, Any]:
    """Return a draft as the mapping that becomes its JSON."""
    return draft.to_dict()


def event_from_wire(message: Mapping[str, Any]) -> Event:
    """Return the event a mapping means, written by this version, an older or a newer one.

    A field this version does not know is passed over; one whose value it does not know counts as
    not there. A type it does not know, or a known one without a field that it must have, becomes
    an `UnknownEvent`, which keeps what was written and is written again as it was.

    Raises:
        MeetcoreError: It is no event: it has no type, number, time or bot.
    """
    try:
        envelope = {
            "bot_id": message["bot_id"],
            "seq": message["seq"],
            "at": message["at"],
            "meeting_s": message["meeting_s"],
        }
        type_name, data = message["type"], message.get("data", {})
        if not isinstance(type_name, str) or not isinstance(data, Mapping):
            raise TypeError("a type is text and data is a mapping")
        cls = EVENT_TYPES.get(type_name)
        event = _structured(cls, {**data, **envelope}) if cls is not None else None
        if event is None:
            event = UnknownEvent(
                type_name=type_name,
                data=dict(data),
                bot_id=str(message["bot_id"]),
                seq=int(message["seq"]),
                at=parse_time(message["at"]),
                meeting_s=message["meeting_s"],
            )
    except MISREAD as error:
        shown = str(message)[:200]
        raise MeetcoreError(f"This does not read as an event: {shown}") from error
    return event


def _structured(cls: type[Event], data: Mapping[str, Any]) -> Event | None:
    """Return an event of a known type, as far as it can be read; None if something must be there.

    The quick way first: a meeting has tens of thousands.
    """
    try:
        return converter().structure(data, cls)
    except MISREAD:
        readable = {name: data[name] for name in data if name in ENVELOPE}
        for attribute in fields(resolve_types(cls)):
            if attribute.name not in data or attribute.name in ENVELOPE:
                continue
            try:
                converter().structure(data[attribute.name], attribute.type)
            except MISREAD:
                continue
            readable[attribute.name] = data[attribute.name]
        _LOG.warning(
            "event %s of type %s was written by another version and is read in part",
            data.get("seq"),
            cls.type,
        )
        try:
            return converter().structure(readable, cls)
        except MISREAD:
            return None


def draft_from_wire(message: Mapping[str, Any]) -> Draft:
    """Return the draft a mapping means.

    Raises:
        MeetcoreError: It is none.
    """
    try:
        cls = DRAFT_TYPES[message["type"]]
        envelope = {key: message[key] for key in ("bot_id", "at", "meeting_s", "after_seq")}
        return converter().structure({**message["data"], **envelope}, cls)
    except MISREAD as error:
        raise MeetcoreError(f"This does not read as a draft: {str(message)[:200]}") from error


def command_to_wire(command: Command) -> dict[str, Any]:
    """Return a command as the mapping that becomes its JSON."""
    data = converter().unstructure(command)
    wire = {"type": command.type, "data": data}
    for name in _ASKED:
        if value := data.pop(name):
            wire[name] = value
    return wire


def command_from_wire(message: object) -> Command:
    """Return the command a decoded JSON message means.

    Its `id` is taken if it is text; who asked is not the message's to say.

    Raises:
        CommandInvalid: It is not an object, has no known type, or not that type's fields.
    """
    if not isinstance(message, Mapping) or not isinstance(message.get("type"), str):
        raise CommandInvalid(
            "A command is a JSON object with a 'type'.",
            f"Known types: {', '.join(sorted(COMMAND_TYPES))}.",
        )
    cls = COMMAND_TYPES.get(message["type"])
    if cls is None:
        guess = nearest(message["type"], COMMAND_TYPES)
        hint = f"Did you mean {guess!r}?" if guess else ""
        raise CommandInvalid(
            f"There is no command {message['type']!r}.",
            f"{hint} Known types: {', '.join(sorted(COMMAND_TYPES))}.".strip(),
        )
    command_id = message.get("id")
    if not isinstance(command_id, str):
        command_id = ""
    if len(command_id) > LONGEST_COMMAND_ID:
        raise CommandInvalid(f"The id of a command can have {LONGEST_COMMAND_ID} characters.")
    data = _checked_data(cls, message.get("data", {}))
    try:
        return converter().structure({**data, "id": command_id}, cls)
    except MISREAD as error:
        raise CommandInvalid(f"The data of command {cls.type!r} is not what it takes.") from error


def _checked_data(cls: type[Command], data: object) -> Mapping[str, Any]:
    """Return the data of a command, each field of the kind that its class says.

    Raises:
        CommandInvalid: It lacks a field, has an unknown one, or one of another kind.
    """
    taken = {a.name: a for a in fields(resolve_types(cls)) if a.name not in _ASKED}
    takes = f"It takes {', '.join(sorted(taken)) or 'nothing'}."
    if not isinstance(data, Mapping):
        raise CommandInvalid(f"The data of command {cls.type!r} is an object.", takes)
    for name in data:
        if name not in taken:
            raise CommandInvalid(f"The data of command {cls.type!r} has no {name!r}.", takes)
    for name, attribute in taken.items():
        if name not in data:
            if attribute.default is NOTHING:
                raise CommandInvalid(f"The data of command {cls.type!r} lacks {name!r}.", takes)
        elif data[name] is not None or attribute.default is not None:
            wanted = _wanted(attribute.type, data[name])
            if wanted:
                raise CommandInvalid(f"Field {name!r} of command {cls.type!r} must be {wanted}.")
    return data


def _wanted(kind: Any, value: object) -> str:
    """Return what a field has to be, in words; empty where its value is that."""
    kinds = [each for each in get_args(kind) if each is not NoneType] or [kind]
    [kind] = kinds
    if kind is bool:
        return "" if isinstance(value, bool) else "true or false"
    if kind is int:
        right = isinstance(value, int) and not isinstance(value, bool)
        return "" if right else "a whole number"
    if not isinstance(value, str):
        return "text"
    if issubclass(kind, Enum):
        choices = [str(each.value) for each in kind]
        return "" if value in choices else f"one of {', '.join(choices)}"
    if kind is bytes:
        try:
            base64.b64decode(value, validate=True)
        except ValueError:
            return "bytes in base64"
    return ""
