"""Bots in a bucket from their beginning to their deletion; a second bucket; words that are gone."""

from __future__ import annotations

import logging
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

import meetcore
import meetcore_s3.growing
from meetcore import StorageUnavailable
from meetcore.model.events import StateChanged
from meetcore.model.lifecycle import State
from meetcore.testing.simulated_meetings import PLUGIN_FILE
from meetcore.testing.store_conformance import StoreConformance, attend
from meetcore_s3 import plugin
from meetcore_s3.head import BotHead, decode_lines

from .bad_way import bad_way
from .places import LEAST, bucket_for, everything_in, open_s3
from .servers import S3Server, moto_server, nanio_server

KIT = StoreConformance()
WORDS = b"Ada Lovelace speaks of the Jacquard loom."
SAMPLES = random.Random(3).randbytes(64)


def versioned(server: S3Server, bucket: str) -> None:
    server.client().put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
    )


def holding(found: dict[str, bytes]) -> list[str]:
    """Return where words, names or samples are."""
    marks = (WORDS, SAMPLES, b"Ada", b"first", b"meet.example", b"Notes")
    return [key for key, data in found.items() if any(mark in data for mark in marks)]


async def test_nothing_of_a_deleted_bot_is_in_either_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word, name or sample: in no object, version, mark, unfinished upload or tail."""
    monkeypatch.setattr(meetcore_s3.growing, "_LOOK_EVERY_S", 0.05)
    server = moto_server()
    bucket, other = bucket_for(server, tmp_path), bucket_for(server, tmp_path / "second")
    for each in (bucket, other):
        versioned(server, each)
    second = {"url": f"s3://{other}/copies", **server.access()}
    store = open_s3(server, bucket, tmp_path / "w", tail_every_s=0.1, second=second)
    with trio.fail_after(90):
        for bot_id in ("b-1", "b-10", "b"):
            async with KIT.running(store, bot_id) as journal:
                folder = store.workplace(bot_id) / "files"
                folder.mkdir(exist_ok=True)
                (folder / "transcript.txt").write_bytes(WORDS)
                (folder / "mix.opus").write_bytes(SAMPLES)
                attend(journal, store.workplace(bot_id))
        media, objects = store.media("b-1"), store._objects
        await media.put("files/transcript.txt", store.workplace("b-1") / "files/transcript.txt")
        large = tmp_path / "large"
        large.write_bytes(SAMPLES * (LEAST // 64))
        upload = await objects.begin_upload("mine/files/b-1/files/cut.mp4")
        await objects.put_part(upload, large, 1, LEAST)
        await objects.put_bytes("mine/tails/b-1/files/cut.mp4/0000000000000000", SAMPLES)
        before = everything_in(server, bucket)
        siblings = {
            k: v for k, v in before.items() if "/b-10" in k or k.split("?")[0].endswith("/b")
        }
        assert len(holding(before)) > len(holding(siblings)) > 0
        assert [key for key in before if "?upload" in key]
        assert holding(everything_in(server, other))
        deletion = await store.delete("b-1")
        assert deletion.files >= 4
        after = everything_in(server, bucket)
        assert not [k for k in after if "/b-1/" in k or k.split("?")[0].endswith("/b-1")]
        assert {k: v for k, v in after.items() if k in siblings} == siblings
        for bot_id in ("b-10", "b"):
            assert (await store.delete(bot_id)).files >= 3
        for each in (bucket, other):
            left = everything_in(server, each)
            assert holding(left) == []
            assert {key.split("?")[0] for key in left} <= {"mine/conditions"}
        assert [p for p in (tmp_path / "w").rglob("*") if p.is_file()] == []


async def test_nothing_of_a_deleted_bot_is_on_the_disk_of_a_server(tmp_path: Path) -> None:
    """Looked for in each file that it has."""
    server = nanio_server()
    store = open_s3(server, bucket_for(server, tmp_path), tmp_path / "w")
    source = tmp_path / "source"
    with trio.fail_after(60):
        source.write_bytes(WORDS + SAMPLES * (LEAST // 64))
        await store.media("b-1").put("files/mix.opus", source)
        upload = await store._objects.begin_upload("mine/files/b-1/files/cut.mp4")
        await store._objects.put_part(upload, source, 1, LEAST)
        assert server.folder is not None
        files = [path for path in server.folder.rglob("*") if path.is_file()]
        assert [path for path in files if SAMPLES in path.read_bytes()]
        assert (await store.delete("b-1")).files == 1
        files = [path for path in server.folder.rglob("*") if path.is_file()]
        assert [p for p in files if SAMPLES in p.read_bytes() or WORDS in p.read_bytes()] == []


async def test_a_second_bucket_has_every_file_and_its_trouble_holds_up_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it lacks is told, and brought when the bot is worked on again."""
    caplog.set_level(logging.WARNING)
    server, others = moto_server(), nanio_server()  # for files a server without conditions will do
    bucket, other = bucket_for(server, tmp_path), bucket_for(others, tmp_path / "second")
    with trio.fail_after(90):
        async with bad_way(others.url) as way:
            second = {"url": f"s3://{other}/copies", **others.access(), "endpoint": way.url}
            store = open_s3(server, bucket, tmp_path / "w", second=second)
            await KIT.attended(store, "b-1")
            assert everything_in(others, other) == {
                "copies/files/b-1/files/mix.bin": bytes(100_000)
            }
            assert await store.trouble() == ""
            way.mode = "reset"
            await KIT.attended(store, "b-2")
            assert await store.media("b-2").read_bytes("files/mix.bin") == bytes(100_000)
            assert (await store.log("b-2").history()).ended
            assert "second bucket" in await store.trouble()
            assert "bot=b-2 is not in the second bucket yet" in caplog.text
            assert await store.uncarried() == ["b-2"]
            with pytest.raises(StorageUnavailable):
                await store.delete("b-1")  # the copy is there still: that is said
            way.mode = "pass"
            await store.delete("b-1")
            async with store.checkout("b-2"):
                pass
            assert await store.uncarried() == []
            assert list(everything_in(others, other)) == ["copies/files/b-2/files/mix.bin"]
            assert await store.trouble() == ""
            source = tmp_path / "later.txt"
            source.write_bytes(b"later")
            await store.media("b-2").put("files/later.txt", source)
            assert len(everything_in(others, other)) == 2
            await store.media("b-2").delete("files/later.txt")
            assert len(everything_in(others, other)) == 1


