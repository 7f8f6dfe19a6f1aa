"""The socket /ws: many meetings over one connection.

It is accepted first and judged then, because a browser cannot read the status of a refused
handshake. Subscribing is answered with `subscribed` and with the status of the moment, so that a
client that came a little late still knows where the bot is; from there on everything is told once.
E4 tells every change of status of all the user's meetings without being asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import trio

from meetcore import MeetcoreError, StorageUnavailable, to_json
from meetcore.gateway import (
    Authenticator,
    BotGone,
    BotQuery,
    BotRow,
    Client,
    KeyMissing,
    Refusal,
    Reply,
    Request,
    Scope,
    ScopeMissing,
    Socket,
    SocketSession,
)
from meetcore_vexa.bot_object import meeting_of
from meetcore_vexa.errors import REFUSE
from meetcore_vexa.frames import StatusFrames, frames_for, status_frame
from meetcore_vexa.links import NATIVE_IDS, same_meeting
from meetcore_vexa.lookup import LIVE_STATES, NAME, Lookup
from meetcore_vexa.statuses import steps_of
from meetcore_vexa.variants import Variant

__all__ = ["LiveRoutes", "LiveSession"]

UNAUTHORIZED = 4401
AUTH_UNAVAILABLE = 4503
_WAITING_MESSAGES = 256
_MOST_SUBSCRIPTIONS = 1000

MeetingKey = tuple[str, str]


class LiveRoutes:
    """Admits clients to the socket.

    Args:
        lookup: The way in.
        authenticator: Knows who asks; here a key may stand in the query, too.
    """

    def __init__(self, lookup: Lookup, authenticator: Authenticator) -> None:
        self._lookup = lookup
        self._authenticator = authenticator

    async def admit(self, request: Request) -> SocketSession | Reply:
        """Return a session; only an unknown dialect is refused before the handshake."""
        create_request = request.args.get("dialect")
        if create_request is not None and Variant.named(create_request) is None:
            return REFUSE(request, Refusal(422, "dialect should be 'E1', 'E2', 'E3' or 'E4'"))
        await trio.lowlevel.checkpoint()
        return LiveSession(self._lookup, self._authenticator, request)


class LiveSession(SocketSession):
    """One client's conversation.

    Args:
        lookup: The way in.
        authenticator: Knows who asks.
        request: The handshake.
    """

    def __init__(self, lookup: Lookup, authenticator: Authenticator, request: Request) -> None:
        self._lookup = lookup
        self._authenticator = authenticator
        self._service = lookup.service
        self._request = request
        self._inbox, self._messages = trio.open_memory_channel[str | bytes](_WAITING_MESSAGES)
        self._socket: Socket | None = None
        self._subscribed: dict[MeetingKey, BotRow] = {}

    def receive(self, message: str | bytes) -> None:
        """Take a message; whoever does not wait for answers at all is let go."""
        try:
            self._inbox.send_nowait(message)
        except trio.WouldBlock:
            if self._socket is not None:
                self._socket.close(1008, "too many messages at once")
        except trio.BrokenResourceError:
            return

    async def attend(self, socket: Socket) -> None:
        """Judge the key, then answer until the socket closes."""
        self._socket = socket
        client = await self._admitted(socket)
        if client is None:
            return
        socket.owned_by(client)
        variant = await self._lookup.variant(self._request, client.user_id)
        talk = _Talk(self._lookup, socket, client, variant, self._subscribed)
        if variant in (Variant.E2, Variant.E3):
            await self._answer(talk)
            return
        async with self._service.new_bots(client.user_id) as new, trio.open_nursery() as nursery:
            nursery.start_soon(talk.notice, new)
            await talk.watch_all()
            await self._answer(talk)
            nursery.cancel_scope.cancel()

    async def _admitted(self, socket: Socket) -> Client | None:
        try:
            return await self._authenticator.client(self._request, Scope.READ)
        except (KeyMissing, ScopeMissing):
            _, key = self._authenticator.key_of(self._request)
            error = "missing_api_key" if key is None else "invalid_api_key"
            _turned_away(socket, error, UNAUTHORIZED)
        except MeetcoreError:
            _turned_away(socket, "auth_unavailable", AUTH_UNAVAILABLE)
        return None

    async def _answer(self, talk: _Talk) -> None:
        async for message in self._messages:
            await talk.take(message)


def _turned_away(socket: Socket, error: str, code: int) -> None:
    socket.send(to_json({"type": "error", "error": error}))
    socket.close(code, error)


class _Talk:
    """What is said over an admitted socket."""

    def __init__(
        self,
        lookup: Lookup,
        socket: Socket,
        client: Client,
        variant: Variant,
        subscribed: dict[MeetingKey, BotRow],
    ) -> None:
        self._lookup = lookup
        self._service = lookup.service
        self._socket = socket
        self._client = client
        self._variant = variant
        self._subscribed = subscribed
        self._one_at_a_time = trio.Lock()

    def _say(self, frame: Mapping[str, Any]) -> None:
        self._socket.send(to_json(frame))

    def _object(self, error: str, details: Any = None, **more: Any) -> None:
        frame: dict[str, Any] = {"type": "error", "error": error, **more}
        if details is not None:
            frame["details"] = details
        self._say(frame)

    async def take(self, message: str | bytes) -> None:
        """Answer one message."""
        try:
            asked = json.loads(message)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            self._object("invalid_json")
            return
        async with self._one_at_a_time:
            await self._do(asked)

    async def _do(self, asked: dict[str, Any]) -> None:
        action = asked.get("action")
        try:
            if action == "subscribe":
                await self._subscribe(asked.get("meetings"))
            elif action == "unsubscribe":
                await self._unsubscribe(asked.get("meetings"))
            elif action == "ping":
                self._say({"type": "pong"})
            else:
                self._object("unknown_action")
        except StorageUnavailable as error:
            self._object("authorization_service_error", status=503, detail=str(error))
        except MeetcoreError as error:
            self._object("authorization_call_failed", details=str(error))

    # --- subscriptions -------------------------------------------------------------------

    def _places(self, error: str, meetings: Any) -> list[tuple[int, MeetingKey]]:
        """Return the usable objects of a list with their positions; none after an objection."""
        if not isinstance(meetings, list):
            self._object(error, "'meetings' must be a non-empty list")
            return []
        if not meetings:
            self._object(error, "'meetings' list cannot be empty")
            return []
        places = [(i, _place(meeting)) for i, meeting in enumerate(meetings)]
        usable = [(i, place) for i, place in places if place is not None]
        if not usable:
            self._object(error, "no valid meeting objects")
        return usable

    async def _subscribe(self, meetings: Any) -> None:
        places = self._places("invalid_subscribe_payload", meetings)
        if not places:
            return
        found: dict[MeetingKey, BotRow] = {}
        refused: list[str] = []
        for index, place in places:
            row = await self._authorized(place)
            if isinstance(row, str):
                refused.append(f"meetings[{index}] {row}")
            else:
                found[place] = row
        if refused:
            self._object("invalid_subscribe_payload", refused)
        if found or self._variant is not Variant.E4:
            self._say({"type": "subscribed", "meetings": [_named(place) for place in found]})
        for place, row in found.items():
            known = self._subscribed.get(place)
            if known is None or known.bot_id != row.bot_id:
                await self._begin(place, row)

    async def _authorized(self, place: MeetingKey) -> BotRow | str:
        platform, native_id = place
        pattern = NATIVE_IDS.get(platform)
        rows = await self._lookup.meetings(self._client, platform, native_id)
        if rows:
            full = len(self._subscribed) >= _MOST_SUBSCRIPTIONS
            return "is one subscription too many" if full else rows[0]
        if pattern is not None and not pattern[0].fullmatch(native_id):
            return f"invalid native_meeting_id for platform '{platform}'"
        return "not authorized or not found for user"

    async def _begin(self, place: MeetingKey, row: BotRow) -> None:
        """Tell where a bot is, and everything from there on."""
        former = self._subscribed.get(place)
        try:
            history = await self._service.history(row)
            self._subscribed[place] = row
            steps = steps_of(history.transitions, self._variant)
            if steps:
                self._say(status_frame(meeting_of(row), steps[-1], self._variant))
            self._service.unfollow(row, self._socket)
            await self._follow(row, after=history.last_seq)
        except BotGone:
            self._subscribed.pop(place, None)
            return
        if former is not None and self._variant is not Variant.E1:
            await self._let_go(former)

    async def _unsubscribe(self, meetings: Any) -> None:
        places = self._places("invalid_unsubscribe_payload", meetings)
        gone: list[MeetingKey] = []
        unknown: list[str] = []
        for index, place in places:
            row = self._subscribed.pop(place, None)
            if row is None:
                if place not in gone:
                    unknown.append(f"meetings[{index}] not currently subscribed")
                continue
            gone.append(place)
            await self._let_go(row)
        if unknown:
            self._object("invalid_unsubscribe_payload", unknown)
        if gone:
            self._say({"type": "unsubscribed", "meetings": [_named(place) for place in gone]})

    async def _let_go(self, row: BotRow) -> None:
        self._service.unfollow(row, self._socket)
        if self._variant is Variant.E4 and not row.ended:
            await self._watch(row)

    # --- what is told --------------------------------------------------------------------

    async def _follow(self, row: BotRow, *, after: int | None, status_only: bool = False) -> None:
        variant = self._variant
        name = f"{NAME}/{variant.value}" + ("/status" if status_only else "")
        meeting = meeting_of(row)
        made: Callable[[], StatusFrames] = lambda: frames_for(  # noqa: E731
            meeting, variant, status_only=status_only
        )
        await self._service.follow(row, self._socket, variant=name, dialect=made, after=after)

    async def _watch(self, row: BotRow, *, after: int | None = None) -> None:
        try:
            await self._follow(row, after=after, status_only=True)
        except BotGone:
            return

    async def watch_all(self) -> None:
        """In E4: follow the status of every bot of the user that goes on."""
        if self._variant is not Variant.E4:
            return
        query = BotQuery(dialect=NAME, states=LIVE_STATES, limit=_MOST_SUBSCRIPTIONS)
        for row in await self._service.bots(self._client, query):
            if not any(known.bot_id == row.bot_id for known in self._subscribed.values()):
                await self._watch(row)

    async def notice(self, new: trio.MemoryReceiveChannel[BotRow]) -> None:
        """Follow new bots from the first: in E1 those of subscribed meetings, in E4 all."""
        async for row in new:
            if row.dialect != NAME:
                continue
            try:
                async with self._one_at_a_time:
                    await self._notice(row)
            except MeetcoreError as error:
                self._object("authorization_call_failed", details=str(error))

    async def _notice(self, row: BotRow) -> None:
        meeting = meeting_of(row)
        named = (meeting.platform, meeting.native_id)
        place = next((each for each in self._subscribed if same_meeting(each, named)), named)
        known = self._subscribed.get(place)
        if known is not None and known.number >= row.number:
            return
        if self._variant is Variant.E4:
            await self._watch(row, after=0)
        elif known is not None:
            self._subscribed[place] = row
            await self._follow(row, after=0)


def _place(meeting: Any) -> MeetingKey | None:
    if not isinstance(meeting, dict):
        return None
    platform = meeting.get("platform")
    native_id = meeting.get("native_id", meeting.get("native_meeting_id"))
    if not isinstance(platform, str) or not isinstance(native_id, str):
        return None
    platform, native_id = platform.strip(), native_id.strip()
    if not platform or not native_id or len(platform) > 50 or len(native_id) > 255:
        return None
    return platform, native_id


def _named(place: MeetingKey) -> dict[str, str]:
    return {"platform": place[0], "native_id": place[1]}
