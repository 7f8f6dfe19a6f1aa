"""A bot at a stream: the signalling and the media connection, kept up as long as Zoom allows."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import trio
from attrs import define, field
from trio_websocket import WebSocketConnection

from meetcore import (
    Admitted,
    Call,
    CallEnded,
    CallEvents,
    CallRequest,
    Capability,
    CaptureHealth,
    Chunk,
    CommandRefused,
    EndReason,
    Evidence,
    MeetingLink,
    MeetingRefused,
    Signal,
    StepWorked,
)
from meetcore_zoom_rtms.ends import end_of_stream
from meetcore_zoom_rtms.meeting import MeetingReader
from meetcore_zoom_rtms.options import RtmsOptions
from meetcore_zoom_rtms.sessions import Sessions
from meetcore_zoom_rtms.sockets import (
    AWAY,
    Refused,
    answer,
    connected,
    is_allowed,
    messages,
    send,
    strange_server,
)
from meetcore_zoom_rtms.stream_address import PLATFORM_NAME, StreamAddress
from meetcore_zoom_rtms.tracks import Clocks, Hole, Tracks
from meetcore_zoom_rtms.wire import (
    EventType,
    MsgType,
    Status,
    StopReason,
    StreamState,
    close_request,
    event_subscription,
    media_handshake,
    pcm_of,
    ready,
    signalling_handshake,
    signature,
)

__all__ = ["Windows", "open_rtms_call"]

CLOSE_WITHIN_S = 4.0
FILL_EVERY_S = 0.2
RECENT_S = 60.0
"""A connection that is younger is none that Zoom says is lost: it was made since."""
_MOST_DUPLICATES = 3
_MAY_BE_OURS = (
    Status.DUPLICATE_SIGNALLING,
    Status.MEDIA_CONNECTION_EXISTS,
    Status.DUPLICATE_MEDIA,
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


@define(eq=False)
class _Connection:
    """One of the two connections: whether it is there, and since when or since when not."""

    where: str
    window_s: float
    socket: WebSocketConnection | None = None
    came_at: float = 0.0
    away_since: float | None = None
    failures: int = 0
    refusals: int = 0
    attempt: trio.CancelScope = field(factory=trio.CancelScope)

    def came(self, socket: WebSocketConnection) -> None:
        self.socket, self.away_since, self.failures = socket, None, 0
        self.came_at = trio.current_time()

    def move(self) -> None:
        """Leave the server it is at, or is being made to; how long it may be away begins anew."""
        self.socket, self.away_since, self.failures, self.refusals = None, None, 0, 0
        self.attempt.cancel()

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
    _sessions: Sessions = field(factory=Sessions)
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
                    await send(socket, close_request(self.address.stream_id))
                    await self._closed.wait()
                except AWAY:
                    pass
        self._stopped = True
        self._scope.cancel()

    async def reconnect(self, url: str) -> None:
        """Go on at the server that Zoom has moved the stream to, or says that it lost us at."""
        address = StreamAddress.read(url)
        here = (self.address.meeting_uuid, self.address.stream_id)
        if address is None or (address.meeting_uuid, address.stream_id) != here:
            raise CommandRefused("This is no link of the stream that the bot receives.")
        if not is_allowed(address.server_url, self.options.hosts):
            raise CommandRefused(strange_server(address, self.options.hosts))
        if self._stopped or self._closing:
            raise CommandRefused("The stream has ended.")
        await trio.lowlevel.checkpoint()
        if address.server_url == self.address.server_url:
            signalling = self._signalling
            recent = trio.current_time() - signalling.came_at < RECENT_S
            if signalling.socket is None or recent:
                return  # it is being made, or was made since
        self.address = address
        self._media_url, self._media_known = None, trio.Event()
        host = urlsplit(address.server_url).hostname
        self.events.observe(StepWorked("server", f"the stream goes on at {host}"))
        for connection in (self._signalling, self._media):
            connection.move()
            self._lost(connection)

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
        while not self._stopped:
            with trio.CancelScope() as connection.attempt:
                if not await self._serve(connection, serve):
                    return
                await trio.sleep(self.windows.pause_s(connection.failures))

    async def _serve(
        self, connection: _Connection, serve: Callable[[WebSocketConnection], Any]
    ) -> bool:
        """Have a connection served until it breaks; return whether it is to be made again."""
        try:
            url = await self._url_of(connection)
            async with connected(url) as socket:
                await serve(socket)
        except Refused as refused:
            connection.refusals += 1
            # What is there already may be our own, which Zoom has not missed yet; and media is
            # refused for any reason while the signalling is away, too.
            ours = connection is self._media or refused.status in _MAY_BE_OURS
            again = refused.status == Status.DUPLICATE_SIGNALLING or (self._admitted and ours)
            if not again or (not self._admitted and connection.refusals > _MOST_DUPLICATES):
                self._refused(refused)
                return False
        except AWAY as error:
            self._note(f"{connection.where} connection", error)
        if self._stopped or self._closing:
            return False
        self._lost(connection)
        if connection.given_up:
            words = f"the {connection.where} connection was away for {connection.window_s:g} s"
            self._end(EndReason.CONNECTION_LOST, Evidence("connection", words))
            return False
        return True

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

    def _refused(self, refused: Refused) -> None:
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
        answered = await answer(socket, hello, MsgType.SIGNALLING_ANSWER)
        if answered.get("status_code", answered.get("status")) != Status.OK:
            raise Refused(answered, "signalling")
        self._media_url = self._media_server(answered)
        if self._media.away_since is not None and not self._media_known.is_set():
            self._media.away_since = trio.current_time()  # until now it had nowhere to go
        self._media_known.set()
        await send(socket, event_subscription())
        self._signalling.came(socket)
        self.events.observe(StepWorked("signalling", "handshake accepted"))
        if self._media.socket is not None:
            await send(socket, ready(address.stream_id))
        async with aclosing(messages(socket)) as received:
            async for message in received:
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
            if isinstance(url, str) and is_allowed(url, self.options.hosts):
                return url
        raise Refused({"status_code": None, "reason": "no media server of Zoom"}, "signalling")

    def _signalled(self, message: Mapping[str, Any]) -> None:
        kind = message["msg_type"]
        stream_id = message.get("rtms_stream_id") or self.address.stream_id
        if stream_id != self.address.stream_id:
            return  # of another stream of the same meeting
        if kind == MsgType.EVENT and isinstance(message.get("event"), Mapping):
            self._observe(self._meeting.event(message["event"]))
        elif kind == MsgType.STREAM_STATE:
            self._stream_state(message)
        elif kind == MsgType.SESSION_STATE:
            self._sessions.take(message.get("rtms_session_id"), message.get("state"))
            self._pause(self._sessions.paused)
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
            self._sessions.whole(paused=state == StreamState.PAUSED)
            self._pause(self._sessions.paused)

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
        answered = await answer(socket, hello, MsgType.MEDIA_ANSWER)
        if answered.get("status_code", answered.get("status")) != Status.OK:
            raise Refused(answered, "media")
        again = self._media.away_since is not None
        self._media.came(socket)
        self._tracks.resumed()
        signalling = self._signalling.socket
        if signalling is not None:
            await send(signalling, ready(address.stream_id))
        if not self._admitted:
            self._admitted = True
            self.events.observe(Admitted("Zoom accepted the media handshake"))
        elif again and not self._paused:
            self._healthy(True, "the media connection is there again")
        async with aclosing(messages(socket)) as received:
            async for message in received:
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
    if not is_allowed(address.server_url, options.hosts):
        raise MeetingRefused(
            EndReason.INVALID_MEETING_URL,
            strange_server(address, options.hosts),
            "A gateway of your own can be named in `hosts` of [plugins.zoom_rtms].",
        )
    call = RtmsCall(address, request, events, options, windows)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.run)
        yield call
        nursery.cancel_scope.cancel()
