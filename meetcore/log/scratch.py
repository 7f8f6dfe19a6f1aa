"""Temporary folders with an owner, where those look for them who keep logs and files."""

from __future__ import annotations

from meetcore.plugin.scratch import (
    LOCK_NAME,
    PREFIX,
    remove_stale,
    scratch_folder,
    scratch_in,
    scratch_root,
    system_temporary,
    temporary_folder,
    temporary_in,
)

__all__ = ["LOCK_NAME", "PREFIX", "remove_stale", "scratch_folder", "scratch_in", "scratch_root"]
__all__ += ["system_temporary", "temporary_folder", "temporary_in"]
