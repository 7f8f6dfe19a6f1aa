"""An order that cannot be written down is refused, and then it never was."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve

from meetcore import BotConfig, ConfigError, Plugins
from meetcore.gateway.records import NotNow
from meetcore.log.folder_store import FolderStore
from meetcore.model.errors import JournalFull, StorageUnavailable
from meetcore_server import refused_orders
from meetcore_server.orders_to_specs import Specs
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.errors import DatabaseUnavailable

from .running import SHORT, STAY, http, ordered, serving, until

pytestmark = pytest.mark.folder_store

TROUBLES = [
    OSError(28, "No space left on device"),
    StorageUnavailable("The folder cannot be written."),
    JournalFull("The disk is full."),
    TimeoutError("slow"),
]
ORDERS = {
    "native": ("/v1/bots", {"meeting_url": SHORT}),
    "vexa": ("/vexa/bots", {"platform": "google_meet", "native_meeting_id": "abc-defg-hij"}),
    "meetstream": (
        "/meetstream/api/v1/bots/create_bot",
        {"meeting_link": SHORT, "bot_name": "Notes"},
    ),
    "skribby": (
        "/skribby/bot",
        {
            "bot_name": "Notes",
            "meeting_url": SHORT,
            "service": "gmeet",
            "transcription_model": "none",
        },
    ),
    "spoke": ("/spoke/bots", {"meeting_url": SHORT, "bot_name": "Notes"}),
}


@pytest.fixture
def full(monkeypatch):
    """Let the next orders fail to be written down; call it to make room again."""
    whole = FolderStore._begin

    def fail(error):
        def write(self, bot_id, head):
            whole(self, bot_id, head)
            raise error

        monkeypatch.setattr(FolderStore, "_begin", write)

    fail.make_room = lambda: monkeypatch.setattr(FolderStore, "_begin", whole)
    return fail


@pytest.mark.parametrize("error", TROUBLES, ids=lambda error: type(error).__name__)
async def test_nothing_of_a_refused_order_is_left(tmp_path, full, error):
    key = {"idempotency-key": "the-same"}
    async with serving(tmp_path) as server, http(server) as client:
        full(error)
        answer = await client.post("/v1/bots", json={"meeting_url": STAY}, headers=key)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "storage_unavailable"
        assert (await client.get("/v1/bots")).json()["bots"] == []
        assert list((tmp_path / "bots").glob("*/journal.jsonl")) == []
        full.make_room()
        answer = await client.post("/v1/bots", json={"meeting_url": SHORT}, headers=key)
        assert answer.status_code == 201
        await until(client, answer.json()["id"], "completed")


@pytest.mark.parametrize("dialect", ORDERS)
async def test_every_dialect_says_that_it_cannot_now(tmp_path, full, dialect):
    path, body = ORDERS[dialect]
    dialects = () if dialect == "native" else (dialect,)
    async with serving(tmp_path, dialects=dialects, api_key="k") as server, http(server) as client:
        full(OSError(28, "No space left on device"))
        scheme = "Token" if dialect == "meetstream" else "Bearer"
        headers = {"x-api-key": "k", "x-spoke-api-key": "k", "authorization": f"{scheme} k"}
        answer = await client.post(path, json=body, headers=headers)
        assert answer.status_code == 503, answer.text
        assert len(answer.headers.get_list("retry-after")) == 1
        assert "disk" not in answer.text or dialect == "native"
        assert await server.service.stores.bots.unfinished() == []


async def test_a_row_that_cannot_be_taken_back_now_is_taken_back_later_and_joins_nothing(
    tmp_path, full, monkeypatch
):
    forget = BotRows.forget

    async def away(self, bot_id):
        raise DatabaseUnavailable("The database is away.")

    key = {"idempotency-key": "the-same"}
    async with serving(tmp_path) as server, http(server) as client:
        full(OSError(28, "No space left on device"))
        monkeypatch.setattr(BotRows, "forget", away)
        order = {"meeting_url": STAY}
        assert (await client.post("/v1/bots", json=order, headers=key)).status_code == 503
        assert (await client.post("/v1/bots", json=order, headers=key)).status_code == 503
        assert len(await server.service.stores.bots.unfinished()) == 1
    monkeypatch.setattr(BotRows, "forget", forget)
    full.make_room()
    async with serving(tmp_path) as server, http(server) as client:
        assert (await client.get("/v1/bots")).json()["bots"] == []
        answer = await client.post("/v1/bots", json={"meeting_url": SHORT}, headers=key)
        assert answer.status_code == 201
        await until(client, answer.json()["id"], "completed")


@pytest.fixture
def unanswered(monkeypatch):
    """Let a method of the rows be done, and its answer be lost; call it again to mend that."""

    def lose(name):
        whole = getattr(BotRows, name)

        async def lost(self, *args, **kwargs):
            await whole(self, *args, **kwargs)
            raise DatabaseUnavailable("The connection broke while it was committed.")

        monkeypatch.setattr(BotRows, name, lost)
        return lambda: monkeypatch.setattr(BotRows, name, whole)

    return lose


async def test_an_order_whose_commit_had_no_answer_is_taken_back(tmp_path, unanswered):
    """It was refused: with its row there, whoever sent it again would wait for a bot for ever."""
    key = {"idempotency-key": "the-same"}
    async with serving(tmp_path) as server, http(server) as client:
        mended = unanswered("insert")
        answer = await client.post("/v1/bots", json={"meeting_url": STAY}, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert await server.service.stores.bots.unfinished() == []
        mended()
        answer = await client.post("/v1/bots", json={"meeting_url": SHORT}, headers=key)
        assert answer.status_code == 201
        await until(client, answer.json()["id"], "completed")


async def test_a_key_finds_no_order_that_another_server_refused_and_could_not_take_back_yet(
    tmp_path, unanswered, monkeypatch
):
    async def later(self, bot_id):
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(refused_orders, "_WRITTEN_WITHIN_S", 0.3)
    key, body = {"idempotency-key": "the-same"}, {"meeting_url": SHORT}
    async with serving(tmp_path) as server, http(server) as client:
        rows = server.service.stores.bots
        monkeypatch.setattr(refused_orders.RefusedOrders, "take_back", later)
        mended = unanswered("insert")
        assert (await client.post("/v1/bots", json=body, headers=key)).status_code == 503
        mended()
        [left] = await rows.unfinished()
        answer = await client.post("/v1/bots", json=body, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        await rows.forget(left.bot_id)
        answer = await client.post("/v1/bots", json=body, headers=key)
        assert answer.status_code == 201
        again = await client.post("/v1/bots", json=body, headers=key)
        assert again.json()["id"] == answer.json()["id"]
        await until(client, answer.json()["id"], "completed")


async def test_a_bot_whose_new_order_had_no_answer_goes_by_the_one_that_is_written(
    tmp_path, unanswered
):
    async with serving(tmp_path) as server, http(server) as client:
        its = server.service
        bot = await ordered(client, SHORT, join_at="2099-01-01T00:00:00Z")
        live = its.live.get(bot["id"])
        before = await its.order(live.row)
        mended = unanswered("replace_order")
        with pytest.raises(StorageUnavailable):
            await its.reschedule(live.row, evolve(before, name="Newer", join_at=its.now()))
        mended()
        row = await until(client, bot["id"], "completed")
        assert (row["name"], row["reason"]) == ("Newer", "meeting_ended")


async def test_a_bot_that_is_not_scheduled_any_more_keeps_its_order(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        its = server.service
        bot = await ordered(client, SHORT, join_at="2099-01-01T00:00:00Z")
        live = its.live.get(bot["id"])
        before = await its.order(live.row)
        supervision = its.supervisor._supervisions[bot["id"]]
        supervision._stopped = "called off"
        with pytest.raises(NotNow):
            await its.reschedule(live.row, evolve(before, name="Another"))
        assert await its.order(live.row) == before
        supervision._stopped = None
        await client.post(f"/v1/bots/{bot['id']}/stop")


def test_options_that_no_bot_could_use_are_refused_when_the_server_starts(tmp_path):
    config = BotConfig(out_dir=tmp_path, plugins={"browser": {"video_view": "Speaker"}})
    specs = Specs(config, Plugins(only=["browser"]), None, ())
    with pytest.raises(ConfigError, match="video_view"):
        specs.check()
