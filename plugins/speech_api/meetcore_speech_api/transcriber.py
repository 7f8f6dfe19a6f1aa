"""A transcriber of a hosted speech service: its key, its connection, its price."""

from __future__ import annotations

import ssl
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar, TypeVar

import trio
from attrs import evolve

from meetcore import (
    ConfigError,
    Readiness,
    Redactor,
    StreamRequest,
    Transcriber,
    TranscriberContext,
    TranscriberError,
    TranscriberStream,
)
from meetcore_speech_api.connection import ProviderSocket, open_socket
from meetcore_speech_api.faults import ProviderFaults
from meetcore_speech_api.keys import ProviderKey, find_key
from meetcore_speech_api.options import ProviderOptions
from meetcore_speech_api.stream import ProviderStream

__all__ = ["ProviderTranscriber"]

ProviderOptionsT = TypeVar("ProviderOptionsT", bound=ProviderOptions)


class ProviderTranscriber(Transcriber[ProviderOptionsT]):
    """What transcribers of hosted services have in common.

    Attributes:
        provider: The service's name, for people.
        key_variable: The environment variable of its key.
    """

    provider: ClassVar[str]
    key_variable: ClassVar[str]
    auto_order: ClassVar[int | None] = 10

    def __init__(self, options: ProviderOptionsT | None = None) -> None:
        super().__init__(options)
        self.capabilities = evolve(  # type: ignore[misc]
            type(self).capabilities,
            max_streams=self.options.max_streams,
            idle_timeout_s=self.options.idle_timeout_s,
            final_timeout_s=self.options.final_timeout_s,
            open_timeout_s=2 * self.options.connect_timeout_s + 10.0,
        )
        self._redactor = Redactor()
        self._tls: ssl.SSLContext | None = None

    # --- the key ----------------------------------------------------------------------------

    def key(self) -> ProviderKey | None:
        """Return the key and where it is from, None where there is none.

        Raises:
            ConfigError: The file of secrets cannot be read.
        """
        key = find_key(self.options.key, self.key_variable, self.options.secrets_file)
        if key is not None:
            self._redactor.add(key.secret)
        return key

    def require_key(self) -> str:
        """Return the key itself.

        Raises:
            TranscriberError: There is none, or the file of secrets cannot be read.
        """
        try:
            key = self.key()
        except ConfigError as error:
            raise TranscriberError(
                "auth", error.message, retryable=False, remedy=error.remedy
            ) from error
        if key is None:
            raise self.faults().refused_key("no key is set")
        return key.secret.reveal()

    def readiness(self) -> Readiness:
        """Say whether a key is set; whether it is taken only the provider knows."""
        remedy = self.faults().key_remedy
        try:
            key = self.key()
        except ConfigError as error:
            return Readiness(usable=False, because=error.message, remedy=error.remedy or remedy)
        if key is None:
            return Readiness(usable=False, because="no key is set", remedy=remedy)
        return Readiness(usable=True, because=f"a key is set ({key.where})")

    def faults(self) -> ProviderFaults:
        """Return what trouble of this provider means."""
        return ProviderFaults(
            provider=self.provider, key_variable=self.key_variable, redactor=self._redactor
        )

    # --- of each provider -------------------------------------------------------------------

    @abstractmethod
    def stream_url(self, request: StreamRequest) -> str:
        """Return the URL of a stream for a track, beginning with `options.url`."""

    @abstractmethod
    def key_headers(self, key: str) -> Mapping[str, str]:
        """Return the headers that carry the key."""

    @abstractmethod
    def make_stream(self, socket: ProviderSocket, request: StreamRequest) -> ProviderStream:
        """Return the stream over an open connection."""

    @abstractmethod
    def billed_model(self) -> str:
        """Return the model by which `price_per_hour` is looked up."""

    @abstractmethod
    async def check(self) -> str:
        """Ask the service whether the key is taken, as cheaply as it can be; say what was done.

        Raises:
            TranscriberError: It is not, or the service cannot be reached.
        """

    # --- for the core -----------------------------------------------------------------------

    @asynccontextmanager
    async def open(self, context: TranscriberContext) -> AsyncIterator[None]:
        """Look for the key before anything is said; it is taken out of all that is told.

        Raises:
            TranscriberError: There is none.
        """
        await trio.lowlevel.checkpoint()
        self._redactor = context.redactor
        self.require_key()
        yield

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[TranscriberStream]:
        """Open a stream for one track, over a connection of its own."""
        return self._stream(request)

    @asynccontextmanager
    async def _stream(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        headers = self.key_headers(self.require_key())
        url = self.stream_url(request)
        if url.startswith("https:") and self._tls is None:
            self._tls = ssl.create_default_context()
        async with open_socket(
            url,
            headers,
            self.faults(),
            connect_timeout_s=self.options.connect_timeout_s,
            context=self._tls,
        ) as socket:
            stream = self.make_stream(socket, request)
            try:
                async with stream.running():
                    yield stream
            finally:
                open_s = trio.current_time() - socket.opened_at
                request.used(self.options.usage(self.billed_model(), open_s))
