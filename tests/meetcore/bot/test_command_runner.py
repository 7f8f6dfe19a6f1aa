"""Commands: one at a time, answered in every state, each with its event."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

import meetcore
from meetcore.model.commands import (
    COMMAND_TYPES,
    AnswerPerson,
    ExcludeParticipant,
    HidePicture,
    IncludeParticipant,
    InterruptSpeech,
    MarkTopic,
    NameVoice,
    PauseRecording,
    Reconnect,
    SendChat,
    ShareImage,
    SharePage,
    ShowImage,
    ShowPage,
    Speak,
    StopSharing,
)
from meetcore.model.errors import CapabilityMissing, CommandFailed, CommandRefused
from meetcore.model.signals import CallEnded, Knocked
from meetcore.plugin.platform import Capability
from tests.meetcore.conftest import Stage, StageCall, end_of, events_of, kinds

EXAMPLES = {
    "stop": meetcore.Stop(),
    "send_chat": SendChat("hello"),
    "speak": Speak(b"\0\0"),
    "interrupt_speech": InterruptSpeech(),
    "show_image": ShowImage(b"png"),
    "show_page": ShowPage("https://status.example.com"),
    "hide_picture": HidePicture(),
    "share_image": ShareImage(b"png"),
    "share_page": SharePage("https://status.example.com"),
    "stop_sharing": StopSharing(),
    "answer_person": AnswerPerson(),
    "reconnect": Reconnect("stage:elsewhere"),
    "name_voice": NameVoice("room", "1", "Grace"),
    "mark_topic": MarkTopic("budget"),
    "exclude_participant": ExcludeParticipant("ada"),
    "include_participant": IncludeParticipant("ada"),
    "pause": PauseRecording(),
    "resume": meetcore.ResumeRecording(),
}
NOT_STOP = sorted(set(EXAMPLES) - {"stop", "reconnect"})


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
                stage.events.observe(signal)
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


async def test_where_a_meeting_is_now_is_passed_on_in_every_state(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        await bot.reconnect("stage:1")
        stage.events.observe(Knocked())
        await bot.perform(Reconnect("stage:2", by="api"))
        stage.admit()
        await bot.reconnect("stage:3")
        assert stage.reconnected == ["stage:1", "stage:2", "stage:3"]
        await bot.stop()
        await bot.wait_ended()
        with pytest.raises(CommandRefused, match="completed"):
            await bot.reconnect("stage:4")


async def test_a_platform_that_moves_no_meetings_says_so(tmp_path, autojump_clock, monkeypatch):
    stage = Stage()
    monkeypatch.setattr(StageCall, "reconnect", meetcore.Call.reconnect)
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        with pytest.raises(CapabilityMissing, match="cannot reconnect"):
            await bot.reconnect("stage:1")
        await bot.stop()


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

        async def on_audio(self, chunk):
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


@pytest.mark.parametrize(
    ("command", "verb"),
    [
        ("speak", "speak"),
        ("show_image", "show image"),
        ("show_page", "show page"),
        ("share_image", "share screen"),
        ("share_page", "share screen"),
        ("stop_sharing", "share screen"),
    ],
)
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


async def test_a_call_may_be_able_to_do_less_than_its_platform_but_not_more(
    tmp_path, autojump_clock
):
    stage = Stage(capabilities=(Capability.SEND_CHAT,))
    stage.call_capabilities = frozenset({Capability.SHOW_IMAGE})
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        for command in (SendChat("hello"), ShowImage(b"png")):
            with pytest.raises(CapabilityMissing):
                await bot.perform(command)
    assert stage.chat == []


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


class Hanging:
    """A stage whose chat hangs, and how long it did."""

    def __init__(self, bot) -> None:
        self.began = 0
        bot.call.send_chat = self.send_chat

    async def send_chat(self, text: str) -> None:
        self.began += 1
        await trio.sleep_forever()


@pytest.mark.parametrize("how", ["stop", "end of the meeting", "leave rule"])
async def test_the_end_waits_for_no_command_and_the_one_in_hand_is_answered(
    tmp_path, autojump_clock, how
):
    stage = Stage()
    answers: list[str] = []
    rules = {"automatic_leave": {"nobody_joined_s": 5.0}} if how == "leave rule" else {}
    async with stage.bot(tmp_path, **rules) as bot:
        stage.admit()
        hanging = Hanging(bot)

        async def chat() -> None:
            with pytest.raises(CommandFailed, match="leaving and gave it up") as failed:
                await bot.send_chat("hello")
            answers.append(str(failed.value))

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chat)
            nursery.start_soon(chat)
            await trio.testing.wait_all_tasks_blocked()
            if how == "stop":
                await bot.stop()
                assert trio.current_time() == began
            elif how == "end of the meeting":
                stage.events.observe(
                    CallEnded(meetcore.EndReason.MEETING_ENDED, meetcore.Evidence("host", "gone"))
                )
        await bot.wait_ended()
        assert trio.current_time() - began <= 5.1
    assert (hanging.began, len(answers)) == (1, 2), "the second one was never begun"
    told = [e.ok for e in kinds(events_of(bot), meetcore.CommandAnswered) if e.command != "stop"]
    assert told == [False, False]


async def test_pause_and_resume_wait_for_no_other_command(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        Hanging(bot)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bot.send_chat, "hello")
            await trio.testing.wait_all_tasks_blocked()
            began = trio.current_time()
            await bot.pause()
            assert (bot.state, trio.current_time()) == ("paused", began)
            await bot.resume()
            assert (bot.state, trio.current_time()) == ("recording", began)
            nursery.cancel_scope.cancel()


async def test_the_same_id_twice_is_one_command_with_one_answer(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        real = bot.call.send_chat

        async def slowly(text: str) -> None:
            await trio.sleep(5)
            await real(text)

        bot.call.send_chat = slowly
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(bot.perform, SendChat("hello", id="x", by="crm"))
        await bot.perform(SendChat("hello", id="x"))
        await bot.send_chat("hello")
        with pytest.raises(CommandRefused, match="is another command's"):
            await bot.perform(SendChat("other", id="x"))
    assert stage.chat == ["hello", "hello"]
    answers = kinds(events_of(bot), meetcore.CommandAnswered)
    told = [(a.command_id, a.by) for a in answers if a.command == "send_chat"]
    assert told == [("x", "crm"), ("command-1", "")]


async def test_a_command_that_failed_fails_again_by_its_id(tmp_path, autojump_clock):
    stage = Stage()
    stage.chat_error = CommandFailed("no textbox")
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        with pytest.raises(CommandFailed, match="no textbox"):
            await bot.perform(SendChat("hello", id="x"))
        stage.chat_error = None
        with pytest.raises(CommandFailed, match="no textbox"):
            await bot.perform(SendChat("hello", id="x"))
        await bot.perform(SendChat("hello", id="command-2"))
        for _ in range(3):
            await bot.send_chat("hi")
    ids = [e.command_id for e in kinds(events_of(bot), meetcore.CommandAnswered)]
    assert len(set(ids)) == len(ids) == 5


async def test_one_who_asks_again_waits_no_longer_than_a_command_may_take(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        Hanging(bot)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(_fails, bot, SendChat("hello", id="x"))
        assert trio.current_time() == began + 30


async def _fails(bot, command) -> None:
    with pytest.raises(CommandFailed):
        await bot.perform(command)


async def test_of_the_outcomes_of_commands_the_newest_are_kept(
    tmp_path, autojump_clock, monkeypatch
):
    monkeypatch.setattr("meetcore.bot.command_runner.OUTCOMES_KEPT", 2)
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        for key in ("a", "b", "c", "b", "a"):
            await bot.perform(SendChat(key, id=key))
    assert stage.chat == ["a", "b", "c", "a"]


class Asking(meetcore.Sink):
    """A sink that says hello."""

    name = "asking"

    @asynccontextmanager
    async def open(self, context):
        self.context = context
        await trio.lowlevel.checkpoint()
        yield

    async def deliver(self, event):
        if isinstance(event, meetcore.ParticipantJoined):
            await self.context.perform(SendChat("hello", by="somebody else"))


async def test_what_a_sink_asks_for_is_told_as_the_sinks(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path, sinks=[Asking()]) as bot:
        stage.admit()
        stage.join("ada")
        await trio.sleep(1)
    (answer,) = kinds(events_of(bot), meetcore.CommandAnswered)
    assert (answer.by, answer.ok) == ("asking", True)


class Hung(meetcore.Sink):
    """Hangs in one of its calls."""

    name = "hung"
    wants_audio = True

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    async def _call(self, where: str) -> None:
        await trio.lowlevel.checkpoint()
        if where == self.where:
            await trio.sleep_forever()

    @asynccontextmanager
    async def open(self, context):
        await self._call("open")
        try:
            yield
        finally:
            await self._call("close")

    async def deliver(self, event):
        await self._call("deliver")

    async def on_audio(self, chunk):
        await self._call("on_audio")

    async def finish(self):
        await self._call("finish")


class Mute(meetcore.Transcriber):
    """Hangs in one of its calls."""

    name = "mute"

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    @asynccontextmanager
    async def open(self, context):
        if self.where == "open transcriber":
            await trio.sleep_forever()
        yield

    @asynccontextmanager
    async def stream(self, request):
        await trio.sleep_forever()
        yield


@pytest.mark.parametrize(
    ("where", "within_s"),
    [
        ("open", 5.1),
        ("on_audio", 61),
        ("deliver", 121),
        ("finish", 61),
        ("close", 61),
        ("open transcriber", 31),
        ("stream", 31),
        ("leave", 11),
        ("nothing", 0),
    ],
)
async def test_whatever_hangs_stop_is_at_once_and_the_end_has_its_bound(
    tmp_path, autojump_clock, where, within_s
):
    """The bounds are those that the lifecycle's page names."""
    stage = Stage()
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False)
    runner = meetcore.bot.factory.prepare_bot(
        stage.link,
        config,
        stage.plugins(),
        sinks=[Hung(where)],
        transcriber=Mute(where) if where in ("open transcriber", "stream") else None,
    )
    bot = runner.bot
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        if where != "open":
            await stage.opened.wait()
            stage.admit()
            stage.leave_s = 1e9 if where == "leave" else 0
            stage.track("a", "ada")
            await stage.live(1, "a", voice=True)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        await bot.stop()
        assert trio.current_time() == began, "stop itself waits for nothing"
        await bot.wait_ended()
        assert trio.current_time() - began <= within_s + 0.5
    end = end_of(events_of(bot))
    assert end.reason == "stop_requested"
