"""The server on a real port: files, sockets, bad input, stalled peers, shutdown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio
import trio_websocket
from wsproto import ConnectionType, WSConnection
from wsproto.events import Request, TextMessage

from meetcore_browser.testing import until
from meetcore_rehearsal import hub as hub_module
from meetcore_rehearsal import web as web_module
from meetcore_rehearsal.errors import PortTaken
from meetcore_rehearsal.room import Room
from meetcore_rehearsal.site import Site, open_site


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site() as opened:
        yield opened


def port_of(site: Site) -> int:
    return int(site.url.rpartition(":")[2])


async def talk(site: Site, sent: bytes) -> bytes:
    """Send bytes on a connection of their own; return all that comes until the server closes."""
    with trio.fail_after(90):
        stream = await trio.open_tcp_stream("127.0.0.1", port_of(site))
        async with stream:
            await stream.send_all(sent)
            got = b""
            async for data in stream:
                got += data
            return got


async def get(site: Site, path: str, headers: str = "") -> tuple[int, bytes]:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
    answer = await talk(site, request.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


class Client:
    """One participant's socket, spoken to in JSON."""

    def __init__(self, socket: trio_websocket.WebSocketConnection) -> None:
        self.socket = socket

    async def send(self, type_: str, **fields: Any) -> None:
        await self.socket.send_message(json.dumps({"type": type_, **fields}))

    async def expect(self, type_: str) -> Any:
        with trio.fail_after(90):
            while True:
                message = json.loads(await self.socket.get_message())
                if message["type"] == type_:
                    return message

    async def closed(self) -> tuple[int, str]:
        with trio.fail_after(90), pytest.raises(trio_websocket.ConnectionClosed) as closed:
            while True:
                await self.socket.get_message()
        reason = closed.value.reason
        assert reason is not None
        return reason.code, reason.reason or ""


@asynccontextmanager
async def enter(site: Site, room: Room, **hello: Any) -> AsyncIterator[Client]:
    stream = await trio.open_tcp_stream("127.0.0.1", port_of(site))
    async with stream, trio.open_nursery() as nursery:
        socket = await trio_websocket.wrap_client_stream(
            nursery,
            stream,
            f"127.0.0.1:{port_of(site)}",
            f"/r/{room.id}/socket",
        )
        client = Client(socket)
        if hello:
            await client.send("hello", **hello)
        yield client
        with trio.move_on_after(1):
            await socket.aclose()
        nursery.cancel_scope.cancel()


async def test_pages_and_files_are_served(site: Site) -> None:
    room = site.open_room(title="Planning")
    status, page = await get(site, f"/r/{room.id}")
    assert status == 200
    assert b"<title>Rehearsal</title>" in page
    assert (await get(site, "/static/app.js"))[0] == 200
    assert (await get(site, "/"))[0] == 200
    status, info = await get(site, f"/r/{room.id}/info.json")
    assert json.loads(info) == {
        "title": "Planning",
        "passcode": False,
        "waiting_room": True,
        "closed": False,
    }


@pytest.mark.parametrize(
    "path", ["/r/mc-none", "/r/", "/static/none.js", "/static/../site.py", "/%2e%2e/site.py", "/x"]
)
async def test_what_is_not_there_is_a_clear_page(site: Site, path: str) -> None:
    status, page = await get(site, path)
    assert status == 404
    assert b"This meeting does not exist" in page


async def test_no_key_of_a_room_is_on_its_pages(site: Site) -> None:
    room = site.open_room(passcode="4711")
    for path in (f"/r/{room.id}", f"/r/{room.id}/info.json"):
        _, body = await get(site, path)
        for secret in (room.host_key, room.cast_key, "4711"):
            assert secret.encode() not in body
            assert secret not in repr(room)


async def test_several_requests_go_over_one_connection(site: Site) -> None:
    one = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"HEAD /static/site.css HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await talk(site, one + one + last)
    assert answer.count(b"HTTP/1.1 200") == 3
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b" 405 "),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", b" 413 "),
        (b"hello there\r\n\r\n", b" 400 "),
        (b"GET / HTTP/1.1\r\n\r\n", b" 400 "),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 60_000 + b"\r\n\r\n", b" 431 "),
    ],
)
async def test_bad_requests_are_answered_and_closed(
    site: Site, request_bytes: bytes, status: bytes
) -> None:
    assert status in (await talk(site, request_bytes)).split(b"\r\n")[0] + b" "
    assert (await get(site, "/"))[0] == 200


