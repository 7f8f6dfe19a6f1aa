"""Spoke's dialect keeps what every dialect has to keep."""

from __future__ import annotations

from typing import Any

from meetcore.testing import DialectClient, DialectConformance, DialectTold, DialectVector
from meetcore_spoke import plugin
from tests.plugins.spoke.stage import VECTORS, create_request

EXAMPLES: dict[str, Any] = {each["name"]: each["example"] for each in VECTORS}


class TestSpoke(DialectConformance):
    plugin = plugin
    key_header = ("x-meeting-baas-api-key", "{key}")
    create = (
        *("POST", "/bots"),
        create_request(speech_to_text="Default", webhook_url="https://hooks.example.org/x"),
    )
    get = "/bots/meeting_data?bot_id={bot}"
    vectors = (
        DialectVector(
            *("a bot", "POST", "/bots", 200),
            {**EXAMPLES["bots.post.request.seed_era"]["body"], "deduplication_key": "another"},
            EXAMPLES["bots.post.response"]["body"],
        ),
        DialectVector(
            "leave", "DELETE", "/bots/{bot}", 200, like=EXAMPLES["bots.delete.response"]["body"]
        ),
        DialectVector("no name", "POST", "/bots", 400, {}, {"error": "", "message": ""}),
    )

    async def told(self, client: DialectClient) -> DialectTold:
        data = await client.get("/bots/meeting_data?bot_id={bot}")
        lines = data["bot_data"]["transcripts"]
        (end,) = [each for each in client.posted if each["event"] in ("complete", "failed")]
        transcript = [
            (line["speaker"], " ".join(word["text"] for word in line["words"]), line["start_time"])
            for line in lines
        ]
        if end["event"] == "complete":
            sent = end["data"]["transcript"]
            assert [
                (line["speaker"], " ".join(w["word"] for w in line["words"])) for line in sent
            ] == [(who, text) for who, text, _ in transcript]
        assert (data["bot_data"]["bot"]["errors"] is None) == (end["event"] == "complete")
        return DialectTold(done=end["event"] == "complete", transcript=transcript)
