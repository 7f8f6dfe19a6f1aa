"""A server that keeps nothing: everybody is told everything, and no byte of it is on a disk."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from meetcore import BotConfig, ConfigError, RetentionConfig
from meetcore.fleet import ChildProcessLauncher
from meetcore.log import UnkeptFleetStore
from meetcore.log.unkept import TOMBSTONE_NAME
from meetcore_server import retention
from meetcore_server.assembly import _store_name
from meetcore_server.command import _settings

from .running import STAY, http, ordered, said, say, serving, socket, until
from .webhooks.receiver import receiving, status

LINK = "https://meet.google.com/short-hushhush?pwd=Passcode77"
STAYS = "https://meet.google.com/stay-hushhush?pwd=Passcode77"
ORDERED = (b"hushhush", b"Passcode77", b"quiet-company", b"Hushed Name", b"/hook-hidden")
"""What an order says: in the database while its bot is there."""
SAID = (b"good morning", b"hello", b"Ada", b"Ben")
"""What is said and who is there: never on a disk."""
pytestmark = pytest.mark.folder_store  # where nothing is kept no store keeps it elsewhere


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="meetcore-tests-") as folder:
        yield Path(folder)


def nothing_in(memory: Path) -> dict[str, object]:
    return {"retention": {"keep": "nothing", "memory": str(memory)}}


def contents(place: Path) -> dict[str, bytes]:
    found = {}
    for path in place.rglob("*"):
        try:
            found[str(path.relative_to(place))] = path.read_bytes()
        except OSError:
            continue  # a folder, or gone meanwhile
    return found


def traces(place: Path, wanted: tuple[bytes, ...]) -> list[tuple[str, bytes]]:
    return [(name, it) for name, data in contents(place).items() for it in wanted if it in data]


def bots_in(memory: Path) -> list[str]:
    return [path.parent.name for path in memory.rglob("journal.jsonl")]


def hook(receiver, path="/hook-hidden", events=("state.changed", "segment.finalized", "bot.*")):
    return {"url": receiver.url(path), "events": list(events)}


async def hushed(client, receiver, link=LINK, **more):
    return await ordered(
        client,
        link,
        name="Hushed Name",
        metadata={"customer": "quiet-company"},
        webhooks=[hook(receiver)],
        **more,
    )


async def gone(server, bot_id):
    """Return a bot's row when its data is deleted, and nobody knows anything of it any more."""
    with trio.fail_after(90):
        while True:
            row = await server.service.stores.bots.get(bot_id)
            if row.deleted_at is not None and await server.service.clean_tombstones():
                return row
            await trio.sleep(0.05)


async def until_none(place, wanted):
    with trio.fail_after(90):
        while found := traces(place, wanted):  # noqa: ASYNC110
            await trio.sleep(0.05)
    assert not found


async def told_all_over_a_socket(server, bot_id, disk):
    """Return the types of what a socket is told, to the end; nothing said is on the disk."""
    seen = []
    async with socket(server) as connection:
        await say(connection, type="subscribe", bot_id=bot_id, after=0, drafts=False)
        while True:
            event = await said(connection)
            seen.append(event["type"])
            assert traces(disk, SAID) == []
            if event["type"] == "state.changed" and event["data"]["state"] == "completed":
                return seen


async def test_everybody_is_told_and_not_a_byte_of_it_stays(tmp_path, memory, caplog):
    caplog.set_level(logging.DEBUG)
    async with (
        receiving() as receiver,
        serving(tmp_path, private_targets=("*",), config=nothing_in(memory)) as server,
        http(server) as client,
    ):
        bot = await hushed(client, receiver, keep_hours=24)
        assert bots_in(memory) == [bot["id"]]
        assert traces(tmp_path, ORDERED), "they are looked for in the right place"
        seen = await told_all_over_a_socket(server, bot["id"], tmp_path)
        assert {"segment.finalized", "chat.received", "participant.joined"} <= set(seen)
        row = await gone(server, bot["id"])
        assert (row.state, row.reason) == ("completed", "meeting_ended")
        with trio.fail_after(90):
            while not any(b"data_deleted" in each.body for each in receiver.got):  # noqa: ASYNC110
                await trio.sleep(0.02)
        kinds = [each.json["type"] for each in receiver.at("/hook-hidden")]
        assert kinds.count("segment.finalized") == 2
        secrets = [t.secret for t in await server.service.webhooks.cursors.targets(bot["id"])]
        await gone(server, bot["id"])
        await until_none(tmp_path, (*ORDERED, *SAID, *(s.encode() for s in secrets if s)))
        shown = await client.get(f"/v1/bots/{bot['id']}")
        assert shown.json()["data_deleted_at"]
        assert bots_in(memory) == []
    assert traces(tmp_path, (*ORDERED, *SAID)) == []
    told = [each.getMessage() for each in caplog.records]
    assert [it for it in told for trace in (*ORDERED, *SAID[:2]) if trace.decode() in it] == []
    about = json.loads((tmp_path / "bots" / bot["id"] / TOMBSTONE_NAME).read_bytes())
    assert (about["state"], about["segments"], about["chat_messages"]) == ("completed", 2, 1)
    assert about["participants"] == 2


