"""A launcher in a process of its own, to be killed: launches a bot, says so, and stays."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import trio

from meetcore import BotSpec
from meetcore.log.folder_store import FolderStore
from meetcore.testing import hold_open
from meetcore_ray.options import RayOptions
from meetcore_ray.ray_launcher import RayLauncher
from meetcore_redis.bus import RedisBus
from meetcore_redis.options import RedisOptions


async def main(told: dict[str, Any]) -> None:
    bus = RedisBus(told["url"], RedisOptions(prefix=told["prefix"]))
    launcher = RayLauncher(RayOptions(**told["options"]))
    launcher.bus = await hold_open(bus)
    launcher.store = FolderStore(Path(told["folder"]))
    spec = BotSpec(
        bot_id=told["bot_id"],
        url=told["link"],
        settings=told["settings"],
        plugin_files=tuple(told["plugin_files"]),
    )
    async with trio.open_nursery() as nursery:
        bot = await launcher.launch(spec, nursery)
        print(f"launched {bot.bot_id}", flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, json.loads(sys.stdin.readline()))
