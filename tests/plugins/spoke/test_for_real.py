"""A bot in a real browser: its video, and what comes from Spoke's streaming input is said."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import httpx2
import numpy as np
import pytest
import trio

from meetcore.log.journal import read_journal
from meetcore.model.events import SpeechFinished, SpeechStarted
from tests.plugins.server.rehearsing import journal_of, rehearsing
from tests.plugins.server.short_script import SOUND_S
from tests.plugins.server.webhooks.receiver import receiving
from tests.plugins.spoke.test_stream_sink import target

KEY = "operators-key"


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.long
async def test_video_is_recorded_and_the_input_is_said(tmp_path: Path) -> None:
    tone = (6_000 * np.sin(np.arange(24_000) * 2 * np.pi * 440 / 24_000)).astype("<i2").tobytes()
    with trio.fail_after(220):
        async with (
            receiving() as receiver,
            target(deadline_s=200.0) as mouth,
            rehearsing(tmp_path, KEY) as url,
            httpx2.AsyncClient(
                base_url=url, headers={"x-spoke-api-key": KEY}, timeout=60, trust_env=False
            ) as client,
        ):
            body = {
                "meeting_url": "https://meet.google.com/abc-defg-hij",
                "bot_name": "Notes",
                "recording_mode": "speaker_view",
                "webhook_url": receiver.url(),
                "streaming": {"input": mouth.url, "audio_frequency": "24khz"},
            }
            made = await client.post("/spoke/bots", json=body)
            assert made.status_code == 200, made.text
            bot_id = made.json()["bot_id"]

            def recording() -> bool:
                return any(b'"in_call_recording"' in got.body for got in receiver.got)

            await receiver.until(recording, within_s=90)
            for at in range(0, len(tone), 4_800):
                await mouth.open[0].send_message(tone[at : at + 4_800])

            def complete() -> list[Any]:
                return [got.json for got in receiver.got if got.json["event"] == "complete"]

            await receiver.until(lambda: bool(complete()), within_s=90)
            mp4 = await client.get(complete()[0]["data"]["mp4"])
            data = (await client.get(f"/spoke/bots/meeting_data?bot_id={bot_id}")).json()
            sound = await client.get(data["audio"])
            events = list(read_journal(journal_of(tmp_path)))
    assert mp4.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(mp4.content)) as file:
        kinds = [each.type for each in file.streams if each.type != "data"]  # its chapters
        assert kinds == ["video", "audio"]
    assert (sound.headers["content-type"], sound.content[:4]) == ("audio/wav", b"RIFF")
    with av.open(io.BytesIO(sound.content)) as file:
        assert sum(f.samples / f.sample_rate for f in file.decode(audio=0)) > SOUND_S
    assert any(isinstance(each, SpeechStarted) for each in events)
    said = [each.duration_s for each in events if isinstance(each, SpeechFinished)]
    assert said == [pytest.approx(1.0, abs=0.1)]
