"""The sink `rtmp` with real receivers: what arrives, and what is said where something does not."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from meetcore.audio.chunk import Chunk
from meetcore.audio.media import MediaFragment
from meetcore.model.errors import ConfigError
from meetcore.model.events import MediaLost
from meetcore.model.secrets import Secret
from meetcore_rtmp.errors import ReceiverLost, ReceiverRefused, ReceiverUnreachable
from meetcore_rtmp.options import RtmpOptions
from meetcore_rtmp.sink import RtmpSink
from tests.moving_pictures import FRAMES_PER_S, SIZE, pictures
from tests.plugins.rtmp.receivers import (
    KEY,
    NginxReceiver,
    arrived,
    cannot_serve,
    ffmpeg_receiver,
    free_port,
    nginx_receiver,
)
from tests.plugins.websocket.stage import eventually
from tests.plugins.websocket.users_server import Stage, running

DEADLINE_S = 40.0
CERTIFICATE = Path(__file__).parents[1] / "websocket" / "localhost.pem"
BLOCK = 16_000 // FRAMES_PER_S
needs_nginx = pytest.mark.usefixtures("nginx_is_here")


@pytest.fixture(scope="module")
def nginx_is_here() -> None:
    if trouble := cannot_serve():
        pytest.skip(trouble)


@asynccontextmanager
async def nginx(folder: Path, *, started: bool = True) -> AsyncIterator[NginxReceiver]:
    with trio.fail_after(DEADLINE_S):
        async with nginx_receiver(folder / "nginx", started=started) as receiver:
            yield receiver


def sink(url: str, key: str | None = KEY, **options: Any) -> RtmpSink:
    chosen: dict[str, Any] = {"behind_s": 100.0, "first_retry_s": 0.05, "longest_retry_s": 0.2}
    secret = None if key is None else Secret(key)
    return RtmpSink(RtmpOptions(url=url, key=secret, **{**chosen, **options}))


async def show(
    stage: Stage[RtmpSink],
    seconds: float,
    *,
    at_s: float = 30.0,
    number: int = 0,
    filler: bytes = b"",
) -> int:
    """Let a meeting be seen and heard: a click with each flash. Return the next number."""
    for index, unit in enumerate(pictures(seconds)):
        here_s = at_s + index / FRAMES_PER_S
        await stage.sink.on_media(
            MediaFragment(
                track_id="page", number=number, kind="tab", container="video/H264",
                data=unit + filler,
                at_s=here_s, duration_s=1 / FRAMES_PER_S,
            )
        )  # fmt: skip
        number += 1
        loud = index % (2 * FRAMES_PER_S) == FRAMES_PER_S // 2
        pcm = np.full(BLOCK, 9_000 if loud else 0, np.int16)
        pcm[1::2] *= -1
        await stage.sink.on_audio(Chunk("t1", round(here_s * 16_000), pcm))
    return number


def command_lines() -> list[bytes]:
    """Return the command lines of all processes of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes())
    return found


def lost(stage: Stage[RtmpSink], cause: str = "") -> int:
    events = [event for event in stage.journal.read() if isinstance(event, MediaLost)]
    assert {(event.track_id, event.consumer) for event in events} <= {("page", "rtmp")}
    return sum(event.fragments for event in events if cause in ("", event.cause))


@needs_nginx
async def test_all_of_it_arrives_in_sync_and_the_key_is_nowhere(tmp_path: Path) -> None:
    async with nginx(tmp_path) as receiver, running(tmp_path, sink(receiver.url)) as stage:
        await stage.enter()
        await show(stage, 12.0)
        await eventually(lambda: stage.noticed("streaming"))
        shown = command_lines()
        await stage.leave()
        [recording] = receiver.recordings()
        assert lost(stage) == 0
    got = arrived(recording)
    assert len(got.pictures) == 12 * FRAMES_PER_S
    assert np.diff(got.pictures) == pytest.approx([0.1] * (len(got.pictures) - 1), abs=0.002)
    assert np.diff(got.keys) == pytest.approx([2.0] * 5, abs=0.01)
    assert got.sound_s == pytest.approx(12.0, abs=0.15)
    assert (got.rate_hz, got.size) == (48_000, SIZE)
    assert len(got.flashes) == 6
    assert got.clicks == pytest.approx(got.flashes, abs=0.08)
    assert any(b"meetcore_rtmp.worker" in line for line in shown)
    assert not [line for line in shown if KEY.encode() in line]
    journal = (tmp_path / "journal.jsonl").read_text()
    assert KEY not in journal
    assert "receiver_" not in journal


