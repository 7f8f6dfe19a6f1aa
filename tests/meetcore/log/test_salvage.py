"""A damaged journal: what can be read is read, what is lost is said, nothing is cut away."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meetcore
from meetcore.log.journal import Journal, decode_line, read_journal
from meetcore.log.log_reader import FolderLog
from meetcore.log.salvage import salvage
from meetcore.model.events import BotRequested, EventLost, SegmentFinalized, StateChanged
from meetcore.model.lifecycle import EndReason, State
from meetcore.model.transcript import Segment

EVENTS = 6


def written(folder: Path) -> Path:
    """Write the journal of a bot that ended in order."""
    path = folder / "journal.jsonl"
    journal = Journal(path, "b", fsync=False)
    journal.append(
        BotRequested(
            platform="p", native_id="1", public_url="p:1", display_name="n", transcriber=None,
            sinks=(), scheduled_for=None, metadata={}, meetcore_version="1",
        )
    )  # fmt: skip
    for state in (State.REQUESTED, State.JOINING, State.LEAVING, State.PROCESSING):
        journal.append(StateChanged(state=state))
    journal.append(StateChanged(state=State.COMPLETED, reason=EndReason.MEETING_ENDED))
    journal.close()
    return path


def flipped(path: Path, bit: int) -> tuple[bytes, list[bytes]]:
    """Flip a bit of a file; return its bytes then, and the lines there were."""
    data = bytearray(path.read_bytes())
    lines = bytes(data).splitlines(keepends=True)
    bit %= len(data) * 8
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    return bytes(data), lines


@given(bit=st.integers(0, 1_000_000))
@settings(deadline=None)
async def test_a_flipped_bit_costs_at_most_the_event_it_is_in_and_that_is_said(
    tmp_path_factory, bit
):
    path = written(tmp_path_factory.mktemp("b"))
    data, lines = flipped(path, bit)
    whole = [event for line in lines if line[:-1] in data and (event := decode_line(line))]
    found = list(salvage(path))
    readable = [event for event in found if not isinstance(event, EventLost)]
    torn = not data.endswith(b"\n")
    # A flip may leave what a line means as it is: the case of a letter of its checksum.
    written_once = [decode_line(line) for line in lines]
    assert all(event in written_once for event in readable)
    assert [e for e in whole if e.seq < EVENTS and e not in readable] == []
    assert torn or len(found) == EVENTS
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    done = await meetcore.recover(path.parent, plugins=meetcore.Plugins(entry_points=False))
    after = list(read_journal(path))
    kept = {event.seq: event for event in after if not isinstance(event, EventLost)}
    for event in whole:
        assert kept[event.seq] == event
    if len(readable) < EVENTS:
        assert done, "what was lost is said"
        evidence = [p.read_bytes() for p in path.parent.iterdir() if p.name != path.name]
        assert any(data.endswith(each) and each for each in evidence), "and the bytes are kept"
    assert after[-1].state in ("completed", "failed")


@given(bit=st.integers(0, 1_000_000))
@settings(deadline=None)
async def test_whoever_reads_segments_only_learns_of_a_flipped_bit(tmp_path_factory, bit):
    path = tmp_path_factory.mktemp("b") / "journal.jsonl"
    journal = Journal(path, "b", fsync=False)
    for number in range(4):
        segment = Segment(
            id=f"s{number % 3}", revision=1, finalized=True, track_id="t1", participant_id=None,
            speaker_name=None, speaker_source=None, speaker_confidence=0.0, language="en",
            start_s=number, end_s=number + 1, text=f"w{number}", words=(),
        )  # fmt: skip
        journal.append(SegmentFinalized(segment=segment))
    for state in (State.PROCESSING, State.COMPLETED):
        journal.append(StateChanged(state=state))
    journal.close()
    data, lines = flipped(path, bit)
    read = FolderLog(path.parent)
    known = [event for line in lines if (event := decode_line(line)) is not None]
    kept = {event.segment.id: event async for event in read.finalized()}
    lost = (await read.history()).events_lost
    assert all(event in known for event in kept.values())
    everything = {event.segment.id: event for event in known if event.type == "segment.finalized"}
    assert kept == everything or lost
    assert lost or not data.endswith(b"\n") or [e async for e in read.read()] == known


@pytest.mark.parametrize("line", range(EVENTS))
async def test_recovery_mends_the_journal_and_keeps_the_damaged_one(tmp_path, line):
    path = written(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = [*lines[:line], lines[line].replace(b'"seq"', b'"sec"'), *lines[line + 1 :]]
    path.write_bytes(b"".join(damaged))
    (done,) = await meetcore.recover(tmp_path, plugins=meetcore.Plugins(entry_points=False))
    after = list(read_journal(path))
    if line < EVENTS - 1:
        assert isinstance(after[line], EventLost)
        assert path.with_suffix(".damaged-1").read_bytes() == b"".join(damaged)
        assert "1 events are lost" in done.trouble[-1]
        assert after[-1].reason == "meeting_ended"
    else:
        assert (done.torn_bytes, after[-1].reason) == (len(lines[-1]), "crashed")
