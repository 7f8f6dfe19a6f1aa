"""What the plugin adds to a server: its routes, its socket, its webhooks."""

from __future__ import annotations

from meetcore import build_options
from meetcore.gateway import ApiKey, App, Authenticator, Mount, SocketRoute
from meetcore_vexa.errors import REFUSE
from meetcore_vexa.lookup import NAME, Lookup
from meetcore_vexa.options import WHERE, VexaOptions
from meetcore_vexa.routes_accounts import AccountRoutes
from meetcore_vexa.routes_actions import ActionRoutes
from meetcore_vexa.routes_admin import AdminRoutes
from meetcore_vexa.routes_bots import BotRoutes
from meetcore_vexa.routes_meetings import MeetingRoutes
from meetcore_vexa.routes_recordings import RecordingRoutes
from meetcore_vexa.routes_transcripts import TranscriptRoutes
from meetcore_vexa.sockets import LiveRoutes
from meetcore_vexa.webhooks import EnvelopeWebhooks, FlatWebhooks

__all__ = ["add_to"]

_KEY = ApiKey("x-api-key")
_SOCKET_KEY = ApiKey("x-api-key", query="api_key")
_ADMIN_KEY = ApiKey("x-admin-api-key")


def add_to(app: App) -> None:
    """Mount Vexa's API.

    Raises:
        ConfigError: An option of ours that nobody knows, or that names none of the four eras.
    """
    service = app.service
    default = build_options(VexaOptions, app.options.get(NAME), WHERE).variant
    lookup = Lookup(
        authenticator=Authenticator(service, (_KEY,)),
        admins=Authenticator(service, (_ADMIN_KEY,)),
        default=default,
    )
    bots = BotRoutes(lookup)
    rooms = (
        ActionRoutes(lookup),
        bots,
        MeetingRoutes(lookup, bots),
        TranscriptRoutes(lookup),
        RecordingRoutes(lookup),
        AccountRoutes(lookup),
        AdminRoutes(lookup),
    )
    live = LiveRoutes(lookup, Authenticator(service, (_SOCKET_KEY,)))
    app.add_webhook_format(FlatWebhooks(service, default))
    app.add_webhook_format(EnvelopeWebhooks(service, default))
    app.mount(
        Mount(
            name=NAME,
            title="Vexa",
            routes=[route for room in rooms for route in room.routes()],
            sockets=[SocketRoute("/ws", live.admit)],
            refuse=REFUSE,
            keys=(_SOCKET_KEY, _ADMIN_KEY),
            docs="REST, WebSocket and webhooks as Vexa has them, 0.6 to 0.12.",
        )
    )
