"""The parts of the sink `rtmp` without a receiver: what waits, where it goes, what is written."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.errors import ConfigError
from meetcore.model.secrets import Secret
from meetcore_rtmp.frames import KEY, SOUND, pack_frame, pack_order, read_frame
from meetcore_rtmp.live_mux import LiveMux
from meetcore_rtmp.live_queue import LivePicture, LiveQueue, LiveSound
from meetcore_rtmp.options import RtmpOptions
from meetcore_rtmp.rtmp_target import RtmpTarget
from tests.moving_pictures import pictures

SECRET = "s3cret-key-of-a-stream"
DOES = st.lists(
    st.sampled_from(["key", "delta", "delta", "sound", "take", "gap", "restart", "drain", "back"]),
    max_size=120,
)


@given(DOES, st.floats(0.05, 2.0))
def test_what_waits_is_bounded_and_every_picture_is_taken_or_counted(
    does: list[str], step_s: float
) -> None:
    queue, at_s, number, taken, last, counted = LiveQueue(3.0), 0.0, 0, [], None, 0
    for what in does:
        at_s += step_s
        if what in ("key", "delta"):
            queue.put(LivePicture("page", number, at_s, b"", what == "key"))
            number += 1
        elif what == "sound":
            queue.put(LiveSound(round(at_s * 16_000), b"\0\0"))
        elif what == "take":
            last = queue.take()
            if isinstance(last, LivePicture):
                taken.append(last)
        elif what == "back" and last is not None:
            queue.put_back(last)
            if isinstance(last, LivePicture):
                taken.pop()
            last = None
        elif what == "gap":
            queue.gap()
        elif what == "restart":
            queue.restart()
            last = None
        elif what == "drain":
            queue.drain()
            last = None
        if what in ("key", "delta", "sound"):
            last = None
        items = list(queue._items)
        if what in ("key", "delta", "sound") and items:
            assert items[-1].at_s - items[0].at_s <= 3.0 + 1e-9
        for lost in queue.losses():
            counted += lost.count
            assert lost.track_id == "page"
            assert lost.cause in ("receiver_away", *(["after_gap"] if "gap" in does else []))
    waiting = sum(isinstance(item, LivePicture) for item in queue._items)
    assert len(taken) + waiting + counted == number


@given(DOES)
def test_after_anything_was_left_out_the_next_picture_stands_alone(does: list[str]) -> None:
    queue, number, before = LiveQueue(3.0), 0, -1
    for what in does:
        if what in ("key", "delta"):
            queue.put(LivePicture("page", number, number * 0.5, b"", what == "key"))
            number += 1
        elif what == "take" and isinstance(item := queue.take(), LivePicture):
            assert item.alone or item.number == before + 1
            before = item.number
        elif what == "gap":
            queue.gap()


def test_losses_are_told_as_stretches_long_ones_at_once() -> None:
    queue = LiveQueue(3.0)
    for number in range(5):
        queue.put(LivePicture("page", number, number * 0.1, b"", False))
    assert queue.losses(at_least=10) == []
    queue.cause = "receiver_behind"
    queue.put(LivePicture("page", 5, 0.5, b"", False))
    found = [(lost.first, lost.count, lost.cause) for lost in queue.losses()]
    assert found == [(0, 5, "receiver_away"), (5, 1, "receiver_behind")]


def test_of_sound_without_a_picture_the_newer_half_stays() -> None:
    queue = LiveQueue(4.0)
    for number in range(50):
        queue.put(LiveSound(number * 1_600, b"\0\0"))
    assert 1.9 <= queue._items[-1].at_s - queue._items[0].at_s <= 4.0
    assert queue.skipped_s > 0


@pytest.mark.parametrize(
    ("url", "key", "found"),
    [
        ("rtmp://a.example/live", "k1", ("a.example", 1935, False, "live", "k1", "rtmp://a.example")),
        ("rtmps://a.example/app/in/", "k?x=1", ("a.example", 443, True, "app/in", "k?x=1",
                                                "rtmps://a.example")),
        ("rtmp://a.example:1936/live/k2", None, ("a.example", 1936, False, "live", "k2",
                                                 "rtmp://a.example:1936")),
        ("rtmp://[::1]/live/k3?a=b", None, ("::1", 1935, False, "live", "k3?a=b", "rtmp://[::1]")),
        ("rtmp://a.example/live?vhost=b", "k4", ("a.example", 1935, False, "live?vhost=b", "k4",
                                                "rtmp://a.example")),
    ],
)  # fmt: skip
def test_a_target_has_the_key_of_its_own_or_as_its_last_part(
    url: str, key: str | None, found: tuple[Any, ...]
) -> None:
    target = RtmpTarget.read(url, Secret(key) if key else None, "[x]")
    parts = (target.host, target.port, target.tls, target.app, target.key.reveal(), str(target))
    assert parts == found
    assert target.key.reveal() not in repr(target) + str(target)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "empty"),
        (f"http://a.example/{SECRET}", "not an rtmp"),
        (f"rtmp:///{SECRET}", "not an rtmp"),
        (f"rtmp://u:{SECRET}@a.example/live/x", "name or password"),
        (f"rtmp://a.example/{SECRET}", "an application"),
        ("rtmp://a.example/live/", "an application"),
        (f"rtmp://a.example/live/{SECRET} x", "no address has"),
        (f"rtmp://a.example:port/live/{SECRET}", "cannot be read"),
        (f"rtmp://a.example/live/{SECRET}#x", "'#'"),
    ],
)
def test_what_cannot_be_a_target_is_refused_without_the_key(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        RtmpOptions(url=url)
    assert SECRET not in f"{caught.value!r} {caught.value}"
    assert SECRET not in repr(RtmpOptions(url="rtmp://a.example/live", key=Secret(SECRET)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"behind_s": 1.0},
        {"attempts": 0},
        {"connect_timeout_s": 0},
        {"black_after_s": -1},
        {"flush_timeout_s": 51},
    ],
)
def test_options_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    [name] = wrong
    with pytest.raises(ConfigError, match=name):
        RtmpOptions(url="rtmp://a.example/live", key=Secret("k"), **wrong)


@given(st.lists(st.tuples(st.sampled_from([KEY, SOUND]), st.integers(0, 2**60), st.binary())))
def test_frames_come_as_they_were_written_and_a_cut_one_not(
    frames: list[tuple[bytes, int, bytes]],
) -> None:
    written = b"".join(pack_frame(*frame) for frame in frames)
    for cut in (0, 1):
        file, found = io.BytesIO(written[: len(written) - cut]), []
        while (frame := read_frame(file)) is not None:
            found.append((frame.kind, frame.at, frame.data))
        assert found == (frames[:-1] if cut else frames)


def test_ffmpeg_tells_a_receiver_whatever_is_in_path_and_key() -> None:
    app, tc_url = "li:ve/in'st|an\\ce[1]=2,3", "rtmp://live.example.org:1936/x"
    with socket.create_server(("127.0.0.1", 0)) as server:
        order = pack_order(
            address=f"rtmp://127.0.0.1:{server.getsockname()[1]}",
            app=app,
            key=SECRET,
            tc_url=tc_url,
            black=False,
        )
        worker = subprocess.Popen(
            [sys.executable, "-m", "meetcore_rtmp.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert worker.stdin is not None
        worker.stdin.write(order + pack_frame(KEY, 0, pictures(2.0)[0]))
        worker.stdin.flush()
        server.settimeout(30)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            first = _received(connection, 1537)
            connection.sendall(b"\x03" + bytes(1536) + first[1:])
            _received(connection, 1536)
            told = connection.recv(4096).replace(b"\xc3", b"")  # heads of further chunks
        answer, _ = worker.communicate(timeout=30)
    assert app.encode() in told
    assert tc_url.encode() in told
    assert "failed" in json.loads(answer)
    assert SECRET.encode() not in answer


def _received(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += connection.recv(count - len(data))
    return data


def test_sound_that_is_missing_is_silence_and_what_overlaps_is_left_out(tmp_path: Any) -> None:
    import av

    path = tmp_path / "out.flv"
    mux = LiveMux(f"[f=flv]{path}", pictures(2.0)[0], 10_000_000)
    mux.sound(159_000, np.full(2_000, 8_000, np.int16))  # half of it is from before
    mux.sound(176_000, np.full(1_600, 8_000, np.int16))
    mux.sound(176_000, np.full(3_200, 8_000, np.int16))
    for number, unit in enumerate(pictures(8.0)):
        mux.picture(10_000_000 + number * 100_000, unit, alone=number % 20 == 0)
    mux.close()
    mux.close()
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    sound = np.abs(np.concatenate(frames)).reshape(-1)
    tenths = sound[: len(sound) // 4_800 * 4_800].reshape(-1, 4_800).max(axis=1)
    assert [n / 10 for n in range(len(tenths)) if tenths[n] > 0.2] == [0.0, 1.0, 1.1]
    assert len(sound) / 48_000 == pytest.approx(8.0, abs=0.15)
