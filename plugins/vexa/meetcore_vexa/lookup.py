"""Who asks, in which dialect, and for which meeting: what every route begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from meetcore import MeetcoreError, State
from meetcore.gateway import (
    Authenticator,
    BotQuery,
    BotRow,
    Client,
    KeyMissing,
    NoSuchBot,
    Refusal,
    Request,
    Scope,
    ScopeMissing,
    Service,
)
from meetcore.model import known_id
from meetcore_vexa.bot_object import meeting_of
from meetcore_vexa.create_request import CreateBotRequest
from meetcore_vexa.errors import invalid
from meetcore_vexa.links import MeetingPlace, same_meeting
from meetcore_vexa.variants import DEFAULT, Variant

__all__ = ["NAME", "Caller", "Lookup", "integer"]

NAME = "vexa"
"""The dialect, as rows and settings name it."""

LIVE_STATES = frozenset(State) - {State.COMPLETED, State.FAILED}


@frozen(kw_only=True)
class Caller:
    """Who asks, and in which era's words they are answered."""

    client: Client
    variant: Variant


@frozen(kw_only=True)
class Lookup:
    """The way from a request to a caller and a bot.

    Attributes:
        authenticator: Knows who asks, and the service.
        admins: Knows who looks after users.
        default: The era of users who have not chosen one.
    """

    authenticator: Authenticator
    admins: Authenticator
    default: Variant = DEFAULT

    @property
    def service(self) -> Service:
        """The bots."""
        return self.authenticator.service

    async def client(self, request: Request, scope: Scope) -> Client:
        """Return who asks.

        Raises:
            KeyMissing, KeyInvalid, ScopeMissing: As they say.
            Refusal: That cannot be told now (503).
        """
        return await _known(self.authenticator, request, scope)

    async def admin(self, request: Request) -> Client:
        """Return the administrator who asks.

        Raises:
            Refusal: No, a wrong or an ordinary key (403).
        """
        try:
            return await _known(self.admins, request, Scope.ADMIN)
        except (KeyMissing, ScopeMissing) as error:
            raise Refusal(403, "Invalid or missing admin token.") from error

    async def caller(self, request: Request, scope: Scope = Scope.READ) -> Caller:
        """Return who asks, and in which era."""
        client = await self.client(request, scope)
        return Caller(client=client, variant=await self.variant(request, client.user_id))

    async def variant(self, request: Request, user_id: int) -> Variant:
        """Return the era of a request: its own choice, its user's, or the server's.

        Raises:
            Refusal: It names none of the four.
        """
        create_request = request.args.get("dialect")
        if create_request is not None:
            variant = Variant.named(create_request)
            if variant is None:
                raise invalid(["query", "dialect"], "Input should be 'E1', 'E2', 'E3' or 'E4'")
            return variant
        settings = await self.settings(user_id)
        return Variant.named(settings.get("dialect")) or self.default

    async def settings(self, user_id: int) -> Mapping[str, Any]:
        """Return what is kept for a user."""
        return await self.service.settings(user_id, NAME)

    async def meetings(
        self, client: Client, platform: str, native_id: str, *, live: bool = False
    ) -> list[BotRow]:
        """Return the bots a user had in a meeting, newest first; those with data only."""
        wanted = (platform, native_id)
        found: dict[int, BotRow] = {}
        for each in {native_id, known_id(platform, native_id)}:
            query = BotQuery(
                dialect=NAME, native_id=each, states=LIVE_STATES if live else None, limit=None
            )
            for row in await self.service.bots(client, query):
                meeting = meeting_of(row)
                if same_meeting((meeting.platform, meeting.native_id), wanted):
                    found[row.number] = row
        rows = [row for row in found.values() if row.deleted_at is None]
        return sorted(rows, key=lambda row: -row.number)

    def resolved(self, create_request: CreateBotRequest) -> MeetingPlace:
        """Return where a bot is wanted; what the client did not say is asked of the link.

        Raises:
            LinkRefused: It is none of a platform that is here.
        """
        link = self.service.parse_link(create_request.url)
        place = create_request.place
        return evolve(
            place,
            platform=place.platform or link.platform,
            native_id=place.native_id or link.native_id,
        )

    async def numbered(self, client: Client, text: str) -> BotRow:
        """Return the bot with a meeting id.

        Raises:
            Refusal: It is no number, or there is no such meeting.
        """
        number = integer(["path", "meeting_id"], text, low=0)
        try:
            row = await self.service.bot_numbered(client, number)
        except NoSuchBot as error:
            raise Refusal(404, "Meeting not found") from error
        if row.dialect != NAME:
            raise Refusal(404, "Meeting not found")
        return row


async def _known(authenticator: Authenticator, request: Request, scope: Scope) -> Client:
    try:
        return await authenticator.client(request, scope)
    except (KeyMissing, ScopeMissing):
        raise
    except MeetcoreError as error:
        text = "Authentication service unavailable"
        raise Refusal(503, text, headers={"Retry-After": "2"}) from error


def integer(loc: list[str | int], text: str, *, low: int, high: int = 2**31 - 1) -> int:
    """Return the whole number a path or a query names.

    Raises:
        Refusal: It is none, or out of bounds.
    """
    digits = text.strip()
    if not digits.lstrip("-").isascii() or not digits.lstrip("-").isdigit() or len(digits) > 20:
        raise invalid(
            loc,
            "Input should be a valid integer, unable to parse string as an integer",
            "int_parsing",
        )
    value = int(digits) if digits.count("-") <= 1 else low - 1
    if not low <= value <= high:
        raise invalid(loc, f"Input should be between {low} and {high}", "value_error")
    return value
