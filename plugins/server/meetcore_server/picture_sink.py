"""The sink `picture`: a picture as the bot's camera, from when it is in the call."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar
from urllib.parse import urlsplit

import trio
from attrs import field, frozen

from meetcore import (
    CommandFailed,
    CommandRefused,
    ConfigError,
    Event,
    JournalError,
    MediaRefused,
    NotFetched,
    PluginEvent,
    Sink,
    SinkContext,
    State,
    StateChanged,
    StorageUnavailable,
)
from meetcore.model import url_trouble

__all__ = ["PictureOptions", "PictureSink"]

_ATTEMPTS = 3
_PAUSE_S = 2.0
_WHERE = "[plugins.picture]"


@frozen(kw_only=True)
class PictureOptions:
    """Which picture.

    Attributes:
        url: Where it lies, http or https: a PNG, JPEG or GIF of at most 8 MiB. What stands behind
            its `?` is treated as a secret.
        image: The picture itself, as base64, in place of a URL.
        allow_private: Whether it may lie on your own machine or network. Only heeded where a
            person named it; one that came over an API must be public, or listed in
            `private_targets`.
    """

    url: str = field(default="", repr=False)
    image: str = field(default="", repr=False)
    allow_private: bool = True

    def __attrs_post_init__(self) -> None:
        """Refuse what is no address, and no picture.

        Raises:
            ConfigError: What is wrong with it.
        """
        if self.image and not self.url:
            if _decoded(self.image) is None:
                raise ConfigError(f"{_WHERE} image is no base64.", "Give a PNG, JPEG or GIF.")
            return
        trouble = url_trouble(self.url) if self.url else "is empty"
        if trouble is None and urlsplit(self.url).scheme.lower() not in ("http", "https"):
            trouble = "is no http or https address"
        if trouble is not None:
            raise ConfigError(f"{_WHERE} url {trouble}.", "Give the address of a PNG or JPEG.")


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


class PictureSink(Sink[PictureOptions]):
    """Fetches the picture while the bot joins, and shows it once the bot is in the call.

    Where that does not work the bot does without, and the journal says so (`not_shown`).
    """

    name: ClassVar[str] = "picture"

    def __init__(self, options: PictureOptions) -> None:
        super().__init__(options)
        self._there = trio.Event()

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Show the picture in the background."""
        context.redactor.add(urlsplit(self.options.url).query)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._show, context)
            yield
            nursery.cancel_scope.cancel()

    async def deliver(self, event: Event) -> None:
        """Learn when the bot is in the call."""
        if isinstance(event, StateChanged) and event.state is State.IN_CALL:
            self._there.set()
        await trio.lowlevel.checkpoint()

    async def _show(self, context: SinkContext) -> None:
        from meetcore.gateway import picture

        try:
            command = picture(await self._fetched(context))
            await self._there.wait()
            await context.perform(command)
        except (NotFetched, MediaRefused, CommandRefused, CommandFailed) as error:
            data = {"error": context.redactor.redact(str(error))}
            told = PluginEvent(plugin=context.name, name="not_shown", data=data)
        else:
            told = PluginEvent(plugin=context.name, name="shown", data={})
        try:
            context.report(told)
        except (JournalError, StorageUnavailable):
            return  # a journal that takes no more has said so itself

    async def _fetched(self, context: SinkContext) -> bytes:
        inline = _decoded(self.options.image)
        if inline and not self.options.url:
            return inline
        from meetcore.gateway import PICTURE_BYTES
        from meetcore_webhook.fetching import fetch

        private = context.may_dial(allow_private=self.options.allow_private)
        for attempt in range(_ATTEMPTS):
            try:
                return await fetch(self.options.url, private, most_bytes=PICTURE_BYTES)
            except NotFetched:
                if attempt == _ATTEMPTS - 1:
                    raise
                await trio.sleep(_PAUSE_S)
        raise AssertionError("the last attempt raises")
