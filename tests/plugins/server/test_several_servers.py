"""Two servers over one PostgreSQL and one folder: each does for the other's bots what it can.

One is killed, or stands still: the other goes on, and nothing is done twice that must be done once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.gateway.records import BotRequest
from meetcore.log.journal import read_journal
from meetcore.model.events import StateChanged
from meetcore.model.lifecycle import TERMINAL
from meetcore_server.assembly import Server
from meetcore_server.membership import Membership
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.server_lock import AlreadyServed
from meetcore_server.storage.servers import ServersDiffer

from .machines import KEY
from .running import PLUGIN, SHORT, STAY, http, ordered, said, say, serving, socket, until
from .webhooks.receiver import Receiver, receiving

pytestmark = pytest.mark.folder_store
IN_FUTURE = "2099-01-01T00:00:00Z"


@asynccontextmanager
async def one_of_them(folder: Path, url: str, *, processes: bool = False, **options: Any):
    """Serve over the shared database and folder."""
    launcher = ChildProcessLauncher() if processes else None
    options.setdefault("private_targets", ("*",))
    async with (
        serving(folder, database=url, api_key=KEY, launcher=launcher, **options) as server,
        http(server, KEY) as client,
    ):
        yield server, client


@contextmanager
def another_process(folder: Path, url: str):
    """Run one of them in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "meetcore.toml"
    config.write_text(
        'transcriber = "scripted"\nsinks = ["files"]\n[plugins.server]\nprivate_targets = ["*"]\n'
    )
    arguments = ["--port", "0", "--config", str(config), "--plugin", str(PLUGIN)]
    arguments += ["--out", str(folder / "bots"), "--database", url, "--api-key", KEY]
    environment = {**os.environ, "MEETCORE_LOAD": "server,files"}
    with (folder / "other.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "meetcore", "serve", *arguments], stderr=log, env=environment
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGKILL)
        process.wait()


class Place:
    """Where a server is that runs elsewhere."""

    def __init__(self, url: str) -> None:
        self.url = url


async def place_of(folder: Path) -> Place:
    with trio.fail_after(60):
        while True:
            for line in (folder / "other.log").read_text().splitlines():
                if "serving at" in line:
                    return Place(line.split()[-1])
            await trio.sleep(0.05)


@asynccontextmanager
async def beside_another_process(folder: Path, url: str):
    """Run one of them in a process and one here; give the process, its place, and what each has."""
    with another_process(folder, url) as process:
        place = await place_of(folder)
        async with (
            http(place, KEY) as client,  # type: ignore[arg-type]
            one_of_them(folder, url, processes=True) as (server, beside),
        ):
            yield process, place, client, server, beside


def ends(folder: Path, bot_id: str) -> list[StateChanged]:
    events = read_journal(folder / "bots" / bot_id / "journal.jsonl")
    return [e for e in events if isinstance(e, StateChanged) and e.state in TERMINAL]


async def settled(client: Any, bot_id: str) -> dict[str, Any]:
    """Return a bot once its row has ended."""
    with trio.fail_after(90):
        while True:
            bot = (await client.get(f"/v1/bots/{bot_id}")).json()
            if bot["state"] in ("completed", "failed"):
                return dict(bot)
            await trio.sleep(0.05)


def has_ended(event: dict[str, Any]) -> bool:
    changed = event["type"] == "state.changed"
    return changed and event["data"]["state"] in ("completed", "failed")


def ids_of(receiver: Receiver) -> list[str]:
    return [got.headers["webhook-id"] for got in receiver.got]


async def until_noted(server: Server, receiver: Receiver, bot_ids: Sequence[str]) -> None:
    """Return when of everything that was received it is noted that it was: nothing is under way."""
    with trio.fail_after(90):
        while True:
            noted = 0
            for bot_id in bot_ids:
                row = await server.service.stores.bots.get(bot_id)
                listed = await server.service.deliveries(row)
                noted += sum(each.delivered_at is not None for each in listed)
            if noted == len(receiver.got) >= len(bot_ids):
                return
            await trio.sleep(0.05)


