"""A whole bot life driven by the vendor's own client, unmodified, against a rehearsing server."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
from trio_websocket import ConnectionClosed, open_websocket_url
from vexa_client import VexaClient  # type: ignore[import-untyped]
from vexa_client.vexa import VexaClientError  # type: ignore[import-untyped]

from tests.plugins.server.rehearsing import rehearsing
from tests.plugins.server.webhooks.receiver import Receiver, receiving
from tests.plugins.vexa.test_frames import MapOfIds, MapOfTime

OPERATOR = "operators-key"
AT_THE_ROOT = ("--root", "vexa")
MEET = ("google_meet", "abc-defg-hij")
T = TypeVar("T")


def changes(hook: Receiver) -> list[str]:
    """The states the webhooks told."""
    told = [got.json["status_change"]["to"] for got in hook.got if "status_change" in got.json]
    return [str(each) for each in told]


async def calling(call: Callable[..., T], *args: Any, **more: Any) -> T:
    """Have the client make a call, in a thread, since it waits."""
    with trio.fail_after(90):
        return await trio.to_thread.run_sync(partial(call, *args, **more))


async def _attended(
    url: str, key: str, subscribed: trio.Event, frames: list[Any], era: str = "E1"
) -> None:
    """Follow the meeting over the socket until the bot is done."""
    address = url.replace("http", "ws", 1) + f"/ws?api_key={key}&dialect={era}"
    async with open_websocket_url(address) as socket:
        seats = [{"platform": MEET[0], "native_id": MEET[1]}]
        await socket.send_message(json.dumps({"action": "subscribe", "meetings": seats}))
        while True:
            try:
                frame = json.loads(await socket.get_message())
            except ConnectionClosed:
                return
            if frame["type"] == "subscribed":
                subscribed.set()
            frames.append(frame)
            if frame.get("payload", {}).get("status") in ("completed", "failed"):
                return


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.long
async def test_the_vendors_client_drives_a_whole_life(tmp_path: Path) -> None:
    async with receiving() as hook, rehearsing(tmp_path, OPERATOR, *AT_THE_ROOT) as url:
        # The client drops the path: what counts is that the dialect lies at the root.
        client = VexaClient(base_url=f"{url}/vexa", api_key="wrong", admin_key=OPERATOR)
        with pytest.raises(VexaClientError, match="401"):
            await calling(client.get_meetings)
        user = await calling(client.create_user_and_set_id, "a@example.com", name="A")
        token = await calling(client.create_token)
        client.set_api_key(token["token"])
        assert (await calling(client.get_user_by_email, "a@example.com"))["id"] == user["id"]
        assert (await calling(client.set_webhook_url, hook.url()))["id"] == user["id"]

        link = "https://meet.google.com/abc-defg-hij"
        meeting = await calling(client.request_bot_from_url, link, "Notes", "en")
        assert (meeting["status"], meeting["native_meeting_id"]) == ("requested", MEET[1])
        with pytest.raises(VexaClientError, match="409"):
            await calling(client.request_bot, *MEET)
        (running,) = await calling(client.get_running_bots_status)
        assert running["meeting_id_from_name"] == str(meeting["id"])

        subscribed, frames, e4_frames = trio.Event(), list[Any](), list[Any]()
        with trio.fail_after(150):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_attended, url, token["token"], subscribed, frames)
                nursery.start_soon(_attended, url, token["token"], trio.Event(), e4_frames, "E4")
                await subscribed.wait()
                notes = await calling(client.update_meeting_data, *MEET, name="Weekly")
                assert notes["data"]["name"] == "Weekly"

        statuses = [f["payload"]["status"] for f in frames if f["type"] == "meeting.status"]
        assert statuses[-3:] == ["active", "stopping", "completed"]
        live = MapOfTime()
        for frame in frames:
            if frame["type"].startswith("transcript."):
                live.take(frame["payload"]["segments"])
        transcript = await calling(client.get_transcript, *MEET, meeting_id=meeting["id"])
        once = MapOfTime()
        once.take(transcript["segments"])
        finals = {k: v for k, v in live.told().items() if live.segments[k]["completed"]}
        assert finals
        assert finals == once.told()
        assert transcript["status"] == "completed"
        bundles = MapOfIds()
        for frame in e4_frames:
            bundles.take(frame)
        assert bundles.drafts() == set()
        texts = {key: each["text"] for key, each in bundles.confirmed.items()}
        assert texts == {each["segment_id"]: each["text"] for each in transcript["segments"]}

        await hook.until(lambda: "completed" in changes(hook), within_s=20)
        assert changes(hook)[-1] == "completed"
        assert "active" in changes(hook)
        found = await calling(client.get_meeting_by_id, *MEET)
        assert found is not None
        assert (found["id"], found["data"]["name"]) == (meeting["id"], "Weekly")
        stopped = await calling(client.stop_bot, *MEET)
        assert stopped == {"message": "Meeting already completed."}
        await calling(client.delete_meeting, *MEET)
        with pytest.raises(VexaClientError, match="404"):
            await calling(client.get_transcript, *MEET)


@pytest.mark.browser
@pytest.mark.timeout(240)
async def test_the_vendors_client_calls_a_bot_back(tmp_path: Path) -> None:
    async with rehearsing(tmp_path, OPERATOR, *AT_THE_ROOT) as url:
        client = VexaClient(base_url=url, api_key=OPERATOR)
        meeting = await calling(client.request_bot, *MEET)
        stopped = await calling(client.stop_bot, *MEET)
        assert stopped == {"message": "Stop request accepted and is being processed."}
        frames = list[Any]()
        with trio.fail_after(90):
            await _attended(url, OPERATOR, trio.Event(), frames)
        assert frames[-1]["payload"]["status"] == "completed"
        found = await calling(client.get_meeting_by_id, *MEET)
        assert found is not None
        assert (found["id"], found["data"]["completion_reason"]) == (meeting["id"], "stopped")
