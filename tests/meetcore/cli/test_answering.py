"""A person at the terminal answers what the page wanted of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TextIO

import pytest
import trio
import trio.testing

from meetcore import PersonNeeded
from meetcore.cli.answering import ASK, can_answer, take_answers
from tests.meetcore.conftest import Stage


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """Yield the person's end of a terminal, and the program's."""
    person, program = os.openpty()
    with open(program, encoding="utf-8") as file:
        yield person, file
    os.close(person)


async def test_enter_is_done_and_give_up_gives_up_but_only_while_it_is_asked(
    tmp_path, terminal, capsys
):
    person, file = terminal
    stage = Stage()
    assert can_answer(file)
    async with stage.bot(tmp_path) as bot, trio.open_nursery() as nursery:
        nursery.start_soon(take_answers, bot, file)
        stage.events.observe(PersonNeeded("captcha"))
        with trio.fail_after(90):
            for typed, count in ((b"what?\n\n", 1), (b"Give  up\n", 2)):
                os.write(person, typed)
                while len(stage.answers) < count:  # noqa: ASYNC110 (a terminal has no event)
                    await trio.sleep(0.01)
        assert stage.answers == ["done", "give_up"]
        stage.events.observe(PersonNeeded("captcha", needed=False))
        await trio.testing.wait_all_tasks_blocked(0.02)
        os.write(person, b"\n")
        await bot.stop()
        await bot.wait_ended()
    assert len(stage.answers) == 2
    assert capsys.readouterr().err.splitlines() == [ASK, ASK]


async def test_what_cannot_be_answered_is_said(tmp_path, terminal, capsys):
    person, file = terminal
    stage = Stage()
    async with stage.bot(tmp_path) as bot, trio.open_nursery() as nursery:
        nursery.start_soon(take_answers, bot, file)
        stage.events.observe(PersonNeeded("captcha"))
        await trio.testing.wait_all_tasks_blocked(0.02)
        bot._life.person_needed = None  # as if the page had gone on this moment
        os.write(person, b"done\n")
        with trio.fail_after(90):
            said = ""
            while "Nobody is asked" not in said:
                await trio.sleep(0.01)
                said += capsys.readouterr().err
        await bot.stop()


def test_a_file_and_nothing_cannot_answer(tmp_path):
    with (tmp_path / "input").open("w+") as file:
        assert not can_answer(file)
