"""Every recorded message of Skribby: what we send is like it, what its clients send is taken."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import trio

from meetcore.audio.chunk import Chunk
from meetcore.model.commands import SendChat, Stop
from meetcore.model.events import (
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    SpeakingStarted,
    SpeakingStopped,
    StateChanged,
    TranscriptionStopped,
)
from meetcore.model.lifecycle import EndReason, State
from meetcore.model.roster import NameSource, Participant
from meetcore.testing.fake_service import FakeService
from meetcore_skribby.bot_object import BotObject
from meetcore_skribby.frames import ChangeAvatar, SkribbyDialect, action_of
from meetcore_skribby.routes_recordings import RecordingObject
from meetcore_skribby.webhooks import signature
from tests.plugins.skribby.stage import (
    BY_NAME,
    VECTORS,
    ask,
    assert_like,
    bot_of,
    chat,
    create_request,
    enter,
    leave,
    new_bot,
    opened,
    play,
    read,
    segment,
    skribby,
    value_at,
)

BOT_ID = "3c09b2aa-6708-42c1-8145-aa55ee223613"
NULLABLE = frozenset(
    name
    for body in (BotObject, RecordingObject)
    for name, kind in body.__annotations__.items()
    if "None" in str(kind)
) | {"amount", "confidence"}
UNTOLD = {
    "ws.participant-camera-on.v07",
    "ws.participant-camera-off.v07",
    "ws.participant-started-screenshare.v07",
    "ws.participant-stopped-screenshare.v07",
}
DEVICE_WORDS = {
    "microphone": {"muted", "unmuted", "unknown"},
    "camera": {"on", "off", "unknown"},
    "screenshare": {"sharing", "not-sharing", "unknown"},
}


async def _send(fake: FakeService, name: str, bot_id: str = BOT_ID) -> tuple[int, Any]:
    """Send a vector's request as it stands."""
    example = BY_NAME[name]["example"]
    path = example["path"].replace(BOT_ID, bot_id)
    sent = example.get("body", ...)
    if isinstance(sent, Mapping) and "meeting_bot_id" in sent:
        sent = {**sent, "meeting_bot_id": bot_id}
    if query := example.get("query"):
        path += "?" + "&".join(f"{key}={json.dumps(value)}" for key, value in query.items())
    reply = await fake.call(example["method"], path, headers=example["headers"], json=sent)
    return reply.status, (await read(reply)).json


Answer = Callable[[FakeService], Awaitable[tuple[int, Any]]]


def sends(
    name: str, expected: int = 200, *, scheduled: bool = False, ended: bool = False
) -> Answer:
    """A client's request is answered with that status."""

    async def check(fake: FakeService) -> tuple[int, Any]:
        start = {"scheduled_start_time": 1_900_000_000} if scheduled else {}
        row = await new_bot(fake, **start)
        if ended:
            play(fake, row)
        status, body = await _send(fake, name, row.bot_id)
        assert status == expected, body
        return status, body

    return check


CLIENT_HTTP: dict[str, Answer] = {
    "post_bot.request.min": sends("post_bot.request.min", 201),
    "post_bot.request.full": sends("post_bot.request.full", 201),
    "get_bot.request": sends("get_bot.request"),
    "patch_bot.request": sends("patch_bot.request", scheduled=True),
    "validate_bot.request": sends("validate_bot.request"),
    "stop_bot.request": sends("stop_bot.request"),
    "delete_bot.request": sends("delete_bot.request", scheduled=True),
    "chat_message.request": sends("chat_message.request"),
    "reserved_capacity.put": sends("reserved_capacity.put", 403),
    "post_recording.request.url": sends("post_recording.request.url", 403),
    "post_recording.request.bot": sends("post_recording.request.bot", ended=True),
}


