"""`POST /bots/{id}/transcribe`: a recording is transcribed once more, in MeetStream's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore.gateway.records import BotRow
from meetcore.testing.fake_service import FakeService
from tests.plugins.meetstream.stage import HOOK, REPLY, ask, meetstream, new_bot, play

CALLBACK = "https://your-server.com/webhook"
DEEPGRAM = {"deepgram": {"model": "nova-3", "language": "en"}}


async def transcribe(fake: FakeService, row: BotRow, **body: Any) -> Any:
    body = {"provider": DEEPGRAM, **body}
    reply = await ask(fake, "POST", f"/bots/{row.bot_id}/transcribe", json=body)
    assert reply.status == 200, reply.json
    return reply.json


async def listed(fake: FakeService, row: BotRow) -> list[Any]:
    reply = await ask(fake, "GET", f"/bots/{row.bot_id}/transcriptions")
    assert reply.status == 200
    made: list[Any] = reply.json["transcriptions"]
    return made


async def test_it_has_an_id_a_state_and_lines_of_its_own(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        made = await transcribe(fake, row)
        found = f"/transcript/{made['transcript_id']}/get_transcript"
        assert (await ask(fake, "GET", found)).status == 202
        live, waiting = await listed(fake, row)
        assert (live["transcript_id"], live["status"]) == (row.bot_id, "Success")
        assert waiting["transcript_id"] == made["transcript_id"] != row.bot_id
        assert (waiting["status"], waiting["download_urls"]) == ("Processing", None)
        assert (waiting["provider"], waiting["config"]) == ("deepgram", DEEPGRAM["deepgram"])
        await fake.transcribed(row, [REPLY.segment])
        done = (await listed(fake, row))[1]
        assert done["status"] == "Success"
        assert done["download_urls"]["transcript"].endswith(found)
        assert [line["speaker"] for line in (await ask(fake, "GET", found)).json] == ["Bob"]
        raw = (await ask(fake, "GET", f"{found}?raw=true")).json
        assert (raw["transcript_id"], raw["provider"]) == (made["transcript_id"], "deepgram")
        old = await ask(fake, "GET", f"/transcript/{row.bot_id}/get_transcript")
        assert len(old.json) == 2
        for number in ("1", "7", "x"):
            unknown = f"/transcript/{row.bot_id}_{number}/get_transcript"
            assert (await ask(fake, "GET", unknown)).status == 404


@pytest.mark.parametrize("dialect", ["legacy", "current"])
async def test_only_the_callback_of_the_request_is_told(tmp_path: Path, dialect: str) -> None:
    async with meetstream(tmp_path, dialect=dialect) as fake:
        row = await new_bot(fake)
        play(fake, row)
        await fake.settled()
        fake.posted.clear()
        await transcribe(fake, row, callback_url=CALLBACK)
        await fake.transcribed(row, [REPLY.segment])
        (posted,) = fake.posted
        assert posted.url == CALLBACK
        assert posted.json["transcript_status"] == "Success"
        assert "custom_attributes" not in posted.json
        fake.posted.clear()
        await fake.delete_data(row)
        assert {each.url for each in fake.posted} == {HOOK}


async def test_without_a_callback_the_bots_own_is_told_also_of_a_failure(tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        row = await new_bot(fake)
        play(fake, row)
        await fake.settled()
        fake.posted.clear()
        made = await transcribe(fake, row)
        await fake.transcribed(row, error="it has had enough")
        (posted,) = fake.posted
        assert (posted.url, posted.kind) == (HOOK, "transcription.failed")
        assert posted.json["message"] == "Transcript processing error: it has had enough"
        assert posted.json["status_code"] == 500
        assert (await listed(fake, row))[1]["status"] == "Failed"
        found = await ask(fake, "GET", f"/transcript/{made['transcript_id']}/get_transcript")
        assert found.status == 404
        assert "it has had enough" in found.json["message"]


async def test_a_bot_without_a_live_transcript_has_the_one_of_its_recording(
    tmp_path: Path,
) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        row = await new_bot(fake, recording_config={})
        play(fake, row)
        path = f"/bots/{row.bot_id}/get_transcript"
        assert (await ask(fake, "GET", path)).status == 404
        await transcribe(fake, row)
        assert (await ask(fake, "GET", path)).status == 404
        await fake.transcribed(row, [REPLY.segment])
        assert [line["speaker"] for line in (await ask(fake, "GET", path)).json] == ["Bob"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"provider": {"deepgram": {}, "assemblyai": {}}}, 400),
        ({"provider": {"sarvam": {}}}, 400),
        ({"provider": DEEPGRAM, "callback_url": "ftp://x.test/"}, 400),
        ({"provider": DEEPGRAM, "callback_url": "http://x.test/"}, 400),
        ({"provider": DEEPGRAM}, 404),
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused(tmp_path: Path, body: Any, status: int) -> None:
    """The last has nothing wrong with it, but its bot recorded nothing."""
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row, media=False)
        fake.providers = {"deepgram", "assemblyai"}
        reply = await ask(fake, "POST", f"/bots/{row.bot_id}/transcribe", json=body)
        assert (reply.status, list(reply.json)) == (status, ["message"])
        assert fake.asked_again == []
