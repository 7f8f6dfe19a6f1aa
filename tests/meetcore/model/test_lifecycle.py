"""The table of states, and why a bot ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.errors import IllegalTransition
from meetcore.model.lifecycle import (
    COMPLETING,
    EXIT_CODES,
    TERMINAL,
    TRANSITIONS,
    Ending,
    EndReason,
    Evidence,
    Outcome,
    State,
    check_transition,
    outcome_of,
)

states = st.sampled_from(State)


@given(old=states, new=states)
def test_only_what_the_table_has_is_allowed(old, new):
    if new in TRANSITIONS[old]:
        check_transition(old, new)
    else:
        with pytest.raises(IllegalTransition, match=f"{old.value}.*{new.value}"):
            check_transition(old, new)


@given(old=states, new=states)
def test_recovery_may_end_whatever_has_not_ended_and_nothing_else(old, new):
    legal = new in TRANSITIONS[old] or (new in TERMINAL and old not in TERMINAL)
    if legal:
        check_transition(old, new, recovering=True)
    else:
        with pytest.raises(IllegalTransition):
            check_transition(old, new, recovering=True)


@pytest.mark.parametrize("state", State)
def test_a_bot_begins_scheduled_or_requested(state):
    if state in TERMINAL:
        check_transition(None, state, recovering=True)
    if state in (State.SCHEDULED, State.REQUESTED):
        check_transition(None, state)
    else:
        with pytest.raises(IllegalTransition, match="begin"):
            check_transition(None, state)


def reachable(start: State) -> set[State]:
    found, todo = set(), [start]
    while todo:
        for state in TRANSITIONS[todo.pop()] - found:
            found.add(state)
            todo.append(state)
    return found


def test_every_state_can_be_reached_and_leads_to_an_end():
    assert set(TRANSITIONS) == set(State)
    assert reachable(State.SCHEDULED) == set(State) - {State.SCHEDULED}
    for state in set(State) - TERMINAL:
        assert reachable(state) >= TERMINAL
    for state in TERMINAL:
        assert reachable(state) == set()


findings = st.lists(
    st.tuples(st.sampled_from(EndReason), st.text(max_size=5).map(Evidence)), min_size=1
)


@given(findings=findings, recorded=st.booleans())
def test_the_first_reason_wins_and_later_ones_add_detail(findings, recorded):
    ending = Ending()
    for reason, evidence in findings:
        ending = ending.conclude(reason, evidence)
    assert (ending.reason, ending.evidence) == findings[0]
    assert list(ending.later) == findings[1:]
    fails = findings[0][0] not in COMPLETING and not recorded
    expected = State.FAILED if fails else State.COMPLETED
    assert ending.terminal_state(something_recorded=recorded) is expected


@given(reason=st.sampled_from(EndReason), recorded=st.booleans())
def test_every_end_has_one_outcome_and_only_an_attendance_that_went_well_has_exit_code_0(
    reason, recorded
):
    ending = Ending().conclude(reason, Evidence("test"))
    outcome = outcome_of(ending.terminal_state(something_recorded=recorded), reason)
    if reason in COMPLETING:
        assert outcome is Outcome.ATTENDED
    else:
        assert outcome is (Outcome.CUT_SHORT if recorded else Outcome.FAILED)
    assert (EXIT_CODES[outcome] == 0) == (reason in COMPLETING)


@given(state=states, reason=st.sampled_from(EndReason))
def test_a_state_and_a_reason_that_contradict_each_other_have_no_outcome(state, reason):
    fits = state is State.COMPLETED or (state is State.FAILED and reason not in COMPLETING)
    if fits:
        assert outcome_of(state, reason) in EXIT_CODES
    else:
        with pytest.raises(IllegalTransition, match=f"{state.value}.*{reason.value}"):
            outcome_of(state, reason)


def test_every_outcome_has_an_exit_code_of_its_own():
    assert set(EXIT_CODES) == set(Outcome)
    assert len(set(EXIT_CODES.values())) == len(Outcome)
