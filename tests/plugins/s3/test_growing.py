"""Recordings go to the bucket while they grow, and come back from it when a machine is lost."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import pytest
import trio

import meetcore_s3.growing
from meetcore import Lease, StorageUnavailable
from meetcore.model.events import ArtifactWritten
from meetcore.testing.store_conformance import attend
from meetcore_s3.growing import GrowingFiles

from .bad_way import bad_way, says
from .places import LEAST, bucket_for, everything_in, open_s3
from .recordings import (
    KEY,
    NAME,
    SOUND,
    Place,
    grow,
    killed,
    lapse,
    nothing_left_over,
    running,
    until,
)
from .servers import nanio_server


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meetcore_s3.growing, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(meetcore_s3.growing, "_AGAIN_AFTER_S", 0.05)


async def test_parts_go_in_order_while_it_is_recorded_and_become_the_file(tmp_path: Path) -> None:
    """Each byte once in parts; nothing of the parts or the tail is left over."""
    place = Place(tmp_path)
    with trio.fail_after(60):
        async with running(place.store) as (journal, _):
            for n in range(1, 4):
                grow(place.store, SOUND[(n - 1) * LEAST : n * LEAST])
                await until(lambda n=n: place.held() == [LEAST] * n)
            grow(place.store, SOUND[3 * LEAST : 3 * LEAST + 1000])
            await until(lambda: place.tails() == {3 * LEAST: 1000})
            assert place.sent("upload_part") == 3 * LEAST
            assert await place.store.media("b-1").stat(NAME) is None
            attend(journal, place.store.workplace("b-1"))
        assert place.sent("upload_part") == 3 * LEAST + 1000
        assert await place.file(place.store) == SOUND[: 3 * LEAST + 1000]
        assert nothing_left_over(place)
        assert await place.store.uncarried() == []


async def test_a_tail_is_kept_of_what_is_new_and_goes_when_a_part_has_it(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with trio.fail_after(60):
        async with running(place.store):
            grow(place.store, SOUND[:1000])
            await until(lambda: place.tails() == {0: 1000})
            grow(place.store, SOUND[1000:5000])
            await until(lambda: place.tails() == {0: 1000, 1000: 4000})
            grow(place.store, SOUND[5000 : LEAST + 10])
            await until(lambda: place.held() == [LEAST] and place.tails() == {LEAST: 10})
        assert await place.file(place.store) == SOUND[: LEAST + 10]


async def test_a_header_that_is_written_at_the_end_costs_one_part(tmp_path: Path) -> None:
    place = Place(tmp_path, tail_every_s=0)
    with trio.fail_after(60):
        async with running(place.store):
            path = grow(place.store, SOUND)
            uploads = place.store._growing["b-1"]._growing
            await until(lambda: NAME in uploads and uploads[NAME].sent == 4 * LEAST)
            with path.open("r+b") as file:
                file.write(b"header")
            place.asked.clear()
        assert place.sent("upload_part") == LEAST
        assert await place.file(place.store) == b"header" + SOUND[6:]
        assert nothing_left_over(place)


@pytest.mark.parametrize("size", [10, LEAST + 5, 3 * LEAST])
async def test_a_file_that_is_another_one_at_the_end_is_uploaded_whole(
    size: int, tmp_path: Path
) -> None:
    """As when the index of a film was put in front, or it was cut."""
    place = Place(tmp_path, tail_every_s=0)
    made = random.Random(9).randbytes(size)
    with trio.fail_after(60):
        async with running(place.store):
            path = grow(place.store, SOUND[: 2 * LEAST])
            await until(lambda: place.held() == [LEAST] * 2)
            spare = path.with_name(".spare")
            spare.write_bytes(made)
            spare.replace(path)
        assert await place.file(place.store) == made
        assert nothing_left_over(place)


async def test_a_workplace_that_takes_no_note_ends_no_bot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, tries = Place(tmp_path), 0
    write = GrowingFiles._write_notes

    def full(self: GrowingFiles) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OSError(28, "No space left on device")
        write(self)

    monkeypatch.setattr(GrowingFiles, "_write_notes", full)
    with trio.fail_after(60):
        async with running(place.store):
            grow(place.store, SOUND[:700])
            await until(lambda: place.tails() == {0: 700})
        assert await place.file(place.store) == SOUND[:700]
    assert tries > 2


async def test_a_recording_that_got_another_name_or_is_gone_leaves_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with trio.fail_after(60):
        async with running(place.store):
            path = grow(place.store, SOUND[: LEAST + 100])
            await until(lambda: place.held() == [LEAST] and place.tails() != {})
            path.rename(path.with_name("mix-Ada.opus"))
        names = [file.name async for file in place.store.media("b-1").files()]
        assert names == ["files/mix-Ada.opus"]
        assert await place.file(place.store, names[0]) == SOUND[: LEAST + 100]
        assert nothing_left_over(place)


async def test_another_artifact_does_not_carry_the_recording_again(tmp_path: Path) -> None:
    """Only what is not a recording goes at once; it is there while the bot runs."""
    place = Place(tmp_path)
    with trio.fail_after(60):
        async with running(place.store) as (journal, _):
            grow(place.store, SOUND[: LEAST + 100])
            await until(lambda: place.held() == [LEAST])
            grow(place.store, b"a picture", "files/shot.png")
            journal.append(
                ArtifactWritten(
                    kind="screenshot",
                    path="files/shot.png",
                    media_type="image/png",
                    size_bytes=9,
                )
            )
            with trio.fail_after(10):
                media = place.store.media("b-1")
                while await media.stat("files/shot.png") is None:  # noqa: ASYNC110  as above
                    await trio.sleep(0.05)
            assert await place.store.media("b-1").stat(NAME) is None
            assert place.sent("upload_part") == LEAST


async def test_a_lost_machine_costs_what_was_after_the_last_part_and_the_tail(
    tmp_path: Path,
) -> None:
    """Another machine lays out what there is, works on it, and keeps what comes of it."""
    place = Place(tmp_path)
    with trio.fail_after(60):
        async with killed(place.store):
            grow(place.store, SOUND[: 2 * LEAST + 700])
            await until(lambda: place.tails() == {2 * LEAST: 700})
            grow(place.store, SOUND[2 * LEAST + 700 : 2 * LEAST + 900], NAME)
        await lapse(place)
        other = place.open(tmp_path / "there")
        async with other.checkout("b-1") as folder:
            found = (folder / NAME).read_bytes()
            assert SOUND.startswith(found)
            assert len(found) >= 2 * LEAST + 700
            (folder / NAME).write_bytes(b"made whole of " + found)
        assert await place.file(place.open()) == b"made whole of " + found
        assert nothing_left_over(place)


async def test_a_lost_machine_with_a_small_recording_costs_what_was_after_the_tail(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    with trio.fail_after(60):
        async with killed(place.store):
            grow(place.store, SOUND[:700])
            await until(lambda: place.tails() == {0: 700})
            grow(place.store, SOUND[700:900])
            await until(lambda: place.tails() == {0: 700, 700: 200})
        await lapse(place)
        other = place.open(tmp_path / "there")
        async with other.checkout("b-1") as folder:
            assert (folder / NAME).read_bytes() == SOUND[:900]
        assert await place.file(other) == SOUND[:900]
        assert nothing_left_over(place)


async def test_a_salvage_that_is_interrupted_is_done_again(tmp_path: Path) -> None:
    """Also when the parts are an object already, and the tail is not behind them yet."""
    place = Place(tmp_path)
    with trio.fail_after(60):
        async with killed(place.store):
            grow(place.store, SOUND[: LEAST + 50])
            await until(lambda: place.tails() == {LEAST: 50})
        await lapse(place)
        other = place.open(tmp_path / "there")

        async def away(*args: Any, **more: Any) -> Any:
            raise StorageUnavailable("gone")

        complete = other._objects.complete

        async def then_away(*args: Any) -> None:
            await complete(*args)
            other._objects.read = away  # type: ignore[assignment]
            other._objects.stat = away  # type: ignore[method-assign]

        other._objects.complete = then_away  # type: ignore[method-assign]
        with pytest.raises(StorageUnavailable, match="gone"):
            async with other.checkout("b-1"):
                pytest.fail("it has the file in part")
        third = place.open(tmp_path / "third")
        async with third.checkout("b-1") as folder:
            assert (folder / NAME).read_bytes() == SOUND[: LEAST + 50]
        assert nothing_left_over(place)


async def test_a_killed_process_goes_on_with_its_upload_on_the_same_machine(
    tmp_path: Path,
) -> None:
    """The file on the disk is the truth; the parts that are as it is are not sent again."""
    place = Place(tmp_path)
    with trio.fail_after(60):
        async with killed(place.store):
            grow(place.store, SOUND[: 2 * LEAST])
            await until(lambda: place.held() == [LEAST] * 2)
            grow(place.store, SOUND[2 * LEAST : 2 * LEAST + 900])
        await lapse(place)
        again = place.open()
        assert await again.uncarried() == ["b-1"]
        place.asked.clear()
        async with again.checkout("b-1") as folder:
            assert (folder / NAME).read_bytes() == SOUND[: 2 * LEAST + 900]
        assert place.sent("upload_part") == 900
        assert await place.file(again) == SOUND[: 2 * LEAST + 900]
        assert nothing_left_over(place)
        assert await again.uncarried() == []


async def test_what_is_rewritten_on_the_same_machine_replaces_what_was_uploaded(
    tmp_path: Path,
) -> None:
    """Recovery made a smaller file of it: no part stays."""
    place = Place(tmp_path)
    with trio.fail_after(60):
        async with killed(place.store):
            grow(place.store, SOUND[: LEAST + 9])
            await until(lambda: place.held() == [LEAST])
        await lapse(place)
        again = place.open()
        async with again.checkout("b-1") as folder:
            (folder / NAME).write_bytes(b"small")
        assert await place.file(again) == b"small"
        assert nothing_left_over(place)


async def test_an_upload_that_somebody_dropped_begins_anew(tmp_path: Path) -> None:
    """A rule of the bucket ends old ones. Over nanio: moto answers 500 to such a part."""
    server, folder = nanio_server(), tmp_path / "b-1"
    bucket, client = bucket_for(server, tmp_path), server.client()
    (folder / "files").mkdir(parents=True)
    # It says no before it has read the part, and then is stuck on that connection: a limit helps.
    objects = open_s3(server, bucket, tmp_path, request_s=1.0)._objects
    growing = GrowingFiles(objects, "mine/files/b-1/", "mine/tails/b-1/", folder, LEAST, 0)
    path = folder / NAME

    def dropped(parts: int) -> bool:
        """Drop the upload when it has so many parts."""
        for each in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
            wanted = {"Bucket": bucket, "Key": KEY, "UploadId": each["UploadId"]}
            if len(client.list_parts(**wanted).get("Parts", ())) == parts:
                client.abort_multipart_upload(**wanted)
                return True
        return False

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(growing.run, Lease())
            path.write_bytes(SOUND[:LEAST])
            await until(lambda: dropped(1))
            path.write_bytes(SOUND[: 2 * LEAST + 1])
            await until(lambda: dropped(2))
            nursery.cancel_scope.cancel()
        for last in (False, False, False, True):  # as the store does, which tries again
            try:
                await growing.put(NAME, path, KEY)
                break
            except StorageUnavailable:
                assert not last
        assert await growing.settle()
    found = everything_in(server, bucket)
    assert found == {KEY: SOUND[: 2 * LEAST + 1]}


async def test_an_upload_whose_beginning_was_never_answered_does_not_stay(tmp_path: Path) -> None:
    """The bucket has it, and nobody knows its id: it is looked for when all is settled."""
    server, folder = nanio_server(), tmp_path / "b-1"
    bucket, client = bucket_for(server, tmp_path), server.client()
    (folder / "files").mkdir(parents=True)
    objects = open_s3(server, bucket, tmp_path)._objects
    growing = GrowingFiles(objects, "mine/files/b-1/", "mine/tails/b-1/", folder, LEAST, 0)
    client.create_multipart_upload(Bucket=bucket, Key=KEY)
    other = "mine/files/b-10/files/mix.opus"
    client.create_multipart_upload(Bucket=bucket, Key=other)
    with trio.fail_after(60):
        assert await growing.settle()
    left = client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
    assert [each["Key"] for each in left] == [other]  # another bot's own


async def test_a_bucket_that_is_away_gets_it_when_it_is_there_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The recording goes on on the disk; trouble is told once, not each second."""
    caplog.set_level(logging.WARNING)
    place = Place(tmp_path)
    with trio.fail_after(90):
        async with bad_way(place.server.url) as way:
            place.options |= {"endpoint": way.url, "request_s": 20.0, "connect_s": 5.0}
            store = place.open()
            store.again_after_s = 0.1  # type: ignore[misc]
            async with running(store) as (journal, _):
                grow(store, SOUND[:LEAST])
                await until(lambda: place.held() == [LEAST])
                way.mode, way.answer = "answer", says(503, "SlowDown", "Reduce your request rate.")
                grow(store, SOUND[LEAST : 2 * LEAST + 5])
                await until(lambda: "cannot be uploaded now" in caplog.text)
                way.mode = "reset"
                await trio.sleep(0.5)
                way.mode = "pass"
                await until(lambda: place.held() == [LEAST] * 2)
                attend(journal, store.workplace("b-1"))
            assert await place.file(store) == SOUND[: 2 * LEAST + 5]
        told = [r for r in caplog.records if "cannot be uploaded now" in r.getMessage()]
        assert 1 <= len(told) <= 3
        assert "asked too much" in told[0].getMessage()
        assert nothing_left_over(place)
