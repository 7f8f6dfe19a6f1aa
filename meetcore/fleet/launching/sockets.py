"""Where a bot's process listens: a local socket whose path follows from the bot's folder.

Paths of local sockets may have about 100 characters, and folders are often longer; so the sockets
of one user lie together in a folder of the temporary directory that nobody else can enter.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from meetcore.model.errors import StorageUnavailable

__all__ = ["remove_socket", "socket_path"]


def socket_path(folder: Path) -> Path:
    """Return where the process of the bot in a folder listens.

    Raises:
        StorageUnavailable: The place for sockets is not ours alone.
    """
    place = Path(tempfile.gettempdir()) / f"meetcore-{os.getuid()}"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
    except OSError as error:
        raise StorageUnavailable(f"{place} cannot be used: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StorageUnavailable(
            f"{place} is not a folder that belongs to this user alone.",
            "Remove it, or set TMPDIR to another place.",
        )
    digest = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()
    return place / f"{digest[:24]}.sock"


def remove_socket(folder: Path) -> None:
    """Remove the socket of a process that is gone and could not remove it itself."""
    try:
        socket_path(folder).unlink(missing_ok=True)
    except (OSError, StorageUnavailable):
        return  # it leads nowhere
