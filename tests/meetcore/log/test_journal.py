"""The journal: cursors from anywhere, one writer, a full disk, damage, and what it does not know.

What is durable when, and what is cut off a torn tail, is law 2's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

import meetcore
from meetcore.bot.bot_runner import bot_runner_of
from meetcore.log import journal as journal_module
from meetcore.log.journal import Journal, decode_line, encode_line, read_journal
from meetcore.model.errors import JournalBusy, JournalDamaged, JournalFull, StorageUnavailable
from meetcore.model.events import ChatReceived, PluginEvent, UnknownEvent
from tests.meetcore.conftest import Stage, end_of, kinds


def note(name: str = "n") -> PluginEvent:
    return PluginEvent(plugin="p", name=name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@settings(max_examples=30)
@given(
    steps=st.lists(st.one_of(st.integers(1, 400), st.just("read")), min_size=1, max_size=8),
    after=st.integers(0, 900),
)
def test_a_cursor_gives_every_event_after_its_start_once_and_in_order(
    tmp_path_factory, steps, after
):
    journal = Journal(tmp_path_factory.mktemp("j") / "journal.jsonl", "b", fsync=False)

    async def follow() -> list[int]:
        seen: list[int] = []
        cursor = journal.cursor(after)
        for step in steps:
            if step == "read":
                while (event := cursor.next_now()) is not None:
                    seen.append(event.seq)
            else:
                for _ in range(step):
                    journal.append(note())
        journal.close()
        seen += [event.seq async for event in cursor]
        assert cursor.at == max([after, *seen])
        return seen

    assert trio.run(follow) == list(range(after + 1, journal.last_seq + 1))


async def test_a_slow_cursor_and_a_quick_one_see_the_same_live(path, autojump_clock):
    journal = Journal(path, "b", fsync=False)
    seen: dict[float, list[int]] = {0.0: [], 0.01: [], 3.0: []}

    async def follow(pause_s: float) -> None:
        async for event in journal.cursor():
            seen[pause_s].append(event.seq)
            await trio.sleep(pause_s)

    async with trio.open_nursery() as nursery:
        for pause_s in seen:
            nursery.start_soon(follow, pause_s)
        for _ in range(600):
            journal.append(note())
            await trio.sleep(0.02)
        journal.close()
    assert all(numbers == list(range(1, 601)) for numbers in seen.values())


async def test_synced_returns_once_the_event_is_on_the_disk(path, monkeypatch):
    journal = Journal(path, "b")
    brought: list[int] = []
    really = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (brought.append(fd), really(fd)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.keep_synced)
        with trio.fail_after(90):
            for _ in range(3):
                event = [journal.append(note()) for _ in range(50)][-1]
                await journal.synced(event.seq)
            await journal.synced(1)
        nursery.cancel_scope.cancel()
    assert len(brought) == 3, "fifty events are one group commit"
    journal.close()


def test_two_writers_are_one_too_many(path):
    journal = Journal(path, "b", fsync=False)
    with pytest.raises(JournalBusy, match=str(path)):
        Journal(path, "b")
    journal.append(note())
    journal.close()
    Journal(path, "b", fsync=False).close()


def test_a_closed_journal_takes_no_more(path):
    journal = Journal(path, "b", fsync=False)
    journal.close()
    journal.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        journal.append(note())
    assert sorted(p.name for p in path.parent.iterdir()) == ["journal.jsonl"]


def test_an_unknown_type_is_kept_and_numbered_on(path):
    journal = Journal(path, "b", fsync=False)
    journal.append(note())
    strange = UnknownEvent(type_name="hand.raised", data={"who": ["ada", {"high": True}]})
    journal.append(strange)
    journal.close()
    again = Journal(path, "b", fsync=False)
    again.append(note())
    again.close()
    events = list(read_journal(path))
    assert [e.seq for e in events] == [1, 2, 3]
    assert isinstance(events[1], UnknownEvent)
    assert (events[1].type_name, events[1].data) == (strange.type_name, strange.data)
    assert json.loads(path.read_text().splitlines()[1])["type"] == "hand.raised"


def test_what_is_shown_is_what_was_written_also_for_half_a_character(path):
    journal = Journal(path, "b", fsync=False)
    event = journal.append(
        ChatReceived(message_id="1", sender_id=None, sender_name="A", text="a\ud83d b \U0001f600")
    )
    journal.close()
    assert event.text == "a� b \U0001f600"
    assert list(read_journal(path)) == [event]


@given(text=st.text(st.characters(), max_size=30))
def test_any_text_is_one_line_that_reads_back(text):
    event = note(text)
    line = encode_line(event)
    assert line.count(b"\n") == 1
    assert decode_line(line).name == text.encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )


def write_five(path: Path) -> list[bytes]:
    journal = Journal(path, "b", fsync=False)
    for number in range(5):
        journal.append(note(str(number)))
    journal.close()
    return path.read_bytes().splitlines(keepends=True)


def test_damage_in_the_middle_is_named_by_its_line(path):
    lines = write_five(path)
    lines[2] = lines[2].replace(b'"2"', b'"7"')
    path.write_bytes(b"".join(lines))
    with pytest.raises(JournalDamaged, match="Line 3"):
        list(read_journal(path))
    with pytest.raises(JournalDamaged, match="Line 3"):
        Journal(path, "b")
    assert path.read_bytes() == b"".join(lines), "a damaged journal is not touched"


def test_a_line_that_is_missing_or_doubled_is_damage(path):
    lines = write_five(path)
    for wrong in (lines[:2] + lines[3:], lines[:3] + lines[2:]):
        path.write_bytes(b"".join(wrong))
        with pytest.raises(JournalDamaged, match="seq"):
            list(read_journal(path))
        with pytest.raises(JournalDamaged, match="seq"):
            Journal(path, "b")


def test_a_torn_tail_is_kept_beside_the_journal(path):
    lines = write_five(path)
    path.write_bytes(b"".join(lines[:4]) + lines[4][:-9])
    journal = Journal(path, "b", fsync=False)
    assert (journal.last_seq, journal.torn_bytes) == (4, len(lines[4]) - 9)
    assert path.with_suffix(".torn").read_bytes() == lines[4][:-9]
    journal.close()


def test_a_folder_that_is_not_there_is_a_typed_error(tmp_path):
    with pytest.raises(StorageUnavailable, match="nowhere"):
        Journal(tmp_path / "nowhere" / "journal.jsonl", "b")


# --- a full disk -------------------------------------------------------------------------


class SmallDisk:
    """Lets the journal's folder grow to so many bytes, its reserve included."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self._write = os.write
        monkeypatch.setattr(journal_module.os, "write", self.write)

    def write(self, fd: int, data: bytes) -> int:
        used = sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())
        room = max(0, self.size - used)
        if not Path(f"/proc/self/fd/{fd}").readlink().is_relative_to(self.folder):
            return self._write(fd, data)
        if not room:
            raise OSError(28, "No space left on device")
        return self._write(fd, data[:room])


