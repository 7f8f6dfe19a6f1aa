"""Dies at every single write of one piece of work, and looks at what is left each time.

`python -m tests.stores.dying WORK DIR` prints at how many places it died. Each death is that of a
process of its own, without a chance to tidy up; what follows is a new process, as after a crash.
"""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import trio

import meetcore
from meetcore.fleet.moving import move_bots, stored_hashes
from meetcore.log.folder_store import FolderStore
from meetcore.testing.store_conformance import StoreConformance

DIED = 70
WRITES = (
    "write", "mkdir", "replace", "rename", "unlink", "rmdir", "link", "fsync", "fdatasync",
    "ftruncate", "sendfile", "fchmod", "utime",
)  # fmt: skip
KIT = StoreConformance()
STOP = (meetcore.EndReason.STOP_REQUESTED, meetcore.Evidence("test"))
PLUGINS = meetcore.Plugins(entry_points=False)


def die_at(number: int) -> None:
    """Have this process end before its n-th write."""
    left = count(1)

    def dying(whole: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            if next(left) == number:
                os._exit(DIED)
            return whole(*args, **kwargs)

        return instead

    for name in WRITES:
        setattr(os, name, dying(getattr(os, name)))


def in_another_process(work: Callable[[], Awaitable[object]], number: int) -> bool:
    """Do something in a process that dies at its n-th write; return whether it came to its end."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            die_at(number)
            trio.run(work)
            code = 0
        except BaseException:  # noqa: BLE001  nobody above looks at it
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, DIED), f"it failed at write {number}: exit code {code}"
    return code == 0


async def types_of(store: meetcore.BotStore, bot_id: str = "b-1") -> list[str]:
    """Return what a log says."""
    return [event.type async for event in store.log(bot_id).read()]


async def see_begin(folder: Path) -> None:
    """Nothing was acknowledged: it may be there or not; ordered again, it begins."""
    store = FolderStore(folder)
    await store.begin("b-1", KIT.head())
    assert await types_of(store) == ["bot.requested", "state.changed"]
    await see_end(folder)


async def see_end(folder: Path) -> None:
    """It was acknowledged: it comes to one end."""
    store = FolderStore(folder)
    if not (await store.log("b-1").history()).ended:
        await store.end("b-1", *STOP)
    await meetcore.recover_bot(store, "b-1", plugins=PLUGINS)
    history = await store.log("b-1").history()
    assert history.ended
    assert (await types_of(store)).count("state.changed") == 2


async def see_delete(folder: Path) -> None:
    """Deleted again it is gone, and its sibling never was."""
    store = FolderStore(folder)
    assert (await store.delete("b-1")).stayed == ""
    assert os.listdir(folder) == ["b-2"]
    assert (await store.log("b-2").history()).ended


async def see_move(folder: Path) -> None:
    """Each bot is whole in one of the two stores; moved again, all are in the second."""
    first, second = FolderStore(folder / "first"), FolderStore(folder / "second")
    original = FolderStore(folder / "original")
    for bot_id in ("b-1", "b-2"):
        wanted = await stored_hashes(original, bot_id)
        found = [await stored_hashes(store, bot_id) for store in (first, second)]
        assert wanted in found, f"{bot_id} is whole nowhere"
    assert await move_bots(first, second) == []
    assert [record async for record in first.records()] == []
    for bot_id in ("b-1", "b-2"):
        assert await stored_hashes(second, bot_id) == await stored_hashes(original, bot_id)


async def prepare_begun(folder: Path) -> None:
    """A bot that was ordered."""
    await FolderStore(folder).begin("b-1", KIT.head())


async def prepare_attended(folder: Path) -> None:
    """Two bots that attended."""
    for bot_id in ("b-1", "b-2"):
        await KIT.attended(FolderStore(folder), bot_id)


async def prepare_move(folder: Path) -> None:
    """Two bots, and what they were."""
    await prepare_attended(folder / "first")
    shutil.copytree(folder / "first", folder / "original")


async def nothing(folder: Path) -> None:
    """Nothing is there."""
    await trio.lowlevel.checkpoint()


async def do_begin(folder: Path) -> None:
    """Order a bot."""
    await FolderStore(folder).begin("b-1", KIT.head())


async def do_end(folder: Path) -> None:
    """Call it off."""
    await FolderStore(folder).end("b-1", *STOP)


async def do_delete(folder: Path) -> None:
    """Delete it."""
    await FolderStore(folder).delete("b-1")


async def do_move(folder: Path) -> None:
    """Move all."""
    assert await move_bots(FolderStore(folder / "first"), FolderStore(folder / "second")) == []


WORK = {
    "begin": (nothing, do_begin, see_begin),
    "end": (prepare_begun, do_end, see_end),
    "delete": (prepare_attended, do_delete, see_delete),
    "move": (prepare_move, do_move, see_move),
}


def main() -> None:
    """Die everywhere."""
    prepare, work, see = WORK[sys.argv[1]]
    for number in count(1):
        folder = Path(sys.argv[2], str(number))
        folder.mkdir(parents=True)
        assert in_another_process(partial(prepare, folder), 1_000_000)
        done = in_another_process(partial(work, folder), number)
        assert in_another_process(partial(see, folder), 1_000_000), f"after write {number}"
        shutil.rmtree(folder)
        if done:
            print(number - 1)
            return


if __name__ == "__main__":
    main()
