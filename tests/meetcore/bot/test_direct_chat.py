"""Messages for one person alone: who that is, what is refused, and what the journal says."""

from __future__ import annotations

import pytest
import trio

import meetcore
from meetcore.model.commands import SendChat
from meetcore.model.errors import CapabilityMissing, CommandRefused, RecipientRefused
from meetcore.model.history import BotHistory
from meetcore.model.roster import Participant, Roster
from meetcore.model.signals import ChatArrived, ParticipantAppeared
from meetcore.model.wire import command_from_wire, command_to_wire
from meetcore.plugin.platform import Capability
from meetcore.testing import SimMeeting, run_simulated
from tests.meetcore.conftest import Stage, events_of, kinds

BOTH = (Capability.SEND_CHAT, Capability.SEND_DIRECT_CHAT)
MEETING = """
[admission]
after_s = 0.5
[[people]]
id = "ada"
name = "Ada"
host = true
[[people]]
id = "ben"
name = "Ben"
[[chat]]
who = "ada"
at_s = 1
text = "for all"
[[chat]]
who = "ben"
at_s = 2
text = "for you alone"
to_bot = true
[end]
at_s = 4
"""


def roster(*names: str) -> Roster:
    found = Roster()
    found.joined(Participant(id="me", name="Notes", is_self=True))
    for number, name in enumerate(names):
        found.joined(Participant(id=f"p{number}", name=name))
    return found


def test_a_recipient_is_found_by_id_or_by_a_name_that_one_has() -> None:
    people = roster("Ada", "p0", "Ben ")
    assert people.recipient("p2").name == "Ben "
    assert people.recipient(" ben").id == "p2"
    assert people.recipient("p0").id == "p0", "an id goes before a name"


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("ada", ["2 people", "'p0', 'p1'"]),
        ("Cid", ["Nobody else", "'Ada' (p0)"]),
        ("me", ["Nobody else"]),
        ("Notes", ["Nobody else"]),
        ("", ["Nobody else"]),
        (" ", ["Nobody else"]),
    ],
)
def test_nobody_several_and_the_bot_itself_are_refused(to: str, said: list[str]) -> None:
    with pytest.raises(RecipientRefused) as caught:
        roster("Ada", "ADA", "").recipient(to)
    for words in said:
        assert words in str(caught.value)
    assert caught.value.codes()[:2] == ["recipient_refused", "command_refused"]


async def test_a_message_for_one_goes_to_them_alone_and_is_in_the_journal(
    tmp_path, autojump_clock
) -> None:
    stage = Stage(capabilities=BOTH)
    async with stage.bot(tmp_path, name="Notes") as bot:
        stage.admit()
        stage.join("ada")
        await bot.send_chat("psst", to="Ada")
        await bot.perform(SendChat("again", to="ada"))
    assert (stage.chat, stage.direct_chat) == ([], [("ada", "psst"), ("ada", "again")])
    first, _ = kinds(events_of(bot), meetcore.ChatReceived)
    assert (first.text, first.by_bot) == ("psst", True)
    assert (first.direct, first.to_id, first.to_name) == (True, "ada", "Ada")


async def test_nothing_is_sent_where_it_is_not_clear_to_whom(tmp_path, autojump_clock) -> None:
    stage = Stage(capabilities=BOTH)
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.events.observe(ParticipantAppeared(Participant(id="1", name="Ada")))
        stage.events.observe(ParticipantAppeared(Participant(id="2", name="Ada")))
        for to in ("Ada", "Ben", "3"):
            with pytest.raises(RecipientRefused):
                await bot.send_chat("psst", to=to)
    assert (stage.chat, stage.direct_chat) == ([], [])


async def test_where_there_are_no_direct_messages_it_is_not_sent_to_everybody(
    tmp_path, autojump_clock
) -> None:
    stage = Stage(capabilities=(Capability.SEND_CHAT,))
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.join("ada")
        with pytest.raises(CapabilityMissing, match="'stage' cannot send direct chat"):
            await bot.send_chat("psst", to="ada")
    assert (stage.chat, stage.direct_chat) == ([], [])


async def test_what_comes_for_the_bot_alone_is_marked_so(tmp_path, autojump_clock) -> None:
    stage = Stage(capabilities=(*BOTH, Capability.READ_CHAT))
    async with stage.bot(tmp_path, name="Notes") as bot:
        stage.admit()
        stage.events.observe(ParticipantAppeared(Participant(id="me", name="N", is_self=True)))
        stage.events.observe(ChatArrived("1", "ada", "Ada", "psst", direct=True))
        stage.events.observe(ChatArrived("2", "ada", "Ada", "hello"))
        stage.events.observe(
            ChatArrived("3", "me", "N", "hm", by_bot=True, direct=True, to_name="Ada")
        )
    found = [(e.direct, e.to_id, e.to_name) for e in kinds(events_of(bot), meetcore.ChatReceived)]
    assert found == [(True, "me", "Notes"), (False, None, ""), (True, None, "Ada")]


def test_a_simulated_meeting_has_them_in_both_directions(tmp_path) -> None:
    async def answer(bot: meetcore.Bot) -> None:
        async for event in bot.events():
            if isinstance(event, meetcore.ChatReceived) and event.direct and not event.by_bot:
                await bot.send_chat("for you", to=event.sender_id or "")

    meeting = SimMeeting(MEETING)
    events = run_simulated(meeting, out_dir=tmp_path, during=answer)
    chats = [e for e in events if isinstance(e, meetcore.ChatReceived)]
    assert [(e.text, e.direct, e.to_name) for e in chats] == [
        ("for all", False, ""),
        ("for you alone", True, "meetcore bot"),
        ("for you", True, "Ben"),
    ]
    assert meeting.direct_chat_sent == [("ben", "for you")]
    assert meeting.chat_sent == []
    history = BotHistory()
    for event in events:
        history.take(event)
    assert [(line.direct, line.to_id) for line in history.chat][1:] == [
        (True, "bot"),
        (True, "ben"),
    ]


def test_on_the_wire_a_command_says_for_whom() -> None:
    command = SendChat("hi", to="p1")
    assert command_from_wire(command_to_wire(command)) == command
    assert command_from_wire({"type": "send_chat", "data": {"text": "hi"}}) == SendChat("hi")


async def test_a_message_without_a_text_is_refused_at_once(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        began = trio.current_time()
        with pytest.raises(CommandRefused, match="without a text"):
            await bot.send_chat(" \n")
        assert trio.current_time() == began
        await bot.stop()
        await bot.wait_ended()
