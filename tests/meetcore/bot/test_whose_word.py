"""A word in the chat counts for whoever wrote it, also where only their name is known."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import ClassVar

import pytest
import trio
from attrs import define, evolve, field

from meetcore import (
    BotConfig,
    BotHistory,
    ChatReceived,
    Event,
    ExclusionRequest,
    ExclusionRules,
    Journal,
    NameSource,
    Participant,
    ParticipantExcluded,
    ParticipantIncluded,
    Roster,
    Segment,
    SegmentFinalized,
    Word,
)
from meetcore.bot.context import BotContext
from meetcore.bot.exclusion import Exclusions
from meetcore.bot.withdrawal import Withdrawal
from meetcore.model.exclusion import BlankedEvents
from meetcore.model.secrets import Redactor
from meetcore.model.signals import ChatArrived

OUT, FORGET, IN = "!out", "!forget", "!in"
ADA, MALLORY, BEN = (Participant(id=each.lower(), name=each) for each in ("Ada", "Mallory", "Ben"))


class Words(ExclusionRules):
    judges_people: ClassVar[bool] = False

    def requested(self, text: str) -> ExclusionRequest | None:
        known = {OUT: "exclude", FORGET: "exclude_since_start", IN: "include"}
        return ExclusionRequest(known[text]) if text in known else None


class Listed(ExclusionRules):
    def excludes(self, participant: Participant) -> bool:
        return participant.name == "Ben"


@define
class Room:
    """A meeting's exclusions, with what they tell."""

    events: list[Event] = field(factory=list)
    roster: Roster = field(factory=Roster)
    exclusions: Exclusions = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.exclusions = Exclusions(
            record=self._record,
            roster=self.roster,
            now=lambda: 10.0,
            plugin_failed=lambda *args, **more: None,  # type: ignore[arg-type]
            rules=[("listed", Listed()), ("words", Words())],
        )

    def _record(self, event: Event) -> Event:
        self.events.append(event)
        return event

    def come(self, *people: Participant) -> None:
        for person in people:
            self.roster.joined(person)
            self.exclusions.appeared(person)

    def renamed(self, person: Participant, name: str) -> None:
        person = evolve(person, name=name)
        self.roster.changed(person)
        self.exclusions.appeared(person)

    def write(self, text: str, name: str, sender_id: str | None = None) -> bool:
        """Return whether a message may be recorded."""
        chat = ChatArrived(message_id=text, sender_id=sender_id, sender_name=name, text=text)
        return self.exclusions.chat(chat)

    @property
    def left_out(self) -> set[str]:
        return self.exclusions.times.of_now


def said(name: str, start_s: float, *, who: str | None = None, text: str = "hello") -> Segment:
    return Segment(
        id=f"u-{start_s:04.0f}",
        revision=1,
        finalized=True,
        track_id="captions",
        participant_id=who,
        speaker_name=name,
        speaker_source=NameSource.UNKNOWN,
        speaker_confidence=0.5,
        text=text,
        words=(Word(text, start_s, start_s + 1),),
        start_s=start_s,
        end_s=start_s + 1,
    )


def test_a_namesake_undoes_nobody_elses_word() -> None:
    room = Room()
    room.come(ADA, MALLORY)
    assert not room.write(OUT, "Ada", "ada")
    room.renamed(MALLORY, "Ada")
    assert room.left_out == {"ada", "mallory"}
    room.write(IN, "Ada", "mallory")
    assert room.left_out == {"ada"}
    assert room.exclusions.hides(said("Ada", 12.0))
    room.come(evolve(ADA, id="ada-2"))
    assert room.left_out == {"ada", "ada-2"}
    assert not room.write("hello", "Ada", "ada")


def test_who_comes_back_undoes_their_own_word_for_their_old_id_as_well() -> None:
    room = Room()
    room.come(ADA)
    room.write(OUT, "Ada", "ada")
    room.roster.left("ada")
    room.come(evolve(ADA, id="ada-2"))
    room.write(IN, "Ada", "ada-2")
    assert room.left_out == set()
    assert room.write("hello", "Ada", "ada-2")
    room.roster.left("ada-2")
    room.come(ADA)
    assert room.left_out == set()


def test_where_only_a_name_is_known_nobody_of_several_is_included() -> None:
    room = Room()
    room.come(ADA, evolve(ADA, id="ada-2"))
    assert not room.write(FORGET, "Ada")
    assert room.left_out == {"ada", "ada-2"}
    assert not room.write(IN, "Ada")
    assert room.left_out == {"ada", "ada-2"}
    room.roster.left("ada-2")
    room.write(IN, "Ada")
    assert room.left_out == set()