@pytest.mark.long
async def test_bots_in_processes_of_their_own_leave_nothing_either(tmp_path, memory):
    """Its log, its socket and the folders of its programs included; the next server adopts it."""
    launcher = ChildProcessLauncher(stop_with_launcher=False)
    async with receiving() as receiver:
        await processes(tmp_path, memory, launcher, receiver)
    assert traces(tmp_path, SAID) == []


async def processes(tmp_path, memory, launcher, receiver):
    async with (
        serving(
            tmp_path, private_targets=("*",), config=nothing_in(memory), launcher=launcher
        ) as server,
        http(server) as client,
    ):
        short = await hushed(client, receiver)
        seen = await told_all_over_a_socket(server, short["id"], tmp_path)
        assert seen.count("segment.finalized") >= 2
        await gone(server, short["id"])
        stays = await hushed(client, receiver, STAYS)
        await until(client, stays["id"], "recording")
    assert bots_in(memory) == [stays["id"]]
    async with (
        serving(
            tmp_path,
            private_targets=("*",),
            config=nothing_in(memory),
            launcher=ChildProcessLauncher(),
        ) as server,
        http(server) as client,
    ):
        assert (await client.get(f"/v1/bots/{stays['id']}")).json()["state"] == "recording"
        words = ""
        with trio.fail_after(60):
            while "good morning everyone" not in words:
                words = (await client.get(f"/v1/bots/{stays['id']}/transcript")).text
                await trio.sleep(0.1)
        await client.post(f"/v1/bots/{stays['id']}/stop")
        row = await gone(server, stays["id"])
        assert row.reason == "stop_requested"
        assert bots_in(memory) == []


async def test_a_bot_stays_in_memory_until_its_webhooks_have_all(tmp_path, memory, monkeypatch):
    monkeypatch.setattr(retention, "_DELIVERED_SOON", timedelta(seconds=0.2))
    async with (
        receiving() as receiver,
        serving(tmp_path, private_targets=("*",), config=nothing_in(memory)) as server,
        http(server) as client,
    ):
        receiver.answers["/hook-hidden"] = [status(503)] * 2
        bot = await hushed(client, receiver)
        await until(client, bot["id"], "completed")
        await gone(server, bot["id"])
        await receiver.until(lambda: b"data_deleted" in receiver.got[-1].body)
        kinds = [each.json["type"] for each in receiver.at("/hook-hidden")[2:]]
        assert kinds.count("segment.finalized") == 2
        assert kinds[-1] == "bot.data_deleted"
        states = [
            each.json["data"]["state"]
            for each in receiver.at("/hook-hidden")[2:]
            if each.json["type"] == "state.changed"
        ]
        assert states[-1] == "completed"
        await gone(server, bot["id"])
        await until_none(tmp_path, (*ORDERED, *SAID))


async def test_a_webhook_that_never_answers_does_not_keep_it_for_longer(
    tmp_path, memory, monkeypatch
):
    monkeypatch.setattr(retention, "_DELIVERED_SOON", timedelta(seconds=0.2))
    monkeypatch.setattr(retention, "_DELIVER_FOR", timedelta(seconds=1))
    async with (
        receiving() as receiver,
        serving(tmp_path, private_targets=("*",), config=nothing_in(memory)) as server,
        http(server) as client,
    ):
        receiver.standing["/hook-hidden"] = status(503)
        bot = await hushed(client, receiver)
        await until(client, bot["id"], "completed")
        with trio.fail_after(90):
            while bots_in(memory):  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert traces(tmp_path, SAID) == []


