"""What each user chooses for all bots, over the operator's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meetcore.gateway import Reply, Request, Route, Scope, with_choices
from meetcore_meetstream.errors import wrong
from meetcore_meetstream.fields import printable_key
from meetcore_meetstream.lookup import NAME, Lookup, everywhere
from meetcore_meetstream.options import AUDIO_FORMATS, MeetstreamOptions
from meetcore_meetstream.variants import Variant

__all__ = ["AccountRoutes"]


class AccountRoutes:
    """Shows and changes a user's settings.

    Args:
        lookup: The service, and who comes in.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._service = lookup.service

    def routes(self) -> list[Route]:
        """Return its routes."""
        return [
            *everywhere("GET", "/user/settings", self.settings),
            *everywhere("PUT", "/user/settings", self.put_settings),
        ]

    async def settings(self, request: Request) -> Reply:
        """Return what the user chose, over the operator's options."""
        client = await self._lookup.client(request, Scope.READ)
        options = await self._lookup.chosen(client)
        settings = await self._service.settings(client.user_id, NAME)
        return Reply(json=_settings_body(options, settings))

    async def put_settings(self, request: Request) -> Reply:
        """Choose `dialect`, `audio_format` and `webhook_secret`; null goes back to the default."""
        client = await self._lookup.client(request, Scope.WRITE)
        body = request.json()
        known = {"dialect", "audio_format", "webhook_secret"}
        if not isinstance(body, Mapping) or not body or not set(body) <= known:
            raise wrong(f"The body must be an object with {', '.join(sorted(known))}")
        if body.get("dialect") is not None and Variant.named(body["dialect"]) is None:
            raise wrong("dialect must be 'legacy' or 'current'")
        if body.get("audio_format") not in (None, *AUDIO_FORMATS):
            raise wrong(f"audio_format must be one of {', '.join(AUDIO_FORMATS)}")
        printable_key(body.get("webhook_secret"), "webhook_secret")
        settings = {**await self._service.settings(client.user_id, NAME), **body}
        settings = {name: value for name, value in settings.items() if value is not None}
        await self._service.put_settings(client.user_id, NAME, settings)
        return Reply(json=_settings_body(with_choices(self._lookup.options, settings), settings))


def _settings_body(options: MeetstreamOptions, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "dialect": options.variant.value,
        "audio_format": options.audio_format,
        "webhook_signed": isinstance(settings.get("webhook_secret"), str),
    }
