"""After a bot's data was deleted, nothing of what it was is anywhere; or it is said what stayed."""

from __future__ import annotations

import logging
import os
from contextlib import aclosing

import pytest
import trio

from meetcore import Runner, State, StateChanged
from meetcore.gateway import BotFile, BotGone
from meetcore_server import deletions, retention
from meetcore_server.deletions import Deletions
from meetcore_server.live import LiveBot
from meetcore_server.media_process import MediaProcesses
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.errors import DatabaseUnavailable

from .running import STAY, http, ordered, serving, until
from .webhooks.receiver import receiving

LINK = "https://meet.google.com/short-hushhush?pwd=Passcode77"
PICTURE = b"picture 1"  # what is in each of a simulated page
TRACES = (
    PICTURE,
    b"short-hushhush",
    b"Passcode77",
    b"quiet-company",
    b"Hushed Name",
    b"/hook-hidden",
)


def bytes_of(folder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def ended_bot(client, receiver) -> str:
    hook = {"url": receiver.url("/hook-hidden"), "events": ["state.changed", "bot.*"]}
    bot = await ordered(
        client, LINK, name="Hushed Name", metadata={"customer": "quiet-company"}, webhooks=[hook]
    )
    await until(client, bot["id"], "completed")
    return bot["id"]


async def test_no_trace_of_a_deleted_bot_is_in_a_byte_of_what_is_kept(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with (
        receiving() as receiver,
        serving(tmp_path, private_targets=("*",), config={"screenshots": "states"}) as server,
        http(server) as client,
    ):
        bot_id = await ended_bot(client, receiver)
        found = b"".join(bytes_of(tmp_path).values())
        assert all(trace in found for trace in TRACES), "they are looked for in the right place"
        assert PICTURE in found
        before = (await client.get(f"/v1/bots/{bot_id}")).json()
        secrets = [t.secret for t in await server.service.webhooks.cursors.targets(bot_id)]
        answer = await client.delete(f"/v1/bots/{bot_id}/data")
        assert answer.status_code == 200
        with trio.fail_after(90):
            while not any(b"data_deleted" in each.body for each in receiver.got):  # noqa: ASYNC110
                await trio.sleep(0.02)
            while True:
                await server.service.clean_tombstones()
                row = await server.service.stores.bots.get(bot_id)
                left = {
                    name: trace
                    for name, data in bytes_of(tmp_path).items()
                    for trace in (*TRACES, *(s.encode() for s in secrets if s))
                    if trace in data
                }
                if not left:
                    break
                await trio.sleep(0.05)
        assert row.deleted_at is not None
        assert row.ended_at is not None
        assert row.state == "completed"
        shown = (await client.get(f"/v1/bots/{bot_id}")).json()
        assert (shown["created_at"], shown["ended_at"]) == (
            before["created_at"],
            before["ended_at"],
        )
        assert (await client.get("/v1/bots")).status_code == 200
        assert (await client.get(f"/v1/bots/{bot_id}/deliveries")).status_code == 200
    assert not any(trace.decode() in caplog.text for trace in TRACES)
    assert not [name for name, data in bytes_of(tmp_path).items() for t in TRACES if t in data]


@pytest.mark.folder_store
async def test_a_copy_that_stays_holds_up_no_other_deletion(tmp_path, monkeypatch, caplog):
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, LINK))["id"]
        await until(client, bot_id, "completed")
        assert (await client.delete(f"/v1/bots/{bot_id}/data")).status_code == 200
        cleaned = []

        async def left_here():
            return [bot_id]

        async def clear_here(bot_id):
            return "mix.opus (Operation not permitted)"

        async def clean_tombstones():
            cleaned.append(bot_id)

        monkeypatch.setattr(server.service.store, "left_here", left_here)
        monkeypatch.setattr(server.service.store, "clear_here", clear_here)
        monkeypatch.setattr(server.service, "clean_tombstones", clean_tombstones)
        await retention._round(server.service)
        assert cleaned == [bot_id]
        assert "Operation not permitted" in caplog.text


async def test_what_cannot_be_deleted_is_said_and_tried_again_and_the_webhook_tells_the_truth(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(deletions, "_AGAIN_AFTER_S", 0.5)
    unlink = os.unlink

    async with (
        receiving() as receiver,
        serving(tmp_path, private_targets=("*",)) as server,
        http(server) as client,
    ):
        bot_id = await ended_bot(client, receiver)

        def refuse(path, *args, **kwargs):
            if str(path).endswith("journal.jsonl"):
                raise PermissionError(1, "Operation not permitted")
            unlink(path, *args, **kwargs)

        monkeypatch.setattr(os, "unlink", refuse)
        answer = await client.delete(f"/v1/bots/{bot_id}/data")
        assert answer.status_code == 503
        assert "journal.jsonl (Operation not permitted)" in answer.json()["detail"]
        assert (await client.get(f"/v1/bots/{bot_id}")).json()["data_deleted_at"] is None
        assert not any(b"data_deleted" in each.body for each in receiver.got)
        monkeypatch.setattr(os, "unlink", unlink)
        server.service.bot_ended.set()
        with trio.fail_after(90):
            while not any(b"data_deleted" in each.body for each in receiver.got):  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert not (tmp_path / "bots" / bot_id).exists()


async def test_a_bot_whose_row_says_that_it_has_ended_can_be_deleted_at_once(tmp_path, monkeypatch):
    """The row is written a moment before the server itself takes the end."""
    written = trio.Event()
    tell = LiveBot.tell

    async def late(self, event):
        if isinstance(event, StateChanged) and event.state is State.COMPLETED:
            written.set()
            await trio.sleep(0.5)
        await tell(self, event)

    monkeypatch.setattr(LiveBot, "tell", late)
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, STAY)
        await until(client, bot["id"], "recording")
        await client.post(f"/v1/bots/{bot['id']}/stop")
        with trio.fail_after(30):
            await written.wait()
        assert (await client.get(f"/v1/bots/{bot['id']}")).json()["state"] == "completed"
        answer = await client.delete(f"/v1/bots/{bot['id']}/data")
        assert answer.status_code == 200, answer.text
        assert answer.json()["deleted_objects"] > 0


