"""MeetStream's dialect keeps what every dialect has to keep, in both of its variants."""

from __future__ import annotations

from typing import Any

from meetcore.testing import DialectClient, DialectConformance, DialectTold, DialectVector
from meetcore_meetstream import plugin
from tests.plugins.meetstream.stage import VECTORS, create_request

EXAMPLES: dict[tuple[str, str], Any] = {
    (each["system"].partition("/")[2], each["name"]): each["example"] for each in VECTORS
}


class TestCurrent(DialectConformance):
    plugin = plugin
    key_header = ("authorization", "Token {key}")
    create = (
        *("POST", "/api/v1/bots/create_bot?dialect=current"),
        create_request(
            callback_url="https://hooks.example.org/x",
            recording_config={"transcript": {"provider": {"deepgram": {"model": "nova-3"}}}},
        ),
    )
    get = "/api/v1/bots/{bot}/detail"
    vectors = (
        DialectVector(
            *("a bot", "POST", "/api/v1/bots/create_bot", 201),
            EXAMPLES["current", "create_bot.request"]["body"],
            EXAMPLES["current", "create_bot.response.201"]["body"],
        ),
        DialectVector(
            *("status", "GET", "/api/v1/bots/{bot}/status", 200),
            like=EXAMPLES["current", "status.response"]["body"],
        ),
        DialectVector(
            *("leave", "GET", "/api/v1/bots/{bot}/remove_bot", 200),
            like=EXAMPLES["current", "remove_bot.response"]["body"],
        ),
        DialectVector("no link", "POST", "/bots/create_bot", 400, {}, {"message": ""}),
    )

    def stopped_well(self, client: DialectClient) -> bool:
        (stopped,) = [each for each in client.posted if each.get("event") == "bot.stopped"]
        return bool(stopped["status_code"] == 200)

    async def told(self, client: DialectClient) -> DialectTold:
        reply = await client.call("GET", "/v1/transcript/{bot}/get_transcript")
        lines = await client.get("/v1/transcript/{bot}/get_transcript")
        people = await client.get("/v1/bots/{bot}/get_participants")
        chat = await client.get("/v1/bots/{bot}/get_chats")
        assert reply.status == 200
        return DialectTold(
            done=self.stopped_well(client),
            transcript=[
                (line["speaker"], line["transcript"], line["start_time"]) for line in lines
            ],
            people={person["fullName"] for person in people},
            chat=[(each["speakerName"], each["text"]) for each in chat["chatMessages"]],
        )


class TestLegacy(TestCurrent):
    create = (
        *("POST", "/legacy/api/v1/bots/create_bot"),
        create_request(callback_url="https://hooks.example.org/x"),
    )
    vectors = TestCurrent.vectors[1:]

    def stopped_well(self, client: DialectClient) -> bool:
        """The first API says 500 of every end; what came of it is in the audio's callback."""
        stopped = [each for each in client.posted if each.get("bot_status") == "Stopped"]
        assert len(stopped) == 1
        return client.fake.row(client.row.bot_id).in_call_at is not None
