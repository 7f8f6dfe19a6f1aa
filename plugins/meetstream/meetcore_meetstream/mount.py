"""Puts routes and webhooks together into what the server mounts."""

from __future__ import annotations

from meetcore.doors import ApiKey, Mount
from meetcore.service import App
from meetcore_meetstream.acting import Acting
from meetcore_meetstream.creating import Creating
from meetcore_meetstream.door import NAME, Door
from meetcore_meetstream.options import read_options
from meetcore_meetstream.reading import Reading
from meetcore_meetstream.refusals import refuse
from meetcore_meetstream.webhooks import Callbacks, Comings, LiveText

__all__ = ["add_to"]


def add_to(app: App) -> None:
    """Mount MeetStream's API.

    Raises:
        ConfigError: An option of ours that nobody knows, or that cannot be used.
    """
    door = Door(app.service, read_options(app.options.get(NAME, {})))
    rooms = (Creating(door), Acting(door), Reading(door))
    for webhook_format in (Callbacks, Comings, LiveText):
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
