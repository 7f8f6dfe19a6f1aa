"""The routes under /admin: users and their tokens. They take `X-Admin-API-Key`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from meetcore.gateway import (
    BodyFields,
    KeyRow,
    NoSuchBot,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    UserRow,
)
from meetcore_vexa.create_request import fields_of, whole_of
from meetcore_vexa.errors import invalid
from meetcore_vexa.lookup import NAME, Lookup, integer
from meetcore_vexa.routes_accounts import user_body, webhook_address
from meetcore_vexa.variants import Variant, naive, zulu

__all__ = ["AdminRoutes"]

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_SCOPES = {
    "bot": frozenset({Scope.READ, Scope.WRITE}),
    "tx": frozenset({Scope.READ}),
    "browser": frozenset({Scope.READ}),
}
_NAMES = tuple(_SCOPES)


class AdminRoutes:
    """Handlers of the routes under /admin.

    Args:
        lookup: The way in.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._service = lookup.service

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("POST", "/admin/users", self.create_user),
            Route("GET", "/admin/users", self.list_users),
            Route("GET", "/admin/users/email/{email}", self.find_user),
            Route("GET", "/admin/users/{user_id}", self.get_user),
            Route("PATCH", "/admin/users/{user_id}", self.change_user),
            Route("POST", "/admin/users/{user_id}/tokens", self.create_token),
            Route("DELETE", "/admin/tokens/{token_id}", self.delete_token),
        ]

    async def create_user(self, request: Request) -> Reply:
        """Create a user, or find the one with that email."""
        await self._lookup.admin(request)
        body = fields_of(request.json())
        email = body.text("email", longest=320)
        if email is None:
            raise invalid(["body", "email"], "Field required", "missing")
        if not _EMAIL.fullmatch(email):
            raise invalid(["body", "email"], "value is not a valid email address")
        user, new = await self._service.create_user(
            email,
            name=body.text("name", longest=200),
            image_url=body.text("image_url"),
            max_bots=_limit(body),
        )
        return Reply(status=201 if new else 200, json=await self._shown(user))

    async def list_users(self, request: Request) -> Reply:
        """List users."""
        await self._lookup.admin(request)
        args = request.args
        skip = integer(["query", "skip"], args.get("skip", "0"), low=0)
        limit = integer(["query", "limit"], args.get("limit", "100"), low=1, high=1000)
        users = await self._service.users()
        return Reply(json=[user_body(user) for user in users[skip : skip + limit]])

    async def find_user(self, request: Request) -> Reply:
        """Return the user with an email."""
        await self._lookup.admin(request)
        users = await self._service.users(email=request.params["email"])
        if not users:
            raise Refusal(404, "User not found")
        return Reply(json=await self._shown(users[0]))

    async def _user(self, request: Request) -> UserRow:
        number = integer(["path", "user_id"], request.params["user_id"], low=0)
        user = await self._service.user(number)
        if user is None:
            raise Refusal(404, "User not found")
        return user

    async def get_user(self, request: Request) -> Reply:
        """Return a user."""
        await self._lookup.admin(request)
        user = await self._user(request)
        keys = await self._service.keys(user.id)
        tokens = [_token(row) for row in keys if row.revoked_at is None]
        return Reply(json={**await self._shown(user), "api_tokens": tokens})

    async def _shown(self, user: UserRow) -> dict[str, Any]:
        """Return a user with what is kept of their webhook, nothing secret."""
        url = (await self._lookup.settings(user.id)).get("webhook_url")
        return {**user_body(user), "data": {"webhook_url": url} if url else {}}

    async def change_user(self, request: Request) -> Reply:
        """Change a user; of `data` there is the `webhook_url`."""
        await self._lookup.admin(request)
        user = await self._user(request)
        body = fields_of(request.json())
        email = body.text("email")
        if email is not None and email.lower() != (user.email or "").lower():
            raise Refusal(400, "Email cannot be changed")
        data = _data(body)
        if "webhook_url" in data:
            data["webhook_url"] = webhook_address(
                data["webhook_url"], self._service.private_targets
            )
        changes: dict[str, Any] = {}
        for name in ("name", "image_url"):
            if name in body.body:
                changes[name] = body.text(name)
        if body.get("max_concurrent_bots") is not None:
            changes["max_bots"] = _limit(body)
        try:
            user = await self._service.change_user(user.id, **changes) if changes else user
        except NoSuchBot as error:
            raise Refusal(404, "User not found") from error
        if "webhook_url" in data:
            settings = await self._lookup.settings(user.id)
            await self._service.put_settings(user.id, NAME, {**settings, **data})
        return Reply(json=await self._shown(user))

    async def create_token(self, request: Request) -> Reply:
        """Make a key for a user; it is shown this once."""
        admin = await self._lookup.admin(request)
        user = await self._user(request)
        wanted, lifetime_s = _token_wish(request)
        scopes: frozenset[Scope] = frozenset().union(*(_SCOPES[name] for name in wanted))
        now = self._service.now()
        row, key = await self._service.create_key(
            user.id,
            label="vexa",
            prefix=f"vxa_{wanted[0]}_",
            scopes=scopes,
            expires_at=None if lifetime_s is None else now + timedelta(seconds=lifetime_s),
        )
        body: dict[str, Any] = {
            "id": row.number,
            "token": key,
            "user_id": user.id,
            "created_at": naive(row.created_at),
        }
        if await self._lookup.variant(request, admin.user_id) is Variant.E4:
            expires = None if row.expires_at is None else zulu(row.expires_at)
            body |= {"created_at": zulu(row.created_at), "scopes": wanted, "expires_at": expires}
        return Reply(status=201, json=body)

    async def delete_token(self, request: Request) -> Reply:
        """Make a key void."""
        await self._lookup.admin(request)
        number = integer(["path", "token_id"], request.params["token_id"], low=0)
        for row in await self._service.keys():
            if row.number == number and await self._service.revoke_key(row.id):
                return Reply(status=204)
        raise Refusal(404, "Token not found")


