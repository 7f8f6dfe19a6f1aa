"""Every example of what Vexa's server answers or tells, made here by a bot's real events."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from meetcore.model.errors import StorageUnavailable
from meetcore.model.lifecycle import EndReason, State
from meetcore_vexa.webhooks import signed
from tests.plugins.vexa.life import (
    ADMIN,
    MEET,
    PATH,
    PICTURE,
    SEAT,
    TIME,
    VECTORS,
    VexaFake,
    at,
    differences,
)

Maker = Callable[[VexaFake], Awaitable[Any]]
MAKERS: dict[str, Maker] = {}

_SAME_NAMES = """
    type error details detail event_type status message api_version platform native_id
    native_meeting_id constructed_meeting_url from to completion_reason failure_stage
    normalized_status speaker text completed language speaker_mapping_status is_from_bot sender
    start end end_time expires_in_seconds email transition_source also_stopped cancelled
"""
SAME = frozenset(_SAME_NAMES.split())
"""Fields that are compared by value too; the others hold times, numbers and names of that day."""

ILLUSTRATIVE = {
    "get_bots_status.response": {"status"},
    "post_bots.response.422_pydantic": set[str](),
    "webhook.e3.bot.failed": {"reason"},
    "ws.error.authz_service": {"detail"},
    "ws.error.authz_call": {"details"},
    "get_transcript.response": {"status", "start", "end", "speaker", "text"},
    "any.response.503_auth": set[str](),
}

NOT_OURS = {
    "ws.transcription_segment.e4": "an alternative to the bundles, which we send",
}


def makes(*names: str) -> Callable[[Maker], Maker]:
    def note(maker: Maker) -> Maker:
        for name in names:
            MAKERS[name] = maker
        return maker

    return note


async def rest(vexa: VexaFake, method: str, path: str, body: Any = ..., **more: Any) -> Any:
    status, answer = await vexa.ask(method, path, body, **more)
    return {"status": status, "body": answer}


# --- bots -----------------------------------------------------------------------------


@makes("post_bots.response.201")
async def bot_made(vexa: VexaFake) -> Any:
    return await rest(vexa, "POST", "/bots", MEET)


@makes("post_bots.response.409")
async def bot_made_twice(vexa: VexaFake) -> Any:
    await vexa.send_bot()
    return await rest(vexa, "POST", "/bots", MEET)


@makes("post_bots.response.403_limit")
async def one_too_many(vexa: VexaFake) -> Any:
    vexa.fake.limit = 1
    await vexa.send_bot(native_meeting_id="xyz-abcd-efg")
    return await rest(vexa, "POST", "/bots", MEET)


@makes("post_bots.response.429_limit")
async def one_too_many_in_e4(vexa: VexaFake) -> Any:
    vexa.fake.limit = 0
    return await rest(vexa, "POST", "/bots?dialect=E4", MEET)


@makes("post_bots.response.422_pydantic")
async def bad_id(vexa: VexaFake) -> Any:
    return await rest(vexa, "POST", "/bots", {**MEET, "native_meeting_id": "ABC"})


@makes("any.response.401")
async def bad_key(vexa: VexaFake) -> Any:
    return await rest(vexa, "GET", "/meetings", key="guessed")


async def _stuck(key: str | None) -> None:
    raise StorageUnavailable("the disk is full")


@makes("any.response.503_auth")
async def keys_cannot_be_read(vexa: VexaFake) -> Any:
    vexa.fake.authenticate = _stuck  # type: ignore[method-assign]
    reply = await vexa.fake.call("GET", "/meetings", headers={"X-API-Key": "k"})
    return {"status": reply.status, "body": reply.json, "headers": dict(reply.headers)}


@makes("get_bots_status.response")
async def running(vexa: VexaFake) -> Any:
    vexa.admit(await vexa.send_bot())
    return await rest(vexa, "GET", "/bots/status")


@makes("delete_bots.response.202")
async def stopped(vexa: VexaFake) -> Any:
    vexa.admit(await vexa.send_bot())
    return await rest(vexa, "DELETE", f"/bots/{PATH}")


@makes("delete_bots.response.202_terminal")
async def stopped_after_the_end(vexa: VexaFake) -> Any:
    vexa.end(vexa.admit(await vexa.send_bot()))
    return await rest(vexa, "DELETE", f"/bots/{PATH}")


@makes("delete_bots.response.200_e4")
async def stopped_in_e4(vexa: VexaFake) -> Any:
    await vexa.send_bot()
    return await rest(vexa, "DELETE", f"/bots/{PATH}?dialect=E4")


@makes("delete_bots.response.404")
async def nothing_to_stop(vexa: VexaFake) -> Any:
    return await rest(vexa, "DELETE", f"/bots/{PATH}")


@makes("put_config.response.202")
async def configured_as_it_is(vexa: VexaFake) -> Any:
    vexa.admit(await vexa.send_bot(language="es"))
    return await rest(vexa, "PUT", f"/bots/{PATH}/config", {"language": "es"})


@makes("put_config.response.409")
async def configured_too_early(vexa: VexaFake) -> Any:
    vexa.fake.go(await vexa.send_bot(), State.JOINING)
    return await rest(vexa, "PUT", f"/bots/{PATH}/config", {"language": "es"})


@makes("put_config.response.404")
async def nothing_to_configure(vexa: VexaFake) -> Any:
    return await rest(vexa, "PUT", f"/bots/{PATH}/config", {"language": "es"})


# --- transcripts and meetings -----------------------------------------------------------


@makes("get_transcript.response")
async def transcript(vexa: VexaFake) -> Any:
    row = vexa.admit(await vexa.send_bot())
    vexa.say(row, "Hello everyone.")
    return await rest(vexa, "GET", f"/transcripts/{PATH}?meeting_id={row.number}")


@makes("get_transcript.response.404")
async def no_transcript(vexa: VexaFake) -> Any:
    return await rest(vexa, "GET", f"/transcripts/{PATH}")


@makes("get_meetings.response")
async def meetings(vexa: VexaFake) -> Any:
    vexa.end(vexa.admit(await vexa.send_bot()))
    notes = {"name": "Weekly", "participants": ["Alex"], "languages": ["en"]}
    await vexa.ask("PATCH", f"/meetings/{PATH}", {"data": notes})
    return await rest(vexa, "GET", "/meetings")


@makes("patch_meeting.response.400")
async def nothing_changed(vexa: VexaFake) -> Any:
    await vexa.send_bot()
    return await rest(vexa, "PATCH", f"/meetings/{PATH}", {"data": {}})


@makes("delete_meeting.response")
async def purged(vexa: VexaFake) -> Any:
    vexa.end(vexa.admit(await vexa.send_bot()))
    return await rest(vexa, "DELETE", f"/meetings/{PATH}")


@makes("delete_meeting.response.409")
async def purged_too_early(vexa: VexaFake) -> Any:
    vexa.admit(await vexa.send_bot())
    return await rest(vexa, "DELETE", f"/meetings/{PATH}")


@makes("post_share.response")
async def shared(vexa: VexaFake) -> Any:
    await vexa.send_bot("E3")
    return await rest(vexa, "POST", f"/transcripts/{PATH}/share?dialect=E3")


# --- users ------------------------------------------------------------------------------


@makes("post_admin_users.response")
async def user_made(vexa: VexaFake) -> Any:
    body = {"email": "a@example.com", "name": "A", "max_concurrent_bots": 2}
    return await rest(vexa, "POST", "/admin/users", body, headers={"X-Admin-API-Key": ADMIN})


@makes("post_admin_tokens.response")
async def token_made(vexa: VexaFake) -> Any:
    return await rest(
        vexa, "POST", "/admin/users/1/tokens", headers={"X-Admin-API-Key": ADMIN}, key=None
    )


# --- the socket's answers -----------------------------------------------------------------


@makes("ws.missing_key")
async def no_key(vexa: VexaFake) -> Any:
    socket = await vexa.socket(key=None)
    assert socket.close_code == VECTORS["ws.missing_key"]["close_code"]
    return socket.frames()[0]


@makes("ws.invalid_key")
async def wrong_key(vexa: VexaFake) -> Any:
    socket = await vexa.socket("E4", key="guessed")
    assert socket.close_code == VECTORS["ws.invalid_key"]["close_code"]
    return socket.frames()[0]


@makes("ws.auth_unavailable")
async def keys_cannot_be_read_for_a_socket(vexa: VexaFake) -> Any:
    vexa.fake.authenticate = _stuck  # type: ignore[method-assign]
    socket = await vexa.socket("E4")
    assert socket.close_code == VECTORS["ws.auth_unavailable"]["close_code"]
    return socket.frames()[0]


def answered(name: str, said: Any, *, with_bot: bool = False, dialect: str = "E1") -> None:
    @makes(name)
    async def maker(vexa: VexaFake) -> Any:
        if with_bot:
            await vexa.send_bot(dialect)
        return (await vexa.heard(await vexa.socket(dialect), said))[0]


answered("ws.subscribed", {"action": "subscribe", "meetings": [SEAT]}, with_bot=True)
answered("ws.pong", {"action": "ping"})
answered("ws.error.invalid_json", "{not json")
answered("ws.error.unknown_action", {"action": "dance"})
answered("ws.error.subscribe_not_list", {"action": "subscribe", "meetings": "all"})
answered("ws.error.subscribe_empty", {"action": "subscribe", "meetings": []})
answered("ws.error.subscribe_no_valid", {"action": "subscribe", "meetings": [7]})
answered("ws.error.subscribe_refused", {"action": "subscribe", "meetings": [SEAT]})
answered("ws.error.unsubscribe_not_subscribed", {"action": "unsubscribe", "meetings": [SEAT]})


@makes("ws.unsubscribed")
async def unsubscribed(vexa: VexaFake) -> Any:
    await vexa.send_bot()
    socket = await vexa.subscribed()
    return (await vexa.heard(socket, {"action": "unsubscribe", "meetings": [SEAT]}))[0]


async def _asked_in_vain(vexa: VexaFake, error: Exception) -> Any:
    socket = await vexa.socket()

    async def broken(*args: Any) -> None:
        raise error

    vexa.fake.bots = broken  # type: ignore[method-assign, assignment]
    return (await vexa.heard(socket, {"action": "subscribe", "meetings": [SEAT]}))[0]


@makes("ws.error.authz_service")
async def rows_cannot_be_read(vexa: VexaFake) -> Any:
    return await _asked_in_vain(vexa, StorageUnavailable("the disk is full"))


@makes("ws.error.authz_call")
async def asking_failed(vexa: VexaFake) -> Any:
    from meetcore.model.errors import MeetcoreError

    return await _asked_in_vain(vexa, MeetcoreError("Nobody answered."))


# --- the socket's frames ------------------------------------------------------------------


async def _life(vexa: VexaFake, dialect: str) -> list[Any]:
    """Return the status frames of a whole life, as a client that subscribed at once sees them."""
    row = await vexa.send_bot(dialect)
    socket = await vexa.socket(dialect)
    socket.say({"action": "subscribe", "meetings": [SEAT]})
    await vexa.fake.settled()
    vexa.end(vexa.admit(row))
    return [frame for frame in socket.frames() if frame["type"] == "meeting.status"]


def status_in_life(word: str) -> None:
    @makes(f"ws.meeting.status.e1.{word}")
    async def maker(vexa: VexaFake) -> Any:
        frames = await _life(vexa, "E1")
        (frame,) = [frame for frame in frames if frame["payload"]["status"] == word]
        return frame


for _word in ("requested", "joining", "awaiting_admission", "active", "stopping", "completed"):
    status_in_life(_word)


@makes("ws.meeting.status.e1.failed")
async def failed(vexa: VexaFake) -> Any:
    row = await vexa.send_bot()
    socket = await vexa.subscribed()
    vexa.refuse(row, EndReason.ADMISSION_TIMEOUT)
    return socket.frames()[-1]


@makes("ws.meeting.status.e3.active")
async def active_in_e3(vexa: VexaFake) -> Any:
    return next(f for f in await _life(vexa, "E3") if f["payload"]["status"] == "active")


@makes("ws.meeting.status.e4.scheduled")
async def scheduled(vexa: VexaFake) -> Any:
    socket = await vexa.socket("E4")
    plan = {
        "meeting_url": "https://meet.google.com/abc-defg-hij",
        "scheduled_at": "2026-06-25T18:00:00Z",
    }
    status, body = await vexa.ask("POST", "/meetings?dialect=E4", plan)
    assert (status, body["status"]) == (201, "scheduled")
    await vexa.fake.settled()
    (frame,) = socket.frames()
    assert frame["when"].startswith("2026-06-25T18:00:00")
    return frame


async def _live(vexa: VexaFake, dialect: str) -> Any:
    row = await vexa.send_bot(dialect)
    socket = await vexa.subscribed(dialect)
    vexa.admit(row)
    socket.frames()
    return row, socket


@makes("ws.transcript.mutable.e1")
async def draft(vexa: VexaFake) -> Any:
    row, socket = await _live(vexa, "E1")
    vexa.say(row, "This text may change", final=False)
    return socket.frames()[0]


@makes("ws.transcript.mutable.e1.revision")
async def revised(vexa: VexaFake) -> Any:
    row, socket = await _live(vexa, "E1")
    vexa.say(row, "This text may change", final=False)
    vexa.fake.pass_time(2)
    vexa.say(row, "This text may change, and did", final=False, revision=2, end_s=17.0)
    frames = socket.frames()
    first, second = (frame["payload"]["segments"][0] for frame in frames)
    assert first["absolute_start_time"] == second["absolute_start_time"]
    assert first["updated_at"] < second["updated_at"]
    return frames[1]


@makes("ws.transcript.mutable.e2")
async def draft_in_e2(vexa: VexaFake) -> Any:
    row, socket = await _live(vexa, "E2")
    vexa.say(row, "Hi", final=False)
    return socket.frames()[0]


@makes("ws.transcript.finalized.e1")
async def final(vexa: VexaFake) -> Any:
    row, socket = await _live(vexa, "E1")
    vexa.say(row, "This text may change, and did", end_s=17.0)
    mutable, finalized = socket.frames()
    assert mutable["payload"]["segments"][0]["completed"] is True
    return finalized


@makes("ws.transcript.bundle.e3")
async def bundle(vexa: VexaFake) -> Any:
    row, socket = await _live(vexa, "E3")
    vexa.say(row, "and then we", final=False, key="t-0002", start_s=3.0, end_s=3.4, who="Alice")
    vexa.say(row, "hello world", key="t-0001", start_s=1.5, end_s=2.5, who="Alice")
    return socket.frames()[-1]


@makes("ws.transcript_retract.e4")
async def retracted(vexa: VexaFake) -> Any:
    row, socket = await _live(vexa, "E4")
    vexa.say(row, "uh", final=False)
    vexa.end(row)
    return next(f for f in socket.frames() if f["type"] == "transcript_retract")


@makes("ws.chat.new_message.e3")
async def chat_in_e3(vexa: VexaFake) -> Any:
    row, socket = await _live(vexa, "E3")
    vexa.chat(row)
    return socket.frames()[0]


@makes("ws.chat_message.e4")
async def chat_in_e4(vexa: VexaFake) -> Any:
    row, socket = await _live(vexa, "E4")
    vexa.chat(row, "Meeting summary ready", sender="Bot", by_bot=True)
    return socket.frames()[0]


# --- acts -------------------------------------------------------------------------------


async def _act(vexa: VexaFake, method: str, act: str, body: Any = ...) -> Any:
    vexa.admit(await vexa.send_bot("E3"))
    return await rest(vexa, method, f"/bots/{PATH}/{act}", body)


@makes("post_speak.response.202")
async def spoke(vexa: VexaFake) -> Any:
    audio = base64.b64encode(b"\0\0" * 100).decode()
    return await _act(vexa, "POST", "speak", {"audio_base64": audio, "format": "pcm"})


@makes("post_chat.response.202")
async def wrote(vexa: VexaFake) -> Any:
    return await _act(vexa, "POST", "chat", {"text": "Summary"})


@makes("delete_speak.response.202")
async def quiet(vexa: VexaFake) -> Any:
    return await _act(vexa, "DELETE", "speak")


@makes("post_screen.response.202")
async def shown(vexa: VexaFake) -> Any:
    body = VECTORS["post_screen.request"]["example"]["body"]
    vexa.fake.web[body["url"]] = PICTURE
    return await _act(vexa, "POST", "screen", body)


@makes("delete_screen.response.202")
async def screen_stopped(vexa: VexaFake) -> Any:
    return await _act(vexa, "DELETE", "screen")


@makes("delete_avatar.response.202")
async def avatar_reset(vexa: VexaFake) -> Any:
    return await _act(vexa, "DELETE", "avatar")


@makes("get_chat.response")
async def chat_read(vexa: VexaFake) -> Any:
    row = vexa.admit(await vexa.send_bot("E3"))
    vexa.chat(row, "Hi", sender="John Smith")
    return await rest(vexa, "GET", f"/bots/{PATH}/chat")


@makes("interactive.response.404")
async def not_active(vexa: VexaFake) -> Any:
    await vexa.send_bot("E3")
    return await rest(vexa, "POST", f"/bots/{PATH}/chat", {"text": "too early"})


@makes("speak.response.400")
async def nothing_to_say(vexa: VexaFake) -> Any:
    return await _act(vexa, "POST", "speak", {})


# --- webhooks ---------------------------------------------------------------------------


async def _hooked(vexa: VexaFake, dialect: str) -> None:
    body = {"webhook_url": "https://example.com/hook"}
    assert (await vexa.ask("PUT", f"/user/webhook?dialect={dialect}", body))[0] == 200


@makes("webhook.e1.status_change")
async def flat_change(vexa: VexaFake) -> Any:
    await _hooked(vexa, "E1")
    vexa.admit(await vexa.send_bot())
    await vexa.fake.settled()
    return next(p.json for p in vexa.fake.posted if p.json["status_change"]["to"] == "active")


@makes("webhook.e3.meeting.completed")
async def completed_envelope(vexa: VexaFake) -> Any:
    await _hooked(vexa, "E3")
    vexa.end(vexa.admit(await vexa.send_bot("E3")))
    await vexa.fake.settled()
    (posted,) = [p for p in vexa.fake.posted if p.kind == "meeting.completed"]
    assert set(posted.json["data"]) == {"meeting"}
    return posted.json


@makes("webhook.e3.bot.failed")
async def failed_envelope(vexa: VexaFake) -> Any:
    await _hooked(vexa, "E3")
    vexa.refuse(await vexa.send_bot("E3"))
    await vexa.fake.settled()
    return next(p.json for p in vexa.fake.posted if p.kind == "bot.failed")


@makes("webhook.e3.signature")
async def signature(vexa: VexaFake) -> Any:
    example = VECTORS["webhook.e3.signature"]["example"]
    headers, body = example["headers"], example["raw_body"].encode()
    computed = signed(example["secret"], headers["X-Webhook-Timestamp"], body)
    assert computed == headers["X-Webhook-Signature"]
    secret = {"webhook_url": "https://example.com/hook", "webhook_secret": example["secret"]}
    await vexa.ask("PUT", "/user/webhook", secret)
    vexa.fake.go(await vexa.send_bot(), State.JOINING)
    await vexa.fake.settled()
    posted = vexa.fake.posted[-1]
    outgoing = vexa.fake.formats["vexa-envelope"].signed(posted.target, posted.outgoing)
    sent = outgoing.headers
    assert sent["Authorization"] == headers["Authorization"]
    again = signed(example["secret"], sent["X-Webhook-Timestamp"], outgoing.body)
    assert sent["X-Webhook-Signature"] == again
    return {**example, "headers": {"Content-Type": "application/json", **sent}}


# --- the tests --------------------------------------------------------------------------

SENT = [name for name, v in VECTORS.items() if v["direction"] == "server->client"]


def unequal(example: Any, ours: Any, illustrative: set[str], name: str = "") -> list[str]:
    """Return the fields whose values differ though they say something fixed."""
    if isinstance(example, dict):
        return [d for k, v in example.items() for d in unequal(v, ours[k], illustrative, k)]
    if isinstance(example, list) and example and isinstance(example[0], dict):
        return unequal(example[0], ours[0], illustrative, name)
    timed = isinstance(example, str) and TIME.fullmatch(example)
    fixed = name in SAME - illustrative and example is not None and not timed
    return [f"{name}: {ours!r} instead of {example!r}"] if fixed and example != ours else []


def test_every_example_of_what_is_sent_is_made_here_or_said_not_to_be() -> None:
    assert set(SENT) == MAKERS.keys() | NOT_OURS.keys()
    assert not MAKERS.keys() & NOT_OURS.keys()


@pytest.mark.parametrize("name", [name for name in SENT if name in MAKERS])
async def test_what_is_sent_has_the_examples_fields_types_and_fixed_values(
    name: str, vexa: VexaFake
) -> None:
    vector = VECTORS[name]
    ours = await MAKERS[name](vexa)
    assert differences(vector["example"], ours) == []
    assert unequal(vector["example"], ours, ILLUSTRATIVE.get(name, set())) == []
    for path in vector["required_fields"]:
        at(ours, path)


async def test_a_bundles_segment_says_what_the_single_form_would(vexa: VexaFake) -> None:
    row, socket = await _live(vexa, "E4")
    vexa.say(row, "Hello", who="Alice")
    frames = socket.frames()
    assert [frame["type"] for frame in frames] == ["transcript"]
    example = VECTORS["ws.transcription_segment.e4"]["example"]
    told = frames[0]["confirmed"][0] | {"type": "transcription_segment"}
    for name in ("type", "speaker", "text", "language", "completed"):
        assert told[name] == example[name]
    assert isinstance(told["segment_id"], str)


def test_the_signature_is_that_of_the_bytes_that_are_sent() -> None:
    assert signed("s", "1", b"{}") != signed("s", "1", b"{ }")
    assert len(signed("s", "1", b"{}")) == len("sha256=") + hashlib.sha256().digest_size * 2