async def test_after_the_machine_has_restarted_bots_that_ran_have_crashed_and_others_come(
    tmp_path, memory
):
    soon = datetime.now(UTC) + timedelta(seconds=300)
    launcher = ChildProcessLauncher(stop_with_launcher=False)
    async with (
        serving(tmp_path, config=nothing_in(memory), launcher=launcher) as server,
        http(server) as client,
    ):
        ran = await ordered(client, STAY)
        later = await ordered(client, STAY, join_at=soon.isoformat())
        await until(client, ran["id"], "in_call")
        server.service.live.get(ran["id"]).running.abandon()
    for place in memory.iterdir():
        shutil.rmtree(place)
    async with (
        serving(tmp_path, config=nothing_in(memory)) as server,
        http(server) as client,
    ):
        row = await gone(server, ran["id"])
        assert (row.state, row.reason) == ("failed", "crashed")
        assert (await client.get(f"/v1/bots/{later['id']}")).json()["state"] == "scheduled"
        await client.post(f"/v1/bots/{later['id']}/stop")
        await gone(server, later["id"])
        assert bots_in(memory) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"sinks": ["files"]}, "'files' makes files"), ({"screenshots": "states"}, "screenshots is")],
)
async def test_a_server_that_would_make_files_does_not_begin(tmp_path, memory, changes, words):
    with pytest.RaisesGroup(
        pytest.RaisesExc(ConfigError, match=words), flatten_subgroups=True, allow_unwrapped=True
    ):
        async with serving(tmp_path, config={**nothing_in(memory), **changes}):
            pass
    assert bots_in(memory) == []


def test_the_command_makes_no_files_where_nothing_is_kept(tmp_path, monkeypatch):
    given = dict.fromkeys(
        ("config_path", "host", "port", "database", "root", "public_url", "api_key")
    )
    given |= {"out_dir": tmp_path, "plugin_files": (), "in_process": True, "keep_bots": False}
    for keep, sinks in (("all", ("files",)), ("nothing", ())):
        monkeypatch.setenv("MEETCORE_RETENTION__KEEP", keep)
        config, _, _ = _settings(dict(given), rehearsal=False, script=None)
        assert config.sinks == sinks
    file = tmp_path / "meetcore.toml"
    file.write_text("sinks = []\n[retention]\nkeep = 'all'\n")
    monkeypatch.delenv("MEETCORE_RETENTION__KEEP")
    config, _, _ = _settings({**given, "config_path": file}, rehearsal=False, script=None)
    assert config.sinks == (), "an empty list is said, too"


async def test_a_vendors_client_is_told_all_of_it_while_its_bot_runs(tmp_path, memory):
    order = {
        "service": "gmeet",
        "meeting_url": LINK,
        "bot_name": "Hushed Name",
        "transcription_model": "deepgram-realtime",
    }
    async with (
        receiving() as receiver,
        serving(
            tmp_path,
            dialects=("skribby",),
            private_targets=("*",),
            sandbox=None,
            config=nothing_in(memory),
        ) as server,
        http(server, "k") as client,
    ):
        order |= {"webhook_url": receiver.url("/hook-hidden"), "transcription_model": "scripted"}
        answer = await client.post("/skribby/bot", json=order)
        assert answer.status_code in (200, 201), answer.text
        bot_id = answer.json()["id"]
        await gone(server, bot_id)
        got = [each.json for each in receiver.at("/hook-hidden")]
        statuses = [each["data"]["new_status"] for each in got if each["type"] == "status_update"]
        assert {"joining", "recording", "finished"} <= set(statuses)
        await gone(server, bot_id)
        await until_none(tmp_path, (*ORDERED, *SAID))
        assert bots_in(memory) == []


def as_ordered_in(memory: Path) -> dict[str, object]:
    return {"retention": {"keep": "as_ordered", "memory": str(memory)}, "sinks": ["files"]}


async def test_each_order_says_whether_anything_is_kept_of_its_bot(tmp_path, memory):
    async with (
        receiving() as receiver,
        serving(tmp_path, private_targets=("*",), config=as_ordered_in(memory)) as server,
        http(server) as client,
    ):
        hushed_bot = await hushed(client, receiver, keep="nothing")
        kept = await ordered(client, "https://meet.google.com/short-keptkept")
        assert bots_in(memory) == [hushed_bot["id"]]
        assert bots_in(tmp_path / "bots") == [kept["id"]]
        both = {"meeting_url": LINK, "keep": "nothing", "video": True}
        assert (await client.post("/v1/bots", json=both)).status_code == 422
        for link, keep, wanted in ((LINK, "some", 400), (LINK, "nothing", 201)):
            answer = await client.post("/v1/bots", json={"meeting_url": link, "keep": keep})
            assert answer.status_code == wanted, answer.text
        await gone(server, hushed_bot["id"])
        await gone(server, answer.json()["id"])
        await until(client, kept["id"], "completed")
        transcript = (await client.get(f"/v1/bots/{kept['id']}/transcript")).json()
        assert transcript["segments"]
        recordings = (await client.get(f"/v1/bots/{kept['id']}/recordings")).json()
        assert recordings
        assert traces(tmp_path, (b"hushhush", b"quiet-company", b"Hushed Name")) == []
        assert bots_in(memory) == []
        for bot in (hushed_bot, answer.json()):
            about = json.loads((tmp_path / "bots" / bot["id"] / TOMBSTONE_NAME).read_bytes())
            assert (about["kept"], about["segments"]) == ("nothing", 2)
        events = (await client.get(f"/v1/bots/{kept['id']}/events")).json()["events"]
        assert events[0]["data"]["kept"] == "all"


