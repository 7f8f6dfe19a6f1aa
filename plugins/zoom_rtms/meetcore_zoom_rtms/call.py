"""A bot at a stream: the signalling and the media connection, kept up as long as Zoom allows."""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import trio
from attrs import define, field
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
    Admitted,
    Call,
    CallEnded,
    CallEvents,
    CallRequest,
    Capability,
    CaptureHealth,
    Chunk,
    EndReason,
    Evidence,
    MeetingLink,
    MeetingRefused,
    Signal,
    StepWorked,
)
from meetcore_zoom_rtms.ends import end_of_stream, refusal
from meetcore_zoom_rtms.meeting import MeetingReader
from meetcore_zoom_rtms.options import RtmsOptions
from meetcore_zoom_rtms.stream_address import PLATFORM_NAME, StreamAddress
from meetcore_zoom_rtms.tracks import Clocks, Hole, Tracks
from meetcore_zoom_rtms.wire import (
    EventType,
    MsgType,
    SessionState,
    Status,
    StopReason,
    StreamState,
    close_request,
    event_subscription,
    keep_alive_answer,
    media_handshake,
    pcm_of,
    read_message,
    ready,
    signalling_handshake,
    signature,
)

__all__ = ["Windows", "open_rtms_call"]

HANDSHAKE_WITHIN_S = 10.0
SILENT_FOR_S = 65.0
CLOSE_WITHIN_S = 4.0
FILL_EVERY_S = 0.2
_LONGEST_MESSAGE = 4 * 1024 * 1024
_MOST_DUPLICATES = 3
_MAY_BE_OURS = (
    Status.DUPLICATE_SIGNALLING,
    Status.MEDIA_CONNECTION_EXISTS,
    Status.DUPLICATE_MEDIA,
)
_AWAY = (
    ConnectionClosed,
    ConnectionRejected,
    ConnectionTimeout,
    DisconnectionTimeout,
    HandshakeError,
    OSError,
    trio.TooSlowError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


@define(kw_only=True)
class Windows:
    """How long a connection may be away before Zoom gives the stream up, in seconds.

    The figures are Zoom's (rtms-samples, PRODUCTION.md, 2026-07).

    Attributes:
        signalling_s: The signalling connection.
        media_s: The media connection.
        first_pause_s: Before the first try to connect again; it doubles up to five seconds.
    """

    signalling_s: float = 60.0
    media_s: float = 30.0
    first_pause_s: float = 0.5

    def pause_s(self, failures: int) -> float:
        """Return the pause after so many failures in a row, in seconds."""
        return min(5.0, self.first_pause_s * 2.0 ** min(failures - 1, 10))


WINDOWS = Windows()


class _Refused(Exception):
    """A handshake was answered with a status."""

    def __init__(self, message: Mapping[str, Any], where: str) -> None:
        super().__init__(where)
        self.status = message.get("status_code", message.get("status"))
        self.reason, self.evidence = refusal(self.status, message.get("reason"), where)


@define(eq=False)
class _Connection:
    """One of the two connections: whether it is there, and since when not."""

    where: str
    window_s: float
    socket: WebSocketConnection | None = None
    away_since: float | None = None
    failures: int = 0

    def came(self, socket: WebSocketConnection) -> None:
        self.socket, self.away_since, self.failures = socket, None, 0

    def went(self) -> None:
        self.socket = None
        if self.away_since is None:
            self.away_since = trio.current_time()
        self.failures += 1

    @property
    def given_up(self) -> bool:
        away = self.away_since
        return away is not None and trio.current_time() - away > self.window_s


@define(eq=False)
class RtmsCall(Call):
    """The bot at one stream: it hears, and is seen by nobody in the meeting."""

    address: StreamAddress
    request: CallRequest
    events: CallEvents
    options: RtmsOptions
    windows: Windows
    capabilities: frozenset[Capability] = frozenset({Capability.READ_CHAT, Capability.CAPTIONS})
    platform_name: str = PLATFORM_NAME
    _tracks: Tracks = field(factory=Tracks)
    _meeting: MeetingReader = field(init=False)
    _signalling: _Connection = field(init=False)
    _media: _Connection = field(init=False)
    _media_url: str | None = None
    _media_known: trio.Event = field(factory=trio.Event)
    _admitted: bool = False
    _stopped: bool = False
    _paused: bool = False
    _closing: bool = False
    _closed: trio.Event = field(factory=trio.Event)
    _clocks: Clocks = field(factory=Clocks)
    _scope: trio.CancelScope = field(factory=trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        """Make what the options say."""
        self._meeting = MeetingReader(self._tracks, mixed=self.options.audio == "mixed")
        self._signalling = _Connection("signalling", self.windows.signalling_s)
        self._media = _Connection("media", self.windows.media_s)

    # --- for the core ------------------------------------------------------------------------

    async def leave(self) -> None:
        """Have Zoom close the stream; returns when it has, or after four seconds."""
        self._closing = True
        socket = self._signalling.socket
        if socket is not None and not self._stopped:
            with trio.move_on_after(CLOSE_WITHIN_S):
                try:
                    await _send(socket, close_request(self.address.stream_id))
                    await self._closed.wait()
                except _AWAY:
                    pass
        self._stopped = True
        self._scope.cancel()

    async def run(self) -> None:
        """Receive the stream until it ends."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep, self._signalling, self._signal)
                nursery.start_soon(self._keep, self._media, self._receive)
                nursery.start_soon(self._fill)
                nursery.start_soon(self._first_media_within)

    # --- keeping the connections -----------------------------------------------------------------

    async def _keep(
        self, connection: _Connection, serve: Callable[[WebSocketConnection], Any]
    ) -> None:
        """Have a connection served, again and again, until the stream ends or it stays away."""
        duplicates = 0
        while not self._stopped:
            try:
                url = await self._url_of(connection)
                async with _connected(url) as socket:
                    await serve(socket)
            except _Refused as refused:
                duplicates += 1
                # What is there already may be our own, which Zoom has not missed yet; and media is
                # refused for any reason while the signalling is away, too.
                ours = connection is self._media or refused.status in _MAY_BE_OURS
                again = refused.status == Status.DUPLICATE_SIGNALLING or (self._admitted and ours)
                if not again or (not self._admitted and duplicates > _MOST_DUPLICATES):
                    self._refused(refused)
                    return
            except _AWAY as error:
                self._note(f"{connection.where} connection", error)
            if self._stopped or self._closing:
                return
            self._lost(connection)
            if connection.given_up:
                words = f"the {connection.where} connection was away for {connection.window_s:g} s"
                self._end(EndReason.CONNECTION_LOST, Evidence("connection", words))
                return
            await trio.sleep(self.windows.pause_s(connection.failures))

    async def _url_of(self, connection: _Connection) -> str:
        if connection is self._signalling:
            return self.address.server_url
        await self._media_known.wait()
        assert self._media_url is not None
        return self._media_url

    def _lost(self, connection: _Connection) -> None:
        connection.went()
        if connection is self._media and self._admitted:
            self._tracks.interrupted()
            self._healthy(False, "the media connection broke")

    async def _first_media_within(self) -> None:
        await trio.sleep(self.request.join_timeout_s)
        if not self._admitted:
            words = f"no media within {self.request.join_timeout_s:g} s"
            self._end(EndReason.CLIENT_NEVER_LOADED, Evidence("media", words))

    def _refused(self, refused: _Refused) -> None:
        reason, evidence = refused.reason, refused.evidence
        if self._admitted and refused.status == Status.INVALID_STREAM:
            # It was there: it ended while we were away.
            reason = EndReason.MEETING_ENDED
        self._end(reason, evidence)

    def _end(self, reason: EndReason, evidence: Evidence) -> None:
        if not self._stopped:
            self._stopped = True
            self.events.observe(CallEnded(reason, evidence))
        self._closed.set()
        self._scope.cancel()

    # --- signalling ----------------------------------------------------------------------------

    def _proof(self) -> str:
        secret = self.options.client_secret
        return signature(
            self.options.client_id,
            secret.reveal() if secret else "",
            self.address.meeting_uuid,
            self.address.stream_id,
        )

    async def _signal(self, socket: WebSocketConnection) -> None:
        address = self.address
        hello = signalling_handshake(
            address.meeting_uuid,
            address.stream_id,
            self._proof(),
            sequence=random.getrandbits(30),
        )
        answer = await _answer(socket, hello, MsgType.SIGNALLING_ANSWER)
        if answer.get("status_code", answer.get("status")) != Status.OK:
            raise _Refused(answer, "signalling")
        self._media_url = self._media_server(answer)
        self._media_known.set()
        await _send(socket, event_subscription())
        self._signalling.came(socket)
        self.events.observe(StepWorked("signalling", "handshake accepted"))
        if self._media.socket is not None:
            await _send(socket, ready(address.stream_id))
        async with aclosing(_messages(socket)) as messages:
            async for message in messages:
                self._signalled(message)
                if _is_interruption(message):
                    await self._part_with_media()

    async def _part_with_media(self) -> None:
        """Close a media connection that Zoom says is dead, whatever it looks like from here."""
        if (socket := self._media.socket) is not None:
            self.events.observe(StepWorked("media connection lost", "Zoom does not reach it"))
            with trio.move_on_after(CLOSE_WITHIN_S):
                await socket.aclose()

    def _media_server(self, answer: Mapping[str, Any]) -> str:
        server = answer.get("media_server")
        urls = server.get("server_urls") if isinstance(server, Mapping) else None
        for kind in ("all", "audio"):
            url = urls.get(kind) if isinstance(urls, Mapping) else None
            if isinstance(url, str) and _is_allowed(url, self.options.hosts):
                return url
        raise _Refused({"status_code": None, "reason": "no media server of Zoom"}, "signalling")

    def _signalled(self, message: Mapping[str, Any]) -> None:
        kind = message["msg_type"]
        if kind == MsgType.EVENT and isinstance(message.get("event"), Mapping):
            self._observe(self._meeting.event(message["event"]))
        elif kind == MsgType.STREAM_STATE:
            self._stream_state(message)
        elif kind == MsgType.SESSION_STATE:
            state = message.get("state")
            if state in (SessionState.PAUSED, SessionState.RESUMED, SessionState.STARTED):
                self._pause(state == SessionState.PAUSED)
        elif kind == MsgType.STREAM_CLOSE_ANSWER:
            self._closed.set()

    def _stream_state(self, message: Mapping[str, Any]) -> None:
        state = message.get("state")
        if state == StreamState.TERMINATED:
            stop_reason = message.get("stop_reason", message.get("reason"))
            if self._closing:
                self._closed.set()
            else:
                self._end(*end_of_stream(stop_reason))
        elif state in (StreamState.PAUSED, StreamState.RESUMED):
            self._pause(state == StreamState.PAUSED)

    # --- media ---------------------------------------------------------------------------------

    async def _receive(self, socket: WebSocketConnection) -> None:
        address = self.address
        hello = media_handshake(
            address.meeting_uuid,
            address.stream_id,
            self._proof(),
            mixed=self.options.audio == "mixed",
            captions=self.request.captions,
        )
        answer = await _answer(socket, hello, MsgType.MEDIA_ANSWER)
        if answer.get("status_code", answer.get("status")) != Status.OK:
            raise _Refused(answer, "media")
        again = self._media.away_since is not None
        self._media.came(socket)
        self._tracks.resumed()
        signalling = self._signalling.socket
        if signalling is not None:
            await _send(signalling, ready(address.stream_id))
        if not self._admitted:
            self._admitted = True
            self.events.observe(Admitted("Zoom accepted the media handshake"))
        elif again and not self._paused:
            self._healthy(True, "the media connection is there again")
        async with aclosing(_messages(socket)) as messages:
            async for message in messages:
                self._received(message)

    def _received(self, message: Mapping[str, Any]) -> None:
        kind, content = message["msg_type"], message.get("content")
        if not isinstance(content, Mapping):
            return
        if kind == MsgType.AUDIO:
            self._heard(content)
        elif kind == MsgType.TRANSCRIPT and self.request.captions:
            self._observe(self._meeting.words(content))
        elif kind == MsgType.CHAT:
            self._observe(self._meeting.chat(content))

    def _heard(self, content: Mapping[str, Any]) -> None:
        pcm, stamp = pcm_of(content), content.get("timestamp")
        if not pcm or not isinstance(stamp, int) or isinstance(stamp, bool):
            return
        self._clocks.saw(stamp / 1000, trio.current_time())
        track_id, told = self._meeting.sound(content)
        self._observe(told)
        self._hand_in(self._tracks.take(track_id, stamp, pcm))

    async def _fill(self) -> None:
        """Let time pass for those who do not speak."""
        while True:
            await trio.sleep(FILL_EVERY_S)
            stamp_s = self._clocks.stamp_at(trio.current_time())
            if stamp_s is not None and not self._paused:
                self._hand_in(self._tracks.fill(int(stamp_s * 1000)))

    def _hand_in(self, made: list[Chunk | Hole]) -> None:
        for each in made:
            if isinstance(each, Hole):
                cause = "paused_by_meeting" if self._paused else "connection"
                self.events.declare_lost(each.track_id, each.start_sample, each.samples, cause)
            else:
                self.events.hear(each)

    # --- what both do --------------------------------------------------------------------------

    def _pause(self, paused: bool) -> None:
        """Take that the meeting paused the stream, or went on with it."""
        if paused == self._paused:
            return
        self._paused = paused
        if paused:
            self._tracks.interrupted()
            self._healthy(False, "the stream was paused in the meeting")
        else:
            self._tracks.resumed()
            self._healthy(True, "the stream goes on")

    def _healthy(self, healthy: bool, detail: str) -> None:
        self.events.observe(CaptureHealth(healthy, detail))

    def _observe(self, signals: Any) -> None:
        for signal in signals:
            assert isinstance(signal, Signal)
            self.events.observe(signal)

    def _note(self, what: str, error: BaseException) -> None:
        words = self.request.redactor.redact(f"{type(error).__name__}: {error}")
        self.events.observe(StepWorked(f"{what} lost", words))


# --- sockets -----------------------------------------------------------------------------------


def _is_allowed(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether a server may get a handshake: one of Zoom's, encrypted; or named, on this machine."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    named = any(host == each or host.endswith(f".{each}") for each in hosts)
    loopback = host in ("127.0.0.1", "::1", "localhost")
    return named and (parts.scheme == "wss" or (parts.scheme == "ws" and loopback))


async def _dialled(url: str) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    """Return a stream to a server, encrypted where the URL says so."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "wss"
    stream = await trio.open_tcp_stream(host, parts.port or (443 if tls else 80))
    if not tls:
        return stream
    context = ssl.create_default_context()
    return trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[WebSocketConnection]:
    """Hold a connection; it is closed quickly, whatever the other side does."""
    parts = urlsplit(url)
    resource = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    trouble: Exception | None = None
    with trio.fail_after(HANDSHAKE_WITHIN_S):
        stream = await _dialled(url)
    try:
        async with trio.open_nursery() as nursery:
            try:
                with trio.fail_after(HANDSHAKE_WITHIN_S):
                    socket = await wrap_client_stream(
                        nursery,
                        stream,
                        parts.netloc.rpartition("@")[2],
                        resource,
                        max_message_size=_LONGEST_MESSAGE,
                    )
                try:
                    yield socket
                finally:
                    with trio.CancelScope(shield=True), trio.move_on_after(1.0):
                        await socket.aclose()
            except (*_AWAY, _Refused) as error:
                trouble = error  # raised again outside of the nursery, which puts it in a group
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)
    if trouble is not None:
        raise trouble


def _is_interruption(message: Mapping[str, Any]) -> bool:
    """Whether Zoom says that it reaches nobody by the media connection any more."""
    kind = message["msg_type"]
    if kind == MsgType.EVENT:
        event = message.get("event")
        told = event.get("event_type") if isinstance(event, Mapping) else None
        return bool(told == EventType.MEDIA_INTERRUPTED)
    reason = message.get("stop_reason", message.get("reason"))
    interrupted = message.get("state") == StreamState.INTERRUPTED
    return kind == MsgType.STREAM_STATE and interrupted and reason == StopReason.MEDIA_INTERRUPTED


async def _send(socket: WebSocketConnection, text: str) -> None:
    with trio.fail_after(HANDSHAKE_WITHIN_S):
        await socket.send_message(text)


async def _answer(socket: WebSocketConnection, hello: str, kind: MsgType) -> Mapping[str, Any]:
    """Send a handshake; return its answer."""
    with trio.fail_after(HANDSHAKE_WITHIN_S):
        await _send(socket, hello)
        async with aclosing(_messages(socket)) as messages:
            async for message in messages:
                if message["msg_type"] == kind:
                    return message
    raise trio.TooSlowError


async def _messages(socket: WebSocketConnection) -> AsyncGenerator[dict[str, Any], None]:
    """Yield what comes; questions whether we live are answered, what is no message passed over.

    Raises:
        trio.TooSlowError: Nothing came for 65 s, in which Zoom asks several times.
    """
    while True:
        with trio.fail_after(SILENT_FOR_S):
            raw = await socket.get_message()
        message = read_message(raw)
        if message is None:
            continue
        if message["msg_type"] == MsgType.KEEP_ALIVE:
            await _send(socket, keep_alive_answer(message))
        else:
            yield message


@asynccontextmanager
async def open_rtms_call(
    link: MeetingLink,
    request: CallRequest,
    events: CallEvents,
    options: RtmsOptions,
    windows: Windows = WINDOWS,
) -> AsyncIterator[Call]:
    """Begin to receive a stream; on exit nothing of it remains.

    Raises:
        MeetingRefused: The app's credentials are not set, or the server is none of Zoom's.
    """
    address = StreamAddress.read(link.url)
    if address is None:
        raise MeetingRefused(EndReason.INVALID_MEETING_URL, "This is no link of a Zoom stream.")
    if not options.client_id or options.client_secret is None:
        raise MeetingRefused(
            EndReason.SIGN_IN_REQUIRED,
            "Zoom's streams need an app: client_id and client_secret are not set.",
            "Set them in [plugins.zoom_rtms]; the plugin's README says how to make the app.",
        )
    if not _is_allowed(address.server_url, options.hosts):
        host = urlsplit(address.server_url).hostname
        raise MeetingRefused(
            EndReason.INVALID_MEETING_URL,
            f"The stream's server {host} is none of {', '.join(options.hosts)}, over wss.",
            "A gateway of your own can be named in `hosts` of [plugins.zoom_rtms].",
        )
    call = RtmsCall(address, request, events, options, windows)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run)
        yield call
        nursery.cancel_scope.cancel()
