"""A voice agent over a WebSocket: it hears, is told, speaks, and is cut short."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio_websocket import open_websocket_url

import meetcore
from meetcore import Secret
from meetcore.testing import ScriptedTranscriber, SimMeeting
from meetcore_agents.options import AgentOptions
from meetcore_agents.sink import AgentSink
from meetcore_agents.speeches import AgentSpeeches

RATE = 24_000
SCRIPT = """
[admission]
after_s = 0
[[people]]
id = "ada"
name = "Ada"
[[lines]]
who = "ada"
at_s = 0.4
text = "good morning notes"
[end]
at_s = 600
"""


def tone(seconds: float) -> bytes:
    at = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * 300 * at)).astype("<i2").tobytes()


@asynccontextmanager
async def attending(tmp_path, script=SCRIPT, *, within_s=30.0, **options):
    meeting = SimMeeting(script)
    sink = AgentSink(AgentOptions(**options))
    transcriber = ScriptedTranscriber(meeting.script)
    with trio.fail_after(within_s):
        async with meeting.open_bot(tmp_path, sinks=[sink], transcriber=transcriber) as bot:
            async for event in bot.events():
                if isinstance(event, meetcore.PluginEvent) and event.name == "listening":
                    break
            yield meeting, bot, sink


async def status_of(url: str) -> int:
    """Return the HTTP status with which a WebSocket is answered."""
    parts = urlsplit(url)
    async with await trio.open_tcp_stream(parts.hostname, parts.port) as stream:
        await stream.send_all(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
        )
        return int((await stream.receive_some(1000)).split()[1])


async def until(socket, kind: str, sound: list[bytes] | None = None) -> dict:
    """Return the next message of a type; keep the sound that comes before it."""
    while True:
        message = await socket.get_message()
        if isinstance(message, bytes):
            if sound is not None:
                sound.append(message)
        elif (told := json.loads(message))["type"] == kind:
            return told


async def test_an_agent_hears_is_told_who_speaks_and_what_and_answers(tmp_path):
    async with attending(tmp_path) as (meeting, bot, sink):
        sound: list[bytes] = []
        async with open_websocket_url(sink.urls[0]) as socket:
            hello = await until(socket, "agent.hello")
            assert (hello["bot_id"], hello["sample_rate_hz"]) == (bot.id, RATE)
            started = await until(socket, "speaking.started", sound)
            assert started["data"]["name"] == "Ada"
            segment = (await until(socket, "segment.finalized", sound))["data"]["segment"]
            assert segment["text"] == "good morning notes"
            await socket.send_message(json.dumps({"type": "text", "text": "Good morning."}))
            await socket.send_message(tone(0.3)[:4001])
            await socket.send_message(tone(0.3)[4001:])
            await socket.send_message('{"type": "end"}')
            assert (await until(socket, "speech.started"))["data"]["by"] == "agent"
            finished = (await until(socket, "speech.finished"))["data"]
            assert (finished["text"], finished["duration_s"]) == ("Good morning.", 0.3)
            await socket.send_message(tone(5))
            await until(socket, "speech.started")
            await socket.send_message('{"type": "interrupt"}')
            cut = (await until(socket, "speech.interrupted"))["data"]
            assert (cut["cause"], cut["position_s"] < 2) == ("interrupted", True)
            await bot.stop()
            assert (await until(socket, "state.changed"))["data"]["state"] == "leaving"
    assert meeting.said[0].pcm == tone(0.3)
    assert meeting.said[0].sample_rate_hz == RATE
    heard = np.frombuffer(b"".join(sound), "<i2")
    assert np.abs(heard).max() > 3000
    assert len(heard) >= 0.8 * RATE


async def test_when_the_agent_goes_what_it_was_saying_ends_and_another_may_come(tmp_path):
    async with attending(tmp_path) as (_, bot, sink):
        async with open_websocket_url(sink.urls[0]) as socket:
            await until(socket, "agent.hello")
            assert await status_of(sink.urls[0]) == 403
            await socket.send_message(tone(10))
            await until(socket, "speech.started")
        async for event in bot.events():
            if isinstance(event, meetcore.SpeechInterrupted):
                break
        async with open_websocket_url(sink.urls[0]) as socket:
            assert (await until(socket, "agent.hello"))["bot_id"] == bot.id


async def test_what_cannot_be_done_is_said_in_words(tmp_path):
    async with (
        attending(tmp_path, ahead_s=1.0) as (_, _, sink),
        open_websocket_url(sink.urls[0]) as socket,
    ):
        for message, why in (
            ("hello", "no message of an agent"),
            ('{"type": "sing"}', "no message of an agent"),
            ('{"type": "say", "text": 3}', "no text"),
            ('{"type": "say", "text": "hello"}', "no synthesizer"),
        ):
            await socket.send_message(message)
            assert why in (await until(socket, "error"))["message"]
        await socket.send_message(tone(3))
        assert "More sound" in (await until(socket, "error"))["message"]
        await socket.send_message('{"type": "end"}')
        await socket.send_message(tone(0.1))
        await until(socket, "speech.started")


async def test_who_has_no_token_comes_not_in(tmp_path):
    async with attending(tmp_path, token=Secret("0123456789")) as (_, _, sink):
        assert await status_of(sink.urls[0]) == 401
        async with open_websocket_url(f"{sink.urls[0]}?token=0123456789") as socket:
            await until(socket, "agent.hello")


@pytest.mark.parametrize(
    "options",
    [{"host": "0.0.0.0"}, {"port": 70_000}, {"token": Secret("x")}, {"sample_rate_hz": 1},
     {"behind_s": 0}, {"ahead_s": -1}],
)  # fmt: skip
def test_what_cannot_work_is_refused_at_once(options):
    with pytest.raises(meetcore.ConfigError, match=next(iter(options))):
        AgentOptions(**options)


class NeverReads:
    """An agent whose socket takes nothing."""

    backlog_bytes = 0

    def __init__(self) -> None:
        self.pushed: list[bytes] = []

    def push(self, frame: bytes, key: str | None = None) -> None:
        del key
        self.pushed.append(frame)
        self.backlog_bytes += len(frame)


def test_who_stops_to_read_loses_sound_and_is_told_how_much():
    sink, agent = AgentSink(AgentOptions(sample_rate_hz=16_000, behind_s=1.0)), NeverReads()
    sink._agent = agent  # type: ignore[assignment]
    for _ in range(30):
        sink._hear(bytes(3200))
    assert sum(map(len, agent.pushed)) <= 32_000
    assert sink.lost_samples == 30 * 1600 - len(agent.pushed) * 1600
    agent.backlog_bytes = 0
    before = len(agent.pushed)
    sink._hear(bytes(3200))
    told, sound = agent.pushed[before:]
    assert f'"samples": {sink.lost_samples}'.encode() in told
    assert len(sound) > 3200


class Spoken:
    """A speech that notes whether it was cut."""

    position = 0.0

    def __init__(self) -> None:
        self.cut = False

    def interrupt(self) -> None:
        self.cut = True

    async def wait(self) -> bool:
        return not self.cut


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=3000),
            st.text(max_size=30),
            st.sampled_from(["text", "end", "say", "interrupt", "x"]).map(
                lambda kind: json.dumps({"type": kind, "text": "hello"})
            ),
        ),
        max_size=40,
    )
)
def test_whatever_an_agent_sends_is_taken_or_refused(messages):
    said: list[Spoken] = []
    refused: list[str] = []

    def say(source, **more):
        said.append(Spoken())
        return said[-1]

    def refuse(message, remedy):
        refused.append(message + remedy)

    talk = AgentSpeeches(say, RATE, 0.1, refuse, now=lambda: 0.0)
    for message in messages:
        talk.take(message)
    talk.end()
    assert all(speech.cut for speech in said[-100:])
    assert all(refused)


async def test_what_follows_a_speech_that_the_bot_ended_is_another(tmp_path):
    async with (
        attending(tmp_path) as (meeting, bot, sink),
        open_websocket_url(sink.urls[0]) as socket,
    ):
        await until(socket, "agent.hello")
        await socket.send_message(tone(5))
        await until(socket, "speech.started")
        await bot.perform(meetcore.InterruptSpeech())
        await until(socket, "speech.interrupted")
        await socket.send_message(tone(0.1))  # it was under way
        await socket.send_message('{"type": "text", "text": "Sorry, go on."}')
        await socket.send_message(tone(0.3))
        await socket.send_message('{"type": "end"}')
        assert (await until(socket, "speech.finished"))["data"]["text"] == "Sorry, go on."
    assert meeting.said[-1].pcm == tone(0.3)


@pytest.mark.parametrize(
    ("between", "speeches"),
    [([], 1), ([("text", 0.0)], 2), ([("end", 0.0)], 2), ([("", 0.6)], 2), ([("", 0.4)], 1)],
)
async def test_sound_that_was_under_way_is_no_speech_of_its_own(autojump_clock, between, speeches):
    said: list = []

    def say(source, **more):
        said.append(source)
        return Spoken()

    talk = AgentSpeeches(say, RATE, 60, lambda *words: None)
    talk.take(tone(0.1))
    await said[0].aclose()
    for kind, pause_s in between:
        await trio.sleep(pause_s)
        if kind:
            talk.take(json.dumps({"type": kind, "text": "hello"}))
    talk.take(tone(0.1))
    assert len(said) == speeches
