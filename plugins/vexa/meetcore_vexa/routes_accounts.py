"""A user's own settings: webhook, recording, dialect, and who they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from meetcore import PrivateTargets
from meetcore.gateway import Client, Refusal, Reply, Request, Route, Scope, UserRow
from meetcore_vexa.create_request import fields_of, flag_of, yes_or_no
from meetcore_vexa.errors import invalid
from meetcore_vexa.lookup import NAME, Lookup
from meetcore_vexa.variants import Variant, naive

__all__ = ["AccountRoutes", "user_body", "webhook_address"]

_MOST_EVENTS = 50
_LONGEST_EVENT = 100
_LOCAL_NAMES = (".local", ".localhost", ".internal", ".home.arpa")


def user_body(user: UserRow) -> dict[str, Any]:
    """Return a UserResponse."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "image_url": user.image_url,
        "created_at": naive(user.created_at),
        "max_concurrent_bots": user.max_bots,
    }


def target_trouble(url: str, private: PrivateTargets) -> str | None:
    """Return what is wrong with a webhook's URL as far as it can be read from it, None for nothing.

    Whether another name leads to a private address shows when something is sent, and is checked
    then.
    """
    trouble = private.webhook_trouble(url)
    if trouble is not None:
        return f"Webhook URL {trouble}"
    parts = urlsplit(url)
    if parts.username:
        return "Input should be a valid URL without a user"
    host = parts.hostname or ""
    if (host == "localhost" or host.endswith(_LOCAL_NAMES)) and not private.name(host):
        return "Webhook URL must not lead to a private address"
    return None


def webhook_address(url: object, private: PrivateTargets) -> str | None:
    """Return where a user's webhooks are to go; None, or an empty text, for nowhere.

    Raises:
        Refusal: Nothing can be sent there.
    """
    if url is None or url == "":
        return None
    if not isinstance(url, str):
        raise invalid(["body", "webhook_url"], "Input should be a valid string", "string_type")
    trouble = target_trouble(url, private)
    if trouble is not None:
        raise invalid(["body", "webhook_url"], trouble, "url_parsing")
    return url


class AccountRoutes:
    """Handlers of /user/…, /auth/me and /recording-config.

    Args:
        lookup: The way in.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._service = lookup.service

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("PUT", "/user/webhook", self.set_webhook),
            Route("GET", "/user/webhook", self.get_webhook),
            Route("PUT", "/user/dialect", self.set_dialect),
            Route("GET", "/user/dialect", self.get_dialect),
            Route("GET", "/auth/me", self.who),
            Route("GET", "/recording-config", self.get_recording),
            Route("PUT", "/recording-config", self.set_recording),
        ]

    async def _keep(self, client: Client, changes: Mapping[str, Any]) -> None:
        settings = {**await self._lookup.settings(client.user_id), **changes}
        await self._service.put_settings(client.user_id, NAME, settings)

    async def _user(self, client: Client) -> UserRow:
        user = await self._service.user(client.user_id)
        if user is None:
            raise Refusal(404, "User not found")
        return user

    async def set_webhook(self, request: Request) -> Reply:
        """Set where a user's webhooks go; what is sent from now on goes there."""
        caller = await self._lookup.caller(request, Scope.WRITE)
        body = fields_of(request.json())
        if "webhook_url" not in body.body:
            raise invalid(["body", "webhook_url"], "Field required", "missing")
        url = body.text("webhook_url")
        url = webhook_address(url, self._service.private_targets)
        secret, events = body.text("webhook_secret", longest=500), body.get("webhook_events")
        if secret is not None and not (secret.isascii() and secret.isprintable()):
            raise invalid(["body", "webhook_secret"], "Only printable ASCII characters")
        changes: dict[str, Any] = {"webhook_url": url}
        if request.args.get("dialect") is not None:
            changes["webhook_dialect"] = caller.variant.value
        if "webhook_secret" in body.body:
            changes["webhook_secret"] = secret
        if "webhook_events" in body.body:
            changes["webhook_events"] = _events(events)
        await self._keep(caller.client, changes)
        return Reply(json={**user_body(await self._user(caller.client)), "webhook_url": url})

    async def get_webhook(self, request: Request) -> Reply:
        """Return where a user's webhooks go."""
        client = await self._lookup.client(request, Scope.READ)
        settings = await self._lookup.settings(client.user_id)
        secret = settings.get("webhook_secret")
        return Reply(
            json={
                "webhook_url": settings.get("webhook_url"),
                "webhook_secret_set": bool(secret),
                "webhook_secret": "••••••••" if secret else None,
                "webhook_events": settings.get("webhook_events"),
            }
        )

    async def set_dialect(self, request: Request) -> Reply:
        """Choose the era in which a user is answered; meetcore's own route."""
        client = await self._lookup.client(request, Scope.WRITE)
        variant = Variant.named(fields_of(request.json()).get("dialect"))
        if variant is None:
            raise invalid(["body", "dialect"], "Input should be 'E1', 'E2', 'E3' or 'E4'", "enum")
        await self._keep(client, {"dialect": variant.value, "webhook_dialect": None})
        return Reply(json={"dialect": variant.value})

    async def get_dialect(self, request: Request) -> Reply:
        """Return the era in which a user is answered; meetcore's own route."""
        caller = await self._lookup.caller(request)
        return Reply(json={"dialect": caller.variant.value})

    async def who(self, request: Request) -> Reply:
        """Return whose key it is, and what it may do."""
        client = await self._lookup.client(request, Scope.READ)
        user = await self._user(client)
        scopes = ["bot", "tx"] if client.may(Scope.WRITE) else ["tx"]
        return Reply(
            json={
                "user_id": user.id,
                "email": user.email,
                "scopes": scopes,
                "max_concurrent": user.max_bots,
            }
        )

    async def get_recording(self, request: Request) -> Reply:
        """Return what is recorded of a user's meetings: audio always, and video where wished."""
        client = await self._lookup.client(request, Scope.READ)
        settings = await self._lookup.settings(client.user_id)
        modes = settings.get("capture_modes") or ["audio"]
        return Reply(json={"enabled": True, "capture_modes": modes})

    async def set_recording(self, request: Request) -> Reply:
        """Choose whether video is recorded, too, of bots that are sent from now on."""
        client = await self._lookup.client(request, Scope.WRITE)
        body = fields_of(request.json())
        modes = body.body.get("capture_modes", ["audio"])
        if flag_of(body, "enabled") is False or modes not in (["audio"], ["audio", "video"]):
            raise invalid(
                ["body"], "This server records audio of every meeting, or audio and video"
            )
        await self._keep(client, {"capture_modes": modes})
        return Reply(json={"enabled": True, "capture_modes": modes})


def _events(given: Any) -> dict[str, bool] | None:
    if given is None:
        return None
    wanted = {str(k): yes_or_no(v) for k, v in given.items()} if isinstance(given, dict) else {}
    if not isinstance(given, dict) or None in wanted.values():
        raise invalid(["body", "webhook_events"], "Input should map event types to true or false")
    if len(wanted) > _MOST_EVENTS or any(len(name) > _LONGEST_EVENT for name in wanted):
        raise invalid(
            ["body", "webhook_events"],
            f"Input should have at most {_MOST_EVENTS} names of {_LONGEST_EVENT} characters",
        )
    return {name: yes is True for name, yes in wanted.items()}
