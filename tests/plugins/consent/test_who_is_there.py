"""A refusal holds whoever pauses and resumes; people are told where nobody knows who is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
from attrs import define, evolve, field

from meetcore import (
    BotConfig,
    ChatReceived,
    Command,
    CommandRefused,
    Event,
    ExcludeParticipant,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    PauseRecording,
    PluginEvent,
    ResumeRecording,
    Roster,
    RosterDegraded,
    RosterRestored,
    SendChat,
    State,
    StateChanged,
    Stop,
)
from meetcore_consent.options import ConsentOptions
from meetcore_consent.plugin import meetcore_on_event
from meetcore_consent.wording import agrees, refuses

BEGIN = datetime(2026, 1, 2, 9, tzinfo=UTC)
REFUSAL = "no recording"


@define
class Room:
    """A bot as the plugin sees it, whose meeting a test plays."""

    id: str
    settings: dict[str, Any] = field(factory=dict)
    state: State = State.IN_CALL
    roster: Roster = field(factory=Roster)
    done: list[Command] = field(factory=list)
    reports: list[PluginEvent] = field(factory=list)
    chat: bool = True
    at_s: float = 0.0

    @property
    def config(self) -> BotConfig:
        return BotConfig(name="Notes", plugins={"consent": self.settings})

    async def perform(self, command: Command) -> None:
        self.done.append(command)
        if isinstance(command, SendChat) and not self.chat:
            raise CommandRefused("Guests may write nothing here.")
        if isinstance(command, PauseRecording | ResumeRecording):
            await self.moves(
                State.PAUSED if isinstance(command, PauseRecording) else State.RECORDING
            )

    async def events(self, *, after: int = 0) -> AsyncIterator[Event]:
        await trio.sleep_forever()
        yield StateChanged(state=State.FAILED, previous=None)

    def report(self, event: PluginEvent) -> None:
        self.reports.append(event)

    async def happens(self, event: Event) -> None:
        event = evolve(event, at=BEGIN + timedelta(seconds=self.at_s))
        await meetcore_on_event(self, event)  # type: ignore[arg-type]

    async def moves(self, state: State) -> None:
        before, self.state = self.state, state
        await self.happens(StateChanged(state=state, previous=before))

    async def joins(self, who: str, name: str, **more: Any) -> None:
        participant = Participant(id=who, name=name, **more)
        self.roster.joined(participant)
        await self.happens(ParticipantJoined(participant=participant))

    async def leaves(self, who: str) -> None:
        name = self.roster.name_of(who)
        self.roster.left(who)
        await self.happens(ParticipantLeft(participant_id=who, name=name))

    async def writes(self, text: str, name: str, who: str | None = None) -> None:
        await self.happens(
            ChatReceived(message_id=text, sender_id=who, sender_name=name, text=text)
        )

    @property
    def told(self) -> int:
        return sum(isinstance(each, SendChat) for each in self.done)


async def recording(name: str, **settings: Any) -> Room:
    room = Room(name, settings)
    await room.joins("ada", "Ada")
    await room.moves(State.IN_CALL)
    await room.moves(State.RECORDING)
    return room


async def test_a_refusal_beside_an_operators_pause_holds(autojump_clock: trio.abc.Clock) -> None:
    room = await recording("operator")
    await room.joins("ben", "Ben")
    await room.moves(State.PAUSED)
    await room.writes(REFUSAL, "Ben", "ben")
    await room.moves(State.RECORDING)
    assert room.state is State.PAUSED
    await room.moves(State.RECORDING)
    assert room.state is State.PAUSED
    await room.leaves("ben")
    assert room.state is State.RECORDING


async def test_an_operators_pause_is_not_ended_for_them(autojump_clock: trio.abc.Clock) -> None:
    room = await recording("theirs")
    await room.joins("ben", "Ben")
    await room.moves(State.PAUSED)
    await room.writes(REFUSAL, "Ben", "ben")
    await room.leaves("ben")
    assert room.state is State.PAUSED


async def test_who_refuses_and_is_in_no_list_is_not_seen_to_leave(
    autojump_clock: trio.abc.Clock,
) -> None:
    room = await recording("unlisted")
    await room.joins("cem", "Cem")
    await room.writes(REFUSAL, "Ben")
    assert room.state is State.PAUSED
    await room.leaves("cem")
    assert room.state is State.PAUSED


@pytest.mark.parametrize("who", ["ben", None])
async def test_who_refuses_again_was_seen_to_leave_for_nothing(
    autojump_clock: trio.abc.Clock, who: str | None
) -> None:
    """They came back, and the list does not say so."""
    room = await recording(f"again-{who}")
    await room.joins("ben", "Ben")
    await room.writes(REFUSAL, "Ben", who)
    await room.leaves("ben")
    await room.writes(REFUSAL, "Ben", who)
    assert room.state is State.PAUSED
    await trio.sleep(60)
    assert room.state is State.PAUSED


async def test_nobody_takes_back_anothers_no(autojump_clock: trio.abc.Clock) -> None:
    room = await recording("another")
    yes = ConsentOptions().agree[0]
    await room.joins("ben", "Ben")
    await room.joins("mallory", "Ben")
    await room.writes(REFUSAL, "Ben", "ben")
    await room.writes(yes, "Ben", "mallory")
    await room.writes(yes, "Ben")
    assert room.state is State.PAUSED
    await room.writes(yes, "Ben", "ben")
    assert room.state is State.RECORDING
    names = [each.name for each in room.reports if each.name != "told"]
    assert names == ["refused", "agreed", "agreed", "agreed"]


async def test_before_it_records_a_refusal_waits_for_the_recording(
    autojump_clock: trio.abc.Clock,
) -> None:
    room = Room("early")
    await room.joins("ben", "Ben")
    await room.moves(State.IN_CALL)
    await room.writes(REFUSAL, "Ben", "ben")
    assert not any(isinstance(each, Stop) for each in room.done)
    await room.moves(State.RECORDING)
    assert room.state is State.PAUSED


async def test_whoever_refuses_by_name_alone_is_left_out_with_their_namesakes() -> None:
    room = await recording("named", on_refusal="exclude")
    await room.joins("ben", "Ben")
    await room.joins("ben-2", "BEN")
    await room.writes(REFUSAL, "Ben")
    left_out = [each for each in room.done if isinstance(each, ExcludeParticipant)]
    assert [(each.participant_id, each.own_wish) for each in left_out] == [
        *(("ben", True), ("ben-2", True)),
    ]
    assert room.state is State.RECORDING
    await room.writes(REFUSAL, "Cem")
    assert room.state is State.PAUSED


async def test_people_are_told_where_the_list_is_unwell_from_the_start() -> None:
    room = Room("unwell")
    await room.happens(RosterDegraded(detail="no bot in it"))
    await room.moves(State.IN_CALL)
    assert room.told == 1
    for at_s, told in ((10, 1), (21, 2), (50, 2), (62, 3), (100, 3), (143, 4)):
        room.at_s = at_s
        await room.writes("hello", "Ada")
        assert room.told == told, at_s
    room.at_s = 200
    await room.happens(RosterRestored())
    assert room.told == 5
    room.at_s = 1000
    await room.writes("hello", "Ada")
    assert room.told == 5
    await room.joins("ada", "Ada")
    assert room.told == 6
    assert [(each.name, each.data) for each in room.reports] == [
        ("told", {"participant_id": "ada", "name": "Ada"})
    ]


async def test_people_are_told_where_there_is_no_list_at_all() -> None:
    room = Room("nothing")
    await room.moves(State.IN_CALL)
    await room.moves(State.RECORDING)
    assert room.told == 1
    room.at_s = 100
    await room.writes("hello", "Ada")
    assert room.told == 1


async def test_it_leaves_where_nobody_can_be_told_whoever_is_there() -> None:
    room = Room("deaf", chat=False)
    await room.moves(State.IN_CALL)
    await room.moves(State.RECORDING)
    assert isinstance(room.done[-1], Stop)


async def test_without_a_pause_between_it_is_not_said_over_and_over() -> None:
    room = Room("often", {"again_every_s": 0})
    await room.happens(RosterDegraded(detail="no bot in it"))
    await room.moves(State.IN_CALL)
    for _ in range(5):
        await room.writes("hello", "Ada")
    assert room.told == 1


@pytest.mark.parametrize("who", ["other", None])
async def test_another_bots_words_are_no_refusal(who: str | None) -> None:
    room = await recording(f"bots-{who}")
    await room.joins("other", "Other Bot", is_bot=True)
    await room.writes(REFUSAL, "Other Bot", who)
    assert room.state is State.RECORDING
    await room.writes(REFUSAL, "Ada", "ada")
    assert room.state is State.PAUSED


OWN = "{bot} takes notes. Say {refuse} to object."


@pytest.mark.parametrize(
    ("text", "no"),
    [
        ('Otto records and transcribes this meeting. Write "no recording" here if you do not '
         "agree.", False),
        ("Otto records and transcribes this meeting.  Write “stop recording” here if you do not "
         "agree.", False),
        ('Bot X takes notes: write "no recording" to object', False),
        ("Other takes notes. Say no recording to object.", False),
        ("> no recording\nwhat does that mean?", False),
        ("what is «no recording» for?", False),
        ('"No recording"', True),
        ("“no recording!”", True),
        ("please, no recording", True),
        ('I say "hello" and no recording', True),
        ("No recording! Otto takes notes. Say no recording to object.", True),
    ],
)  # fmt: skip
def test_a_notice_and_a_quotation_are_no_refusal(text: str, no: bool) -> None:
    assert refuses(text, ConsentOptions(message=OWN)) is no


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("I agree to the recording!", True),
        ("“recording is fine”", True),
        ("I do not agree to the recording", False),
        ("no recording is fine", False),
    ],
)
def test_only_a_whole_message_is_a_yes(text: str, yes: bool) -> None:
    assert agrees(text, ConsentOptions()) is yes
