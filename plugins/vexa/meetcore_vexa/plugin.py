"""What this plugin hooks into: the server's routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore import hookimpl

if TYPE_CHECKING:
    from meetcore.gateway import App

__all__ = ["meetcore_register_routes"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_routes(app: App) -> None:
    """Mount `/vexa`, and offer the webhooks of both eras."""
    from meetcore_vexa.mount import add_to

    add_to(app)
