"""Who is here and who spoke when, against a plain account of the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.roster import NameSource, Participant, Roster, SpeakingTimeline

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


moments = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.integers(1, 8)), max_size=6
)


@given(spoken=moments, window=st.tuples(st.integers(0, 30), st.integers(1, 10)))
def test_shares_are_what_counting_second_by_second_gives(spoken, window):
    timeline, seconds = SpeakingTimeline(), {"a": [], "b": []}
    for who, start, length in sorted(spoken, key=lambda s: s[1]):
        assert timeline.started(who, start, NameSource.TRACK)
        assert not timeline.started(who, start, NameSource.TRACK)
        assert timeline.speaking == (who,)
        assert timeline.stopped(who, start + length)
        assert not timeline.stopped(who, start + length)
        seconds[who] += range(start, start + length)
    start, length = window
    wanted = {
        who: float(sum(start <= s < start + length for s in said)) for who, said in seconds.items()
    }
    shares = timeline.shares(start, start + length)
    assert shares == {who: pytest.approx(s) for who, s in wanted.items() if s}
    totals = timeline.seconds_by_participant()
    assert totals == {who: len(said) for who, said in seconds.items() if said}


def test_who_is_still_speaking_covers_the_time_up_to_now():
    timeline = SpeakingTimeline()
    timeline.started("a", 5.0, NameSource.ACTIVE_SPEAKER)
    assert timeline.shares(4.0, 8.0) == {"a": 3.0}
    timeline.stopped("a", 2.0)
    assert timeline.spans[0].end_s == 5.0, "an end before the beginning is no negative span"
