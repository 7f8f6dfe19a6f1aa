"""Order, retries, ends and restarts of the delivery engine, against a real receiver."""

from __future__ import annotations

import logging

import pytest
import trio

from meetcore.gateway.records import BotRow, WebhookTarget
from meetcore.gateway.service import Outgoing
from meetcore.model.addresses import PrivateTargets
from meetcore.model.lifecycle import State
from meetcore_server.storage.cursors import DeliveryResult
from tests.plugins.server.webhooks.receiver import (
    Receiver,
    flood,
    flood_of_headers,
    hang_up,
    never,
    receiving,
    status,
)
from tests.plugins.server.webhooks.stage import Stage, staged, target


def bodies(receiver: Receiver, path: str = "/hook") -> list[str]:
    return [got.body.decode() for got in receiver.at(path)]


async def history(stage: Stage, row: BotRow) -> list[tuple[int, int, bool, int | None]]:
    """Return (event, attempts, delivered, status) of each delivery, the oldest first."""
    rows = await stage.dispatcher.deliveries.history(bot_id=row.bot_id)
    return [(d.event_seq, d.attempts, d.delivered_at is not None, d.status) for d in rows[::-1]]


async def test_events_go_out_in_order_and_their_deliveries_are_noted(database_url: str) -> None:
    async with receiving() as receiver, staged(database_url) as stage:
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "a", "quiet", "b")
        await receiver.until_got(2)
        stage.write(row, "c")
        await receiver.until_got(3)
        await stage.until_idle()
        assert bodies(receiver) == ["1", "3", "4"]
        assert await history(stage, row) == [
            (1, 1, True, 204),
            (3, 1, True, 204),
            (4, 1, True, 204),
        ]
        headers = receiver.got[0].headers
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"] == "meetcore"
        assert headers["x-attempt"] == "1"
        assert stage.dispatcher.counts[DeliveryResult.DELIVERED] == 3


async def test_the_first_that_fails_holds_up_the_rest_until_it_is_taken(database_url: str) -> None:
    async with receiving() as receiver, staged(database_url) as stage:
        receiver.answers["/hook"] = [status(500), hang_up, status(302, location="/elsewhere")]
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "a", "b")
        await receiver.until_got(5)
        await stage.until_idle()
        assert bodies(receiver) == ["1", "1", "1", "1", "2"]
        assert [got.headers["x-attempt"] for got in receiver.got] == ["1", "2", "3", "4", "1"]
        assert await history(stage, row) == [(1, 4, True, 204), (2, 1, True, 204)]
        assert receiver.at("/elsewhere") == []


async def test_one_whose_attempts_are_used_up_is_given_up_and_the_next_follows(
    sqlite_url: str,
) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(503)] * 4
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "a", "b")
        await receiver.until_got(5)
        await stage.until_idle()
        assert bodies(receiver) == ["1", "1", "1", "1", "2"]
        assert await history(stage, row) == [(1, 4, False, 503), (2, 1, True, 204)]
        (given_up,) = [
            d for d in await stage.dispatcher.deliveries.history() if d.given_up_at is not None
        ]
        assert given_up.error == "it answered 503"


@pytest.mark.parametrize("code", [400, 413, 422])
async def test_one_that_is_unacceptable_is_given_up_at_once(sqlite_url: str, code: int) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(code)]
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "a", "b")
        await receiver.until_got(2)
        await stage.until_idle()
        assert await history(stage, row) == [(1, 1, False, code), (2, 1, True, 204)]


async def test_a_target_that_answers_410_is_told_nothing_more(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(410)]
        row = await stage.bot(target(receiver.url()), target(receiver.url("/other")))
        first, _ = await stage.dispatcher.cursors.targets(row.bot_id)
        await stage.dispatcher.post(row, first, Outgoing(kind="k", body=b"by itself"))
        stage.write(row, "a", "b")
        await receiver.until_got(2, "/other")
        await stage.until_idle()
        stage.write(row, "c")
        await receiver.until_got(3, "/other")
        await stage.until_idle()
        posted = await stage.dispatcher.post(row, first, Outgoing(kind="k", body=b"late"))
        assert posted.given_up_at is not None
        await stage.until_idle()
        assert len(bodies(receiver)) == 1
        assert all(d.next_try_at is None for d in await stage.dispatcher.deliveries.history())


