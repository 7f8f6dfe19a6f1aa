"""A bot's whole life through a real server, as a client of MeetStream's sees it from outside."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from meetcore_server.assembly import Server
from tests.plugins.server.running import SHORT, STAY, serving
from tests.plugins.server.webhooks.receiver import Receiver, receiving, status

LEGACY = ["joining", "InMeeting", "Stopped", "audio_status", "transcript_status", "data_deletion"]
CURRENT = [
    "bot.joining", "bot.in_waiting_room", "bot.inmeeting", "bot.recording", "bot.leaving",
    "bot.stopped", "audio.processed", "manifest.completed", "transcription.processed", "bot.done",
    "data_deletion",
]  # fmt: skip
ALL = ["participant_events.join", "participant_events.leave"]


@asynccontextmanager
async def client_of(server: Server, key: str) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"authorization": f"Token {key}"}
    url = f"{server.url}/meetstream/api/v1"
    async with httpx2.AsyncClient(
        base_url=url, headers=headers, timeout=30, trust_env=False
    ) as client:
        yield client


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[tuple[Any, Receiver]]:
    async with (
        receiving() as receiver,
        serving(
            folder,
            dialects=("meetstream",),
            config={"sinks": ["files"]},
            private_targets=("*",),
            api_key="the-key",
        ) as server,
        client_of(server, "the-key") as client,
    ):
        yield client, receiver


def order(receiver: Receiver, **changes: Any) -> dict[str, Any]:
    endpoint = {"type": "webhook", "url": receiver.url("/people"), "events": ALL}
    return {
        "meeting_link": SHORT,
        "bot_name": "Notes",
        "callback_url": receiver.url("/callback"),
        "custom_attributes": {"tenant": "a"},
        "live_transcription_required": {"webhook_url": receiver.url("/live")},
        "recording_config": {
            "transcript": {"provider": {"meetstream_streaming": {}}},
            "realtime_endpoints": [endpoint],
        },
        **changes,
    }


def named(body: dict[str, Any], dialect: str) -> str:
    """The callback's name; `legacy` goes by words of its own and carries `event` beside them."""
    words = [body.get("bot_status"), *(name for name in body if name.endswith("_status"))]
    if dialect == "legacy" and (word := next((each for each in words if each), None)):
        return str(word)
    return str(body["event"])


def names(receiver: Receiver, dialect: str) -> list[str]:
    return [named(json.loads(got.body), dialect) for got in receiver.at("/callback")]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("dialect", "expected"), [("legacy", LEGACY), ("current", CURRENT)])
async def test_a_life_from_create_bot_to_data_deletion(
    dialect: str, expected: list[str], tmp_path: Path
) -> None:
    async with stage(tmp_path) as (client, receiver):
        await client.put("/user/settings", json={"dialect": dialect})
        receiver.answers["/callback"] = [status(200)]
        made = await client.post("/bots/create_bot", json=order(receiver))
        assert made.status_code == 201, made.text
        bot_id = made.json()["bot_id"]
        path = f"/bots/{bot_id}"
        last = expected[-2]
        await receiver.until(lambda: last in names(receiver, dialect), within_s=60)

        audio = await client.get(f"{path}/get_audio")
        sound = await client.get(audio.json()["audio_url"], headers={"authorization": ""})
        assert (sound.status_code, sound.content[:4]) == (200, b"OggS")
        lines = (await client.get(f"/transcript/{bot_id}/get_transcript")).json()
        assert {line["speaker"] for line in lines} == {"Ada", "Ben"}
        people = (await client.get(f"{path}/get_participants")).json()
        assert {person["displayName"] for person in people} == {"Ada", "Ben"}
        chats = (await client.get(f"{path}/get_chats")).json()
        assert [line["text"] for line in chats["chatMessages"]] == ["hello"]
        detail = (await client.get(f"{path}/detail")).json()["bot_details"]
        assert detail["AudioStatus"] == detail["TranscriptStatus"] == "Success"
        assert detail["RequestPayload"]["meeting_link"] == SHORT

        await receiver.until_got(len(lines), "/live", within_s=20)
        live = [json.loads(got.body)["transcript"] for got in receiver.at("/live")]
        assert live == [line["transcript"] for line in lines]
        joins = [json.loads(got.body) for got in receiver.at("/people")]
        assert {b["data"]["data"]["participant"]["name"] for b in joins} == {"Ada", "Ben"}
        assert all(body["custom_attributes"] == {"tenant": "a"} for body in joins)

        gone = (await client.request("DELETE", f"{path}/delete")).json()
        await receiver.until(lambda: "data_deletion" in names(receiver, dialect), within_s=20)
        told = [json.loads(got.body) for got in receiver.at("/callback")]
        assert told[-1]["deleted_objects"] == gone["deleted_objects"] > 0
        assert all(body["bot_id"] == bot_id for body in told)
        if dialect == "legacy":
            assert [body["status_code"] for body in told] == [102, 200, 500, 200, 200, 200]
        assert (await client.get(f"{path}/get_audio")).status_code == 404
        assert sorted(names(receiver, dialect)) == sorted(expected)
        assert [n for n in names(receiver, dialect) if n not in CURRENT[6:8]] == [
            name for name in expected if name not in CURRENT[6:8]
        ]


