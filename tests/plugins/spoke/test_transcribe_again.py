"""`POST /bots/retranscribe`: a recording is transcribed once more, in Spoke's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.plugins.spoke.stage import HOOK, THE_SEEDS_LINES, ask, new_bot, play, served, spoke

ELSEWHERE = "https://elsewhere.test/hook"


async def test_the_newest_transcript_is_what_meeting_data_has(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, speech_to_text="Default")
        play(fake, row)

        async def speakers() -> list[str]:
            query = f"/bots/meeting_data?bot_id={row.bot_id}"
            found = (await ask(fake, "GET", query)).json
            return [line["speaker"] for line in found["bot_data"]["transcripts"]]

        assert await speakers() == ["Alice", "Bob"]
        body = {"bot_uuid": row.bot_id, "speech_to_text": {"provider": "Gladia"}}
        reply = await ask(fake, "POST", "/bots/retranscribe", json=body)
        assert reply.status == 202
        assert fake.asked_again[0][1].transcriber == "gladia"
        assert await speakers() == ["Alice", "Bob"]
        await fake.transcribed(row, [THE_SEEDS_LINES[1].segment])
        assert await speakers() == ["Bob"]
        await ask(fake, "POST", "/bots/retranscribe", json={"bot_uuid": row.bot_id})
        assert fake.asked_again[1][1].transcriber == "default"
        await fake.transcribed(row, error="it has had enough")
        assert await speakers() == ["Bob"]


@pytest.mark.parametrize("webhook_url", [None, ELSEWHERE])
async def test_the_address_of_the_request_or_the_bots_is_told(
    tmp_path: Path, webhook_url: str | None
) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        await served(fake)
        fake.posted.clear()
        body = {"bot_uuid": row.bot_id, "webhook_url": webhook_url}
        assert (await ask(fake, "POST", "/bots/retranscribe", json=body)).status == 202
        await fake.transcribed(row)
        (posted,) = fake.posted
        assert (posted.url, posted.kind) == (webhook_url or HOOK, "transcription_complete")
        fake.posted.clear()
        await ask(fake, "POST", "/bots/retranscribe", json=body)
        await fake.transcribed(row, error="it has had enough")
        assert fake.posted == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"bot_uuid": 5}, 400),
        ({"bot_uuid": "x"}, 404),
        ({"bot_uuid": "ID", "speech_to_text": "Runpod"}, 400),
        ({"bot_uuid": "ID", "webhook_url": "nonsense"}, 400),
        ({"bot_uuid": "ID"}, 403),
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused(tmp_path: Path, body: Any, status: int) -> None:
    """The last has nothing wrong with it, but its bot has not ended."""
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        fake.providers = {"gladia"}
        body = {name: row.bot_id if value == "ID" else value for name, value in body.items()}
        reply = await ask(fake, "POST", "/bots/retranscribe", json=body)
        assert reply.status == status
        assert isinstance(reply.json["error"], str)
