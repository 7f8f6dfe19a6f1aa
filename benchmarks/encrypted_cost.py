"""What it costs to keep bots in an encrypted folder, beside one in the clear.

A scripted meeting of a minute, in which three people speak in turn, is recorded as Opus, a track
each and the mix, at ten times its speed: CPU of the whole process, the meeting's own and the
encoders' included, which are the same in both. Then a file of 96 MiB is put into the store and
read from it, whole and in a part of 64 KiB from its middle; `cp` is a copy with `shutil`.
"""

from __future__ import annotations

import base64
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

import trio
from trio.testing import MockClock

from benchmarks.figures import Figure, report, spread
from meetcore import BotConfig, Plugins, RetentionConfig, StoreConfig
from meetcore.log.stores import store_of
from meetcore.testing import ScriptedTranscriber, SimMeeting

RUNS = 5
SIZE = 96 * 2**20
PART = 64 * 2**10
SPEED = 10
PEOPLE = ("ada", "ben", "cleo")
LINES = "\n".join(
    f'[[lines]]\nwho = "{PEOPLE[n % 3]}"\nat_s = {2 + 3 * n}\ntext = "this is line {n} of them"'
    for n in range(18)
)
MEETING = (
    'title = "Cost"\nseed = 3\n'
    + "".join(f'[[people]]\nid = "{who}"\nname = "{who.title()}"\n' for who in PEOPLE)
    + f"{LINES}\n[end]\nat_s = 60\n"
)


def _config(place: Path, memory: Path, *, encrypted: bool) -> BotConfig:
    key = place / "key"
    key.write_bytes(base64.b64encode(bytes(range(32))))
    return BotConfig(
        out_dir=place / ("encrypted" if encrypted else "plain"),
        sinks=("files",),
        store=StoreConfig(encrypt=f"file:{key}" if encrypted else None),
        retention=RetentionConfig(memory=memory),
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _attended(config: BotConfig) -> float:
    """Return the CPU seconds of a bot that attends the meeting."""

    async def attend() -> None:
        meeting = SimMeeting(MEETING)
        transcriber = ScriptedTranscriber(meeting.script)
        async with meeting.open_bot(
            config.out_dir, config=config, transcriber=transcriber, bot_id=None
        ) as bot:
            await bot.wait_ended()

    began = _cpu_s()
    trio.run(attend, clock=MockClock(rate=SPEED))
    return _cpu_s() - began


async def _files(config: BotConfig, given: Path, found: dict[str, list[float]]) -> None:
    megabytes = SIZE / 1e6
    media = store_of(config, Plugins(entry_points=False)).media("files-of-it")
    (config.out_dir / "files-of-it").mkdir()
    began = time.perf_counter()
    await trio.to_thread.run_sync(shutil.copyfile, given, given.with_name("copy"))
    found["cp"].append(megabytes / (time.perf_counter() - began))
    began = time.perf_counter()
    await media.put("files/film.mp4", given)
    found["put"].append(megabytes / (time.perf_counter() - began))
    began = time.perf_counter()
    async with aclosing(media.read("files/film.mp4")) as pieces:
        async for _ in pieces:
            pass
    found["read"].append(megabytes / (time.perf_counter() - began))
    began = time.perf_counter()
    async with aclosing(media.read("files/film.mp4", SIZE // 2, PART)) as pieces:
        async for _ in pieces:
            pass
    found["part"].append((time.perf_counter() - began) * 1e3)


def measure() -> list[Figure]:
    """Measure it."""
    names = ("plain", "encrypted", "ratio", "more", "cp", "put", "read", "part")
    found: dict[str, list[float]] = {name: [] for name in names}
    for run in range(-1, RUNS):  # the first imports what both need
        with (
            tempfile.TemporaryDirectory(prefix="meetcore-cost-") as disk,
            tempfile.TemporaryDirectory(prefix="meetcore-cost-", dir="/dev/shm") as memory,
        ):
            configs = {
                encrypted: _config(Path(disk), Path(memory), encrypted=encrypted)
                for encrypted in (False, True)
            }
            cpu = {}
            for encrypted in (False, True) if run % 2 else (True, False):
                cpu[encrypted] = _attended(configs[encrypted])
            if run < 0:
                continue
            found["plain"].append(cpu[False])
            found["encrypted"].append(cpu[True])
            found["ratio"].append(cpu[True] / cpu[False])
            found["more"].append((cpu[True] - cpu[False]) / 60 * 100)
            given = Path(disk, "given")
            given.write_bytes(random.Random(run).randbytes(SIZE))
            os.sync()
            trio.run(_files, configs[True], given, found)
    size = f"{SIZE // 2**20} MiB"
    return [
        spread("CPU of a bot, in the clear", "s", found["plain"]),
        spread("CPU of a bot, encrypted", "s", found["encrypted"]),
        spread("encrypted ÷ in the clear", "", found["ratio"], at_most=1.4),
        spread("more of a core, in the meeting's time", "%", found["more"]),
        spread(f"cp of {size}", "MB/s", found["cp"]),
        spread(f"a put of {size}, encrypted", "MB/s", found["put"]),
        spread(f"a read of {size}, decrypted", "MB/s", found["read"], at_least=100),
        spread("64 KiB from the middle", "ms", found["part"], at_most=20),
    ]


if __name__ == "__main__":
    report(measure())
    sys.exit(0)
