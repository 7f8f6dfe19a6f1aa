"""A bot in a real browser says and shows what Vexa's calls ask for, and records its video."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from meetcore.gateway import plain_picture
from meetcore.log.journal import read_journal
from meetcore.model.events import (
    CommandAnswered,
    PluginEvent,
    SpeechFinished,
    SpeechInterrupted,
    SpeechStarted,
)
from tests.plugins.files.test_sound_job import encoded
from tests.plugins.server.rehearsing import journal_of, rehearsing
from tests.plugins.webhook.test_fetching import answer, web

KEY = "operators-key"
PATH = "/vexa/bots/google_meet/abc-defg-hij"


async def _until(client: httpx2.AsyncClient, *statuses: str) -> dict[str, Any]:
    while True:
        found = (await client.get("/vexa/meetings?dialect=E3")).json()["meetings"]
        if found and found[0]["status"] in statuses:
            meeting: dict[str, Any] = found[0]
            return meeting
        await trio.sleep(0.1)


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.long
async def test_what_is_asked_for_is_really_said_shown_and_recorded(tmp_path: Path) -> None:
    config = tmp_path / "meetcore.toml"
    config.write_text('synthesizer = "flite"\n')
    order = {"platform": "google_meet", "native_meeting_id": "abc-defg-hij", "video": True}
    with trio.fail_after(220):
        async with (
            web() as site,
            # All of it is asked before the meeting ends, on a busy machine, too.
            rehearsing(tmp_path, KEY, "--config", str(config), ends_s=35.0) as url,
            httpx2.AsyncClient(
                base_url=url, headers={"x-api-key": KEY}, timeout=60, trust_env=False
            ) as client,
        ):
            site.pages["/a.png"] = answer(plain_picture().image)
            site.pages["/hello.mp3"] = answer(encoded("mp3", "libmp3lame"))
            body = {**order, "default_avatar_url": site.at("/a.png")}
            made = await client.post("/vexa/bots?dialect=E3", json=body)
            assert made.status_code == 201, made.text
            await _until(client, "active")
            opus = base64.b64encode(encoded("ogg", "libopus", rate_hz=48_000)).decode()
            for method, act, sent in (
                ("PUT", "avatar", {"url": site.at("/a.png")}),
                ("POST", "speak", {"text": "Hello from the bot"}),
                ("POST", "speak", {"audio_url": site.at("/hello.mp3")}),
                ("POST", "speak", {"audio_base64": opus, "format": "opus"}),
                ("POST", "screen", {"type": "image", "url": site.at("/a.png")}),
                ("DELETE", "screen", None),
                ("DELETE", "avatar", None),
            ):
                done = await client.request(method, f"{PATH}/{act}", json=sent)
                assert done.status_code == 202, (act, done.text)
            meeting = await _until(client, "completed", "failed")
            assert meeting["status"] == "completed"
            recording = (await client.get(f"/vexa/recordings/{meeting['id']}")).json()
            (video,) = [each for each in recording["media_files"] if each["type"] == "video"]
            raw = f"/vexa/recordings/{meeting['id']}/media/{video['id']}/raw"
            seen = await client.get(raw)
            assert (seen.content[4:8], len(seen.content) > 10_000) == (b"ftyp", True)
            events = list(read_journal(journal_of(tmp_path)))
    started = [each for each in events if isinstance(each, SpeechStarted)]
    over = [each for each in events if isinstance(each, SpeechFinished | SpeechInterrupted)]
    assert started[0].text == "Hello from the bot"
    assert len(over) == 3
    shown = [each for each in events if isinstance(each, CommandAnswered)]
    pictures = [each for each in shown if each.command == "show_image"]
    assert [each.error for each in pictures] == [None] * 3  # the order's own among them
    shared = [each for each in shown if each.command in ("share_image", "stop_sharing")]
    assert [each.error for each in shared] == [None] * 2
    told = [each.name for each in events if isinstance(each, PluginEvent)]
    assert "shown" in told
