"""Another file in the place of a recording: at each moment a lost machine has left one of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import trio

import meetcore_s3.growing
from meetcore import StorageUnavailable
from meetcore.log.scratch import scratch_in
from meetcore_s3.growing import GrowingFiles

from .places import LEAST
from .recordings import (
    KEY,
    NAME,
    SOUND,
    Killed,
    Place,
    grow,
    killed,
    lapse,
    nothing_left_over,
    until,
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meetcore_s3.growing, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(meetcore_s3.growing, "_AGAIN_AFTER_S", 0.05)


def replaced(path: Path, made: bytes) -> None:
    """Put another file in the place of a recording, as a sink does that completes it."""
    spare = path.with_name(".spare")
    spare.write_bytes(made)
    spare.replace(path)


async def stand_still(growing: GrowingFiles) -> None:
    """Have it look at no recording any more, and be in the middle of none."""

    async def nothing(name: str) -> None:
        await trio.lowlevel.checkpoint()

    growing._carry = nothing  # type: ignore[method-assign]
    await trio.sleep(0.2)


@pytest.mark.parametrize("size", [700, LEAST + 5, 2 * LEAST + 300])
async def test_what_there_is_of_a_recording_stays_until_the_one_in_its_place_is_there(
    size: int, tmp_path: Path
) -> None:
    """Another file has its name: a bucket that is away then has the old one, and later the new."""
    place = Place(tmp_path)
    made = random.Random(9).randbytes(size)
    with trio.fail_after(60):
        async with killed(place.store):
            path = grow(place.store, SOUND[: LEAST + 700])
            await until(lambda: place.held() == [LEAST] and place.tails() == {LEAST: 700})
            objects, tried = place.store._objects, trio.Event()

            async def away(*args: Any) -> Any:
                tried.set()
                raise StorageUnavailable("gone")

            really = objects.put_slice, objects.put_part
            objects.put_slice = objects.put_part = away  # type: ignore[method-assign]
            replaced(path, made)
            await tried.wait()
            assert place.tails() == {LEAST: 700}
            assert LEAST in place.held()
            objects.put_slice, objects.put_part = really  # type: ignore[method-assign]
            parts = [LEAST] * (size // LEAST)
            await until(lambda: place.held() == parts)
            await until(lambda: place.tails() == {len(parts) * LEAST: size % LEAST})
        await lapse(place)
        other = place.open(tmp_path / "there")
        async with other.checkout("b-1") as folder:
            assert (folder / NAME).read_bytes() == made
        assert await place.file(other) == made
        assert nothing_left_over(place)


@pytest.mark.parametrize("size", [700, LEAST + 5, 3 * LEAST])
async def test_a_machine_that_is_lost_as_a_recording_is_replaced_has_left_the_old_one(
    size: int, tmp_path: Path
) -> None:
    """At the very end, when the whole file is on its way: what was uploaded before is laid out."""
    place = Place(tmp_path, tail_every_s=0.2)
    with trio.fail_after(60):
        async with killed(place.store):
            path = grow(place.store, SOUND[: LEAST + 700])
            await until(lambda: place.held() == [LEAST] and place.tails() == {LEAST: 700})
            growing = place.store._growing["b-1"]
            await stand_still(growing)
            replaced(path, random.Random(9).randbytes(size))

            async def dies(key: str, path: Path) -> None:
                raise Killed

            growing._objects.put_file = dies  # type: ignore[method-assign]
            with pytest.raises(Killed):
                await growing.put(NAME, path, KEY)
            assert LEAST in place.held()
            assert place.tails()[LEAST] == 700
        await lapse(place)
        async with place.open(tmp_path / "there").checkout("b-1") as folder:
            assert (folder / NAME).read_bytes() == SOUND[: LEAST + 700]


async def test_a_recording_that_is_whole_is_not_replaced_by_what_was_there_of_an_older_one(
    tmp_path: Path,
) -> None:
    """The machine was lost between the two."""
    place = Place(tmp_path)
    made = random.Random(9).randbytes(900)
    with trio.fail_after(60):
        async with killed(place.store):
            path = grow(place.store, SOUND[: LEAST + 700])
            await until(lambda: place.held() == [LEAST] and place.tails() == {LEAST: 700})
            growing = place.store._growing["b-1"]
            await stand_still(growing)
            replaced(path, made)
            await growing.put(NAME, path, KEY)
            assert LEAST in place.held()
        await lapse(place)
        other = place.open(tmp_path / "there")
        async with other.checkout("b-1") as folder:
            assert (folder / NAME).read_bytes() == made
        assert await place.file(other) == made
        assert nothing_left_over(place)


async def test_a_file_that_is_being_written_anew_is_not_taken_for_whole(tmp_path: Path) -> None:
    """It is when it stands still."""
    place = Place(tmp_path)
    folder = tmp_path / "b-1"
    (folder / "files").mkdir(parents=True)
    objects, path = place.store._objects, folder / NAME
    growing = GrowingFiles(objects, "mine/files/b-1/", "mine/tails/b-1/", folder, LEAST, 0.01)
    path.write_bytes(SOUND[: LEAST + 700])
    with trio.fail_after(60):
        for _ in range(2):
            await growing._carry(NAME)
            await trio.sleep(0.02)
        for size in (100, 200, 300):
            path.write_bytes(SOUND[:size])
            await growing._carry(NAME)
            assert place.held() == [LEAST]
            assert place.tails() == {LEAST: 700}
        await growing._carry(NAME)
        assert place.held() == []
        assert place.tails() == {0: 300}


async def test_what_a_lost_machine_left_is_laid_out_where_bots_work(tmp_path: Path) -> None:
    """Not by way of the folder of temporary files, which may be memory, and small."""
    place = Place(tmp_path)
    with trio.fail_after(60):
        async with killed(place.store):
            grow(place.store, SOUND[: LEAST + 700])
            await until(lambda: place.held() == [LEAST] and place.tails() == {LEAST: 700})
        await lapse(place)
        with scratch_in(tmp_path / "nowhere"):
            for machine in ("there", "a third"):
                async with place.open(tmp_path / machine).checkout("b-1") as folder:
                    assert (folder / NAME).read_bytes() == SOUND[: LEAST + 700]
                    assert [path.name for path in (folder / "files").iterdir()] == ["mix.opus"]