async def test_ffmpegs_own_server_takes_it_as_well(tmp_path: Path) -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live"
    with trio.fail_after(DEADLINE_S):
        other = "a-key-that-is-shown"  # to whom lists the processes
        async with (
            ffmpeg_receiver(f"{url}/{other}") as got,
            running(tmp_path, sink(url, other)) as stage,
        ):
            await stage.enter()
            await show(stage, 6.0)
            await eventually(lambda: stage.noticed("streaming"))
            await stage.leave()
    assert got == [{"video": 60, "audio": pytest.approx(6 * 48_000 / 1024, abs=3), "keys": 3}]


@needs_nginx
async def test_a_wrong_key_is_said_and_given_up_after_some_attempts(tmp_path: Path) -> None:
    wrong = "wrong-stream-key-0815"
    async with nginx(tmp_path) as receiver:
        async with running(tmp_path, sink(receiver.url, wrong, attempts=3)) as stage:
            await stage.enter()
            await show(stage, 4.0)
            await eventually(lambda: stage.noticed("gave_up"))
            with pytest.raises(ReceiverRefused, match="does not take the stream") as caught:
                await stage.leave()
            assert lost(stage) == lost(stage, "receiver_away") == 40
            [said] = stage.noticed("not_streaming")
            assert (said["code"], said["target"]) == (
                "receiver_refused",
                f"rtmp://127.0.0.1:{receiver.port}",
            )
            assert stage.noticed("gave_up") == [{"attempts": "3", "code": "receiver_refused"}]
            told = (tmp_path / "journal.jsonl").read_text() + str(caught.value)
        assert wrong not in told
        assert not receiver.recordings()


@needs_nginx
async def test_a_receiver_that_comes_late_gets_what_follows(tmp_path: Path) -> None:
    async with nginx(tmp_path, started=False) as receiver:
        async with running(tmp_path, sink(receiver.url, behind_s=4.0)) as stage:
            await stage.enter()
            number = await show(stage, 10.0)
            await eventually(lambda: stage.noticed("not_streaming"))
            [said] = stage.noticed("not_streaming")
            assert said["code"] == "receiver_unreachable"
            await receiver.start()
            await eventually(lambda: stage.noticed("streaming"))
            await show(stage, 4.0, at_s=40.0, number=number)
            await stage.leave()
            assert lost(stage, "receiver_away")
            missed = lost(stage)
        [recording] = receiver.recordings()
    got = arrived(recording)
    assert len(got.pictures) + missed == 140
    assert got.keys[0] == pytest.approx(0.0, abs=0.05)


@needs_nginx
async def test_a_receiver_that_goes_and_comes_back_gets_two_streams(tmp_path: Path) -> None:
    async with nginx(tmp_path) as receiver:
        async with running(tmp_path, sink(receiver.url)) as stage:
            await stage.enter()
            number = await show(stage, 6.0)
            await eventually(lambda: receiver.recordings())
            receiver.kill()
            await eventually(lambda: stage.noticed("not_streaming"))
            assert stage.noticed("not_streaming")[0]["code"] == "receiver_lost"
            await receiver.start()
            number = await show(stage, 6.0, at_s=40.0, number=number)
            await eventually(lambda: len(stage.noticed("streaming")) == 2)
            await stage.leave()
            assert lost(stage, "receiver_behind") == 0
        second = receiver.recordings()[-1]
    got = arrived(second)
    assert got.keys[0] == pytest.approx(0.0, abs=0.05)
    assert got.pictures[-1] - got.flashes[-1] == pytest.approx(1.4, abs=0.05), "it has the end"
    assert got.clicks[-1] == pytest.approx(got.flashes[-1], abs=0.08)


