"""Events, drafts and commands keep everything on their way over the wire and back."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meetcore
from meetcore.log.journal import Journal, encode_line
from meetcore.model.commands import COMMAND_TYPES
from meetcore.model.errors import CommandRefused, MeetcoreError
from meetcore.model.events import EVENT_TYPES, Event
from meetcore.model.plain import format_time, parse_time, to_json
from meetcore.model.wire import (
    command_from_wire,
    command_to_wire,
    draft_to_wire,
    event_from_wire,
    event_to_wire,
)
from tests.json_values import nested

moments = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
plain = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.lists(st.text()))


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for what an annotation allows."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is type(None):
        return st.none()
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values_of, args))
    if origin is tuple:
        return st.lists(values_of(args[0]), max_size=3).map(tuple)
    if origin in (dict, Mapping):
        return st.dictionaries(values_of(args[0]), values_of(args[1]), max_size=3)
    if isinstance(kind, type) and attrs.has(kind):
        return made(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return st.sampled_from(kind)
    return {
        str: st.text(max_size=20),
        int: st.integers(0, 2**53),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        datetime: moments,
        bytes: st.binary(max_size=20),
        object: plain,
    }[kind]


@cache
def made(cls: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{a.name: values_of(hints[a.name]) for a in attrs.fields(cls)})


@pytest.mark.parametrize("cls", EVENT_TYPES.values(), ids=EVENT_TYPES)
@settings(max_examples=25)
@given(data=st.data())
def test_every_event_comes_back_as_it_was(cls, data):
    event = data.draw(made(cls))
    if isinstance(event, meetcore.UnknownEvent):
        event = attrs.evolve(event, type_name=f"x.{event.type_name}")
    text = to_json(event_to_wire(event))
    assert "\n" not in text
    assert event_from_wire(json.loads(text)) == event


def test_there_is_a_class_for_every_type_and_it_is_public():
    assert set(EVENT_TYPES.values()) == set(Event.__subclasses__())
    for cls in EVENT_TYPES.values():
        assert getattr(meetcore, cls.__name__) is cls


@pytest.mark.parametrize("cls", COMMAND_TYPES.values(), ids=COMMAND_TYPES)
@given(data=st.data())
def test_every_command_comes_back_as_it_was(cls, data):
    command = data.draw(made(cls))
    assert command_from_wire(json.loads(to_json(command_to_wire(command)))) == command


@given(draft=st.one_of(made(meetcore.SegmentDraft), made(meetcore.LevelDraft)))
def test_a_draft_stands_after_an_event_and_has_no_number(draft):
    wire = json.loads(to_json(draft_to_wire(draft)))
    assert wire["after_seq"] == draft.after_seq
    assert "seq" not in wire
    assert wire["type"] == draft.type


@given(moment=moments)
def test_a_time_comes_back_to_the_microsecond(moment):
    assert parse_time(format_time(moment)) == moment
    assert format_time(moment).endswith("Z")


def envelope(**changes: Any) -> dict[str, Any]:
    wire = {
        "type": "chat.received",
        "seq": 1,
        "bot_id": "b",
        "at": "2026-01-01T00:00:00.000000Z",
        "meeting_s": None,
        "data": {"message_id": "1", "sender_id": None, "sender_name": "A", "text": "x"},
    }
    return {**wire, **changes}


def test_an_event_of_a_later_version_is_kept_as_it_is():
    wire = envelope(type="hand.raised", data={"who": "ada", "high": [1, {"deep": True}]})
    event = event_from_wire(wire)
    assert isinstance(event, meetcore.UnknownEvent)
    assert event_to_wire(event) == wire


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"type": "chat.received"},
        envelope(data=None),
        envelope(at="yesterday"),
        envelope(seq="one"),
        envelope(type=7),
    ],
)
def test_what_is_no_event_is_a_typed_error(broken):
    with pytest.raises(MeetcoreError, match="does not read as an event"):
        event_from_wire(broken)


@pytest.mark.parametrize(
    "strange",
    [
        envelope(data={}),
        envelope(type="state.changed", data={"state": "dancing", "music": "loud"}),
        envelope(type="track.opened", data={"track_id": "t1"}),
        envelope(type="never.heard.of", data={"a": [1, {"b": None}]}),
    ],
)
def test_an_entry_of_another_version_is_passed_on_as_it_was_written(strange):
    event = event_from_wire(strange)
    assert isinstance(event, meetcore.UnknownEvent)
    assert event.type_name == strange["type"]
    assert event_to_wire(event) == strange


def test_fields_and_values_of_another_version_are_passed_over():
    data = {"state": "failed", "reason": "not invented yet", "evidence": None, "mood": "bad"}
    event = event_from_wire(envelope(type="state.changed", data=data))
    assert isinstance(event, meetcore.StateChanged)
    assert (event.state, event.reason) == ("failed", None)


@pytest.mark.other_version
def test_a_journal_with_entries_of_another_version_is_read_to_its_end(tmp_path):
    path = tmp_path / "journal.jsonl"
    with path.open("wb") as file:
        for number, (kind, data) in enumerate(
            [("track.opened", {"track_id": "t1"}), ("chat.received", {}), ("later.version", {})], 1
        ):
            event = meetcore.UnknownEvent(type_name=kind, data=data, bot_id="b", seq=number)
            file.write(encode_line(event))
    assert [event.seq for event in meetcore.read_journal(path)] == [1, 2, 3]
    Journal(path, "b", fsync=False).close()


@given(message=nested(plain))
def test_no_message_breaks_the_reader_of_commands_but_by_its_own_error(message):
    for attempt in (message, {"type": "send_chat", "data": message}, {"type": message}):
        with suppress(CommandRefused):
            assert type(command_from_wire(attempt)) in COMMAND_TYPES.values()


def test_a_commands_id_travels_with_it_and_who_asked_is_not_the_messages_to_say():
    wire = {"type": "send_chat", "id": "x", "by": "api", "data": {"text": "hi"}}
    command = command_from_wire(wire)
    assert (command.id, command.by, command.text) == ("x", "", "hi")
    data = {"text": "hi", "to": None}
    assert command_to_wire(command) == {"type": "send_chat", "id": "x", "data": data}
    assert command_from_wire({**wire, "id": 7}).id == ""
    for data in ({"text": "hi", "id": "x"}, {"text": "hi", "by": "api"}):
        with pytest.raises(CommandRefused, match="It takes text, to"):
            command_from_wire({"type": "send_chat", "data": data})
    with pytest.raises(CommandRefused, match="200 characters"):
        command_from_wire({**wire, "id": "x" * 201})


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"type": "sned_chat"}, "send_chat"),
        ({"type": "send_chat", "data": {"txt": "x"}}, "text"),
        ({"type": "send_chat", "data": {"text": 5}}, "must be text"),
        ({"type": "speak", "data": {"pcm": "not base 64!"}}, "'pcm'.* must be bytes in base64"),
        ({"type": "speak", "data": {"sample_rate_hz": "16k"}}, "must be a whole number"),
        ({"type": "speak", "data": {"barge_in": "no"}}, "must be one of stop, duck, go_on"),
        ({"type": "stop", "data": {"reason": "bored"}}, "must be one of .*stop_requested"),
        ({"type": "mark_topic"}, "lacks 'topic'"),
        ({"type": "name_voice", "data": {"track_id": "a"}}, "lacks 'voice'"),
        ({"type": "send_chat", "data": {"text": None}}, "must be text"),
        (
            {"type": "exclude_participant", "data": {"participant_id": "a", "since_start": 1}},
            "must be true or false",
        ),
        ([], "JSON object"),
    ],
)
def test_a_refused_command_says_what_it_takes(message, said):
    with pytest.raises(CommandRefused, match=said):
        command_from_wire(message)


def test_half_a_character_does_not_stop_the_wire():
    event = meetcore.ChatReceived(message_id="1", sender_id=None, sender_name="A", text="x\ud83d")
    assert "x�" in to_json(event_to_wire(event)).encode().decode()
