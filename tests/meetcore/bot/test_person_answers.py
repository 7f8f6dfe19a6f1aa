"""A person is asked for, and says that it is done or that nobody will do it."""

from __future__ import annotations

import pytest
import trio

import meetcore
from meetcore import (
    AnswerPerson,
    CallEnded,
    CapabilityMissing,
    CommandRefused,
    PersonAnswer,
    PersonAnswered,
    PersonNeeded,
    SendChat,
)
from meetcore.model.wire import command_from_wire, command_to_wire
from tests.meetcore.conftest import Stage, StageCall, events_of, kinds


async def test_an_answer_reaches_the_platform_and_is_told_with_who_gave_it(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.events.observe(PersonNeeded("captcha", detail="boats", wait_s=60.0))
        await bot.perform(AnswerPerson(PersonAnswer.DONE, by="api"))
        stage.events.observe(PersonNeeded("captcha", needed=False))
        with pytest.raises(CommandRefused, match="Nobody is asked"):
            await bot.answer_person()
        stage.events.observe(PersonNeeded("sign_in"))
        await bot.answer_person("give_up")
        assert stage.answers == [PersonAnswer.DONE, PersonAnswer.GIVE_UP]
        assert bot.state == "joining", "what follows is the platform's to say"
        await bot.stop()
        await bot.wait_ended()
    told = [(e.what, e.answer, e.by) for e in kinds(events_of(bot), PersonAnswered)]
    assert told == [("captcha", "done", "api"), ("sign_in", "give_up", "")]


async def test_an_answer_waits_for_no_other_command(tmp_path, autojump_clock, monkeypatch):
    stage = Stage()

    async def hang(self: StageCall, text: str) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(StageCall, "send_chat", hang)
    async with stage.bot(tmp_path) as bot, trio.open_nursery() as nursery:
        stage.admit()

        async def chat() -> None:
            with pytest.raises(meetcore.CommandFailed):
                await bot.perform(SendChat("hello"))

        nursery.start_soon(chat)
        await trio.sleep(0.1)
        stage.events.observe(PersonNeeded("still_there"))
        with trio.fail_after(1):
            await bot.answer_person()
        await bot.stop()


async def test_a_platform_that_takes_no_answer_says_so(tmp_path, autojump_clock, monkeypatch):
    stage = Stage()
    monkeypatch.setattr(StageCall, "answer_person", meetcore.Call.answer_person)
    async with stage.bot(tmp_path) as bot:
        stage.events.observe(PersonNeeded("captcha"))
        with pytest.raises(CapabilityMissing, match="cannot answer person"):
            await bot.answer_person()
        await bot.stop()
        await bot.wait_ended()
    assert not kinds(events_of(bot), PersonAnswered)


async def test_after_the_end_nobody_is_asked(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.events.observe(PersonNeeded("captcha"))
        evidence = meetcore.Evidence("captcha")
        stage.events.observe(CallEnded(meetcore.EndReason.CAPTCHA_REQUIRED, evidence))
        with pytest.raises(CommandRefused, match="Nobody is asked"):
            await bot.answer_person()
        await bot.wait_ended()


def test_on_the_wire_it_is_a_command_as_all_others_are():
    wire = {"type": "answer_person", "data": {"answer": "give_up"}}
    assert command_from_wire(wire) == AnswerPerson(PersonAnswer.GIVE_UP)
    assert command_to_wire(AnswerPerson(PersonAnswer.GIVE_UP)) == wire
    with pytest.raises(CommandRefused):
        command_from_wire({"type": "answer_person", "data": {"answer": "perhaps"}})
