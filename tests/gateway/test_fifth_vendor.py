"""A fifth vendor costs tables: it keeps what every dialect keeps, and a real server mounts it."""

from __future__ import annotations

import json
from pathlib import Path

from meetcore.gateway import hmac_sha256
from meetcore.testing import DialectClient, DialectConformance, DialectTold, DialectVector
from tests.gateway import fifth_vendor
from tests.plugins.server.running import SHORT, http, serving
from tests.plugins.server.webhooks.receiver import Receiver, receiving

LONGEST = 250
LINK = "https://meet.google.com/abc-defg-hij"
HOOK = "https://hooks.example.org/x"
BOT = {"id": "", "status": "", "why": None, "made": ""}


class TestAcme(DialectConformance):
    plugin = fifth_vendor
    key_header = ("authorization", "Acme {key}")
    create = ("POST", "/bots", {"url": LINK, "hook": HOOK})
    get = "/bots/{bot}/transcript"
    vectors = (
        DialectVector("a bot", "POST", "/bots", 201, {"url": LINK, "engine": "deepgram"}, BOT),
        DialectVector("which bot", "GET", "/bots/{bot}", 200, like={**BOT, "people": [""]}),
        DialectVector("no link", "POST", "/bots", 400, {"url": 5}, {"problem": {"text": ""}}),
        DialectVector("too long", "POST", "/bots", 400, {"url": LINK, "minutes": {"quiet": 99}}),
        DialectVector("another path", "GET", "/robots", 404, like={"problem": {"kind": ""}}),
    )

    async def told(self, client: DialectClient) -> DialectTold:
        bot = await client.get("/bots/{bot}")
        said = await client.get("/bots/{bot}/transcript")
        posted = [each["status"] for each in client.posted]
        assert posted.count(bot["status"]) == 1
        return DialectTold(
            done=bot["status"] == "done",
            transcript=[(line["by"], line["text"], line["at"]) for line in said["lines"]],
            people=set(bot["people"]),
        )


def statuses(receiver: Receiver) -> list[str]:
    """The statuses that were POSTed."""
    return [json.loads(got.body)["status"] for got in receiver.got]


def test_a_fifth_vendor_is_short() -> None:
    lines = Path(fifth_vendor.__file__).read_text("utf-8").splitlines()
    assert len(lines) <= LONGEST


async def test_a_real_server_answers_create_get_transcript_and_posts(tmp_path: Path) -> None:
    files = (Path(fifth_vendor.__file__),)
    async with (
        receiving() as receiver,
        serving(tmp_path, plugin_files=files, private_targets=("*",)) as server,
        http(server) as client,
    ):
        made = await client.post("/acme/bots", json={"url": SHORT, "hook": receiver.url()})
        assert made.status_code == 201, made.text
        path = f"/acme/bots/{made.json()['id']}"
        await receiver.until(lambda: statuses(receiver)[-1:] == ["done"])
        bot = (await client.get(path)).json()
        assert bot["status"] == "done"
        lines = (await client.get(f"{path}/transcript")).json()["lines"]
        assert lines
        assert {line["by"] for line in lines} <= set(bot["people"])
        told = statuses(receiver)
        assert told[0] == "starting"
        assert "live" in told
        for got in receiver.got:
            assert got.headers["acme-signature"] == hmac_sha256("acme", got.body)
        assert (await client.get("/acme/bots/none")).json()["problem"]["kind"] == "bot"
