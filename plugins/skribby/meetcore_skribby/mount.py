"""Puts routes, sockets and webhooks together into what the server mounts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from meetcore.gateway.http import ApiKey, Mount, SocketRoute
from meetcore.gateway.service import App
from meetcore.model.errors import ConfigError, UnknownOption
from meetcore_skribby.refusals import refuse
from meetcore_skribby.routes import Api
from meetcore_skribby.sockets import admit
from meetcore_skribby.webhooks import SkribbyWebhooks

__all__ = ["add_to"]

_WHERE = "[plugins.server.dialects.skribby]"


def add_to(app: App) -> None:
    """Mount Skribby's API.

    Raises:
        ConfigError: An option of ours that nobody knows, or that is no text.
    """
    api = Api(app.service, _webhook_secret(app.options.get("skribby", {})))
    app.add_webhook_format(SkribbyWebhooks(app.service.now))
    app.mount(
        Mount(
            name="skribby",
            title="Skribby",
            routes=api.routes(),
            sockets=[SocketRoute("/ws/{id}", partial(admit, app.service))],
            refuse=refuse,
            keys=[ApiKey("authorization", "Bearer")],
            docs="Skribby's API: set base_url of @skribby/sdk to here.",
        )
    )


def _webhook_secret(options: object) -> str | None:
    if not isinstance(options, Mapping):
        raise ConfigError(f"{_WHERE} must be a table.")
    for option in options:
        if option != "webhook_secret":
            raise UnknownOption(str(option), ["webhook_secret"], _WHERE)
    secret = options.get("webhook_secret")
    if secret is None:
        return None
    if not isinstance(secret, str) or not secret.strip():
        raise ConfigError(f"webhook_secret in {_WHERE} must be text.")
    return secret.strip()