def types_of(receiver: Receiver) -> list[str]:
    return [json.loads(got.body)["type"] for got in receiver.got]


async def test_each_follows_hears_and_commands_the_bots_that_the_other_runs(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with (
        receiving() as receiver,
        one_of_them(tmp_path, url, processes=True) as (one, client),
        one_of_them(tmp_path, url, processes=True) as (other, beside),
    ):
        hook = {"url": receiver.url(), "events": ["*"]}
        bot = await ordered(client, STAY, webhooks=[hook])
        bot_id = bot["id"]
        assert (await until(beside, bot_id, "recording"))["state"] == "recording"
        assert other.service.live.all() == []  # it looks after none
        assert (await beside.get("/v1/bots")).json()["bots"][0]["id"] == bot_id
        async with socket(other, authorization=f"Bearer {KEY}") as connection:
            await say(connection, type="subscribe", bot_id=bot_id, after=0, drafts=False)
            sent = await beside.post(f"/v1/bots/{bot_id}/chat", json={"text": "from beside"})
            assert sent.status_code == 200, sent.text
            while True:
                event = await said(connection)
                if event["type"] == "chat.received" and event["data"]["text"] == "from beside":
                    break
        row = await other.service.stores.bots.get(bot_id)
        async with other.service.hear(row) as chunks:
            with trio.fail_after(60):
                assert (await chunks.receive()).sample_rate_hz == 16_000
        shot = await beside.get(f"/v1/bots/{bot_id}/screenshot?format=png")
        assert shot.content.startswith(b"\x89PNG")
        link = (await beside.post(f"/v1/bots/{bot_id}/look-in", json={"take_over": True})).json()
        async with socket(other, f"/v1/look-in?token={link['token']}") as connection:
            assert (await said(connection))["type"] == "looking"
            assert (await connection.get_message())[:2] == b"\xff\xd8"
            await say(connection, type="take_over")
            while isinstance(message := await connection.get_message(), bytes):
                pass
            assert json.loads(message) == {"type": "taken_over"}
        stopped = await beside.post(f"/v1/bots/{bot_id}/stop")
        assert stopped.status_code == 202
        for each in (client, beside):
            assert (await settled(each, bot_id))["reason"] == "stop_requested"
        shown = [(await each.get(f"/v1/bots/{bot_id}/transcript")).json() for each in
                 (client, beside)]  # fmt: skip
        assert shown[0] == shown[1]
        assert len(ends(tmp_path, bot_id)) == 1
        count = one.service.metrics.events
        await receiver.until(lambda: len(receiver.got) >= count)
        assert sorted(set(ids_of(receiver))) == sorted(ids_of(receiver))  # in the quiet case once
        assert other.service.metrics.events == 0


async def test_a_stream_of_events_at_the_other_server_goes_to_the_bots_end(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url) as (_, client),
        one_of_them(tmp_path, url) as (_, beside),
    ):
        bot_id = (await ordered(client, SHORT))["id"]
        async with beside.stream("GET", f"/v1/bots/{bot_id}/events/stream") as answer:
            lines = [line async for line in answer.aiter_lines() if line.startswith("id: ")]
        last = ends(tmp_path, bot_id)[-1].seq
        assert [int(line[4:]) for line in lines] == list(range(1, last + 1))


async def test_a_scheduled_bot_is_given_another_order_and_called_off_by_either(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url) as (_, client),
        one_of_them(tmp_path, url) as (other, beside),
    ):
        bot = await ordered(client, SHORT, join_at=IN_FUTURE)
        row = await other.service.stores.bots.get(bot["id"])
        soon = datetime.now(UTC) + timedelta(seconds=1)
        await other.service.reschedule(row, BotRequest(url=SHORT, name="Other", join_at=soon))
        joined = await until(client, bot["id"], "completed")
        assert joined["name"] == "Other"
        assert joined["reason"] == "meeting_ended"
        bot = await ordered(client, SHORT, join_at=IN_FUTURE)
        await beside.post(f"/v1/bots/{bot['id']}/stop")
        assert (await settled(client, bot["id"]))["reason"] == "stop_requested"


