"""Writes whole files: a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
from pathlib import Path

from meetcore.log import private_file

__all__ = ["replace_atomically", "write_atomically"]


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`, on the disk when this returns; blocks.

    Raises:
        OSError: It cannot be written; what was at `path` before is untouched.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with private_file(part).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace_atomically(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def replace_atomically(part: Path, path: Path) -> None:
    """Put the finished file `part` in the place of `path`, and that on the disk.

    Raises:
        OSError: It cannot be renamed.
    """
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
