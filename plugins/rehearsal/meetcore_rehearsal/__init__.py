"""A small real WebRTC meeting site, served from the own machine, with scripted people.

`open_rehearsal` imports the browser plugin, so it is fetched when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meetcore_rehearsal.rehearsal import Rehearsal, open_rehearsal

__all__ = ["Rehearsal", "open_rehearsal"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from meetcore_rehearsal import rehearsal  # only now: it brings Playwright's bridge with it

    return getattr(rehearsal, name)
