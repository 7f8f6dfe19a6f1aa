"""Real RTMP receivers on the loopback: nginx with its RTMP module, and ffmpeg's own server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import trio
from attrs import define, field, frozen

__all__ = [
    "KEY",
    "Arrived",
    "NginxReceiver",
    "arrived",
    "cannot_serve",
    "ffmpeg_receiver",
    "free_port",
]

KEY = "right-stream-key-4711"
MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
START_S = 20.0
CONFIG = """
load_module {module};
daemon off;
master_process off;
error_log {folder}/error.log info;
pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
rtmp {{ server {{
  listen 127.0.0.1:{port};
  application live {{
    live on;
    record all;
    record_path {flv};
    record_unique on;
    on_publish http://127.0.0.1:{asked}/may;
    notify_method get;
  }}
}} }}
http {{
  access_log off;
  client_body_temp_path {folder}/t1;
  proxy_temp_path {folder}/t2;
  fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4;
  scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{asked};
    location /may {{ if ($arg_name = "{key}") {{ return 200; }} return 403; }}
  }}
}}
"""


def cannot_serve() -> str:
    """Return why nginx cannot receive here, empty where it can."""
    if shutil.which("nginx", path="/usr/sbin:/usr/bin") is None or not MODULE.exists():
        return "Debian's packages nginx and libnginx-mod-rtmp are not installed"
    return ""


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@define
class NginxReceiver:
    """An nginx that records every stream whose key is right."""

    folder: Path
    port: int = field(factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _starts: int = 0

    @property
    def url(self) -> str:
        return f"rtmp://127.0.0.1:{self.port}/live"

    async def start(self) -> None:
        self._starts += 1
        flv = self.folder / f"flv{self._starts}"
        flv.mkdir(parents=True)
        config = self.folder / "nginx.conf"
        config.write_text(
            CONFIG.format(
                module=MODULE,
                folder=self.folder,
                flv=flv,
                port=self.port,
                asked=free_port(),
                key=KEY,
            )
        )
        self._begin(config)
        with trio.fail_after(START_S):
            while True:
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", self.port)).aclose()
                except OSError:
                    assert self._process is not None
                    assert self._process.poll() is None, (self.folder / "error.log").read_text()
                    await trio.sleep(0.05)
                else:
                    return

    def _begin(self, config: Path) -> None:
        self._process = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", str(self.folder), "-c", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def tell(self, number: signal.Signals) -> None:
        """Stop it where it is, or let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it without a goodbye."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def recordings(self) -> list[Path]:
        """Return what it recorded, the oldest first."""
        found = [path for path in self.folder.glob("flv*/*.flv") if path.stat().st_size > 200]
        return sorted(found, key=lambda path: path.stat().st_mtime)

    async def next_second(self) -> None:
        """Wait until a recording has another name: nginx names them by the second."""
        began = int(time.time())
        while int(time.time()) == began:  # noqa: ASYNC110  another process's clock
            await trio.sleep(0.02)


@asynccontextmanager
async def nginx_receiver(folder: Path, *, started: bool = True) -> AsyncIterator[NginxReceiver]:
    receiver = NginxReceiver(folder)
    try:
        if started:
            await receiver.start()
        yield receiver
    finally:
        receiver.kill()


_LISTEN = """
import json, sys, av
print("ready", flush=True)
with av.open(sys.argv[1], format="flv", options={"listen": "1"}) as stream:
    kinds, keys = {"video": 0, "audio": 0}, 0
    try:
        for packet in stream.demux():
            if packet.dts is not None:
                kinds[packet.stream.type] += 1
                keys += packet.stream.type == "video" and packet.is_keyframe
    except OSError:
        pass  # so it calls the end of a stream
print(json.dumps({**kinds, "keys": keys}), flush=True)
"""


@asynccontextmanager
async def ffmpeg_receiver(url: str) -> AsyncIterator[list[dict[str, Any]]]:
    """Run ffmpeg's own server for one stream; what it got is in the list once it has ended."""
    got: list[dict[str, Any]] = []
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", _LISTEN, url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        said = await process.stdout.receive_some()
        assert said.startswith(b"ready"), said
        yield got
        with trio.fail_after(START_S):
            said = b"".join([bytes(data) async for data in process.stdout])
        got.append(json.loads(said))
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


@frozen
class Arrived:
    """What is in a recording.

    Attributes:
        pictures: When each picture is shown, in seconds.
        keys: When those that stand alone are.
        flashes: When a white one begins.
        clicks: When sound begins after silence.
        sound_s: How long the sound is.
        rate_hz: Its rate.
        size: Width and height of the pictures.
    """

    pictures: list[float]
    keys: list[float]
    flashes: list[float]
    clicks: list[float]
    sound_s: float
    rate_hz: int
    size: tuple[int, int]


def arrived(path: Path) -> Arrived:
    """Read a recording to its end."""
    keys, pictures, flashes, bright = [], [], [], False
    samples: list[np.ndarray[Any, Any]] = []
    first_s, rate = None, 0
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        size = (video.codec_context.width, video.codec_context.height)
        for packet in container.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "video" and packet.is_keyframe:
                keys.append(float(packet.pts * packet.time_base))
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    pictures.append(float(frame.time or 0))
                    white = float(frame.to_ndarray(format="gray").mean()) > 150
                    if white and not bright:
                        flashes.append(pictures[-1])
                    bright = white
                elif isinstance(frame, av.AudioFrame):
                    first_s = float(frame.time or 0) if first_s is None else first_s
                    rate = frame.sample_rate
                    samples.append(frame.to_ndarray()[0])
    sound = np.abs(np.concatenate(samples)) if samples else np.zeros(0)
    window = max(1, rate // 100)
    level = sound[: len(sound) // window * window].reshape(-1, window).max(axis=1)
    loud = level > 0.05
    begins = [n for n in range(len(loud)) if loud[n] and not loud[max(0, n - 10) : n].any()]
    clicks = [n / 100 + (first_s or 0.0) for n in begins]
    return Arrived(pictures, keys, flashes, clicks, len(sound) / max(1, rate), rate, size)
