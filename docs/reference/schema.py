"""The JSON Schema of events and drafts, made from their classes."""

from __future__ import annotations

import inspect
import json
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from meetcore.model.drafts import DRAFT_TYPES, Draft
from meetcore.model.events import EVENT_TYPES, Event, UnknownEvent

__all__ = ["events_schema"]

_PLAIN: dict[object, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    object: {},
    Any: {},
    datetime: {"type": "string", "format": "date-time"},
}
_COUNT = {"type": "integer", "minimum": 0}


def events_schema() -> str:
    """Return the schema as JSON text.

    It says what a reader can rely on. Types and fields that it does not know may come from a later
    version and are to be passed over: it allows them.
    """
    known = {name: cls for name, cls in EVENT_TYPES.items() if cls is not UnknownEvent}
    shared: dict[str, Any] = {}
    cases = [_case(name, cls, shared) for name, cls in sorted({**known, **DRAFT_TYPES}.items())]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events and drafts of meetcore",
        "description": "One event or draft: a line of a journal, a message on a socket, the body "
        "of a webhook. Types and fields that are not listed are to be passed over.",
        "type": "object",
        "required": ["type", "bot_id", "at", "meeting_s", "data"],
        "properties": {
            "type": {"type": "string"},
            "bot_id": {"type": "string"},
            "seq": {**_COUNT, "description": "Of an event: its number, from 1 without a gap."},
            "after_seq": {**_COUNT, "description": "Of a draft: the event it stands after."},
            "at": _PLAIN[datetime],
            "meeting_s": {"type": ["number", "null"]},
            "data": {"type": "object"},
            "crc": {"type": "string", "description": "In a journal: the line's checksum."},
        },
        "allOf": cases,
        "$defs": {name: shared[name] for name in sorted(shared)},
    }
    return json.dumps(schema, indent=1)


def _case(name: str, cls: type[Event | Draft], shared: dict[str, Any]) -> dict[str, Any]:
    root = Event if issubclass(cls, Event) else Draft
    envelope = {field.name for field in attrs.fields(root)}
    data = _object(cls, shared, without=envelope)
    number = "seq" if root is Event else "after_seq"
    return {
        "if": {"required": ["type"], "properties": {"type": {"const": name}}},
        "then": {"required": [number], "properties": {"data": data}},
    }


def _object(
    cls: type, shared: dict[str, Any], without: set[str] | frozenset[str] = frozenset()
) -> dict[str, Any]:
    fields = [each for each in attrs.fields(attrs.resolve_types(cls)) if each.name not in without]
    about = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    schema: dict[str, Any] = {"type": "object", "description": about}
    schema["properties"] = {each.name: _of(each.type, shared) for each in fields}
    # A field with a default may have been added later: an old journal does not have it.
    schema["required"] = [each.name for each in fields if each.default is attrs.NOTHING]
    return schema


def _of(wanted: Any, shared: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field's type; classes and enumerations go to `shared`."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        return {"anyOf": [_of(each, shared) for each in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0], shared)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], shared)}
    if wanted in _PLAIN:
        return _PLAIN[wanted]
    if wanted.__name__ not in shared:
        shared[wanted.__name__] = {}
        shared[wanted.__name__] = (
            {"enum": [each.value for each in wanted]}
            if issubclass(wanted, Enum)
            else _object(wanted, shared)
        )
    return {"$ref": f"#/$defs/{wanted.__name__}"}
