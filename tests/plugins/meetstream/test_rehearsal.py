"""The sockets a bot dials from a rehearsing server, as the servers of a user see them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import httpx2
import pytest

from meetcore.gateway import plain_picture
from tests.plugins.meetstream.stage import eventually
from tests.plugins.meetstream.test_video_sink import Viewer
from tests.plugins.meetstream.users_server import target
from tests.plugins.server.rehearsing import (
    journal_of,
    rehearsing,
    was_in_the_call_to_its_end,
)
from tests.plugins.server.short_script import SOUND_S
from tests.plugins.server.webhooks.receiver import receiving
from tests.plugins.websocket.users_server import serving

KEY = "the-clients-own-key"


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Hold a rehearsing server; gives a client of it."""
    headers = {"authorization": f"Token {KEY}"}
    async with (
        rehearsing(folder, KEY) as url,
        httpx2.AsyncClient(
            base_url=f"{url}/meetstream/api/v1", headers=headers, timeout=30, trust_env=False
        ) as client,
    ):
        yield client


@pytest.mark.browser
@pytest.mark.timeout(200)
@pytest.mark.long
async def test_all_four_sockets_are_dialled_and_closed_with_1000(tmp_path: Path) -> None:
    hello = json.dumps({"command": "sendmsg", "message": "hi all", "msg": "hi all"})
    speak = json.dumps({"command": "sendaudio", "audiochunk": "AAABAP///38="})
    grey = base64.b64encode(plain_picture().image).decode()
    show = json.dumps({"command": "sendimg", "img": grey})
    async with (
        receiving() as receiver,
        target(deadline_s=180.0, says=["not json", speak, hello, show]) as control,
        target(deadline_s=180.0) as ears,
        target(deadline_s=180.0, greeted=False) as reader,
        serving(Viewer(), deadline_s=180.0) as viewer,
        served(tmp_path) as client,
    ):
        body = {
            "meeting_link": "https://meet.google.com/abc-defg-hij",
            "bot_name": "Notes",
            "callback_url": receiver.url(),
            "socket_connection_url": control.url,
            "live_audio_required": {"websocket_url": ears.url},
            "live_video_required": {"websocket_url": viewer.url},
            "video_required": True,
            "live_transcription_required": {"websocket_url": reader.url},
            "recording_config": {"transcript": {"provider": {"deepgram_streaming": {}}}},
        }
        made = await client.post("/bots/create_bot?dialect=current", json=body)
        assert made.status_code == 201, made.text
        assert "played by" in made.headers["x-meetcore-note"]
        bot_id = made.json()["bot_id"]

        def done() -> bool:
            return any(b'"bot.done"' in got.body for got in receiver.got)

        await receiver.until(done, within_s=150)
        journal = journal_of(tmp_path).read_text("utf-8")
        assert was_in_the_call_to_its_end(tmp_path), journal
        await eventually(lambda: control.codes and ears.codes and reader.codes and viewer.codes)
        video = (await client.get(f"/bots/{bot_id}/get_video")).json()
        seen = await client.get(video["video_url"])
        assert (seen.headers["content-type"], seen.content[4:8]) == ("video/mp4", b"ftyp")
        assert video["video_info"]["duration"] > SOUND_S
        lines = (await client.get(f"/transcript/{bot_id}/get_transcript")).json()
        chats = (await client.get(f"/bots/{bot_id}/get_chats")).json()["chatMessages"]

    assert (control.codes, ears.codes, reader.codes) == ([1000], [1000], [1000])
    assert control.texts()[0] == {
        "type": "ready", "bot_id": bot_id, "message": "Ready to receive messages",
    }  # fmt: skip
    usermsgs = [message["message"] for message in control.texts()[1:]]
    texts = [line["text"] for line in chats]
    assert "hi all" in texts, journal
    assert set(usermsgs) == set(texts) - {"hi all"}
    assert len(ears.sound) > SOUND_S * 96_000
    assert {f.speaker_name for f in ears.frames()} >= {line["speaker"] for line in lines}
    finals = [m["transcript"] for m in reader.texts() if m["end_of_turn"]]
    assert sorted(finals) == sorted(line["transcript"] for line in lines)
    assert viewer.codes == [1000]
    assert [len(viewer.told(f"video_stream_{each}")) for each in ("start", "end")] == [1, 1]
    with av.open(io.BytesIO(viewer.stream())) as stream:
        played_s = sum(f.samples / f.sample_rate for f in stream.decode(audio=0))
        assert played_s > SOUND_S
    told = [json.loads(got.body) for got in receiver.got]
    assert "video.processed" in {each["event"] for each in told}
    assert journal.count('"speech.started"') == 1, "what was sent as sound is said"
    assert '"command_refused"' not in journal