@pytest.mark.timeout(120)
async def test_retention_deletes_when_its_time_comes(tmp_path: Path) -> None:
    async with stage(tmp_path) as (client, receiver):
        dialect = "legacy"
        await client.put("/user/settings", json={"dialect": dialect})
        config = {"retention": {"type": "timed", "hours": 1 / 3600}}
        body = order(receiver, recording_config=config)
        bot_id = (await client.post("/bots/create_bot", json=body)).json()["bot_id"]
        await receiver.until(lambda: "data_deletion" in names(receiver, dialect), within_s=90)
        told = json.loads(receiver.at("/callback")[-1].body)
        assert (told["status"], told["status_code"]) == ("success", 200)
        answer = await client.get(f"/bots/{bot_id}/get_transcript")
        assert answer.status_code == 404
        assert not any((tmp_path / "bots" / bot_id).rglob("*.opus"))


@pytest.mark.timeout(120)
async def test_a_bot_is_removed_its_replays_are_507_and_its_chat_is_sent(tmp_path: Path) -> None:
    async with stage(tmp_path) as (client, receiver):
        dialect = "legacy"
        await client.put("/user/settings", json={"dialect": dialect})
        body = order(receiver, meeting_link=STAY)
        headers = {"idempotency-key": "once"}
        made = await client.post("/bots/create_bot", json=body, headers=headers)
        again = await client.post("/bots/create_bot", json=body, headers=headers)
        assert (made.status_code, again.status_code) == (201, 507)
        assert again.json() == made.json()
        path = f"/bots/{made.json()['bot_id']}"
        await receiver.until(lambda: "InMeeting" in names(receiver, dialect), within_s=30)
        await receiver.until_got(1, "/live", within_s=30)
        sent = await client.post(f"{path}/send_message", json={"message": "hi all"})
        assert sent.status_code == 200, sent.text
        paused = await client.post(f"{path}/pause_recording")
        assert paused.json()["command"] == "pause_recording"
        assert (await client.post(f"{path}/resume_recording")).status_code == 200
        image = {"img_url": "https://example.com/a.png"}
        assert (await client.post(f"{path}/send_image", json=image)).status_code == 400
        assert (await client.get(f"{path}/get_transcript")).status_code == 202
        assert (await client.get(f"{path}/remove_bot")).status_code == 200
        await receiver.until(lambda: "transcript_status" in names(receiver, dialect), within_s=60)
        chats = (await client.get(f"{path}/get_chats")).json()["chatMessages"]
        assert "hi all" in [line["text"] for line in chats]


@pytest.mark.timeout(120)
async def test_a_wrong_door_is_shut(tmp_path: Path) -> None:
    async with stage(tmp_path) as (client, receiver):
        body = order(receiver)
        wrong = {"authorization": "Token nobody"}
        answer = await client.post("/bots/create_bot", json=body, headers=wrong)
        assert answer.status_code == 403
        none = await client.post("/bots/create_bot", json=body, headers={"authorization": ""})
        assert none.status_code == 401
        bad = await client.post("/bots/create_bot", content=b"{")
        assert (bad.status_code, list(bad.json())) == (400, ["message"])
        await trio.lowlevel.checkpoint()
        assert receiver.got == []
