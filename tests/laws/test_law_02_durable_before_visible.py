"""Law 2: an event is durable in the journal before anyone sees it, and `seq` has no gaps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore.log.journal import Journal, encode_line
from meetcore.model.events import PluginEvent

pytestmark = pytest.mark.law(2)


def test_whoever_sees_an_event_finds_it_in_the_file(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", "b", fsync=False)
    seen: list[int] = []

    def look(event: meetcore.Event) -> None:
        on_disk = [e.seq for e in meetcore.read_journal(tmp_path / "journal.jsonl")]
        assert on_disk[-1] == event.seq
        seen.append(event.seq)

    journal.listen(look)
    for number in range(20):
        journal.append(PluginEvent(plugin="p", name=f"n{number}"))
    journal.close()
    assert seen == list(range(1, 21))


def test_a_process_killed_after_showing_an_event_has_it_in_its_journal(tmp_path):
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from meetcore.model.events import PluginEvent
        from meetcore.log.journal import Journal
        journal = Journal(Path(sys.argv[1]), "b")
        journal.listen(lambda event: print(event.seq, flush=True))
        while True:
            journal.append(PluginEvent(plugin="p", name="n"))
        """
    )
    path = tmp_path / "journal.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        shown = 0
        for line in child.stdout:
            shown = int(line)
            if shown >= 200:
                os.kill(child.pid, signal.SIGKILL)
                break
        rest = child.stdout.read().split("\n")
        shown = max([shown, *(int(line) for line in rest if line.isdigit())])
    numbers = [event.seq for event in meetcore.read_journal(path)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= shown


@given(count=st.integers(1, 12), cut=st.floats(0, 1), more=st.integers(0, 5))
def test_cut_at_any_byte_the_journal_opens_again_without_a_gap(tmp_path_factory, count, cut, more):
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    journal = Journal(path, "b", fsync=False)
    for number in range(count):
        journal.append(PluginEvent(plugin="pé", name="x" * number))
    journal.close()
    whole = path.read_bytes()
    keep = int(len(whole) * cut)
    path.write_bytes(whole[:keep])
    survivors = whole[:keep].count(b"\n")
    journal = Journal(path, "b", fsync=False)
    assert journal.last_seq == survivors
    for number in range(more):
        journal.append(PluginEvent(plugin="p", name=str(number)))
    journal.close()
    numbers = [event.seq for event in meetcore.read_journal(path)]
    assert numbers == list(range(1, survivors + more + 1))


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_in_the_middle_is_damage_and_never_passes(tmp_path_factory, position, flip):
    path = tmp_path_factory.mktemp("flip") / "journal.jsonl"
    lines = []
    for number in range(1, 6):
        event = PluginEvent(plugin="p", name="x", bot_id="b", seq=number)
        lines.append(encode_line(event))
    good_tail = len(lines[-1]) + 1  # without the newline that parts it from the rest
    data = bytearray(b"".join(lines))
    at = position % (len(data) - good_tail)
    data[at] ^= flip
    path.write_bytes(bytes(data))
    with pytest.raises(meetcore.JournalDamaged):
        list(meetcore.read_journal(path))
    with pytest.raises(meetcore.JournalDamaged):
        Journal(path, "b")