async def test_encryption_is_asked_for_with_every_object(tmp_path: Path) -> None:
    """The head, pages, files, and files in parts."""
    server = moto_server()
    bucket = bucket_for(server, tmp_path)
    key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    store = open_s3(
        server, bucket, tmp_path / "w", encryption="aws:kms", kms_key_id=key
    )  # fmt: skip
    source = tmp_path / "large"
    source.write_bytes(bytes(LEAST + 1))
    with trio.fail_after(60):
        await KIT.attended(store)
        await store.media("b-1").put("files/large.bin", source)
    client = server.client()
    keys = [each["Key"] for each in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert "mine/files/b-1/files/large.bin" in keys
    for name in keys:
        about = client.head_object(Bucket=bucket, Key=name)
        assert (about["ServerSideEncryption"], about["SSEKMSKeyId"]) == ("aws:kms", key)


async def test_the_end_is_told_when_the_files_are_there(tmp_path: Path) -> None:
    """Who reads that a bot has completed finds its recording."""
    server = moto_server()
    store = open_s3(server, bucket_for(server, tmp_path), tmp_path / "w")
    put, seen = store._put, []

    async def slow(bot_id: str, name: str, path: Path, key: str) -> None:
        events = [event async for event in store.log(bot_id).read(types=(StateChanged,))]
        seen.append([event.state for event in events if isinstance(event, StateChanged)][-1])
        await put(bot_id, name, path, key)

    store._put = slow  # type: ignore[method-assign]
    with trio.fail_after(60):
        async with KIT.running(store) as journal:
            attend(journal, store.workplace("b-1"))
            await trio.sleep(store.carry_every_s * 3)
    assert seen
    assert State.COMPLETED not in seen
    assert (await store.log("b-1").history()).ended


async def test_a_bot_attends_a_meeting_and_all_of_it_is_in_the_bucket(tmp_path: Path) -> None:
    """Chosen by the URL, as every bot is that is configured."""
    server = moto_server()
    bucket = bucket_for(server, tmp_path)
    plugins = meetcore.Plugins(entry_points=False, files=[PLUGIN_FILE], objects={"s3": plugin})
    options: dict[str, Any] = {**server.access(), "workplaces": str(tmp_path / "work")}
    config = meetcore.BotConfig(
        store={"url": f"s3://{bucket}/mine"}, plugins={"s3": options}, transcriber="scripted"
    )
    with trio.fail_after(90):
        async with meetcore.open_bot("simulated:short", config=config, plugins=plugins) as bot:
            await bot.wait_ended()
        store = open_s3(server, bucket, tmp_path / "elsewhere")
        assert [each.bot_id async for each in store.records()] == [bot.id]
        history = await store.log(bot.id).history()
        assert history.ended
        assert await store.runner(bot.id) is None
        assert await store.uncarried() == []


def test_a_long_log_becomes_pages_and_reads_as_it_was(tmp_path: Path) -> None:
    """Each page is bounded, the head, too; what is appended again stands once."""
    draw = random.Random(5)
    lines = [(n, draw.randbytes(draw.randrange(1, 3000))) for n in range(1, 700)]
    head = BotHead(lease=1, holder="me", for_s=20.0, mark="0")
    pages: dict[str, bytes] = {}
    at = 0
    while at < len(lines):
        upto = at + draw.randrange(1, 300)
        head, made = head.with_lines(lines[max(0, at - 3) : upto], f"{at}")
        pages |= {page.name: content for page, content in made}
        assert BotHead.decode(head.encode()) == head
        assert len(head.encode()) < 70_000 + 100 * len(pages)
        at = min(upto, len(lines))
    assert head.last_seq == 699
    read = [line for page in head.pages for line in decode_lines(pages[page.name])]
    assert [*read, *head.tail] == lines
    assert sorted(pages) == [page.name for page in head.pages]
    assert max(map(len, pages.values())) < 300_000


def test_a_head_or_page_that_is_damaged_is_told() -> None:
    head = BotHead(lease=1, holder="me", for_s=20.0, mark="0")
    data = head.with_lines([(1, b"one\n")], "1")[0].encode()
    for bad in (
        b"",
        b"{}\n",
        data[:-2],
        data.replace(b'"lease":1', b'"lease":"x"'),
        b"\xff" + data,
    ):
        with pytest.raises(StorageUnavailable, match="damaged"):
            BotHead.decode(bad)
    with pytest.raises(StorageUnavailable, match="later version"):
        BotHead.decode(data.replace(b'"format":1', b'"format":9'))


def test_the_plugin_is_loaded_without_its_client() -> None:
    """Whoever has it installed and does not use it does not pay for it."""
    script = "import meetcore_s3.plugin, sys; print('botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"False\n"
