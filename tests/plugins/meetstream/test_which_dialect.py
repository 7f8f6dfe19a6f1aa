"""Which of the two dialects a bot is told about in, and what they have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore import build_options
from meetcore.model.errors import ConfigError
from meetcore.model.lifecycle import State
from meetcore_meetstream.options import WHERE, MeetstreamOptions
from tests.plugins.meetstream.stage import HEADERS, LINK, ask, create_request, meetstream


async def test_the_dialect_is_the_servers_then_the_users_then_the_requests(tmp_path: Path) -> None:
    async def first_event(path: str, base: str = "/api/v1") -> str:
        before = len(fake.posted)
        reply = await fake.call("POST", base + path, headers=HEADERS, json=create_request())
        assert reply.status == 201
        fake.go(fake.only, State.JOINING)
        await fake.settled()
        (posted,) = fake.posted[before:]
        return "current" if "bot_event" in posted.json else "legacy"

    async with meetstream(tmp_path) as fake:
        assert await first_event("/bots/create_bot") == "current"
        reply = await ask(fake, "PUT", "/user/settings", json={"dialect": "legacy"})
        assert reply.json["dialect"] == "legacy"
        assert await first_event("/bots/create_bot") == "legacy"
        assert await first_event("/bots/create_bot", "/legacy/api/v1") == "legacy"
        assert await first_event("/bots/create_bot?dialect=current", "/legacy") == "current"
        assert await first_event("/bots/create_bot?dialect=legacy") == "legacy"
        reply = await ask(fake, "POST", "/bots/create_bot?dialect=x", json=create_request())
        assert reply.status == 400
        reply = await ask(fake, "PUT", "/user/settings", json={"dialect": None})
        assert (await ask(fake, "GET", "/user/settings")).json == reply.json == {
            "dialect": "current", "audio_format": "binary", "webhook_signed": False,
        }  # fmt: skip


@pytest.mark.parametrize("table", [{"dialect": "klingon"}, {"audio_format": "mp3"}, {"x": 1}])
def test_an_option_that_cannot_be_used_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        build_options(MeetstreamOptions, table, WHERE)


@pytest.mark.parametrize("body", [{}, [], None, {"x": 1}, {"dialect": 7}, {"audio_format": []},
                                  {"webhook_secret": 7}], ids=str)  # fmt: skip
async def test_settings_that_cannot_be_used_are_refused(body: Any, tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        assert (await ask(fake, "PUT", "/user/settings", json=body)).status == 400


@pytest.mark.parametrize("dialect", ["legacy", "current"])
async def test_a_bot_needs_no_name_of_its_own(dialect: str, tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect=dialect) as fake:
        reply = await ask(fake, "POST", "/bots/create_bot", json={"meeting_link": LINK})
        assert reply.status == 201
        assert (await fake.order(fake.only)).name is None


@pytest.mark.parametrize("provider", [None, "meetstream", "meetstream_streaming"])
async def test_the_first_api_tells_the_transcripts_id_at_once(
    provider: str | None, tmp_path: Path
) -> None:
    chosen: dict[str, Any] = {provider: {}} if provider else {}
    recording = {"transcript": {"provider": chosen}}
    async with meetstream(tmp_path, dialect="legacy") as fake:
        body = {"meeting_link": LINK, "recording_config": recording}
        reply = await ask(fake, "POST", "/bots/create_bot", json=body)
        assert reply.json == {
            "bot_id": fake.only.bot_id,
            "transcript_id": fake.only.bot_id,
            "meeting_url": LINK,
            "status": "Active",
        }
        path = f"/transcript/{reply.json['transcript_id']}/get_transcript"
        assert (await ask(fake, "GET", path)).status == 202
