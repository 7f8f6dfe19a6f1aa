"""Native webhooks over the API: endpoints, signed deliveries, their history, once more."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import trio
from attrs import define, field
from standardwebhooks import Webhook

from meetcore.gateway.records import BotRequest
from meetcore.model.config import load_config
from meetcore.model.errors import ConfigError

from .running import SHORT, http, ordered, serving, until


@define
class Receiver:
    url: str
    status: int = 200
    posts: list[tuple[dict[str, str], bytes]] = field(factory=list)
    changed: trio.Event = field(factory=trio.Event)

    async def have(self, count: int) -> None:
        with trio.fail_after(90):
            while len(self.posts) < count:
                self.changed = trio.Event()
                await self.changed.wait()

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                part = await stream.receive_some(65536)
                if not part:
                    return
                data += part
            head, _, body = data.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")[1:]
            headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
            while len(body) < int(headers["content-length"]):
                body += await stream.receive_some(65536)
            answer = f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            await stream.send_all(answer.encode())
        self.posts.append((headers, body))
        self.changed.set()


@asynccontextmanager
async def receiving():
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    receiver = Receiver(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/hook")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, receiver.serve, listeners)
        yield receiver
        nursery.cancel_scope.cancel()


async def test_an_endpoint_is_told_of_every_bot_signed_filtered_and_in_order(tmp_path):
    async with (
        receiving() as receiver,
        serving(tmp_path, private_targets=("*",)) as server,
        http(server) as client,
    ):
        body = {"url": receiver.url, "events": ["state.*", "segment.finalized"]}
        made = (await client.post("/v1/webhooks", json=body)).json()
        assert made["secret"].startswith("whsec_")
        listed = (await client.get("/v1/webhooks")).json()
        assert listed[0]["id"] == made["id"]
        assert listed[0]["secret"] is None
        bot = await until(client, (await ordered(client))["id"], "completed")
        await receiver.have(10)
        verifier = Webhook(made["secret"])
        seqs = []
        for headers, body in receiver.posts:
            message = verifier.verify(body, headers)
            assert message == json.loads(body)
            assert message["bot_id"] == bot["id"]
            seqs.append(message["seq"])
        assert seqs == sorted(seqs)
        kinds = {json.loads(body)["type"] for _, body in receiver.posts}
        assert kinds == {"state.changed", "segment.finalized"}
        history = (await client.get(f"/v1/bots/{bot['id']}/deliveries")).json()
        assert len(history) == 10
        assert all(each["delivered_at"] and each["status"] == 200 for each in history)


async def test_a_delivery_can_be_sent_once_more(tmp_path):
    async with (
        receiving() as receiver,
        serving(tmp_path, private_targets=("*",)) as server,
        http(server) as client,
    ):
        hook = {"url": receiver.url, "events": ["bot.requested"]}
        bot = await until(client, (await ordered(client, webhooks=[hook]))["id"], "completed")
        await receiver.have(1)
        path = f"/v1/bots/{bot['id']}/deliveries"
        with trio.fail_after(90):
            while not (history := (await client.get(path)).json()):  # noqa: ASYNC110
                await trio.sleep(0.05)
        again = await client.post(f"{path}/{history[0]['id']}/redeliver")
        assert again.status_code == 202
        await receiver.have(2)
        assert receiver.posts[0][1] == receiver.posts[1][1]
        wrong = await client.post(f"{path}/999999/redeliver")
        assert (wrong.status_code, wrong.json()["code"]) == (404, "not_found")


async def test_an_endpoint_that_was_switched_off_hears_nothing_more(tmp_path):
    async with (
        receiving() as receiver,
        serving(tmp_path, private_targets=("*",)) as server,
        http(server) as client,
    ):
        made = (await client.post("/v1/webhooks", json={"url": receiver.url})).json()
        assert (await client.delete(f"/v1/webhooks/{made['id']}")).status_code == 204
        listed = (await client.get("/v1/webhooks")).json()
        assert [each["enabled"] for each in listed] == [False]
        await until(client, (await ordered(client))["id"], "completed")
        on = await client.patch(f"/v1/webhooks/{made['id']}", json={"enabled": True})
        assert on.json()["enabled"] is True
        await until(client, (await ordered(client))["id"], "completed")
        await receiver.have(5)
        bots = {json.loads(body)["bot_id"] for _, body in receiver.posts}
        assert len(bots) == 1


async def test_targets_on_this_machine_are_refused_unless_the_operator_allows_them(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        for url in ("http://example.org/x", "https://127.0.0.1/x", "https://10.1.2.3/", "ftp://x"):
            answer = await client.post("/v1/webhooks", json={"url": url})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), url
        allowed = await client.post("/v1/webhooks", json={"url": "https://hooks.example.org/x"})
        assert allowed.status_code == 201


async def test_targets_that_the_operator_lists_are_taken_and_bots_may_dial_them(tmp_path):
    listed = ("crm.internal", "10.1.0.0/16")
    async with serving(tmp_path, private_targets=listed) as server, http(server) as client:
        for url, status in {
            "http://crm.internal/x": 201,
            "https://10.1.2.3/x": 201,
            "http://other.internal/x": 422,
            "https://10.2.2.3/x": 422,
        }.items():
            answer = await client.post("/v1/webhooks", json={"url": url})
            assert answer.status_code == status, url
        spec = server.service.specs.spec("b-1", BotRequest(url=SHORT))
        assert spec.settings["private_targets"] == list(listed)


async def test_trust_follows_where_each_sinks_settings_came_from(tmp_path):
    options = {"websocket_push": {"url": "ws://127.0.0.1:9/own"}}
    config = {"sinks": ["files", "websocket_push"], "plugins": options}
    async with serving(tmp_path, dialects=("websocket",), config=config) as server:
        specs = server.service.specs

        def trusts(**order):
            built = load_config(
                None, specs.spec("b-1", BotRequest(url=SHORT, **order)).settings, {}
            )
            return {name: built.trusts(name) for name in built.sinks}

        assert trusts() == {"files": True, "websocket_push": True}
        theirs = {"websocket_push:theirs": {"url": "wss://example.org/x"}}
        assert trusts(sinks=["websocket_push:theirs"], plugins=theirs) == {
            "files": True,
            "websocket_push": True,
            "websocket_push:theirs": False,
        }
        turned = {"websocket_push": {"url": "ws://127.0.0.1:9/inner"}}
        assert trusts(plugins=turned) == {"files": True, "websocket_push": False}


async def test_the_operators_own_webhook_goes_on_when_a_client_orders_a_sink_with_the_bot(tmp_path):
    async with receiving() as own, receiving() as theirs:
        config = {
            "sinks": ["files", "webhook"],
            "plugins": {"webhook": {"url": own.url, "allow_private": True}},
        }
        with_sinks = ("webhook",)
        async with serving(tmp_path, dialects=with_sinks, config=config) as server:
            client = await server.service.authenticate(None)
            order = BotRequest(
                url=SHORT,
                sinks=["webhook:theirs"],
                plugins={"webhook:theirs": {"url": theirs.url, "allow_private": True}},
            )
            row = await server.service.create(client, order)
            await own.have(3)
            async with http(server) as api:
                await until(api, row.bot_id, "completed")
                events = (await api.get(f"/v1/bots/{row.bot_id}/events?limit=1000")).json()
        failed = [e["data"]["plugin"] for e in events["events"] if e["type"] == "plugin.failed"]
        assert set(failed) == {"webhook:theirs"}
        assert theirs.posts == []


async def test_an_entry_that_is_no_target_ends_the_start_with_what_may_stand_there(tmp_path):
    with pytest.raises(ConfigError, match="no private target"):
        async with serving(tmp_path, private_targets=("http://crm.internal/",)):
            pytest.fail("it serves")


async def test_a_target_that_fails_is_tried_again_and_its_trouble_is_in_the_history(tmp_path):
    async with (
        receiving() as receiver,
        serving(tmp_path, private_targets=("*",)) as server,
        http(server) as client,
    ):
        receiver.status = 503
        hook = {"url": receiver.url, "events": ["bot.requested"]}
        bot = await ordered(client, SHORT, webhooks=[hook])
        await receiver.have(1)
        before = datetime.now(UTC)  # it has not answered, or just now: the pause comes after that
        path = f"/v1/bots/{bot['id']}/deliveries"
        with trio.fail_after(90):
            while not (history := (await client.get(path)).json()):  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert history[0]["status"] == 503
        assert history[0]["delivered_at"] is None
        assert datetime.fromisoformat(history[0]["next_try_at"]) > before


async def test_a_pattern_that_matches_no_event_is_refused_and_stored_ones_stay(tmp_path):
    wrong = {"stat.*": "'state.changed'", "delivery.*": "", "segment.finalised": "segment.final"}
    async with serving(tmp_path, private_targets=("*",)) as server, http(server) as client:
        hook = {"url": "https://127.0.0.1:9/hook"}
        right = ["*", "plugin.event", "plugin.*", "bot.data_deleted", "transcript.*", "state.*"]
        made = await client.post("/v1/webhooks", json={**hook, "events": right})
        assert made.status_code == 201, made.text
        path = f"/v1/webhooks/{made.json()['id']}"
        for pattern, guess in wrong.items():
            bad = {**hook, "events": ["state.changed", pattern]}
            for answer in (
                await client.post("/v1/webhooks", json=bad),
                await client.patch(path, json={"events": [pattern]}),
                await client.post("/v1/bots", json={"meeting_url": SHORT, "webhooks": [bad]}),
            ):
                problem = answer.json()
                assert (answer.status_code, problem["code"]) == (422, "invalid")
                assert repr(pattern) in problem["detail"]
                assert guess in problem["remedy"]
        await server.service.stores.endpoints.change(made.json()["id"], events=["stat.*"])
        kept = await client.patch(path, json={"enabled": True})
        assert (kept.status_code, kept.json()["events"]) == (200, ["stat.*"])
