"""Deleting a bot's folder: all that can go goes, and what stays is named."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["delete_folder"]

_MOST_NAMED = 5


def delete_folder(folder: Path) -> tuple[int, str]:
    """Delete a bot's folder; return how many files went, and in words what could not be deleted."""
    count, stayed = 0, []
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            path = Path(place, name)
            try:
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()
                    count += 1
            except FileNotFoundError:
                continue
            except OSError as error:
                stayed.append(f"{path.relative_to(folder)} ({error.strerror})")
    try:
        folder.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        stayed = stayed or [f"the folder itself ({error.strerror})"]
    more = f" and {len(stayed) - _MOST_NAMED} more" if len(stayed) > _MOST_NAMED else ""
    return count, ", ".join(stayed[:_MOST_NAMED]) + more
