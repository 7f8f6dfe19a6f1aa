"""From a request to the client who asks, and to the bot that is asked about."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from meetcore.gateway.http import ApiKey, Request
from meetcore.gateway.records import BotRow, Client, Scope
from meetcore.gateway.service import Service
from meetcore.model.errors import MeetcoreError

__all__ = ["Authenticator", "KeyInvalid", "KeyMissing", "ScopeMissing"]


class KeyMissing(MeetcoreError):
    """No valid key came with the request."""

    code = "unauthorized"


class KeyInvalid(KeyMissing):
    """A key came with the request that is unknown, revoked or expired."""

    code = "invalid_key"


class ScopeMissing(MeetcoreError):
    """The key may not do that."""

    code = "forbidden"

    def __init__(self, scope: Scope, message: str = "") -> None:
        super().__init__(message or f"This key has no scope {scope.value!r}.")
        self.scope = scope


@frozen
class Authenticator:
    """Tells who asks.

    Attributes:
        service: Knows the keys and the bots.
        keys: Where a key may stand, as in `Mount.keys`; the first that is there counts.
    """

    service: Service
    keys: Sequence[ApiKey]

    def key_of(self, request: Request) -> tuple[ApiKey, str | None]:
        """Return where a request has its key, and the key; the first place and None for nowhere."""
        found = ((place, place.of(request)) for place in self.keys)
        return next((each for each in found if each[1] is not None), (self.keys[0], None))

    async def client(self, request: Request, scope: Scope) -> Client:
        """Return who asks.

        Raises:
            KeyMissing, KeyInvalid: There is no key, or none that is valid.
            ScopeMissing: It may not do that.
        """
        _, key = self.key_of(request)
        client = await self.service.authenticate(key)
        if client is None:
            kind = KeyMissing if key is None else KeyInvalid
            raise kind("A valid API key is needed.")
        if not client.may(scope):
            raise ScopeMissing(scope)
        return client

    async def bot(self, request: Request, bot_id: str, scope: Scope) -> tuple[Client, BotRow]:
        """Return who asks, and the bot that is meant.

        Raises:
            KeyMissing, KeyInvalid, ScopeMissing: As for `client`.
            NoSuchBot: It is not there, or somebody else's.
        """
        client = await self.client(request, scope)
        return client, await self.service.bot(client, bot_id)
