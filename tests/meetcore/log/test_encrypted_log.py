"""A log that is torn, read while it grows and written by one after another has every line once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.log.encrypted_log import EncryptedLog
from meetcore.log.encryption_keys import MasterKey, MasterKeys

KEYS = MasterKeys(MasterKey("of a test", bytes(32)))
BATCHES = st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=4), max_size=6)


def opened(path: Path) -> EncryptedLog:
    return EncryptedLog(path, "b-1", KEYS, fsync=False)


def everything(log: EncryptedLog, page: int = 3) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    while part := log.lines(found[-1][0] if found else 0, page):
        found += part
    return found


@given(BATCHES, BATCHES, st.floats(0, 1), st.booleans())
def test_what_was_torn_is_cut_off_and_written_again(
    before: list[list[bytes]], after: list[list[bytes]], cut: float, again: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.encrypted")
        reader, writer, written = opened(path), opened(path), list[tuple[int, bytes]]()
        for batch in before:
            lines = list(enumerate(batch, len(written) + 1))
            writer.append(written[-2:] + lines if again else lines)  # some come a second time
            written += lines
            assert everything(reader) == written
            assert reader.lines(len(written) - 1, 9) == written[-1:]
        if written:
            os.truncate(path, round(cut * path.stat().st_size))
        kept = everything(opened(path))
        assert kept == written[: len(kept)]
        assert everything(reader) == kept
        rest = [line for batch in after for line in batch]
        lines = written[len(kept) :] + list(enumerate(rest, len(written) + 1))
        for at in range(0, len(lines), 2):
            opened(path).append(lines[at : at + 2])
        assert everything(reader) == kept + lines == everything(opened(path))
        assert not reader.renew(kept + lines)


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=9), st.data())
def test_lines_that_are_others_by_now_are_written_anew(
    lines: list[bytes], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = opened(Path(folder, "log.encrypted"))
        numbered = list(enumerate(lines, 1))
        log.append(numbered)
        which = data.draw(st.integers(0, len(lines) - 1))
        changed = [*numbered[:which], (which + 1, b"another, and longer"), *numbered[which + 1 :]]
        assert log.renew(changed)
        assert everything(log) == changed == everything(opened(Path(folder, "log.encrypted")))
        assert not log.renew(changed)
        log.append([(len(lines) + 1, b"more")])
        assert everything(log) == [*changed, (len(lines) + 1, b"more")]


def test_a_disk_that_takes_no_more_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path / "log.encrypted")
    log.append([(1, b"one")])
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[: len(data) // 2]))
    with pytest.raises(OSError, match="No space left"):
        log.append([(2, b"two")])
    monkeypatch.undo()
    assert everything(log) == [(1, b"one")]
    log.append([(2, b"two")])
    assert everything(opened(tmp_path / "log.encrypted")) == [(1, b"one"), (2, b"two")]


def test_many_long_lines_are_in_frames_that_can_be_read(tmp_path: Path) -> None:
    log = opened(tmp_path / "log.encrypted")
    lines = [(number, bytes([number % 251]) * 70_000) for number in range(1, 41)]
    log.append(lines)
    assert everything(opened(tmp_path / "log.encrypted"), page=100) == lines
    assert everything(log, page=7) == lines