@pytest.mark.long
async def test_bots_of_both_kinds_are_found_by_the_next_server(tmp_path, memory):
    """Each goes on where it is, in a process of its own, and is what its order said afterwards."""
    launcher = ChildProcessLauncher(stop_with_launcher=False)
    config = as_ordered_in(memory)
    async with receiving() as receiver:
        async with (
            serving(tmp_path, config=config, launcher=launcher, private_targets=("*",)) as server,
            http(server) as client,
        ):
            hushed_bot = await hushed(client, receiver, STAYS, keep="nothing")
            kept = await ordered(client, "https://meet.google.com/stay-keptkept")
            later = datetime.now(UTC) + timedelta(hours=1)
            soon = await hushed(client, receiver, LINK, keep="nothing", join_at=later.isoformat())
            for bot in (hushed_bot, kept):
                await until(client, bot["id"], "recording")
        assert sorted(bots_in(memory)) == sorted([hushed_bot["id"], soon["id"]])
        async with (
            serving(tmp_path, config=config, launcher=launcher, private_targets=("*",)) as server,
            http(server) as client,
        ):
            for bot in (hushed_bot, kept, soon):
                assert (await client.post(f"/v1/bots/{bot['id']}/stop")).status_code == 202
            for bot in (hushed_bot, soon):
                await gone(server, bot["id"])
            await until(client, kept["id"], "completed")
            assert bots_in(memory) == []
            assert bots_in(tmp_path / "bots") == [kept["id"]]
    assert traces(tmp_path, (*ORDERED[:3], b"hushhush")) == []


async def test_a_server_with_another_memory_is_not_taken_for_one_with_the_same_bots(
    tmp_path, memory
):
    """As on another machine, though both see one disk: none of them would find the other's bots."""
    names = []
    for place in (memory / "one", memory / "one", memory / "two"):
        place.mkdir(exist_ok=True)
        retention = RetentionConfig(keep="as_ordered", memory=place)
        store = UnkeptFleetStore(BotConfig(out_dir=tmp_path, retention=retention))
        names.append(await _store_name(SimpleNamespace(store=store)))
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(("ours", "theirs"), [("all", "nothing"), ("nothing", "all")])
async def test_an_order_that_wants_what_the_server_does_not_do_is_refused(
    tmp_path, memory, ours, theirs
):
    config = {"retention": {"keep": ours, "memory": str(memory)}}
    async with serving(tmp_path, config=config) as server, http(server) as client:
        answer = await client.post("/v1/bots", json={"meeting_url": LINK, "keep": theirs})
        assert answer.status_code == 422
        assert "as_ordered" in answer.json()["remedy"]
        answer = await client.post("/v1/bots", json={"meeting_url": LINK, "keep": ours})
        assert answer.status_code == 201


@pytest.mark.parametrize("keep", ["as_ordered", "nothing"])
async def test_a_server_that_would_not_find_them_does_not_start_while_they_run(
    tmp_path, memory, keep
):
    """Otherwise they would be told as deleted while they go on, and their words lie in memory."""
    launcher = ChildProcessLauncher(stop_with_launcher=False)
    config = {"retention": {"keep": keep, "memory": str(memory)}}
    async with (
        serving(tmp_path, config=config, launcher=launcher) as server,
        http(server) as client,
    ):
        bot = await ordered(client, STAYS, **({"keep": keep} if keep == "nothing" else {}))
        hushed_bot = (
            bot if keep == "nothing" else await ordered(client, STAYS + "2", keep="nothing")
        )
        await until(client, hushed_bot["id"], "recording")
    with pytest.raises(ConfigError, match="1 bots that have not ended were ordered with keep"):
        async with serving(tmp_path, launcher=launcher):
            pytest.fail("It serves.")
    assert hushed_bot["id"] in bots_in(memory)
    async with (
        serving(tmp_path, config=config, launcher=launcher) as server,
        http(server) as client,
    ):
        for each in {bot["id"], hushed_bot["id"]}:
            await client.post(f"/v1/bots/{each}/stop")
        await gone(server, hushed_bot["id"])
    assert bots_in(memory) == []
    async with serving(tmp_path, launcher=launcher):
        pass
