"""A platform that hands in whole lists of participants, through a whole bot."""

from __future__ import annotations

import trio

import meetcore
from meetcore.model.signals import RosterSeen
from tests.meetcore.conftest import Stage, check_journal, end_of, events_of, kinds


def seen(stage: Stage, *people: str, self_id: str | None = "bot") -> None:
    names = {each.partition("=")[0]: each.partition("=")[2] for each in people}
    listed = [meetcore.Participant(id=key, name=name) for key, name in names.items()]
    stage.events.observe(RosterSeen(tuple(listed), self_id))


async def test_lists_become_who_joined_changed_and_left(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path, automatic_leave={"everyone_left_s": 30.0}) as bot:
        stage.admit()
        seen(stage, "bot=Notes", "a1=Ada", "b=Ben")
        seen(stage, "bot=Notes", "b=Benjamin", "a1=Ada")
        seen(stage, "bot=Notes", "b=Benjamin", "a2=Ada")
        seen(stage, "b=Benjamin", self_id=None)
        await trio.sleep(100)
        assert bot.state == "recording", "an unwell list leaves nobody alone"
        seen(stage, "bot=Notes", "a2=Ada")
        seen(stage, "bot=Notes", "a2=Ada")
        assert [p.name for p in bot.roster.others] == ["Ada"]
        for _ in range(2):
            seen(stage, "bot=Notes")
        await bot.wait_ended()
    events = events_of(bot)
    check_journal(events)
    told = [
        (event.type.partition(".")[2], getattr(event, "participant_id", "") or event.participant.id)
        for event in kinds(
            events,
            (meetcore.ParticipantJoined, meetcore.ParticipantUpdated, meetcore.ParticipantLeft),
        )
    ]
    assert told == [
        ("joined", "bot"),
        ("joined", "a1"),
        ("joined", "b"),
        ("updated", "b"),
        ("left", "a1"),
        ("joined", "a2"),
        ("left", "b"),
        ("left", "a2"),
    ]
    (degraded,) = kinds(events, meetcore.RosterDegraded)
    assert degraded.detail == "a list of 1 without the bot itself"
    assert len(kinds(events, meetcore.RosterRestored)) == 1
    assert end_of(events).reason == "everyone_left"
