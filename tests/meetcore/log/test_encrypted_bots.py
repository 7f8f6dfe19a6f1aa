"""Bots in an encrypted folder: all of them is there for who has the key, and no byte for others."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from meetcore import (
    BotConfig,
    BotSpec,
    Chunk,
    ConfigError,
    EncryptionKeyMissing,
    Event,
    JournalBusy,
    Launcher,
    Plugins,
    RetentionConfig,
    RunningBot,
    Sink,
    StoreConfig,
    open_fleet,
)
from meetcore.fleet.recovery import recover_all, recover_bot
from meetcore.log.encrypted_media import EncryptedMedia
from meetcore.log.encrypted_store import EncryptedFolderStore
from meetcore.log.folder_store import FolderStore
from meetcore.log.folders import encrypted_log_path
from meetcore.log.stores import store_of
from meetcore.model.errors import FileDamaged, StorageUnavailable
from meetcore.model.events import StateChanged
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.testing import ScriptedTranscriber, SimMeeting
from meetcore.testing.store_conformance import StoreConformance

from .encrypted import forget, key_file, memory_of, open_store
from .test_unkept import MEETING, WORDS, contents, leaks

T = TypeVar("T")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    yield memory_of(tmp_path)
    forget()


def config_of(disk: Path, memory: Path, **store: object) -> BotConfig:
    return BotConfig(
        out_dir=disk / "bots",
        fsync=False,
        sinks=("files",),
        screenshots="off",
        store=StoreConfig(encrypt=key_file(disk.parent / "key"), **store),  # type: ignore[arg-type]
        retention=RetentionConfig(memory=memory),
        plugins={"files": {"format": "wav"}},
    )


def named_leaks(places: list[Path], sounds: list[bytes]) -> list[object]:
    """Return where words, names or sound are, in files or in their names."""
    paths = [str(path) for place in places for path in place.rglob("*")]
    names = [(path, word) for path in paths for word in (*WORDS, "mix", "transcript", "wav")]
    return [*leaks(contents(*places), sounds), *(each for each in names if each[1] in each[0])]


async def everything(items: AsyncGenerator[T, None]) -> list[T]:
    async with aclosing(items):
        return [item async for item in items]


class SoundSink(Sink):
    """Remembers what was heard, as bytes of a WAV file."""

    name = "sound"
    wants_audio: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bytes] = []

    async def deliver(self, event: Event) -> None:
        del event

    async def on_audio(self, chunk: Chunk) -> None:
        if np.abs(chunk.pcm).max() > 1000:
            self.heard.append(chunk.pcm[:400].tobytes())


async def test_all_of_a_bot_is_there_with_the_key_and_nothing_is_in_the_clear(
    tmp_path: Path,
    memory: Path,
    mock_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    mock_clock.rate = 5  # a clock that jumps would end the meeting while a thread is at work
    disk, temporary = tmp_path / "disk", tmp_path / "tmp"
    for place in (disk, temporary):
        place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    meeting, sink, config = SimMeeting(MEETING), SoundSink(), config_of(disk, memory)
    grew: list[int] = []
    async with meeting.open_bot(
        disk, config=config, transcriber=ScriptedTranscriber(meeting.script), sinks=[sink]
    ) as bot:
        media = store_of(config, Plugins(entry_points=False)).media(bot.id)
        with tempfile.NamedTemporaryFile() as file:  # as any plugin makes one
            assert Path(file.name).is_relative_to(memory)
        async for event in bot.events():
            assert named_leaks([disk, temporary], sink.heard) == []
            found = await media.stat("files/mix.wav")
            if found is not None and event.type != "state.changed":
                grew.append(found.size_bytes)
                parts = await everything(media.read("files/mix.wav", 20, found.size_bytes - 25))
                assert len(b"".join(parts)) == max(0, min(found.size_bytes, found.size_bytes - 25))
        in_memory = {name for _, name in leaks(contents(memory), sink.heard)}
        assert {"aardvark", "Quillfeather"} <= in_memory, "they are looked for in the right way"
        journal = list(bot.journal.read())
    assert grew == sorted(grew)
    assert grew[-1] > grew[0] > 0
    assert len(sink.heard) > 2
    assert named_leaks([disk, temporary], sink.heard) == []
    assert list(temporary.iterdir()) == []

    store = store_of(config, Plugins(entry_points=False))
    assert isinstance(store, EncryptedFolderStore)
    assert await everything(store.log(bot.id).read()) == journal
    media = store.media(bot.id)
    names = [file.name for file in await everything(media.files())]
    assert "files/mix.wav" in names
    assert any("Xanthippe-Quillfeather" in name for name in names)
    assert "aardvark zeppelin" in (await media.read_bytes("files/transcript.txt")).decode()
    mix = await media.read_bytes("files/mix.wav")
    assert all(sound in mix for sound in sink.heard)
    manifest = json.loads(await media.read_bytes("files/manifest.json"))
    sizes = {each["path"]: each["size_bytes"] for each in manifest["files"]}
    assert sizes["mix.wav"] == len(mix)
    workplaces = [path.name for path in contents(memory)]
    assert workplaces == ["journal.jsonl"]  # until this process ends: somebody may be reading it
    assert "state.changed" in caplog.text
    assert [word for word in WORDS if word in caplog.text] == []
    assert bot.kept_in == str(config.out_dir / bot.id)


async def test_a_bot_that_is_given_up_in_the_middle_is_recovered_with_its_sound(
    tmp_path: Path, memory: Path, mock_clock: MockClock
) -> None:
    """Here from memory, elsewhere from what was on the disk."""
    mock_clock.rate = 5
    (tmp_path / "disk").mkdir()
    config = config_of(tmp_path / "disk", memory)
    meeting, sink = SimMeeting(MEETING), SoundSink()
    copies = tmp_path / "copies"
    async with meeting.open_bot(
        tmp_path, config=config, transcriber=ScriptedTranscriber(meeting.script), sinks=[sink]
    ) as bot:
        async for event in bot.events():
            if event.meeting_s is not None and event.meeting_s > 9:
                break
        shutil.copytree(config.out_dir, copies / "bots")
        shutil.copytree(memory, copies / "memory")  # as SIGKILL would leave both
        written = list(bot.journal.read())
    apart = memory_of(copies)
    shutil.copytree(copies / "memory", apart, dirs_exist_ok=True)
    there = evolve(config, out_dir=copies / "bots", retention=RetentionConfig(memory=apart))
    # The workplace of a folder is named after it: this is the one of the copy.
    (left,) = apart.glob("mc-*")
    store = store_of(there, Plugins(entry_points=False))
    right = store.workplace(bot.id).parent
    shutil.rmtree(right)
    left.rename(right)
    shutil.copytree(copies / "bots", tmp_path / "lost" / "bots")

    plugins = Plugins(only=["files"])
    for place, least_s, known in (
        (copies / "bots", 8.0, written),
        (tmp_path / "lost" / "bots", 6.0, written[:10]),
    ):
        memory_here = apart if place.is_relative_to(copies) else memory_of(place)
        here = evolve(config, out_dir=place, retention=RetentionConfig(memory=memory_here))
        store = store_of(here, plugins)
        (done,) = await recover_all(store, plugins=plugins, config=here)
        assert done.ended
        assert done.trouble == ["The sink 'sound' is not installed here."]
        events = await everything(store.log(bot.id).read())
        assert events[: len(known)] == known
        ends = [event for event in events if isinstance(event, StateChanged)]
        assert ends[-1].reason is EndReason.CRASHED
        mix = await store.media(bot.id).read_bytes("files/mix.wav")
        assert len(mix) / 32_000 > least_s
        assert any(sound in mix for sound in sink.heard)
        assert "zeppelin" in (await store.media(bot.id).read_bytes("files/transcript.txt")).decode()
        assert named_leaks([place], sink.heard) == []
        assert contents(memory_here) == {}
        (again,) = await recover_all(store, plugins=plugins, config=here)
        assert not again.ended
        assert contents(memory_here) == {}


class TestCutAnywhere(StoreConformance):
    """The same folder, with its log cut at many bytes; no test of the conformance twice."""

    __test__ = False

    def open_store(self, place: Path) -> EncryptedFolderStore:
        return open_store(place)


@pytest.fixture
async def attended(tmp_path: Path, memory: Path) -> tuple[EncryptedFolderStore, list[Event]]:
    """An encrypted folder with a bot that attended a meeting."""
    store = open_store(tmp_path)
    await TestCutAnywhere().attended(store)
    return store, await everything(store.log("b-1").read())


async def test_a_log_that_is_cut_at_any_byte_is_brought_to_an_end(
    tmp_path: Path, attended: tuple[EncryptedFolderStore, list[Event]]
) -> None:
    store, events = attended
    data = encrypted_log_path(store.folder / "b-1").read_bytes()
    plugins = Plugins(entry_points=False)
    for cut in sorted(random.Random(4).sample(range(100, len(data)), 40)):
        place = tmp_path / f"cut-{cut}"
        shutil.copytree(store.folder, place / "bots")
        os.truncate(encrypted_log_path(place / "bots" / "b-1"), cut)
        there = open_store(place)
        kept = await everything(there.log("b-1").read())
        assert kept == events[: len(kept)]
        if kept:
            (done,) = await recover_bot(there, "b-1", plugins=plugins)
            assert done.ended
            after = await everything(there.log("b-1").read())
            assert after[: len(kept)] == kept
            assert isinstance(after[-1], StateChanged)
            assert after[-1].reason is EndReason.CRASHED
            assert [event.seq for event in after] == list(range(1, len(after) + 1))


async def test_a_log_with_a_damaged_byte_says_what_is_lost(
    tmp_path: Path, attended: tuple[EncryptedFolderStore, list[Event]]
) -> None:
    store, events = attended
    path = encrypted_log_path(store.folder / "b-1")
    data = path.read_bytes()
    for at in random.Random(5).sample(range(len(data)), 60):
        path.write_bytes(data[:at] + bytes([data[at] ^ 64]) + data[at + 1 :])
        try:
            found = await everything(open_store(tmp_path).log("b-1").read())
        except (FileDamaged, EncryptionKeyMissing):
            assert at < 76  # the header
            continue
        assert at >= 76
        assert [event.seq for event in found] == list(range(1, len(found) + 1))
        for event, was in zip(found, events, strict=False):
            assert event == was or event.type == "event.lost"
        assert len(found) < len(events) or any(event.type == "event.lost" for event in found)


async def test_a_log_with_a_damaged_frame_is_mended_by_recovery(
    tmp_path: Path, attended: tuple[EncryptedFolderStore, list[Event]]
) -> None:
    store, events = attended
    path = encrypted_log_path(store.folder / "b-1")
    data = bytearray(path.read_bytes())
    data[76 + 40] ^= 1  # in the first frame, with how the bot began
    path.write_bytes(data)
    there = open_store(tmp_path, elsewhere=True)
    damaged = await everything(there.log("b-1").read())
    lost = [event.seq for event in damaged if event.type == "event.lost"]
    assert lost == list(range(1, len(lost) + 1)) != []
    assert damaged[len(lost) :] == events[len(lost) :]
    (done,) = await recover_bot(there, "b-1", plugins=Plugins(entry_points=False))
    assert f"{len(lost)} events are lost" in " ".join(done.trouble)
    for each in (there, open_store(tmp_path)):
        assert [e.type for e in await everything(each.log("b-1").read())] == [
            event.type for event in damaged
        ]
    (size, again) = (path.stat().st_size, open_store(tmp_path))
    await recover_bot(again, "b-1", plugins=Plugins(entry_points=False))
    assert path.stat().st_size == size


async def test_a_damaged_file_is_never_read_as_another(
    tmp_path: Path, attended: tuple[EncryptedFolderStore, list[Event]]
) -> None:
    store, _ = attended
    media = store.media("b-1")
    content = random.Random(6).randbytes(300_000)
    (tmp_path / "given").write_bytes(content)
    await media.put("files/sound.bin", tmp_path / "given")
    assert await media.read_bytes("files/sound.bin") == content
    for first, length in ((0, 1), (65_535, 2), (131_072, 65_536), (299_999, 9), (70_000, 150_000)):
        parts = await everything(media.read("files/sound.bin", first, length))
        assert b"".join(parts) == content[first : first + length]
    (path,) = [p for p in (store.folder / "b-1" / "files").iterdir() if p.stat().st_size > 250_000]
    data = path.read_bytes()
    changed = [data[:-1], data[:200_000], data + b"x", data[:50], b""]
    places = random.Random(7).sample(range(len(data)), 25)
    changed += [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in places]
    frame = 65_536 + 36
    second = len(data) - (300_000 - 4 * 65_536 + 36) - 3 * frame
    swapped = bytearray(data)
    swapped[second : second + frame], swapped[second + frame : second + 2 * frame] = (
        data[second + frame : second + 2 * frame],
        data[second : second + frame],
    )
    for each in [*changed, bytes(swapped)]:
        path.write_bytes(each)
        with pytest.raises((FileDamaged, EncryptionKeyMissing)):
            await media.read_bytes("files/sound.bin")
    path.write_bytes(data)
    (other,) = [p for p in path.parent.iterdir() if p != path]
    mine = other.read_bytes()
    other.write_bytes(data)
    with pytest.raises(FileDamaged, match="place of another"):
        await media.read_bytes("files/mix.bin")
    other.write_bytes(mine)
    (store.folder / "b-2").mkdir()
    shutil.copytree(store.folder / "b-1", store.folder / "b-2", dirs_exist_ok=True)
    with pytest.raises(FileDamaged, match="another file"):
        await everything(store.log("b-2").read())


async def test_a_part_of_a_large_file_is_read_without_the_rest(
    tmp_path: Path, attended: tuple[EncryptedFolderStore, list[Event]]
) -> None:
    store, _ = attended
    (tmp_path / "given").write_bytes(bytes(20_000_000))
    media = store.media("b-1")
    await media.put("files/film.mp4", tmp_path / "given")
    (path,) = [p for p in (store.folder / "b-1" / "files").iterdir() if p.stat().st_size > 10**7]
    data = bytearray(path.read_bytes())
    for at in (1_000_000, 19_000_000):  # what is not asked for may be damaged
        data[at] ^= 1
    path.write_bytes(data)
    parts = await everything(media.read("files/film.mp4", 10_000_000, 100))
    assert b"".join(parts) == bytes(100)


async def test_a_growing_recording_is_read_as_far_as_it_is_whole(
    tmp_path: Path, attended: tuple[EncryptedFolderStore, list[Event]]
) -> None:
    media = attended[0].media("b-1")
    assert isinstance(media, EncryptedMedia)
    source, content, copy = tmp_path / "mix.opus", random.Random(8).randbytes(9_000), None
    for until in (0, 10, 10, 4_000, 9_000):
        source.write_bytes(content[:until])
        copy = media.grow("files/mix.opus", source, copy)
        assert await media.read_bytes("files/mix.opus") == content[:until]
    assert copy is not None
    (path,) = [
        p
        for p in (attended[0].folder / "b-1" / "files").iterdir()
        if 9_000 < p.stat().st_size < 20_000
    ]
    data = path.read_bytes()
    for cut in random.Random(9).sample(range(len(data)), 60):
        path.write_bytes(data[:cut])
        try:
            read = await media.read_bytes("files/mix.opus")
        except FileDamaged:
            assert cut < 250  # in the header, or the first frame
            continue
        assert read in (b"", content[:10], content[:4_000])
    for at in random.Random(10).sample(range(len(data)), 60):
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        try:
            read = await media.read_bytes("files/mix.opus")
        except (FileDamaged, EncryptionKeyMissing):
            continue
        assert content.startswith(read)  # the length of a frame says more than there is
    path.write_bytes(data)
    source.write_bytes(content[:100])  # another recording of that name, or one that was cut
    again = media.grow("files/mix.opus", source, copy)
    assert await media.read_bytes("files/mix.opus") == content[:100]
    source.unlink()
    assert media.grow("files/mix.opus", source, again) is None
    media.drop_growing()
    assert await media.stat("files/mix.opus") is None
    assert again is not None
    assert again.fd < 0


async def test_a_damaged_file_is_left_out_and_the_others_are_there(
    attended: tuple[EncryptedFolderStore, list[Event]], caplog: pytest.LogCaptureFixture
) -> None:
    store = attended[0]
    async with store.checkout("b-1") as folder:
        (folder / "note.txt").write_text("as it was")
    largest = max((store.folder / "b-1" / "files").iterdir(), key=lambda each: each.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    async with store.checkout("b-1") as folder:
        assert (folder / "note.txt").read_text() == "as it was"
        assert not (folder / "files" / "mix.bin").exists()
    assert "bot=b-1 is without a file" in caplog.text
    assert not store.workplace("b-1").exists()
    assert bytearray(largest.read_bytes()) == data


async def test_what_is_deleted_while_somebody_works_on_it_stays_deleted(
    tmp_path: Path, attended: tuple[EncryptedFolderStore, list[Event]]
) -> None:
    store, other = attended[0], open_store(tmp_path)
    with pytest.raises((OSError, StorageUnavailable)):
        async with store.checkout("b-1") as folder:
            await other.delete("b-1")
            (folder / "files" / "late.bin").write_bytes(b"more")
    assert list(store.folder.iterdir()) == []
    assert await everything(store.records()) == []
    await store.delete("b-1")
    assert not store.workplace("b-1").exists()


# --- keys ----------------------------------------------------------------------------------------


async def test_what_an_older_key_encrypted_is_read_and_worked_on(
    tmp_path: Path, attended: tuple[EncryptedFolderStore, list[Event]], memory: Path
) -> None:
    store, events = attended
    old = f"file:{tmp_path / 'key'}"
    new = key_file(tmp_path / "new", bytes(32))

    def opened(encrypt: str, *decrypt: str) -> EncryptedFolderStore:
        config = BotConfig(
            out_dir=store.folder,
            store=StoreConfig(encrypt=encrypt, decrypt=decrypt),
            retention=RetentionConfig(memory=memory),
        )
        found = store_of(config, Plugins(entry_points=False))
        assert isinstance(found, EncryptedFolderStore)
        return found

    both, without = opened(new, old), opened(new)
    assert await everything(both.log("b-1").read()) == events
    await TestCutAnywhere().attended(both, "b-2")
    async with both.checkout("b-1") as folder:
        (folder / "files" / "mix.bin").write_bytes(b"another")
    assert await both.media("b-1").read_bytes("files/mix.bin") == b"another"
    assert await both.unreadable() == ""

    assert await everything(without.log("b-2").read())
    told = await without.unreadable()
    assert told.startswith("b-1: encrypted with the key ")
    for read in (
        everything(without.log("b-1").read()),
        without.log("b-1").history(),
        recover_bot(without, "b-1", plugins=Plugins(entry_points=False)),
        without.end("b-1", EndReason.CRASHED, Evidence("test")),
    ):
        with pytest.raises(EncryptionKeyMissing, match=f"which is not that of {new}"):
            await read
    (trouble,) = await recover_all(without, plugins=Plugins(entry_points=False))
    assert trouble.bot_id == "b-1"
    assert "decrypt, of [store]" in trouble.trouble[0]
    assert (await without.delete("b-1")).files == 2
    assert [each.bot_id for each in await everything(both.records())] == ["b-2"]


async def test_without_a_key_it_is_said_what_to_set(
    attended: tuple[EncryptedFolderStore, list[Event]],
) -> None:
    plain = FolderStore(attended[0].folder)
    assert [each.bot_id for each in await everything(plain.records())] == ["b-1"]
    assert (await plain.unreadable()).startswith("b-1: they are encrypted")
    assert await plain.log("b-1").exists()
    with pytest.raises(EncryptionKeyMissing, match="MEETCORE_STORE__ENCRYPT"):
        await everything(plain.log("b-1").read())
    with pytest.raises(EncryptionKeyMissing):
        plain.media("b-1")
    for refused in (
        plain.begin("b-1", TestCutAnywhere().head()),
        plain.prepare("b-1"),
        plain.end("b-1", EndReason.CRASHED, Evidence("test")),
        recover_bot(plain, "b-1", plugins=Plugins(entry_points=False)),
    ):
        with pytest.raises(EncryptionKeyMissing):
            await refused
    assert (await plain.delete("b-1")).stayed == ""
    assert await everything(plain.records()) == []


async def test_bots_from_before_are_read_beside_those_that_are_encrypted(
    attended: tuple[EncryptedFolderStore, list[Event]],
) -> None:
    store, events = attended
    plain = FolderStore(store.folder, fsync=False)
    await TestCutAnywhere().attended(plain, "b-0")
    assert [each.bot_id for each in await everything(store.records())] == ["b-0", "b-1"]
    before = await everything(plain.log("b-0").read())
    assert await everything(store.log("b-0").read()) == before
    assert await everything(store.log("b-1").read()) == events
    assert store.workplace("b-0") == store.folder / "b-0"
    assert await store.media("b-0").read_bytes("files/mix.bin") == bytes(100_000)
    async with store.checkout("b-0") as folder:
        (folder / "note.txt").write_text("more")
    assert await plain.media("b-0").read_bytes("note.txt") == b"more"
    assert await store.runner("b-0") is None
    async with TestCutAnywhere().running(plain, "b-3"):
        assert await store.runner("b-3") is not None
        with pytest.raises(JournalBusy):
            async with store.checkout("b-3"):
                pytest.fail("it runs")
    assert (await store.delete("b-0")).files >= 2


# --- what is refused -----------------------------------------------------------------------------


def test_where_all_cannot_be_encrypted_nothing_is_begun(tmp_path: Path, memory: Path) -> None:
    reference = key_file(tmp_path / "key")
    plugins = Plugins(entry_points=False)

    def refused(match: str, **settings: object) -> None:
        store = {"encrypt": reference, **settings.pop("store", {})}  # type: ignore[dict-item]
        config = BotConfig(store=StoreConfig(**store), out_dir=tmp_path / "bots", **settings)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=match):
            store_of(config, plugins)

    refused("is for a folder", store={"url": "s3://bucket"})
    refused("keep in .retention. is 'nothing'", retention={"keep": "nothing"})
    refused("keep in .retention. is 'as_ordered'", retention={"keep": "as_ordered"})
    refused("/proc is on a disk", retention={"memory": "/proc"})
    refused("cannot be read", store={"encrypt": f"file:{tmp_path / 'none'}"})
    assert not (tmp_path / "bots").exists()
    assert list(memory.iterdir()) == []


async def test_bots_that_run_elsewhere_are_refused(tmp_path: Path, memory: Path) -> None:
    class Elsewhere(Launcher):
        name = "elsewhere"

        async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> RunningBot:
            pytest.fail(f"{spec.bot_id} ran with {nursery}")

    config = config_of(tmp_path, memory)
    with pytest.RaisesGroup(
        pytest.RaisesExc(ConfigError, match="'elsewhere'"), flatten_subgroups=True
    ):
        async with open_fleet(config, plugins=Plugins(entry_points=False), launcher=Elsewhere()):
            pytest.fail("it began")
