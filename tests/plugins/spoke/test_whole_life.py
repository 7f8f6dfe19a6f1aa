"""A bot's whole life against a rehearsing server, as a client of Spoke's sees it from outside."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import av
import pytest
import trio

from tests.plugins.server.rehearsing import finals_of, rehearsing
from tests.plugins.server.short_script import SOUND_S
from tests.plugins.server.webhooks.receiver import Receiver, receiving
from tests.plugins.spoke.test_stream_sink import target

KEY = "the-clients-own-key"


def ended(receiver: Receiver) -> bool:
    return any(got.json["event"] in ("complete", "failed") for got in receiver.got)


async def _ask(url: str, body: Any = None) -> bytes:
    headers = {"x-spoke-api-key": KEY, "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()

    def fetch() -> bytes:
        with urlopen(Request(url, data, headers), timeout=20) as answer:
            return bytes(answer.read())

    return await trio.to_thread.run_sync(fetch)


@pytest.mark.browser
@pytest.mark.timeout(200)
@pytest.mark.long
async def test_a_life_ends_with_complete_a_video_file_and_words(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        target(deadline_s=180.0) as ears,
        rehearsing(tmp_path, KEY) as url,
    ):
        order = {
            "meeting_url": "https://meet.google.com/abc-defg-hij",
            "bot_name": "Notes",
            "webhook_url": receiver.url(),
            "speech_to_text": "Gladia",
            "streaming": {"output": ears.url, "audio_frequency": "24khz"},
        }
        made = json.loads(await _ask(f"{url}/spoke/bots", order))
        await receiver.until(partial(ended, receiver), within_s=150.0)
        bodies = [got.json for got in receiver.got]
        mp4 = await _ask(bodies[-1]["data"]["mp4"])
        query = f"bot_id={made['bot_id']}"
        data = json.loads(await _ask(f"{url}/spoke/bots/meeting_data?{query}"))

    events = [body["event"] for body in bodies]
    assert (events[-1], events.count("complete"), "failed" in events) == ("complete", 1, False)
    codes = [b["data"]["status"]["code"] for b in bodies[:-1]]
    assert codes[0] == "joining_call"
    assert codes[-3:] == ["in_call_not_recording", "in_call_recording", "call_ended"]
    assert all(got.headers["x-spoke-api-key"] == KEY for got in receiver.got)

    end = bodies[-1]["data"]
    assert len(end["speakers"]) >= 2
    finals = finals_of(tmp_path)
    assert len(end["transcript"]) == len(data["bot_data"]["transcripts"]) == len(finals) >= 2
    assert {line["speaker"] for line in end["transcript"]} <= {*end["speakers"], "Unknown"}
    opened: Any = av.open(io.BytesIO(mp4))
    with opened as video:
        assert "mp4" in video.format.name
        seconds = float(video.duration or 0) / 1e6
    assert seconds > SOUND_S

    (heard,) = ears.connections
    assert json.loads(heard[0])["bot_id"] == made["bot_id"]
    assert len(ears.sound) > SOUND_S * 48_000
    names = {change["name"] for text in ears.texts()[1:] for change in text}
    assert names == set(end["speakers"])
