"""The sink `websocket_push` with sound: frames, the bare mix, drops, the end."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from meetcore.audio.chunk import Chunk, Pcm
from meetcore.audio.mix import BareMix
from meetcore.model.errors import ConfigError
from meetcore.model.events import StateChanged, TrackClosed, TrackOpened
from meetcore.model.lifecycle import State
from meetcore.model.roster import NameSource
from meetcore.testing.leaks import LeakGuard
from meetcore_websocket.audio_pusher import audio_frame
from meetcore_websocket.outbound import TargetUnreachable
from meetcore_websocket.push_options import PushOptions
from meetcore_websocket.push_sink import WebSocketPushSink
from tests.plugins.websocket.stage import Stage, eventually
from tests.plugins.websocket.target import Manners, Target, a_target

BLOCK = 1_600
NOISE = np.random.default_rng(5).integers(-9_000, 9_000, 400 * BLOCK).astype(np.int16)


def block(number: int, track_id: str = "t1") -> Chunk:
    first = number * BLOCK
    return Chunk(track_id, first, NOISE[first : first + BLOCK])


def taken_apart(frame: bytes) -> tuple[dict[str, Any], Pcm]:
    (size,) = struct.unpack_from("<I", frame)
    header: dict[str, Any] = json.loads(frame[4 : 4 + size])
    return header, np.frombuffer(frame[4 + size :], "<i2")


IMPATIENT = {"pong_timeout_s": 0.3, "send_timeout_s": 0.5}


def a_sink(target: Target, **settings: Any) -> WebSocketPushSink:
    fast: dict[str, Any] = {
        "first_retry_s": 0.01,
        "longest_retry_s": 0.05,
        "flush_timeout_s": 5.0,
    }
    options = PushOptions(url=target.url, mode="audio", **{**fast, **settings})
    return WebSocketPushSink(options)


def a_stage(folder: Path) -> Stage:
    return Stage(folder, name="websocket_push")


def opened(track_id: str, participant_id: str | None) -> TrackOpened:
    return TrackOpened(
        track_id=track_id,
        participant_id=participant_id,
        kind="participant",
        name_source=NameSource.TRACK,
    )


@given(
    st.text(min_size=1, max_size=20),
    st.integers(0, 2**40),
    st.lists(st.integers(-32_768, 32_767), max_size=50),
    st.none() | st.text(max_size=20),
)
def test_a_frame_can_be_taken_apart(
    track_id: str, start: int, samples: list[int], participant_id: str | None
) -> None:
    chunk = Chunk(track_id, start, np.array(samples, np.int16))
    header, pcm = taken_apart(audio_frame(chunk, participant_id))
    assert header["start_sample"] == start
    assert header["sample_rate_hz"] == 16_000
    assert ("participant_id" in header) is (participant_id is not None)
    assert pcm.tolist() == samples


async def test_every_block_arrives_with_its_place_and_whose_it_is(tmp_path: Path) -> None:
    guard = LeakGuard()
    async with a_target() as target:
        stage, sink = a_stage(tmp_path), a_sink(target)
        assert sink.wants_audio
        stage.say(opened("t1", "ada"))
        async with stage.running(sink):
            await stage.all_told()
            for number in range(50):
                await sink.on_audio(block(number))
                await sink.on_audio(block(number, "t2"))
            await sink.finish()
        await eventually(lambda: target.open_now == 0)
    stage.close()
    guard.check()
    found = [taken_apart(frame) for frame in target.binaries]
    for track_id, participant_id in (("t1", "ada"), ("t2", None)):
        mine = [(header, pcm) for header, pcm in found if header["track_id"] == track_id]
        assert [header["start_sample"] for header, _ in mine] == [n * BLOCK for n in range(50)]
        assert {header.get("participant_id") for header, _ in mine} == {participant_id}
        assert np.array_equal(np.concatenate([pcm for _, pcm in mine]), NOISE[: 50 * BLOCK])
    assert target.codes == [1000]
    assert target.texts == []


@pytest.mark.parametrize(
    "manners",
    [
        Manners(drop_after=9),
        Manners(close_after=9),
        Manners(drop_in_message=20_000),
        Manners(pongs=False),
        Manners(reads=False),
        Manners(status=503),
    ],
    ids=lambda manners: str(manners).removeprefix("Manners"),
)
async def test_after_a_drop_what_was_not_answered_for_is_sent_again(
    tmp_path: Path, manners: Manners
) -> None:
    deadlines = {} if manners.pongs and manners.reads else IMPATIENT
    async with a_target(manners, manners) as target:
        stage, sink = a_stage(tmp_path), a_sink(target, **deadlines)
        async with stage.running(sink):
            for number in range(200):
                await sink.on_audio(block(number))
                await trio.sleep(0.002)
            await eventually(lambda: target.connections >= 3)
            await sink.finish()
        stage.close()
    starts = [taken_apart(frame)[0]["start_sample"] for frame in target.binaries]
    assert sorted(set(starts)) == [number * BLOCK for number in range(200)]
    assert len(starts) < 600


async def test_while_the_target_is_away_hear_waits_and_then_goes_on(tmp_path: Path) -> None:
    async with a_target() as target:
        pass
    stage, sink = a_stage(tmp_path), a_sink(target)
    heard: list[int] = []

    async def hear() -> None:
        for number in range(10):
            await sink.on_audio(block(number))
            heard.append(number)

    async with stage.running(sink), trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert heard == []
        async with a_target(port=target.port) as back:
            await eventually(lambda: len(back.binaries) == 10)
            await sink.finish()
    stage.close()
    assert heard == list(range(10))


async def test_when_the_meeting_is_over_it_waits_no_longer_than_the_flush_time(
    tmp_path: Path,
) -> None:
    async with a_target() as target:
        pass
    stage, sink = a_stage(tmp_path), a_sink(target, flush_timeout_s=0.3)
    refused: list[int] = []

    async def hear() -> None:
        for number in range(5):
            with pytest.raises(TargetUnreachable):
                await sink.on_audio(block(number))
            refused.append(number)

    async with stage.running(sink), trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert refused == []
        stage.say(StateChanged(state=State.PROCESSING, previous=State.LEAVING))
        await eventually(lambda: len(refused) == 5, within_s=20.0)
        await sink.finish()
    stage.close()


async def test_sound_that_was_not_answered_for_at_the_end_is_named(tmp_path: Path) -> None:
    async with a_target(after=Manners(pongs=False)) as target:
        stage, sink = a_stage(tmp_path), a_sink(target, flush_timeout_s=0.3)
        async with stage.running(sink):
            await sink.on_audio(block(0))
            with pytest.raises(TargetUnreachable, match=r"last 3[0-9]{3} bytes"):
                await sink.finish()
        stage.close()


async def test_unanswered_sound_is_bounded(tmp_path: Path) -> None:
    async with a_target(after=Manners(pongs=False)) as target:
        stage = a_stage(tmp_path)
        sink = a_sink(target, pong_timeout_s=30.0, send_timeout_s=30.0)
        taken = 0
        async with stage.running(sink):
            with trio.move_on_after(1.5):
                for number in range(20_000):
                    await sink.on_audio(block(number % 400))
                    taken += 1
        stage.close()
    assert 300 < taken < 340


async def test_the_bare_mix_is_the_sum_of_the_tracks(tmp_path: Path) -> None:
    async with a_target() as target:
        stage, sink = a_stage(tmp_path), a_sink(target, audio_format="raw_mix")
        stage.say(opened("t1", None))
        stage.say(opened("t2", None))
        async with stage.running(sink):
            await stage.all_told()
            for number in range(30):
                await sink.on_audio(block(number))
                await sink.on_audio(Chunk("t2", number * BLOCK, NOISE[:BLOCK]))
            await sink.finish()
        stage.close()
    mixed = np.frombuffer(b"".join(target.binaries), "<i2")
    one = NOISE[: 30 * BLOCK].astype(np.int32)
    assert np.array_equal(mixed, np.clip(one + np.tile(NOISE[:BLOCK], 30), -32_768, 32_767))


async def test_a_track_that_closed_does_not_hold_up_the_mix(tmp_path: Path) -> None:
    async with a_target() as target:
        stage, sink = a_stage(tmp_path), a_sink(target, audio_format="raw_mix")
        async with stage.running(sink):
            await sink.on_audio(block(0, "gone"))
            stage.say(TrackClosed(track_id="gone"))
            await stage.all_told()
            for number in range(3):
                await sink.on_audio(block(number))
            await eventually(lambda: sum(map(len, target.binaries)) == 3 * 2 * BLOCK)
        stage.close()


def test_a_short_hole_is_silence_and_a_long_one_is_left_out() -> None:
    mix = BareMix()
    out = mix.add(block(0))
    out += mix.skip("t1", BLOCK, BLOCK)
    out += mix.add(block(2))
    assert np.array_equal(
        np.frombuffer(out, "<i2"),
        np.concatenate([NOISE[:BLOCK], np.zeros(BLOCK, np.int16), NOISE[2 * BLOCK : 3 * BLOCK]]),
    )
    assert mix.skip("t1", 3 * BLOCK, 197 * BLOCK) == b""
    assert mix.add(block(200)) == NOISE[200 * BLOCK : 201 * BLOCK].astype("<i2").tobytes()


async def test_recover_has_nothing_to_do_for_sound(tmp_path: Path) -> None:
    async with a_target() as target:
        stage = a_stage(tmp_path)
        assert await a_sink(target).recover(stage.context) == ()
        stage.close()
    assert target.connections == 0


def tone(samples: int, rate_hz: int = 16_000) -> Pcm:
    at = np.arange(samples) / rate_hz
    return (9_000 * np.sin(2 * np.pi * 1_000 * at)).astype(np.int16)


def is_that_tone(pcm: Pcm, rate_hz: int) -> bool:
    """Whether it is 1 kHz, with nothing of it mirrored, as repeated samples would have it."""
    spectrum = np.abs(np.fft.rfft(pcm.astype(float) * np.hanning(len(pcm))))
    loudest = np.argmax(spectrum) * rate_hz / len(pcm)
    above = spectrum[int(8_200 * len(pcm) / rate_hz) :]
    silent = not len(above) or above.max() < spectrum.max() / 1_000
    return bool(abs(loudest - 1_000) < 5 and silent)


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
async def test_sound_comes_at_the_rate_that_was_chosen(rate_hz: int, tmp_path: Path) -> None:
    heard, later = tone(32_000), 48_000
    async with a_target() as target:
        stage, sink = a_stage(tmp_path), a_sink(target, sample_rate_hz=rate_hz)
        async with stage.running(sink):
            for first in (0, later):
                for at in range(0, len(heard), 1_000):
                    await sink.on_audio(Chunk("t1", first + at, heard[at : at + 1_000]))
                if not first:
                    await sink.on_gap("t1", len(heard), later - len(heard), "lost")
            await sink.finish()
        await eventually(lambda: target.open_now == 0)
    stage.close()
    found = [taken_apart(frame) for frame in target.binaries]
    assert {header["sample_rate_hz"] for header, _ in found} == {rate_hz}
    stretches: list[tuple[int, list[Pcm]]] = []
    expected = 0
    for header, pcm in found:
        if not stretches or header["start_sample"] != expected:
            stretches.append((header["start_sample"], []))
        stretches[-1][1].append(pcm)
        expected = header["start_sample"] + len(pcm)
    assert [first for first, _ in stretches] == [0, later * rate_hz // 16_000]
    for _, pieces in stretches:
        whole = np.concatenate(pieces)
        assert len(whole) == 2 * rate_hz
        assert is_that_tone(whole[rate_hz // 2 : rate_hz * 3 // 2], rate_hz)


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
async def test_the_bare_mix_comes_at_the_rate_that_was_chosen(rate_hz: int, tmp_path: Path) -> None:
    heard = tone(32_000)
    async with a_target() as target:
        stage = a_stage(tmp_path)
        sink = a_sink(target, audio_format="raw_mix", sample_rate_hz=rate_hz)
        async with stage.running(sink):
            for at in range(0, len(heard), 1_000):
                await sink.on_audio(Chunk("t1", at, heard[at : at + 1_000]))
            await sink.finish()
        await eventually(lambda: target.open_now == 0)
    stage.close()
    pcm = np.frombuffer(b"".join(target.binaries), "<i2")
    assert abs(len(pcm) - 2 * rate_hz) <= 1
    assert is_that_tone(pcm[rate_hz // 2 : rate_hz * 3 // 2], rate_hz)


@pytest.mark.parametrize("rate_hz", [0, 8_000, 44_100])
def test_a_rate_that_is_not_offered_is_refused(rate_hz: int) -> None:
    with pytest.raises(ConfigError, match="sample_rate_hz"):
        PushOptions(url="wss://x.test", mode="audio", sample_rate_hz=rate_hz)
