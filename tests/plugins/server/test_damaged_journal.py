"""A journal that was damaged after the bot had ended: told as it is, over the API."""

from __future__ import annotations

import json

import pytest

from .running import SHORT, http, ordered, serving, until

pytestmark = pytest.mark.folder_store


@pytest.mark.parametrize("line", [3, 13])
async def test_a_damaged_line_is_told_and_the_rest_is_read(tmp_path, line):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, SHORT)
        await until(client, bot["id"], "completed")
        path = tmp_path / "bots" / bot["id"] / "journal.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        before = (await client.get(f"/v1/bots/{bot['id']}/events?limit=1000")).json()
        lines[line] = lines[line][:-30] + b"#" + lines[line][-29:]
        path.write_bytes(b"".join(lines))
        after = (await client.get(f"/v1/bots/{bot['id']}/events?limit=1000")).json()
        lost = after["events"][line]
        assert (lost["type"], lost["seq"]) == ("event.lost", line + 1)
        assert [e for e in after["events"] if e is not lost] == [
            e for e in before["events"] if e["seq"] != line + 1
        ]
    async with serving(tmp_path) as server, http(server) as client:
        shown = (await client.get(f"/v1/bots/{bot['id']}")).json()
        assert any("cannot be read" in note for note in shown["notes"]), json.dumps(shown)
