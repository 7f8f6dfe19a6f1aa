"""A bot's page over HTTP: a picture of it, and links to look in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from meetcore import TERMINAL, CommandRefused, ConfigError, PictureFormat
from meetcore.gateway import Client, Scope, ScopeMissing
from meetcore_server.native.page_models import LookInLink, NewLookIn
from meetcore_server.seen import Seen
from meetcore_server.service import BotService

__all__ = ["HANDLERS", "LOOK_IN_PURPOSE"]

LOOK_IN_PURPOSE = "look-in"
_LONGEST_S = 3600.0


@get(
    "/bots/{bot_id:str}/screenshot",
    summary="A picture of its page",
    operation_id="get_screenshot",
    responses={
        200: ResponseSpec(
            data_container=bytes,
            generate_examples=False,
            description="A picture.",
            media_type="image/jpeg",
        )
    },
)
async def get_screenshot(
    bot_id: FromPath[str],
    service: NamedDependency[BotService],
    reader: NamedDependency[Client],
    picture_format: Annotated[Literal["jpeg", "png"], QueryParameter(name="format")] = "jpeg",
) -> Response[bytes]:
    """Return what a bot's page shows now, as JPEG or PNG, in any state that has a page.

    It shows everybody who is to be seen, whoever is left out of the recording. One a second of a
    bot, five at once; answers within 35 s.
    """
    row = await service.bot(reader, bot_id)
    picture = await service.screenshot(row, PictureFormat(picture_format))
    return Response(
        picture.image, media_type=picture.media_type, headers={"cache-control": "private, no-store"}
    )


@post("/bots/{bot_id:str}/look-in", summary="Make a link to look in", operation_id="create_look_in")
async def create_look_in(
    bot_id: FromPath[str],
    data: JSONBody[NewLookIn],
    request: Request[Any, Any, Any],
    service: NamedDependency[BotService],
    reader: NamedDependency[Client],
    seen: NamedDependency[Seen],
) -> LookInLink:
    """Make a link that is safe to give to a person: it is good for one bot, and expires."""
    if not 1 <= data.expires_s <= _LONGEST_S:
        raise ConfigError(f"expires_s must be 1 to {_LONGEST_S:g}, not {data.expires_s!r}.")
    if data.take_over and not reader.may(Scope.TAKE_OVER):
        message = (
            "This key has no scope 'take_over', which taking a page over needs: "
            "`meetcore keys create --scope read --scope take_over` makes one that has."
        )
        raise ScopeMissing(Scope.TAKE_OVER, message)
    row = await service.bot(reader, bot_id)
    if row.state in TERMINAL:
        raise CommandRefused(
            "The bot has ended: there is no page to look at any more.",
            "What it recorded is among its recordings.",
        )
    claims = {
        "u": reader.user_id,
        "k": reader.key_id,
        "b": row.bot_id,
        "t": data.take_over,
        "e": service.now().timestamp() + data.expires_s,
    }
    token = service.sign(LOOK_IN_PURPOSE, claims, expires_s=data.expires_s)
    origin = seen.origin(request.headers)
    return LookInLink(
        page_url=f"{origin}/look-in#{token}",
        url=f"{origin.replace('http', 'ws', 1)}/v1/look-in",
        token=token,
        take_over=data.take_over,
        expires_s=data.expires_s,
    )


HANDLERS: list[Any] = [get_screenshot, create_look_in]
