"""The live video socket: one playable stream for each connection, and what is not sent is said."""

from __future__ import annotations

import io
import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import trio
from attrs import define

from meetcore.audio.chunk import Chunk
from meetcore.audio.media import MediaFragment
from meetcore.plugin.platform import Capability
from meetcore.plugin.sink import Sink
from meetcore.testing.conformance import SinkConformance
from meetcore_meetstream.dial_options import VideoOptions
from meetcore_meetstream.video_sink import MeetstreamVideoSink
from tests.moving_pictures import FRAMES_PER_S, SIZE, pictures
from tests.plugins.files.test_torn_boxes import boxes
from tests.plugins.meetstream.stage import BY_NAME, ask, create_request, eventually, meetstream
from tests.plugins.websocket.users_server import (
    DEADLINE_S,
    Stage,
    User,
    WithTarget,
    running,
    serving,
)

VECTORS_HERE = {
    ("current", name)
    for name in ("video.video_stream_start", "video.video_latency_ping", "video.video_stream_end")
}


@define
class Viewer(User):
    """A user who is sent video, and waits for no greeting."""

    greeted: bool = False

    def stream(self, number: int = -1) -> bytes:
        return b"".join(m for m in self.connections[number] if isinstance(m, bytes))

    def told(self, kind: str, number: int = -1) -> list[Any]:
        return [each for each in self.texts(number) if each["type"] == kind]


def target(**manners: Any) -> AbstractAsyncContextManager[Viewer]:
    return serving(Viewer(**manners), deadline_s=DEADLINE_S)


def sink(url: str, **options: Any) -> MeetstreamVideoSink:
    return MeetstreamVideoSink(VideoOptions(url=url, first_retry_s=0.01, **options))


