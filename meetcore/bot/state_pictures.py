"""Keeps a picture of the bot's page at each change of its state: `screenshots = "states"`.

A state that is over before its picture was taken has none: it would show the next one. They are
files of the bot like its recording: carried to the store with the others, and deleted with the bot.
They show everybody who was to be seen, whoever is left out of the recording.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import trio

from meetcore.bot.context import BotContext
from meetcore.bot.looks import BotLooks
from meetcore.log.folders import make_private_folder, private_file
from meetcore.model.errors import MeetcoreError
from meetcore.model.events import ArtifactWritten, Event, StateChanged, StepTaken
from meetcore.model.lifecycle import State
from meetcore.model.page_input import PagePicture, PictureFormat

__all__ = ["FOLDER", "keep_state_pictures"]

FOLDER = "screenshots"
MOST_PICTURES = 200
"""How many one bot keeps: a state that goes to and fro is seen often enough then."""

_SHOWN = frozenset(
    {State.AWAITING_ADMISSION, State.IN_CALL, State.RECORDING, State.PAUSED, State.LEAVING}
)


async def keep_state_pictures(
    events: AsyncIterator[Event],
    state: Callable[[], State | None],
    looks: BotLooks,
    context: BotContext,
) -> None:
    """Take a picture of each state that has a page and lasts, until cancelled.

    One that cannot be taken or written is told as a step, and the bot goes on.
    """
    kept = 0
    async for event in events:
        if not isinstance(event, StateChanged) or event.state not in _SHOWN:
            continue
        if kept >= MOST_PICTURES:
            return
        if state() is not event.state:
            continue
        try:
            picture = await looks.picture(PictureFormat.JPEG)
            if state() is event.state:
                await _keep(event, picture, context)
                kept += 1
        except (MeetcoreError, OSError) as error:
            said = f"none of {event.state.value}: {error}"
            context.record(StepTaken(name="screenshot", detail=said))


async def _keep(event: StateChanged, picture: PagePicture, context: BotContext) -> None:
    name = f"{FOLDER}/{event.seq:06d}-{event.state.value}.jpg"
    await trio.to_thread.run_sync(_write, context.folder / name, picture.image)
    written = ArtifactWritten(
        kind="screenshot",
        path=name,
        media_type=picture.media_type,
        size_bytes=len(picture.image),
    )
    context.record(written)


def _write(path: Path, image: bytes) -> None:
    """Write a file that is whole or not there."""
    make_private_folder(path.parent)
    unfinished = private_file(path.with_name(f".{path.name}"))
    unfinished.write_bytes(image)
    os.replace(unfinished, path)
