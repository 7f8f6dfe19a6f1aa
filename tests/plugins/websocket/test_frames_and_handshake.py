"""Frames and the opening handshake: pure, held against wsproto."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.events import Request as ClientRequest

from meetcore_websocket.frames import close_frame, ping_frame, pong_frame, text_frame
from meetcore_websocket.handshake import (
    BadHandshake,
    accepted,
    read_request,
    refused,
)
from meetcore_websocket.request import Refusal
from tests.plugins.websocket.stage import request


def status_of(head: bytes) -> int:
    try:
        read_request(head)
    except BadHandshake as bad:
        return bad.refusal.status
    return 101


def read_by_a_client(data: bytes) -> list[Event]:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    return list(client.events())


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.integers(0, 70_000).map("x".__mul__))
def test_a_client_reads_the_text_that_was_framed(text: str) -> None:
    found = read_by_a_client(text_frame(text))
    assert "".join(event.data for event in found if isinstance(event, TextMessage)) == text
    assert isinstance(found[-1], TextMessage)
    assert found[-1].message_finished


def test_what_utf8_cannot_hold_does_not_stop_a_message() -> None:
    (event,) = read_by_a_client(text_frame("a\ud800b"))
    assert isinstance(event, TextMessage)
    assert event.data == "a?b"


@given(st.binary(max_size=200))
def test_a_client_reads_pings_and_pongs(payload: bytes) -> None:
    ping, pong = read_by_a_client(ping_frame(payload) + pong_frame(payload))
    assert isinstance(ping, Ping)
    assert isinstance(pong, Pong)
    assert bytes(ping.payload) == bytes(pong.payload) == payload[:125]


@given(st.sampled_from([1000, 1001, 1013, 4000]), st.text(max_size=200))
def test_a_client_reads_the_close_and_as_much_of_the_reason_as_fits(code: int, why: str) -> None:
    (event,) = read_by_a_client(close_frame(code, why))
    assert isinstance(event, CloseConnection)
    assert event.code == code
    said = why.encode("utf-8", "replace").decode()
    assert said.startswith(event.reason or "")


def test_a_client_accepts_the_answer_to_its_request() -> None:
    client = WSConnection(ConnectionType.CLIENT)
    head = client.send(ClientRequest(host="h.example", target="/events?after=3"))
    asked = read_request(head)
    assert (asked.path, asked.query) == ("/events", "after=3")
    client.receive_data(accepted(asked))
    assert isinstance(next(iter(client.events())), AcceptConnection)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n", 426),
        (b"POST /events HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n", 426),
        (request(headers={"Upgrade": "h2c"}), 426),
        (request(headers={"Sec-WebSocket-Version": "8"}), 426),
        (request(headers={"Sec-WebSocket-Version": ""}), 426),
        (request(headers={"Connection": "close"}), 400),
        (request(headers={"Sec-WebSocket-Key": ""}), 400),
        (request(headers={"Sec-WebSocket-Key": "c2hvcnQ="}), 400),
        (request(headers={"Sec-WebSocket-Key": "no base64 !"}), 400),
        (request(headers={"Host": ""}), 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"SSH-2.0-OpenSSH\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
    ],
)
def test_what_is_no_websocket_request_is_refused_by_status(head: bytes, status: int) -> None:
    with pytest.raises(BadHandshake) as bad:
        read_request(head)
    assert bad.value.refusal.status == status
    assert refused(bad.value.refusal).startswith(f"HTTP/1.1 {status} ".encode())


def test_an_upgrade_header_among_others_and_in_any_case_will_do() -> None:
    head = request(headers={"Connection": "keep-alive, UPGRADE", "Upgrade": "h2c, WebSocket"})
    assert read_request(head).path == "/events"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_refusal(data: bytes) -> None:
    assert status_of(data + b"\r\n\r\n") in (101, 400, 426)


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_odd_headers_are_a_request_or_a_refusal(name: bytes, value: bytes) -> None:
    head = request()[:-2] + name + b": " + value + b"\r\n\r\n"
    assert status_of(head) in (101, 400, 426)


def test_a_refusal_says_how_long_it_is_and_why() -> None:
    answer = refused(Refusal(401, "No.", "Do this.", {"WWW-Authenticate": "Bearer"}))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"WWW-Authenticate: Bearer" in head
    assert b'"remedy": "Do this."' in body
