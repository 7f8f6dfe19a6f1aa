"""What this plugin hooks into: it offers the launcher."""

from __future__ import annotations

from collections.abc import Callable

from meetcore import Launcher, hookimpl
from meetcore_ray.ray_launcher import RayLauncher

__all__ = ["meetcore_register_launchers"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_launchers(register: Callable[[type[Launcher]], None]) -> None:
    """Offer `ray`."""
    register(RayLauncher)
