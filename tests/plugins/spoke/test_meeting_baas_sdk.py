"""MeetingBaaS' own client, unmodified, drives whole lives against a server with short meetings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.node_packages import installed, run_node
from tests.plugins.server.running import serving
from tests.plugins.server.webhooks.receiver import Got, receiving
from tests.plugins.spoke.stage import codes
from tests.plugins.spoke.test_stream_sink import target

KEY = "operators-key"
NOT_HERE = [404, "NotFound"]


@pytest.fixture(scope="session")
def sdk() -> Path:
    """The folder with the vendor's package."""
    return installed(Path(__file__).parent / "node")


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.long
async def test_the_vendors_client_drives_whole_lives(sdk: Path, tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        target(deadline_s=80.0) as ears,
        serving(
            tmp_path,
            dialects=("spoke",),
            config={"sinks": ["files"]},
            api_key=KEY,
            private_targets=("127.0.0.1",),
        ) as server,
    ):
        told = [f"{server.url}/spoke", KEY, receiver.url(), ears.url]
        seen = await run_node(sdk / "whole_life.mjs", *told, within_s=80)

        def ends() -> int:
            return sum(got.json["event"] in ("complete", "failed") for got in receiver.got)

        await receiver.until(lambda: ends() == 2, within_s=30)
    _check(seen)
    _check_webhooks(receiver.got, seen)
    (heard,) = ears.connections
    assert json.loads(heard[0])["bot_id"] == seen["asked"]["uuid"]
    assert len(ears.sound) > 0


def _check(seen: dict[str, Any]) -> None:
    assert seen["unlike"] == {}
    refused = seen["refused"]
    assert {name: refused.pop(name) for name in seen["elsewhere"]} == dict.fromkeys(
        seen["elsewhere"], NOT_HERE
    )
    assert refused == {
        "wrong key": [401, "InvalidApiKey"],
        "no link": [400, "InvalidMeetingUrl"],
        "the client itself": ["ZodError", ""],
        "limits": [400, "automatic_leave.silence_timeout must be between 300 and 1800."],
        "leave nobody": [404, "BotNotFound"],
        "data of nobody": [404, "BotNotFound"],
        "a second bot": [409, "BotAlreadyExists"],
        "deleted too early": [403, "Forbidden"],
        "transcribe again": [403, "Forbidden"],
        "calendar webhooks": NOT_HERE,
    }
    assert seen["again"] is True
    assert seen["untried"] == []

    assert seen["lines"] == [["Ada", "good morning everyone"], ["Ben", "good morning ada"]]
    assert seen["without"] == []
    assert 2 <= seen["duration"] <= 60
    assert (seen["bot"]["errors"], seen["bot"]["extra"]) == (None, {})
    assert seen["bot"]["speech_to_text_provider"] == "Default"
    for kind, media_type in (("mp4", "video/mp4"), ("audio", "audio/wav")):
        status, told_type, size_bytes = seen["media"][kind]
        assert (status, told_type) == (200, media_type)
        assert size_bytes > 1000

    asked = seen["asked"]
    assert asked["extra"] == {"customer": "a", "n": 1}
    assert (asked["recording_mode"], asked["enter_message"]) == ("audio_only", "Hello")
    assert (asked["deduplication_key"], asked["waiting_room_timeout"]) == ("another", 300)
    assert asked["streaming_audio_frequency"] == "16khz"
    assert asked["errors"] is None

    both, notes, other = ["Other notes", "Notes"], ["Notes"], ["Other notes"]
    assert seen["filtered"] == {
        "all": both,
        "name": other,
        "platform": both,
        "meeting": notes,
        "extra": other,
        "nobodys": [],
        "sorted": both,
        "after": both,
        "before": notes,
        "ended": other,
        "speaker": both,
    }
    assert seen["pages"] == [asked["uuid"], seen["bot"]["uuid"], None]
    assert seen["speakers"] == ["Ada", "Ben"]
    assert seen["screenshots"] == []
    assert seen["deleted"] == ["deleted", "alreadyDeleted"]
    assert seen["nothing"] == ["", "", []]


def _check_webhooks(posts: list[Got], seen: dict[str, Any]) -> None:
    documented = seen["webhooks"]
    assert documented == seen["bot_webhooks"]
    assert documented["header"] == "x-meeting-baas-api-key"
    assert all(post.headers[documented["header"]] == KEY for post in posts)
    kinds = {each["event"]: each for each in documented["events"]}
    assert list(kinds) == ["bot.status_change", "complete", "failed", "transcription_complete"]
    for uuid in (seen["bot"]["uuid"], seen["asked"]["uuid"]):
        bodies = [post.json for post in posts if post.json["data"]["bot_id"] == uuid]
        assert codes(bodies) == [
            "joining_call",
            "in_waiting_room",
            "in_call_not_recording",
            "in_call_recording",
            "call_ended",
        ]
        assert set(codes(bodies)) <= set(kinds["bot.status_change"]["codes"])
        assert [body["event"] for body in bodies if body["event"] in ("complete", "failed")] == [
            "complete"
        ]
        for body in bodies:
            example = kinds[body["event"]]["example"]
            assert body.keys() == example.keys()
            assert body["data"].keys() - {"extra"} == example["data"].keys()
