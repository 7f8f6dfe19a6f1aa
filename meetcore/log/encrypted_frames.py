"""An encrypted file: a header, then frames, each of which knows its place in this file.

    header  "MEETENC" 0x01 | number of the key (8) | nonce (12) | key of the file, wrapped (48)
    frame   length (4) | number (4) | nonce (12) | content (length) | tag (16)

The key of a file is random and wrapped for one bot and one kind of file: in the folder of another
bot, or as another kind, nothing of it is read. A frame is AES-256-GCM under that key with a random
nonce; its length and number are authenticated with it. So a frame that was changed, put elsewhere
in the file or into another file is none. Frames are numbered from 0 without a gap: whoever reads
sees what is missing. Numbers are those of file format version 1, all of them big-endian.

A frame is appended in one write. A process that is killed in it leaves a torn end, which is not
read, and is cut off before the next frame is written. Nonces are random, not counted, so that the
frame which is then written in its place has another one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from struct import Struct

from attrs import frozen

from meetcore.log.encryption_keys import (
    KEY_BYTES,
    KEY_ID_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    MasterKeys,
    aes_gcm,
)
from meetcore.model.errors import FileDamaged

__all__ = ["FRAME_EXTRA_BYTES", "HEADER_BYTES", "MOST_FRAME_BYTES", "EncryptedFrame", "FrameCipher"]
__all__ += ["frame_length", "frames", "key_id_of", "new_file", "opened_file"]

_MAGIC = b"MEETENC\x01"
_HEAD = Struct(">II")
_NUMBER = Struct(">I")
_WRAPPED_AT = len(_MAGIC) + KEY_ID_BYTES
HEADER_BYTES = _WRAPPED_AT + NONCE_BYTES + KEY_BYTES + TAG_BYTES
FRAME_EXTRA_BYTES = _HEAD.size + NONCE_BYTES + TAG_BYTES
"""How much longer a frame is than its content."""
MOST_FRAME_BYTES = 4 * 1024 * 1024
_MOST_LOST = 256
"""Behind so many frames in a row that are damaged, none is looked for."""


class FrameCipher:
    """Makes and reads the frames of one file.

    Args:
        key: The file's key.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = aes_gcm(key)

    def frame(self, number: int, content: bytes) -> bytes:
        """Return a frame."""
        head = _HEAD.pack(len(content), number)
        nonce = os.urandom(NONCE_BYTES)
        return b"".join((head, nonce, self._cipher.encrypt(nonce, content, head)))

    def read(self, data: bytes, at: int = 0) -> EncryptedFrame | None:
        """Return the frame that begins at a place; None where none does, or not a whole one."""
        from cryptography.exceptions import InvalidTag

        if len(data) - at < FRAME_EXTRA_BYTES:
            return None
        length, number = _HEAD.unpack_from(data, at)
        end = at + FRAME_EXTRA_BYTES + length
        if length > MOST_FRAME_BYTES or end > len(data):
            return None
        begin = at + _HEAD.size
        nonce = data[begin : begin + NONCE_BYTES]
        try:
            content = self._cipher.decrypt(nonce, data[begin + NONCE_BYTES : end], data[at:begin])
        except InvalidTag:
            return None
        return EncryptedFrame(number, content, at, end)


@frozen
class EncryptedFrame:
    """A frame that was read.

    Attributes:
        number: Its number.
        content: What is in it.
        at: Where it begins in what was read.
        end: Where it ends there.
    """

    number: int
    content: bytes
    at: int
    end: int


def new_file(keys: MasterKeys, about: bytes) -> tuple[bytes, FrameCipher]:
    """Return the header of a new file, and its cipher.

    Args:
        keys: The keys there are; the current one wraps the file's.
        about: What file it is.
    """
    key = os.urandom(KEY_BYTES)
    begin = _MAGIC + keys.current.key_id
    return begin + keys.current.wrapped(key, begin + about), FrameCipher(key)


def key_id_of(header: bytes) -> bytes | None:
    """Return the number of the key that a file needs; None where that is no header."""
    if len(header) < HEADER_BYTES or not header.startswith(_MAGIC):
        return None
    return header[len(_MAGIC) : _WRAPPED_AT]


def opened_file(keys: MasterKeys, header: bytes, about: bytes, what: str) -> FrameCipher:
    """Return the cipher of a file.

    Args:
        keys: The keys there are.
        header: The first bytes of it, or all.
        about: What file it is.
        what: The same in words, for errors.

    Raises:
        EncryptionKeyMissing: It needs another key.
        FileDamaged: It has no such header.
    """
    key_id = key_id_of(header)
    if key_id is None:
        raise FileDamaged(f"{what} does not begin like an encrypted file.", _RESTORE)
    master = keys.by_id(key_id, what)
    key = master.unwrapped(header[_WRAPPED_AT:HEADER_BYTES], header[:_WRAPPED_AT] + about)
    if key is None:
        raise FileDamaged(f"The header of {what} is damaged, or that of another file.", _RESTORE)
    return FrameCipher(key)


_RESTORE = "Restore it from a copy."


def frame_length(data: bytes, at: int = 0) -> int | None:
    """Return how long the content of a frame says it is, unchecked; None where none begins."""
    if len(data) - at < _HEAD.size:
        return None
    length: int = _HEAD.unpack_from(data, at)[0]
    return length if length <= MOST_FRAME_BYTES else None


def frames(cipher: FrameCipher, data: bytes, expected: int) -> Iterator[EncryptedFrame]:
    """Yield the frames that can be read, in order of number, from a number on.

    What is damaged is passed over up to the next frame that is whole and comes later: numbers that
    are missing say what was lost. It ends where no whole one follows: the end is torn, or being
    written this moment.

    Args:
        cipher: That of the file.
        data: Bytes of it, from the beginning of a frame.
        expected: The number of that frame.
    """
    at = 0
    while at < len(data):
        found = cipher.read(data, at)
        if found is None or found.number < expected:
            found = _next_whole(cipher, data, at + 1, expected)
        if found is None:
            return
        yield found
        at, expected = found.end, found.number + 1


def _next_whole(
    cipher: FrameCipher, data: bytes, start: int, expected: int
) -> EncryptedFrame | None:
    """Return the frame of the smallest number, from one on, that is whole somewhere behind."""
    left = (len(data) - start) // FRAME_EXTRA_BYTES
    for number in range(expected, expected + min(left + 1, _MOST_LOST)):
        wanted = _NUMBER.pack(number)
        at = data.find(wanted, start + _HEAD.size - _NUMBER.size)
        while at >= 0:
            found = cipher.read(data, at - (_HEAD.size - _NUMBER.size))
            if found is not None and found.number == number:
                return found
            at = data.find(wanted, at + 1)
    return None
