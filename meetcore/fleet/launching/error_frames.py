"""Typed errors between processes: the same class with the same fields on the other side.

An error is sent as its classes (its own first, then what it derives from), its words and its
fields. The other side takes the first of these classes that it knows, so an error of a plugin that
is loaded on one side only arrives as what it derives from. Nothing is imported for a name that came
over the wire: what is not there already is not known.
"""

from __future__ import annotations

import sys
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

import attrs

from meetcore.model.errors import MeetcoreError

__all__ = ["error_from_wire", "error_to_wire"]

_OUR_OWN = ("message", "remedy")
_KIND = "$"


def error_to_wire(error: MeetcoreError | None) -> dict[str, Any] | None:
    """Return an error as plain data; None for none."""
    if error is None:
        return None
    classes = [_name(each) for each in type(error).__mro__ if issubclass(each, MeetcoreError)]
    fields = {name: _plain(value) for name, value in vars(error).items() if name not in _OUR_OWN}
    return {
        "classes": classes,
        "message": error.message,
        "remedy": error.remedy,
        "fields": {name: value for name, value in fields.items() if value is not _CANNOT},
    }


def error_from_wire(wire: dict[str, Any] | None) -> MeetcoreError | None:
    """Return the error that was sent."""
    if wire is None:
        return None
    found: type[MeetcoreError] = MeetcoreError
    for name in wire["classes"]:
        known = _known(name)
        if known is not None and issubclass(known, MeetcoreError):
            found = known
            break
    # Its own constructor makes its words of other things, which are not here any more.
    error = found.__new__(found)
    MeetcoreError.__init__(error, wire["message"], wire["remedy"])
    vars(error).update({name: _value(plain) for name, plain in wire["fields"].items()})
    return error


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _known(name: str) -> type | None:
    """Return the class of that name, None where it was not loaded."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


_CANNOT: Any = object()


def _plain(value: Any) -> Any:
    """Return a field's value as JSON can hold it, or `_CANNOT`."""
    if isinstance(value, Enum):
        return {_KIND: "enum", "of": _name(type(value)), "value": value.value}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, datetime):
        return {_KIND: "time", "value": value.isoformat()}
    if isinstance(value, PurePath):
        return {_KIND: "path", "of": _name(type(value)), "value": str(value)}
    if isinstance(value, bytes):
        return {_KIND: "bytes", "value": value.hex()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_plain(each) for each in value]
        if any(each is _CANNOT for each in items):
            return _CANNOT
        return {_KIND: "items", "of": _name(type(value)), "value": items}
    if isinstance(value, dict) or attrs.has(type(value)):
        return _plain_mapping(value)
    return _CANNOT


def _plain_mapping(value: Any) -> Any:
    plain = isinstance(value, dict)
    pairs = value if plain else attrs.asdict(value, recurse=False)
    fields = {str(name): _plain(each) for name, each in pairs.items()}
    if any(each is _CANNOT for each in fields.values()):
        return _CANNOT
    return {_KIND: "map" if plain else "attrs", "of": _name(type(value)), "value": fields}


def _value(plain: Any) -> Any:
    """Return what a field was."""
    if not isinstance(plain, dict):
        return plain
    kind, value = plain[_KIND], plain["value"]
    if kind == "time":
        return datetime.fromisoformat(value)
    if kind == "bytes":
        return bytes.fromhex(value)
    if kind == "map":
        return {name: _value(each) for name, each in value.items()}
    of = _known(plain["of"])
    if kind == "items":
        items = [_value(each) for each in value]
        return of(items) if of in (list, tuple, set, frozenset) else items
    if kind == "attrs":
        fields = {name.lstrip("_"): _value(each) for name, each in value.items()}
        return of(**fields) if of is not None and attrs.has(of) else fields
    right = of is not None and issubclass(of, (Enum, PurePath))
    return of(value) if of is not None and right else value
