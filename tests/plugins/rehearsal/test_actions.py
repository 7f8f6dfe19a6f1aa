"""Messages of a client: what is understood, and what is refused without harm."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore_rehearsal.actions import (
    Action,
    Admit,
    Arrive,
    BadMessage,
    Relay,
    Report,
    Say,
    SetMuted,
    read_action,
)
from tests.json_values import nested


def read(message: object, *, arrived: bool = True) -> Action:
    return read_action(json.dumps(message), "me", arrived=arrived)


def test_messages_become_actions_of_their_sender() -> None:
    assert read({"type": "admit", "id": "g"}) == Admit("me", "g")
    assert read({"type": "chat", "text": "hi"}) == Say("me", "hi")
    assert read({"type": "chat", "text": "hi", "to": "you"}) == Say("me", "hi", "you")
    assert read({"type": "muted", "muted": True}) == SetMuted("me", True)
    assert read({"type": "signal", "to": "g", "data": {"a": 1}}) == Relay("me", "g", {"a": 1})
    assert read({"type": "report", "data": {"event": "x"}}) == Report("me", {"event": "x"})


def test_hello_says_who_comes() -> None:
    hello = {"type": "hello", "name": "Ada", "muted": True, "colour": "red", "wanted_id": "../x"}
    action = read(hello, arrived=False)
    assert isinstance(action, Arrive)
    assert (action.member_id, action.name, action.muted) == ("me", "Ada", True)
    assert action.colour == "#5f6b7a"
    assert action.wanted_id is None


@pytest.mark.parametrize(
    ("message", "arrived", "why"),
    [
        ([], True, "object"),
        ({"type": "hello", "name": "Ada"}, True, "hello once"),
        ({"type": "chat", "text": "hi"}, False, "hello once"),
        ({"type": "dance"}, True, "dance"),
        ({"type": "chat"}, True, "'text'"),
        ({"type": "chat", "text": "x" * 5000}, True, "4000"),
        ({"type": "muted", "muted": 1}, True, "'muted'"),
        ({"type": "signal", "to": "g", "data": "x"}, True, "'data'"),
    ],
)
def test_what_no_client_sends_is_refused_with_a_reason(
    message: object, arrived: bool, why: str
) -> None:
    with pytest.raises(BadMessage, match=why):
        read(message, arrived=arrived)


@given(st.text() | st.binary(), st.booleans())
def test_no_bytes_break_the_reader_but_by_its_own_error(text: str | bytes, arrived: bool) -> None:
    try:
        action = read_action(text, "me", arrived=arrived)
    except BadMessage:
        return
    assert isinstance(action, Action)


JSON = nested(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text())
TYPES = ["hello", "admit", "chat", "muted", "camera", "speaking", "signal", "report", "end"]
KEYS = ["id", "text", "muted", "on", "speaking", "to", "data", "name", "passcode", "host_key"]


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(KEYS), JSON), st.booleans())
def test_no_field_breaks_the_reader_but_by_its_own_error(
    kind: str, fields: dict[str, object], arrived: bool
) -> None:
    try:
        action = read({"type": kind, **fields}, arrived=arrived)
    except BadMessage:
        return
    assert isinstance(action, Action)
