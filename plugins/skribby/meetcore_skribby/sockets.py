"""The sockets: what happens as frames, actions on the full one, and sound."""

from __future__ import annotations

from contextlib import aclosing, suppress
from functools import partial

import trio

from meetcore import (
    BareMix,
    CommandFailed,
    CommandRefused,
    MediaRefused,
    NotFetched,
    SendChat,
    Stop,
)
from meetcore.gateway import (
    BotGone,
    BotRow,
    Client,
    NoSuchBot,
    NotNow,
    Reply,
    Request,
    Scope,
    Service,
    Socket,
    SocketSession,
    fetched_picture,
)
from meetcore_skribby.bot_object import model_of
from meetcore_skribby.frames import ChangeAvatar, SkribbyDialect, action_of, frame
from meetcore_skribby.models import is_batch
from meetcore_skribby.transcript_reader import numbered_segments, read_summary
from meetcore_skribby.transcripts import live_segment

__all__ = ["PURPOSE", "AudioSession", "FrameSession", "admit", "socket_url"]

PURPOSE = "skribby-socket"

_PING_S = 60.0
_ACTIONS_WAITING = 100
_AUDIO_WAITING_BYTES = 64 * 1024
_GOODBYE = 1000
_NOT_YET_S = 0.5


def socket_url(service: Service, base_url: str, row: BotRow, client: Client, access: str) -> str:
    """Return the URL of one of a bot's sockets; whoever has it may use it, while the key is good.

    Args:
        service: Signs it.
        base_url: Where the mount is, as the client sees it.
        row: The bot.
        client: Who asks for it.
        access: `full`, `read` or `audio`.
    """
    claims = {
        "bot": row.bot_id,
        "user": row.user_id,
        "key": client.key_id,
        "access": access,
    }
    token = service.sign(PURPOSE, claims, expires_s=None)
    scheme, separator, rest = base_url.partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}{separator}{rest}/ws/{row.bot_id}?token={token}"


async def admit(service: Service, request: Request) -> SocketSession | Reply:
    """Return the session for the token in a socket's URL, or a refusal."""
    claims = service.verify(PURPOSE, request.args.get("token", ""))
    if claims is None or claims.get("bot") != request.params["id"]:
        return Reply(status=401, json={"message": "Unauthenticated."})
    key_id = claims.get("key")
    if not isinstance(key_id, str) or not await service.key_is_valid(key_id):
        return Reply(status=401, json={"message": "Unauthenticated."})
    scopes = {Scope.READ, Scope.WRITE} if claims["access"] == "full" else {Scope.READ}
    client = Client(key_id=key_id, user_id=claims["user"], scopes=frozenset(scopes))
    try:
        row = await service.bot(client, claims["bot"])
    except NoSuchBot:
        return Reply(status=404, json={"message": "Not found."})
    if row.deleted_at is not None or row.extras.get("deleted"):
        return Reply(status=404, json={"message": "Not found."})
    if claims["access"] == "audio":
        return AudioSession(service, client, row)
    return FrameSession(service, client, row, may_act=claims["access"] == "full")


