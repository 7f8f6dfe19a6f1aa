"""Commands over a subscriber's connection: carried out, refused, answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from meetcore.model.commands import SendChat, Stop
from meetcore.model.errors import CapabilityMissing, CommandFailed, CommandRefused
from meetcore.model.lifecycle import EndReason
from meetcore.model.secrets import Secret
from meetcore.testing import SimMeeting
from meetcore.testing.conformance import SHORT_MEETING
from meetcore_websocket.command_queue import CommandQueue
from meetcore_websocket.options import WebSocketOptions
from meetcore_websocket.sink import WebSocketSink
from tests.plugins.websocket.stage import (
    Stage,
    eventually,
    messages,
    next_message,
    serving,
    subscribed,
)

READ, FULL = "read-token-1", "full-token-1"


@asynccontextmanager
async def a_fake(
    folder: Path, token: str = FULL
) -> AsyncIterator[tuple[Stage, WebSocketConnection]]:
    tokens = {"read_tokens": (Secret(READ),), "full_tokens": (Secret(FULL),)}
    async with (
        serving(folder, **tokens) as (stage, sink),
        subscribed(sink, f"token={token}") as connection,
    ):
        await messages(connection, stage.journal.last_seq)
        yield stage, connection


async def ask(connection: WebSocketConnection, command: Any) -> dict[str, Any]:
    await connection.send_message(command if isinstance(command, str) else json.dumps(command))
    return await next_message(connection)


async def test_a_full_token_has_commands_carried_out_and_answered(tmp_path: Path) -> None:
    async with a_fake(tmp_path) as (stage, connection):
        chat = {"type": "send_chat", "data": {"text": "hello"}, "id": "a-1"}
        answer = await ask(connection, chat)
        assert answer == {"type": "command.result", "id": "a-1", "ok": True, "error": None}
        assert (await ask(connection, {"type": "stop", "id": 2}))["id"] == 2
        assert (await ask(connection, {"type": "stop"}))["id"] is None
    assert stage.performed == [SendChat("hello"), Stop(), Stop()]


async def test_a_read_token_has_commands_refused_with_an_answer(tmp_path: Path) -> None:
    async with a_fake(tmp_path, READ) as (stage, connection):
        answer = await ask(connection, {"type": "stop", "id": 1})
        assert (answer["id"], answer["ok"]) == (1, False)
        assert "may only read" in answer["error"]
        told = stage.step()
        assert (await next_message(connection))["seq"] == told.seq
    assert stage.performed == []


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("no json", "not JSON"),
        ("[1, 2]", "JSON object"),
        ('"stop"', "JSON object"),
        ('{"data": {}}', "with a 'type'"),
        ('{"type": "stopp"}', "Did you mean 'stop'"),
        ('{"type": "send_chat"}', "lacks 'text'"),
        ('{"type": "send_chat", "data": {"txt": "x"}}', "has no 'txt'"),
        ('{"type": "send_chat", "data": {"text": 5}}', "must be text"),
        ('{"type": "stop", "id": {"a": 1}}', "id of a command"),
        ('{"type": "stop", "id": "' + "x" * 300 + '"}', "200 characters"),
    ],
)
async def test_a_bad_message_is_answered_and_the_next_is_carried_out(
    tmp_path: Path, message: str, said: str
) -> None:
    async with a_fake(tmp_path) as (stage, connection):
        answer = await ask(connection, message)
        assert answer["ok"] is False
        assert said in answer["error"]
        assert (await ask(connection, {"type": "stop"}))["ok"] is True
    assert stage.performed == [Stop()]


async def test_a_binary_message_is_answered(tmp_path: Path) -> None:
    async with a_fake(tmp_path) as (_, connection):
        await connection.send_message(b"\x00\x01")
        assert "text message" in (await next_message(connection))["error"]


@pytest.mark.parametrize(
    "error",
    [
        CommandRefused("Not now."),
        CommandFailed("It did not work."),
        CapabilityMissing("sim", "speak"),
    ],
)
async def test_what_the_bot_refuses_is_answered_in_its_words(
    tmp_path: Path, error: Exception
) -> None:
    async with a_fake(tmp_path) as (stage, connection):
        stage.perform_error = error
        answer = await ask(connection, {"type": "pause", "id": 9})
    assert (answer["id"], answer["ok"], answer["error"]) == (9, False, str(error))


async def test_commands_are_carried_out_in_order_while_events_go_on(tmp_path: Path) -> None:
    async with a_fake(tmp_path) as (stage, connection):
        stage.perform_gate = trio.Event()
        for number in range(17):
            command = {"type": "send_chat", "data": {"text": str(number)}, "id": number}
            await connection.send_message(json.dumps(command))
        told = stage.step()
        assert (await next_message(connection))["seq"] == told.seq
        many = {"type": "send_chat", "data": {"text": "17"}, "id": "too many"}
        await connection.send_message(json.dumps(many))
        answer = await next_message(connection)
        assert (answer["id"], answer["ok"]) == ("too many", False)
        stage.perform_gate.set()
        answered = [(await next_message(connection))["id"] for _ in range(17)]
    assert answered == list(range(17))
    assert [c.text for c in stage.performed if isinstance(c, SendChat)] == [
        str(number) for number in range(17)
    ]


async def test_stop_waits_for_no_other_command(tmp_path: Path) -> None:
    async with a_fake(tmp_path) as (stage, connection):
        stage.perform_gate, stage.gated = trio.Event(), SendChat
        for number in range(3):
            chat = {"type": "send_chat", "data": {"text": "hello"}, "id": number}
            await connection.send_message(json.dumps(chat))
        await connection.send_message('{"type": "stop", "id": "stop"}')
        assert (await next_message(connection))["id"] == "stop"
        stage.perform_gate.set()


async def test_who_says_stop_and_hangs_up_has_said_it(tmp_path: Path) -> None:
    tokens = {"full_tokens": (Secret(FULL),)}
    async with serving(tmp_path, **tokens) as (stage, sink):
        stage.perform_gate = trio.Event()
        async with subscribed(sink, f"token={FULL}") as connection:
            await connection.send_message('{"type": "stop"}')
            await messages(connection, stage.journal.last_seq)
        await eventually(lambda: not sink.subscribers)
        stage.perform_gate.set()
        await eventually(lambda: stage.performed == [Stop()])


async def test_a_reader_may_send_less_than_a_commander(tmp_path: Path) -> None:
    tokens = {"read_tokens": (Secret(READ),), "full_tokens": (Secret(FULL),)}
    long = json.dumps({"type": "send_chat", "data": {"text": "x" * 100_000}})
    async with serving(tmp_path, **tokens) as (stage, sink):
        async with subscribed(sink, f"token={FULL}") as commander:
            await messages(commander, stage.journal.last_seq)
            assert (await ask(commander, long))["ok"] is True
        async with subscribed(sink, f"token={READ}") as reader:
            await messages(reader, stage.journal.last_seq)
            await reader.send_message(long)
            await eventually(lambda: reader.closed is not None)
            assert reader.closed is not None
            assert reader.closed.code == 1009


async def test_a_bot_in_a_meeting_is_followed_and_stopped_over_the_socket(tmp_path: Path) -> None:
    sink = WebSocketSink(WebSocketOptions(port=0, full_tokens=(Secret(FULL),)))
    meeting = SimMeeting(SHORT_MEETING)
    async with meeting.open_bot(tmp_path, sinks=[sink]) as bot:
        await eventually(lambda: sink.urls)
        async with subscribed(sink, f"token={FULL}") as connection:
            found = [await next_message(connection)]
            while found[-1].get("data", {}).get("state") != "recording":
                found.append(await next_message(connection))
            await connection.send_message('{"type": "stop", "id": 1}')
            while found[-1].get("data", {}).get("state") != "completed":
                found.append(await next_message(connection))
            with pytest.raises(ConnectionClosed) as closed:
                await connection.get_message()
        end = await bot.wait_ended()
    assert end.reason is EndReason.STOP_REQUESTED
    assert closed.value.reason is not None
    assert closed.value.reason.code == 1000
    assert [m["seq"] for m in found if "seq" in m] == list(range(1, end.seq + 1))
    assert [m["ok"] for m in found if m["type"] == "command.result"] == [True]
    assert FULL.encode() not in bot.journal.path.read_bytes()


async def test_what_goes_wrong_with_one_subscriber_is_an_event_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as (stage, sink), subscribed(sink) as good:
        await messages(good, stage.journal.last_seq)

        def stumble(self: CommandQueue, message: str | bytes) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(CommandQueue, "take", stumble)
        async with subscribed(sink) as bad:
            await bad.send_message("{}")
            await eventually(lambda: bad.closed is not None)
        (told,) = await messages(good, stage.journal.last_seq)
        assert told["data"] == {
            "plugin": "websocket",
            "name": "subscriber_failed",
            "data": {"error": "ZeroDivisionError"},
        }
