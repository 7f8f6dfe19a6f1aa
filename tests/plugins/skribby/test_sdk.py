"""Skribby's own client, unmodified, drives a bot's whole life against a rehearsing server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio

from meetcore.gateway import plain_picture
from meetcore_skribby.webhooks import verify
from tests.plugins.node_packages import installed, run_node
from tests.plugins.server.rehearsing import rehearsing
from tests.plugins.server.short_script import SOUND_S
from tests.plugins.server.webhooks.receiver import Got, Receiver, receiving
from tests.plugins.webhook.test_fetching import answer, web

KEY = "operators-key"
SECRET = "skr_for_the_test"


@pytest.fixture(scope="session")
def sdk() -> Path:
    """The folder with the vendor's package."""
    return installed(Path(__file__).parent / "node")


@pytest.mark.browser
@pytest.mark.timeout(200)
@pytest.mark.long
async def test_the_vendors_client_drives_a_whole_life(sdk: Path, tmp_path: Path) -> None:
    config = tmp_path / "meetcore.toml"
    config.write_text(f'[plugins.server.dialects.skribby]\nwebhook_secret = "{SECRET}"\n')
    with trio.fail_after(180):
        async with (
            receiving() as receiver,
            web() as site,
            rehearsing(tmp_path, KEY, "--config", str(config)) as url,
        ):
            for name in ("/first.png", "/second.png"):
                site.pages[name] = answer(plain_picture().image)
            link = "https://meet.google.com/abc-defg-hij"
            told = [f"{url}/skribby/api/v1", KEY, link, receiver.url(), site.at("")]
            seen = await run_node(sdk / "whole_life.mjs", *told, within_s=150)
            await receiver.until(lambda: "finished" in states(receiver), within_s=20)
            assert sorted(asked.split()[1] for asked in site.asked) == [
                b"/first.png",
                b"/second.png",
            ]
            assert seen["recorded"] == [True, "video/mp4", site.at("/first.png")]
    _check(seen)
    _check_webhooks(receiver.got)


def _check(seen: dict[str, Any]) -> None:
    assert seen["errors"] == {
        "wrong key": "UnauthorizedError",
        "no model": "UnprocessableEntityError",
        "deleted bot": "NotFoundError",
        "batch socket": "refused",
        "delete while it runs": "ApiRequestError",
        "recording": "ApiRequestError",
        "deleted at the end": "NotFoundError",
    }
    assert seen["planned"] == ["scheduled", "2099-01-01T10:00:00.000Z"]
    assert (seen["scheduled"], seen["renamed"]) == ([True], "Renamed")
    assert seen["created"] == ["booting", True]
    assert seen["connected"] == [True, True]

    types = seen["types"]
    assert types[0] == "connected"
    assert types[-1] == "stop"
    assert types.count("start") == types.count("stop") == 1
    assert {"ts", "participant-tracked", "started-speaking", "stopped-speaking"} <= set(types)
    transitions = [
        (transition["old_status"], transition["new_status"]) for transition in seen["transitions"]
    ]
    assert transitions[-3:] == [
        ("recording", "leaving"),
        ("leaving", "processing"),
        ("processing", "finished"),
    ]
    assert seen["transitions"][-1]["stop_reason"] == seen["end"]["stop_reason"]

    # Of four: how much is heard on a busy machine is asked elsewhere.
    assert len(seen["lines"]) >= 2
    assert seen["transcript"] == len(seen["lines"]) == seen["end"]["lines"]
    for line in seen["lines"]:
        assert isinstance(line["speaker"], int)
        assert line["speaker_name"]
        assert line["end"] > line["start"]
    assert len({line["speaker_name"] for line in seen["lines"]}) >= 2
    said = {message["content"] for message in seen["chat"]}
    assert {"Hello over REST", "Hello over the socket"} <= said
    assert "chat_error" not in seen
    assert seen["audio_bytes"] > SOUND_S * 32_000  # 16 bits at 16 kHz

    assert seen["end"]["status"] == "finished"
    assert all(is_date for _, is_date in seen["people"])
    assert {line["speaker_name"] for line in seen["lines"]} <= {name for name, _ in seen["people"]}
    assert seen["recording"] > 10_000
    assert seen["pricing"] == {"rate_per_hour": 0, "amount": 0}
    assert seen["capacity"] == {"reserved": 0, "available": 0}


def states(receiver: Receiver) -> list[str]:
    """The states the webhooks told."""
    return [got.json["data"]["new_status"] for got in receiver.got]


def _check_webhooks(posts: list[Got]) -> None:
    bodies = [post.json for post in posts]
    running = [body for body in bodies if body["data"]["old_status"] != "scheduled"]
    assert [body["data"]["new_status"] for body in running] == [
        "joining",
        "recording",
        "leaving",
        "processing",
        "finished",
    ]
    assert all(body["custom_metadata"] == {"crm": "42"} for body in bodies)
    for post in posts:
        stamp = post.headers["x-skribby-timestamp"]
        now = datetime.fromtimestamp(int(stamp), UTC)
        assert verify(SECRET, stamp, post.body, post.headers["x-skribby-signature"], now=now)