@pytest.mark.parametrize("way", ["list", "command", "both"])
def test_what_an_operator_said_is_undone_by_no_word(way: str) -> None:
    room = Room()
    who = BEN if way == "list" else ADA
    room.come(who)
    if way == "both":
        room.write(OUT, "Ada", "ada")
    if way != "list":
        room.exclusions.exclude("ada", since_start=False, by="api")
    room.write(OUT, who.name, who.id)
    assert not room.write(IN, who.name, who.id)
    assert room.left_out == {who.id}
    room.exclusions.include(who.id, by="api")
    assert room.left_out == set()


def test_their_own_wish_by_a_command_is_undone_by_their_word_and_then_the_list_counts() -> None:
    room = Room()
    room.come(ADA)
    room.exclusions.exclude("ada", since_start=False, by="consent", own_wish=True)
    room.write(IN, "Ada", "ada")
    assert room.left_out == set()
    room.renamed(ADA, "Ben")
    assert room.left_out == {"ada"}


def test_a_word_of_somebody_whom_the_list_lacks_holds_for_their_name() -> None:
    room = Room()
    assert not room.write(OUT, "Ada")
    (event,) = room.events
    assert isinstance(event, ParticipantExcluded)
    assert (event.participant_id, event.name, event.since_s) == ("", "Ada", 10.0)
    assert not room.write("hello", "ADA")
    assert not room.write("hello", "Ada", "ada")
    assert room.exclusions.hides(said("Ada", 12.0))
    assert room.exclusions.in_force
    assert room.exclusions.somebody_here
    room.come(ADA, MALLORY)
    assert room.left_out == {"ada"}
    assert [e.since_s for e in room.events if isinstance(e, ParticipantExcluded)] == [10.0, 10.0]
    room.write(IN, "Ada", "ada")
    assert not room.exclusions.somebody_here
    assert room.write("hello", "Ada")
    assert not room.exclusions.hides(said("Ada", 12.0))


def test_a_word_by_name_alone_is_undone_by_name_alone() -> None:
    room = Room()
    room.write(OUT, "Ada")
    assert room.write(IN, "Ada")
    assert [type(event) for event in room.events] == [ParticipantExcluded, ParticipantIncluded]
    assert room.write("hello", "Ada")
    assert not room.exclusions.somebody_here


def test_whoever_has_no_name_yet_is_nobodys_namesake() -> None:
    room = Room()
    room.come(Participant(id="a", name=""), Participant(id="b", name=""))
    room.exclusions.exclude("a", since_start=False, by="api")
    room.come(Participant(id="c", name=""))
    room.renamed(Participant(id="a", name=""), "")
    assert room.left_out == {"a"}


def test_since_the_beginning_holds_for_what_has_only_a_name() -> None:
    hidden, own = said("Ada", 2.0, text="secret"), said("Ben", 4.0)
    gone = ParticipantExcluded(participant_id="ada", name="Ada", since_s=None)
    journal: list[Event] = [
        ChatReceived(message_id="1", sender_id=None, sender_name="ADA", text="s", meeting_s=1.0),
        ChatReceived(message_id="2", sender_id=None, sender_name="Ben", text="b", meeting_s=1.0),
        ChatReceived(
            message_id="3", sender_id=None, sender_name="Ada", text="c", by_bot=True, meeting_s=1.0
        ),
        SegmentFinalized(segment=hidden),
        SegmentFinalized(segment=own),
        gone,
    ]
    blanked = BlankedEvents.of(journal)
    assert blanked.shown() == [hidden]
    change = blanked.change()
    assert [change(event) is not None for event in journal] == [
        *(True, False, False, True, False, False),
    ]
    history = BotHistory()
    for event in journal:
        history.take(event)
    assert [each.message_id for each in history.chat] == ["2", "3"]
    again = ParticipantIncluded(participant_id="ada", name="Ada", from_s=20.0)
    later = SegmentFinalized(segment=said("Ada", 30.0))
    assert BlankedEvents.of([*journal, again, later]).shown() == [hidden]


async def test_what_has_only_a_name_is_withdrawn(tmp_path: Path) -> None:
    def failed(error: Exception) -> None:
        raise error

    bot = BotContext(
        id="b",
        folder=tmp_path,
        config=BotConfig(),
        journal=Journal(tmp_path / "journal.jsonl", "b", fsync=False),
        redactor=Redactor(),
        random=Random(1),
        cannot_write=failed,
    )
    withdrawal = Withdrawal(bot, lambda: ("words",))
    bot.exclusions.rules = [("words", Words())]
    bot.record(SegmentFinalized(segment=said("Ada", 2.0, text="aardvark")))
    bot.record(SegmentFinalized(segment=said("Ben", 4.0, text="badger")))
    chat = ChatArrived(message_id="1", sender_id=None, sender_name="Ada", text=FORGET)
    assert not bot.exclusions.chat(chat)
    assert [each.text for each in bot.transcript.segments] == ["badger"]
    with trio.fail_after(5):
        await withdrawal.finish()
    bot.journal.close()
    text = (tmp_path / "journal.jsonl").read_text("utf-8")
    assert "badger" in text
    assert "aardvark" not in text
