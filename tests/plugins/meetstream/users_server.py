"""A user's WebSocket server that reads frames of sound as a client of MeetStream does."""

from __future__ import annotations

import struct
from contextlib import AbstractAsyncContextManager
from typing import Any

from attrs import define

from tests.plugins.websocket.users_server import DEADLINE_S, User, serving


@define
class Frame:
    """A binary frame of sound, read as a client reads it."""

    speaker_id: str
    speaker_name: str
    pcm: bytes

    @classmethod
    def read(cls, message: bytes) -> Frame:
        kind, length = struct.unpack_from("<BH", message)
        assert kind == 1
        who = message[3 : 3 + length]
        (more,) = struct.unpack_from("<H", message, 3 + length)
        at = 5 + length
        return cls(who.decode(), message[at : at + more].decode(), message[at + more :])


@define
class Listener(User):
    """A user who takes frames of sound apart."""

    def frames(self) -> list[Frame]:
        return [Frame.read(message) for message in self.binaries]

    @property
    def sound(self) -> bytes:
        return b"".join(frame.pcm for frame in self.frames())


def target(
    *, deadline_s: float = DEADLINE_S, **manners: Any
) -> AbstractAsyncContextManager[Listener]:
    return serving(Listener(**manners), deadline_s=deadline_s)
