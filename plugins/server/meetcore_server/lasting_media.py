"""A bot's files as clients get them: nothing is added to those of a bot whose data is deleted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import trio

from meetcore import MediaStore, MeetcoreError, NoSuchFile, StoredFile

__all__ = ["LastingMedia"]

_KNOWN_WITHIN_S = 20.0
_DELETED_WITHIN_S = 10.0
_HURRIED_WITHIN_S = 3.0


class LastingMedia(MediaStore):
    """The files of a bot. One that is made while the data is deleted does not outlast it.

    To make a file can take minutes, and the deletion may be another server's: so it is asked
    afterwards whether the data is still there, and where that is not known the file goes, too.

    Args:
        media: The files, as the store has them.
        lasts: Whether the bot's data is there, and no deletion of it is under way.
    """

    def __init__(self, media: MediaStore, lasts: Callable[[], Awaitable[bool]]) -> None:
        self._media = media
        self._lasts = lasts

    async def stat(self, name: str) -> StoredFile | None:
        """Return what is known about a file, None where there is none."""
        return await self._media.stat(name)

    def files(self, under: str = "") -> AsyncGenerator[StoredFile, None]:
        """Yield the files there are."""
        return self._media.files(under)

    def read(
        self, name: str, first: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a file, or part of it."""
        return self._media.read(name, first, length)

    async def read_bytes(self, name: str) -> bytes:
        """Return a whole file."""
        return await self._media.read_bytes(name)

    @asynccontextmanager
    async def local(self, name: str) -> AsyncIterator[Path]:
        """Hold a file as one of this machine."""
        async with self._media.local(name) as path:
            yield path

    async def presign(self, name: str, expires_s: float) -> str | None:
        """Return a URL that gives a file to whoever has it; None where the store makes none."""
        return await self._media.presign(name, expires_s)

    async def delete(self, name: str) -> bool:
        """Delete a file; return whether there was one."""
        return await self._media.delete(name)

    async def put(self, name: str, source: Path) -> StoredFile:
        """Keep a copy of a local file under a name.

        Raises:
            NoSuchFile: The bot's data was deleted meanwhile.
        """
        return await self._made(name, partial(self._media.put, name, source))

    async def derive(
        self, name: str, source: str, make: Callable[[Path, Path], None]
    ) -> StoredFile:
        """Return a file that is made of another one, once.

        Raises:
            NoSuchFile: There is no source, or the bot's data was deleted meanwhile.
        """
        return await self._made(name, partial(self._media.derive, name, source, make))

    async def _made(self, name: str, make: Callable[[], Awaitable[StoredFile]]) -> StoredFile:
        if await self._media.stat(name) is not None:
            return await make()  # it was there before, and goes with the others
        try:
            made = await make()
        except OSError:
            if await self._lasted(name):
                raise
            raise NoSuchFile(name) from None  # its folder is gone
        except BaseException as error:
            hurried = not isinstance(error, Exception)  # cancelled: somebody waits for the end
            within_s = _HURRIED_WITHIN_S if hurried else _KNOWN_WITHIN_S
            with suppress(MeetcoreError, OSError):
                await self._lasted(name, within_s)
            raise
        if not await self._lasted(name):
            raise NoSuchFile(name)
        return made

    async def _lasted(self, name: str, within_s: float = _KNOWN_WITHIN_S) -> bool:
        """Return whether a file may stay; where it may not, or nobody can say, it is deleted."""
        lasts = False
        with trio.CancelScope(shield=True):
            try:
                with trio.move_on_after(within_s):
                    lasts = await self._lasts()
            finally:
                if not lasts:
                    with (
                        trio.move_on_after(min(within_s, _DELETED_WITHIN_S)),
                        suppress(MeetcoreError, OSError),
                    ):
                        await self._media.delete(name)
        return lasts
