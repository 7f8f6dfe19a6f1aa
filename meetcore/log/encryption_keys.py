"""The keys that a folder of bots is encrypted with: each is named by where it is.

What is configured is a reference, `file:/run/secrets/meetcore-key` or `env:MEETCORE_KEY`; the key
itself is in no configuration, order, log or error. It is 32 random bytes, in base64 or hexadecimal:

    openssl rand -base64 32 > /run/secrets/meetcore-key

It encrypts no content. Each file has a random key of its own, which stands in the file's header,
wrapped by the key that was the current one when the file was begun (AES-256-GCM). The header names
that key by its number, eight bytes that say nothing about it, so that old files are read with an
old key for as long as it is named in the configuration.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from meetcore.model.errors import ConfigError, EncryptionKeyMissing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["KEY_BYTES", "KEY_ID_BYTES", "NONCE_BYTES", "TAG_BYTES", "MasterKey", "MasterKeys"]
__all__ += ["aes_gcm", "master_key"]

KEY_BYTES = 32
KEY_ID_BYTES = 8
NONCE_BYTES = 12
TAG_BYTES = 16
_MOST_TEXT = 4096
_NAME_BYTES = 16
_MAKE_ONE = "Make one with: openssl rand -base64 32"


def aes_gcm(key: bytes) -> AESGCM:
    """Return AES-256-GCM with a key of 32 bytes.

    Raises:
        ConfigError: The library is not installed.
    """
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ConfigError(
            "A folder is encrypted with the library cryptography, which is not installed.",
            "Install meetcore[encryption].",
        ) from error
    return AESGCM(key)


class MasterKey:
    """A key that wraps the keys of files, and names them on the disk.

    Args:
        reference: Where it is.
        key: Its 32 bytes.

    Attributes:
        reference: Where it is, for people.
        key_id: Its number, eight bytes that follow from it.
    """

    def __init__(self, reference: str, key: bytes) -> None:
        self.reference = reference
        self.key_id = _derived(key, b"id")[:KEY_ID_BYTES]
        self._wrapping = aes_gcm(_derived(key, b"wrapping"))
        self._naming = _derived(key, b"naming")

    def __repr__(self) -> str:
        return f"MasterKey({self.reference!r})"

    def wrapped(self, key: bytes, about: bytes) -> bytes:
        """Return the key of a file, encrypted.

        Args:
            key: The file's key.
            about: What it belongs to: it is unwrapped for the same alone.
        """
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._wrapping.encrypt(nonce, key, about)

    def unwrapped(self, wrapped: bytes, about: bytes) -> bytes | None:
        """Return the key of a file; None where it is not as `wrapped` gave it."""
        from cryptography.exceptions import InvalidTag

        nonce, content = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return self._wrapping.decrypt(nonce, content, about)
        except InvalidTag:
            return None

    def file_name(self, bot_id: str, name: str) -> str:
        """Return what a bot's file is called on the disk, which says nothing of its name."""
        told = f"{bot_id}\0{name}".encode()
        return hmac.digest(self._naming, told, "sha256")[:_NAME_BYTES].hex()


class MasterKeys:
    """The keys of a configuration.

    Args:
        current: What new files are begun with.
        others: What older files may need.
    """

    def __init__(self, current: MasterKey, others: Sequence[MasterKey] = ()) -> None:
        self.current = current
        self.all = (current, *others)

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(key.reference for key in self.all)})"

    @classmethod
    def of(cls, encrypt: str, decrypt: Sequence[str] = ()) -> MasterKeys:
        """Return the keys that references lead to.

        Raises:
            ConfigError: One leads to no key.
        """
        return cls(master_key(encrypt), [master_key(each) for each in decrypt])

    def has(self, key_id: bytes) -> bool:
        """Return whether a key is among them."""
        return any(key.key_id == key_id for key in self.all)

    def by_id(self, key_id: bytes, what: str) -> MasterKey:
        """Return the key of a number.

        Args:
            key_id: Its number.
            what: What needs it, for the error.

        Raises:
            EncryptionKeyMissing: It is not among them.
        """
        for key in self.all:
            if key.key_id == key_id:
                return key
        known = ", ".join(f"{key.reference} (key {key.key_id.hex()})" for key in self.all)
        raise EncryptionKeyMissing(
            f"{what} is encrypted with the key {key_id.hex()}, which is not that of {known}.",
            "Name where that key is in encrypt, or for an older one in decrypt, of [store].",
        )


def _derived(key: bytes, purpose: bytes) -> bytes:
    """Return a key for one purpose: HMAC with a random key is a function nobody can foretell."""
    return hmac.digest(key, b"meetcore folder encryption 1 " + purpose, "sha256")


def master_key(reference: str) -> MasterKey:
    """Return the key that a reference leads to; it is read anew each time.

    Args:
        reference: `file:PATH` or `env:NAME`.

    Raises:
        ConfigError: It leads to no key. What is there is never said.
    """
    kind, _, place = reference.partition(":")
    text = _text_of_file(reference, place) if kind == "file" else _text_of_variable(place)
    try:
        compact = "".join(text.split())
        key = bytes.fromhex(compact) if len(compact) == 2 * KEY_BYTES else _from_base64(compact)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"What {reference} holds is no key: 32 bytes, in base64 or hexadecimal.", _MAKE_ONE
        )
    return MasterKey(reference, key)


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii"), validate=True)


def _text_of_file(reference: str, place: str) -> str:
    path = Path(place.removeprefix("//")).expanduser()
    try:
        with path.open("rb") as file:
            return file.read(_MOST_TEXT).decode("ascii", "replace")
    except OSError as error:
        raise ConfigError(
            f"The key {reference} cannot be read: {error.strerror}.",
            f"Give this process the file. {_MAKE_ONE}",
        ) from error


def _text_of_variable(name: str) -> str:
    text = os.environ.get(name, "")
    if not text.strip():
        raise ConfigError(
            f"The key env:{name} is not there: the variable {name} is not set.", _MAKE_ONE
        )
    return text[:_MOST_TEXT]
