"""What is told about any journal, and what is made of any body: properties nothing may break."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore import PrivateTargets
from meetcore.gateway import BadField, BotRow
from meetcore.model.events import Event, SegmentFinalized, StateChanged
from meetcore.model.lifecycle import TERMINAL, State
from meetcore.model.transcript import Segment
from meetcore_spoke.create_request import parse_create_request
from meetcore_spoke.frames import Pieces, SpeakerChanges
from meetcore_spoke.webhooks import SpokeWebhooks
from tests.json_values import JSON
from tests.plugins.skribby.journals import journals
from tests.plugins.spoke.stage import ask, create_request, new_bot, spoke
from tests.plugins.told import bodies_of

SEED_CODES = {
    "joining_call",
    "in_waiting_room",
    "in_call_not_recording",
    "in_call_recording",
    "call_ended",
}
REASONS = {
    "bot_rejected",
    "bot_removed",
    "waiting_room_timeout",
    "invalid_meeting_url",
    "meeting_error",
    "api_request_stop",
}
LATER_CODES = SEED_CODES | REASONS | {"recording_paused", "recording_resumed"}
ERRORS = {
    "CannotJoinMeeting",
    "TimeoutWaitingToStart",
    "BotNotAccepted",
    "InternalError",
    "InvalidMeetingUrl",
    "BotRemoved",
    "ApiRequest",
}


class _Transcripts:
    """Of a service what webhooks ask for: the transcript of a journal."""

    def __init__(self, journal: list[Event]) -> None:
        self._journal = journal

    async def segments(self, row: BotRow) -> AsyncGenerator[Segment, None]:
        newest = {e.segment.id: e.segment for e in self._journal if isinstance(e, SegmentFinalized)}
        for segment in newest.values():
            yield segment


def told(journal: list[Event], *, extended: bool = False) -> list[Any]:
    """Return the bodies of the webhooks about a journal."""
    webhooks = SpokeWebhooks(_Transcripts(journal))  # type: ignore[arg-type]
    return bodies_of(webhooks, journal, extended=extended)


def codes(bodies: list[Any]) -> list[str]:
    return [b["data"]["status"]["code"] for b in bodies if b["event"] == "bot.status_change"]


@given(journals(), st.booleans())
def test_exactly_one_message_ends_a_bot_and_it_is_the_last(
    journal: list[Event], extended: bool
) -> None:
    ended = any(isinstance(e, StateChanged) and e.state in TERMINAL for e in journal)
    bodies = told(journal, extended=extended)
    ends = [body for body in bodies if body["event"] in ("complete", "failed")]
    assert len(ends) == ended
    if ended:
        assert bodies[-1] in ends
        assert bodies[-1]["event"] == "complete" or bodies[-1]["data"]["error"] in ERRORS


@given(journals(), st.booleans())
def test_the_call_ends_once_and_reasons_are_told_once_and_before_that(
    journal: list[Event], extended: bool
) -> None:
    told_codes = codes(told(journal, extended=extended))
    assert set(told_codes) <= (LATER_CODES if extended else SEED_CODES)
    ended = any(isinstance(e, StateChanged) and e.state in TERMINAL for e in journal)
    assert told_codes.count("call_ended") <= 1
    assert not ended or told_codes[-1] == "call_ended"
    assert sum(code in REASONS for code in told_codes) <= 1
    if extended and ended and "in_call_recording" in told_codes:
        assert not REASONS & set(told_codes)


@given(journals())
def test_a_bot_is_complete_if_it_recorded_and_ended_well(journal: list[Event]) -> None:
    states = [event.state for event in journal if isinstance(event, StateChanged)]
    if states[-1] in TERMINAL:
        good = State.RECORDING in states and states[-1] is State.COMPLETED
        assert told(journal)[-1]["event"] == ("complete" if good else "failed")


@given(journals())
def test_speakers_start_and_stop_in_turn(journal: list[Event]) -> None:
    changes = SpeakerChanges()
    speaking: set[int] = set()
    for event in journal:
        message = changes.take(event)
        if message is None:
            continue
        (change,) = json.loads(message)
        assert set(change) == {"name", "id", "timestamp", "isSpeaking"}
        assert (change["id"] in speaking) is not change["isSpeaking"]
        (speaking.add if change["isSpeaking"] else speaking.discard)(change["id"])
    now = json.loads(changes.now or "[]")
    assert {entry["id"] for entry in now} == speaking
    assert all(entry["isSpeaking"] for entry in now)


@given(st.lists(st.integers(0, 2000), max_size=12))
def test_no_sample_is_lost_or_added_by_cutting(lengths: list[int]) -> None:
    pieces, sent, given_sound = Pieces(16_000), b"", b""
    for number, length in enumerate(lengths):
        sound = bytes([number % 251, 0]) * length
        given_sound += sound
        cut = pieces.cut(sound)
        assert all(len(piece) == 512 for piece in cut)
        sent += b"".join(cut)
    sent += b"".join(pieces.cut(b"", last=True))
    assert sent == given_sound


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=12))
def test_at_24_khz_there_are_half_as_many_samples_again(lengths: list[int]) -> None:
    pieces, sent = Pieces(24_000), b""
    for length in lengths:
        sent += b"".join(pieces.cut(b"\x01\x00" * length))
    sent += b"".join(pieces.cut(b"", last=True))
    assert abs(len(sent) // 2 - sum(lengths) * 3 / 2) <= 2


FIELDS = st.sampled_from(
    [
        "meeting_url",
        "bot_name",
        "reserved",
        "recording_mode",
        "bot_image",
        "entry_message",
        "speech_to_text",
        "automatic_leave",
        "deduplication_key",
        "webhook_url",
        "streaming",
        "extra",
        "start_time",
    ]
)
NESTED = st.fixed_dictionaries(
    {},
    optional={
        "streaming": st.dictionaries(
            st.sampled_from(["output", "input", "audio_frequency"]),
            JSON | st.sampled_from(["ws://x.test", "ws://[", "24khz", ""]),
        ),
        "automatic_leave": st.dictionaries(
            st.sampled_from(["waiting_room_timeout", "silence_timeout"]), JSON
        ),
        "speech_to_text": st.dictionaries(st.sampled_from(["provider", "api_key"]), JSON),
        "start_time": st.integers() | st.floats() | st.text() | st.datetimes().map(str),
    },
)
BODIES = JSON | st.dictionaries(FIELDS, JSON, max_size=6).map(lambda b: create_request(**b))
BODIES = BODIES | NESTED.map(lambda b: create_request(**b))


@given(BODIES)
def test_any_body_is_a_wish_or_refused_with_a_sentence(body: Any) -> None:
    refused = None
    try:
        read = parse_create_request(body, PrivateTargets())
    except BadField as bad:
        refused = bad
    if refused is not None:
        assert refused.message
        return
    assert read.bot_name
    assert all(value is not None and value > 0 for value in read.automatic_leave.values())


async def _send(method: str, tail: str, body: bytes) -> None:
    with TemporaryDirectory() as folder:
        async with spoke(Path(folder)) as fake:
            row = await new_bot(fake)
            reply = await ask(fake, method, tail.replace("{id}", row.bot_id), body=body)
            assert 200 <= reply.status < 500
            if reply.status >= 400:
                assert isinstance(reply.json["error"], str)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(
        [
            ("POST", "/bots"),
            ("POST", "/bots/"),
            ("DELETE", "/bots/{id}"),
            ("DELETE", "/bots/\x00"),
            ("POST", "/bots/{id}/delete_data"),
            ("POST", "/bots/retranscribe"),
            ("POST", "/accounts/webhook_url"),
        ]
    ),
    st.binary() | BODIES.map(lambda body: json.dumps(body).encode()),
)
def test_no_request_is_an_error_of_ours(route: tuple[str, str], body: bytes) -> None:
    trio.run(_send, *route, body)


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["limit", "cursor", "created_after", "sort_by_extra", "filter_by_extra",
                         "speaker_name", "bot_name", "meeting_url", "bot_id"]),
        st.text(st.characters(blacklist_characters="&#%+", blacklist_categories=["Cs"])),
    ),
    st.sampled_from(["/bots/bots_with_metadata", "/bots/meeting_data"]),
)  # fmt: skip
def test_no_query_is_an_error_of_ours(query: dict[str, str], path: str) -> None:
    joined = "&".join(f"{name}={value}" for name, value in query.items())
    trio.run(_send, "GET", f"{path}?{joined}", b"")
