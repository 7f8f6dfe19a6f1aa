"""The transcriber `openai`: utterances over HTTP, or the realtime WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

from attrs import evolve

from meetcore import (
    Readiness,
    StreamRequest,
    TranscriberCapabilities,
    TranscriberContext,
    TranscriberError,
    TranscriberStream,
    UtteranceAudio,
    UtteranceText,
    UtteranceTranscriber,
)
from meetcore_openai.options import OpenAIOptions

if TYPE_CHECKING:
    from meetcore_openai.client import TranscriptionClient

__all__ = ["OpenAITranscriber"]

_KEY_REMEDY = (
    "Set OPENAI_API_KEY, or api_key in [plugins.openai]; or name a server of your own as base_url."
)


class OpenAITranscriber(UtteranceTranscriber[OpenAIOptions]):
    """Any endpoint that speaks OpenAI's transcription API."""

    name: ClassVar[str] = "openai"
    auto_order: ClassVar[int | None] = None  # a key in the environment may be for something else
    capabilities: ClassVar[TranscriberCapabilities] = TranscriberCapabilities(
        partials=False, word_times=True, confidence=True
    )

    def __init__(self, options: OpenAIOptions | None = None) -> None:
        super().__init__(options)
        chosen = self.options
        self.max_in_flight = chosen.max_concurrent
        self.draft_every_s = chosen.draft_every_s
        self.capabilities = evolve(  # type: ignore[misc]
            type(self).capabilities,
            partials=chosen.realtime or chosen.draft_every_s is not None,
            word_times=not chosen.realtime and chosen.response_format != "json",
            confidence=not chosen.realtime and chosen.response_format != "json",
            call_timeout_s=chosen.request_timeout_s,
            open_timeout_s=max(30.0, chosen.connect_timeout_s),
            final_timeout_s=chosen.final_timeout_s,
        )
        self._client: TranscriptionClient | None = None

    def readiness(self) -> Readiness:
        """Say whether there is a key, or a server that may need none."""
        if self.options.key() is not None:
            return Readiness(usable=True, because=f"there is a key for {self.options.host}")
        if self.options.is_openai:
            return Readiness(usable=False, because="there is no key for OpenAI", remedy=_KEY_REMEDY)
        return Readiness(usable=True, because=f"base_url names a server: {self.options.host}")

    @asynccontextmanager
    async def open(self, context: TranscriberContext) -> AsyncIterator[None]:
        """Hold the bot's connections.

        Raises:
            TranscriberError: OpenAI's own service is named, and there is no key.
        """
        import httpx2

        from meetcore_openai.bounded import BoundedTransport
        from meetcore_openai.client import TranscriptionClient

        options, key = self.options, self.options.key()
        if key is None and options.is_openai:
            raise TranscriberError(
                "auth", "There is no key for OpenAI.", retryable=False, remedy=_KEY_REMEDY
            )
        context.redactor.add(key)
        async with httpx2.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=httpx2.Timeout(options.request_timeout_s, connect=options.connect_timeout_s),
            transport=BoundedTransport(options.max_concurrent),
        ) as http:
            self._client = TranscriptionClient(options, key, context.redactor, http)
            try:
                yield
            finally:
                self._client = None

    async def transcribe(self, utterance: UtteranceAudio) -> UtteranceText:
        """Ask the endpoint for the text of an utterance, while `open` holds.

        Raises:
            TranscriberError: It did not give it.
        """
        return await self._opened(utterance.bot_id).transcribe(utterance)

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[TranscriberStream]:
        """Open a stream for one track: by utterances, or a realtime WebSocket."""
        return self._realtime(request) if self.options.realtime else super().stream(request)

    @asynccontextmanager
    async def _realtime(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        from meetcore_openai.realtime import open_realtime

        client = self._opened(request.bot_id)
        key = self.options.realtime_key()
        async with open_realtime(
            request, self.options, key, client.cost, client.redactor
        ) as stream:
            yield stream

    def _opened(self, bot_id: str) -> TranscriptionClient:
        if self._client is None:
            raise TranscriberError(
                "bad_request",
                f"The transcriber of bot {bot_id!r} is not open.",
                retryable=False,
            )
        return self._client
