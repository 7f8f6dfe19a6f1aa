"""Names of which nothing can be seen, and links as people send them, in every dialect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import meetcore_meetstream.plugin
import meetcore_skribby.plugin
import meetcore_spoke.plugin
import meetcore_vexa.plugin
from meetcore.model.config import BotConfig
from meetcore.model.errors import ConfigError
from meetcore.testing.fake_service import open_fake_service
from meetcore_server.native.bots import order_of
from meetcore_server.native.models import NewBot

LINK = "https://meet.google.com/abc-defg-hij"
BLANK = ["   ", "\t", "\u200b", "\u200d \u2060", "\u3164"]
ORDERS: dict[str, tuple[str, dict[str, str], str, dict[str, Any]]] = {
    "vexa": ("/bots", {"x-api-key": "k"}, "meeting_url", {}),
    "skribby": (
        "/bot",
        {"authorization": "Bearer k"},
        "meeting_url",
        {"service": "gmeet", "transcription_model": "deepgram-realtime"},
    ),
    "meetstream": ("/api/v1/bots/create_bot", {"authorization": "Token k"}, "meeting_link", {}),
    "spoke": ("/bots", {"x-spoke-api-key": "k"}, "meeting_url", {}),
}


async def answers(folder: Path, name: str, link: str) -> dict[str, tuple[int, str | None]]:
    """Return each dialect's status, and the name in the order where there is one."""
    found: dict[str, tuple[int, str | None]] = {}
    async with open_fake_service(folder) as fake:
        for plugin in (
            meetcore_vexa.plugin,
            meetcore_skribby.plugin,
            meetcore_meetstream.plugin,
            meetcore_spoke.plugin,
        ):
            fake.load(plugin)
        fake.new_key("k")
        for vendor, (path, headers, field, more) in ORDERS.items():
            body = {"bot_name": name, field: link, **more}
            reply = await fake.call("POST", path, json=body, headers=headers, mount=vendor)
            made = reply.status < 300
            found[vendor] = reply.status, (await fake.order(fake.only)).name if made else None
    return found


@pytest.mark.parametrize("name", BLANK)
async def test_a_blank_name_is_the_default_or_refused_as_each_vendor_does(
    name: str, tmp_path: Path
) -> None:
    assert await answers(tmp_path, name, LINK) == {
        "vexa": (201, None),
        "skribby": (422, None),
        "meetstream": (201, None),
        "spoke": (400, None),
    }


@pytest.mark.parametrize("name", BLANK)
def test_a_blank_name_is_refused_by_the_native_api_and_by_the_core(name: str) -> None:
    with pytest.raises(ConfigError, match="nothing that can be seen"):
        order_of(NewBot(meeting_url=LINK, name=name), None)
    with pytest.raises(ConfigError, match="nothing that can be seen"):
        BotConfig(name=name)
    assert order_of(NewBot(meeting_url=LINK, name=""), None).name is None


@pytest.mark.parametrize(
    "link", [LINK, "meet.google.com/abc-defg-hij", "https://meet.google.com/ABC-DEFG-HIJ?pli=1"]
)
async def test_a_link_is_taken_as_people_send_it(link: str, tmp_path: Path) -> None:
    found = await answers(tmp_path, "Notes", link)
    assert {name for _, name in found.values()} == {"Notes"}


@pytest.mark.parametrize("link", ["https://meet.google.com/new", "meet.google.com", "notes"])
async def test_what_is_no_meeting_is_refused_by_all(link: str, tmp_path: Path) -> None:
    found = await answers(tmp_path, "Notes", link)
    assert all(status in (400, 422) for status, _ in found.values()), found