@needs_nginx
async def test_one_that_stops_reading_loses_whole_stretches_and_holds_up_nobody(
    tmp_path: Path,
) -> None:
    async with nginx(tmp_path) as receiver:
        slow = sink(receiver.url, behind_s=4.0, send_timeout_s=60.0)
        async with running(tmp_path, slow) as stage:
            await stage.enter()
            number = await show(stage, 4.0)
            await eventually(lambda: receiver.recordings())
            receiver.tell(signal.SIGSTOP)
            at_s = 34.0
            waiting = 0
            while not (waiting and waiting == len(stage.sink._queue)):  # all on the way is full
                filler = b"\0\0\1\x0c" + b"\xff" * 20_000 + b"\x80"  # ITU-T H.264, 7.3.2.7
                number = await show(stage, 10.0, at_s=at_s, number=number, filler=filler)
                at_s += 10.0
                await trio.sleep(0.05)
                waiting = len(stage.sink._queue)
                await trio.sleep(0.2)
            stage.sink._tell_losses()
            assert lost(stage, "receiver_behind")
            assert len(stage.sink._queue) < 100, "it keeps seconds, not the meeting"
            receiver.tell(signal.SIGCONT)
            number = await show(stage, 4.0, at_s=at_s, number=number)
            await stage.leave()
            missed = lost(stage, "receiver_behind")
            assert missed == lost(stage)
            assert stage.noticed("left_out")
        [recording] = receiver.recordings()
    got = arrived(recording)
    assert len(got.pictures) + missed == number
    assert got.pictures[-1] == pytest.approx(at_s + 3.9 - 30.0, abs=0.3)
    after = next(n for n, gap in enumerate(np.diff(got.pictures)) if gap > 1) + 1
    assert min(abs(key - got.pictures[after]) for key in got.keys) < 0.01


@needs_nginx
@pytest.mark.parametrize("then_pictures", [False, True])
async def test_a_meeting_without_a_picture_has_a_black_one(
    tmp_path: Path, then_pictures: bool
) -> None:
    async with nginx(tmp_path) as receiver:
        async with running(tmp_path, sink(receiver.url, black_after_s=0.0)) as stage:
            await stage.enter()
            for index in range(6 * FRAMES_PER_S):
                pcm = np.full(BLOCK, 9_000 if index % 20 == 5 else 0, np.int16)
                pcm[1::2] *= -1
                await stage.sink.on_audio(Chunk("t1", 160_000 + index * BLOCK, pcm))
            await eventually(lambda: receiver.recordings())
            if then_pictures:
                await receiver.next_second()
                await show(stage, 4.0)
                await eventually(lambda: len(stage.noticed("streaming")) == 2)
            await stage.leave()
            assert lost(stage) == 0
        first, *more = receiver.recordings()
    got = arrived(first)
    assert got.size == (640, 360)
    assert got.keys[:3] == pytest.approx([0.0, 2.0, 4.0], abs=0.01)
    assert got.pictures[-1] == pytest.approx(6.0, abs=0.2)
    assert got.sound_s == pytest.approx(6.0, abs=0.2)
    assert [arrived(path).size for path in more] == [SIZE] * then_pictures


async def test_where_no_black_one_is_wanted_nothing_is_streamed(tmp_path: Path) -> None:
    quiet = sink("rtmp://127.0.0.1:1/live", black=False, black_after_s=0.0)
    async with running(tmp_path, quiet) as stage:
        await stage.enter()
        await stage.hear("t1", 0, 16_000)
        await stage.leave()
        assert not stage.notices


async def test_nobody_at_the_address_is_a_typed_error_with_bounded_attempts(
    tmp_path: Path,
) -> None:
    with trio.fail_after(DEADLINE_S):
        for url, said in [
            (f"rtmp://127.0.0.1:{free_port()}/live", "refused"),
            ("rtmp://no-such-host.invalid/live", "no-such-host.invalid"),
        ]:
            folder = tmp_path / said
            folder.mkdir()
            async with running(folder, sink(url, attempts=2)) as stage:
                await stage.enter()
                await show(stage, 2.0)
                await eventually(lambda stage=stage: stage.noticed("gave_up"))
                with pytest.raises(ReceiverUnreachable, match=said):
                    await stage.leave()
                assert lost(stage, "receiver_away") == 20


