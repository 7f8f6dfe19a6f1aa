"""A package's public face: names that are looked up where they live on first use.

    _HOMES = {"journal": ("Journal", "read_journal")}
    __all__ = sorted(...)
    __getattr__, __dir__ = lazy_face(__name__, _HOMES)

So a package costs nothing until one of its names is used, and then no more than that name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy_face"]


def lazy_face(
    package: str, homes: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__` (PEP 562).

    Args:
        package: Its full name.
        homes: For each module below it the public names that live there.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def look_up(name: str) -> Any:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{home}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return look_up, lambda: sorted(home_of)
