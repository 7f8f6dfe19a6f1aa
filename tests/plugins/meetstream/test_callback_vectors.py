"""Every recorded callback and chunk of MeetStream: what we send is like it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meetcore import Capability
from meetcore.gateway.records import BotRow
from meetcore.model.events import TranscriptionStopped
from meetcore.model.lifecycle import EndReason, State
from meetcore.testing.fake_service import FakeService
from meetcore_meetstream.variants import Variant
from meetcore_meetstream.webhook_bodies import deletion
from tests.plugins.meetstream.likeness import (
    BOT_ID,
    CURRENT,
    ERA_B,
    LEGACY,
    STREAMING,
    as_answer,
    check,
    example,
    of,
    seen,
)
from tests.plugins.meetstream.stage import (
    HELLO,
    LINK,
    ZOOM,
    ask,
    enter,
    fail,
    leave,
    meetstream,
    new_bot,
    play,
    told,
)

# --- callbacks ---------------------------------------------------------------------------------

Life = Callable[[FakeService, BotRow], None]


def _with_trouble(fake: FakeService, row: BotRow) -> None:
    enter(fake, row)
    trouble = TranscriptionStopped(
        track_id="Alice", kind="auth", detail="Unauthorized Connection: Insufficient funds"
    )
    fake.happen(row, trouble)
    leave(fake, row)


def _ends(reason: EndReason) -> Life:
    return lambda fake, row: play(fake, row, reason)


def _fails(reason: EndReason) -> Life:
    return lambda fake, row: fail(fake, row, reason)


def _permission_denied(fake: FakeService, row: BotRow) -> None:
    fake.go(row, State.JOINING)
    fake.go(row, State.IN_CALL)
    fake.go(row, State.LEAVING, EndReason.RECORDING_PERMISSION_DENIED)
    fake.go(row, State.PROCESSING)
    fake.go(row, State.FAILED, EndReason.RECORDING_PERMISSION_DENIED)


@of(LEGACY, "callback.joining", "callback.inmeeting", "callback.stopped", "callback.audio",
    "callback.transcript")  # fmt: skip
async def test_a_legacy_callback_is_the_seeds_and_names_its_event_too(
    name: str, tmp_path: Path
) -> None:
    async with meetstream(tmp_path, dialect="legacy") as fake:
        row = await new_bot(fake)
        play(fake, row)
        bodies = await told(fake)
        event = {
            "callback.joining": "bot.joining",
            "callback.inmeeting": "bot.inmeeting",
            "callback.stopped": "bot.stopped",
            "callback.audio": "audio.processed",
            "callback.transcript": "transcription.processed",
        }[name]
        assert {**example(LEGACY, name), "bot_id": row.bot_id, "event": event} in bodies
        assert [b.get("bot_status") or next(k for k in b if k.endswith("_status")) for b in bodies
                ] == ["joining", "InMeeting", "Stopped", "audio_status",
                      "transcript_status"]  # fmt: skip


@of(LEGACY, "callback.video")
async def test_a_video_is_told_of_where_there_is_one(name: str, tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="legacy") as fake:
        fake.abilities |= {Capability.VIDEO}
        row = await new_bot(fake, video_required=True)
        play(fake, row)
        theirs = {**example(LEGACY, name), "bot_id": row.bot_id, "event": "video.processed"}
        (ours,) = [body for body in await told(fake) if "video_status" in body]
        assert {**ours, "message": ""} == {**theirs, "message": ""}
        row = await new_bot(fake)
        play(fake, row)
        told_of = [b for b in await told(fake) if b["bot_id"] == row.bot_id]
        assert all("video_status" not in body for body in told_of)


EVENTS: dict[str, tuple[Life, str]] = {
    "webhook.bot.joining": (play, LINK),
    "webhook.bot.in_waiting_room": (play, LINK),
    "webhook.bot.inmeeting": (play, LINK),
    "webhook.bot.recording_permission_allowed": (play, ZOOM),
    "webhook.bot.recording_permission_denied": (_permission_denied, ZOOM),
    "webhook.bot.recording": (play, LINK),
    "webhook.bot.leaving": (play, LINK),
    "webhook.bot.stopped.terminal": (play, LINK),
    "webhook.bot.kicked.terminal": (_ends(EndReason.REMOVED), LINK),
    "webhook.bot.notallowed.terminal": (_fails(EndReason.ADMISSION_TIMEOUT), LINK),
    "webhook.bot.denied.terminal": (_fails(EndReason.DENIED), LINK),
    "webhook.bot.failed.terminal": (_fails(EndReason.CRASHED), LINK),
    "webhook.manifest.completed": (play, LINK),
    "webhook.audio.processed": (play, LINK),
    "webhook.video.processed": (play, LINK),
    "webhook.transcription.processed": (play, LINK),
    "webhook.transcription.failed": (_with_trouble, LINK),
    "webhook.bot.done": (play, LINK),
    "webhook.bot.error": (_with_trouble, LINK),
}


@of(CURRENT, *EVENTS)
async def test_a_present_callback_is_like_the_example(name: str, tmp_path: Path) -> None:
    life, link = EVENTS[name]
    theirs = example(CURRENT, name)
    async with meetstream(tmp_path, dialect="current") as fake:
        fake.abilities |= {Capability.VIDEO}
        video = name == "webhook.video.processed"
        asked = {"custom_attributes": {"tenant": "a"}, "video_required": video}
        row = await new_bot(fake, meeting_link=link, **asked)
        life(fake, row)
        bodies = await told(fake)
    bot_event = theirs.get("bot_event", theirs["event"])
    (ours,) = [b for b in bodies if (b["event"], b["bot_event"]) == (theirs["event"], bot_event)]
    check(ours, CURRENT, name, "bot_event", "status_code", "timestamp", "custom_attributes")
    for key in ("event", "bot_status", "status_code", "status", "audio_status", "video_status"):
        assert ours.get(key, theirs.get(key)) == theirs.get(key, ours.get(key)), key
    assert ours["custom_attributes"] == {"tenant": "a"}
    assert (ours["bot_id"], bodies[-1]["event"]) == (row.bot_id, "bot.done")
    if name == "webhook.bot.error":
        assert ours["message"] == theirs["message"]
        assert "status_code" not in ours


@of(CURRENT, "webhook.bot.scheduled")
async def test_a_bot_with_a_time_is_told_to_be_scheduled(name: str, tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        await new_bot(fake, join_at="2999-01-01 10:00:00")
        (ours,) = await told(fake)
        check(ours, CURRENT, name)
        assert ours["event"] == "bot.scheduled"


@of(ERA_B, "webhook.bot.joining.no_timestamp", "webhook.bot.stopped.notallowed",
    "webhook.bot.done.error")  # fmt: skip
async def test_a_reader_of_the_era_in_between_finds_all_it_reads(name: str, tmp_path: Path) -> None:
    life = _fails(EndReason.ADMISSION_TIMEOUT) if "notallowed" in name else play
    theirs = example(ERA_B, name)
    async with meetstream(tmp_path, dialect="current") as fake:
        life(fake, await new_bot(fake, custom_attributes={"your_keys": "echoed back"}))
        (ours,) = [b for b in await told(fake) if b["event"] == theirs["event"]]
    check(ours, ERA_B, name, "bot_event", "timestamp")
    assert ours["bot_status"] == theirs["bot_status"]


@pytest.mark.parametrize("dialect", ["legacy", "current"])
@seen(LEGACY, "callback.data_deletion.success")
@seen(CURRENT, "webhook.data_deletion", "delete.response")
async def test_deletion_is_answered_and_told_like_the_examples(
    dialect: str, tmp_path: Path
) -> None:
    async with meetstream(tmp_path, dialect=dialect) as fake:
        row = await new_bot(fake)
        play(fake, row)
        await fake.settled()
        reply = await ask(fake, "DELETE", f"/bots/{row.bot_id}/delete")
        check(as_answer(reply), CURRENT, "delete.response")
        ours = (await told(fake))[-1]
        if dialect == "legacy":
            check(ours, LEGACY, "callback.data_deletion.success")
        check(ours, CURRENT, "webhook.data_deletion", "bot_event")
        assert ours["event"] == "data_deletion"
        count = reply.json["deleted_objects"]
        assert count == ours["deleted_objects"] > 0
        assert ours["message"] == f"Successfully deleted {count} objects for bot {row.bot_id}"
        assert ours["message"] == reply.json["message"]


@seen(LEGACY, "callback.data_deletion.failed")
def test_a_failed_deletion_is_like_the_example() -> None:
    at = datetime(2026, 5, 26, 10, 12, 31, 488763, UTC)
    ours = deletion(BOT_ID, Variant.LEGACY, at, None)
    assert ours == example(LEGACY, "callback.data_deletion.failed")


@seen(CURRENT, "webhook.signature_headers")
async def test_a_signature_is_made_as_in_the_example(tmp_path: Path) -> None:
    theirs = example(CURRENT, "webhook.signature_headers")
    secret = theirs["secret"]
    digest = hmac.new(secret.encode(), theirs["raw_body"].encode(), hashlib.sha256).hexdigest()
    assert theirs["headers"]["X-MeetStream-Signature"] == f"sha256={digest}"
    async with meetstream(tmp_path) as fake:
        await new_bot(fake)
        unsigned = fake.only
        await ask(fake, "PUT", "/user/settings", json={"webhook_secret": secret})
        for row, signed in ((unsigned, False), (await new_bot(fake), True)):
            fake.go(row, State.JOINING)
            await fake.settled()
            posted = fake.posted[-1]
            sent = fake.formats["meetstream"].signed(posted.target, posted.outgoing)
            assert ("X-MeetStream-Signature" in sent.headers) is signed
        assert {t.secret for t in (await fake.order(fake.only)).webhooks} == {secret}
    own = hmac.new(secret.encode(), sent.body, hashlib.sha256).hexdigest()
    assert sent.headers["X-MeetStream-Signature"] == f"sha256={own}"
    assert sent.headers["X-MeetStream-Timestamp"].endswith("Z")


# --- comings, live text ------------------------------------------------------------------------


@of(CURRENT, "realtime.participant_events.join", "realtime.participant_events.leave")
async def test_who_comes_and_goes_is_told_like_the_example(name: str, tmp_path: Path) -> None:
    event = name.removeprefix("realtime.")
    endpoint = {"type": "webhook", "url": "https://your-domain.com/realtime", "events": [event]}
    async with meetstream(tmp_path) as fake:
        play(fake, await new_bot(fake, recording_config={"realtime_endpoints": [endpoint]}))
        bodies = await told(fake, "meetstream_participants")
    for body in bodies:
        check(body, CURRENT, name)
        assert body["event"] == event
    names = [body["data"]["data"]["participant"]["full_name"] for body in bodies]
    assert names == (["Alice", "Bob"] if event.endswith("join") else ["Bob"])


LIVE = {"webhook_url": "https://your-server.com/live"}


@of(LEGACY, "live_transcript")
async def test_a_legacy_chunk_is_like_the_example_and_says_whose_it_is(
    name: str, tmp_path: Path
) -> None:
    async with meetstream(tmp_path, dialect="legacy") as fake:
        mine = {"custom_attributes": {"crm": "42"}}
        row = await new_bot(fake, live_transcription_required=LIVE, **mine)
        play(fake, row)
        bodies = await told(fake, "meetstream_transcript")
    assert [body["transcript"] for body in bodies] == ["Hello, everyone.", "Hi Alice!"]
    for body in bodies:
        assert body.pop("bot_id") == row.bot_id
        assert body.pop("custom_attributes") == mine["custom_attributes"]
    check(bodies[0], LEGACY, name)
    assert bodies[0]["words"][0]["punctuated_word"] == "Hello,"
    assert bodies[0]["words"][0]["word"] == "Hello"


NEW = ("speakerId", "new_text", "word_is_final", "speaker", "punctuated_word",
       "speech_confidence", "utterance", "is_final", "turn_is_formatted",
       "transcription_mode")  # fmt: skip


@of(CURRENT, "live_transcript.webhook", "live_transcript.webhook.new_text")
async def test_a_present_chunk_is_like_the_example(name: str, tmp_path: Path) -> None:
    attributes = {"your_keys": "echoed back"}
    async with meetstream(tmp_path, dialect="current") as fake:
        row = await new_bot(
            fake,
            live_transcription_required=LIVE,
            recording_config=STREAMING,
            custom_attributes=attributes,
        )
        enter(fake, row)
        fake.happen(row, HELLO)
        (body,) = await told(fake, "meetstream_transcript")
    check(body, CURRENT, name, *NEW)
    assert (body["end_of_turn"], body["is_final"]) == (True, True)
    assert body["custom_attributes"] == attributes