async def test_a_wish_for_a_later_try_is_heeded(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(429, retry_after="1")]
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "a")
        await receiver.until_got(2)
        assert receiver.got[1].at - receiver.got[0].at > 0.9


async def test_an_absurd_wish_is_heeded_for_an_hour_only(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(503, retry_after="99999999")]
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "a")
        await receiver.until_got(1)
        await stage.until_quiet()
        (held,) = await stage.dispatcher.deliveries.history()
        assert held.next_try_at is not None
        wait_s = (held.next_try_at - row.created_at).total_seconds()
        assert 3_500 < wait_s < 3_700


async def test_without_pauses_there_is_one_attempt(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(500), never, flood]
        row = await stage.bot(target(receiver.url(), "impatient"))
        stage.write(row, "a", "b", "c", "d")
        await receiver.until_got(4)
        await stage.until_idle()
        assert [(seq, n, ok) for seq, n, ok, _ in await history(stage, row)] == [
            (1, 1, False),
            (2, 1, False),
            (3, 1, True),  # its status was there; what follows it is nobody's concern
            (4, 1, True),
        ]
        errors = {d.event_seq: d.error for d in await stage.dispatcher.deliveries.history()}
        assert errors[2] == "no answer within 0.5 s"


async def test_headers_without_end_are_no_answer(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [flood_of_headers]
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "a")
        await receiver.until_got(2)
        await stage.until_idle()
        assert await history(stage, row) == [(1, 2, True, 204)]


async def test_several_messages_of_an_event_are_settled_one_by_one(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(204), status(500), status(204)]
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "three", "b")
        await receiver.until_got(5)
        await stage.until_idle()
        assert bodies(receiver) == ["1.0", "1.1", "1.1", "1.2", "2"]
        assert [got.headers["x-attempt"] for got in receiver.got] == ["1", "1", "2", "2", "1"]


