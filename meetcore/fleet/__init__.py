"""Many bots: where they run, their limits, and what is left of them after a crash.

`meetcore.open_fleet` is the way in; here is what a server needs besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore.model.lazy import lazy_face

if TYPE_CHECKING:
    from meetcore.fleet.launchers import launcher_of as launcher_of
    from meetcore.fleet.launching.child_process import ChildProcessLauncher as ChildProcessLauncher
    from meetcore.fleet.launching.in_process import InProcessLauncher as InProcessLauncher

_HOMES: dict[str, tuple[str, ...]] = {
    "launchers": ("launcher_of",),
    "launching.child_process": ("ChildProcessLauncher",),
    "launching.in_process": ("InProcessLauncher",),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)  # pyright: ignore[reportUnsupportedDunderAll]

__getattr__, __dir__ = lazy_face(__name__, _HOMES)
