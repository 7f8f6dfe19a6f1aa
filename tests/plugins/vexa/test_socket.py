"""The socket's conversation: who is told what, and that no message breaks it."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore.gateway.http import Reply
from meetcore.model.lifecycle import EndReason, State
from tests.json_values import nested
from tests.plugins.vexa.life import KEY, MEET, SEAT, VexaFake, open_vexa

SUBSCRIBE = {"action": "subscribe", "meetings": [SEAT]}
UNSUBSCRIBE = {"action": "unsubscribe", "meetings": [SEAT]}
OTHER = {"platform": "google_meet", "native_id": "xyz-abcd-efg"}


def statuses(frames: list[Any]) -> list[str]:
    return [f["payload"]["status"] for f in frames if f["type"] == "meeting.status"]


class Page:
    """What a web page does with the frames, by the vendor's own guide for E1."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.open = True

    def take(self, text: str) -> None:
        message = json.loads(text)
        if not self.open or message["type"] != "meeting.status":
            return
        status, native_id = message["payload"]["status"], message["meeting"]["native_id"]
        self.shown.append(f"{native_id}: {status}")
        if status == "failed":
            self.shown.append(f"because of {message['payload']['error']}")
        self.open = status not in ("completed", "failed")


async def test_a_page_that_follows_the_vendors_guide_shows_a_whole_life(vexa: VexaFake) -> None:
    row = await vexa.send_bot()
    socket = await vexa.socket()
    socket.say(SUBSCRIBE)
    await vexa.fake.settled()
    vexa.admit(row)
    vexa.say(row, "hello", final=False)
    vexa.say(row, "hello there")
    vexa.end(row)
    page = Page()
    for text in socket.received:
        page.take(str(text))
    words = ["requested", "joining", "awaiting_admission", "active", "stopping", "completed"]
    assert page.shown == [f"abc-defg-hij: {word}" for word in words]
    assert not page.open


async def test_a_page_that_follows_the_vendors_guide_shows_why_a_bot_failed(
    vexa: VexaFake,
) -> None:
    row = await vexa.send_bot()
    socket = await vexa.socket()
    socket.say(SUBSCRIBE)
    await vexa.fake.settled()
    vexa.refuse(row, EndReason.ADMISSION_TIMEOUT)
    page = Page()
    for text in socket.received:
        page.take(str(text))
    assert page.shown[-2:] == ["abc-defg-hij: failed", "because of awaiting_admission_timeout"]


async def test_subscribing_twice_is_acknowledged_twice_and_told_once(vexa: VexaFake) -> None:
    row = await vexa.send_bot()
    socket = await vexa.subscribed()
    again = await vexa.heard(socket, SUBSCRIBE)
    assert again == [{"type": "subscribed", "meetings": [SEAT]}]
    vexa.fake.go(row, State.JOINING)
    assert statuses(socket.frames()) == ["joining"]


async def test_a_late_subscriber_is_told_where_the_bot_is_and_nothing_older(
    vexa: VexaFake,
) -> None:
    row = vexa.admit(await vexa.send_bot())
    vexa.say(row, "old")
    frames = await vexa.heard(await vexa.socket(), SUBSCRIBE)
    assert [frame["type"] for frame in frames] == ["subscribed", "meeting.status"]
    assert statuses(frames) == ["active"]


async def test_after_unsubscribing_nothing_is_told(vexa: VexaFake) -> None:
    row = await vexa.send_bot()
    socket = await vexa.subscribed()
    await vexa.heard(socket, UNSUBSCRIBE)
    vexa.fake.go(row, State.JOINING)
    assert socket.frames() == []


async def test_of_several_meetings_only_those_found_are_acknowledged(vexa: VexaFake) -> None:
    await vexa.send_bot()
    bad = {"platform": "google_meet", "native_id": "Not An Id"}
    asked = {"action": "subscribe", "meetings": [OTHER, 7, SEAT, bad]}
    frames = await vexa.heard(await vexa.socket(), asked)
    assert frames[0]["details"] == [
        "meetings[0] not authorized or not found for user",
        "meetings[3] invalid native_meeting_id for platform 'google_meet'",
    ]
    assert frames[1] == {"type": "subscribed", "meetings": [SEAT]}


async def test_in_e4_a_subscription_to_nothing_is_an_error_alone(vexa: VexaFake) -> None:
    frames = await vexa.heard(await vexa.socket("E4"), SUBSCRIBE)
    assert [frame["type"] for frame in frames] == ["error"]


async def test_another_users_meeting_cannot_be_followed(vexa: VexaFake) -> None:
    await vexa.send_bot()
    stranger, _ = await vexa.fake.create_user("b@example.com")
    vexa.fake.new_key("theirs", user_id=stranger.id)
    frames = await vexa.heard(await vexa.socket(key="theirs"), SUBSCRIBE)
    assert frames[0]["details"] == ["meetings[0] not authorized or not found for user"]


