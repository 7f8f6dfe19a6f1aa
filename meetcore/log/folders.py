"""The folder of one bot: what lies where, and making one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from meetcore.log.journal import JOURNAL_NAME
from meetcore.log.scratch import system_temporary
from meetcore.model.errors import StorageUnavailable

__all__ = [
    "ENCRYPTED_LOG_NAME",
    "bot_folders",
    "encrypted_bot_folders",
    "encrypted_log_path",
    "journal_path",
    "make_bot_folder",
    "make_private_folder",
    "private_file",
    "private_socket",
]


ENCRYPTED_LOG_NAME = "log.encrypted"


def encrypted_log_path(folder: Path) -> Path:
    """Return where the log of a bot lies in its folder that is encrypted."""
    return folder / ENCRYPTED_LOG_NAME


def journal_path(folder: Path) -> Path:
    """Return where a bot's journal lies in its folder."""
    return folder / JOURNAL_NAME


def private_socket(name: str) -> Path:
    """Return the path of a local socket that no other user can reach.

    Paths of local sockets may have about 100 characters, and folders are often longer; so the
    sockets of one user lie together in a folder of the temporary directory.

    Args:
        name: The file's name; short.

    Raises:
        StorageUnavailable: The place for sockets is not ours alone.
    """
    place = system_temporary() / f"meetcore-{os.getuid()}"
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
    return place / name


def make_private_folder(folder: Path) -> None:
    """Make a folder that its owner alone can enter, where there is none yet.

    Raises:
        OSError: It cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:  # something else has the name
        raise NotADirectoryError(
            errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename
        ) from None


def private_file(path: Path) -> Path:
    """Make a file, empty, that its owner alone can read and write; whoever opens it keeps that.

    Raises:
        OSError: It cannot be made.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o600)
    finally:
        os.close(fd)
    return path


def make_bot_folder(out_dir: Path, bot_id: str) -> Path:
    """Make the folder of a new bot and make sure that it can be written.

    Raises:
        StorageUnavailable: It cannot be made or written.
    """
    folder = out_dir / bot_id
    probe = folder / ".writable"
    try:
        make_private_folder(folder)
        fd = os.open(probe, os.O_CREAT | os.O_WRONLY, 0o600)
        os.close(fd)
        probe.unlink()
    except OSError as error:
        raise StorageUnavailable(
            f"The folder {folder} cannot be written: {error.strerror}.",
            "Choose another with --out (or `out_dir` in the configuration).",
        ) from error
    return folder


def bot_folders(out_dir: Path) -> list[Path]:
    """Return the folders of bots below `out_dir` (or that folder itself), in order of name."""
    if journal_path(out_dir).is_file():
        return [out_dir]
    return sorted(path.parent for path in out_dir.glob(f"*/{JOURNAL_NAME}"))


def encrypted_bot_folders(out_dir: Path) -> list[Path]:
    """Return the folders of bots below `out_dir` that are encrypted (or that folder itself)."""
    if encrypted_log_path(out_dir).is_file():
        return [out_dir]
    return sorted(path.parent for path in out_dir.glob(f"*/{ENCRYPTED_LOG_NAME}"))