@pytest.fixture
def slow_cut(monkeypatch):
    """Let the making of a file of another format wait for the test."""
    begun, go_on = trio.Event(), trio.Event()

    async def cut(self, media, source, target, start_s, end_s):
        await media.read_bytes(source)
        begun.set()
        await go_on.wait()
        target.write_bytes(PICTURE)

    monkeypatch.setattr(MediaProcesses, "cut", cut)
    return begun, go_on


async def bot_with_sound(server, client, tmp_path):
    """Return the row of a bot that has ended, and its files as clients get them."""
    bot_id = (await ordered(client, LINK))["id"]
    await until(client, bot_id, "completed")
    sound = tmp_path / "sound"
    sound.write_bytes(PICTURE)
    await server.service.store.media(bot_id).put("mix.opus", sound)
    sound.unlink()
    row = await server.service.stores.bots.get(bot_id)
    return row, await server.service.media(row)


@pytest.mark.parametrize("name", ["mix.mp3", "tracks/mix.mp3"])
async def test_a_file_that_is_made_while_the_data_is_deleted_does_not_outlast_it(
    tmp_path, slow_cut, name
):
    begun, go_on = slow_cut
    async with serving(tmp_path) as server, http(server) as client:
        row, media = await bot_with_sound(server, client, tmp_path)
        its = server.service

        async def make() -> None:
            with pytest.raises(BotGone):
                await its.media_processes.derived(media, "mix.opus", name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(make)
            await begun.wait()
            assert (await client.delete(f"/v1/bots/{row.bot_id}/data")).status_code == 200
            go_on.set()
        async with aclosing(its.store.media(row.bot_id).files()) as files:
            assert [each.name async for each in files] == []
        assert not list(tmp_path.rglob(f"*{row.bot_id}*"))


async def test_a_file_of_which_nobody_can_say_whether_it_may_stay_does_not(
    tmp_path, slow_cut, monkeypatch
):
    _, go_on = slow_cut
    go_on.set()
    async with serving(tmp_path) as server, http(server) as client:
        row, _ = await bot_with_sound(server, client, tmp_path)
        its, lasts = server.service, Deletions.lasts
        stored = its.store.media(row.bot_id)

        async def away(self, bot_id):
            raise DatabaseUnavailable("The database is away.")

        async def made() -> BotFile:
            media = await its.media(row)
            return await its.media_processes.derived(media, "mix.opus", "mix.mp3")

        monkeypatch.setattr(Deletions, "lasts", away)
        with pytest.raises(DatabaseUnavailable):
            await made()
        assert await stored.stat("mix.mp3") is None
        assert await stored.stat("mix.opus") is not None
        monkeypatch.setattr(Deletions, "lasts", lasts)
        assert (await made()).about.name == "mix.mp3"
        monkeypatch.setattr(Deletions, "lasts", away)
        assert (await made()).about.name == "mix.mp3"  # it was there before


async def test_what_somebody_works_on_is_deleted_when_they_are_done(tmp_path, monkeypatch):
    """A process that carries its recording to the store would go on after the deletion."""
    monkeypatch.setattr(deletions, "_GONE_WITHIN_S", 0.5)
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, LINK))["id"]
        await until(client, bot_id, "completed")
        store, works = server.service.store, True

        async def runner(of):
            await trio.lowlevel.checkpoint()
            return Runner() if works and of == bot_id else None

        monkeypatch.setattr(store, "runner", runner)
        answer = await client.delete(f"/v1/bots/{bot_id}/data")
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
        assert "worked on" in answer.json()["detail"]
        assert await store.log(bot_id).exists()
        works = False
        assert (await client.delete(f"/v1/bots/{bot_id}/data")).status_code == 200
        assert not await store.log(bot_id).exists()


async def test_a_bot_that_was_taken_without_an_answer_is_let_go_and_can_be_deleted(
    tmp_path, monkeypatch
):
    take = BotRows.take

    async def lost(self, bot_id):
        await take(self, bot_id)
        raise DatabaseUnavailable("The connection broke while it was committed.")

    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, LINK))["id"]
        await until(client, bot_id, "completed")
        monkeypatch.setattr(BotRows, "take", lost)
        assert (await client.delete(f"/v1/bots/{bot_id}/data")).status_code == 503
        assert await server.service.stores.bots.held_by(bot_id) is None
        monkeypatch.setattr(BotRows, "take", take)
        assert (await client.delete(f"/v1/bots/{bot_id}/data")).status_code == 200
