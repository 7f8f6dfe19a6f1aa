"""What every store has to keep: subclass `StoreConformance`, and say how yours is made."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from attrs import evolve

from meetcore.fleet.moving import move_bot, move_bots, stored_hashes
from meetcore.fleet.recovery import recover_bot
from meetcore.log.folder_store import FolderStore
from meetcore.log.folders import journal_path, make_bot_folder
from meetcore.log.journal import Journal, encode_line, read_journal
from meetcore.log.journal_head import begin, head_of
from meetcore.log.remote_store import RemoteStore
from meetcore.model.config import BotConfig
from meetcore.model.errors import (
    ConfigError,
    IllegalTransition,
    JournalBusy,
    JournalError,
    NoSuchFile,
)
from meetcore.model.events import ArtifactWritten, Event, SegmentFinalized, StateChanged
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.meeting import MeetingLink
from meetcore.model.roster import NameSource
from meetcore.model.transcript import Segment
from meetcore.plugin.registry import Plugins
from meetcore.plugin.store import BotStore

__all__ = ["StoreConformance", "attend"]

T = TypeVar("T")
LINK = MeetingLink(platform="meet", native_id="abc-defg-hij", url="https://meet.example/abc")
WHY = Evidence("test", "as asked")


class StoreConformance:
    """Override `open_store`.

    The tests are coroutines of Trio: with pytest-trio set `trio_mode = true` for your project.

    Nothing here knows where a store keeps things: what was written by one is read by another that
    was opened for the same place, as the server reads what a bot's process wrote.

    Attributes:
        within_s: How long a test may take.
    """

    within_s = 60.0

    @abstractmethod
    def open_store(self, place: Path) -> BotStore:
        """Return a store for a place; each call for the same place finds the same bots.

        Args:
            place: A folder for a test; what lies in it is the store's to say.
        """

    def open_elsewhere(self, place: Path) -> BotStore:
        """Return the same store as it is on another machine: no folder of a bot is shared."""
        return self.open_store(place)

    def head(self, scheduled_for: datetime | None = None) -> Sequence[Event]:
        """Return how a bot begins."""
        config = BotConfig(name="Notes", metadata={"case": "7"})
        return head_of(LINK, config, transcriber=None, sinks=[], scheduled_for=scheduled_for)

    @asynccontextmanager
    async def running(self, store: BotStore, bot_id: str = "b-1") -> AsyncIterator[Journal]:
        """Hold a bot's journal as the process does that runs the bot."""
        await store.prepare(bot_id)
        folder = store.workplace(bot_id)
        make_bot_folder(folder.parent, folder.name)
        journal = Journal(journal_path(folder), bot_id, fsync=False)
        try:
            begin(journal, self.head())
            async with store.keep(bot_id, journal):
                yield journal
        finally:
            journal.close()

    async def attended(self, store: BotStore, bot_id: str = "b-1") -> None:
        """Have a bot attend a meeting, with words and a recording."""
        async with self.running(store, bot_id) as journal:
            attend(journal, store.workplace(bot_id))

    # --- the log ---------------------------------------------------------------------------

    async def test_only_the_newest_lease_of_a_remote_store_may_write(self, tmp_path: Path) -> None:
        """Lines of an older one are refused, those that come again stand as they are."""
        store = self.open_store(tmp_path)
        if not isinstance(store, RemoteStore):
            return
        head = [evolve(event, seq=n, bot_id="b-1") for n, event in enumerate(self.head(), 1)]
        lines = [(event.seq, encode_line(event)) for event in head]
        with trio.fail_after(self.within_s):
            first = await store.take("b-1", "one", 30.0)
            assert first is not None
            assert await store.held("b-1")
            assert await store.take("b-1", "two", 30.0) is None
            assert await store.append("b-1", first, lines[:1])
            assert await store.renew("b-1", first, 0)
            assert not await store.held("b-1")
            second = await store.take("b-1", "two", 30.0)
            assert second is not None
            assert second > first
            assert not await store.append("b-1", first, lines[1:])
            assert not await store.renew("b-1", first, 30.0)
            assert list(await store.lines("b-1", 0, 9)) == lines[:1]
            for _ in range(2):
                assert await store.append("b-1", second, lines)
            assert list(await store.lines("b-1", 0, 9)) == lines
            assert list(await store.lines("b-1", 0, 1)) == lines[:1]
            assert await store.remove("b-1") == 1
            assert not await store.held("b-1")
            assert list(await store.lines("b-1", 0, 9)) == []

    async def test_how_a_bot_begins_is_there_for_everybody(self, tmp_path: Path) -> None:
        """Durable on return; a second time it stands as it was."""
        with trio.fail_after(self.within_s):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            assert not await store.log("b-1").exists()
            await store.begin("b-1", self.head())
            first = await _all(other.log("b-1").read())
            assert [event.type for event in first] == ["bot.requested", "state.changed"]
            assert [event.seq for event in first] == [1, 2]
            assert {event.bot_id for event in first} == {"b-1"}
            await other.begin("b-1", self.head())
            assert await _all(store.log("b-1").read()) == first
            assert await store.log("b-1").exists()
            history = await store.log("b-1").history()
            assert (history.state, history.last_seq) == (State.REQUESTED, 2)
            assert await store.runner("b-1") is None

    async def test_a_bot_that_was_under_way_does_not_begin_again(self, tmp_path: Path) -> None:
        """The order is refused and the log stays as it was."""
        with trio.fail_after(self.within_s):
            store = self.open_store(tmp_path)
            await self.attended(store)
            before = await _all(store.log("b-1").read())
            with pytest.raises(JournalError):
                await store.begin("b-1", self.head())
            assert await _all(store.log("b-1").read()) == before

    async def test_what_a_bot_writes_while_it_runs_comes_to_whoever_follows(
        self, tmp_path: Path
    ) -> None:
        """In order, without a gap, and to its end; also of a bot that began elsewhere."""
        with trio.fail_after(self.within_s):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            await other.begin("b-1", self.head())
            seen: list[Event] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(_collect, other.log("b-1").follow(), seen))
                async with self.running(store) as journal:
                    assert journal.last_seq == 2
                    assert await store.runner("b-1") is not None
                    assert await other.runner("b-1") is not None
                    attend(journal, store.workplace("b-1"))
                    told = list(journal.read())
            assert seen == told
            assert await _all(other.log("b-1").read()) == told
            assert await other.runner("b-1") is None
            assert await other.runner("b-2") is None

    async def test_a_log_is_read_from_any_place_and_by_type(self, tmp_path: Path) -> None:
        """And what was said, in the order of speech, each in its newest revision."""
        with trio.fail_after(self.within_s):
            store = self.open_store(tmp_path)
            await self.attended(store)
            log = self.open_elsewhere(tmp_path).log("b-1")
            whole = await _all(log.read())
            assert await _all(log.read(5)) == whole[5:]
            assert await _all(log.read(len(whole))) == []
            changes = await _all(log.read(types=(StateChanged,)))
            assert changes == [event for event in whole if isinstance(event, StateChanged)]
            said = [event.segment for event in await _all(log.finalized())]
            assert [(each.id, each.text) for each in said] == [("u-2", "first"), ("u-1", "then")]
            seq = max(event.seq for event in whole if isinstance(event, SegmentFinalized))
            later = [event.segment.id for event in await _all(log.finalized(seq - 1))]
            assert later == ["u-1"]
            assert await _all(store.log("none").read()) == []
            assert await _all(store.log("none").finalized()) == []
            assert (await store.log("none").history()).last_seq == 0

    # --- who writes ------------------------------------------------------------------------

    async def test_after_a_number_that_is_too_large_there_is_nothing(self, tmp_path: Path) -> None:
        """Whoever asks may ask for anything."""
        with trio.fail_after(60):
            store = self.open_store(tmp_path)
            async with self.running(store) as journal:
                attend(journal, store.workplace("b-1"))
            assert await _all(store.log("b-1").read(2**80)) == []

    async def test_who_runs_a_bot_runs_it_alone(self, tmp_path: Path) -> None:
        """Another is refused, and so is whoever would write its end or work on what it left."""
        with trio.fail_after(self.within_s):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            async with self.running(store) as journal:
                with pytest.raises(JournalBusy):
                    async with self.running(other):
                        pytest.fail("two run it")
                with pytest.raises(JournalBusy):
                    await other.end("b-1", EndReason.CRASHED, WHY)
                with pytest.raises(JournalBusy):
                    async with other.checkout("b-1"):
                        pytest.fail("it is being written")
                attend(journal, store.workplace("b-1"))

    async def test_the_end_of_a_bot_that_nobody_runs_is_written_once(self, tmp_path: Path) -> None:
        """A second end is refused; the reason and what shows it are in the log."""
        with trio.fail_after(self.within_s):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            await store.begin("b-1", self.head())
            await other.end("b-1", EndReason.STOP_REQUESTED, WHY)
            end = (await _all(store.log("b-1").read()))[-1]
            assert isinstance(end, StateChanged)
            assert (end.seq, end.reason, end.evidence) == (3, EndReason.STOP_REQUESTED, WHY)
            with pytest.raises(IllegalTransition):
                await store.end("b-1", EndReason.CRASHED, WHY)
            assert (await _all(store.log("b-1").read()))[-1] == end

    async def test_what_a_bot_left_is_worked_on_and_kept(self, tmp_path: Path) -> None:
        """Recovery brings its log to an end; a file that was put there is found by its name."""
        with trio.fail_after(self.within_s):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            async with self.running(store) as journal:
                journal.append(StateChanged(state=State.JOINING, previous=State.REQUESTED))
            plugins = Plugins(entry_points=False)
            (done,) = await recover_bot(other, "b-1", plugins=plugins)
            assert (done.bot_id, done.ended) == ("b-1", True)
            history = await store.log("b-1").history()
            assert history.ended
            async with other.checkout("b-1") as folder:
                assert journal_path(folder).is_file()
                (folder / "files").mkdir(exist_ok=True)
                (folder / "files" / "late.txt").write_text("made later")
            assert await store.media("b-1").read_bytes("files/late.txt") == b"made later"
            assert await recover_bot(store, "b-1", plugins=plugins) == []

    # --- files -----------------------------------------------------------------------------

    async def test_a_file_that_was_deleted_does_not_come_back(self, tmp_path: Path) -> None:
        """Also where the machine that made it works on the bot once more."""
        with trio.fail_after(60):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            async with self.running(store) as journal:
                attend(journal, store.workplace("b-1"))
            with pytest.raises(ZeroDivisionError):
                async with other.checkout("b-1"):
                    raise ZeroDivisionError

            async def done_by_half() -> None:
                async with other.checkout("b-1") as folder:
                    (folder / "files").mkdir(exist_ok=True)
                    (folder / "files" / "half.txt").write_text("half")
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await done_by_half()
            async with other.checkout("b-1") as folder:
                assert (folder / "files" / "half.txt").exists()
            assert await store.media("b-1").delete("files/mix.bin")
            async with other.checkout("b-1") as folder:
                assert not (folder / "files" / "mix.bin").exists()
            async with store.checkout("b-1") as folder:
                assert not (folder / "files" / "mix.bin").exists()
            assert await other.media("b-1").stat("files/mix.bin") is None

    async def test_what_is_renamed_by_whoever_works_on_it_is_so_for_everybody(
        self, tmp_path: Path
    ) -> None:
        """Also on the machine that made it: an old name does not bring the old file back."""
        with trio.fail_after(60):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            async with self.running(store) as journal:
                attend(journal, store.workplace("b-1"))
            async with other.checkout("b-1") as folder:
                files = folder / "files"
                content = (files / "mix.bin").read_bytes()
                (files / "mix.bin").rename(files / "whole.bin")
            for each in (store, other):
                assert await each.media("b-1").stat("files/mix.bin") is None
                assert await each.media("b-1").read_bytes("files/whole.bin") == content
                async with each.checkout("b-1") as folder:
                    assert not (folder / "files" / "mix.bin").exists()
                    assert (folder / "files" / "whole.bin").read_bytes() == content
            async with other.checkout("b-1") as folder:
                (folder / "files" / "whole.bin").unlink()
            assert await store.media("b-1").stat("files/whole.bin") is None

    async def test_a_machine_that_worked_on_a_bot_of_another_keeps_no_copy(
        self, tmp_path: Path
    ) -> None:
        """One that works on many would be full of what the store has."""
        with trio.fail_after(60):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            async with self.running(store) as journal:
                attend(journal, store.workplace("b-1"))
            await store.begin("b-2", self.head())
            if other.workplace("b-1") == store.workplace("b-1"):
                return  # it is what is kept
            with pytest.raises(ZeroDivisionError):
                async with other.checkout("b-1"):
                    raise ZeroDivisionError
            assert not other.workplace("b-1").exists()
            async with other.checkout("b-1") as folder:
                (folder / "files" / "late.txt").write_text("made later")
            await other.end("b-2", EndReason.CRASHED, WHY)
            for bot_id in ("b-1", "b-2"):
                assert not other.workplace(bot_id).exists()
            assert await store.media("b-1").read_bytes("files/late.txt") == b"made later"
            assert store.workplace("b-1").exists()

    async def test_files_are_found_by_their_names_and_read_in_part(self, tmp_path: Path) -> None:
        """As a bot left them and as others put them; the log and notes are none."""
        with trio.fail_after(self.within_s):
            store = self.open_store(tmp_path / "s")
            await self.attended(store)
            media = self.open_elsewhere(tmp_path / "s").media("b-1")
            found = await media.stat("files/mix.bin")
            assert found is not None
            assert (found.name, found.size_bytes) == ("files/mix.bin", 100_000)
            assert found.modified_at.tzinfo is not None
            source = tmp_path / "given.txt"
            source.write_bytes(b"0123456789")
            kept = await media.put("files/deep/note.txt", source)
            assert (kept.name, kept.size_bytes) == ("files/deep/note.txt", 10)
            names = [file.name for file in await _all(media.files())]
            assert names == ["files/deep/note.txt", "files/mix.bin"]
            assert [f.name for f in await _all(media.files("files/deep"))] == names[:1]
            assert await media.read_bytes("files/deep/note.txt") == b"0123456789"
            parts = await _all(media.read("files/deep/note.txt", 2, 5))
            assert b"".join(parts) == b"23456"
            assert await _all(media.read("files/deep/note.txt", 10)) == []
            async with media.local("files/mix.bin") as path:
                assert path.read_bytes() == bytes(100_000)
            assert await media.delete("files/deep/note.txt")
            assert not await media.delete("files/deep/note.txt")
            assert await media.stat("files/deep/note.txt") is None

    async def test_a_file_that_is_made_of_another_is_made_once(self, tmp_path: Path) -> None:
        """Where it cannot be made there is none, whole or in part."""
        with trio.fail_after(self.within_s):
            store = self.open_store(tmp_path)
            await self.attended(store)
            media = store.media("b-1")
            made: list[Path] = []

            def make(source: Path, target: Path) -> None:
                made.append(target)
                target.write_bytes(source.read_bytes()[:7])

            def fail(source: Path, target: Path) -> None:
                target.write_bytes(b"half")
                raise ValueError("no sound in it")

            for _ in range(2):
                kept = await media.derive("files/mix.short", "files/mix.bin", make)
                assert (kept.name, kept.size_bytes) == ("files/mix.short", 7)
            assert len(made) == 1
            with pytest.raises(ValueError, match="no sound"):
                await media.derive("files/mix.other", "files/mix.bin", fail)
            with pytest.raises(NoSuchFile):
                await media.derive("files/mix.other", "files/none.bin", make)
            assert await media.stat("files/mix.other") is None
            names = [file.name for file in await _all(media.files())]
            assert names == ["files/mix.bin", "files/mix.short"]

    @pytest.mark.parametrize(
        "name", ["../b-2/journal.jsonl", "/etc/hostname", "", ".", "files/../../x", "a\0b", "none"]
    )
    async def test_a_name_that_is_no_file_of_the_bots_gives_nothing(
        self, tmp_path: Path, name: str
    ) -> None:
        """Whatever a name says, it leads to no other place."""
        with trio.fail_after(self.within_s):
            store = self.open_store(tmp_path)
            await self.attended(store)
            await self.attended(store, "b-2")
            media = store.media("b-1")
            assert await media.stat(name) is None
            with pytest.raises(NoSuchFile):
                await media.read_bytes(name)

    # --- moving ----------------------------------------------------------------------------

    async def test_a_bot_is_moved_there_and_back_and_is_the_same(self, tmp_path: Path) -> None:
        """With its log, its files and what its sinks keep; and then it is in one place."""
        with trio.fail_after(self.within_s):
            store, folders = self.open_store(tmp_path / "s"), FolderStore(tmp_path / "f")
            for bot_id in ("b-1", "b-2"):
                await self.attended(folders, bot_id)
            before = [await stored_hashes(folders, bot_id) for bot_id in ("b-1", "b-2")]
            assert len(before[0].files) == 1
            await move_bot(folders, store, "b-1", keep=True)  # as if it ended in the middle
            assert await move_bots(folders, store) == []
            assert await _all(folders.records()) == []
            other = self.open_elsewhere(tmp_path / "s")
            assert [await stored_hashes(other, bot_id) for bot_id in ("b-1", "b-2")] == before
            async with self.running(store, "b-3"):
                (left,) = await move_bots(store, folders)
                assert left.bot_id == "b-3"
                assert "running" in left.trouble
            assert [await stored_hashes(folders, bot_id) for bot_id in ("b-1", "b-2")] == before

    async def test_a_move_to_where_they_are_is_refused_and_loses_nothing(
        self, tmp_path: Path
    ) -> None:
        """Two that were opened for one place are one store, whatever they are called."""
        with trio.fail_after(self.within_s):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            await self.attended(store)
            before = await stored_hashes(store, "b-1")
            for target in (store, other):
                with pytest.raises(ConfigError, match="same place"):
                    await move_bots(store, target)
            assert await stored_hashes(other, "b-1") == before
            assert [each.bot_id for each in await _all(store.records())] == ["b-1"]

    async def test_what_a_killed_bot_had_not_handed_on_is_there_when_it_is_worked_on(
        self, tmp_path: Path
    ) -> None:
        """On its machine the workplace is newer than the store: in a `checkout` both are one."""
        with trio.fail_after(self.within_s):
            store = self.open_store(tmp_path)
            await store.prepare("b-1")
            folder = store.workplace("b-1")
            make_bot_folder(folder.parent, folder.name)
            journal = Journal(journal_path(folder), "b-1", fsync=False)
            begin(journal, self.head())
            async with store.keep("b-1", journal):
                journal.append(StateChanged(state=State.JOINING, previous=State.REQUESTED))
            journal.append(StateChanged(state=State.IN_CALL, previous=State.JOINING))
            written = list(journal.read())
            journal.close()
            async with store.checkout("b-1") as there:
                assert list(read_journal(journal_path(there))) == written
                assert await _all(store.log("b-1").read()) == written
            assert await _all(self.open_elsewhere(tmp_path).log("b-1").read()) == written

    # --- all of them -----------------------------------------------------------------------

    async def test_bots_are_listed_by_their_ids(self, tmp_path: Path) -> None:
        """Those after one, too."""
        with trio.fail_after(self.within_s):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            assert await _all(store.records()) == []
            for bot_id in ("b-2", "b-3", "b-1"):
                await store.begin(bot_id, self.head())
            assert [each.bot_id for each in await _all(other.records())] == ["b-1", "b-2", "b-3"]
            after = await _all(other.records(after="b-1"))
            assert [each.bot_id for each in after] == ["b-2", "b-3"]

    async def test_deleted_is_deleted(self, tmp_path: Path) -> None:
        """Its log, its files and its place in the list; its sibling stays."""
        with trio.fail_after(self.within_s):
            store, other = self.open_store(tmp_path), self.open_elsewhere(tmp_path)
            await self.attended(store)
            await self.attended(store, "b-2")
            deletion = await other.delete("b-1")
            assert deletion.files >= 1
            assert deletion.stayed == ""
            assert not await store.log("b-1").exists()
            assert await _all(store.log("b-1").read()) == []
            assert await store.media("b-1").stat("files/mix.bin") is None
            assert [each.bot_id for each in await _all(store.records())] == ["b-2"]
            assert await store.log("b-2").exists()
            assert (await store.delete("b-1")).files == 0

    @pytest.mark.parametrize("bot_id", ["", "..", "a/b", ".hidden", "a\0b"])
    async def test_what_cannot_be_an_id_is_refused(self, tmp_path: Path, bot_id: str) -> None:
        """Before anything is read or written."""
        with trio.fail_after(self.within_s):
            store = self.open_store(tmp_path)
            with pytest.raises(ConfigError):
                store.workplace(bot_id)
            with pytest.raises(ConfigError):
                await store.begin(bot_id, self.head())

    async def test_a_store_that_works_has_no_trouble(self, tmp_path: Path) -> None:
        """As `/ready` asks."""
        with trio.fail_after(self.within_s):
            assert await self.open_store(tmp_path).trouble() == ""


