"""Who is here and who spoke when, against a plain account of the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.roster import (
    NameSource,
    Participant,
    Roster,
    RosterLists,
    SpeakingTimeline,
    SpeechMark,
)

people = st.sampled_from(["a", "b", "bot", "self"])


def participant(who: str, name: str = "") -> Participant:
    return Participant(
        id=who, name=name or who.title(), is_bot=who in ("bot", "self"), is_self=who == "self"
    )


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["joined", "left", "changed"]), people, st.sampled_from(["X", "Y"])
        )
    )
)
def test_the_roster_is_a_set_with_a_memory(steps):
    roster, present, names = Roster(), {}, {}
    for what, who, name in steps:
        if what == "joined":
            assert roster.joined(participant(who, name)) == (who not in present)
            present[who] = names[who] = name
        elif what == "changed":
            assert roster.changed(participant(who, name)) == (present.get(who) != name)
            present[who] = names[who] = name
        else:
            assert roster.left(who) == (present.pop(who, None) is not None)
    assert {p.id: p.name for p in roster.present.values()} == present
    assert {who: roster.name_of(who) for who in names} == names
    assert {p.id for p in roster.others} == set(present) - {"self"}
    assert {p.id for p in roster.people} == set(present) - {"self", "bot"}
    assert roster.name_of(None) is None
    assert roster.name_of("nobody") is None


marks = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from([None, "t1"]), st.integers(0, 20), st.booleans()
    ),
    max_size=24,
)


def speaks(marks, who, track, at):
    """Say by a walk over all evidence whether somebody speaks: the newest up to then says so."""
    newest = max(
        ((m[2], i) for i, m in enumerate(marks) if m[:2] == (who, track) and m[2] <= at),
        default=None,
    )
    return newest is not None and marks[newest[1]][3]


@given(marks=marks, window=st.tuples(st.integers(0, 30), st.integers(1, 10)))
def test_evidence_in_any_order_gives_what_counting_second_by_second_gives(marks, window):
    timeline = SpeakingTimeline()
    told: dict[tuple[str, str | None], bool] = {}
    for who, track, at, speaking in marks:
        mark = SpeechMark(float(at), speaking, NameSource.ACTIVE_SPEAKER)
        for change in timeline.mark(who, mark, track):
            assert change.at_s >= at
            told[who, track] = change.speaking
    keys = {(who, track) for who, track, *_ in marks}
    start, length = window
    wanted = dict.fromkeys("ab", 0.0)
    totals = dict.fromkeys("ab", 0)
    for who, track in keys:
        seconds = [at for at in range(41) if speaks(marks, who, track, at)]
        wanted[who] += sum(start <= at < start + length for at in seconds)
        assert told.get((who, track), False) is speaks(marks, who, track, 40)
        if not speaks(marks, who, track, 40):
            totals[who] += len(seconds)
        assert (track in timeline.open_on(who)) is speaks(marks, who, track, 40)
    shares = timeline.shares(start, start + length)
    assert shares == {who: pytest.approx(s) for who, s in wanted.items() if s}
    closed = timeline.seconds_by_participant()
    assert all(closed.get(who, 0) >= total for who, total in totals.items())


def test_evidence_told_again_says_nothing_new():
    timeline = SpeakingTimeline()
    for _ in range(2):
        changed = [timeline.started("a", 1.0, NameSource.TRACK), timeline.stopped("a", 2.0)]
    assert changed == [False, False]
    assert [(span.start_s, span.end_s) for span in timeline.spans] == [(1.0, 2.0)]


def test_an_end_told_before_its_beginning_is_told_again_after_it():
    timeline = SpeakingTimeline()
    end, beginning = (SpeechMark(at, at == 1.0, NameSource.CAPTION) for at in (2.0, 1.0))
    assert timeline.mark("a", end) == []
    assert timeline.mark("a", beginning) == [beginning, end]


def test_hours_of_repeated_evidence_are_not_kept():
    timeline = SpeakingTimeline()
    for quarter in range(4 * 3600):
        timeline.started("a", quarter / 4, NameSource.ACTIVE_SPEAKER)
    assert len(timeline._marks["a", None]) < 200
    assert not timeline.stopped("a", 1.0), "older than anything that is still believed"
    assert timeline.stopped("a", 3599.0)
    assert timeline.seconds_by_participant() == {"a": 3599.0}


def test_who_is_still_speaking_covers_the_time_up_to_now():
    timeline = SpeakingTimeline()
    timeline.started("a", 5.0, NameSource.ACTIVE_SPEAKER)
    assert timeline.shares(4.0, 8.0) == {"a": 3.0}
    timeline.stopped("a", 2.0)
    assert timeline.spans[0].end_s is None, "an end before the beginning is not its end"


told = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(-3, 3), st.booleans()), min_size=1, max_size=30
)


@given(told=told, window=st.tuples(st.integers(-3, 40), st.integers(1, 10)))
def test_spans_are_found_as_by_looking_at_all_of_them(told, window):
    """Also where beginnings are told out of order, and one is open for long."""
    timeline, now = SpeakingTimeline(), 3
    for who, jitter, starts in told:
        now += 1
        if starts:
            timeline.started(who, now + jitter, NameSource.TRACK)
        else:
            timeline.stopped(who, now + jitter)
        start, end = window[0], window[0] + window[1]
        wanted = [
            span
            for span in timeline.spans
            if span.start_s < end and (span.end_s is None or span.end_s > start)
        ]
        assert list(timeline.between(start, end)) == wanted


@pytest.mark.parametrize("closes", [False, True])
def test_a_look_at_hour_three_touches_no_more_spans_than_one_at_hour_one(closes):
    """However long somebody has spoken, and whether they still do."""

    class Counted(list):
        looks = 0

        def __getitem__(self, index):
            self.looks += 1
            return super().__getitem__(index)

    timeline = SpeakingTimeline(spans=Counted())
    timeline.started("host", 0.0, NameSource.ACTIVE_SPEAKER)
    looks = []
    for at in range(10_800):
        timeline.started("ada", float(at), NameSource.TRACK)
        timeline.stopped("ada", at + 0.5)
        if at in (3_600, 10_799):
            if closes and at == 10_799:
                timeline.stopped("host", 10_800.0)
            timeline.spans.looks = 0
            assert timeline.shares(at, at + 1) == {"host": 1.0, "ada": 0.5}
            looks.append(timeline.spans.looks)
    assert looks[1] <= looks[0] <= 10


class Lists:
    """A roster kept by lists alone."""

    def __init__(self) -> None:
        self.roster = Roster()
        self.lists = RosterLists(self.roster)

    def take(self, people: dict[str, str], self_id: str | None = "me") -> list[str]:
        """Take a list of names by id; return what happened, as words."""
        seen = [Participant(id=key, name=name) for key, name in people.items()]
        change = self.lists.take(seen, self_id)
        assert all(self.roster.left(who) for who in change.left)
        assert all(self.roster.joined(each) for each in change.joined)
        assert all(self.roster.changed(each) for each in change.updated)
        return [
            *(f"-{who}" for who in change.left),
            *(f"+{each.id}" for each in change.joined),
            *(f"{each.id}={each.name}" for each in change.updated),
            *(["?"] if change.trouble else []),
        ]


ME = {"me": "Notes"}


def test_who_is_missing_once_is_not_gone_and_twice_is():
    lists = Lists()
    assert lists.take(ME | {"a": "Ada", "b": "Ben"}) == ["+me", "+a", "+b"]
    assert lists.take(ME | {"b": "Ben"}) == []
    assert lists.take(ME | {"a": "Ada"}) == []
    assert lists.take(ME | {"a": "Ada"}) == ["-b"]
    assert [p.is_self for p in lists.roster.present.values()] == [True, False]


def test_a_list_without_the_bot_itself_says_nothing():
    lists = Lists()
    lists.take(ME | {"a": "Ada"})
    assert lists.take({}) == ["?"]
    assert lists.take({"c": "Cem"}) == ["?"]
    assert lists.take({"c": "Cem"}, None) == ["?"]
    assert lists.take(ME) == [], "what an unwell list lacked does not count"
    assert lists.take(ME) == ["-a"]


def test_a_new_name_is_an_update_and_an_empty_one_is_none():
    lists = Lists()
    lists.take(ME | {"a": "Ada"})
    assert lists.take(ME | {"a": "Ada (host)"}) == ["a=Ada (host)"]
    assert lists.take(ME | {"a": ""}) == []


def test_who_comes_back_under_a_new_id_does_not_stand_there_twice():
    lists = Lists()
    lists.take(ME | {"a1": "Ada", "b": "Ben"})
    assert lists.take(ME | {"a2": "Ada", "b": "Ben"}) == ["-a1", "+a2"]
    assert lists.take({"me2": "Notes", "a2": "Ada", "b": "Ben"}, "me2") == ["-me", "+me2"]
    assert lists.take({"me2": "Notes", "a2": "Ada", "b": "Ben", "b2": "Ben"}, "me2") == ["+b2"]


rosters = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["X", "Y", "Z"])), st.booleans()
    ),
    max_size=12,
)


@given(rosters=rosters)
def test_a_roster_of_lists_is_the_newest_list_and_who_may_only_flicker(rosters):
    lists, before = Lists(), {}
    here: dict[str, str] = {}
    for people, well in rosters:
        changes = lists.take(ME | people if well else people)
        if not well:
            assert changes == ["?"]
            continue
        names = {p.id: p.name for p in lists.roster.others}
        new = {name for who, name in people.items() if who not in here}
        for who in here.keys() - people.keys():
            stays = who in before and here[who] not in new
            assert (who in names) is stays, "gone after two lists, or by a rejoin"
        assert {who: names[who] for who in people} == people
        assert names.keys() <= here.keys() | people.keys()
        before, here = people, names
