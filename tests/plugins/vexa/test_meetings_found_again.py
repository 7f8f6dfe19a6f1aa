"""A bot is found by the id that was answered, whatever form the link had, in every era."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from meetcore_rehearsal.stage import read_any_link
from tests.plugins.vexa.life import VexaFake

ERAS = ["E1", "E2", "E3", "E4"]
LONG = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%7d"
BODIES = {
    "an id of the client's own": {
        "platform": "teams", "native_meeting_id": "cdf9aa8702726f1f", "meeting_url": LONG,
    },
    "a long link alone": {"meeting_url": LONG},
    "capital letters": {"meeting_url": "https://meet.google.com/Abc-Defg-Hij"},
    "no scheme": {"meeting_url": "meet.google.com/abc-defg-hij"},
    "a nickname": {"platform": "google_meet", "native_meeting_id": "team-standup"},
    "a link in a fragment": {
        "meeting_url": "https://teams.microsoft.com/v2/?meetingjoin=true#/meet/33749853217630?p=x",
    },
    "a company's id": {
        "platform": "teams", "native_meeting_id": "33749853217630", "passcode": "AbC1",
        "teams_base_host": "teams.microsoft.com",
    },
    "a room": {"meeting_url": "http://127.0.0.1:8765/r/mc-blue-lookup"},
    "a room by another name": {
        "platform": "jitsi", "native_meeting_id": "Blue", "meeting_url": "http://127.0.0.1/r/mc-x",
    },
}  # fmt: skip


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
async def test_the_id_that_was_answered_finds_the_bot_everywhere(
    body: dict[str, str], era: str, vexa: VexaFake
) -> None:
    vexa.fake.platforms = read_any_link
    status, made = await vexa.ask("POST", f"/bots?dialect={era}", body)
    assert status == 201, made
    row = vexa.admit(vexa.fake.only)
    vexa.say(row, "Hello.")
    vexa.record(row)
    platform, native_id = made["platform"], made["native_meeting_id"]
    path, era_query = f"{platform}/{quote(native_id, safe='')}", f"dialect={era}"

    status, transcript = await vexa.ask("GET", f"/transcripts/{path}?{era_query}")
    assert (status, transcript["id"], len(transcript["segments"])) == (200, made["id"], 1)
    status, running = await vexa.ask("GET", f"/bots/status?{era_query}")
    assert running["running"] == running["running_bots"]
    assert running["running_bots"][0]["native_meeting_id"] == native_id
    _, listed = await vexa.ask("GET", f"/meetings?{era_query}")
    assert [m["native_meeting_id"] for m in listed["meetings"]] == [native_id]
    assert (await vexa.ask("POST", f"/bots/{path}/chat?{era_query}", {"text": "x"}))[0] == 202
    assert (await vexa.ask("GET", f"/bots/{path}/chat?{era_query}"))[0] == 200
    assert (await vexa.ask("PUT", f"/bots/{path}/config?{era_query}", {"task": "transcribe"}))[
        0
    ] == 202
    assert (await vexa.ask("PATCH", f"/meetings/{path}", {"data": {"name": "x"}}))[0] == 200
    assert (await vexa.ask("POST", f"/transcripts/{path}/share?{era_query}"))[0] == 200
    _, recordings = await vexa.ask("GET", f"/recordings?{era_query}")
    assert [r["meeting_id"] for r in recordings["recordings"]] == [made["id"]]
    socket = await vexa.socket(era)
    seat = {"platform": platform, "native_id": native_id}
    frames = await vexa.heard(socket, {"action": "subscribe", "meetings": [seat]})
    assert {"type": "subscribed", "meetings": [seat]} in frames
    assert (await vexa.ask("POST", f"/bots?{era_query}", body))[0] == 409
    assert (await vexa.ask("DELETE", f"/bots/{path}?{era_query}"))[0] in (200, 202)
    vexa.end(row)
    assert (await vexa.ask("DELETE", f"/meetings/{path}?{era_query}"))[0] == 200


@pytest.mark.parametrize("asked", ["Abc-Defg-Hij", "abc-defg-hij"])
async def test_an_id_may_be_asked_for_in_any_of_its_forms(asked: str, vexa: VexaFake) -> None:
    await vexa.send_bot(
        "E4", native_meeting_id=None, meeting_url="https://meet.google.com/ABC-defg-hij"
    )
    assert (await vexa.ask("GET", f"/transcripts/google_meet/{asked}"))[0] == 200


async def test_one_teams_meeting_has_one_id_and_one_bot(vexa: VexaFake) -> None:
    other = LONG.replace("%3a", ":").replace("%40", "@")
    assert (await vexa.ask("POST", "/bots", {"meeting_url": LONG}))[0] == 201
    assert (await vexa.ask("POST", "/bots", {"meeting_url": other}))[0] == 409
    twice = "19%253ameeting_x%2540thread.v2"
    assert (await vexa.ask("GET", f"/transcripts/teams/{twice}"))[0] == 200


@pytest.mark.parametrize(
    ("body", "url"),
    [
        ({"native_meeting_id": "9387167464734", "passcode": "AbC1"},
         "https://teams.live.com/meet/9387167464734?p=AbC1"),
        ({"native_meeting_id": "33749853217630", "teams_base_host": "teams.microsoft.com"},
         "https://teams.microsoft.com/meet/33749853217630"),
        ({"native_meeting_id": "33749853217630", "passcode": "1234567",
          "teams_base_host": "https://gov.teams.microsoft.us/"},
         "https://gov.teams.microsoft.us/meet/33749853217630?p=1234567"),
        ({"meeting_url": "https://teams.live.com/meet/9387167464734", "passcode": "AbC1"},
         "https://teams.live.com/meet/9387167464734?p=AbC1"),
    ],
)  # fmt: skip
async def test_ids_passcodes_and_hosts_of_teams_come_into_the_link(
    body: dict[str, str], url: str, vexa: VexaFake
) -> None:
    status, made = await vexa.ask("POST", "/bots", {"platform": "teams", **body})
    assert status == 201, made
    assert (await vexa.fake.order(vexa.fake.only)).url == url
    assert made["constructed_meeting_url"] == url.partition("?")[0]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "body",
    [
        {"native_meeting_id": "cdf9aa8702726f1f"},
        {"native_meeting_id": "9387167464734", "teams_base_host": "teams.evil.example"},
        {"platform": "google_meet", "native_meeting_id": "new"},
        {"platform": "google_meet", "native_meeting_id": "landing"},
        {"platform": "zoom", "native_meeting_id": "abc"},
        {"native_meeting_id": "a/b", "meeting_url": LONG},
        {"platform": "zoom", "meeting_url": LONG},
        {"platform": "google_meet", "meeting_url": "https://meet.google.com/new"},
    ],
)
async def test_no_link_is_made_up(era: str, body: dict[str, str], vexa: VexaFake) -> None:
    status, answer = await vexa.ask("POST", f"/bots?dialect={era}", {"platform": "teams", **body})
    assert (status, list(answer)) == (422, ["detail"])
