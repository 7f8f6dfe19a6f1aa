"""A journal that was damaged after the bot had ended: told as it is, over the API."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import httpx2
import pytest
from attrs import evolve

from meetcore.log.journal import decode_line, encode_line
from meetcore.model.events import SegmentFinalized, StateChanged

from .running import SHORT, http, ordered, serving, until

pytestmark = pytest.mark.folder_store
_SEGMENT = b'{"type":"segment.finalized"'


def damaged(line: bytes) -> bytes:
    """Change one byte in the middle of a line, behind its head."""
    return line[:-30] + bytes([line[-30] ^ 1]) + line[-29:]


async def one_that_ended(tmp_path: Path) -> Path:
    """Return the journal of a bot that has ended, and whose server has."""
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, SHORT)
        await until(client, bot["id"], "completed")
    return tmp_path / "bots" / bot["id"] / "journal.jsonl"


async def texts_in(client: httpx2.AsyncClient, bot_id: str) -> list[str]:
    """Return what the transcript of a bot says; that in each format is the same."""
    answer = (await client.get(f"/v1/bots/{bot_id}/transcript")).json()
    texts = [each["text"] for each in answer["segments"]]
    for form in ("srt", "vtt", "txt"):
        file = await client.get(f"/v1/bots/{bot_id}/transcript?format={form}")
        assert [text in file.text for text in texts] == [True] * len(texts), form
    return texts


@pytest.mark.parametrize("line", [3, 13, "segment"])
async def test_a_damaged_line_is_told_and_the_rest_is_read(tmp_path, line, caplog):
    path = await one_that_ended(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    if line == "segment":
        line = next(at for at, each in enumerate(lines) if each.startswith(_SEGMENT))
    events = f"/v1/bots/{path.parent.name}/events?limit=1000"
    async with serving(tmp_path) as server, http(server) as client:
        before = (await client.get(events)).json()
        lines[line] = damaged(lines[line])
        path.write_bytes(b"".join(lines))
        after = (await client.get(events)).json()
        lost = after["events"][line]
        assert (lost["type"], lost["seq"]) == ("event.lost", line + 1)
        assert [e for e in after["events"] if e is not lost] == [
            e for e in before["events"] if e["seq"] != line + 1
        ]
        texts = [
            each["data"]["segment"]["text"]
            for each in after["events"]
            if each["type"] == SegmentFinalized.type
        ]
        assert await texts_in(client, path.parent.name) == texts
    assert f"event {line + 1} cannot be read" in caplog.text
    async with serving(tmp_path) as server, http(server) as client:
        shown = (await client.get(f"/v1/bots/{path.parent.name}")).json()
        assert any("1 of its events cannot be read" in note for note in shown["notes"]), json.dumps(
            shown
        )


@pytest.mark.parametrize("withdrawn", [False, True])
async def test_what_a_damaged_correction_corrected_is_shown_unless_it_was_withdrawn(
    tmp_path, withdrawn, caplog
):
    path = await one_that_ended(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    events = [decode_line(line) for line in lines]
    first = next(each for each in events if isinstance(each, SegmentFinalized))
    texts = [each.segment.text for each in events if isinstance(each, SegmentFinalized)]
    changed = first.segment.without_text() if withdrawn else evolve(first.segment, text="Changed.")
    correction = evolve(first, seq=len(lines), segment=evolve(changed, revision=2))
    end = events[-1]
    assert isinstance(end, StateChanged)
    line = encode_line(correction)
    flipped = line.replace(b'"revision":', b'"rewision":')
    assert flipped != line
    lines[-1:] = [flipped, encode_line(evolve(end, seq=end.seq + 1))]
    path.write_bytes(b"".join(lines))
    caplog.set_level(logging.ERROR)
    async with serving(tmp_path) as server, http(server) as client:
        assert await texts_in(client, path.parent.name) == texts[withdrawn:]
        shown = (await client.get(f"/v1/bots/{path.parent.name}")).json()
        assert any("1 of its events cannot be read" in note for note in shown["notes"])
    assert f"event {correction.seq} cannot be read" in caplog.text
