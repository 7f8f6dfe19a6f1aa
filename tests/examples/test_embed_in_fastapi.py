"""The FastAPI example under a real uvicorn: a bot is ordered and followed; Ctrl-C meanwhile."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import httpx2
import trio

import meetcore

ROOT = Path(__file__).parents[2]
PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT / "examples")!r})
import meetcore
from embed_in_fastapi import make_app, serve
plugins = meetcore.Plugins(only=[], files=[{str(ROOT / "tests" / "scripted_meetings.py")!r}])
config = meetcore.BotConfig(out_dir=sys.argv[1], transcriber="scripted")
serve(make_app(config, plugins), 0)
"""
STAY = "https://meet.google.com/stay-abc"
SHORT = "https://meet.google.com/short-abc"


@asynccontextmanager
async def served(out: Path) -> AsyncIterator[tuple[trio.Process, str]]:
    """Run the program; give its process and where it is."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", PROGRAM, str(out)], stderr=PIPE, stdout=PIPE
    )
    assert process.stderr is not None
    assert process.stdout is not None
    said = ""
    try:
        with trio.fail_after(60):
            while not (found := re.search(r"running on (http://\S+)", said)):
                piece = await process.stderr.receive_some()
                assert piece, said
                said += bytes(piece).decode()
            yield process, found[1]
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stderr.aclose()
            await process.stdout.aclose()


def data_of(line: str) -> dict[str, object]:
    data: dict[str, object] = json.loads(line.removeprefix("data: "))
    return data


async def test_a_stream_holds_the_whole_life_of_a_bot(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, url), httpx2.AsyncClient(base_url=url, timeout=30) as client:
        refused = await client.post("/bots", params={"link": "https://nowhere.example/x"})
        assert refused.status_code == 422
        assert "No installed platform recognises" in refused.json()["detail"]
        ordered = await client.post("/bots", params={"link": SHORT})
        assert ordered.status_code == 201
        async with client.stream("GET", f"/bots/{ordered.json()['id']}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = [each async for each in answer.aiter_lines() if each.startswith("data: ")]
        seen = [data_of(line) for line in lines]
        assert [each["seq"] for each in seen] == list(range(1, len(seen) + 1))
        assert seen[-1]["data"]["state"] == "completed"  # type: ignore[index]
        assert (await client.get("/bots/none/events")).status_code == 404


async def test_ctrl_c_with_an_open_stream_ends_the_program_and_the_bot_has_left(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (process, url):
        async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
            bot_id = (await client.post("/bots", params={"link": STAY})).json()["id"]
        port = int(url.rpartition(":")[2])
        with trio.fail_after(90):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(
                    f"GET /bots/{bot_id}/events HTTP/1.1\r\nHost: a\r\n\r\n".encode()
                )
                seen = b""
                while b'"state":"recording"' not in seen:
                    piece = await stream.receive_some()
                    assert piece, seen
                    seen += piece
                process.send_signal(signal.SIGINT)
                await process.wait()
    events = list(meetcore.read_journal(tmp_path / bot_id / "journal.jsonl"))
    assert isinstance(end := events[-1], meetcore.StateChanged)
    assert (end.state, end.reason) == ("completed", "stop_requested")