def attend(journal: Journal, folder: Path) -> None:
    """Write what a short meeting leaves."""
    states = [
        State.REQUESTED, State.JOINING, State.IN_CALL, State.RECORDING, State.LEAVING,
        State.PROCESSING, State.COMPLETED,
    ]  # fmt: skip
    for before, state in pairwise(states):
        if state is State.LEAVING:
            (folder / "files").mkdir(mode=0o700, exist_ok=True)
            (folder / "files" / "mix.bin").write_bytes(bytes(100_000))
            for key, text, start, revision in (
                ("u-1", "late", 5.0, 1), ("u-2", "first", 1.0, 1), ("u-1", "then", 5.0, 2),
            ):  # fmt: skip
                segment = Segment(
                    id=key, revision=revision, finalized=True, track_id="t", text=text,
                    participant_id=None, speaker_name=None, speaker_source=NameSource.UNKNOWN,
                    speaker_confidence=0.0, start_s=start, end_s=start + 1,
                )  # fmt: skip
                journal.append(SegmentFinalized(segment=segment))
            journal.append(
                ArtifactWritten(
                    kind="audio.mix",
                    path="files/mix.bin",
                    media_type="application/octet-stream",
                    size_bytes=100_000,
                )
            )
        reason = EndReason.MEETING_ENDED if state is State.COMPLETED else None
        event = StateChanged(state=state, previous=before, reason=reason)
        journal.append(evolve(event, at=datetime.now(UTC)))


async def _all(items: AsyncGenerator[T, None]) -> list[T]:
    async with aclosing(items):
        return [item async for item in items]


async def _collect(items: AsyncGenerator[T, None], into: list[T]) -> None:
    async with aclosing(items):
        async for item in items:
            into.append(item)  # noqa: PERF401  whoever waits sees them as they come
