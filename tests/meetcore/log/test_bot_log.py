"""One line in the log for each event; where nothing is kept it says what happened, not to whom."""

from __future__ import annotations

import logging

import pytest
from attrs import evolve

from meetcore import ChatReceived, Event, StateChanged
from meetcore.log.bot_log import event_logger
from meetcore.model.lifecycle import Evidence, State
from meetcore.model.secrets import Redactor

CHAT = ChatReceived(message_id="m1", sender_id="p1", sender_name="Ada", text="the secret plan")
STATE = StateChanged(state=State.IN_CALL, evidence=Evidence("page", "Ada let it in"))


def lines(event: Event, caplog: pytest.LogCaptureFixture, *, bare: bool) -> str:
    caplog.set_level(logging.DEBUG, "meetcore.bot")
    event_logger("bot-1", Redactor(), bare=bare)(evolve(event, seq=7))
    return caplog.text


@pytest.mark.parametrize("bare", [False, True])
def test_a_line_says_what_was_written_only_where_something_is_kept(
    caplog: pytest.LogCaptureFixture, bare: bool
) -> None:
    text = lines(CHAT, caplog, bare=bare)
    assert "event='chat.received' bot='bot-1' seq=7" in text
    assert ("the secret plan" in text) is ("Ada" in text) is not bare


def test_a_bare_line_says_which_state_it_is(caplog: pytest.LogCaptureFixture) -> None:
    text = lines(STATE, caplog, bare=True)
    assert "in_call" in text
    assert "Ada" not in text
