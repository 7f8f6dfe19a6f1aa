"""Vexa's dialect keeps what every dialect has to keep."""

from __future__ import annotations

import meetcore_vexa.plugin
from meetcore.testing import DialectClient, DialectConformance, DialectTold, DialectVector
from tests.plugins.vexa.life import MEET, PATH, VECTORS


class TestFirstEra(DialectConformance):
    era = "E1"
    plugin = meetcore_vexa.plugin
    key_header = ("x-api-key", "{key}")
    create = ("POST", "/bots", MEET)
    get = "/bots/id/{number}"
    vectors = (
        DialectVector(
            *("a bot", "POST", "/bots", 201),
            {"platform": "zoom", "native_meeting_id": "1234567890"},
            VECTORS["post_bots.response.201"]["example"]["body"],
        ),
        DialectVector(
            *("one too many", "POST", "/bots", 409),
            {"platform": "zoom", "native_meeting_id": "1234567890"},
            VECTORS["post_bots.response.409"]["example"]["body"],
        ),
        DialectVector(
            *("which run", "GET", "/bots/status", 200),
            like=VECTORS["get_bots_status.response"]["example"]["body"],
        ),
        DialectVector(
            "no platform", "POST", "/bots", 422, {}, {"detail": [{"loc": [], "msg": ""}]}
        ),
    )

    async def told(self, client: DialectClient) -> DialectTold:
        transcript = await client.get(f"/transcripts/{PATH}?dialect={self.era}")
        chat = await client.get(f"/bots/{PATH}/chat?dialect={self.era}")
        bot = await client.get(f"/bots/id/{{number}}?dialect={self.era}")
        assert bot["status"] == transcript["status"]
        return DialectTold(
            done=bot["status"] == "completed",
            transcript=[(s["speaker"], s["text"], s["start"]) for s in transcript["segments"]],
            chat=[(each["sender"], each["text"]) for each in chat["messages"]],
        )


class TestThirdEra(TestFirstEra):
    era = "E3"


class TestFourthEra(TestFirstEra):
    era = "E4"
