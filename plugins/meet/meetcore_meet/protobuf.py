"""Reads protobuf without its description: numbered fields, as far as they make sense. Pure.

What a service sends to its own client has no promise to anybody else. So nothing here expects
more than the wire format itself (https://protobuf.dev/programming-guides/encoding), and whoever
looks for something looks for its shape, at any depth.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import field, frozen

__all__ = ["WireFields", "read_fields", "walk"]

MAX_DEPTH = 12
MAX_MESSAGES = 20_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@frozen
class WireFields:
    """The fields of one message, by number, each with all its values in order.

    Attributes:
        values: Numbers as int, all else as bytes: text, bytes and messages look the same.
    """

    values: dict[int, list[int | bytes]] = field(factory=dict)

    def number(self, number: int) -> int | None:
        """Return a field's last value if it is a number."""
        found = self.values.get(number, [None])[-1]
        return found if isinstance(found, int) else None

    def text(self, number: int) -> str | None:
        """Return a field's last value if it is text."""
        found = self.values.get(number, [None])[-1]
        if not isinstance(found, bytes):
            return None
        try:
            return found.decode()
        except UnicodeDecodeError:
            return None

    def messages(self, number: int) -> list[WireFields]:
        """Return the values of a field that can be read as messages."""
        return [m for v in self.values.get(number, ()) if (m := _message(v)) is not None]


def _message(value: int | bytes) -> WireFields | None:
    return read_fields(value) if isinstance(value, bytes) and value else None


def read_fields(data: bytes) -> WireFields | None:
    """Return the fields of a message, None where this is none."""
    values: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if at < 0 or not 0 < number < 1 << 29:
            return None
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            value, at = int.from_bytes(data[at : at + size], "little"), at + size
        elif kind == _BYTES:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            return None
        if at < 0 or at > len(data):
            return None
        values.setdefault(number, []).append(value)
    return WireFields(values)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends; -1 where there is none."""
    value = 0
    for shift in range(0, 70, 7):
        if not 0 <= at < len(data):
            return 0, -1
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    return 0, -1


def walk(data: bytes) -> Iterator[WireFields]:
    """Yield a message and all that lie in it, the outer first, as far as they can be read."""
    left = [(data, 0)]
    for _ in range(MAX_MESSAGES):
        if not left:
            return
        raw, depth = left.pop()
        message = read_fields(raw)
        if message is None:
            continue
        yield message
        if depth < MAX_DEPTH:
            inner = [v for values in message.values.values() for v in values]
            left += [(v, depth + 1) for v in reversed(inner) if isinstance(v, bytes) and len(v) > 1]
