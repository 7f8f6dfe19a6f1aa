"""The transcriber `pocketsphinx`: one worker process per bot, many tracks in it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar

import trio
from attrs import evolve

from meetcore import (
    Readiness,
    StreamRequest,
    Transcriber,
    TranscriberCapabilities,
    TranscriberContext,
    TranscriberError,
    TranscriberStream,
)
from meetcore_pocketsphinx.keeper import WorkerKeeper
from meetcore_pocketsphinx.options import PocketsphinxOptions
from meetcore_pocketsphinx.stream import PocketsphinxStream

__all__ = ["PocketsphinxTranscriber", "require_library"]

_BUNDLED_LANGUAGE = "en-US"


def require_library() -> None:
    """Check that pocketsphinx is installed, without importing it.

    Raises:
        TranscriberError: It is not, with what to do on this version of Python.
    """
    if importlib.util.find_spec("pocketsphinx") is not None:
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise TranscriberError(
        "bad_request",
        f"The library pocketsphinx is not installed for Python {version}.",
        retryable=False,
        remedy=(
            "There are ready-made packages for Python 3.11, 3.12 and 3.13. Use one of "
            "these, or build it with a C compiler (`pip install pocketsphinx`), or choose another "
            "transcriber."
        ),
    )


class PocketsphinxTranscriber(Transcriber[PocketsphinxOptions]):
    """Offline speech recognition that needs no key: US English.

    About one word in four is wrong on clear human speech, nearly none with a small grammar: a proof
    of the path, not a product.
    """

    name: ClassVar[str] = "pocketsphinx"
    auto_order: ClassVar[int | None] = 40
    capabilities: ClassVar[TranscriberCapabilities] = TranscriberCapabilities(
        partials=True,
        word_times=True,
        confidence=True,
        languages=(_BUNDLED_LANGUAGE,),
        wants="utterances",
        idle_timeout_s=None,  # a stream is a name in the worker; decoders are let go of there
    )

    def __init__(self, options: PocketsphinxOptions | None = None) -> None:
        super().__init__(options)
        if self.options.hmm is not None:  # a model of its own, of whatever language
            self.capabilities = evolve(type(self).capabilities, languages=())  # type: ignore[misc]
        self._keeper: WorkerKeeper | None = None

    @asynccontextmanager
    async def open(self, context: TranscriberContext) -> AsyncIterator[None]:
        """Run the bot's worker; when this ends the process is gone and reaped.

        Raises:
            TranscriberError: The library is missing, or the worker does not start or refuses
                the options.
        """
        require_library()
        refused: TranscriberError | None = None
        async with trio.open_nursery() as nursery:
            keeper = WorkerKeeper(self.options, nursery)
            try:
                await keeper.worker()
            except TranscriberError as error:
                refused = error  # raised outside: a nursery would wrap it in a group
            else:
                self._keeper = keeper
                try:
                    yield
                finally:
                    self._keeper = None
                    keeper.close()
            nursery.cancel_scope.cancel()
        if refused is not None:
            raise refused

    def readiness(self) -> Readiness:
        """Say whether the library is installed."""
        try:
            require_library()
        except TranscriberError as error:
            return Readiness(usable=False, because="it is not installed", remedy=error.remedy)
        return Readiness(usable=True, because="it works offline; one word in four is wrong")

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[TranscriberStream]:
        """Open a stream for one track, while `open` holds."""
        return self._stream(request)

    @asynccontextmanager
    async def _stream(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        keeper = self._keeper
        if keeper is None:
            raise TranscriberError(
                "bad_request",
                f"The transcriber of bot {request.bot_id!r} is not open.",
                retryable=False,
            )
        self._require_language(request.language)
        worker = await keeper.worker()
        stream = PocketsphinxStream(
            worker,
            request,
            _BUNDLED_LANGUAGE if self.options.hmm is None else None,
            self.options.window_s,
            self.options.patience_s,
            self.options.final_timeout_s,
        )
        try:
            yield stream
        finally:
            stream.close()

    def _require_language(self, language: str | None) -> None:
        if language is None or self.options.hmm is not None:
            return
        if language.partition("-")[0].lower() != "en":
            raise TranscriberError(
                "bad_request",
                f"pocketsphinx's bundled model speaks US English, not {language!r}.",
                retryable=False,
                remedy="Name a model of that language with hmm, lm and dictionary.",
            )
