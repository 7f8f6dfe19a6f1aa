"""When a bot leaves by itself: each rule alone, in pure form and in a simulated meeting."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore.bot.leaving import LeaveRules
from meetcore.model.config import AutomaticLeave
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.signals import (
    CallEnded,
    CaptureHealth,
    PersonNeeded,
    RecordingPermission,
    RosterHealth,
    TrackGone,
)
from meetcore.testing import SimMeeting, SimPage, run_simulated
from tests.meetcore.conftest import Stage, check_journal, end_of, events_of

NEVER = AutomaticLeave(
    waiting_room_s=None,
    nobody_joined_s=None,
    everyone_left_s=None,
    only_bots_s=None,
    silence_s=None,
    max_duration_s=None,
    recording_permission_s=None,
)

NOBODY_ADMITS = """
title = "A closed door"
seed = 4
[admission]
after_s = 5000
[[people]]
id = "ada"
name = "Ada"
host = true
[[lines]]
who = "ada"
at_s = 1
text = "who is there"
"""


def rules(state: State = State.RECORDING, now: float = 0.0, **limits: float) -> LeaveRules:
    made = LeaveRules(evolve(NEVER, **limits))
    made.state_changed(state, now)
    return made


def due(made: LeaveRules) -> list[tuple[float, str]]:
    return [(at, reason.value) for at, reason, _ in made.due()]


def test_joining_and_the_waiting_room_have_their_own_times():
    made = rules(State.JOINING, 5.0, join_s=30.0, waiting_room_s=60.0)
    assert due(made) == [(35.0, "client_never_loaded")]
    made.state_changed(State.AWAITING_ADMISSION, 20.0)
    assert due(made) == [(80.0, "admission_timeout")]
    made.state_changed(State.IN_CALL, 30.0)
    assert due(made) == []


def test_back_in_the_waiting_room_its_time_begins_anew():
    made = rules(State.AWAITING_ADMISSION, 0.0, waiting_room_s=60.0)
    made.state_changed(State.IN_CALL, 10.0)
    made.state_changed(State.AWAITING_ADMISSION, 100.0)
    assert due(made) == [(160.0, "admission_timeout")]


def test_who_never_saw_anybody_leaves_with_nobody_joined():
    made = rules(State.IN_CALL, 10.0, nobody_joined_s=100.0, everyone_left_s=7.0)
    assert due(made) == [(110.0, "nobody_joined")]
    made.state_changed(State.RECORDING, 11.0)
    assert due(made) == [(110.0, "nobody_joined")]
    made.roster_changed(others=1, people=1, now=50.0)
    assert due(made) == []
    made.roster_changed(others=0, people=0, now=60.0)
    assert due(made) == [(67.0, "everyone_left")]


def test_only_bots_are_left_while_no_person_is_there():
    made = rules(only_bots_s=100.0)
    made.roster_changed(others=2, people=1, now=1.0)
    assert due(made) == []
    made.roster_changed(others=1, people=0, now=5.0)
    assert due(made) == [(105.0, "everyone_left")]
    made.roster_changed(others=2, people=0, now=50.0)
    assert due(made) == [(105.0, "everyone_left")], "another bot is no news"
    made.roster_changed(others=3, people=1, now=60.0)
    assert due(made) == []


def test_an_unhealthy_roster_is_unknown_and_counts_begin_anew_with_its_health():
    made = rules(everyone_left_s=60.0, only_bots_s=60.0, nobody_joined_s=60.0)
    made.roster_changed(others=1, people=1, now=1.0)
    made.roster_changed(others=0, people=0, now=10.0)
    made.roster_health(healthy=False, now=20.0)
    assert due(made) == []
    made.roster_health(healthy=True, now=500.0)
    assert due(made) == [(560.0, "everyone_left")]


def test_silence_counts_only_while_audio_is_healthy():
    made = rules(silence_s=100.0)
    assert due(made) == [], "no audio has come: that is not silence"
    made.audio_health(healthy=True, now=10.0)
    assert due(made) == [(110.0, "silence")]
    made.quiet.speech("t", speaking=True, now=20.0)
    assert due(made) == []
    made.quiet.speech("t", speaking=False, now=30.0)
    assert due(made) == [(130.0, "silence")]
    made.audio_health(healthy=False, now=40.0)
    assert due(made) == []
    made.audio_health(healthy=True, now=90.0)
    assert due(made) == [(190.0, "silence")]


def test_while_paused_nothing_is_heard_and_so_nothing_is_silent():
    made = rules(silence_s=100.0)
    made.audio_health(healthy=True, now=0.0)
    made.state_changed(State.PAUSED, 50.0)
    assert due(made) == []
    made.state_changed(State.RECORDING, 500.0)
    assert due(made) == [(600.0, "silence")]


@pytest.mark.parametrize("entered", [0.0, 7.0])
def test_the_longest_stay_counts_from_the_first_entry(entered):
    made = rules(State.IN_CALL, entered, max_duration_s=100.0)
    made.state_changed(State.AWAITING_ADMISSION, 20.0)
    made.state_changed(State.IN_CALL, 30.0)
    assert due(made) == [(entered + 100.0, "max_duration")]


def test_leave_to_record_has_a_time_to_be_given():
    made = rules(recording_permission_s=60.0)
    made.permission_asked(waiting=True, now=5.0)
    made.permission_asked(waiting=True, now=50.0)
    assert due(made) == [(65.0, "recording_permission_denied")]
    made.permission_asked(waiting=False, now=60.0)
    assert due(made) == []


facts = st.one_of(
    st.tuples(st.just("state"), st.sampled_from(State)),
    st.tuples(st.just("roster"), st.tuples(st.integers(0, 2), st.integers(0, 2))),
    st.tuples(st.sampled_from(["roster_health", "speech", "audio", "permission"]), st.booleans()),
)


@given(history=st.lists(st.tuples(st.integers(0, 50), facts)))
def test_nothing_is_due_earlier_than_its_limit_after_the_last_news_of_it(history):
    """Told anything in any order, the rules stay sane: sorted, evidenced, never in the past."""
    made = LeaveRules(AutomaticLeave(everyone_left_s=60, silence_s=60, only_bots_s=60))
    now, state, people, healthy = 0.0, None, 0, True
    for wait_s, (what, value) in history:
        now += wait_s
        if what == "state":
            state = value
            made.state_changed(value, now)
        elif what == "roster":
            bots, people = value
            made.roster_changed(others=bots + people, people=people, now=now)
        elif what == "roster_health":
            healthy = value
            made.roster_health(healthy=value, now=now)
        elif what == "speech":
            made.quiet.speech("t", speaking=value, now=now)
        elif what == "audio":
            made.audio_health(healthy=value, now=now)
        else:
            made.permission_asked(waiting=value, now=now)
        found = made.due()
        reasons = [reason for _, reason, _ in found]
        assert [at for at, _, _ in found] == sorted(at for at, _, _ in found)
        assert all(evidence.signal == "leave_rule" and evidence.detail for *_, evidence in found)
        if not healthy or people:
            assert EndReason.EVERYONE_LEFT not in reasons
            assert not people or EndReason.NOBODY_JOINED not in reasons
        if state is not State.RECORDING:
            assert EndReason.SILENCE not in reasons


# --- in a meeting -------------------------------------------------------------------------

ADA = '[[people]]\nid = "ada"\nname = "Ada"\n'
TALK = '[[lines]]\nwho = "ada"\nat_s = 1\ntext = "good morning everyone"\n'


def attend(tmp_path, script: str, **limits: float | None) -> meetcore.StateChanged:
    limits = {"silence_s": None, **limits}
    events = run_simulated(
        SimMeeting('title = "T"\nseed = 1\n[admission]\nafter_s = 1\n' + script),
        out_dir=tmp_path,
        config=meetcore.BotConfig(
            out_dir=tmp_path, fsync=False, automatic_leave=AutomaticLeave(**limits)
        ),
    )
    check_journal(events)
    return end_of(events)


def test_everyone_left(tmp_path):
    end = attend(tmp_path, ADA + "leaves_s = 20\n" + TALK)
    assert (end.state, end.reason) == ("completed", "everyone_left")
    assert end.meeting_s == pytest.approx(80, abs=0.5)
    assert "60 s" in end.evidence.detail


def test_somebody_who_comes_back_in_time_keeps_the_bot(tmp_path):
    script = ADA + "leaves_s = 20\nrejoins_s = 70\n" + TALK + "[end]\nat_s = 200\n"
    assert attend(tmp_path, script).reason == "meeting_ended"


def test_nobody_joined(tmp_path):
    end = attend(tmp_path, "", nobody_joined_s=100)
    assert (end.state, end.reason) == ("completed", "nobody_joined")
    assert end.meeting_s == pytest.approx(100, abs=0.5)


def test_only_bots_left(tmp_path):
    script = ADA + 'leaves_s = 10\n[[people]]\nid = "bot-2"\nname = "Notes"\nis_bot = true\n'
    end = attend(tmp_path, script, only_bots_s=50)
    assert end.reason == "everyone_left"
    assert "only bots" in end.evidence.detail
    assert end.meeting_s == pytest.approx(60, abs=0.5)


def test_silence_counts_from_the_last_word(tmp_path):
    end = attend(tmp_path, ADA + TALK, silence_s=120)
    assert end.reason == "silence"
    assert 121 < end.meeting_s < 125


def test_max_duration(tmp_path):
    end = attend(tmp_path, ADA + TALK, max_duration_s=3600)
    assert (end.state, end.reason) == ("completed", "max_duration")
    assert end.meeting_s == pytest.approx(3600, abs=0.5)


def test_a_lost_roster_does_not_look_like_an_empty_room(tmp_path):
    fault = '[[faults]]\nkind = "roster_lost"\nat_s = 10\nfor_s = 500\n[end]\nat_s = 520\n'
    assert attend(tmp_path, ADA + "leaves_s = 20\n" + TALK + fault).reason == "meeting_ended"


def test_who_left_while_the_roster_was_lost_is_gone_when_it_is_back(tmp_path):
    fault = '[[faults]]\nkind = "roster_lost"\nat_s = 10\nfor_s = 100\n'
    end = attend(tmp_path, ADA + "leaves_s = 20\n" + TALK + fault)
    assert end.reason == "everyone_left"
    assert end.meeting_s == pytest.approx(170, abs=0.5)


async def test_silence_from_a_dead_audio_path_is_not_silence(tmp_path, autojump_clock):
    stage = Stage()
    limits = AutomaticLeave(silence_s=60, max_duration_s=1000)
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False, automatic_leave=limits)
    async with stage.bot(tmp_path, config=config) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("a", "ada")
        await stage.live(30, "a")
        end = await bot.wait_ended()
    assert end.reason == "max_duration"
    degraded = [e for e in events_of(bot) if isinstance(e, meetcore.CaptureDegraded)]
    assert [e.detail for e in degraded] == ["no audio for 20 s"]


async def test_a_tracks_trouble_is_over_with_the_track(tmp_path, autojump_clock):
    stage = Stage()
    limits = AutomaticLeave(silence_s=60, max_duration_s=1000)
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False, automatic_leave=limits)
    async with stage.bot(tmp_path, config=config) as bot:
        stage.admit()
        for who in ("ada", "ben"):
            stage.join(who)
            stage.track(who, who)
        await stage.live(1, "ada", "ben")
        stage.events.observe(CaptureHealth(False, "digital silence", "ben"))
        stage.events.observe(TrackGone("ben"))
        await stage.live(100, "ada")
        end = await bot.wait_ended()
    assert end.reason == "silence"


async def test_leave_to_record_that_is_not_given_ends_the_bot_unrecorded(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.events.observe(RecordingPermission(None))
        stage.admit()
        stage.join("ada")
        stage.track("a", "ada")
        await stage.live(5, "a", voice=True)
        assert bot.state == "in_call"
        end = await bot.wait_ended()
    assert (end.state, end.reason) == ("failed", "recording_permission_denied")
    assert all(e.delivered == 0 for e in bot.ledger.entries())


async def test_a_roster_that_flickers_is_reported_once_each_way(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        for healthy in (True, False, False, True, True, False):
            stage.events.observe(RosterHealth(healthy, "x"))
    found = [e.type for e in events_of(bot) if e.type.startswith("roster.")]
    assert found == ["roster.degraded", "roster.restored", "roster.degraded"]


def test_a_platform_is_left_the_time_to_say_itself_why_a_join_failed():
    made = rules(State.JOINING, 5.0, join_s=30.0)
    made.longest_join_s = 95.0
    assert due(made) == [(100.0, "client_never_loaded")]
    made.longest_join_s = 1.0
    assert due(made) == [(35.0, "client_never_loaded")], "never less than was configured"


@pytest.mark.parametrize("state", [State.JOINING, State.AWAITING_ADMISSION])
def test_while_a_person_is_needed_neither_joining_nor_waiting_counts(state):
    made = rules(state, 0.0, join_s=30.0, waiting_room_s=30.0)
    made.person_needed(needed=True, wait_s=300.0, now=20.0)
    assert [at for at, _ in due(made)] == [350.0], "and still not for ever"
    made.person_needed(needed=True, wait_s=None, now=20.0)
    assert [at for at, _ in due(made)] == [650.0]
    made.person_needed(needed=False, wait_s=None, now=100.0)
    assert [at for at, _ in due(made)] == [130.0]


@pytest.mark.parametrize("state", [State.JOINING, State.AWAITING_ADMISSION])
def test_while_a_person_has_the_page_neither_joining_nor_waiting_counts(state):
    made = rules(state, 0.0, join_s=30.0, waiting_room_s=30.0)
    made.person_acts(acting=True, now=20.0)
    assert due(made) == []
    made.person_acts(acting=False, now=200.0)
    assert [at for at, _ in due(made)] == [210.0]
    made.person_acts(acting=False, now=300.0)
    assert [at for at, _ in due(made)] == [210.0]


def test_what_a_person_did_before_the_state_began_is_none_of_its_time():
    made = rules(State.JOINING, 0.0, join_s=30.0, waiting_room_s=100.0)
    made.person_acts(acting=True, now=0.0)
    made.state_changed(State.AWAITING_ADMISSION, 200.0)
    made.person_acts(acting=False, now=300.0)
    assert due(made) == [(400.0, "admission_timeout")]


def test_a_person_who_acts_while_one_is_needed_is_waited_for_once():
    made = rules(State.JOINING, 0.0, join_s=30.0)
    made.person_needed(needed=True, wait_s=300.0, now=20.0)
    made.person_acts(acting=True, now=50.0)
    made.person_acts(acting=False, now=90.0)
    assert [at for at, _ in due(made)] == [350.0]
    made.person_acts(acting=True, now=100.0)
    made.person_needed(needed=False, wait_s=None, now=150.0)
    made.person_acts(acting=False, now=160.0)
    assert [at for at, _ in due(made)] == [190.0]


async def test_the_wall_that_a_person_did_not_get_past_is_the_reason_of_the_end(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        limits = bot.config.automatic_leave
        assert stage.request.join_timeout_s == limits.join_s
        assert stage.request.waiting_room_s == limits.waiting_room_s
        await trio.sleep(10)
        stage.events.observe(PersonNeeded("captcha", detail="boats", wait_s=300.0))
        await trio.sleep(300)
        assert bot.state == "joining"
        stage.events.observe(CallEnded(EndReason.CAPTCHA_REQUIRED, Evidence("captcha", "boats")))
        await bot.wait_ended()
    end = end_of(events_of(bot))
    assert (end.reason, end.evidence.signal) == ("captcha_required", "captcha")


async def test_a_page_that_was_taken_over_is_not_left_as_one_that_never_loaded(
    tmp_path, autojump_clock
):
    meeting = SimMeeting(NOBODY_ADMITS, page=SimPage())
    config = meetcore.BotConfig(
        out_dir=tmp_path, fsync=False, automatic_leave=AutomaticLeave(waiting_room_s=30.0)
    )
    async with meeting.open_bot(tmp_path, config=config) as bot:
        while bot.call is None:  # noqa: ASYNC110
            await trio.sleep(0.01)
        async with bot.look_in(by="ada") as look:
            await look.take_over()
            await trio.sleep(100)
            assert not bot.ended
            await look.release()
            await trio.sleep(29)
            assert not bot.ended
            end = await bot.wait_ended()
    assert end.reason == "admission_timeout"