async def test_an_order_that_is_written_without_an_answer_reaches_the_server_that_has_the_bot(
    tmp_path, postgres, monkeypatch
):
    url = postgres.new_database_with_tables()
    replace_order = BotRows.replace_order

    async def lost(self, *args):
        await replace_order(self, *args)
        raise DatabaseUnavailable("The connection broke while it was committed.")

    monkeypatch.setattr(BotRows, "replace_order", lost)
    async with (
        one_of_them(tmp_path, url) as (_, client),
        one_of_them(tmp_path, url) as (other, _),
    ):
        bot = await ordered(client, SHORT, join_at=IN_FUTURE)
        row = await other.service.stores.bots.get(bot["id"])
        order = BotRequest(url=SHORT, name="Other", join_at=datetime.now(UTC))
        with pytest.raises(DatabaseUnavailable):
            await other.service.reschedule(row, order)
        joined = await until(client, bot["id"], "completed")
        assert (joined["name"], joined["reason"]) == ("Other", "meeting_ended")


async def test_a_bot_whose_time_comes_while_the_database_is_away_joins_when_it_is_back(
    tmp_path, postgres
):
    url = postgres.new_database_with_tables()
    async with one_of_them(tmp_path, url) as (server, client):
        soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        bot = await ordered(client, SHORT, join_at=soon)
        await trio.to_thread.run_sync(postgres.stop)
        try:
            with trio.fail_after(90):
                while not server.service.supervisor.troubles:  # noqa: ASYNC110
                    await trio.sleep(0.02)
        finally:
            await trio.to_thread.run_sync(postgres.start)
        assert (await settled(client, bot["id"]))["reason"] == "meeting_ended"


async def test_an_order_of_which_it_cannot_be_known_whose_it_is_leaves_nothing(
    tmp_path, postgres, monkeypatch
):
    url = postgres.new_database_with_tables()
    async with one_of_them(tmp_path, url) as (server, client):

        async def unknown(self) -> None:
            await trio.lowlevel.checkpoint()
            raise DatabaseUnavailable("The database is away.")

        with monkeypatch.context() as patch:
            patch.setattr(Membership, "hold", unknown)
            answer = await client.post("/v1/bots", json={"meeting_url": STAY})
            assert answer.status_code == 503, answer.text
        assert (await client.get("/v1/bots")).json()["bots"] == []
        assert [each async for each in server.service.store.records()] == []


async def test_limits_and_idempotency_hold_across_both(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url, max_bots_per_user=3) as (_, client),
        one_of_them(tmp_path, url, max_bots_per_user=3) as (_, beside),
    ):
        first = await ordered(client, STAY)
        statuses: list[int] = []

        async def order(at: Any) -> None:
            answer = await at.post("/v1/bots", json={"meeting_url": STAY})
            statuses.append(answer.status_code)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(order, client)
                nursery.start_soon(order, beside)
        assert sorted(statuses) == [201, 201, 429, 429, 429, 429]
        await beside.post(f"/v1/bots/{first['id']}/stop")
        await settled(beside, first["id"])
        headers = {"idempotency-key": "once"}
        body = {"meeting_url": STAY}
        made = await client.post("/v1/bots", json=body, headers=headers)
        again = await beside.post("/v1/bots", json=body, headers=headers)
        assert (made.status_code, again.status_code) == (201, 200)
        assert made.json()["id"] == again.json()["id"]


