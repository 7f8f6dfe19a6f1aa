"""Encrypted folders for tests: keys in files, and workplaces in memory."""

from __future__ import annotations

import base64
import shutil
import tempfile
from pathlib import Path

from meetcore.log.encrypted_store import EncryptedFolderStore
from meetcore.log.encryption_keys import MasterKeys

MEMORY = Path("/dev/shm")


def key_file(path: Path, key: bytes = bytes(range(32))) -> str:
    """Write a key, and return the reference to it."""
    path.write_bytes(base64.b64encode(key) + b"\n")
    return f"file:{path}"


_folders: dict[Path, Path] = {}


def memory_of(place: Path) -> Path:
    """Return a folder in memory for a test; `forget` removes it."""
    if place not in _folders:
        _folders[place] = Path(tempfile.mkdtemp(dir=MEMORY, prefix="meetcore-tests-"))
    return _folders[place]


def forget() -> None:
    """Remove what these tests have in memory."""
    while _folders:
        shutil.rmtree(_folders.popitem()[1], ignore_errors=True)


def open_store(place: Path, *, elsewhere: bool = False) -> EncryptedFolderStore:
    """Return the encrypted store of a test's folder, or the same as it is on another machine."""
    place.mkdir(exist_ok=True)
    keys = MasterKeys.of(key_file(place / "key"))
    memory = memory_of(place / "elsewhere" if elsewhere else place)
    return EncryptedFolderStore(place / "bots", keys, memory, fsync=False)