@pytest.mark.parametrize("name", sorted(CLIENT_HTTP))
async def test_what_a_client_sends_is_answered(name: Any, tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        status, body = await CLIENT_HTTP[name](fake)
        assert isinstance(body, (dict, list))
        if status >= 400:
            assert isinstance(dict(body)["message"], str)


async def _created(fake: FakeService, **changes: Any) -> dict[str, Any]:
    reply = await ask(fake, "POST", "/api/v1/bot", json=create_request(**changes))
    return {"status": reply.status, "body": reply.json}


async def _finished(fake: FakeService) -> dict[str, Any]:
    row = await new_bot(fake, lang="en")
    play(fake, row)
    body = await bot_of(fake, row, "?with-speaker-events=true")
    assert body["status"] == "finished"
    assert body["stop_reason"] == "meeting_ended"
    return {"status": 200, "body": body}


async def _scheduled_list(fake: FakeService) -> dict[str, Any]:
    await new_bot(fake, lang="en", scheduled_start_time=1_900_000_000)
    reply = await ask(fake, "GET", "/bot/scheduled")
    return {"status": reply.status, "body": reply.json}


async def _over_the_limit(fake: FakeService) -> dict[str, Any]:
    fake.limit = 0
    return await _created(fake)


async def _without_model(fake: FakeService) -> dict[str, Any]:
    return await _created(fake, transcription_model=None)


async def _without_key(fake: FakeService) -> dict[str, Any]:
    reply = await fake.call("GET", "/bot/scheduled")
    return {"status": reply.status, "body": reply.json}


async def _unknown(fake: FakeService) -> dict[str, Any]:
    reply = await ask(fake, "GET", f"/bot/{BOT_ID}")
    return {"status": reply.status, "body": reply.json}


async def _after(fake: FakeService, method: str, tail: str) -> dict[str, Any]:
    row = await new_bot(fake)
    play(fake, row)
    reply = await ask(fake, method, f"/bot/{row.bot_id}{tail}")
    return {"status": reply.status, "body": reply.json}


async def _reserved(fake: FakeService) -> dict[str, Any]:
    reply = await ask(fake, "GET", "/reserved-capacity")
    return {"status": reply.status, "body": reply.json}


async def _participant(fake: FakeService) -> Any:
    row = await new_bot(fake)
    enter(fake, row)
    muted = Participant(id="p1", name="John Doe", muted=True)
    fake.happen(row, ParticipantUpdated(participant=muted), ParticipantLeft(participant_id="p1"))
    return (await bot_of(fake, row, "?with-speaker-events=1"))["participants"][0]


async def _recording(fake: FakeService) -> dict[str, Any]:
    row = await new_bot(fake)
    play(fake, row)
    asked = {"meeting_bot_id": row.bot_id, "transcription_model": "whisper", "lang": "en"}
    reply = await ask(fake, "POST", "/api/v1/recording", json=asked)
    return {"status": reply.status, "body": reply.json}


SERVER_HTTP: dict[str, Callable[[FakeService], Awaitable[Any]]] = {
    "post_bot.response.201.realtime": lambda fake: _created(fake, lang="en"),
    "post_bot.response.201.batch": lambda fake: _created(
        fake, lang="en", transcription_model="whisper"
    ),
    "post_bot.response.201.scheduled": lambda fake: _created(
        fake, lang="en", scheduled_start_time=1_900_000_000
    ),
    "any.response.401": _without_key,
    "post_bot.response.403": _over_the_limit,
    "post_bot.response.422": _without_model,
    "any.response.404": _unknown,
    "get_bot.response.finished": _finished,
    "get_bot.response.participant_v07": _participant,
    "get_scheduled.response": _scheduled_list,
    "stop_bot.response": lambda fake: _after(fake, "POST", "/stop"),
    "delete_bot.response": lambda fake: _after(fake, "DELETE", ""),
    "pricing.response": lambda fake: _after(fake, "GET", "/pricing"),
    "reserved_capacity.response": _reserved,
    "recording.response": _recording,
}


@pytest.mark.parametrize("name", sorted(SERVER_HTTP))
async def test_what_we_answer_is_like_the_example_field_by_field(name: Any, tmp_path: Path) -> None:
    vector = BY_NAME[name]
    async with skribby(tmp_path) as fake:
        ours = await SERVER_HTTP[name](fake)
    if name == "pricing.response":
        vector = {**vector, "example": {**vector["example"]}}
        vector["example"]["body"] = {**vector["example"]["body"], "addons": []}
    if name.startswith("get_scheduled") or name.endswith(("scheduled", "realtime")):
        assert value_at(ours, "body.0" if name.startswith("get_") else "body")["websocket_url"]
    assert_like(ours, vector["example"], NULLABLE)
    for required in vector["required_fields"]:
        value_at(ours, required)
    if isinstance(ours, Mapping) and "status" in vector["example"]:
        assert ours["status"] == vector["example"]["status"]
    if name in ("any.response.401", "post_bot.response.403", "post_bot.response.422"):
        assert ours["body"] == vector["example"]["body"]


async def test_a_batch_model_has_no_socket_and_a_key_of_its_own(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        body = (await _created(fake, transcription_model="whisper"))["body"]
    theirs = BY_NAME["post_bot.response.201.batch"]["example"]["body"]
    for name in ("websocket_url", "websocket_read_only_url", "websocket_audio_url"):
        assert body[name] is None
    assert body["transcription_model_key"] == theirs["transcription_model_key"]
    assert body["stop_options"] == theirs["stop_options"]


async def test_a_recording_that_nobody_made_is_never_there(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        reply = await ask(fake, "GET", f"/recording/{BOT_ID}")
        assert (reply.status, reply.json) == (404, {"message": "Not found."})


# --- webhooks ------------------------------------------------------------------------------


async def _posted(fake: FakeService, **changes: Any) -> list[Any]:
    row = await new_bot(fake, webhook_url="https://example.com/hook", **changes)
    enter(fake, row)
    leave(fake, row)
    await fake.settled()
    return sorted((p.outgoing.body.decode() for p in fake.posted), key=str)


def _as_theirs(name: str, bot_id: str) -> dict[str, Any]:
    example: dict[str, Any] = {**BY_NAME[name]["example"], "bot_id": bot_id}
    return example


async def test_a_change_of_status_is_told_as_in_the_example(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        bodies = await _posted(fake, custom_metadata={"internal_id": "meeting_123"})
        theirs = _as_theirs("webhook.status_update", fake.only.bot_id)
        assert json.dumps(theirs, separators=(",", ":")) in bodies


async def test_the_end_of_a_batch_bot_is_told_as_in_the_example(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        bodies = await _posted(fake, transcription_model="whisper")
        theirs = _as_theirs("webhook.finished", fake.only.bot_id)
        assert json.dumps(theirs, separators=(",", ":")) in bodies


async def test_a_refusal_at_the_door_is_told_as_in_the_example(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, webhook_url="https://example.com/hook")
        fake.go(row, State.JOINING)
        fake.go(row, State.FAILED, EndReason.DENIED)
        await fake.settled()
        theirs = _as_theirs("webhook.not_admitted", row.bot_id)
        assert theirs in [posted.json for posted in fake.posted]


async def test_a_webhook_is_signed_as_in_the_example(tmp_path: Path) -> None:
    example = BY_NAME["webhook.signature"]["example"]
    stamp = example["headers"]["X-Skribby-Timestamp"]
    ours = signature(example["secret"], stamp, example["raw_body"].encode())
    assert ours == example["headers"]["X-Skribby-Signature"]
    async with skribby(tmp_path, webhook_secret="skr_secret") as fake:
        await _posted(fake)
        for posted in fake.posted:
            assert set(posted.outgoing.headers) == set(example["headers"])
            assert posted.target.secret == "skr_secret"


# --- sockets ---------------------------------------------------------------------------------


def frames_of(*events: Any) -> list[Any]:
    dialect = SkribbyDialect()
    at = datetime.fromtimestamp(1752486400, UTC)
    texts: list[str] = []
    for number, event in enumerate(events, 1):
        texts += dialect.messages(attrs.evolve(event, seq=number, at=at))
    return [json.loads(text) for text in texts]


JOINED = ParticipantJoined(participant=Participant(id="participant-1", name="John Doe", muted=True))
UNMUTED = ParticipantUpdated(
    participant=Participant(id="participant-1", name="John Doe", muted=False)
)
AGAIN = ParticipantUpdated(participant=JOINED.participant)
GONE = ParticipantLeft(participant_id="participant-1")


def _speech(*, stop: bool) -> list[Any]:
    who: Any = {"participant_id": "participant-1", "name": None, "source": NameSource.TRACK}
    start = SpeakingStarted(start_s=0.0, **who)
    return [JOINED, start, SpeakingStopped(end_s=1.0, **who)] if stop else [JOINED, start]


def _hop(state: State, previous: State | None = None, reason: EndReason | None = None) -> Any:
    return StateChanged(state=state, previous=previous, reason=reason)


TOLD: dict[str, list[Any]] = {
    "ws.ts": [segment()],
    "ws.ts.unnamed": [segment(who=None, speaker=None)],
    "ws.chat-message": [chat()],
    "ws.chat-message.v08": [chat()],
    "ws.start": [_hop(State.RECORDING)],
    "ws.stop": [_hop(State.COMPLETED)],
    "ws.error": [TranscriptionStopped(track_id="t", kind="auth", detail="Error message")],
    "ws.status-update": [_hop(State.JOINING), _hop(State.IN_CALL)],
    "ws.status-update.stop_reason": [
        _hop(State.JOINING),
        _hop(State.FAILED, reason=EndReason.ADMISSION_TIMEOUT),
    ],
    "ws.participant-tracked": [JOINED],
    "ws.started-speaking": _speech(stop=False),
    "ws.stopped-speaking": _speech(stop=True),
    "ws.participant-tracked.v07": [JOINED],
    "ws.started-speaking.v07": _speech(stop=False),
    "ws.stopped-speaking.v07": _speech(stop=True),
    "ws.participant-left.v07": [JOINED, GONE],
    "ws.participant-rejoined.v07": [JOINED, GONE, JOINED],
    "ws.participant-muted.v07": [JOINED, UNMUTED, AGAIN],
    "ws.participant-unmuted.v07": [JOINED, UNMUTED],
}


@pytest.mark.parametrize("name", sorted(TOLD))
def test_a_frame_is_like_the_example_field_by_field(name: Any) -> None:
    vector = BY_NAME[name]
    theirs = vector["example"]
    ours = [frame for frame in frames_of(*TOLD[name]) if frame["type"] == theirs["type"]][-1]
    assert_like(ours, theirs, frozenset())
    for required in vector["required_fields"]:
        value_at(ours, required)
    if "participantId" not in theirs.get("data", {}):
        assert theirs.get("data", {}).items() <= ours.get("data", {}).items()
        assert ("data" in ours) == ("data" in theirs)
    else:
        assert ours["data"]["participantName"] == theirs["data"]["participantName"]
    if name.endswith(".v07"):
        assert set(ours["data"]) == set(theirs["data"])
        assert ours["data"]["participantId"] == theirs["data"]["participantId"]
        assert ours["data"]["timestamp"] == theirs["data"]["timestamp"]
        assert ours["data"]["state"]["active"] == theirs["data"]["state"]["active"]


@pytest.mark.parametrize("name", sorted(UNTOLD))
def test_of_cameras_and_screens_only_that_nothing_is_known_is_told(name: Any) -> None:
    state = frames_of(JOINED)[0]["data"]["state"]
    theirs = BY_NAME[name]["example"]["data"]["state"]
    assert set(state) == set(theirs)
    for device, words in DEVICE_WORDS.items():
        assert state[device] in words
        assert theirs[device] in words
    assert (state["camera"], state["screenshare"]) == ("unknown", "unknown")


async def test_the_first_frame_is_connected_as_in_the_examples(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        fake.happen(row, segment(), chat())
        socket = await opened(fake, (await bot_of(fake, row))["websocket_url"])
        ours = socket.frames()[0]
    assert ours["data"]["transcripts"] == BY_NAME["ws.connected"]["example"]["data"]["transcripts"]
    for name in ("ws.connected", "ws.connected.v_manual"):
        assert_like(ours, BY_NAME[name]["example"], frozenset())
        for required in BY_NAME[name]["required_fields"]:
            value_at(ours, required)


async def test_the_socket_is_opened_by_its_url_alone_as_in_the_example(tmp_path: Path) -> None:
    example = BY_NAME["ws.connect"]["example"]
    assert example["headers"] == {}
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        url = (await bot_of(fake, row))["websocket_url"]
        socket = await opened(fake, url)
        assert socket.frames()[0]["type"] == "connected"
        assert url.partition("?token=")[0].endswith(f"/ws/{row.bot_id}")


async def test_ping_comes_each_minute_as_in_the_example(
    tmp_path: Path, autojump_clock: Any
) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        url = (await bot_of(fake, row))["websocket_url"]
        socket = await opened(fake, url)
        socket.frames()
        await trio.sleep(121)
        assert socket.frames() == [BY_NAME["ws.ping"]["example"]] * 2


COMMANDS = {
    "ws.action.chat-message": SendChat("Welcome to the meeting!"),
    "ws.action.chat-message.reply": SendChat("ok"),
    "ws.action.stop": Stop(),
    "ws.action.change-avatar": ChangeAvatar("https://example.com/a.png"),
    "ws.action.start-recording": None,
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_action_is_understood_or_ignored(name: Any) -> None:
    assert action_of(json.dumps(BY_NAME[name]["example"])) == COMMANDS[name]


def test_a_manual_start_is_never_told_because_recording_is_never_manual() -> None:
    everything = frames_of(*(event for events in TOLD.values() for event in events))
    theirs = BY_NAME["ws.recording-started"]["example"]["type"]
    assert theirs not in {frame["type"] for frame in everything}


async def test_sound_is_bare_samples_as_in_the_example(tmp_path: Path) -> None:
    example = BY_NAME["ws.audio.frame"]["example"]
    raw = base64.b64decode(example["bytes"])
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        socket = await opened(fake, (await bot_of(fake, row))["websocket_audio_url"])
        pcm = np.frombuffer(raw, "<i2").astype(np.int16)
        fake.sound(row, Chunk("t1", 0, pcm, example["sample_rate"]))
        await fake.settled()
        assert socket.received == [raw]


def test_every_example_is_tested_here() -> None:
    elsewhere = {
        "webhook.status_update",
        "webhook.finished",
        "webhook.not_admitted",
        "webhook.signature",
        "ws.connect",
        "ws.connected",
        "ws.connected.v_manual",
        "ws.ping",
        "ws.recording-started",
        "ws.audio.frame",
    }
    tested = {*CLIENT_HTTP, *SERVER_HTTP, *TOLD, *UNTOLD, *COMMANDS} | elsewhere
    assert {vector["name"] for vector in VECTORS} == tested
    assert len(VECTORS) == 64
