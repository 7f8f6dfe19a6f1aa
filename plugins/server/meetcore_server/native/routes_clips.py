"""A stretch of a bot's recording over HTTP, or the whole of it in another format."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Annotated, Any, BinaryIO, Literal

import trio
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response.base import ASGIResponse

from meetcore import BotHistory
from meetcore.gateway import Client, NoRecording, Reply, mixed_audio, video_of
from meetcore.log import temporary_folder
from meetcore_server.media_process import MEDIA_TYPES
from meetcore_server.responses import send_reply
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]

_PIECE_BYTES = 64 * 1024
_LONGEST_S = 7 * 24 * 3600.0

ClipFormat = Literal["m4a", "mp3", "mp4", "opus", "flac", "wav"]


class _ClipAnswer(ASGIResponse):
    """A clip, while it is read."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self._reply = reply

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        await send_reply(scope, send, self._reply, receive)


@get(
    "/bots/{bot_id:str}/clip",
    summary="A stretch of its recording",
    operation_id="get_clip",
    media_type="application/octet-stream",
)
async def get_clip(
    bot_id: FromPath[str],
    service: NamedDependency[BotService],
    reader: NamedDependency[Client],
    start_s: Annotated[
        float,
        QueryParameter(
            name="from", ge=0, le=_LONGEST_S, description="Where it begins, in seconds."
        ),
    ] = 0.0,
    end_s: Annotated[
        float | None,
        QueryParameter(
            name="to", gt=0, le=_LONGEST_S, description="Where it ends; by default its end."
        ),
    ] = None,
    kind: Annotated[
        ClipFormat,
        QueryParameter(name="format", description="`mp4` has the picture, the others sound alone."),
    ] = "m4a",
) -> ASGIResponse:
    """Return a stretch of a bot's recording, cut for this request and kept nowhere.

    Times are seconds of the meeting, as in the transcript. A bot that is in its meeting can be
    clipped up to now. Without `from` and `to` it is the whole recording, in that format.
    """
    row = await service.bot(reader, bot_id)
    media = await service.media(row)
    source = _recording(await service.history(row), kind)
    if source is None and not row.ended:
        growing = [PurePosixPath(file.name) async for file in media.files()]
        stem = "video" if kind == "mp4" else "mix"
        source = next((str(each) for each in growing if each.stem == stem), None)
    if source is None:
        raise NoRecording(row.state, f"Bot {bot_id} has no recording to make {kind} of.")
    held = ExitStack()
    try:
        folder = await trio.to_thread.run_sync(held.enter_context, temporary_folder())
        target = folder / f"clip.{kind}"
        await service.media_processes.cut(media, source, target, start_s, end_s)
        opened = await trio.to_thread.run_sync(lambda: target.open("rb"))
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(held.close)  # what is open is read all the same
    headers = {
        "content-disposition": f'attachment; filename="{PurePosixPath(source).stem}.{kind}"',
        "cache-control": "private, no-store",
    }
    shown = MEDIA_TYPES[f".{kind}"]
    return _ClipAnswer(Reply(stream=_pieces(opened), media_type=shown, headers=headers))


def _recording(history: BotHistory, kind: str) -> str | None:
    if kind != "mp4":
        return mixed_audio(history)
    video = video_of(history)
    return None if video is None else video.path


async def _pieces(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    with file:
        while piece := await trio.to_thread.run_sync(file.read, _PIECE_BYTES):
            yield piece


HANDLERS: list[Any] = [get_clip]
