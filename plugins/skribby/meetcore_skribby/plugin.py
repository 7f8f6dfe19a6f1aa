"""What this plugin hooks into: routes and webhooks of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore import hookimpl

if TYPE_CHECKING:
    from meetcore.gateway import App

__all__ = ["meetcore_register_routes"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_routes(app: App) -> None:
    """Mount the API at `/skribby`, and offer the webhook format `skribby`."""
    from meetcore_skribby.mount import add_to

    add_to(app)
