"""A line for a reader: for every type of event, the same live and replayed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore.cli.lines import line_of, plain_line
from meetcore.model.events import (
    EVENT_TYPES,
    Event,
    ShareStarted,
    ShareStopped,
    SpeechStarted,
    StateChanged,
)
from meetcore.model.lifecycle import COMPLETING, EndReason, State
from tests.meetcore.model.test_wire import made


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=EVENT_TYPES)
@settings(max_examples=15)
@given(data=st.data())
def test_every_type_has_a_line_that_says_more_than_its_name(kind: type[Event], data):
    event = data.draw(made(kind))
    line = line_of(event, "Notes")
    assert line
    assert line != kind.type
    assert plain_line(event, "Notes") in (None, line)


@given(reason=st.sampled_from(EndReason), previous=st.sampled_from(State))
def test_a_bot_that_was_cut_short_is_never_told_as_one_that_went_well(reason, previous):
    event = StateChanged(state=State.COMPLETED, previous=previous, reason=reason)
    assert ("cut short" in line_of(event, "Notes")) == (reason not in COMPLETING)


def test_who_is_to_be_admitted_is_named():
    event = StateChanged(state=State.AWAITING_ADMISSION, previous=State.JOINING)
    assert line_of(event, "Notes") == "awaiting admission: ask the host to admit Notes"


def test_who_watches_a_bot_is_told_of_screens_and_of_what_the_bot_says():
    shared = {"share_id": "s-1", "participant_id": "ada", "name": "Ada"}
    for event, line in (
        (ShareStarted(**shared), "Ada shares a screen"),
        (ShareStopped(**shared), "Ada shares a screen no more"),
        (SpeechStarted(speech_id="1", text="Good morning"), "the bot says: Good morning"),
    ):
        assert plain_line(event, "Notes") == line
