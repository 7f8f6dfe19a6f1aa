"""A server's WebSocket frames as bytes, RFC 6455 section 5: one frame a message, not masked.

An event goes to a thousand subscribers as the same bytes, so they are made once, here, and not by
each connection's own state machine. That one still reads what subscribers send.
"""

from __future__ import annotations

import struct

__all__ = ["GOING_AWAY", "INTERNAL_ERROR", "NORMAL", "PROTOCOL_ERROR", "TOO_BIG", "TRY_AGAIN_LATER",
           "binary_frame", "close_frame", "ping_frame", "pong_frame", "text_frame"]  # fmt: skip

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
TOO_BIG = 1009
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
_LONGEST_CONTROL_BYTES = 125


def text_frame(text: str) -> bytes:
    """Return a text message. A lone surrogate, which UTF-8 cannot hold, becomes a `?`."""
    return _frame(_TEXT, text.encode("utf-8", "replace"))


def binary_frame(data: bytes) -> bytes:
    """Return a binary message."""
    return _frame(_BINARY, data)


def ping_frame(payload: bytes) -> bytes:
    """Return a ping."""
    return _frame(_PING, payload[:_LONGEST_CONTROL_BYTES])


def pong_frame(payload: bytes) -> bytes:
    """Return the answer to a ping with that payload."""
    return _frame(_PONG, payload[:_LONGEST_CONTROL_BYTES])


def close_frame(code: int | None, reason: str = "") -> bytes:
    """Return a close; without a code it is empty. The reason is cut to what a frame can hold."""
    if code is None:
        return _frame(_CLOSE, b"")
    words = reason.encode("utf-8", "replace")[: _LONGEST_CONTROL_BYTES - 2]
    words = words.decode("utf-8", "ignore").encode()
    return _frame(_CLOSE, struct.pack("!H", code) + words)


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload
