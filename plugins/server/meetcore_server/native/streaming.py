"""An answer that is sent while it is made, and whose maker is closed also when nobody reads on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import trio
from litestar.response import Stream

__all__ = ["ClosingStream"]


class ClosingStream(Stream):
    """A `Stream` of a generator that is closed when the answer ends, however it ends.

    Litestar leaves the generator as it stands when its reader goes away, with its files open until
    it is garbage.
    """

    def __init__(self, parts: AsyncGenerator[bytes, None], **options: Any) -> None:
        super().__init__(parts, **options)
        self._parts = parts

    def to_asgi_response(self, *args: Any, **options: Any) -> Any:
        """Return what sends the answer."""
        send_all = super().to_asgi_response(*args, **options)

        async def send_and_close(scope: Any, receive: Any, send: Any) -> None:
            try:
                await send_all(scope, receive, send)
            finally:
                with trio.CancelScope(shield=True):
                    await self._parts.aclose()

        return send_and_close
