"""Chapters: from the events of a journal to what a player lists."""

from __future__ import annotations

from itertools import pairwise

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore.model.chapters import Chapters
from meetcore.model.lifecycle import State


def person(name: str, **also: bool) -> meetcore.Participant:
    return meetcore.Participant(id=name.lower(), name=name, **also)


def joined(at_s: float | None, name: str, **also: bool) -> meetcore.Event:
    return meetcore.ParticipantJoined(participant=person(name, **also), meeting_s=at_s)


def state(at_s: float | None, wanted: State) -> meetcore.Event:
    return meetcore.StateChanged(state=wanted, meeting_s=at_s)


def topic(at_s: float, text: str) -> meetcore.Event:
    return meetcore.TopicMarked(topic=text, meeting_s=at_s)


def chapters_of(*events: meetcore.Event, end_s: float | None = None) -> list[tuple[float, str]]:
    reducer = Chapters()
    for event in events:
        reducer.take(event)
    return [(each.start_s, each.title) for each in reducer.until(end_s)]


def test_each_state_join_and_topic_begins_one_and_what_happens_at_once_is_one():
    found = chapters_of(
        state(None, State.JOINING),
        joined(0.0, "Notes", is_self=True),
        state(0.0, State.IN_CALL),
        state(0.01, State.RECORDING),
        joined(0.02, "Ada"),
        joined(0.5, "Grace"),
        topic(0.7, "Agenda"),
        joined(30.25, "Zoë"),
        topic(61.5, "Budget"),
        state(80.0, State.PAUSED),
        state(95.0, State.RECORDING),
        state(120.0, State.LEAVING),
        state(121.0, State.PROCESSING),
    )
    assert found == [
        (0.0, "Agenda, Recording, Ada and Grace joined"),
        (30.25, "Agenda: Zoë joined"),
        (61.5, "Budget"),
        (80.0, "Paused"),
        (95.0, "Budget: Recording"),
        (120.0, "Leaving"),
    ]


def test_of_two_topics_at_once_each_has_its_own():
    assert chapters_of(topic(5.0, "Budget"), topic(5.4, "Hiring"), joined(6.0, "Ada")) == [
        (5.0, "Budget"),
        (5.4, "Hiring, Ada joined"),
    ]


def test_a_crowd_is_counted_and_names_are_the_newest():
    renamed = meetcore.ParticipantUpdated(
        participant=evolve(person("Ada"), name="Ada Lovelace"), meeting_s=9.0
    )
    crowd = [joined(1.0, name) for name in ("Ada", "Grace", "Edith", "Zoë", "Joan")]
    assert chapters_of(*crowd, renamed) == [(1.0, "Ada Lovelace, Grace, Edith and 2 others joined")]
    assert chapters_of(*crowd[:4]) == [(1.0, "Ada, Grace, Edith and Zoë joined")]
    assert chapters_of(joined(1.0, " ")) == [(1.0, "somebody joined")]


def test_who_is_excluded_comes_unmarked():
    def excluded(since_s: float | None) -> meetcore.Event:
        return meetcore.ParticipantExcluded(
            participant_id="ada", name="Ada", since_s=since_s, meeting_s=5.0
        )

    come, again = joined(1.0, "Ada"), joined(9.0, "Ada")
    assert chapters_of(come, excluded(5.0), again) == [(1.0, "Ada joined")]
    assert chapters_of(come, excluded(None), again) == []
    back = meetcore.ParticipantIncluded(participant_id="ada", name="Ada", from_s=8.0, meeting_s=8.0)
    assert chapters_of(excluded(5.0), back, again) == [(9.0, "Ada joined")]


def test_nothing_begins_where_the_recording_has_ended():
    events = [state(0.0, State.RECORDING), topic(7.0, "Budget"), state(9.0, State.LEAVING)]
    assert chapters_of(*events, end_s=9.0) == [(0.0, "Recording"), (7.0, "Budget")]
    assert chapters_of() == []


def test_there_are_not_more_than_a_list_can_hold_and_the_rest_is_counted():
    reducer = Chapters()
    for number in range(1200):
        reducer.take(topic(number * 2.0, f"topic {number}"))
    assert len(reducer.until()) == 1000
    assert reducer.left_out == 200


MARKS = st.tuples(st.floats(0, 50), st.sampled_from(["Ada", "Grace", "topic", "pause"]))


@given(st.lists(MARKS, max_size=30), st.none() | st.floats(0.5, 60))
def test_chapters_follow_each_other_without_a_hole_and_lose_nothing(marks, end_s):
    reducer = Chapters()
    for at_s, what in sorted(marks):
        made = {"topic": topic(at_s, f"<{at_s}>"), "pause": state(at_s, State.PAUSED)}
        reducer.take(made.get(what) or joined(at_s, what))
    found = reducer.until(end_s)
    for one, other in pairwise(found):
        assert one.start_s <= other.start_s == one.end_s
    assert all(each.title for each in found)
    if found:
        assert found[-1].end_s == end_s
    said = " ".join(each.title for each in found)
    for at_s, what in marks:
        if what == "topic" and (end_s is None or at_s < end_s):
            assert f"<{at_s}>" in said


def test_after_a_pause_the_topic_is_there_again():
    found = chapters_of(
        state(1.0, State.RECORDING),
        topic(10.0, "Budget"),
        state(20.0, State.PAUSED),
        state(30.0, State.RECORDING),
        joined(40.0, "Robin"),
        state(50.0, State.LEAVING),
    )
    assert found == [
        (1.0, "Recording"),
        (10.0, "Budget"),
        (20.0, "Paused"),
        (30.0, "Budget: Recording"),
        (40.0, "Budget: Robin joined"),
        (50.0, "Leaving"),
    ]