async def test_a_format_that_raises_holds_up_its_own_bot_alone(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with receiving() as receiver, staged(sqlite_url) as stage:
        row = await stage.bot(target(receiver.url(), "broken"))
        other = await stage.bot(target(receiver.url("/other")))
        stage.write(row, "bad", "worse", "c")
        stage.write(other, "a")
        await receiver.until_got(1)
        await receiver.until_got(1, "/other")
        await stage.until_idle()
        assert bodies(receiver) == ["3"]
        errors = {
            d.event_seq: d.error
            for d in await stage.dispatcher.deliveries.history(bot_id=row.bot_id)
        }
        assert errors[1] == "the format broken failed: ZeroDivisionError"
        assert errors[2] == "the format broken could not sign it: KeyError"
    assert "ZeroDivisionError in stage.py" in caplog.text
    assert "secret.example" not in caplog.text


async def test_a_target_of_a_format_that_is_not_here_waits_for_it(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        row = await stage.bot(target(receiver.url(), "unknown"), target(receiver.url("/known")))
        stage.write(row, "a")
        await receiver.until_got(1, "/known")
        await stage.until_idle()
        assert bodies(receiver) == []
        assert len(await stage.dispatcher.cursors.owing()) == 2


# --- messages by themselves -----------------------------------------------------------------


async def test_a_message_by_itself_goes_after_the_events_there_are(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url, start=False) as stage:
        row = await stage.bot(target(receiver.url()))
        (to,) = await stage.dispatcher.cursors.targets(row.bot_id)
        stage.write(row, "a", "b")
        await stage.follow(row)
        elsewhere = Outgoing(
            kind="own", body=b"posted", headers={"X-Own": "1"}, url=receiver.url("/own"), id="m-1"
        )
        await stage.dispatcher.post(row, to, Outgoing(kind="own", body=b"posted"))
        await stage.dispatcher.post(row, to, elsewhere)
        stage.write(row, "c")
        await stage.nursery.start(stage.dispatcher.run)
        await receiver.until_got(4)
        await stage.until_idle()
        assert bodies(receiver) == ["1", "2", "posted", "3"]
        assert [got.headers["x-own"] for got in receiver.at("/own")] == ["1"]


async def test_a_message_by_itself_is_tried_again_and_holds_up_what_follows(
    sqlite_url: str,
) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(500), status(500)]
        row = await stage.bot(target(receiver.url()))
        (to,) = await stage.dispatcher.cursors.targets(row.bot_id)
        delivery = await stage.dispatcher.post(row, to, Outgoing(kind="own", body=b"posted"))
        stage.write(row, "a")
        await receiver.until_got(4)
        await stage.until_idle()
        assert bodies(receiver) == ["posted", "posted", "posted", "1"]
        noted = await stage.dispatcher.deliveries.delivery(delivery.id)
        assert noted is not None
        assert (noted.attempts, noted.status, noted.delivered_at is not None) == (3, 204, True)


async def test_targets_are_told_of_the_deletion_and_of_nothing_that_was_deleted(
    database_url: str,
) -> None:
    async with receiving() as receiver, staged(database_url) as stage:
        receiver.answers["/held"] = [status(500)]
        row = await stage.bot(
            target(receiver.url("/held"), "patient"),
            target(receiver.url("/broken"), "broken"),
            target(receiver.url()),
        )
        stage.write(row, "a")
        await receiver.until(lambda: len(receiver.got) == 3)
        await stage.follow(row, State.COMPLETED)
        stage.gone.add(row.bot_id)
        await stage.dispatcher.after_deletion(row, 7)
        assert await stage.bots.mark_deleted(row.bot_id)
        await receiver.until_got(2)
        await receiver.until_got(2, "/held")
        await stage.until_idle()
        assert bodies(receiver) == ["1", "deleted 7"]
        assert bodies(receiver, "/held") == ["1", "deleted 7"]
        assert bodies(receiver, "/broken") == ["1"]
        assert await stage.dispatcher.cursors.owing() == []


async def test_an_attempt_that_fails_after_the_deletion_does_not_hold_up_the_word_of_it(
    database_url: str,
) -> None:
    deleted = trio.Event()

    async def late(stream: trio.SocketStream) -> None:
        await deleted.wait()
        await status(500)(stream)

    async with receiving() as receiver, staged(database_url) as stage:
        receiver.answers["/hook"] = [late]
        row = await stage.bot(target(receiver.url(), "patient"))
        stage.write(row, "a")
        await receiver.until_got(1)
        await stage.follow(row, State.COMPLETED)
        stage.gone.add(row.bot_id)
        await stage.dispatcher.after_deletion(row, 7)
        assert await stage.bots.mark_deleted(row.bot_id)
        deleted.set()
        await receiver.until_got(2)
        await stage.until_idle()
        assert bodies(receiver) == ["1", "deleted 7"]
        assert await stage.dispatcher.cursors.owing() == []


# --- again ----------------------------------------------------------------------------------


async def test_a_message_is_sent_again_when_somebody_asks_for_it(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(204), status(400)]
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "a", "three", "c")
        await receiver.until_got(5)
        await stage.until_idle()
        refused = [d for d in await stage.dispatcher.deliveries.history() if d.status == 400]
        (again,) = [await stage.dispatcher.redeliver(d.id) for d in refused]
        assert again is not None
        await receiver.until_got(6)
        await stage.until_idle()
        assert bodies(receiver) == ["1", "2.0", "2.1", "2.2", "3", "2.0"]
        noted = await stage.dispatcher.deliveries.delivery(again.id)
        assert noted is not None
        assert (noted.event_seq, noted.attempts, noted.status) == (2, 1, 204)
        assert await stage.dispatcher.redeliver(10**30) is None
        assert await stage.dispatcher.redeliver(12345) is None


async def test_one_that_is_taken_again_ends_the_pause_of_the_rest(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(204), status(500)]
        row = await stage.bot(target(receiver.url(), "patient"))
        stage.write(row, "a", "b", "c")
        await receiver.until_got(2)
        await stage.until_quiet()
        delivered = (await stage.dispatcher.deliveries.history())[-1]
        await stage.dispatcher.redeliver(delivered.id)
        await receiver.until_got(5)
        assert bodies(receiver) == ["1", "2", "1", "2", "3"]


async def test_again_is_one_attempt_also_to_a_target_that_is_gone(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(410), status(500)]
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "a")
        await receiver.until_got(1)
        await stage.until_idle()
        (delivery,) = await stage.dispatcher.deliveries.history()
        again = await stage.dispatcher.redeliver(delivery.id)
        await receiver.until_got(2)
        await stage.until_idle()
        assert again is not None
        noted = await stage.dispatcher.deliveries.delivery(again.id)
        assert noted is not None
        assert (noted.attempts, noted.status, noted.given_up_at is not None) == (1, 500, True)


