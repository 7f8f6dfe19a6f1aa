"""Puts routes and webhooks together into what the server mounts."""

from __future__ import annotations

from meetcore.gateway.http import ApiKey, Mount
from meetcore.gateway.service import App
from meetcore_spoke.options import read_options
from meetcore_spoke.refusals import refuse
from meetcore_spoke.routes import Api
from meetcore_spoke.webhooks import HEADERS, SpokeWebhooks

__all__ = ["add_to"]


def add_to(app: App) -> None:
    """Mount Spoke's API.

    Raises:
        ConfigError: An option of ours that nobody knows, or that cannot be used.
    """
    api = Api(app.service, read_options(app.options.get("spoke", {})))
    app.add_webhook_format(SpokeWebhooks(app.service))
    app.mount(
        Mount(
            name="spoke",
            title="Spoke",
            routes=api.routes(),
            refuse=refuse,
            keys=[ApiKey(name) for name in HEADERS],
            docs="Spoke's API (MeetingBaaS v1): POST /bots here, with x-spoke-api-key.",
        )
    )