def _token(row: KeyRow) -> dict[str, Any]:
    """Return a key without what only its holder knows."""
    return {"id": row.number, "user_id": row.user_id, "created_at": naive(row.created_at)}


def _data(body: BodyFields) -> dict[str, Any]:
    """Return the `data` of a user that is to be merged.

    Raises:
        Refusal: It is no object, or has what is not kept here.
    """
    data = body.get("data")
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise invalid(["body", "data"], "Input should be a valid dictionary", "dict_type")
    for name in data:
        if name != "webhook_url":
            raise invalid(["body", "data", str(name)[:50]], "Only 'webhook_url' is kept here")
    return dict(data)


def _limit(body: BodyFields) -> int | None:
    if body.get("max_concurrent_bots") is None:
        return None
    value = whole_of(body.get("max_concurrent_bots"))
    if value is None or not 0 <= value <= 100_000:
        raise invalid(
            ["body", "max_concurrent_bots"], "Input should be an integer from 0 to 100000"
        )
    return value


def _token_wish(request: Request) -> tuple[list[str], int | None]:
    args = request.args
    raw = request.json()
    body = fields_of({} if raw is None else raw)
    scopes = _scopes(body, args)
    lifetime = body.body.get("expires_in", args.get("expires_in"))
    if lifetime is None:
        return scopes, None
    number = whole_of(lifetime)
    if number is None:
        raise invalid(["body", "expires_in"], "Input should be a number of seconds")
    return scopes, integer(["body", "expires_in"], str(number), low=1, high=10 * 365 * 24 * 3600)


def _scopes(body: BodyFields, args: Mapping[str, str]) -> list[str]:
    """Return what a key is to open: `scopes`, else the one `scope`, else `bot`.

    Raises:
        Refusal: It names none, or one that there is not.
    """
    many = body.get("scopes")
    if many is None and "scopes" in args:
        many = [name for part in args["scopes"].split(",") if (name := part.strip())]
    if many is None:
        one = body.get("scope")
        many = [args.get("scope", "bot") if one is None else one]
    if not isinstance(many, list) or not many or any(name not in _NAMES for name in many):
        raise invalid(["body", "scopes"], "Input should be a list of 'bot', 'tx' and 'browser'")
    return many
