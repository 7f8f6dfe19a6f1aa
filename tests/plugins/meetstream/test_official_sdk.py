"""A bot's life driven by the vendor's own client, unmodified, against a server in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import meetstream
import pytest
import trio
from meetstream import AsyncMeetStream, MeetStream, describe_stop, is_terminal, parse_webhook

from meetcore_server.assembly import Server
from tests.plugins.server.running import DENY, SHORT, STAY, serving
from tests.plugins.server.webhooks.receiver import Got, Receiver, receiving

KEY, SECRET = "the-key", "the-secret"
T = TypeVar("T")
JOINS = ["participant_events.join"]


async def calling(call: Callable[..., T], *args: Any, **more: Any) -> T:
    """Have the client make a call, in a thread, since it waits."""
    with trio.fail_after(60):
        return await trio.to_thread.run_sync(partial(call, *args, **more))


async def error_of(call: Callable[..., Any], *args: Any, **more: Any) -> meetstream.MeetStreamError:
    """Return what the client raises; whatever it is, it has the server's own words."""
    with pytest.raises(meetstream.MeetStreamError) as caught:
        await calling(call, *args, **more)
    if caught.value.body is not None:
        assert caught.value.body["message"] == caught.value.message
    return caught.value


def url_of(server: Server, dialect: str = "") -> str:
    """What stands in the client's `base_url`: all that its users change."""
    return f"{server.url}/meetstream{dialect}/api/v1"


@asynccontextmanager
async def stage(
    folder: Path, dialect: str = "", **options: Any
) -> AsyncIterator[tuple[MeetStream, Receiver]]:
    async with (
        receiving() as hook,
        serving(
            folder,
            dialects=("meetstream",),
            config={"sinks": ["files"]},
            private_targets=("*",),
            api_key=KEY,
            **options,
        ) as server,
    ):
        with MeetStream(KEY, base_url=url_of(server, dialect), max_retries=0) as client:
            yield client, hook


def create_request(hook: Receiver, link: str, provider: str = "meetstream") -> dict[str, Any]:
    people = {"type": "webhook", "url": hook.url("/people"), "events": JOINS}
    transcript: dict[str, Any] = {"provider": {provider: {}}}
    return {
        "meeting_link": link,
        "bot_name": "Notes",
        "callback_url": hook.url("/callback"),
        "recording_config": {"transcript": transcript, "realtime_endpoints": [people]},
    }


def read(got: Got) -> dict[str, Any]:
    """Verify a webhook with the client's own verifier, and read it."""
    return parse_webhook(got.body, got.headers["x-meetstream-signature"], SECRET)


def told(hook: Receiver, word: str) -> Callable[[], bool]:
    return lambda: any(word in str(got.json) for got in hook.at("/callback"))


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("dialect", "over"), [("/legacy", "Stopped"), ("", "Done")])
async def test_the_vendors_client_drives_a_whole_life(
    dialect: str, over: str, tmp_path: Path
) -> None:
    async with stage(tmp_path, dialect) as (client, hook):
        await calling(client.http.put, "/user/settings", {"webhook_secret": SECRET})
        bot = await calling(client.bots.create, create_request(hook, SHORT))
        bot_id = bot["bot_id"]
        lines = await calling(client.transcripts.wait_for, bot["transcript_id"], interval=0.2)
        assert [(line["speaker"], line["transcript"]) for line in lines] == [
            ("Ada", "good morning everyone"), ("Ben", "good morning ada"),
        ]  # fmt: skip
        audio = await calling(client.bots.wait_for_audio, bot_id, interval=0.2)
        sound = await calling(httpx.get, audio["audio_url"])
        assert (sound.status_code, sound.content[:4]) == (200, b"OggS")
        assert (await calling(client.bots.status, bot_id))["status"] == over
        detail = (await calling(client.bots.detail, bot_id))["bot_details"]
        assert detail["transcript_id"] == bot["transcript_id"]
        assert await calling(client.bots.summary, bot_id) == {"bot_details": detail}
        people = await calling(client.bots.participants, bot_id)
        assert [person["fullName"] for person in people] == ["Ada", "Ben"]
        chat = await calling(client.bots.chats, bot_id)
        assert [line["text"] for line in chat["chatMessages"]] == ["hello"]
        timeline = await calling(client.bots.speaker_timeline, bot_id)
        assert [chunk["speakerName"] for chunk in timeline["chunks"]] == ["Ada", "Ben"]
        (made,) = (await calling(client.transcripts.list_for_bot, bot_id))["transcriptions"]
        assert (made["transcript_id"], made["status"]) == (bot["transcript_id"], "Success")
        raw = await calling(client.transcripts.get, bot["transcript_id"], raw=True)
        assert len(raw["segments"]) == len(lines)
        streams = await calling(client.bots.audio_streams, bot_id)
        names = [person["participant_name"] for person in streams["participants"]]
        assert sorted(names) == ["Ada", "Ben"]
        (segment,) = streams["participants"][0]["streams"][0]["segments"]
        own = await calling(httpx.get, segment["url"])
        assert (own.status_code, own.content[:4]) == (200, b"OggS")
        assert (await calling(client.bots.recording_streams, bot_id))["participants"] == []
        assert (await calling(client.bots.screenshots, bot_id))["screenshots"] == []
        assert [b["bot_id"] for b in (await calling(client.bots.list))["bots"]] == [bot_id]

        gone = await calling(client.bots.delete_data, bot_id)
        assert gone["deleted_objects"] > 0
        await hook.until(told(hook, "data_deletion"), within_s=60)
        events = [read(got) for got in hook.got]
        assert {event.get("bot_id", bot_id) for event in events} == {bot_id}
        assert len([got for got in hook.at("/people") if read(got)["event"] in JOINS]) == 2
        with pytest.raises(ValueError, match="signature"):
            parse_webhook(b"{}", hook.got[0].headers["x-meetstream-signature"], SECRET)
        if not dialect:
            (stopped,) = filter(is_terminal, events)
            assert describe_stop(stopped) == "The bot left normally."
        again = await error_of(client.bots.delete_data, bot_id)
        assert isinstance(again, meetstream.NotFoundError)


