"""One track over the realtime WebSocket: sound out as it is spoken, text back as it is decoded.

The core's own voice detection cuts the utterances; each is committed as one item. Receiving runs in
a task beside the stream; whatever fails in either ends both, and the core opens another.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NoReturn, TypeAlias
from urllib.parse import urlsplit

import soxr
import trio
from attrs import define, evolve, field
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    ConnectionTimeout,
    DisconnectionTimeout,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from meetcore import (
    SAMPLE_RATE_HZ,
    Chunk,
    Hypothesis,
    Pcm,
    Redactor,
    Secret,
    StreamRequest,
    TranscriberError,
    TranscriberStream,
)
from meetcore.model import found_in
from meetcore_openai.client import prompt_of
from meetcore_openai.cost import CostLimit
from meetcore_openai.options import OpenAIOptions
from meetcore_openai.realtime_messages import (
    REALTIME_RATE_HZ,
    RealtimeNews,
    append_message,
    commit_message,
    read_news,
    realtime_trouble,
    session_message,
    silence,
)
from meetcore_openai.refusals import read_error, retry_after_s, trouble_of
from meetcore_openai.wav import SHORTEST_S

__all__ = ["open_realtime"]

_Transport: TypeAlias = "trio.SocketStream | trio.SSLStream[trio.SocketStream]"

_CLOSE_WITHIN_S = 3.0
_LONGEST_MESSAGE = 1024 * 1024
_AWAY = (
    ConnectionClosed,
    ConnectionTimeout,
    DisconnectionTimeout,
    HandshakeError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


@define(eq=False)
class _Spoken:
    """An utterance on its way: what is known of it, and what came of it so far."""

    utterance_id: str
    start_sample: int
    end_sample: int = 0
    samples: int = 0
    revision: int = 0
    text: str = ""
    resampler: soxr.ResampleStream = field(
        factory=lambda: soxr.ResampleStream(
            SAMPLE_RATE_HZ, REALTIME_RATE_HZ, 1, dtype="int16", quality="HQ"
        )
    )

    @property
    def reserved_s(self) -> float:
        return max(SHORTEST_S, (self.end_sample - self.start_sample) / SAMPLE_RATE_HZ)


class RealtimeStream(TranscriberStream):
    """One track over one connection.

    Args:
        socket: The connection.
        request: What the core wants.
        options: The plugin's options.
        cost: The bot's account.
        redactor: Takes secrets out of what the server says.
    """

    def __init__(
        self,
        socket: WebSocketConnection,
        request: StreamRequest,
        options: OpenAIOptions,
        cost: CostLimit,
        redactor: Redactor,
    ) -> None:
        self._socket = socket
        self._request = request
        self._host = urlsplit(options.realtime_address).hostname or ""
        self._cost = cost
        self._redactor = redactor
        self._current: _Spoken | None = None
        self._committed: deque[_Spoken] = deque()
        self._items: dict[str, _Spoken] = {}
        self._news = trio.Event()

    async def begin(self, settings: str, within_s: float) -> None:
        """Send the session's settings, and wait until the server has taken them.

        Raises:
            TranscriberError: It did not.
        """
        await self._send(settings)
        with trio.fail_after(within_s):
            while (news := read_news(await self._socket.get_message())).kind != "ready":
                self._take(news)

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        self._current = _Spoken(utterance_id, start_sample)
        await trio.lowlevel.checkpoint()

    async def feed(self, chunk: Chunk) -> None:
        said = self._current
        if said is not None:
            said.samples += chunk.samples
            await self._append(said.resampler.resample_chunk(chunk.pcm))

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        del cause
        said, self._current = self._current, None
        if said is None or said.utterance_id != utterance_id:
            return
        said.end_sample = end_sample
        await self._append(said.resampler.resample_chunk(silence(0.0), last=True))
        await self._append(silence(max(0.0, SHORTEST_S - said.samples / SAMPLE_RATE_HZ)))
        self._cost.reserve(said.reserved_s)
        self._committed.append(said)
        await self._send(commit_message())

    async def flush(self) -> None:
        while self._committed or self._items:
            await self._news.wait()

    def close(self) -> None:
        """Give back what was set aside for what was never answered."""
        for said in [*self._committed, *self._items.values()]:
            self._cost.release(said.reserved_s)

    # --- out ---------------------------------------------------------------------------------

    async def _append(self, pcm: Pcm) -> None:
        if len(pcm):
            await self._send(append_message(pcm))

    async def _send(self, message: str) -> None:
        try:
            await self._socket.send_message(message)
        except _AWAY as error:
            raise _away(self._host, error) from error

    # --- in ----------------------------------------------------------------------------------

    async def receive(self) -> NoReturn:
        """Take what comes, until the connection ends.

        Raises:
            TranscriberError: It ended, or the server has trouble.
        """
        while True:
            try:
                message = await self._socket.get_message()
            except _AWAY as error:
                raise _away(self._host, error) from error
            self._take(read_news(message))
            self._news.set()
            self._news = trio.Event()

    def _take(self, news: RealtimeNews) -> None:
        if news.kind == "error":
            raise self._trouble(news)
        if news.kind in ("other", "ready"):
            return
        said = self._items.get(news.item_id)
        if said is None and self._committed:
            # Items are committed in order; the first that is told of one says which it is.
            said = self._items[news.item_id] = self._committed.popleft()
        if said is None:
            return
        if news.kind == "failed":
            raise self._trouble(news)
        if news.kind == "delta":
            said.text += news.text
            self._emit(said, said.text, final=False)
        elif news.kind == "completed":
            del self._items[news.item_id]
            billed_s = said.reserved_s if news.seconds is None else news.seconds
            self._request.used(self._cost.charge(said.reserved_s, billed_s))
            self._emit(said, news.text, final=True)

    def _trouble(self, news: RealtimeNews) -> TranscriberError:
        told = evolve(news, message=self._redactor.redact(news.message))
        return realtime_trouble(told, self._host)

    def _emit(self, said: _Spoken, text: str, *, final: bool) -> None:
        said.revision += 1
        self._request.emit(
            Hypothesis(
                utterance_id=said.utterance_id,
                revision=said.revision,
                text=" ".join(text.split()),
                final=final,
                language=self._request.language,
                start_s=said.start_sample / SAMPLE_RATE_HZ,
                end_s=said.end_sample / SAMPLE_RATE_HZ,
            )
        )


def _away(host: str, error: Exception) -> TranscriberError:
    code = ""
    if isinstance(error, ConnectionClosed) and error.reason is not None:
        code = f" (close code {error.reason.code})"
    return TranscriberError(
        "network",
        f"The connection to {host} broke off, or there is none: {type(error).__name__}{code}.",
        retryable=True,
        remedy="Check realtime_url in [plugins.openai].",
    )


def _refused(
    host: str, model: str, rejected: ConnectionRejected, redactor: Redactor
) -> TranscriberError:
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in rejected.headers or ()
    }
    said = read_error(rejected.body or b"")
    return trouble_of(
        rejected.status_code,
        evolve(said, message=redactor.redact(said.message)),
        host=host,
        model=model,
        wait_s=retry_after_s(headers, datetime.now(UTC)),
    )


async def _dial(address: str) -> _Transport:
    """Return a connection to the host of an address, encrypted if it says so; no deadline."""
    parts = urlsplit(address)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    if not secure:
        return await trio.open_tcp_stream(host, port)
    stream = await trio.open_ssl_over_tcp_stream(
        host, port, https_compatible=True, ssl_context=ssl.create_default_context()
    )
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


async def _shake_hands(
    nursery: trio.Nursery, transport: _Transport, address: str, key: Secret | None
) -> WebSocketConnection:
    parts = urlsplit(address)
    headers = [] if key is None else [(b"authorization", f"Bearer {key.reveal()}".encode())]
    return await wrap_client_stream(
        nursery,
        transport,
        parts.netloc,
        f"{parts.path}?intent=transcription",
        extra_headers=headers,
        max_message_size=_LONGEST_MESSAGE,
    )


@asynccontextmanager
async def open_realtime(
    request: StreamRequest,
    options: OpenAIOptions,
    key: Secret | None,
    cost: CostLimit,
    redactor: Redactor,
) -> AsyncIterator[RealtimeStream]:
    """Hold a connection for one track.

    Raises:
        TranscriberError: There is none, or it broke off; alone or in a group.
    """
    address = options.realtime_address
    host = urlsplit(address).hostname or ""
    try:
        with trio.fail_after(options.connect_timeout_s):
            transport = await _dial(address)
    except (*_AWAY, trio.TooSlowError) as error:
        raise _away(host, error) from error
    try:
        async with trio.open_nursery() as nursery:
            try:
                with trio.fail_after(options.connect_timeout_s):
                    socket = await _shake_hands(nursery, transport, address, key)
                stream = RealtimeStream(socket, request, options, cost, redactor)
                prompt = prompt_of(options.prompt, request.vocabulary)
                settings = session_message(options.model, request.language, prompt)
                await stream.begin(settings, options.connect_timeout_s)
            except (*_AWAY, trio.TooSlowError) as error:
                raise _away(host, error) from error
            try:
                async with trio.open_nursery() as receiving:
                    receiving.start_soon(stream.receive)
                    yield stream
                    receiving.cancel_scope.cancel()
                with trio.move_on_after(_CLOSE_WITHIN_S):
                    await socket.aclose()
            finally:
                stream.close()
            nursery.cancel_scope.cancel()
    except Exception as error:
        # The handshake is read in a task of the library's, whose errors come in a group.
        rejected = found_in(error, ConnectionRejected)
        if rejected is None:
            raise
        raise _refused(host, options.model, rejected, redactor) from error
    finally:
        await trio.aclose_forcefully(transport)
