"""A bot's whole life against a rehearsing server, as a client of Spoke's sees it from outside."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import av
import pytest
import trio

from tests.plugins.spoke.stage import eventually
from tests.plugins.spoke.test_stream_sink import target

KEY = "the-clients-own-key"


class Receiver:
    """A webhook receiver: keeps what was posted."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                named = {name.lower(): value for name, value in self.headers.items()}
                receiver.posts.append((named, json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    @property
    def bodies(self) -> list[Any]:
        return [body for _, body in self.posts]

    @property
    def ended(self) -> bool:
        return any(body["event"] in ("complete", "failed") for body in self.bodies)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """Hold a rehearsing server; gives the URL at which Spoke's clients reach it."""
    command = [
        sys.executable, "-m", "meetcore", "serve", "--rehearsal", "--port", "0",
        "--out", str(folder / "bots"), "--api-key", KEY,
    ]  # fmt: skip
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, stderr=PIPE, cwd=folder, check=False)
        process: trio.Process = await nursery.start(run)
        try:
            yield await _address(process)
        finally:
            process.terminate()
            with trio.CancelScope(shield=True), trio.move_on_after(20):
                await process.wait()
            nursery.cancel_scope.cancel()


async def _address(process: trio.Process) -> str:
    assert process.stderr is not None
    said = ""
    with trio.fail_after(40):
        while not (found := re.search(r"serving at (http://\S+)\n", said)):
            piece = await process.stderr.receive_some()
            assert piece, said
            said += bytes(piece).decode()
    return f"{found[1]}/spoke"


async def _ask(url: str, body: Any = None) -> bytes:
    headers = {"x-spoke-api-key": KEY, "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()

    def fetch() -> bytes:
        with urlopen(Request(url, data, headers), timeout=20) as answer:
            return bytes(answer.read())

    return await trio.to_thread.run_sync(fetch)


@pytest.mark.browser
@pytest.mark.timeout(200)
async def test_a_life_ends_with_complete_a_video_file_and_words(tmp_path: Path) -> None:
    receiver = Receiver()
    try:
        async with target(deadline_s=180.0) as ears, served(tmp_path) as base_url:
            order = {
                "meeting_url": "https://meet.google.com/abc-defg-hij",
                "bot_name": "Notes",
                "webhook_url": receiver.url,
                "speech_to_text": "Gladia",
                "streaming": {"output": ears.url, "audio_frequency": "24khz"},
            }
            made = json.loads(await _ask(f"{base_url}/bots", order))
            await eventually(lambda: receiver.ended, within_s=150.0)
            mp4 = await _ask(receiver.bodies[-1]["data"]["mp4"])
            query = f"bot_id={made['bot_id']}"
            data = json.loads(await _ask(f"{base_url}/bots/meeting_data?{query}"))
    finally:
        receiver.close()

    events = [body["event"] for body in receiver.bodies]
    assert (events[-1], events.count("complete"), "failed" in events) == ("complete", 1, False)
    codes = [b["data"]["status"]["code"] for b in receiver.bodies[:-1]]
    assert codes[0] == "joining_call"
    assert codes[-3:] == ["in_call_not_recording", "in_call_recording", "call_ended"]
    assert all(headers["x-spoke-api-key"] == KEY for headers, _ in receiver.posts)

    end = receiver.bodies[-1]["data"]
    assert len(end["speakers"]) >= 2
    assert len(end["transcript"]) == len(data["bot_data"]["transcripts"]) >= 5
    assert {line["speaker"] for line in end["transcript"]} <= {*end["speakers"], "Unknown"}
    opened: Any = av.open(io.BytesIO(mp4))
    with opened as video:
        assert "mp4" in video.format.name
        seconds = float(video.duration or 0) / 1e6
    assert seconds > 20

    (heard,) = ears.connections
    assert json.loads(heard[0])["bot_id"] == made["bot_id"]
    assert len(ears.sound) > 20 * 48_000
    names = {change["name"] for text in ears.texts()[1:] for change in text}
    assert names == set(end["speakers"])
