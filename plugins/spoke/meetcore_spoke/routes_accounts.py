"""The routes about a user's webhooks: where they go, and what is in them."""

from __future__ import annotations

from collections.abc import Mapping

from meetcore.gateway import (
    Authenticator,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    is_web_address,
    with_choices,
)
from meetcore_spoke.documentation import documentation
from meetcore_spoke.options import SpokeOptions, header_for

__all__ = ["AccountRoutes"]

_CHOICES = ("webhook_url", "webhook_header", "extended")


class AccountRoutes:
    """Answers what is asked and chosen for all bots of a user.

    Args:
        authenticator: Knows who asks, and the service.
        options: The operator's.
    """

    def __init__(self, authenticator: Authenticator, options: SpokeOptions) -> None:
        self._authenticator = authenticator
        self._service = authenticator.service
        self._options = options

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/bots/webhooks", self.webhooks),
            Route("GET", "/bots/webhooks/bot", self.webhooks),
            Route("GET", "/accounts/webhook_url", self.webhook_url),
            Route("POST", "/accounts/webhook_url", self.put_webhook_url),
        ]

    async def webhooks(self, request: Request) -> Reply:
        """Say which webhooks there are and what is in them, as this user gets them."""
        client = await self._authenticator.client(request, Scope.READ)
        settings = await self._service.settings(client.user_id, "spoke")
        options = with_choices(self._options, settings)
        place, _ = self._authenticator.key_of(request)
        header = header_for(options, place.header)
        return Reply(json=documentation(header, extended=options.extended))

    async def webhook_url(self, request: Request) -> Reply:
        """Return where webhooks go for bots that name no other target."""
        client = await self._authenticator.client(request, Scope.READ)
        settings = await self._service.settings(client.user_id, "spoke")
        return Reply(json={"webhook_url": settings.get("webhook_url")})

    async def put_webhook_url(self, request: Request) -> Reply:
        """Set it; and, which is ours, `webhook_header` and `extended` for this user."""
        client = await self._authenticator.client(request, Scope.WRITE)
        body = request.json()
        body = body if isinstance(body, Mapping) else {}
        url = body.get("webhook_url")
        if url is not None and not (isinstance(url, str) and is_web_address(url, ascii_only=True)):
            raise _wrong("webhook_url must be an http or https URL.")
        trouble = self._service.private_targets.webhook_trouble(url) if url else None
        if trouble is not None:
            raise _wrong(f"webhook_url {trouble}.")
        if not set(_CHOICES) & set(body):
            raise _wrong("webhook_url is required.")
        settings = {**await self._service.settings(client.user_id, "spoke")}
        settings |= {name: body[name] for name in _CHOICES if name in body}
        if not isinstance(settings.get("extended"), (bool, type(None))):
            raise _wrong("extended must be true or false.")
        if not isinstance(settings.get("webhook_header"), (str, type(None))):
            raise _wrong("webhook_header must be a header's name.")
        with_choices(self._options, settings)  # which refuses a header that is none of ours
        await self._service.put_settings(client.user_id, "spoke", settings)
        return Reply(json={"webhook_url": settings.get("webhook_url")})


def _wrong(text: str) -> Refusal:
    return Refusal(400, text, "InvalidRequest")
