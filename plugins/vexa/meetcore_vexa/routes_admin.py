"""The routes under /admin: users and their tokens. They take `X-Admin-API-Key`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from meetcore.gateway import BodyFields, NoSuchBot, Refusal, Reply, Request, Route, Scope, UserRow
from meetcore_vexa.create_request import fields_of
from meetcore_vexa.errors import invalid
from meetcore_vexa.lookup import Lookup, integer
from meetcore_vexa.routes_accounts import user_body
from meetcore_vexa.variants import Variant, naive, zulu

__all__ = ["AdminRoutes"]

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_SCOPES = {
    "bot": frozenset({Scope.READ, Scope.WRITE}),
    "tx": frozenset({Scope.READ}),
    "browser": frozenset({Scope.READ}),
}


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
        return Reply(status=201 if new else 200, json=user_body(user))

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
        return Reply(json=user_body(users[0]))

    async def _user(self, request: Request) -> UserRow:
        number = integer(["path", "user_id"], request.params["user_id"], low=0)
        user = await self._service.user(number)
        if user is None:
            raise Refusal(404, "User not found")
        return user

    async def get_user(self, request: Request) -> Reply:
        """Return a user."""
        await self._lookup.admin(request)
        return Reply(json=user_body(await self._user(request)))

    async def change_user(self, request: Request) -> Reply:
        """Change a user."""
        await self._lookup.admin(request)
        user = await self._user(request)
        body = fields_of(request.json())
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
        return Reply(json=user_body(user))

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


def _limit(body: BodyFields) -> int | None:
    value = body.get("max_concurrent_bots")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100_000:
        raise invalid(
            ["body", "max_concurrent_bots"], "Input should be an integer from 0 to 100000"
        )
    return value


def _token_wish(request: Request) -> tuple[list[str], int | None]:
    args = request.args
    raw = request.json()
    body = fields_of({} if raw is None else raw)
    scopes: Any = body.get("scopes")
    if scopes is None:
        scopes = [part.strip() for part in args.get("scopes", "").split(",") if part.strip()]
    if not isinstance(scopes, list) or any(s not in ("bot", "tx", "browser") for s in scopes):
        raise invalid(["body", "scopes"], "Input should be a list of 'bot', 'tx' and 'browser'")
    lifetime = body.body.get("expires_in", args.get("expires_in"))
    if lifetime is None:
        return scopes or ["bot", "tx"], None
    if isinstance(lifetime, bool) or not isinstance(lifetime, (int, str)):
        raise invalid(["body", "expires_in"], "Input should be a number of seconds")
    seconds = integer(["body", "expires_in"], str(lifetime), low=1, high=10 * 365 * 24 * 3600)
    return scopes or ["bot", "tx"], seconds