async def test_a_later_run_flows_on_in_e1_and_needs_a_new_subscription_later(
    vexa: VexaFake,
) -> None:
    row = vexa.end(vexa.admit(await vexa.send_bot()))
    sockets = {era: await vexa.subscribed(era) for era in ("E1", "E2", "E3", "E4")}
    second = await vexa.send_bot()
    await vexa.fake.settled()
    vexa.fake.go(second, State.JOINING)
    told = {era: statuses(socket.frames()) for era, socket in sockets.items()}
    assert row.number != second.number
    assert told == {"E1": ["requested", "joining"], "E2": [], "E3": [],
                    "E4": ["requested", "joining"]}  # fmt: skip


async def test_e4_pushes_every_status_and_the_transcript_on_subscription_only(
    vexa: VexaFake,
) -> None:
    first = await vexa.send_bot()
    socket = await vexa.socket("E4")
    status, _ = await vexa.ask("POST", "/bots", {**MEET, "native_meeting_id": OTHER["native_id"]})
    second = vexa.fake.only
    await vexa.fake.settled()
    vexa.admit(first)
    vexa.admit(second)
    vexa.say(second, "not for me")
    frames = socket.frames()
    assert status == 201
    assert {frame["type"] for frame in frames} == {"meeting.status"}
    assert [f["payload"]["status"] for f in frames if f["meeting"]["id"] == first.number] == [
        "joining", "awaiting_admission", "active",
    ]  # fmt: skip
    assert (await vexa.heard(socket, SUBSCRIBE))[0]["type"] == "subscribed"
    vexa.say(first, "for me")
    assert [frame["type"] for frame in socket.frames()] == ["transcript"]
    await vexa.heard(socket, UNSUBSCRIBE)
    vexa.say(first, "not any more")
    vexa.end(first)
    assert {frame["type"] for frame in socket.frames()} == {"meeting.status"}


async def test_the_users_own_era_is_spoken_unless_the_socket_names_one(vexa: VexaFake) -> None:
    assert (await vexa.ask("PUT", "/user/dialect", {"dialect": "e3"}))[0] == 200
    row = await vexa.send_bot()
    plain = await vexa.fake.connect(f"/ws?api_key={KEY}")
    assert not isinstance(plain, Reply)
    await vexa.heard(plain, SUBSCRIBE)
    chosen = await vexa.subscribed("E1")
    vexa.fake.go(row, State.JOINING)
    assert plain.frames()[0]["meeting"]["id"] == row.number
    assert "id" not in chosen.frames()[0]["meeting"]


async def test_an_unknown_era_is_refused_before_the_handshake(vexa: VexaFake) -> None:
    refused = await vexa.fake.connect(f"/ws?api_key={KEY}&dialect=E9")
    assert isinstance(refused, Reply)
    assert refused.status == 422


async def test_who_sends_without_end_is_let_go(vexa: VexaFake) -> None:
    socket = await vexa.socket()
    for _ in range(1000):
        socket.say({"action": "ping"})
    assert socket.close_code == 1008


# --- any message ------------------------------------------------------------------------

json_values = nested(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    st.text(max_size=6),
)
meetings = st.one_of(
    json_values,
    st.lists(
        st.one_of(
            st.just(SEAT),
            st.fixed_dictionaries({"platform": json_values, "native_id": json_values}),
            st.fixed_dictionaries(
                {"platform": st.text(max_size=60), "native_id": st.text(max_size=300)}
            ),
        ),
        max_size=4,
    ),
)
actions = st.sampled_from(["subscribe", "unsubscribe", "ping", "", None, 7])
messages = st.one_of(
    st.text(max_size=20),
    st.binary(max_size=20),
    st.just("[" * 5000),
    st.just("9" * 6000),
    json_values.map(json.dumps),
    st.fixed_dictionaries({"action": actions, "meetings": meetings}).map(json.dumps),
)


@settings(max_examples=40, deadline=None)
@given(said=st.lists(messages, max_size=6), era=st.sampled_from(["E1", "E2", "E3", "E4"]))
def test_any_message_gets_an_answer_and_the_socket_stays_open(
    said: list[str | bytes], era: str
) -> None:
    async def main(folder: Path) -> None:
        async with open_vexa(folder) as vexa:
            row = await vexa.send_bot(era)
            socket = await vexa.socket(era)
            for message in said:
                assert await vexa.heard(socket, message)
            vexa.admit(row)
            await vexa.heard(socket, {"action": "ping"})
            assert not socket.closed
            socket.say({"action": "ping"})
            await vexa.fake.settled()
            assert {"type": "pong"} in socket.frames()

    with TemporaryDirectory() as folder:
        trio.run(main, Path(folder))


@pytest.mark.parametrize("era", ["E1", "E2", "E3", "E4"])
async def test_in_every_era_a_ping_is_answered(era: str, vexa: VexaFake) -> None:
    socket = await vexa.socket(era)
    assert await vexa.heard(socket, b'{"action": "ping"}') == [{"type": "pong"}]
