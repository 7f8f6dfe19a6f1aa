"""What this plugin hooks into: it offers the launcher."""

from __future__ import annotations

from collections.abc import Callable

from meetcore import Launcher, hookimpl
from meetcore_kubernetes.launcher import KubernetesLauncher

__all__ = ["meetcore_register_launchers"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_launchers(register: Callable[[type[Launcher]], None]) -> None:
    """Offer `kubernetes`."""
    register(KubernetesLauncher)  # type: ignore[type-abstract]  # a PodLauncher comes of it
