"""Puts routes and webhooks together into what the server mounts."""

from __future__ import annotations

from meetcore.gateway.http import ApiKey, Mount
from meetcore.gateway.service import App
from meetcore_meetstream.lookup import NAME, Lookup
from meetcore_meetstream.options import read_options
from meetcore_meetstream.refusals import refuse
from meetcore_meetstream.routes_actions import ActionRoutes
from meetcore_meetstream.routes_bots import BotRoutes
from meetcore_meetstream.routes_create import CreateRoutes
from meetcore_meetstream.webhooks import Callbacks, LiveText, ParticipantWebhooks

__all__ = ["add_to"]


def add_to(app: App) -> None:
    """Mount MeetStream's API.

    Raises:
        ConfigError: An option of ours that nobody knows, or that cannot be used.
    """
    lookup = Lookup(app.service, read_options(app.options.get(NAME, {})))
    rooms = (CreateRoutes(lookup), ActionRoutes(lookup), BotRoutes(lookup))
    for webhook_format in (Callbacks, ParticipantWebhooks, LiveText):
        app.add_webhook_format(webhook_format(app.service.now))
    app.mount(
        Mount(
            name=NAME,
            title="MeetStream",
            routes=[route for room in rooms for route in room.routes()],
            refuse=refuse,
            keys=[ApiKey("authorization", "Token")],
            docs="MeetStream's API: POST /api/v1/bots/create_bot here, with Authorization: Token.",
        )
    )