@pytest.mark.timeout(180)
async def test_the_vendors_client_acts_in_a_meeting_and_calls_the_bot_back(tmp_path: Path) -> None:
    async with stage(tmp_path, "/current") as (client, hook):
        await calling(client.http.put, "/user/settings", {"webhook_secret": SECRET})
        body = create_request(hook, STAY, "meetstream_streaming")
        body["live_transcription_required"] = {"webhook_url": hook.url("/live")}
        bot = await calling(client.bots.create, body, idempotency_key="once")
        assert await calling(client.bots.create, body, idempotency_key="once") == bot
        assert bot["transcript_id"] is None
        bot_id = bot["bot_id"]
        await hook.until_got(2, "/live", within_s=60)
        assert [read(got)["speakerName"] for got in hook.at("/live")] == ["Ada", "Ben"]
        for call in (client.bots.audio, client.bots.audio_streams, client.bots.recording_streams):
            assert isinstance(await error_of(call, bot_id), meetstream.NotReadyError)
        waited = await error_of(client.transcripts.wait_for, bot_id, timeout=0.1, interval=0.2)
        assert isinstance(waited, meetstream.NotReadyError)
        assert (await calling(client.bots.status, bot_id))["status"] == "Recording"
        busy = await error_of(client.bots.delete_data, bot_id)
        assert isinstance(busy, meetstream.ConflictError)
        for call in (client.bots.pause_recording, client.bots.resume_recording):
            assert (await calling(call, bot_id))["status"] == "accepted"
        assert (await calling(client.bots.send_message, bot_id, "hi all"))["status"] == "accepted"
        await calling(client.bots.remove, bot_id)
        await hook.until(told(hook, "bot.done"), within_s=60)
        chat = await calling(client.bots.chats, bot_id)
        assert [line["text"] for line in chat["chatMessages"]] == ["hello", "hi all"]
        found = (await calling(client.bots.detail, bot_id))["bot_details"]["transcript_id"]
        assert len(await calling(client.transcripts.get, found)) == 2
        late = await error_of(client.bots.send_message, bot_id, "still there?")
        assert isinstance(late, meetstream.ConflictError)
        refused = await error_of(client.transcripts.transcribe_bot_audio, bot_id)
        assert isinstance(refused, meetstream.BadRequestError)
        order = {"provider": {"meetstream": {}}, "callback_url": hook.url("/again")}
        made = await calling(client.transcripts.transcribe_bot_audio, bot_id, order)
        lines = await calling(client.transcripts.wait_for, made["transcript_id"], interval=0.2)
        assert [line["speaker"] for line in lines] == ["Ada", "Ben"]
        await hook.until_got(1, "/again", within_s=60)
        assert read(hook.at("/again")[0])["event"] == "transcription.processed"


@pytest.mark.timeout(180)
async def test_the_vendors_client_says_why_a_bot_never_came_in(tmp_path: Path) -> None:
    async with stage(tmp_path, "/current") as (client, hook):
        bot = await calling(client.bots.create, create_request(hook, DENY))
        await hook.until(told(hook, "bot.done"), within_s=60)
        (stopped,) = [got.json for got in hook.at("/callback") if is_terminal(got.json)]
        assert stopped["bot_status"] == "Denied"
        assert "refused" in describe_stop(stopped)
        assert (await calling(client.bots.status, bot["bot_id"]))["status"] == "Denied"
        none = await error_of(client.bots.wait_for_audio, bot["bot_id"])
        assert isinstance(none, meetstream.NotFoundError)


