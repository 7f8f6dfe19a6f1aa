"""What the service tells its own client about a meeting: people, streams, chat, captions. Pure.

From public code of 2025 and 2026: the datachannel `collections` carries zlib-deflated protobuf,
the answer to `SyncMeetingSpaceCollections` the same without zlib, in base64. The nesting varies
from one version to the next, the records hardly do: so each is found by its shape, wherever it
lies.

* a person: 1 device id, 2 full name, 4 status (1 in, 6 out, 7 removed), 7 a mark of oneself,
  21 the device whose screen this is, 29 the name as it is shown, 34 whether a host;
* a stream: 2 kind (1 sound), 4 its number (that of the contributing source), 6 device id,
  10.1 whether it is switched off;
* a message: 1 its id, 2 device id, 5.1 its text;
* a caption (datachannel `captions`): 1 device id, 2 its id, 4 whether final, 6 its text;
* who speaks (datachannel `dcrpc`, 2 gzip): 4 device id, 9.2 there while speaking.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib

from attrs import frozen

from meetcore_meet.protobuf import WireFields, read_fields, walk

__all__ = [
    "SpaceCaption",
    "SpaceMessage",
    "SpacePerson",
    "SpaceStream",
    "SpaceUpdate",
    "flagged_as_bot",
    "read_captions",
    "read_collections",
    "read_speakers",
    "read_sync",
]

LONGEST = 4_000_000
_DEVICE = re.compile(r"(?:spaces/[\w.-]{1,100}/)?devices/[\w.-]{1,100}")
_PRESENT = 1
_SOUND = 1
_BOT_FLAG = 36


@frozen
class SpacePerson:
    """A device in the meeting, which is how a person is in it.

    Attributes:
        id: The device's id, as the page has it, too.
        name: The name as it is shown; empty where this record has none.
        present: Whether it is in the call; None where this record does not say.
        is_self: Whether it is marked as our own.
        is_host: Whether it is a host's.
        parent: The device whose shared screen this is; None for a person.
    """

    id: str
    name: str = ""
    present: bool | None = None
    is_self: bool = False
    is_host: bool = False
    parent: str | None = None


@frozen
class SpaceStream:
    """Whose voice a contributing source is."""

    source: int
    device: str


@frozen
class SpaceMessage:
    """A chat message."""

    id: str
    device: str
    text: str


@frozen
class SpaceCaption:
    """A line of captions."""

    device: str
    key: str
    text: str
    final: bool


@frozen
class SpaceUpdate:
    """What one message of the service says.

    Attributes:
        people: Devices that came, changed, or are there.
        streams: Whose voice is which contributing source.
        messages: What was written.
        muted: Whether a device's sound is switched off, where that is said.
    """

    people: tuple[SpacePerson, ...] = ()
    streams: tuple[SpaceStream, ...] = ()
    messages: tuple[SpaceMessage, ...] = ()
    muted: tuple[tuple[str, bool], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.people or self.streams or self.messages or self.muted)


def read_collections(data: bytes) -> SpaceUpdate:
    """Read a message of the datachannel `collections`; empty where nothing is known in it."""
    return _update(_inflated(data))


def read_sync(text: str) -> SpaceUpdate:
    """Read an answer of `SyncMeetingSpaceCollections`, which lists everybody."""
    return _update(_from_base64(text))


def read_captions(data: bytes) -> tuple[SpaceCaption, ...]:
    """Read a message of the datachannel `captions`."""
    found = []
    for message in walk(_inflated(data)):
        device, text = _device(message, 1), message.text(6)
        key = message.number(2)
        if device is not None and text is not None and key is not None:
            found.append(SpaceCaption(device, str(key), text, bool(message.number(4))))
    return tuple(found)


def read_speakers(data: bytes) -> dict[str, bool]:
    """Read a message of the datachannel `dcrpc`: who is said to speak, or not to."""
    outer = read_fields(data)
    packed = [] if outer is None else outer.values.get(2, [])
    found: dict[str, bool] = {}
    for value in packed:
        for message in walk(_inflated(value)) if isinstance(value, bytes) else ():
            device = _device(message, 4)
            if device is not None and 9 in message.values:
                levels = message.messages(9)
                found[device] = any(level.number(2) is not None for level in levels)
    return found


def flagged_as_bot(text: str) -> bool:
    """Whether the answer to `CreateMeetingDevice` marks this client as an automated one."""
    return any(message.number(_BOT_FLAG) for message in walk(_from_base64(text)))


def _inflated(data: bytes) -> bytes:
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS, zlib.MAX_WBITS | 16):
        try:
            return zlib.decompressobj(window).decompress(data, LONGEST)
        except zlib.error:
            continue
    return data


def _from_base64(text: str) -> bytes:
    plain = "".join(text.split()).strip('"')
    for alphabet in (b"+/", b"-_"):
        try:
            padded = plain + "=" * (-len(plain) % 4)
            return base64.b64decode(padded, altchars=alphabet, validate=True)[:LONGEST]
        except (binascii.Error, ValueError):
            continue
    return b""


def _update(data: bytes) -> SpaceUpdate:
    people: dict[str, SpacePerson] = {}
    streams: dict[int, SpaceStream] = {}
    messages: dict[str, SpaceMessage] = {}
    muted: dict[str, bool] = {}
    for message in walk(data):
        muted |= _muted(message)
        if (person := _person(message)) is not None:
            people[person.id] = person
        elif (stream := _stream(message)) is not None:
            streams[stream.source] = stream
        elif (said := _said(message)) is not None:
            messages[said.id] = said
    return SpaceUpdate(
        tuple(people.values()),
        tuple(streams.values()),
        tuple(messages.values()),
        tuple(muted.items()),
    )


def _person(message: WireFields) -> SpacePerson | None:
    device = _device(message, 1)
    if device is None:
        return None
    name, status = message.text(29) or message.text(2) or "", message.number(4)
    if not name and status is None:
        return None
    return SpacePerson(
        device,
        name,
        None if status is None else status == _PRESENT,
        7 in message.values and message.number(7) != 0,
        bool(message.number(34)),
        _device(message, 21),
    )


def _stream(message: WireFields) -> SpaceStream | None:
    device = _device(message, 6)
    if device is None or message.number(2) not in (None, _SOUND):
        return None
    source, said = message.number(4), message.text(4)
    if source is None and said is not None and said.isdecimal():
        source = int(said)
    return None if source is None else SpaceStream(source, device)


def _muted(message: WireFields) -> dict[str, bool]:
    device = _device(message, 6)
    if device is None or message.number(2) != _SOUND or 10 not in message.values:
        return {}
    return {device: any(state.number(1) for state in message.messages(10))}


def _said(message: WireFields) -> SpaceMessage | None:
    device, message_id = _device(message, 2), message.text(1)
    if device is None or not message_id:
        return None
    texts = [text for body in message.messages(5) if (text := body.text(1))]
    return SpaceMessage(message_id, device, texts[0]) if texts else None


def _device(message: WireFields, number: int) -> str | None:
    text = message.text(number)
    return text if text is not None and _DEVICE.fullmatch(text) else None
