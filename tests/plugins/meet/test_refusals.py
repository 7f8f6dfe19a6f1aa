"""What Meet's vague words mean, by what came before them. No browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from trio.testing import MockClock

from meetcore import CallRequest, read_link
from meetcore_browser.guest.follower import PageFollower
from meetcore_browser.guest.joiner import Guest
from meetcore_browser.guest.look import Found, PageLook, StateSeen, read_state
from meetcore_browser.page_state import PageState
from meetcore_browser.testing import KeepingCallEvents
from meetcore_meet.joiner import MeetJoiner
from meetcore_meet.options import MeetOptions
from tests.plugins.meet.visits import CODE, PACK

S = PageState


def concluded(control: str, *, before: str = "", identity: str | None = "notes-bot") -> StateSeen:
    joiner = MeetJoiner(MeetOptions(identity=identity), PACK)
    link = read_link(f"https://meet.google.com/{CODE}")
    assert link is not None
    request = CallRequest(bot_id="b", display_name="Notes", folder=Path())
    guest = Guest(cast("Any", None), link, request, KeepingCallEvents(), PageFollower())
    if before:
        guest.knocked()
    if before == "call":
        guest.follower.take(StateSeen(S.IN_CALL), 0.0)
    look = PageLook(found={control: Found(control, 0, "words")})
    return joiner.conclude(guest, read_state(PACK, look), look)


@pytest.mark.parametrize(
    ("before", "identity", "state"),
    [
        ("", "notes-bot", S.SIGN_IN),
        ("", None, S.REFUSED),
        ("knock", "notes-bot", S.REFUSED),
        ("call", "notes-bot", S.REFUSED),
    ],
)
async def test_changed_credentials_want_a_sign_in_before_the_knock_alone(
    autojump_clock: MockClock, before: str, identity: str | None, state: PageState
) -> None:
    seen = concluded("credentials_changed", before=before, identity=identity)
    assert seen.state is state
    assert bool(seen.hint) is (state is S.SIGN_IN)


@pytest.mark.parametrize(
    ("before", "state"), [("", S.REFUSED), ("knock", S.REFUSED), ("call", S.CONNECTION_LOST)]
)
async def test_trouble_that_may_be_a_refusal_is_tried_again(
    autojump_clock: MockClock, before: str, state: PageState
) -> None:
    seen = concluded("refused_vaguely", before=before)
    assert (seen.state, seen.again) == (state, True)
    assert not concluded("refused", before=before).again
