"""Whatever a client sends: an answer in the vendor's shape, and never an error of ours."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore import PrivateTargets
from meetcore.gateway import BadField
from meetcore_skribby.create_request import FIELDS, parse_create_request
from tests.json_values import JSON
from tests.plugins.skribby.stage import ask, create_request, enter, new_bot, opened, skribby
from tests.plugins.skribby.test_dialect import ACTIONS

KNOWN = sorted(
    {*FIELDS, "video", "profanity_filter", "custom_vocabulary", "authentication", "bot_avatar_url"}
)
JUNK = JSON | st.integers() | st.sampled_from(["", "1", "\x00", "https://[", "gmeet", "none"])
BODIES = st.dictionaries(st.sampled_from(KNOWN), JUNK, max_size=6)
NESTED = st.fixed_dictionaries(
    {},
    optional={
        "stop_options": st.dictionaries(
            st.sampled_from(["time_limit", "waiting_room_timeout", "silence_detection"]), JUNK
        ),
        "custom_metadata": st.dictionaries(st.text(max_size=3), JUNK, max_size=3),
        "authentication": st.dictionaries(st.sampled_from(["account_id"]), JUNK),
        "scheduled_start_time": st.integers(),
    },
)


@given(
    BODIES
    | BODIES.map(lambda body: create_request(**body))
    | NESTED.map(lambda body: create_request(**body))
    | JSON
)
def test_any_body_is_a_wish_or_says_which_field_is_wrong(body: Any) -> None:
    problems = None
    try:
        read = parse_create_request(body, PrivateTargets())
    except BadField as bad:
        problems = bad.problems
    if problems is not None:
        assert problems
        assert all(problem.path and problem.text for problem in problems)
        return
    assert read.bot_name
    for limit in read.automatic_leave.values():
        assert limit is None or limit > 0


async def _send(method: str, tail: str, body: bytes, frames: list[str | bytes]) -> None:
    with TemporaryDirectory() as folder:
        async with skribby(Path(folder)) as fake:
            row = await new_bot(fake, scheduled_start_time=1_900_000_000)
            reply = await ask(fake, method, tail.replace("{id}", row.bot_id), body=body)
            assert 200 <= reply.status < 500
            if reply.status >= 400:
                assert isinstance(reply.json["message"], str)
            if reply.status == 422:
                assert isinstance(reply.json["errors"], dict)
            live = await new_bot(fake)
            enter(fake, live)
            url = (await ask(fake, "GET", f"/bot/{live.bot_id}")).json["websocket_url"]
            socket = await opened(fake, url)
            for frame in frames:
                socket.say(frame)
            await fake.settled()
            assert not socket.closed


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        [
            ("POST", "/bot"),
            ("POST", "/bot/validate"),
            ("PATCH", "/bot/{id}"),
            ("POST", "/bot/{id}/chat-message"),
            ("POST", "/bot/{id}/stop"),
            ("PUT", "/reserved-capacity"),
            ("POST", "/recording"),
            ("GET", "/bot/\x00"),
            ("DELETE", "/bot/{id}"),
        ]
    ),
    st.binary()
    | JSON.map(lambda body: json.dumps(body).encode())
    | BODIES.map(lambda body: json.dumps(body).encode()),
    st.lists(st.text() | st.binary() | ACTIONS.map(json.dumps), max_size=5),
)
def test_no_request_and_no_frame_is_an_error_of_ours(
    route: tuple[str, str], body: bytes, frames: list[str | bytes]
) -> None:
    trio.run(_send, *route, body, frames)
