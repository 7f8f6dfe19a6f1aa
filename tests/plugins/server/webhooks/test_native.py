"""The native webhook: signed as receivers' libraries expect it, filtered, switched off and on."""

from __future__ import annotations

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from meetcore.model.events import DeliveryAttempted
from meetcore.model.wire import event_to_wire
from tests.plugins.server.webhooks.receiver import Got, receiving, status
from tests.plugins.server.webhooks.stage import Stage, staged, target

SECRET = "whsec_b2xkIHNlY3JldA=="


def verified(got: Got, secret: str = SECRET) -> object:
    return Webhook(secret).verify(got.body, got.headers)


async def test_an_event_arrives_as_it_stands_in_the_journal_and_is_signed(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.answers["/hook"] = [status(204)]
        row = await stage.bot(target(receiver.url(), "native", secret=SECRET))
        stage.write(row, "a")
        await receiver.until_got(1)
        (got,) = receiver.got
        assert verified(got) == got.json == event_to_wire(stage.journals[row.bot_id][0])
        assert got.headers["webhook-id"] == f"{row.bot_id}-1"
        with pytest.raises(WebhookVerificationError):
            verified(got, "whsec_bmV3IHNlY3JldA==")


async def test_the_filter_is_heeded_and_deliveries_are_never_told(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        filtered = target(receiver.url("/none"), "native", data={"events": ["segment.*"]})
        wanted = target(receiver.url("/some"), "native", data={"events": ["step.*", "delivery.*"]})
        row = await stage.bot(target(receiver.url(), "native"), filtered, wanted)
        stage.write(row, "a", wake=False)
        stage.journals[row.bot_id].append(
            DeliveryAttempted(
                sink="s", target="t", event_seq=1, attempt=1, ok=True, bot_id=row.bot_id, seq=2
            )
        )
        stage.write(row, "b")
        await receiver.until_got(2)
        await receiver.until_got(2, "/some")
        await stage.until_idle()
        assert [got.json["seq"] for got in receiver.at("/hook")] == [1, 3]
        assert [got.json["seq"] for got in receiver.at("/some")] == [1, 3]
        assert receiver.at("/none") == []
        assert "webhook-signature" not in receiver.got[0].headers


async def test_the_deletion_is_told(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        row = await stage.bot(target(receiver.url(), "native", secret=SECRET))
        stage.gone.add(row.bot_id)
        await stage.dispatcher.after_deletion(row, 4)
        await receiver.until_got(1)
        (got,) = receiver.got
        assert verified(got) == got.json
        assert (got.json["type"], got.json["data"]) == ("bot.data_deleted", {"files": 4})


async def an_endpoint(stage: Stage, url: str) -> str:
    endpoint = await stage.endpoints.create(1, url)
    return endpoint.id


async def test_an_endpoint_hears_of_new_bots_by_its_secret_and_address_of_now(
    database_url: str,
) -> None:
    async with receiving() as receiver, staged(database_url) as stage:
        endpoint_id = await an_endpoint(stage, receiver.url("/old"))
        row = await stage.bot(*await stage.endpoints.targets_of(1))
        stage.write(row, "a")
        await receiver.until_got(1, "/old")
        await stage.until_idle()
        await stage.endpoints.change(endpoint_id, url=receiver.url("/new"), secret=SECRET)
        stage.write(row, "b")
        await receiver.until_got(1, "/new")
        await stage.until_idle()
        assert verified(receiver.at("/new")[0])
        history = await stage.dispatcher.deliveries.history(endpoint_id=endpoint_id, user_id=1)
        assert [d.event_seq for d in history] == [2, 1]
        assert await stage.dispatcher.deliveries.history(endpoint_id=endpoint_id, user_id=2) == []
        assert (
            await stage.dispatcher.deliveries.history(before=history[0].id, limit=1) == history[1:]
        )


async def test_an_endpoint_that_is_switched_off_hears_nothing_until_it_is_on_again(
    database_url: str,
) -> None:
    async with receiving() as receiver, staged(database_url) as stage:
        endpoint_id = await an_endpoint(stage, receiver.url())
        row = await stage.bot(*await stage.endpoints.targets_of(1))
        await stage.endpoints.change(endpoint_id, enabled=False)
        stage.write(row, "a", "b")
        await stage.until_idle()
        assert receiver.got == []
        await stage.endpoints.change(endpoint_id, enabled=True)
        await stage.dispatcher.endpoint_enabled(endpoint_id)
        await receiver.until_got(2)
        await stage.until_idle()
        assert [got.json["seq"] for got in receiver.got] == [1, 2]


async def test_an_endpoint_that_answers_410_is_switched_off(database_url: str) -> None:
    async with receiving() as receiver, staged(database_url) as stage:
        receiver.answers["/hook"] = [status(410)]
        endpoint_id = await an_endpoint(stage, receiver.url())
        row = await stage.bot(*await stage.endpoints.targets_of(1))
        stage.write(row, "a", "b")
        await receiver.until_got(1)
        await stage.until_idle()
        assert await stage.endpoints.targets_of(1) == []
        endpoint = await stage.endpoints.endpoint(endpoint_id)
        assert endpoint is not None
        assert endpoint.disabled_at is not None
        assert len(receiver.got) == 1