async def test_one_that_answers_with_something_else_is_refused(tmp_path: Path) -> None:
    async def no_rtmp(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_tcp, no_rtmp, 0, host="127.0.0.1")
            [listener] = await nursery.start(serve)
            port = listener.socket.getsockname()[1]
            url = f"rtmp://127.0.0.1:{port}/live"
            async with running(tmp_path, sink(url, attempts=1)) as stage:
                await stage.enter()
                await show(stage, 2.0)
                await eventually(lambda: stage.noticed("gave_up"))
                with pytest.raises(ReceiverRefused):
                    await stage.leave()
            nursery.cancel_scope.cancel()


@needs_nginx
async def test_over_tls_the_certificate_has_to_be_the_names(tmp_path: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)

    async def pump(source: Any, target: Any, scope: trio.CancelScope) -> None:
        try:
            while data := await source.receive_some(65_536):
                await target.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
            pass
        scope.cancel()

    async with nginx(tmp_path) as receiver, trio.open_nursery() as front:

        async def pass_on(stream: Any) -> None:
            try:
                await stream.do_handshake()
            except (trio.BrokenResourceError, ssl.SSLError):
                return
            plain = await trio.open_tcp_stream("127.0.0.1", receiver.port)
            async with plain, trio.open_nursery() as nursery:
                nursery.start_soon(pump, stream, plain, nursery.cancel_scope)
                nursery.start_soon(pump, plain, stream, nursery.cancel_scope)

        serve = partial(
            trio.serve_ssl_over_tcp, pass_on, 0, tls, host="127.0.0.1", https_compatible=True
        )
        [listener] = await front.start(serve)
        port = listener.transport_listener.socket.getsockname()[1]
        for host, ca_file, fine in [
            ("localhost", CERTIFICATE, True),
            ("127.0.0.1", CERTIFICATE, False),
            ("localhost", None, False),
        ]:
            folder = tmp_path / f"{host}-{fine}-{ca_file is None}"
            folder.mkdir()
            over_tls = sink(f"rtmps://{host}:{port}/live", ca_file=ca_file, attempts=1)
            async with running(folder, over_tls) as stage:
                await stage.enter()
                await show(stage, 4.0)
                if fine:
                    await eventually(lambda stage=stage: stage.noticed("streaming"))
                    await stage.leave()
                    continue
                await eventually(lambda stage=stage: stage.noticed("gave_up"))
                with pytest.raises(ReceiverUnreachable, match="certificate is not right"):
                    await stage.leave()
        front.cancel_scope.cancel()
        [recording] = receiver.recordings()
    assert len(arrived(recording).pictures) == 40


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rtmp://live.example.org/app", "not rtmps"),
        ("rtmps://127.0.0.1/app", "not a public address"),
    ],
)
async def test_a_target_that_came_over_an_api_is_rtmps_and_public(
    tmp_path: Path, url: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        async with running(tmp_path, sink(url), trusted=False):
            pass


@needs_nginx
async def test_a_worker_that_is_killed_is_one_more_attempt(tmp_path: Path) -> None:
    async with nginx(tmp_path) as receiver, running(tmp_path, sink(receiver.url)) as stage:
        await stage.enter()
        number = await show(stage, 4.0)
        await eventually(lambda: receiver.recordings())
        [worker] = workers()
        os.kill(int(worker.name), signal.SIGKILL)
        await eventually(lambda: stage.noticed("not_streaming"))
        code = stage.noticed("not_streaming")[0]["code"]
        assert code in (ReceiverLost.code, "rtmp_worker_failed")
        await show(stage, 4.0, at_s=40.0, number=number)
        await eventually(lambda: len(stage.noticed("streaming")) == 2)
        await stage.leave()


def workers() -> list[Path]:
    """Return the workers that this process started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line, about = (path / "cmdline").read_bytes(), (path / "stat").read_text()
        except OSError:
            continue
        if (
            b"meetcore_rtmp.worker" in line
            and int(about.rpartition(")")[2].split()[1]) == os.getpid()
        ):
            found.append(path)
    return found
