"""Commands: one at a time, answered in every state, each with its event."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import meetcore
from meetcore.commands import COMMAND_TYPES, PauseRecording, SendChat, ShowImage, Speak
from meetcore.contracts import Capability
from meetcore.errors import CapabilityMissing, CommandFailed, CommandRefused
from meetcore.signals import Knocked

from .conftest import Stage, events_of, kinds

EXAMPLES = {
    "stop": meetcore.Stop(),
    "send_chat": SendChat("hello"),
    "speak": Speak(b"\0\0"),
    "show_image": ShowImage(b"png"),
    "pause": PauseRecording(),
    "resume": meetcore.ResumeRecording(),
}
NOT_STOP = sorted(set(EXAMPLES) - {"stop"})


def test_there_is_an_example_of_every_command():
    assert set(EXAMPLES) == set(COMMAND_TYPES)


@pytest.mark.parametrize("command", NOT_STOP)
async def test_outside_of_the_call_a_command_is_refused_by_the_state_it_found(
    tmp_path, autojump_clock, command
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        for signal, state in ((None, "joining"), (Knocked(), "awaiting_admission")):
            if signal:
                stage.door.observe(signal)
            with pytest.raises(CommandRefused, match=state):
                await bot.perform(EXAMPLES[command])
        stage.admit()
        await bot.stop()
        await bot.wait_ended()
        with pytest.raises(CommandRefused, match="completed"):
            await bot.perform(EXAMPLES[command])
    with pytest.raises(CommandRefused, match="completed"):
        await bot.perform(EXAMPLES[command])
    answers = [(e.command, e.ok) for e in kinds(events_of(bot), meetcore.CommandAnswered)]
    assert answers[:3] == [(command, False), (command, False), ("stop", True)]


async def test_stop_after_the_end_is_no_trouble(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        await bot.stop("enough")
        await bot.stop("really")
        end = await bot.wait_ended()
        await bot.stop("again")
    await bot.stop("and again")
    assert end.evidence == meetcore.Evidence("command", "enough")


async def test_stop_before_the_meeting_ends_the_join(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        await bot.stop()
        end = await bot.wait_ended()
    assert (end.state, end.reason) == ("completed", "stop_requested")
    assert stage.closed


async def test_pause_and_resume_alternate(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        with pytest.raises(CommandRefused, match="recording already"):
            await bot.resume()
        await bot.pause()
        with pytest.raises(CommandRefused, match="nothing to pause"):
            await bot.pause()
        await bot.resume()
        assert bot.state == "recording"


async def test_what_was_said_while_paused_is_held_back_and_accounted_for(tmp_path, autojump_clock):
    stage = Stage()
    heard: list[int] = []

    class Ear(meetcore.Sink):
        name = "ear"
        wants_audio = True

        async def hear(self, chunk):
            await trio.lowlevel.checkpoint()
            heard.append(chunk.samples)

    async with stage.bot(tmp_path, sinks=[Ear()]) as bot:
        stage.admit()
        stage.track("a", "ada")
        await stage.live(1, "a", voice=True)
        await bot.pause()
        await stage.live(2, "a", voice=True)
        await bot.resume()
        await stage.live(1, "a", voice=True)
    (entry,) = bot.ledger.entries()
    assert (entry.delivered, entry.withheld, entry.lost) == (32_000, 32_000, 0)
    assert sum(heard) == 32_000
    assert not kinds(events_of(bot), meetcore.AudioLost), "held back is not lost"


@pytest.mark.parametrize(("command", "verb"), [("speak", "speak"), ("show_image", "show image")])
async def test_a_capability_that_is_missing_is_said_with_the_platforms_name(
    tmp_path, autojump_clock, command, verb
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        with pytest.raises(CapabilityMissing, match=f"'stage' cannot {verb}"):
            await bot.perform(EXAMPLES[command])


async def test_the_bots_own_message_is_in_the_journal_also_where_the_chat_cannot_be_read(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path, name="Notes") as bot:
        stage.admit()
        await bot.send_chat("hello")
    assert stage.chat == ["hello"]
    (chat,) = kinds(events_of(bot), meetcore.ChatReceived)
    assert (chat.sender_name, chat.text, chat.by_bot) == ("Notes", "hello", True)


async def test_where_the_chat_can_be_read_the_message_is_not_noted_twice(tmp_path, autojump_clock):
    stage = Stage(capabilities=(Capability.SEND_CHAT, Capability.READ_CHAT))
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        await bot.send_chat("hello")
    assert not kinds(events_of(bot), meetcore.ChatReceived)


async def test_a_platforms_own_trouble_with_a_command_is_a_typed_error(tmp_path, autojump_clock):
    stage = Stage()
    stage.chat_error = KeyError("textbox")
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        with pytest.raises(CommandFailed, match=r"KeyError.*textbox"):
            await bot.send_chat("hello")
        assert bot.state == "recording"
    (answer, *_) = kinds(events_of(bot), meetcore.CommandAnswered)
    assert (answer.ok, "textbox" in answer.error) == (False, True)


async def test_commands_wait_their_turn(tmp_path, autojump_clock):
    stage = Stage()
    order: list[str] = []

    async with stage.bot(tmp_path) as bot:
        stage.admit()

        async def slowly(text: str) -> None:
            order.append(f"{text} begins")
            await trio.sleep(1)
            order.append(f"{text} ends")

        bot.call.send_chat = slowly
        async with trio.open_nursery() as nursery:
            for text in ("one", "two", "three"):
                nursery.start_soon(bot.send_chat, text)
    assert [o.split()[1] for o in order] == ["begins", "ends"] * 3


async def test_a_command_whose_giver_went_away_is_not_told_as_done(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()

        async def forever(text: str) -> None:
            await trio.sleep_forever()

        bot.call.send_chat = forever
        with trio.move_on_after(1):
            await bot.send_chat("hello")
    (answer, *_) = kinds(events_of(bot), meetcore.CommandAnswered)
    assert (answer.command, answer.ok) == ("send_chat", False)
    assert "went away" in answer.error
