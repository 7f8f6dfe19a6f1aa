"""The room: who waits, who is in, who may do what, and that everybody's page agrees with it."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from meetcore_rehearsal.actions import (
    Action,
    Admit,
    Arrive,
    Deny,
    Depart,
    EndForAll,
    Relay,
    Remove,
    Say,
    SetCamera,
    SetMuted,
    SetSpeaking,
)
from meetcore_rehearsal.room import Dismiss, Effect, Room, Tell, decide


def new_room(**changes: Any) -> Room:
    return Room(id="mc-x", host_key="host", cast_key="cast", **changes)


def play(room: Room, *actions: Action) -> tuple[Room, list[Effect]]:
    effects: list[Effect] = []
    for action in actions:
        room, more = decide(action, room)
        effects = list(more)
    return room, effects


def told(effects: list[Effect], who: str) -> list[str]:
    return [effect.message["type"] for effect in effects if effect.to == who]


HOST = Arrive(member_id="h", name="Hana", host_key="host")
GUEST = Arrive(member_id="g", name=" Gil  Guest ", muted=True)


def test_a_guest_knocks_and_the_host_hears_it() -> None:
    room, effects = play(new_room(), HOST, GUEST)
    assert [member.id for member in room.waiting] == ["g"]
    assert told(effects, "g") == ["waiting"]
    knocks = next(e.message for e in effects if e.to == "h")
    assert knocks == {"type": "knocks", "people": [{"id": "g", "name": "Gil Guest"}]}


def test_an_admitted_guest_gets_the_people_and_the_chat() -> None:
    room, effects = play(new_room(), HOST, Say("h", "hello"), GUEST, Admit("h", "g"))
    admitted = next(e.message for e in effects if e.to == "g")
    assert [person["id"] for person in admitted["people"]] == ["g", "h"]
    assert [message["text"] for message in admitted["chat"]] == ["hello"]
    assert told(effects, "h") == ["joined", "knocks"]
    assert [member.id for member in room.inside] == ["h", "g"]


def test_who_waited_before_the_host_came_is_shown_to_the_host() -> None:
    _, effects = play(new_room(), GUEST, HOST)
    admitted = next(e.message for e in effects if e.to == "h")
    assert [person["name"] for person in admitted["knocks"]] == ["Gil Guest"]


def test_a_denied_guest_is_told_and_gone() -> None:
    room, effects = play(new_room(), HOST, GUEST, Deny("h", "g"))
    assert Dismiss("g", {"type": "denied"}) in effects
    assert list(room.members) == ["h"]


def test_a_room_without_a_waiting_room_lets_guests_straight_in() -> None:
    room, _ = play(new_room(waiting_room=False), GUEST)
    assert [member.id for member in room.inside] == ["g"]


def test_only_the_right_passcode_opens_and_a_host_needs_none() -> None:
    locked = new_room(passcode="4711")
    for given in (None, "", "4712", "4711 "):
        arrival = Arrive(member_id="g", name="Gil", passcode=given)
        room, effects = play(locked, arrival)
        assert effects == [Dismiss("g", {"type": "refused", "reason": "wrong_passcode"})]
        assert not room.members
    room, _ = play(locked, Arrive(member_id="g", name="Gil", passcode="4711"), HOST)
    assert set(room.members) == {"g", "h"}


def test_a_wrong_host_key_makes_a_guest() -> None:
    room, _ = play(new_room(), Arrive(member_id="g", name="Gil", host_key="hots"))
    assert not room.members["g"].host
    assert room.waiting


def test_a_guest_may_say_that_it_is_a_bot_but_cannot_claim_to_be_host_or_cast() -> None:
    arrival = Arrive(member_id="g", name="Gil", wants_host=True, is_bot=True, cast_key="no")
    member = play(new_room(), arrival)[0].members["g"]
    assert (member.host, member.is_bot, member.scripted) == (False, True, False)
    assert member.card()["bot"]


def test_guests_can_do_nothing_that_takes_a_host() -> None:
    room, _ = play(new_room(waiting_room=False), HOST, GUEST)
    room, _ = decide(Arrive(member_id="x", name="Xu"), room)
    for action in (Remove("g", "h"), EndForAll("g"), Admit("g", "x"), Deny("g", "x")):
        assert decide(action, room) == (room, ())


def test_the_waiting_see_and_say_nothing() -> None:
    room, _ = play(new_room(), HOST, GUEST)
    assert decide(Say("g", "let me in"), room) == (room, ())
    assert decide(Relay("g", "h", {}), room) == (room, ())
    assert decide(SetSpeaking("g", True), room) == (room, ())
    _, effects = play(room, Say("h", "hi"))
    assert told(effects, "g") == []


def test_removing_tells_the_person_and_the_others() -> None:
    room, effects = play(new_room(waiting_room=False), HOST, GUEST, Remove("h", "g"))
    assert Dismiss("g", {"type": "removed"}) in effects
    assert Tell("h", {"type": "left", "id": "g"}) in effects
    assert decide(Remove("h", "h"), room) == (room, ())


def test_the_end_sends_everybody_away_also_those_who_wait() -> None:
    room, effects = play(new_room(), HOST, GUEST, EndForAll("h"))
    assert {effect.to for effect in effects} == {"h", "g"}
    assert not room.members
    assert not room.closed


def test_a_room_that_closes_at_the_end_stays_shut() -> None:
    room, _ = play(new_room(closes_at_end=True), HOST, EndForAll("h"))
    room, effects = play(room, GUEST)
    assert effects == [Dismiss("g", {"type": "refused", "reason": "ended"})]


def test_muting_ends_the_speaking_indicator() -> None:
    room, _ = play(new_room(), HOST, SetSpeaking("h", True), SetMuted("h", True))
    assert not room.members["h"].speaking


def test_a_message_for_one_says_for_whom() -> None:
    room, effects = play(
        new_room(), HOST, GUEST, Admit("h", "g"), Say("h", "psst", "g"), Say("g", "hm", "h")
    )
    assert sorted(effect.to for effect in effects) == ["g", "h"]
    assert effects[0].message["message"] == {
        "id": "m2", "from": "g", "name": "Gil Guest", "text": "hm", "to": "h", "to_name": "Hana",
    }  # fmt: skip
    assert room.messages == 2


def test_chat_is_kept_within_bounds() -> None:
    room, _ = play(new_room(), HOST)
    for number in range(400):
        room, _ = decide(Say("h", f"{number} " + "x" * 5_000), room)
    assert len(room.chat) == 300
    assert room.chat[-1].text.startswith("399")
    assert len(room.chat[-1].text) == 2_000


def test_a_full_room_takes_no_more() -> None:
    room = new_room()
    for number in range(50):
        room, effects = decide(Arrive(member_id=f"p{number}", name="P"), room)
    assert len(room.members) == 40
    assert effects[0].message["reason"] == "full"


IDS = st.sampled_from(["a", "b", "c", "d"])


class EverybodySeesTheSame(RuleBasedStateMachine):
    """Whatever happens, each page that only follows its messages shows the room as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.room = new_room(passcode="1")
        self.pages: dict[str, dict[str, Any]] = {}

    def do(self, action: Action) -> None:
        self.room, effects = decide(action, self.room)
        for effect in effects:
            message = effect.message
            page = self.pages.setdefault(effect.to, {})
            match message["type"]:
                case "admitted":
                    page["people"] = {person["id"]: person for person in message["people"]}
                    page["chat"] = [entry["id"] for entry in message["chat"]]
                    page["knocks"] = [person["id"] for person in message["knocks"]]
                case "joined" | "changed":
                    page["people"][message["person"]["id"]] = message["person"]
                case "left":
                    del page["people"][message["id"]]
                case "speaking":
                    page["people"][message["id"]]["speaking"] = message["speaking"]
                case "chat":
                    page["chat"].append(message["message"]["id"])
                case "knocks":
                    page["knocks"] = [person["id"] for person in message["people"]]
            if isinstance(effect, Dismiss) and effect.to not in self.room.members:
                del self.pages[effect.to]

    @rule(who=IDS, host=st.booleans(), scripted=st.booleans(), code=st.sampled_from(["1", "2"]))
    def arrive(self, who: str, host: bool, scripted: bool, code: str) -> None:
        if who in self.room.members:
            return
        self.do(
            Arrive(
                member_id=who,
                name=who.upper(),
                passcode=code,
                host_key="host" if host else None,
                cast_key="cast" if scripted else None,
            )
        )

    @rule(by=IDS, who=IDS)
    def admit(self, by: str, who: str) -> None:
        self.do(Admit(by, who))

    @rule(by=IDS, who=IDS)
    def deny(self, by: str, who: str) -> None:
        self.do(Deny(by, who))

    @rule(by=IDS, who=IDS)
    def remove(self, by: str, who: str) -> None:
        self.do(Remove(by, who))

    @rule(by=IDS)
    def depart(self, by: str) -> None:
        self.do(Depart(by))
        self.pages.pop(by, None)

    @rule(by=IDS)
    def end(self, by: str) -> None:
        self.do(EndForAll(by))

    @rule(by=IDS, value=st.booleans(), what=st.sampled_from([SetMuted, SetCamera, SetSpeaking]))
    def switch(self, by: str, value: bool, what: Any) -> None:
        self.do(what(by, value))

    @rule(by=IDS, text=st.sampled_from(["hi", " ", ""]))
    def say(self, by: str, text: str) -> None:
        self.do(Say(by, text))

    @rule(by=IDS, to=IDS)
    def say_to_one(self, by: str, to: str) -> None:
        before = self.room
        self.room, effects = decide(Say(by, "psst", to), before)
        inside = {member.id for member in before.inside}
        assert {effect.to for effect in effects} == ({by, to} if {by, to} <= inside and by != to
                                                     else set())  # fmt: skip
        assert self.room.chat == before.chat, "who comes later does not see it"

    @invariant()
    def every_page_shows_the_room(self) -> None:
        truth = {member.id: member.card() for member in self.room.inside}
        for member in self.room.inside:
            page = self.pages[member.id]
            assert page["people"] == truth
            assert page["chat"] == [message.id for message in self.room.chat]
            if member.host:
                assert page["knocks"] == [waiting.id for waiting in self.room.waiting]

    @invariant()
    def nobody_outside_has_seen_anything(self) -> None:
        for member in self.room.waiting:
            assert "people" not in self.pages.get(member.id, {})


EverybodySeesTheSame.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestEverybodySeesTheSame = EverybodySeesTheSame.TestCase
