"""What is told about any journal, and what is made of any request: properties nothing may break."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import trio
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore import PrivateTargets
from meetcore.gateway import BadField, Refusal
from meetcore.model.events import (
    ArtifactWritten,
    BotRequested,
    Event,
    SegmentFinalized,
    StateChanged,
)
from meetcore.model.history import BotHistory
from meetcore.model.lifecycle import TERMINAL, EndReason, State
from meetcore.model.transcript import Segment
from meetcore_meetstream.create_request import parse_create_request
from meetcore_meetstream.frames import NewText, chunk
from meetcore_meetstream.participant_webhooks import coming_or_going
from meetcore_meetstream.variants import Variant
from meetcore_meetstream.webhooks import Callbacks
from tests.json_values import JSON
from tests.plugins.meetstream.stage import KEY, create_request, enter, meetstream, new_bot, play
from tests.plugins.skribby.journals import journals, written
from tests.plugins.told import bodies_of

LEGACY_OF = {
    "bot.joining": ("joining", 102),
    "bot.inmeeting": ("InMeeting", 200),
    "bot.stopped": ("Stopped", 500),
    "audio.processed": ("Success", 200),
    "transcription.processed": ("Success", 200),
    "transcription.failed": ("Failed", 500),
}
"""What the first API says for each of the present events it has a word for."""

FILES = st.sampled_from(["audio.mix", "manifest", "transcript"]).map(
    lambda kind: ArtifactWritten(
        kind=kind, path=f"files/{kind}", media_type="x/y", size_bytes=1, duration_s=1.0
    )
)


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """A life of a bot on some platform, with or without a transcript, that leaves files."""
    events = list(draw(journals()))
    platform = draw(st.sampled_from(["google_meet", "zoom", "teams", "rehearsal"]))
    transcriber = draw(st.none() | st.just("embedded"))
    begun = events[0]
    assert isinstance(begun, BotRequested)
    events[0] = evolve(begun, platform=platform, transcriber=transcriber)
    for file in draw(st.lists(FILES, max_size=2, unique_by=lambda file: file.kind)):
        events.insert(draw(st.integers(1, len(events))), file)
    return written(events)


NOW = datetime(2026, 1, 5, tzinfo=UTC)


def told(journal: list[Event], variant: Variant) -> list[Any]:
    return bodies_of(Callbacks(lambda: NOW), journal, dialect=variant.value)


def state_of(body: dict[str, Any]) -> tuple[str, int]:
    names = ("bot_status", "audio_status", "transcript_status")
    return next(body[name] for name in names if name in body), body["status_code"]


@given(lives())
def test_both_dialects_tell_the_same_facts_in_the_same_order(journal: list[Event]) -> None:
    legacy, current = told(journal, Variant.LEGACY), told(journal, Variant.CURRENT)
    expected = [LEGACY_OF[body["event"]] for body in current if body["event"] in LEGACY_OF]
    assert [state_of(body) for body in legacy] == expected
    assert {body["bot_id"] for body in legacy + current} <= {"b-1"}


@given(lives())
def test_a_present_body_has_event_bot_event_and_timestamp_always(journal: list[Event]) -> None:
    for body in told(journal, Variant.CURRENT):
        assert body["event"].count(".") == 1
        assert body["bot_event"].count(".") == 1
        assert (body["bot_event"] == body["event"]) or body["event"] == "bot.stopped"
        assert body["timestamp"].endswith("Z")
        wanted = {None} if body["event"] == "bot.error" else {200, 500}
        assert body.get("status_code") in wanted
        assert isinstance(body["message"], str)
        assert body["message"]
        assert body["custom_attributes"] == {}


@given(lives())
def test_a_bot_stops_once_and_its_end_is_bot_done(journal: list[Event]) -> None:
    events = [body["event"] for body in told(journal, Variant.CURRENT)]
    states = [event.state for event in journal if isinstance(event, StateChanged)]
    ended = states[-1] in TERMINAL
    assert events.count("bot.done") == ended
    assert events.count("bot.stopped") == (ended or State.PROCESSING in states)
    assert events.count("bot.inmeeting") == (State.IN_CALL in states)
    assert events.count("bot.recording") == (State.RECORDING in states)
    if ended:
        before = events[: events.index("bot.done")]
        after = set(events[events.index("bot.done") + 1 :])
        assert "bot.stopped" in before
        assert after <= {"audio.processed", "manifest.completed"}, "files of a recovered bot"
    if State.IN_CALL not in states:
        assert not {"bot.recording", "bot.leaving", "transcription.processed"} & set(events)


@given(lives())
def test_who_was_refused_was_never_in_and_a_reason_is_the_first_one(journal: list[Event]) -> None:
    stops = [b for b in told(journal, Variant.CURRENT) if b["event"] == "bot.stopped"]
    reasons = [event.reason for event in journal if isinstance(event, StateChanged)]
    first = next((reason for reason in reasons if reason is not None), None)
    for stop in stops:
        assert (stop["bot_event"] == "bot.kicked") == (first is EndReason.REMOVED)
        assert (stop["bot_event"] == "bot.denied") == (first is EndReason.DENIED)
        assert (stop["status_code"] == 500) == (
            stop["bot_event"] in ("bot.denied", "bot.notallowed", "bot.failed")
        )


@given(lives())
def test_our_own_bot_never_comes_or_goes_and_chunks_are_the_segments(journal: list[Event]) -> None:
    history = BotHistory()
    for event in journal:
        history.take(event)
        body = coming_or_going(event, history, platform="zoom", attributes={})
        if body is not None:
            participant = body["data"]["data"]["participant"]
            assert participant["platform"] == "zoom"
            assert participant["id"] != "me" or "me" not in history.people
        if isinstance(event, SegmentFinalized):
            texts = [
                chunk(event.segment, variant, bot_id="b-1", at=event.at,
                      in_call_at=history.in_call_at, attributes={})["transcript"]
                for variant in Variant
            ]  # fmt: skip
            assert texts == [event.segment.text] * 2


@given(st.lists(st.text(max_size=12), min_size=1), st.data())
def test_new_texts_joined_are_the_transcript(growth: list[str], data: st.DataObject) -> None:
    drafted = data.draw(journals())
    segments = [e.segment for e in drafted if isinstance(e, SegmentFinalized)]
    if not segments:
        return
    first: Segment = segments[0]
    new_text, whole, so_far = NewText(), "", ""
    for number, piece in enumerate(growth, 1):
        whole += piece
        final = number == len(growth)
        so_far += new_text.of(evolve(first, text=whole, finalized=final))
    assert "".join(so_far.split()) == "".join(whole.split()) or not growth[0]


# --- any request -------------------------------------------------------------------------------

URLS = st.sampled_from(["https://x.test/a", "wss://x.test/a", "ws://[", "http://a@b", "", "x y"])
FIELDS = st.sampled_from(
    [
        "meeting_link", "meeting_url", "bot_name", "audio_required", "video_required",
        "bot_message", "bot_image_url", "live_audio_required", "live_transcription_required",
        "live_video_required", "socket_connection_url", "join_at", "callback_url",
        "custom_attributes", "deduplication_key", "automatic_leave", "recording_config", "zoom",
        "google_meet", "teams", "transcription", "agent_config_id", "workflow_config_ids",
    ]
)  # fmt: skip
SOCKET = st.dictionaries(st.sampled_from(["websocket_url", "webhook_url"]), URLS | JSON)
NESTED = st.fixed_dictionaries(
    {},
    optional={
        "live_audio_required": SOCKET,
        "live_transcription_required": SOCKET,
        "socket_connection_url": SOCKET | URLS,
        "callback_url": URLS,
        "join_at": st.text() | st.datetimes().map(str),
        "automatic_leave": st.dictionaries(
            st.sampled_from(["waiting_room_timeout", "in_call_recording_timeout", "bot_detection",
                             "recording_permission_denied_timeout", "noone_joined_timeout"]),
            JSON,
        ),
        "recording_config": st.fixed_dictionaries({}, optional={
            "transcript": JSON | st.dictionaries(st.just("provider"), JSON),
            "retention": JSON | st.dictionaries(st.sampled_from(["type", "hours"]), JSON),
            "realtime_endpoints": JSON | st.lists(st.dictionaries(
                st.sampled_from(["type", "url", "events"]), JSON | URLS), max_size=3),
            "video_layout": JSON,
        }),
    },
)  # fmt: skip
BODIES = JSON | st.dictionaries(FIELDS, JSON, max_size=6) | NESTED
BODIES = BODIES | st.one_of(st.dictionaries(FIELDS, JSON, max_size=3), NESTED).map(
    lambda body: create_request(**body)
)


@given(BODIES, st.sampled_from(Variant))
def test_any_body_is_a_wish_or_refused_with_a_sentence(body: Any, variant: Variant) -> None:
    refused = None
    try:
        read = parse_create_request(body, variant, PrivateTargets())
    except (BadField, Refusal) as bad:
        refused = bad
    if refused is not None:
        assert refused.message
        return
    assert read.meeting_link.strip()
    assert read.keep_s > 0
    assert all(value is None or value > 0 for value in read.leave.values())


async def _send(method: str, path: str, body: bytes, state: str) -> None:
    with TemporaryDirectory() as folder:
        async with meetstream(Path(folder)) as fake:
            row = await new_bot(fake, join_at="2999-01-01" if state == "scheduled" else None)
            if state == "in meeting":
                enter(fake, row)
            if state == "over":
                play(fake, row)
            path = path.replace("{id}", row.bot_id)
            headers = {"authorization": f"Token {KEY}"}
            reply = await fake.call(method, path, body=body, headers=headers)
            assert 200 <= reply.status < 500 or reply.status == 503
            if reply.status >= 400:
                assert list(reply.json) == ["message"]
                assert reply.json["message"]


BODY_ROUTES = [
    ("POST", "/bots/create_bot"),
    ("POST", "/api/v1/bots/create_bot?dialect=current"),
    ("POST", "/bots/{id}/send_message"),
    ("POST", "/bots/{id}/send_image"),
    ("POST", "/bots/{id}/transcribe"),
    ("POST", "/bots/{id}/pause_recording"),
    ("POST", "/bots/{id}/resume_recording"),
    ("POST", "/bots/{id}/remove_bot"),
    ("DELETE", "/bots/{id}/delete"),
    ("DELETE", "/bots/\x00/delete"),
    ("PATCH", "/calendar/scheduled_bots/{id}"),
    ("PUT", "/user/settings"),
]
ACTS = st.fixed_dictionaries({}, optional={
    "message": JSON, "metadata": JSON, "img_url": JSON | URLS, "provider": JSON,
    "callback_url": JSON | URLS, "scheduled_join_time": JSON | st.datetimes().map(str),
    "dialect": JSON, "audio_format": JSON, "webhook_secret": JSON,
})  # fmt: skip
STATES = st.sampled_from(["new", "scheduled", "in meeting", "over"])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(BODY_ROUTES),
    st.binary() | (BODIES | ACTS).map(lambda body: json.dumps(body).encode()),
    STATES,
)
def test_no_request_is_an_error_of_ours(route: tuple[str, str], body: bytes, state: str) -> None:
    trio.run(_send, *route, body, state)


QUERIES = st.dictionaries(
    st.sampled_from(["limit", "cursor", "status", "from", "to", "platform", "custom_attr[a]",
                     "raw", "dialect"]),
    st.text(st.characters(exclude_categories=["Cs"])),
)  # fmt: skip
READ_ROUTES = [
    "/bots", "/bots/{id}/status", "/bots/{id}/detail", "/bots/{id}/get_audio",
    "/bots/{id}/get_speaker_timeline", "/bots/{id}/get_chats", "/bots/{id}/get_participants",
    "/bots/{id}/transcriptions", "/transcript/{id}/get_transcript", "/calendar/scheduled_bots",
    "/bots/{id}/get_audio_streams",
]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(QUERIES, st.sampled_from(READ_ROUTES), STATES)
def test_no_query_is_an_error_of_ours(query: dict[str, str], path: str, state: str) -> None:
    joined = "&".join(f"{quote(name)}={quote(value)}" for name, value in query.items())
    trio.run(_send, "GET", f"{path}?{joined}", b"", state)
