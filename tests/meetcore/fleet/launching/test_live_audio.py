"""Live listeners: one that does not listen loses the oldest, and each loss is told once."""

from __future__ import annotations

import socket

import numpy as np
import pytest
import trio

import meetcore
from meetcore.fleet.launching import live_audio as ears_module
from meetcore.fleet.launching.child_bot import ChildBot
from meetcore.fleet.launching.live_audio import LiveAudio
from meetcore.fleet.launching.protocol import audio_frame

pytestmark = pytest.mark.law(3)
SAMPLES = 160


class Context:
    """As much of a `SinkContext` as listeners use."""

    name = "listeners"

    def __init__(self) -> None:
        self.told: list[meetcore.AudioLost] = []

    def report(self, event):
        self.told.append(event)
        return event


def chunk(track: str, number: int) -> meetcore.Chunk:
    return meetcore.Chunk(track, number * SAMPLES, np.zeros(SAMPLES, np.int16))


async def test_a_listener_that_stalls_costs_one_event_a_track_and_has_the_newest(monkeypatch):
    monkeypatch.setattr(ears_module, "_WAITING_CHUNKS", 10)
    ears, context = LiveAudio(), Context()
    async with ears.open(context):
        with ears.listening() as stalled, ears.listening() as attentive:
            heard = 0
            for number in range(100):
                for track in ("t1", "t2"):
                    await ears.on_audio(chunk(track, number))
                    attentive.receive_nowait()
                    heard += 1
            assert (heard, context.told) == (200, [])
            waiting = [stalled.receive_nowait() for _ in range(10)]
            assert [each.start_sample // SAMPLES for each in waiting] == [
                number for number in range(95, 100) for _ in range(2)
            ]
            await ears.on_audio(chunk("t1", 100))  # it listens again: the stretch is over
            assert stalled.receive_nowait().start_sample == 100 * SAMPLES
    told = {event.track_id: event for event in context.told}
    assert len(context.told) == 2
    for event in told.values():
        assert (event.consumer, event.cause) == ("listeners:1", "listener_behind")
        assert (event.start_sample, event.samples) == (0, 95 * SAMPLES)


async def test_a_listener_that_is_slow_costs_one_event_in_ten_seconds():
    ears, context = LiveAudio(), Context()
    chunks, per_chunk = 5000, meetcore.SAMPLE_RATE_HZ // 20
    heard = 0
    async with ears.open(context):
        with ears.listening() as slow:
            for number in range(chunks):
                sound = np.zeros(per_chunk, np.int16)
                await ears.on_audio(meetcore.Chunk("t1", number * per_chunk, sound))
                if number % 2:
                    heard += slow.receive_nowait().samples
            while slow.statistics().current_buffer_used:
                heard += slow.receive_nowait().samples
            await ears.on_audio(chunk("t1", chunks * 5))
            assert heard + sum(event.samples for event in context.told) == chunks * per_chunk
    assert 1 < len(context.told) <= chunks / 20 / 10 + 1
    starts = [event.start_sample for event in context.told]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize("how", ["it goes", "the bot ends"])
async def test_what_was_lost_at_the_end_is_told_too(monkeypatch, how):
    monkeypatch.setattr(ears_module, "_WAITING_CHUNKS", 3)
    ears, context = LiveAudio(), Context()
    async with trio.open_nursery() as nursery:
        over = trio.Event()

        async def listen(task_status):
            with ears.listening() as chunks:
                task_status.started(chunks)
                await over.wait()

        async with ears.open(context):
            chunks = await nursery.start(listen)
            for number in range(8):
                await ears.on_audio(chunk("t1", number))
            if how == "it goes":
                over.set()
                await trio.testing.wait_all_tasks_blocked()
                assert [event.samples for event in context.told] == [5 * SAMPLES]
        assert [event.samples for event in context.told] == [5 * SAMPLES]
        if how == "the bot ends":
            assert [each.start_sample // SAMPLES async for each in chunks] == [5, 6, 7]
        over.set()


async def test_nothing_is_dropped_on_the_way_from_a_bots_process(tmp_path):
    sent = 500
    ours, theirs = socket.socketpair(socket.AF_UNIX)

    class Connected(ChildBot):
        async def connect(self):
            return trio.SocketStream(trio.socket.from_stdlib_socket(ours))

    async def speak():
        async with trio.SocketStream(trio.socket.from_stdlib_socket(theirs)) as stream:
            for number in range(sent):
                await stream.send_all(audio_frame(chunk("t1", number)))

    with trio.fail_after(90):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            async with Connected("b", tmp_path, None).hear() as chunks:
                await trio.testing.wait_all_tasks_blocked()  # it does not listen for a while
                found = [each.start_sample // SAMPLES async for each in chunks]
    assert found == list(range(sent))