async def show(
    stage: Stage[MeetstreamVideoSink], seconds: float, *, at_s: float = 30.0, number: int = 0
) -> int:
    """Let a meeting be seen and heard; return the number of the next picture."""
    for index, unit in enumerate(pictures(seconds)):
        here_s = at_s + index / FRAMES_PER_S
        await stage.sink.on_media(
            MediaFragment(
                track_id="page", number=number, kind="video", container="video/H264", data=unit,
                at_s=here_s, duration_s=1 / FRAMES_PER_S,
            )
        )  # fmt: skip
        number += 1
        pcm = np.full(16_000 // FRAMES_PER_S, 5_000, np.int16)
        await stage.sink.on_audio(Chunk("t1", round(here_s * 16_000), pcm))
    return number


def like(ours: dict[str, Any], name: str) -> None:
    """Every field of the example is there, with its type; what is fixed has its value."""
    theirs = BY_NAME[("current", name)]["example"]
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert isinstance(ours[key], (int, float) if isinstance(value, float) else type(value)), key
    for key in ("type", "codec", "audio_codec", "container"):
        assert ours.get(key) == theirs.get(key)


class TestTheVideoSocketAsASink(WithTarget[Viewer], SinkConformance):
    """The promises every sink makes."""

    def hold_target(self) -> AbstractAsyncContextManager[Viewer]:
        return target()

    def make_sink(self) -> Sink:
        return MeetstreamVideoSink(VideoOptions(url=self.target.url))


async def test_picture_and_sound_come_as_one_stream_that_plays(tmp_path: Path) -> None:
    async with target() as viewer:
        async with running(tmp_path, sink(viewer.url)) as stage:
            await stage.enter()
            await eventually(lambda: viewer.open)
            await show(stage, 6.0)
            await stage.leave()
        await eventually(lambda: viewer.codes)
    assert viewer.codes == [1000]
    first, *_, last = viewer.connections[0]
    like(json.loads(first), "video.video_stream_start")
    like(json.loads(last), "video.video_stream_end")
    began = json.loads(first)
    assert (began["width"], began["height"], began["framerate"]) == (*SIZE, FRAMES_PER_S)
    assert json.loads(last)["duration_seconds"] == pytest.approx(6.0, abs=0.2)
    with av.open(io.BytesIO(viewer.stream())) as stream:
        seen = [float(frame.time or 0) for frame in stream.decode(video=0)]
    with av.open(io.BytesIO(viewer.stream())) as stream:
        heard = sum(frame.samples / frame.sample_rate for frame in stream.decode(audio=0))
    assert len(seen) == 6 * FRAMES_PER_S
    assert (seen[0], seen[-1]) == (0.0, pytest.approx(5.9, abs=0.01))
    assert heard == pytest.approx(6.0, abs=0.3)


async def test_picture_and_sound_in_tasks_of_their_own_stay_in_order(tmp_path: Path) -> None:
    async with target() as viewer:
        async with running(tmp_path, sink(viewer.url)) as stage:
            await stage.enter()
            await eventually(lambda: viewer.open)
            units = pictures(8.0)
            heard = trio.Event()

            async def sound() -> None:
                for number in range(8 * FRAMES_PER_S):
                    first = number * 16_000 // FRAMES_PER_S
                    pcm = np.full(16_000 // FRAMES_PER_S, 5_000, np.int16)
                    await stage.sink.on_audio(Chunk("t1", first, pcm))
                    await trio.lowlevel.checkpoint()
                heard.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(sound)
                for number, unit in enumerate(units):
                    here_s = number / FRAMES_PER_S
                    await stage.sink.on_media(
                        MediaFragment(
                            track_id="page", number=number, kind="video", container="video/H264",
                            data=unit, at_s=here_s, duration_s=1 / FRAMES_PER_S,
                        )
                    )  # fmt: skip
                    await trio.lowlevel.checkpoint()
            await heard.wait()
            await stage.leave()
        await eventually(lambda: viewer.codes)
    assert [json.loads(m)["type"] for m in viewer.connections[0][:1]] == ["video_stream_start"]
    stream = viewer.stream()
    assert [kind for kind, *_ in boxes(stream)][:2] == [b"ftyp", b"moov"]
    with av.open(io.BytesIO(stream)) as file:
        assert sum(1 for _ in file.decode(video=0)) == len(units)


async def test_pieces_come_while_the_meeting_goes_on(tmp_path: Path) -> None:
    async with target() as viewer, running(tmp_path, sink(viewer.url)) as stage:
        await stage.enter()
        await eventually(lambda: viewer.open)
        await show(stage, 4.0)
        await eventually(lambda: viewer.connections[0] and len(viewer.stream()) > 1_000)
        with av.open(io.BytesIO(viewer.stream())) as stream:
            assert sum(1 for _ in stream.decode(video=0)) >= 2 * FRAMES_PER_S


async def test_after_a_drop_another_stream_begins_that_plays_by_itself(tmp_path: Path) -> None:
    async with target(drops_after=[3]) as viewer:
        async with running(tmp_path, sink(viewer.url)) as stage:
            await stage.enter()
            await eventually(lambda: viewer.open)
            number = await show(stage, 4.0)
            await eventually(lambda: len(viewer.open) == 2)
            await show(stage, 4.0, at_s=40.0, number=number)
            await stage.leave()
        await eventually(lambda: viewer.codes)
    assert len(viewer.told("video_stream_start")) == 1
    with av.open(io.BytesIO(viewer.stream())) as stream:
        times = [float(frame.time or 0) for frame in stream.decode(video=0)]
    assert times[0] == 0.0
    assert len(times) == 4 * FRAMES_PER_S


async def test_pictures_before_there_is_anybody_are_counted_and_not_kept(tmp_path: Path) -> None:
    async with target() as viewer, running(tmp_path, sink(viewer.url)) as stage:
        number = await show(stage, 2.0)
        await stage.enter()
        await eventually(lambda: viewer.open)
        await show(stage, 4.0, at_s=40.0, number=number)
        await stage.sink.finish()
        (told,) = stage.noticed("pictures_not_sent")
        assert told == {"count": str(2 * FRAMES_PER_S)}


async def test_how_long_a_message_takes_is_asked_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_meetstream.video_sink._PING_EVERY_S", 0.02)
    pong = BY_NAME[("current", "video.video_latency_pong")]["example"]
    async with target() as viewer, running(tmp_path, sink(viewer.url)) as stage:
        await stage.enter()
        await eventually(lambda: viewer.open and viewer.told("video_latency_ping"))
        ping = viewer.told("video_latency_ping")[0]
        like(ping, "video.video_latency_ping")
        for message in ("{", b"\xff", "[]", json.dumps({**pong, "seq": "x"})):
            await viewer.open[0].send_message(message)
        await viewer.open[0].send_message(json.dumps({**pong, "seq": ping["seq"]}))
        await eventually(lambda: stage.sink._latencies_ms)
        await stage.sink.finish()
        (said,) = stage.noticed("video_latency")
        assert int(said["median_ms"]) >= 0


async def test_live_video_is_ordered_where_the_platform_can(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        for field, inner in (
            ("live_video_required", "websocket_url"),
            ("liveVideoRequired", "websocketUrl"),
        ):
            body = create_request(**{field: {inner: "wss://x.test/v"}})
            refused = await ask(fake, "POST", "/bots/create_bot", json=body)
            assert (refused.status, "not supported" in refused.json["message"]) == (400, True)
            fake.abilities |= {Capability.VIDEO}
            made = await ask(fake, "POST", "/bots/create_bot", json=body)
            assert made.status == 201
            order = await fake.order(fake.only)
            assert (order.video, order.sinks) == (True, ("meetstream_video",))
            assert order.plugins["meetstream_video"] == {"url": "wss://x.test/v"}
            fake.abilities -= {Capability.VIDEO}
