"""Files of bots, for whoever has a signed URL."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from meetcore.gateway import BotGone, Reply
from meetcore_server.media_process import MEDIA_TYPES
from meetcore_server.openings import Openings
from meetcore_server.responses import send_reply
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]


class _FileAnswer(ASGIResponse):
    """A file, with ranges."""

    def __init__(self, reply: Reply, openings: Openings, key_id: str | None) -> None:
        super().__init__()
        self._reply = reply
        self._openings = openings
        self._key_id = key_id

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        if self._key_id is None:
            await send_reply(scope, send, self._reply, receive)
            return
        with self._openings.opened_by(self._key_id):
            await send_reply(scope, send, self._reply, receive)


_LASTS_S = 600.0


async def _media(token: str, service: BotService, *, own_page: bool) -> ASGIResponse:
    claims = service.verify("media", token)
    if claims is None:
        raise BotGone("This link has expired, or never was one.")
    key_id = claims.get("k")
    if key_id is not None and not await service.key_is_valid(key_id):
        raise BotGone("The key that this link was made for is not valid any more.")
    row = await service.stores.bots.get(str(claims["b"]))
    file = await service.recording(row, str(claims["p"]))
    headers = {"cache-control": "private, no-store"}
    if service.links_lead_on and not own_page:  # whose policy lets it load from this server alone
        url = await file.media.presign(file.about.name, _LASTS_S)
        if url is not None:
            reply = Reply(status=307, body=b"", headers={**headers, "location": url})
            return _FileAnswer(reply, service.openings, key_id)
    kind = MEDIA_TYPES.get(PurePosixPath(file.about.name).suffix, "application/octet-stream")
    reply = Reply(file=file, media_type=kind, headers=headers)
    return _FileAnswer(reply, service.openings, key_id)


@get(
    ["/media/{token:str}", "/media/{token:str}/{name:str}"],
    security=[{}],
    summary="A file of a bot",
    operation_id="get_media",
    include_in_schema=False,
)
async def get_media(
    token: FromPath[str], request: Request[Any, Any, Any], service: NamedDependency[BotService]
) -> ASGIResponse:
    """Return a file, or where it is; `Range` is honoured, so a player can seek."""
    own_page = request.headers.get("sec-fetch-site") == "same-origin"
    return await _media(token, service, own_page=own_page)


HANDLERS: list[Any] = [get_media]
