"""Webhooks: one URL for a user, looked up when something is sent; two eras of bodies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from meetcore.model.lifecycle import State
from meetcore_vexa.webhooks import EnvelopeWebhooks, FlatWebhooks
from tests.plugins.vexa.life import VexaFake

HOOK = {"webhook_url": "https://example.com/hook"}
INTO = (State.JOINING, State.AWAITING_ADMISSION, State.IN_CALL, State.RECORDING)
OUT_OF = (State.LEAVING, State.PROCESSING, State.COMPLETED)


async def kinds(vexa: VexaFake) -> list[str]:
    await vexa.fake.settled()
    kinds = [posted.kind for posted in vexa.fake.posted]
    vexa.fake.posted.clear()
    return kinds


async def test_without_a_url_nothing_is_sent(vexa: VexaFake) -> None:
    vexa.end(vexa.admit(await vexa.send_bot()))
    assert await kinds(vexa) == []


async def test_a_url_that_is_changed_in_mid_meeting_is_the_one_that_is_used(
    vexa: VexaFake,
) -> None:
    await vexa.ask("PUT", "/user/webhook", HOOK)
    row = vexa.admit(await vexa.send_bot())
    await vexa.fake.settled()
    await vexa.ask("PUT", "/user/webhook", {"webhook_url": "https://example.com/new"})
    seen = len(vexa.fake.posted)
    vexa.end(row)
    await vexa.fake.settled()
    assert {p.url for p in vexa.fake.posted[:seen]} == {"https://example.com/hook"}
    assert {p.url for p in vexa.fake.posted[seen:]} == {"https://example.com/new"}
    await vexa.ask("PUT", "/user/webhook", {"webhook_url": None})
    vexa.fake.posted.clear()
    vexa.refuse(await vexa.send_bot())
    assert await kinds(vexa) == []


async def test_the_older_era_tells_each_change_and_at_the_end_the_bare_meeting(
    vexa: VexaFake,
) -> None:
    await vexa.ask("PUT", "/user/webhook", HOOK)
    await vexa.walk(await vexa.send_bot(), *INTO, *OUT_OF)
    *changes, last = vexa.fake.posted
    transitions = [
        (p.json["status_change"]["from"], p.json["status_change"]["to"]) for p in changes
    ]
    assert transitions == [
        ("requested", "joining"),
        ("joining", "awaiting_admission"),
        ("awaiting_admission", "active"),
        ("active", "stopping"),
        ("stopping", "completed"),
    ]
    assert [p.json["meeting"]["status"] for p in changes] == [to for _, to in transitions]
    assert (last.json["status"], "event_type" in last.json) == ("completed", False)
    assert last.json["data"]["completion_reason"] == "stopped"


async def test_the_newer_era_tells_the_change_and_what_it_means(vexa: VexaFake) -> None:
    await vexa.ask("PUT", "/user/webhook?dialect=E4", HOOK)
    row = await vexa.send_bot("E4")
    await vexa.walk(row, *INTO)
    vexa.say(row, "hello")
    vexa.record(row)
    await vexa.walk(row, *OUT_OF)
    ids = [posted.json["event_id"] for posted in vexa.fake.posted]
    assert len(set(ids)) == len(ids)
    assert await kinds(vexa) == [
        "meeting.status_change",
        "meeting.status_change",
        "meeting.status_change",
        "meeting.started",
        "meeting.status_change",
        "meeting.status_change",
        "meeting.completed",
        "recording.ready",
        "transcription.ready",
    ]


async def test_only_the_events_that_were_asked_for_are_sent(vexa: VexaFake) -> None:
    wanted = {**HOOK, "webhook_events": {"bot.failed": True, "meeting.started": False}}
    status, _ = await vexa.ask("PUT", "/user/webhook", wanted)
    vexa.refuse(await vexa.send_bot())
    assert (status, await kinds(vexa)) == (200, ["bot.failed"])


async def test_an_event_sent_again_has_the_same_id_and_a_fresh_signature(vexa: VexaFake) -> None:
    await vexa.ask("PUT", "/user/webhook", {**HOOK, "webhook_secret": "s3cret"})
    vexa.fake.go(await vexa.send_bot(), State.JOINING)
    await vexa.fake.settled()
    posted = vexa.fake.posted[-1]
    form = vexa.fake.formats["vexa-envelope"]
    first = form.signed(posted.target, posted.outgoing)
    vexa.fake.pass_time(60)
    second = form.signed(posted.target, first)
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["X-Webhook-Signature"] != second.headers["X-Webhook-Signature"]
    sent_at = datetime.fromtimestamp(int(second.headers["X-Webhook-Timestamp"])).astimezone()
    assert abs((sent_at - vexa.fake.now()).total_seconds()) < 1


def test_attempts_follow_the_vendors_pauses() -> None:
    assert FlatWebhooks.pauses_s == ()
    assert EnvelopeWebhooks.pauses_s == (60.0, 300.0, 1800.0, 7200.0)


async def test_a_secret_is_never_shown_again(vexa: VexaFake) -> None:
    status, body = await vexa.ask("PUT", "/user/webhook", {**HOOK, "webhook_secret": "s3cret"})
    assert "s3cret" not in str(body)
    shown = (await vexa.ask("GET", "/user/webhook"))[1]
    assert (shown["webhook_url"], shown["webhook_secret_set"]) == (HOOK["webhook_url"], True)
    assert "s3cret" not in str(shown)
    assert status == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80/hook",
        "http://localhost/hook",
        "http://[::1]/hook",
        "http://169.254.169.254/latest",
        "http://10.0.0.8/",
        "http://printer.local/",
        "ftp://example.com/",
        "https://user:pass@example.com/",
        "https:///hook",
        "http://example.com:99999/",
        7,
        {"url": "https://example.com"},
    ],
)
async def test_a_webhook_that_leads_home_or_nowhere_is_refused(url: Any, vexa: VexaFake) -> None:
    status, body = await vexa.ask("PUT", "/user/webhook", {"webhook_url": url})
    assert (status, list(body)) == (422, ["detail"])


async def test_a_server_that_rehearses_may_post_to_this_machine(vexa: VexaFake) -> None:
    vexa.fake.rehearsal = True
    body = {"webhook_url": "http://127.0.0.1:9000/hook"}
    assert (await vexa.ask("PUT", "/user/webhook", body))[0] == 200


SECRET = {**HOOK, "webhook_secret": "s3cret"}
NEW = {"webhook_url": "https://example.com/new"}


async def test_a_new_url_alone_changes_nothing_about_how_it_is_told(vexa: VexaFake) -> None:
    await vexa.ask("PUT", "/user/webhook?dialect=E3", SECRET)
    await vexa.ask("PUT", "/user/webhook", NEW)
    vexa.refuse(await vexa.send_bot())
    await vexa.fake.settled()
    posted = vexa.fake.posted[-1]
    assert (posted.url, posted.target.format) == (NEW["webhook_url"], "vexa-envelope")
    assert posted.outgoing.headers["Authorization"] == "Bearer s3cret"


async def test_a_secret_alone_makes_envelopes_in_every_era(vexa: VexaFake) -> None:
    await vexa.ask("PUT", "/user/webhook", SECRET)
    await vexa.ask("PUT", "/user/webhook", NEW)
    vexa.fake.go(await vexa.send_bot(), State.JOINING)
    await vexa.fake.settled()
    assert vexa.fake.posted[-1].target.format == "vexa-envelope"


async def test_the_users_own_era_reaches_their_webhooks_also_afterwards(vexa: VexaFake) -> None:
    await vexa.ask("PUT", "/user/webhook?dialect=E1", HOOK)
    await vexa.ask("PUT", "/user/dialect", {"dialect": "E4"})
    vexa.fake.go(await vexa.send_bot(), State.JOINING)
    await vexa.fake.settled()
    assert [posted.target.format for posted in vexa.fake.posted] == ["vexa-envelope"]


async def test_event_types_of_the_vendors_documents_are_taken(vexa: VexaFake) -> None:
    events = {"meeting.completed": True, "recording.completed": "true", "of.tomorrow": True}
    wanted = {**HOOK, "webhook_events": events}
    assert (await vexa.ask("PUT", "/user/webhook", wanted))[0] == 200
    row = await vexa.send_bot()
    await vexa.walk(row, *INTO)
    vexa.record(row)
    await vexa.walk(row, *OUT_OF)
    assert await kinds(vexa) == ["meeting.completed", "recording.ready"]