def test_the_reserve_is_given_up_once_and_half_a_line_never_stays(path, monkeypatch):
    journal = Journal(path, "b", fsync=False)
    SmallDisk(monkeypatch, path.parent, 64 * 1024 + 5_000)
    with pytest.raises(JournalFull, match="full"):
        while True:
            journal.append(note("x" * 100))
    assert journal.disk_full
    written = journal.last_seq
    assert 5_000 + 60_000 < path.stat().st_size <= 64 * 1024 + 5_000
    assert [e.seq for e in read_journal(path)] == list(range(1, written + 1))
    journal.close()


@pytest.mark.parametrize("late", [False, True], ids=["in the call", "while it leaves"])
async def test_a_bot_on_a_full_disk_writes_down_how_it_ended(
    tmp_path, monkeypatch, autojump_clock, late
):
    stage = Stage()
    stage.leave_s = 1.0
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        if late:
            await bot.stop()
            await trio.testing.wait_all_tasks_blocked()
        used = sum(p.stat().st_size for p in bot.folder.iterdir())
        SmallDisk(monkeypatch, bot.folder, used + 500)
        for _ in range(3):
            stage.join(f"person-{bot.journal.last_seq}")
            bot_runner_of(bot).record(note("x" * 150))
        end = await bot.wait_ended()
    events = list(read_journal(bot.journal.path))
    assert end_of(events) == end
    assert isinstance(bot.failure, JournalFull)
    found = [(end.reason, end.evidence.signal)]
    found += [(e.reason, e.evidence.signal) for e in kinds(events, meetcore.EndingDetailed)]
    assert ("internal_error", "storage_full") in found
    assert end.reason == ("stop_requested" if late else "internal_error")
    assert stage.closed


@pytest.mark.parametrize("late", [False, True], ids=["in the call", "while it leaves"])
async def test_a_disk_without_any_room_at_all_ends_the_bot_and_nothing_else(
    tmp_path, monkeypatch, autojump_clock, late
):
    stage = Stage()
    stage.leave_s = 1.0
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        if late:
            await bot.stop()
        SmallDisk(monkeypatch, bot.folder, 0)
        before = bot.journal.last_seq
        stage.join("ada")
        bot_runner_of(bot).record(note())
        await bot.wait_ended()
    assert bot.ended
    assert isinstance(bot.failure, JournalFull)
    assert [e.seq for e in read_journal(bot.journal.path)] == list(range(1, before + 1))


LIMITED = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from meetcore.testing import SimMeeting, run_simulated
    resource.setrlimit(resource.RLIMIT_FSIZE, (66_000, resource.RLIM_INFINITY))
    chat = "".join(
        f'[[chat]]\\nwho = "ada"\\nat_s = {i}\\ntext = "{"x" * 900}"\\n' for i in range(1, 200)
    )
    meeting = SimMeeting('[[people]]\\nid = "ada"\\nname = "Ada"\\n[end]\\nat_s = 300\\n' + chat)
    bots = []
    async def during(bot):
        bots.append(bot)
        await bot.wait_ended()
    run_simulated(meeting, out_dir=Path(sys.argv[1]), during=during)
    print(bots[0].state, bots[0].ending.reason, bots[0].ending.evidence.signal, bots[0].failure)
    """
)


def test_a_file_that_may_not_grow_ends_the_bot_and_recovery_ends_the_journal(tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert "internal_error storage_full" in child.stdout
    assert "is full" in child.stdout
    (folder,) = tmp_path.iterdir()
    kept = list(read_journal(folder / "journal.jsonl"))
    assert len(kinds(kept, ChatReceived)) > 50
    (done,) = trio.run(
        lambda: meetcore.recover(tmp_path, plugins=meetcore.Plugins(entry_points=False))
    )
    assert done.ended
    events = list(read_journal(folder / "journal.jsonl"))
    assert events[: len(kept)] == kept
    assert end_of(events).reason == "crashed"
