"""Skribby's dialect keeps what every dialect has to keep."""

from __future__ import annotations

from typing import Any

from meetcore.testing import DialectClient, DialectConformance, DialectTold, DialectVector
from meetcore_skribby import plugin
from tests.plugins.skribby.stage import BY_NAME, create_request


def example(name: str) -> Any:
    return BY_NAME[name]["example"]["body"]


class TestSkribby(DialectConformance):
    plugin = plugin
    key_header = ("authorization", "Bearer {key}")
    create = ("POST", "/bot", create_request(webhook_url="https://hooks.example.org/x"))
    get = "/bot/{bot}"
    vectors = (
        DialectVector(
            *("a bot", "POST", "/api/v1/bot", 201),
            example("post_bot.request.min"),
            example("post_bot.response.201.realtime"),
        ),
        DialectVector("no model", "POST", "/bot", 422, {}, example("post_bot.response.422")),
        DialectVector("no bot", "GET", "/bot/none", 404, like=example("any.response.404")),
        DialectVector(
            "status", "GET", "/bot/{bot}", 200, like=example("get_bot.response.finished")
        ),
    )

    async def told(self, client: DialectClient) -> DialectTold:
        bot: dict[str, Any] = await client.get("/bot/{bot}")
        chat = [each["data"] for each in bot["events"] if each["event"] == "chat_message"]
        ends = [each for each in client.posted if each["data"]["new_status"] == bot["status"]]
        assert len(ends) == 1
        return DialectTold(
            done=bot["status"] == "finished",
            transcript=[
                (s["speaker_name"], s["transcript"], s["start"]) for s in bot["transcript"]
            ],
            people={person["name"] for person in bot["participants"]},
            chat=[(each["username"], each["content"]) for each in chat],
        )