def not_here(client: MeetStream) -> list[partial[Any]]:
    """Every call for what no meeting bot server of ours has."""
    calendar, mia, logins = client.calendar, client.mia, client.google_logins
    return [
        partial(calendar.list),
        partial(calendar.events),
        partial(calendar.connect_google, {}),
        partial(calendar.connect_outlook, {}),
        partial(calendar.disconnect),
        partial(calendar.schedule_event, "x"),
        partial(calendar.unschedule_event, "x"),
        partial(calendar.enable_auto_schedule),
        partial(calendar.disable_auto_schedule),
        partial(calendar.auto_schedule_settings),
        partial(calendar.toggle_recurrence),
        partial(mia.create, {}),
        partial(mia.list, "x"),
        partial(mia.update, "x", {}),
        partial(mia.delete, "x"),
        partial(logins.create_domain, {}),
        partial(logins.list_domains),
        partial(logins.get_domain, "example.com"),
        partial(logins.update_domain, "example.com", {}),
        partial(logins.delete_domain, "example.com"),
        partial(logins.create, {}),
        partial(logins.list),
        partial(logins.update, "x", {}),
        partial(logins.delete, "x"),
        partial(client.zoom.authorize_url),
        partial(client.zoom.create_connection, {}),
        partial(client.zoom.list_connections),
        partial(client.zoom.get_connection, "x"),
        partial(client.zoom.delete_connection, "x"),
        partial(client.storage.set, {}),
        partial(client.storage.get),
        partial(client.storage.delete),
    ]


@pytest.mark.timeout(180)
async def test_what_is_refused_is_the_error_the_vendors_client_has_for_it(tmp_path: Path) -> None:
    async with stage(tmp_path, max_bots=1) as (client, _hook):
        bots, url = client.bots, client.http.base_url
        for call in not_here(client):
            assert isinstance(await error_of(call), meetstream.NotFoundError), call
        for bot_id in ("nobody", "a/b", "..", "", "ü ?#"):
            assert isinstance(await error_of(bots.status, bot_id), meetstream.NotFoundError)
        with MeetStream("wrong", base_url=url) as stranger:
            assert isinstance(await error_of(stranger.bots.list), meetstream.PermissionError)
        no_key = {"Authorization": ""}
        with MeetStream("any", base_url=url, default_headers=no_key) as nobody:
            assert isinstance(await error_of(nobody.bots.list), meetstream.AuthenticationError)
        for body in ({}, {"meeting_link": SHORT, "agent_config_id": "x"}):
            assert isinstance(await error_of(bots.create, body), meetstream.BadRequestError)
        bot = await calling(bots.create, {"meeting_link": STAY, "deduplication_key": "booking"})
        other = await error_of(bots.create, {"meeting_link": SHORT, "deduplication_key": "booking"})
        assert isinstance(other, meetstream.ConflictError)
        more = await error_of(bots.create, {"meeting_link": SHORT})
        assert isinstance(more, meetstream.RateLimitError)
        for read_video in (bots.video, bots.wait_for_video):
            assert isinstance(await error_of(read_video, bot["bot_id"]), meetstream.NotFoundError)


@pytest.mark.timeout(180)
async def test_the_vendors_client_is_told_when_to_ask_again(tmp_path: Path) -> None:
    async with stage(tmp_path, requests_per_s=1.0) as (client, _hook):

        def ask_on() -> None:
            while True:
                client.bots.list()

        error = await error_of(ask_on)
        assert isinstance(error, meetstream.RateLimitError)
        assert error.retry_after is not None
        assert error.retry_after >= 1


@pytest.mark.timeout(180)
async def test_the_vendors_asynchronous_client_moves_and_cancels_a_scheduled_bot(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as (client, _hook):
        url = client.http.base_url
        async with AsyncMeetStream(KEY, base_url=url, max_retries=0) as twin:
            body = {"meeting_link": SHORT, "join_at": "2999-01-15T14:30:00Z"}
            bot_id = (await twin.bots.create(body))["bot_id"]
            moved = await twin.calendar.reschedule_bot(bot_id, "2999-01-16T14:30:00Z")
            assert moved["schedule_updated"] is True
            (waiting,) = (await twin.calendar.list_scheduled_bots())["scheduled_bots"]
            assert waiting["bot_id"] == bot_id
            assert waiting["scheduled_join_time"].startswith("2999-01-16T14:30:00")
            assert (await twin.calendar.delete_scheduled_bot(bot_id))["bot_id"] == bot_id
            assert (await twin.calendar.list_scheduled_bots())["scheduled_bots"] == []
            with pytest.raises(meetstream.ConflictError):
                await twin.calendar.delete_scheduled_bot(bot_id)
            with pytest.raises(meetstream.NotFoundError):
                await twin.transcripts.get("nobody")
