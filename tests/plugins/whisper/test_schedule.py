"""Finals before drafts, the newest draft only, fair between bots, nothing lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetcore_whisper.schedule import DraftPace, Schedule


def test_finals_go_before_drafts_and_the_oldest_first() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.draft("a", "t1", "draft")
    schedule.final("a", "t2", 5.0, "later")
    schedule.final("a", "t3", 4.0, "earlier")
    assert [schedule.next() for _ in range(4)] == [
        ("a", "earlier", True),
        ("a", "later", True),
        ("a", "draft", False),
        None,
    ]


def test_a_newer_draft_replaces_an_older_one_and_a_final_both() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.draft("a", "t", "old")
    schedule.draft("a", "t", "new")
    assert schedule.next() == ("a", "new", False)
    schedule.draft("a", "t", "newer")
    schedule.final("a", "t", 1.0, "final")
    assert [schedule.next(), schedule.next()] == [("a", "final", True), None]


def test_a_bot_that_had_much_lets_the_others_go_first() -> None:
    schedule: Schedule[str] = Schedule()
    for number in range(3):
        schedule.final("loud", f"t{number}", float(number), f"loud {number}")
    schedule.final("quiet", "t", 10.0, "quiet")
    assert schedule.next() == ("loud", "loud 0", True)
    schedule.took("loud", 2.0)
    assert schedule.next() == ("quiet", "quiet", True)


def test_who_comes_late_has_no_credit_for_the_time_before() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.final("old", "t", 0.0, "x")
    schedule.next()
    schedule.took("old", 100.0)
    schedule.final("new", "t", 1.0, "n1")
    schedule.final("new", "u", 1.0, "n2")
    schedule.final("old", "t", 2.0, "o1")
    schedule.next()
    schedule.took("new", 1.0)
    assert schedule.next() == ("old", "o1", True)


def test_what_waits_too_long_is_handed_back() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.final("a", "t", 1.0, "old")
    schedule.final("b", "t", 9.0, "fresh")
    assert list(schedule.overdue(5.0)) == [("a", "old")]
    assert schedule.waiting_since() == 9.0


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans(), st.floats(0, 100)),
        max_size=40,
    )
)
def test_every_final_comes_out_once_and_no_draft_behind_its_final(
    put: list[tuple[str, str, bool, float]],
) -> None:
    schedule: Schedule[int] = Schedule()
    finals, drafts = set(), {}
    for number, (bot, track, final, at) in enumerate(put):
        if final:
            schedule.final(bot, track, at, number)
            finals.add(number)
            drafts.pop((bot, track), None)
        else:
            schedule.draft(bot, track, number)
            drafts[bot, track] = number
    came = []
    while (job := schedule.next()) is not None:
        came.append(job)
        schedule.took(job[0], 0.5)
    kinds = [final for _, _, final in came]
    assert kinds == sorted(kinds, reverse=True)
    assert {number for _, number, final in came if final} == finals
    assert {number for _, number, final in came if not final} == set(drafts.values())
    assert len(came) == len(finals) + len(drafts)


def test_drafts_come_less_often_the_more_there_is_to_do() -> None:
    pace = DraftPace()
    assert pace.step_s(1, first=True) == 0.8
    assert pace.step_s(1) == 1.2
    pace.drafted(0.3)
    assert pace.step_s(1, first=True) == 0.8
    assert pace.step_s(2) == 1.2
    assert pace.step_s(4) == 2.0
    assert pace.step_s(100) == 5.0
