"""The sockets: what comes first, what comes once, who may act, and how they end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from meetcore.audio.chunk import Chunk
from meetcore.audio.mix import BareMix
from meetcore.gateway.http import Reply
from meetcore.model.commands import SendChat, ShowImage, Stop
from meetcore.model.errors import CapabilityMissing
from meetcore.model.lifecycle import EndReason
from tests.plugins.skribby.stage import (
    bot_of,
    chat,
    enter,
    leave,
    new_bot,
    opened,
    play,
    segment,
    segments_in_memory,
    skribby,
)


async def _urls(fake: Any, row: Any) -> tuple[str, str, str]:
    body = await bot_of(fake, row)
    return body["websocket_url"], body["websocket_read_only_url"], body["websocket_audio_url"]


async def test_the_snapshot_and_what_follows_tell_every_line_once(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        fake.happen(row, segment("One.", name="s1"), segment("Two.", name="s2"))
        socket = await opened(fake, (await _urls(fake, row))[0])
        fake.happen(row, segment("Three.", name="s3"))
        frames = socket.frames()
        assert [frame["type"] for frame in frames] == ["connected", "ts"]
        assert [line["transcript"] for line in frames[0]["data"]["transcripts"]] == ["One.", "Two."]
        assert frames[1]["data"]["transcript"] == "Three."
        assert frames[0]["data"]["status"] == "recording"


async def test_full_and_read_only_are_told_the_same(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        full, read_only, _ = await _urls(fake, row)
        first, second = await opened(fake, full), await opened(fake, read_only)
        play(fake, row)
        frames = first.frames()
        assert frames == second.frames()
        types = [frame["type"] for frame in frames]
        assert types[0] == "connected"
        assert types[-1] == "stop"
        assert types.count("start") == types.count("stop") == 1
        assert [t for t in types if "participant" in t] == [
            "participant-tracked",
            "participant-muted",
            "participant-unmuted",
            "participant-left",
            "participant-rejoined",
        ]


async def test_actions_work_on_the_full_socket_and_nowhere_else(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        full, read_only, audio = await _urls(fake, row)
        for url in (read_only, audio):
            socket = await opened(fake, url)
            socket.say({"action": "chat-message", "data": {"content": "Hello"}})
            socket.say({"action": "stop"})
        await fake.settled()
        assert fake.commanded == []
        socket = await opened(fake, full)
        socket.say({"action": "chat-message", "data": {"content": "Hello"}})
        socket.say({"action": "stop"})
        await fake.settled()
        assert fake.commanded == [(row.bot_id, SendChat("Hello")), (row.bot_id, Stop())]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        b"\x00\x01",
        json.dumps({"action": "chat-message"}),
        json.dumps({"action": "chat-message", "data": {"content": 7}}),
        json.dumps({"action": "chat-message", "data": {"content": " "}}),
        json.dumps({"action": "chat-message", "data": {"content": "\ud800"}}),
        json.dumps({"action": "change-avatar", "data": {"avatar_url": "file:///etc/passwd"}}),
        json.dumps({"action": "change-avatar", "data": {"avatar_url": 7}}),
        json.dumps({"action": "dance"}),
        json.dumps({"type": "stop"}),
    ],
    ids=lambda message: str(message)[:30],
)
async def test_an_action_that_is_invalid_is_ignored_in_silence(
    message: str | bytes, tmp_path: Path
) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        socket = await opened(fake, (await _urls(fake, row))[0])
        socket.frames()
        socket.say(message)
        await fake.settled()
        assert (socket.received, socket.closed, fake.commanded) == ([], False, [])


async def test_an_avatar_is_fetched_and_shown_and_holds_up_no_other_action(
    tmp_path: Path,
) -> None:
    gif, at = b"GIF89a and so on", "https://example.com/a.gif"
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        full, read_only, _ = await _urls(fake, row)
        fake.web = {at: gif, "https://example.com/page": b"<html>"}
        change = {"action": "change-avatar", "data": {"avatar_url": at}}
        (await opened(fake, read_only)).say(change)
        socket = await opened(fake, full)
        for url in ("https://example.com/none", "https://example.com/page", at):
            socket.say({"action": "change-avatar", "data": {"avatar_url": url}})
        socket.say({"action": "chat-message", "data": {"content": "Hello"}})
        await fake.settled()
        told = [command for _, command in fake.commanded]
        assert sorted(told, key=repr) == [SendChat("Hello"), ShowImage(gif, "image/gif")]
        assert len(fake.fetched) == 3
        assert not socket.closed


async def test_an_action_that_cannot_be_done_closes_nothing(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        fake.refusing = CapabilityMissing("teams", "send_chat")
        socket = await opened(fake, (await _urls(fake, row))[0])
        socket.say({"action": "chat-message", "data": {"content": "Hello"}})
        await fake.settled()
        fake.refusing = None
        socket.say({"action": "chat-message", "data": {"content": "Again"}})
        await fake.settled()
        assert fake.commanded == [(row.bot_id, SendChat("Again"))]
        assert not socket.closed


async def test_a_flood_of_actions_is_cut_off_and_does_no_harm(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        socket = await opened(fake, (await _urls(fake, row))[0])
        for number in range(500):
            socket.say({"action": "chat-message", "data": {"content": str(number)}})
        await fake.settled()
        assert 100 <= len(fake.commanded) < 500
        assert not socket.closed


@pytest.mark.parametrize("token", ["", "?token=", "?token=guess", "?token=%00"])
async def test_without_its_token_a_socket_is_refused(token: str, tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        refusal = await fake.connect(f"/ws/{row.bot_id}{token}")
        assert isinstance(refusal, Reply)
        assert (refusal.status, refusal.json) == (401, {"message": "Unauthenticated."})


async def test_a_token_opens_the_bot_it_was_made_for_alone(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        one, two = await new_bot(fake), await new_bot(fake)
        url = (await _urls(fake, one))[0].replace(one.bot_id, two.bot_id)
        refusal = await fake.connect(url.removeprefix("ws://fake.test/skribby"))
        assert isinstance(refusal, Reply)
        assert refusal.status == 401


async def test_after_the_end_a_socket_tells_what_was_and_says_goodbye(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        full, _, audio = await _urls(fake, row)
        socket = await opened(fake, full)
        first, last = socket.frames()
        assert len(first["data"]["transcripts"]) == 1
        assert (first["data"]["status"], last) == ("finished", {"type": "stop"})
        assert socket.close_code == 1000
        await fake.delete_data(fake.row(row.bot_id))
        for url in (full, audio):
            gone = await fake.connect(url.removeprefix("ws://fake.test/skribby"))
            assert isinstance(gone, Reply)
            assert gone.status == 404


async def test_a_client_that_stays_after_the_end_is_let_go(
    tmp_path: Path, autojump_clock: Any
) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        socket = await opened(fake, (await _urls(fake, row))[0])
        enter(fake, row)
        leave(fake, row, EndReason.EVERYONE_LEFT)
        assert socket.frames()[-1] == {"type": "stop"}
        await trio.sleep(61)
        assert (socket.close_code, socket.frames()) == (1000, [])


async def test_a_socket_keeps_nothing_of_what_was_said_before_it_came(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        url = (await bot_of(fake, row))["websocket_url"]
        fake.happen(row, *(segment(name=f"s{number}") for number in range(2000)))
        before = segments_in_memory()
        socket = await opened(fake, url)
        assert segments_in_memory() - before < 10
        (connected,) = socket.frames()
        assert len(connected["data"]["transcripts"]) == 2000


async def test_chat_so_far_stands_in_the_snapshot(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        fake.happen(row, chat("Hi", "m7"))
        socket = await opened(fake, (await _urls(fake, row))[0])
        (message,) = socket.frames()[0]["data"]["chat_messages"]
        assert (message["id"], message["content"]) == ("m7", "Hi")


async def test_no_audio_socket_where_none_was_wanted(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, realtime_audio=False)
        full, _, audio = await _urls(fake, row)
        assert full
        assert audio is None


def _chunk(track: str, start: int, value: int, samples: int = 1600) -> Chunk:
    return Chunk(track, start, np.full(samples, value, np.int16))


def test_tracks_are_added_up_sample_by_sample() -> None:
    mix = BareMix()
    assert mix.add(_chunk("a", 0, 100)) == np.full(1600, 100, "<i2").tobytes()
    mix.add(_chunk("b", 1600, 10))
    out = mix.add(_chunk("a", 1600, 100))
    assert mix.add(_chunk("b", 3200, 10)) == b""
    assert np.frombuffer(out, "<i2").tolist() in ([110] * 1600, [100] * 1600)


def test_a_track_that_falls_silent_holds_up_the_others_for_a_second_only() -> None:
    mix, heard = BareMix(), 0
    mix.add(_chunk("b", 0, 1))
    for number in range(40):
        heard += len(mix.add(_chunk("a", number * 1600, 1))) // 2
    assert heard >= 39 * 1600


def test_a_long_hole_is_left_out() -> None:
    mix = BareMix()
    mix.add(_chunk("a", 0, 1))
    assert len(mix.add(_chunk("a", 3600 * 16000, 1))) == 2 * 1600
