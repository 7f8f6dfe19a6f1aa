"""Where a bot's process listens: a local socket whose path follows from the bot's folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from meetcore.log.folders import private_socket
from meetcore.model.errors import StorageUnavailable

__all__ = ["remove_socket", "socket_path"]


def socket_path(folder: Path) -> Path:
    """Return where the process of the bot in a folder listens.

    Raises:
        StorageUnavailable: The place for sockets is not ours alone.
    """
    digest = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()
    return private_socket(f"{digest[:24]}.sock")


def remove_socket(folder: Path) -> None:
    """Remove the socket of a process that is gone and could not remove it itself."""
    try:
        socket_path(folder).unlink(missing_ok=True)
    except (OSError, StorageUnavailable):
        return  # it leads nowhere
