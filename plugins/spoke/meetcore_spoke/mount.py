"""Puts routes and webhooks together into what the server mounts."""

from __future__ import annotations

from meetcore import build_options
from meetcore.gateway import ApiKey, App, Authenticator, Mount
from meetcore_spoke.errors import KEY_HEADERS, REFUSE
from meetcore_spoke.options import WHERE, SpokeOptions
from meetcore_spoke.routes_accounts import AccountRoutes
from meetcore_spoke.routes_bots import BotRoutes
from meetcore_spoke.routes_meeting_data import MeetingDataRoutes
from meetcore_spoke.webhooks import SpokeWebhooks

__all__ = ["add_to"]

_KEYS = [ApiKey(name) for name in KEY_HEADERS]


def add_to(app: App) -> None:
    """Mount Spoke's API.

    Raises:
        ConfigError: An option of ours that nobody knows, or that cannot be used.
    """
    options = build_options(SpokeOptions, app.options.get("spoke"), WHERE)
    authenticator = Authenticator(app.service, _KEYS)
    rooms = (
        MeetingDataRoutes(authenticator),
        AccountRoutes(authenticator, options),
        BotRoutes(authenticator, options),
    )
    app.add_webhook_format(SpokeWebhooks(app.service))
    app.mount(
        Mount(
            name="spoke",
            title="Spoke",
            routes=[route for room in rooms for route in room.routes()],
            refuse=REFUSE,
            keys=_KEYS,
            docs="Spoke's API (MeetingBaaS v1): POST /bots here, with x-spoke-api-key.",
        )
    )
