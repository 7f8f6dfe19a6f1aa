"""A HEAD changes nothing, whatever a GET of the same path does, in any mount."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import trio

from meetcore.gateway.http import Mount
from meetcore.gateway.records import BotRow
from meetcore.model.lifecycle import State
from meetcore_server.assembly import Server

from .running import http
from .test_what_keys_open import DIALECTS, everywhere, headers_of


def written(file: Path) -> list[str]:
    """All that is in the database, but for how far webhooks are: bots that are there have news."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return [line for line in connection.iterdump() if '"targets"' not in line]


def paths_of(mount: Mount, row: BotRow) -> set[str]:
    """Every path of a mount, for a bot."""
    found = set()
    for route in mount.routes:
        path = re.sub(r"\{platform\}", "google_meet", route.template)
        path = re.sub(r"\{(native_id|native_meeting_id)\}", row.native_id, path)
        path = re.sub(r"\{(meeting_id|recording_id|user_id)\}", str(row.number), path)
        path = re.sub(r"\{media_id\}", "1", path)
        path = re.sub(r"\{[a-z_.]+\}", row.bot_id, path)
        found.add(f"/{mount.name}{path}")
    return found


async def all_record(server: Server) -> list[BotRow]:
    with trio.fail_after(90):
        while True:
            lives = server.service.live.all()
            if all(live.row.state is State.RECORDING for live in lives):
                return [live.row for live in lives]
            await trio.sleep(0.02)


async def test_a_head_changes_nothing_in_any_mount(tmp_path: Path) -> None:
    async with everywhere(tmp_path) as (server, key, made), http(server) as client:
        assert all(status in (200, 201) for status, _ in made.values()), made
        rows = await all_record(server)
        before = written(tmp_path / "server.db")
        assert set(server.mounts.by_name) == set(DIALECTS)
        for name, mount in server.mounts.by_name.items():
            how = headers_of(key)
            if name == "meetstream":
                how["authorization"] = f"Token {key}"
            for path in sorted({path for row in rows for path in paths_of(mount, row)}):
                answer = await client.head(path, headers=how)
                assert answer.status_code < 500, path
                if path.endswith(("/remove_bot", "/webhook-secret")):
                    assert answer.status_code == 405, path
        assert written(tmp_path / "server.db") == before
        assert [row.bot_id for row in await all_record(server)] == [row.bot_id for row in rows]
        path = f"/meetstream/bots/{rows[0].bot_id}/remove_bot"
        answer = await client.get(path, headers={"authorization": f"Token {key}"})
        assert answer.status_code == 200  # a GET does, as MeetStream's clients expect