class FrameSession(SocketSession):
    """`websocket_url` and `websocket_read_only_url`.

    `connected` comes first, with everything so far; then each event once. After the end the socket
    is closed at the next ping, for a client that does not do it itself.

    Args:
        service: The bots.
        client: Whose bot it is.
        row: The bot.
        may_act: Whether actions are carried out; otherwise they are ignored.
    """

    def __init__(self, service: Service, client: Client, row: BotRow, *, may_act: bool) -> None:
        self._service = service
        self._client = client
        self._row = row
        self._may_act = may_act
        self._ask, self._asked = trio.open_memory_channel[SendChat | Stop | ChangeAvatar](
            _ACTIONS_WAITING
        )
        self._one_picture = trio.Lock()

    def receive(self, message: str | bytes) -> None:
        """Take an action; one that is invalid, or one too many at once, is ignored."""
        action = action_of(message) if self._may_act else None
        if action is None:
            return
        try:
            self._ask.send_nowait(action)
        except (trio.WouldBlock, trio.BrokenResourceError):
            return

    async def attend(self, socket: Socket) -> None:
        """Serve the socket."""
        socket.owned_by(self._client)
        with self._asked:
            if not await self._follow(socket, await self._catch_up(socket)):
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._act)
                await self._ping(socket)
                nursery.cancel_scope.cancel()

    async def _catch_up(self, socket: Socket) -> int:
        """Tell a socket everything so far; return the number of the last event in it."""
        summary = await read_summary(self._service, self._row)
        async with aclosing(numbered_segments(self._service, self._row, summary)) as segments:
            lines = [live_segment(segment, number) async for segment, number in segments]
        socket.send(frame("connected", summary.connected(lines)))
        return summary.last_seq

    async def _follow(self, socket: Socket, after: int) -> bool:
        """Have the socket told what happens; return False where nothing will."""
        try:
            row = await self._service.bot(self._client, self._row.bot_id)
            if not row.ended:
                batch = is_batch(model_of(row))
                await self._service.follow(
                    row,
                    socket,
                    variant="skribby/batch" if batch else "skribby",
                    dialect=partial(SkribbyDialect, batch=batch),
                    after=after,
                    drafts=False,
                )
                return True
        except (BotGone, NoSuchBot):
            pass
        socket.send(frame("stop"))
        socket.close(_GOODBYE)
        return False

    async def _ping(self, socket: Socket) -> None:
        while not socket.closed:
            await trio.sleep(_PING_S)
            row = await self._service.bot(self._client, self._row.bot_id)
            if row.ended:
                socket.close(_GOODBYE)
                return
            socket.send(frame("ping"), key="ping")

    async def _act(self) -> None:
        """Carry out actions in their order; a picture that has to be fetched holds up no other."""
        async with trio.open_nursery() as nursery:
            async for action in self._asked:
                if isinstance(action, ChangeAvatar):
                    nursery.start_soon(self._change_avatar, action.url)
                else:
                    await self._carry_out(action)

    async def _carry_out(self, action: SendChat | Stop) -> None:
        with suppress(CommandRefused, CommandFailed):  # these sockets have no answer to an action
            if isinstance(action, Stop):
                await self._service.stop(self._row)
            else:
                await self._service.perform(self._row, action)

    async def _change_avatar(self, url: str) -> None:
        with suppress(CommandRefused, CommandFailed, NotFetched, MediaRefused):
            async with self._one_picture:
                await self._service.perform(self._row, await fetched_picture(self._service, url))


class AudioSession(SocketSession):
    """`websocket_audio_url`: 16-bit PCM, mono, 16 kHz, in binary messages.

    For a client that does not keep up the oldest sound is dropped.

    Args:
        service: The bots.
        client: Whose bot it is.
        row: The bot.
    """

    def __init__(self, service: Service, client: Client, row: BotRow) -> None:
        self._service = service
        self._client = client
        self._row = row

    async def attend(self, socket: Socket) -> None:
        """Send sound from when the bot sets out until it has ended."""
        socket.owned_by(self._client)
        while not socket.closed and not self._row.ended and self._row.deleted_at is None:
            try:
                await self._send(socket)
            except (NotNow, BotGone):
                await trio.sleep(_NOT_YET_S)
            self._row = await self._service.bot(self._client, self._row.bot_id)
        socket.close(_GOODBYE)

    async def _send(self, socket: Socket) -> None:
        """Send sound until there is no more.

        Raises:
            NotNow: The bot is not running: not yet, or not any more.
            BotGone: What it left has been deleted.
        """
        mix = BareMix()
        async with self._service.hear(self._row) as heard:
            async for chunk in heard:
                if settled := mix.add(chunk):
                    await socket.room(_AUDIO_WAITING_BYTES)
                    socket.send(settled)
                if socket.closed:
                    return
        await trio.sleep(_NOT_YET_S)
