"""meetcore as a service: `await meetcore_server.serve(fleet)` in the caller's nursery.

The names are looked up on first use: to import the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meetcore_server.assembly import ServeOptions as ServeOptions
    from meetcore_server.assembly import Server as Server
    from meetcore_server.assembly import open_server as open_server
    from meetcore_server.assembly import serve as serve
    from meetcore_server.orders_to_specs import Sandbox as Sandbox

__all__ = ["Sandbox", "ServeOptions", "Server", "open_server", "serve"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "orders_to_specs" if name == "Sandbox" else "assembly"
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
