"""Puts routes, sockets and webhooks together into what the server mounts."""

from __future__ import annotations

from functools import partial

from meetcore import build_options
from meetcore.gateway import ApiKey, App, Authenticator, Mount, SocketRoute
from meetcore_skribby.errors import REFUSE
from meetcore_skribby.options import WHERE, SkribbyOptions
from meetcore_skribby.routes import Api
from meetcore_skribby.routes_recordings import TranscribedRecordingRoutes
from meetcore_skribby.sockets import admit
from meetcore_skribby.webhooks import SkribbyWebhooks

__all__ = ["add_to"]

_KEYS = (ApiKey("authorization", "Bearer"),)


def add_to(app: App) -> None:
    """Mount Skribby's API.

    Raises:
        ConfigError: An option of ours that nobody knows, or that is no text.
    """
    options = build_options(SkribbyOptions, app.options.get("skribby"), WHERE)
    authenticator = Authenticator(app.service, _KEYS)
    api, recordings = Api(authenticator, options), TranscribedRecordingRoutes(authenticator)
    app.add_webhook_format(SkribbyWebhooks(app.service.now))
    app.mount(
        Mount(
            name="skribby",
            title="Skribby",
            routes=[*api.routes(), *recordings.routes()],
            sockets=[SocketRoute("/ws/{id}", partial(admit, app.service))],
            refuse=REFUSE,
            keys=_KEYS,
            docs="Skribby's API: set base_url of @skribby/sdk to here.",
        )
    )
