"""A folder in a file system that is memory (`tmpfs`, `/dev/shm` on Linux), not on a disk.

Memory can be written to a disk by the system all the same, to a swap area, where there is one that
is not encrypted; that is said in the log.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path

from meetcore.log.folders import make_private_folder
from meetcore.model.errors import ConfigError, StorageUnavailable

__all__ = ["folder_in_memory", "is_in_memory"]

_LOG = logging.getLogger("meetcore.log")
_MEMORY = ("tmpfs", "ramfs")


def _file_system(path: Path) -> str:
    """Return the kind of the file system that a folder lies in; empty where nothing says it."""
    found, longest = "", 0
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    whole = path.resolve()
    for line in mounts:
        _, place, kind, *_ = line.split(" ")
        place = place.replace("\\040", " ")
        if whole.is_relative_to(place) and len(place) >= longest:
            found, longest = kind, len(place)
    return found


def is_in_memory(path: Path) -> bool:
    """Whether a file or a folder lies in a file system that is memory."""
    return _file_system(path) in _MEMORY


def _swaps() -> bool:
    try:
        return len(Path("/proc/swaps").read_text().splitlines()) > 1
    except OSError:
        return False


def folder_in_memory(memory: Path, folder: Path) -> Path:
    """Return a folder in memory for this user alone, made where it is missing.

    Args:
        memory: The folder in memory that is configured.
        folder: The one that is wanted, in it.

    Raises:
        ConfigError: It is not in memory.
        StorageUnavailable: It cannot be made, or is somebody else's.
    """
    kind = _file_system(memory)
    if kind not in _MEMORY:
        raise ConfigError(
            f"Nothing can be kept in memory here: {memory} is "
            f"{f'on a disk ({kind})' if kind else 'not known to be memory'}.",
            "Name a folder of a tmpfs as memory in [retention].",
        )
    try:
        make_private_folder(folder)
        if folder.stat().st_uid != os.getuid() or folder.is_symlink():
            raise PermissionError(None, "somebody else made it")
    except OSError as error:
        raise StorageUnavailable(
            f"The folder {folder} cannot be used: {error.strerror}.",
            "Name another folder as memory in [retention].",
        ) from error
    _warn_of_swap()
    return folder


@cache
def _warn_of_swap() -> None:
    """Log, once, that memory may be written to a disk."""
    if _swaps():
        _LOG.warning("This machine swaps memory to a disk; encrypt that, or turn it off.")
