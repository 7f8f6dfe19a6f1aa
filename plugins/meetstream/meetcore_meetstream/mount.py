"""Puts routes and webhooks together into what the server mounts."""

from __future__ import annotations

from meetcore import build_options
from meetcore.gateway import ApiKey, App, Authenticator, Mount
from meetcore_meetstream.errors import REFUSE
from meetcore_meetstream.lookup import NAME, Lookup
from meetcore_meetstream.options import WHERE, MeetstreamOptions
from meetcore_meetstream.routes_accounts import AccountRoutes
from meetcore_meetstream.routes_actions import ActionRoutes
from meetcore_meetstream.routes_bots import BotRoutes
from meetcore_meetstream.routes_meeting_data import MeetingDataRoutes
from meetcore_meetstream.webhooks import Callbacks, LiveText, ParticipantWebhooks

__all__ = ["add_to"]

_KEYS = (ApiKey("authorization", "Token"),)


def add_to(app: App) -> None:
    """Mount MeetStream's API.

    Raises:
        ConfigError: An option of ours that nobody knows, or that cannot be used.
    """
    options = build_options(MeetstreamOptions, app.options.get(NAME), WHERE)
    lookup = Lookup(Authenticator(app.service, _KEYS), options)
    rooms = (
        BotRoutes(lookup),
        AccountRoutes(lookup),
        ActionRoutes(lookup),
        MeetingDataRoutes(lookup),
    )
    for webhook_format in (Callbacks, ParticipantWebhooks, LiveText):
        app.add_webhook_format(webhook_format(app.service.now))
    app.mount(
        Mount(
            name=NAME,
            title="MeetStream",
            routes=[route for room in rooms for route in room.routes()],
            refuse=REFUSE,
            keys=_KEYS,
            docs="MeetStream's API: POST /api/v1/bots/create_bot here, with Authorization: Token.",
        )
    )
