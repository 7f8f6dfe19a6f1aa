"""What the plugin adds to a server: its routes, its socket, its webhooks."""

from __future__ import annotations

from meetcore.gateway.http import ApiKey, Mount, SocketRoute
from meetcore.gateway.service import App
from meetcore.model.errors import ConfigError
from meetcore_vexa.accounts import AccountRoutes
from meetcore_vexa.bots import BotRoutes
from meetcore_vexa.history import MeetingRoutes
from meetcore_vexa.live import LiveRoutes
from meetcore_vexa.lookup import NAME, Lookup
from meetcore_vexa.recordings import RecordingRoutes
from meetcore_vexa.refusals import refuse
from meetcore_vexa.routes_actions import ActionRoutes
from meetcore_vexa.routes_admin import AdminRoutes
from meetcore_vexa.transcripts import TranscriptRoutes
from meetcore_vexa.variants import DEFAULT, Variant
from meetcore_vexa.webhooks import EnvelopeWebhooks, FlatWebhooks

__all__ = ["mount"]


def mount(app: App) -> None:
    """Mount the dialect.

    Raises:
        ConfigError: `[plugins.server.dialects.vexa] dialect` names none of the four.
    """
    default = _default(app)
    lookup = Lookup(service=app.service, default=default)
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
    app.add_webhook_format(FlatWebhooks(app.service, default))
    app.add_webhook_format(EnvelopeWebhooks(app.service, default))
    app.mount(
        Mount(
            name=NAME,
            title="Vexa",
            routes=[route for room in rooms for route in room.routes()],
            sockets=[SocketRoute("/ws", LiveRoutes(lookup).admit)],
            refuse=refuse,
            keys=[ApiKey("x-api-key", query="api_key"), ApiKey("x-admin-api-key")],
            docs="REST, WebSocket and webhooks as Vexa has them, 0.6 to 0.12.",
        )
    )


def _default(app: App) -> Variant:
    options = app.options.get(NAME, {})
    named = options.get("dialect", DEFAULT.value) if isinstance(options, dict) else None
    variant = Variant.named(named)
    if variant is None:
        raise ConfigError(
            f"[plugins.server.dialects.vexa] cannot be used: dialect is {named!r}.",
            'Write dialect = "E1", "E2", "E3" or "E4".',
        )
    return variant