async def test_what_was_deleted_is_not_sent_again(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        row = await stage.bot(target(receiver.url()))
        (to,) = await stage.dispatcher.cursors.targets(row.bot_id)
        stage.write(row, "a")
        await stage.dispatcher.post(row, to, Outgoing(kind="own", body=b"posted"))
        await receiver.until_got(2)
        await stage.until_idle()
        stage.gone.add(row.bot_id)
        await stage.bots.mark_deleted(row.bot_id)
        for delivery in await stage.dispatcher.deliveries.history():
            await stage.dispatcher.redeliver(delivery.id)
        await stage.until_idle()
        errors = [d.error for d in await stage.dispatcher.deliveries.history()][:2]
        assert errors == ["what it told of was deleted"] * 2
        assert len(receiver.got) == 2


# --- where it may go ------------------------------------------------------------------------


_LISTED = "the operator lists its host in private_targets"
_PLAIN = f"its address must begin with https://, unless {_LISTED}"
_PRIVATE = f"its address must not lead to a private address, unless {_LISTED}"


async def errors_of(stage: Stage, row: BotRow, to: WebhookTarget) -> list[str | None]:
    stage.write(row, "a")
    await stage.until_idle()
    return [d.error for d in await stage.dispatcher.deliveries.history(bot_id=row.bot_id)]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (
            "http://example.org/key/0123456789?token=abcdef",
            _PLAIN,
        ),
        ("ftp://example.org/", "its address does not begin with https:// and a host"),
        ("https:///nothing", "its address does not begin with https:// and a host"),
        ("https://h:99999/", "its address cannot be read: Port out of range 0-65535"),
        ("https://[::1/", "its address cannot be read: Invalid IPv6 URL"),
        ("https://127.0.0.1:1/0123456789", _PRIVATE),
        ("https://[::ffff:127.0.0.1]:1/", _PRIVATE),
        ("https://169.254.169.254/latest", _PRIVATE),
        (None, "there is no address to send it to"),
    ],
)
async def test_an_address_that_may_not_be_dialled_is_not(
    sqlite_url: str, url: str | None, error: str
) -> None:
    async with staged(sqlite_url, private=PrivateTargets()) as stage:
        to = WebhookTarget(format="impatient", url=url)
        row = await stage.bot(to)
        assert await errors_of(stage, row, to) == [error]


@pytest.mark.parametrize("listed", ["127.0.0.1", "127.0.0.0/8", "*"])
async def test_an_address_that_is_listed_is_dialled_also_unencrypted(
    sqlite_url: str, listed: str
) -> None:
    private = PrivateTargets.listed([listed])
    async with receiving() as receiver, staged(sqlite_url, private=private) as stage:
        row = await stage.bot(target(receiver.url()))
        stage.write(row, "a")
        await receiver.until_got(1)
        await stage.until_idle()


async def test_neither_logs_nor_errors_hold_what_stands_behind_the_host(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)  # of everybody: libraries log too
    secret = "s3cr3t-in-the-path"
    async with receiving() as receiver, staged(sqlite_url) as stage:
        path = f"/{secret}?token=t0k3n-value"
        receiver.answers[path] = [status(500), hang_up, never]
        row = await stage.bot(target(receiver.url(path), "impatient", secret="wh-s3cr3t"))
        stage.write(row, "a", "b", "c")
        await receiver.until_got(3, path)
        await stage.until_idle()
        told = repr(await stage.dispatcher.deliveries.history()) + caplog.text
        assert "it answered 500" in told
        for word in (secret, "t0k3n", "wh-s3cr3t"):
            assert word not in told


async def test_a_header_that_cannot_be_sent_is_an_error_and_the_rest_goes_on(
    sqlite_url: str,
) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        row = await stage.bot(target(receiver.url(), "impatient"))
        (to,) = await stage.dispatcher.cursors.targets(row.bot_id)
        bad = Outgoing(kind="k", body=b"", headers={"x": "a\r\nb: c"})
        await stage.dispatcher.post(row, to, bad)
        stage.write(row, "a")
        await receiver.until_got(1)
        await stage.until_idle()
        assert bodies(receiver) == ["1"]
