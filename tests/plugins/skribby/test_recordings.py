"""Recordings: a bot's is transcribed once more; files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.plugins.skribby.stage import ask, bot_of, new_bot, play, segment, skribby


async def test_a_bots_recording_is_transcribed_once_more(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        asked = {"meeting_bot_id": row.bot_id, "transcription_model": "deepgram-v3", "lang": "de"}
        early = await ask(fake, "POST", "/recording", json=asked)
        assert (early.status, "not ended" in early.json["message"]) == (400, True)
        play(fake, row)
        words = {"custom_vocabulary": ["meetcore"]}
        made = (await ask(fake, "POST", "/recording", json={**asked, **words})).json
        ((bot_id, request),) = fake.asked_again
        assert bot_id == row.bot_id
        assert (request.transcriber, request.language) == ("deepgram", "de")
        assert tuple(request.vocabulary) == ("meetcore",)
        assert made["status"] == "transcribing"
        assert made["transcription_model_key"] == "deepgram/nova-3-multilingual"
        assert (made["custom_vocabulary"], made["lang"]) == (["meetcore"], "de")
        assert made["transcript"] == []
        at = f"/recording/{made['id']}"
        assert (await ask(fake, "GET", at)).json == made
        twice = await ask(fake, "POST", "/recording", json=asked)
        assert twice.status == 400
        await fake.transcribed(row, [segment("Said once more.").segment])
        done = (await ask(fake, "GET", at)).json
        assert (done["status"], done["detected_lang"]) == ("finished", "en")
        (said,) = done["transcript"]
        assert (said["transcript"], said["speaker"], said["speaker_name"]) == (
            "Said once more.",
            0,
            "John Doe",
        )
        assert done["recording_url"]
        assert [s["transcript"] for s in (await bot_of(fake, row))["transcript"]] == [
            "This contains the spoken text."
        ]
        assert (await ask(fake, "DELETE", at)).status == 400


async def test_a_transcription_that_fails_says_why(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        made = (await ask(fake, "POST", "/recording", json={"meeting_bot_id": row.bot_id})).json
        assert made["transcription_model"] == "deepgram/nova-2-realtime"
        await fake.transcribed(row, error="no credit")
        failed = (await ask(fake, "GET", f"/recording/{made['id']}")).json
        assert (failed["status"], failed["transcript"]) == ("failed", [])
        assert [each["data"] for each in failed["events"]] == [{"message": "no credit"}]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "meeting_bot_id"),
        ({"meeting_bot_id": "nobody"}, 422, "meeting_bot_id"),
        ({"meeting_bot_id": "ours", "custom_vocabulary": [7]}, 422, "custom_vocabulary.0"),
        ({"meeting_bot_id": "ours", "transcription_model": "none"}, 422, "transcription_model"),
        ({"recording_url": "https://example.com/a.mp3"}, 403, None),
    ],
)
async def test_a_recording_that_cannot_be_transcribed_is_refused(
    body: Any, status: int, field: str | None, tmp_path: Path
) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        sent = {**body, "meeting_bot_id": row.bot_id} if "ours" in body.values() else body
        reply = await ask(fake, "POST", "/recording", json=sent)
        assert reply.status == status
        assert field is None or field in reply.json["errors"]
        assert fake.asked_again == []
        assert (await ask(fake, "DELETE", "/recording/x")).status == 404
