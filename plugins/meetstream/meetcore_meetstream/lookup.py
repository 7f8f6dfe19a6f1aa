"""Who comes in, in which dialect, and which bot is meant: what all routes have in common."""

from __future__ import annotations

from attrs import frozen

from meetcore import BotHistory
from meetcore.gateway import (
    Authenticator,
    BotGone,
    BotRow,
    Client,
    Handler,
    Refusal,
    Request,
    Route,
    Scope,
    Service,
    with_choices,
)
from meetcore_meetstream.options import MeetstreamOptions
from meetcore_meetstream.variants import Variant

__all__ = ["NAME", "PREFIXES", "Lookup", "everywhere"]

NAME = "meetstream"

PREFIXES = tuple(
    dialect + prefix
    for dialect in ("", *(f"/{variant}" for variant in Variant))
    for prefix in ("/api/v1", "/v1", "")
)
"""MeetStream's clients have `/api/v1` or `/v1` in their base URL. It is all that some of them let
their users choose, so it can name the dialect, too."""


def everywhere(method: str, template: str, handler: Handler, *, safe: bool = True) -> list[Route]:
    """Return a route below each prefix; `safe` as in `Route`."""
    return [Route(method, prefix + template, handler, safe=safe) for prefix in PREFIXES]


@frozen
class Lookup:
    """What every room of the API needs.

    Attributes:
        authenticator: Knows who asks, and the service.
        options: The operator's.
    """

    authenticator: Authenticator
    options: MeetstreamOptions

    @property
    def service(self) -> Service:
        """The bots."""
        return self.authenticator.service

    async def client(self, request: Request, scope: Scope) -> Client:
        """Return whose key a request has.

        Raises:
            Refusal: Something else stands in its place.
            KeyMissing, KeyInvalid, ScopeMissing: As they say.
        """
        given = (request.header("authorization") or "").strip()
        if given and given.partition(" ")[0].lower() != "token":
            raise Refusal(401, "Send the API key as 'Authorization: Token YOUR_API_KEY'")
        return await self.authenticator.client(request, scope)

    async def bot(self, request: Request, scope: Scope = Scope.READ) -> BotRow:
        """Return the bot a request's path names.

        Raises:
            NoSuchBot: It is not there, or somebody else's.
        """
        client = await self.client(request, scope)
        return await self.service.bot(client, request.params["id"])

    async def history(self, row: BotRow) -> BotHistory | None:
        """Return a bot's history, None where its data was deleted."""
        if row.deleted_at is not None:
            return None
        try:
            return await self.service.history(row)
        except BotGone:
            return None

    async def chosen(self, client: Client) -> MeetstreamOptions:
        """Return the operator's options with what the user chose on top."""
        return with_choices(self.options, await self.service.settings(client.user_id, NAME))

    def asked_for(self, request: Request) -> Variant | None:
        """Return the dialect that `?dialect=` names, or else the path; None where neither does.

        Raises:
            Refusal: `?dialect=` names none that there is.
        """
        given = request.args.get("dialect")
        if given is None:
            return Variant.named(request.path.strip("/").partition("/")[0])
        variant = Variant.named(given)
        if variant is None:
            raise Refusal(400, "dialect must be 'legacy' or 'current'")
        return variant

    def of_bot(self, request: Request, row: BotRow) -> Variant:
        """Return the dialect in which a request about a bot is answered."""
        made_in = Variant.named(row.extras.get("dialect"))
        return self.asked_for(request) or made_in or self.options.variant