async def test_a_bot_ordered_at_one_is_told_of_at_the_other(tmp_path, postgres, monkeypatch):
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url) as (_, client),
        one_of_them(tmp_path, url) as (other, _),
        other.service.new_bots(1) as channel,
    ):
        with trio.fail_after(90):
            row = None
            while row is None:  # whoever listens is noticed a little later
                await ordered(client, SHORT)
                with trio.move_on_after(2):
                    row = await channel.receive()
        assert row.dialect == "native"


async def test_a_key_that_is_revoked_at_one_ends_what_it_opened_at_the_other(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url) as (one, _),
        one_of_them(tmp_path, url) as (other, _),
    ):
        row, key = await one.service.create_key(1)
        async with socket(other, authorization=f"Bearer {key}") as connection:
            await say(connection, type="ping")
            assert (await said(connection))["type"] == "pong"
            await one.service.revoke_key(row.id)
            with trio.fail_after(60), pytest.raises(Exception, match="4401"):
                while True:
                    await connection.get_message()


async def test_data_that_both_are_told_to_delete_is_told_of_once(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with (
        receiving() as receiver,
        one_of_them(tmp_path, url) as (_, client),
        one_of_them(tmp_path, url) as (_, beside),
    ):
        hook = {"url": receiver.url(), "events": ["bot.data_deleted"]}
        bot_id = (await ordered(client, SHORT, webhooks=[hook]))["id"]
        refused = await beside.delete(f"/v1/bots/{bot_id}/data")
        assert refused.status_code == 409
        await settled(client, bot_id)
        counts: list[int] = []

        async def delete(at: Any) -> None:
            answer = await at.delete(f"/v1/bots/{bot_id}/data")
            assert answer.status_code == 200, answer.text
            counts.append(answer.json()["deleted_objects"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(delete, client)
            nursery.start_soon(delete, beside)
        assert min(counts) == 0
        assert max(counts) >= 1
        await receiver.until_got(1)
        assert not (tmp_path / "bots" / bot_id).exists()
        for at in (client, beside):
            answer = await at.get(f"/v1/bots/{bot_id}/transcript")
            assert answer.status_code == 410
        assert types_of(receiver) == ["bot.data_deleted"]


async def test_a_message_is_sent_once_more_by_the_server_that_serves_its_target(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with (
        receiving() as receiver,
        one_of_them(tmp_path, url) as (_, client),
        one_of_them(tmp_path, url) as (other, beside),
    ):
        hook = {"url": receiver.url(), "events": ["state.changed"]}
        bot_id = (await ordered(client, STAY, webhooks=[hook]))["id"]
        await until(client, bot_id, "recording")
        await receiver.until_got(4)
        row = await other.service.stores.bots.get(bot_id)
        known = (await other.service.deliveries(row))[-1]
        before = len(receiver.got)
        assert await other.service.webhooks.redeliver(known.id) is not None
        await receiver.until_got(before + 1)
        ids = ids_of(receiver)
        assert ids[-1] == ids[0]
        await beside.post(f"/v1/bots/{bot_id}/stop")
        await settled(beside, bot_id)


async def test_a_killed_servers_bots_are_seen_through_by_the_other(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with (
        receiving() as receiver,
        beside_another_process(tmp_path, url) as (process, _, client, server, beside),
    ):
        hook = {"url": receiver.url(), "events": ["*"]}
        bot = await ordered(client, STAY, webhooks=[hook])
        await until(client, bot["id"], "recording")
        soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
        later = await ordered(client, SHORT, join_at=soon)
        async with socket(server, authorization=f"Bearer {KEY}") as connection:
            await say(connection, type="subscribe", bot_id=bot["id"], after=0)
            process.send_signal(signal.SIGKILL)
            process.wait()
            with trio.fail_after(60):
                while len(server.service.live.all()) < 2:  # noqa: ASYNC110
                    await trio.sleep(0.05)
            chat = await beside.post(f"/v1/bots/{bot['id']}/chat", json={"text": "alive"})
            assert chat.status_code == 200, chat.text
            await beside.post(f"/v1/bots/{bot['id']}/stop")
            seqs: list[int] = []
            while True:
                event = await said(connection)
                if "seq" in event:
                    seqs.append(event["seq"])
                if has_ended(event):
                    break
            assert seqs == list(range(1, len(seqs) + 1))  # who followed lost nothing
        assert (await settled(beside, bot["id"]))["reason"] == "stop_requested"
        assert (await settled(beside, later["id"]))["reason"] == "meeting_ended"
        assert len(ends(tmp_path, bot["id"])) == len(ends(tmp_path, later["id"])) == 1
        with trio.fail_after(60):
            await receiver.until(lambda: b'"completed"' in receiver.got[-1].body)
        numbers = {}
        for got in receiver.got:
            body = json.loads(got.body)
            numbers.setdefault(body["seq"], set()).add(got.headers["webhook-id"])
        assert sorted(numbers) == list(range(1, max(numbers) + 1))
        assert all(len(ids) == 1 for ids in numbers.values())  # again: under the same id
        assert (await beside.get("/ready")).status_code == 200


@pytest.mark.long
async def test_a_server_that_stood_still_does_no_harm_when_it_comes_back(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with (
        receiving() as receiver,
        beside_another_process(tmp_path, url) as (process, place, client, server, beside),
    ):
        hook = {"url": receiver.url(), "events": ["state.changed"]}
        bot = await ordered(client, STAY, webhooks=[hook])
        await until(client, bot["id"], "recording")
        soon = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()
        waiting = await ordered(client, STAY, join_at=soon, webhooks=[hook])
        off = await ordered(client, SHORT, join_at=IN_FUTURE, webhooks=[hook])
        async with socket(place, authorization=f"Bearer {KEY}") as connection:  # type: ignore[arg-type]
            await say(connection, type="subscribe", bot_id=bot["id"], after=0, drafts=False)
            await until_noted(server, receiver, [each["id"] for each in (bot, waiting, off)])
            process.send_signal(signal.SIGSTOP)
            with trio.fail_after(90):
                while len(server.service.live.all()) < 3:  # noqa: ASYNC110
                    await trio.sleep(0.05)
            assert (await until(beside, waiting["id"], "recording"))["state"] == "recording"
            await beside.post(f"/v1/bots/{off['id']}/stop")
            process.send_signal(signal.SIGCONT)
            shown = (await client.get(f"/v1/bots/{waiting['id']}")).json()
            assert shown["state"] == "recording"
            # Who was connected to it all the time hears of what is done elsewhere.
            await beside.post(f"/v1/bots/{bot['id']}/stop")
            with trio.fail_after(90):
                while True:
                    event = await said(connection)
                    if has_ended(event):
                        break
            assert event["data"]["reason"] == "stop_requested"
        # It takes orders again, and commands the bots that are another's now.
        answer = await client.post(f"/v1/bots/{waiting['id']}/stop")
        assert answer.status_code == 202, answer.text
        new = await ordered(client, SHORT)
        for each, reason in ((bot, "stop_requested"), (waiting, "stop_requested"),
                             (off, "stop_requested"), (new, "meeting_ended")):  # fmt: skip
            assert (await settled(beside, each["id"]))["reason"] == reason
            assert len(ends(tmp_path, each["id"])) == 1
        for at in (client, beside):
            assert (await at.get("/ready")).status_code == 200
        ids = ids_of(receiver)
        assert len(set(ids)) == len(ids)
    log = (tmp_path / "other.log").read_text()
    assert "taken for dead" in log


async def test_bots_in_its_own_process_go_on_when_a_server_is_taken_for_dead(
    tmp_path, postgres, monkeypatch
):
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url) as (one, client),
        one_of_them(tmp_path, url) as (other, beside),
    ):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        renew = Membership._renew

        async def silent(self, *args: Any) -> None:
            if self is one.service.membership:
                await trio.lowlevel.checkpoint()
                raise trio.TooSlowError("no answer")
            await renew(self, *args)

        monkeypatch.setattr(Membership, "_renew", silent)
        with trio.fail_after(90):
            while not other.service.live.all():  # noqa: ASYNC110
                await trio.sleep(0.05)
        monkeypatch.setattr(Membership, "_renew", renew)
        with trio.fail_after(90):
            while one.service.live.all():  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert (await client.get(f"/v1/bots/{bot_id}")).json()["state"] == "recording"
        refused = await beside.post(f"/v1/bots/{bot_id}/chat", json={"text": "hello"})
        assert refused.status_code == 409, refused.text
        assert "does not reach the bot" in refused.text
        sent = await client.post(f"/v1/bots/{bot_id}/chat", json={"text": "hello"})
        assert sent.status_code == 200, sent.text
        await beside.post(f"/v1/bots/{bot_id}/stop")
        assert (await settled(beside, bot_id))["reason"] == "stop_requested"
        assert len(ends(tmp_path, bot_id)) == 1


async def test_servers_that_do_not_share_their_bots_are_told_apart(tmp_path, postgres):
    url = postgres.new_database_with_tables()
    async with one_of_them(tmp_path, url):
        with pytest.RaisesGroup(ServersDiffer, flatten_subgroups=True, allow_unwrapped=True):
            async with one_of_them(tmp_path / "elsewhere", url):
                pass
        elsewhere = postgres.new_database_with_tables()
        with pytest.RaisesGroup(AlreadyServed, flatten_subgroups=True, allow_unwrapped=True):
            async with one_of_them(tmp_path, elsewhere):
                pass
        with pytest.RaisesGroup(AlreadyServed, flatten_subgroups=True, allow_unwrapped=True):
            async with serving(tmp_path):
                pass


async def test_who_comes_with_a_number_that_this_server_does_not_know_yet_is_waited_with(
    tmp_path, postgres
):
    url = postgres.new_database_with_tables()
    async with (
        one_of_them(tmp_path, url) as (_, client),
        one_of_them(tmp_path, url) as (other, beside),
    ):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        last = (await beside.get(f"/v1/bots/{bot_id}/events?limit=1000")).json()["next_after"]
        async with socket(other, authorization=f"Bearer {KEY}") as connection:
            await say(connection, type="subscribe", bot_id=bot_id, after=last + 1, drafts=False)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(
                    partial(client.post, f"/v1/bots/{bot_id}/chat", json={"text": "a"})
                )
                told = await said(connection)
            assert told["type"] == "subscribed", told
            assert told["last_seq"] >= last + 1
            await say(connection, type="subscribe", bot_id=bot_id, after=10_000, drafts=False)
            refused = {}
            while refused.get("type") != "error":
                refused = await said(connection)
            assert "after is 10000" in refused["detail"]
            assert refused["code"] == "command_refused"


async def test_who_knows_more_than_a_server_that_cannot_look_now_is_told_to_come_again(
    tmp_path, monkeypatch
):
    """Its events are there: to call the number wrong would have a subscriber give up."""
    monkeypatch.setattr("meetcore_server.native.socket._KNOWN_WITHIN_S", 0.1)
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        async with socket(server) as connection:
            await say(connection, type="subscribe", bot_id=bot_id, after=10_000)
            assert (await said(connection))["code"] == "command_refused"
        live = server.service.live.get(bot_id)
        assert live is not None
        log = server.service.store.log(bot_id)

        def away(*_: object, **__: object) -> None:
            raise DatabaseUnavailable("The database is away.")

        monkeypatch.setattr(type(log), "read", away)
        with pytest.raises(DatabaseUnavailable):
            await server.service.live.catch_up(live)
        async with socket(server) as connection:
            await say(connection, type="subscribe", bot_id=bot_id, after=10_000)
            told = await said(connection)
            assert (told["type"], told["code"]) == ("error", "storage_unavailable")
            assert "as far as is known here" in told["detail"]