async def test_a_client_that_never_ends_its_head_is_dropped(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    monkeypatch.setattr(web_module, "HEAD_TIMEOUT_S", 0.1)
    assert await talk(site, b"GET / HT") == b""


async def test_two_people_meet_through_the_sockets(site: Site) -> None:
    room = site.open_room()
    async with (
        enter(site, room, name="Hana", host_key=room.host_key) as host,
        enter(site, room, name="Gil") as guest,
    ):
        await host.expect("admitted")
        await guest.expect("waiting")
        (knock,) = (await host.expect("knocks"))["people"]
        await host.send("admit", id=knock["id"])
        admitted = await guest.expect("admitted")
        assert [person["name"] for person in admitted["people"]] == ["Gil", "Hana"]
        await guest.send("chat", text="hello")
        assert (await host.expect("chat"))["message"]["text"] == "hello"
        await guest.send("signal", to=admitted["people"][1]["id"], data={"x": 1})
        assert (await host.expect("signal"))["data"] == {"x": 1}
        await host.send("end")
        await guest.expect("ended")
        await guest.closed()
    assert not site.hub.rooms[room.id].members


async def test_who_disconnects_without_a_word_is_gone_for_the_others(site: Site) -> None:
    room = site.open_room(waiting_room=False)
    async with enter(site, room, name="A") as first:
        await first.expect("admitted")
        async with enter(site, room, name="B"):
            other = (await first.expect("joined"))["person"]["id"]
        assert (await first.expect("left"))["id"] == other


async def test_a_message_nobody_understands_ends_that_socket_only(site: Site) -> None:
    room = site.open_room(waiting_room=False)
    async with enter(site, room, name="A") as good, enter(site, room, name="B") as bad:
        await good.expect("joined")
        await bad.socket.send_message("{")
        code, reason = await bad.closed()
        assert code == 1008
        assert "JSON" in reason
        await good.expect("left")
        await good.send("chat", text="still here")
        await good.expect("chat")


async def test_the_first_message_has_to_be_hello_and_in_time(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    room = site.open_room()
    async with enter(site, room) as rude:
        await rude.send("chat", text="hi")
        assert (await rude.closed())[0] == 1008
    monkeypatch.setattr(hub_module, "HELLO_TIMEOUT_S", 0.1)
    async with enter(site, room) as silent:
        await silent.closed()
    assert not site.hub.rooms[room.id].members


@pytest.mark.parametrize(
    ("room_id", "origin", "status"),
    [("mc-none", "http://x", b" 404 "), (None, "http://evil.example", b" 403 ")],
)
async def test_sockets_of_other_rooms_and_other_sites_are_refused(
    site: Site, room_id: str | None, origin: str, status: bytes
) -> None:
    room_id = room_id or site.open_room().id
    answer = await talk(
        site,
        f"GET /r/{room_id}/socket HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode(),
    )
    assert status in answer.split(b"\r\n")[0] + b" "


async def test_a_broken_handshake_harms_nobody(site: Site) -> None:
    room = site.open_room()
    head = f"GET /r/{room.id}/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    answer = await talk(site, f"{head}Connection: Upgrade\r\n\r\n".encode())
    assert b" 400 " in answer.split(b"\r\n")[0] + b" "
    assert (await get(site, "/"))[0] == 200


async def test_a_guest_cannot_report_as_the_cast() -> None:
    reports: list[tuple[str, str, dict[str, Any]]] = []
    async with open_site(on_report=lambda *report: reports.append(report)) as site:
        room = site.open_room(waiting_room=False)
        async with (
            enter(site, room, name="G", wanted_id="ada") as guest,
            enter(site, room, name="Ada", cast_key=room.cast_key, wanted_id="ada") as actor,
        ):
            assert (await guest.expect("admitted"))["you"] != "ada"
            assert (await actor.expect("admitted"))["you"] == "ada"
            await guest.send("report", data={"event": "fake"})
            await guest.send("chat", text="done")
            await actor.expect("chat")
            await actor.send("report", data={"event": "ready"})
            await actor.send("chat", text="done")
            await guest.expect("chat")
            await guest.expect("chat")
    assert reports == [(room.id, "ada", {"event": "ready"})]


async def test_a_peer_that_stops_reading_is_dropped_and_delays_nobody(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    monkeypatch.setattr(hub_module, "MAX_QUEUED_BYTES", 20_000)
    room = site.open_room(waiting_room=False)
    async with enter(site, room, name="Talker") as talker:
        me = (await talker.expect("admitted"))["you"]
        async with await stalled(site, room):
            await talker.expect("joined")
            before = trio.current_time()
            for _ in range(4_000):
                await talker.send("chat", text="x" * 1_900)
                if len(site.hub.rooms[room.id].members) == 1:
                    break
            await talker.expect("left")
            assert trio.current_time() - before < 15
        assert list(site.hub.rooms[room.id].members) == [me]


async def stalled(site: Site, room: Room) -> trio.SocketStream:
    """Let a participant say hello who then never reads another byte."""
    wire = WSConnection(ConnectionType.CLIENT)
    stream = await trio.open_tcp_stream("127.0.0.1", port_of(site))
    await stream.send_all(wire.send(Request(host="x", target=f"/r/{room.id}/socket")))
    wire.receive_data(await stream.receive_some(4096))
    list(wire.events())
    await stream.send_all(wire.send(TextMessage(json.dumps({"type": "hello", "name": "S"}))))
    await until(lambda: any(member.name == "S" for member in site.hub.rooms[room.id].inside))
    return stream


async def test_the_site_closes_at_once_also_with_stalled_and_idle_peers() -> None:
    async with AsyncExitStack() as peers:
        async with open_site() as site:
            room = site.open_room(waiting_room=False)
            port = port_of(site)
            await peers.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))
            half = await peers.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))
            await half.send_all(b"GET / HT")
            await peers.enter_async_context(await stalled(site, room))
            closing = trio.current_time()
        assert trio.current_time() - closing < 2
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", port)


async def test_a_taken_port_is_a_typed_error_with_a_way_out(site: Site) -> None:
    with pytest.raises(PortTaken, match=str(port_of(site))) as taken:
        async with open_site(port=port_of(site)):
            pass
    assert "another port" in taken.value.remedy


async def test_room_ids_have_to_carry_the_mark_and_be_free(site: Site) -> None:
    site.open_room(room_id="mc-blue-door")
    for room_id in ("blue-door", "mc-blue-door", "mc-../x"):
        with pytest.raises(ValueError, match="no free room id"):
            site.open_room(room_id=room_id)


async def test_links_carry_keys_only_in_the_fragment(site: Site) -> None:
    room = site.open_room(passcode="47")
    assert site.guest_link(room) == f"{site.url}/r/{room.id}#passcode=47"
    assert site.host_link(room) == f"{site.url}/r/{room.id}#host={room.host_key}"
