"""Finishing what a killed process left: whatever the journal holds, it ends, once."""

from __future__ import annotations

import socket

import attrs
import pytest
import trio

import meetcore
from meetcore.fleet.launching.sockets import socket_path
from meetcore.fleet.recovery import recover
from meetcore.log.folder_store import FolderStore
from meetcore.log.journal import Journal
from meetcore.model.lifecycle import TERMINAL
from meetcore.testing import SimMeeting, run_simulated
from tests.laws.conftest import MEETING
from tests.meetcore.conftest import check_journal, kinds


class Tidy(meetcore.Sink):
    """Says what it finished; can fail at it."""

    name = "tidy"
    trouble: Exception | None = None
    asked: list = []  # noqa: RUF012

    async def recover(self, context):
        await trio.lowlevel.checkpoint()
        with pytest.raises(meetcore.CommandRefused):
            await context.perform(meetcore.Stop())
        Tidy.asked.append(context.name)
        if Tidy.trouble is not None:
            raise Tidy.trouble
        return ["closed the book"]


class TidyPlugin:
    @meetcore.hookimpl
    def meetcore_register_sinks(self, register):
        register(Tidy)


def plugins() -> meetcore.Plugins:
    return meetcore.Plugins(entry_points=False, objects={"tidy": TidyPlugin()})


def run_recover(folder, which: meetcore.Plugins | None = None):
    return trio.run(lambda: recover(folder, plugins=which or plugins()))


@pytest.fixture
def left(tmp_path):
    Tidy.trouble, Tidy.asked = None, []
    events = run_simulated(SimMeeting(MEETING), out_dir=tmp_path, sinks=[Tidy()])
    path = tmp_path / events[0].bot_id / "journal.jsonl"
    return path, path.read_bytes().splitlines(keepends=True)


def test_killed_after_any_event_the_journal_gets_its_end(left):
    path, lines = left
    for keep in range(1, len(lines)):
        path.write_bytes(b"".join(lines[:keep]))
        before = list(meetcore.read_journal(path))
        had_ended = any(getattr(e, "state", None) in TERMINAL for e in before)
        (done,) = run_recover(path.parent.parent)
        assert done.ended is not had_ended
        assert done.notes == ["tidy: closed the book"]
        events = list(meetcore.read_journal(path))
        check_journal(events, cut_short=True)
        recorded = any(getattr(e, "state", None) == "recording" for e in before)
        if not had_ended:
            assert events[-1].state == ("completed" if recorded else "failed")
        assert not path.with_suffix(".reserve").exists()


def recover_told(folder, told):
    """Recover one bot of which others were told more than is there."""
    asked = []

    async def told_after(seq):
        await trio.lowlevel.checkpoint()
        asked.append(seq)
        return [event for event in told if event.seq > seq]

    store = FolderStore(folder.parent, fsync=False)

    async def run():
        return await meetcore.recover_bot(store, folder.name, plugins=plugins(), told=told_after)

    return trio.run(run), asked


def test_what_others_were_told_keeps_its_number_and_the_end_comes_after_it(left):
    path, lines = left
    whole = list(meetcore.read_journal(path))
    path.write_bytes(b"".join(lines[:10]))
    (done,), asked = recover_told(path.parent, whole[8:14])
    assert asked == [10]
    assert done.ended
    assert done.notes[-1] == "4 events that had been told, and not kept yet, are kept."
    events = list(meetcore.read_journal(path))
    assert events[:14] == whole[:14]
    check_journal(events, cut_short=True)
    assert events[-1].reason is meetcore.EndReason.CRASHED


def test_an_end_that_others_were_told_is_the_end(left):
    path, lines = left
    whole = list(meetcore.read_journal(path))
    path.write_bytes(b"".join(lines[:-3]))
    (done,), _ = recover_told(path.parent, whole)
    assert not done.ended
    assert list(meetcore.read_journal(path)) == whole


def test_what_was_told_and_nobody_has_any_more_is_said_to_be_lost(left):
    path, lines = left
    whole = list(meetcore.read_journal(path))
    path.write_bytes(b"".join(lines[:10]))
    recover_told(path.parent, whole[11:12])
    events = list(meetcore.read_journal(path))
    assert [event.type for event in events[10:12]] == ["event.lost", whole[11].type]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_running_bot_is_left_alone(left):
    path, lines = left
    path.write_bytes(b"".join(lines[:8]))
    held = Journal(path, "b", fsync=False)
    assert run_recover(path.parent) == []
    assert Tidy.asked == []
    held.close()


def test_a_sink_that_fails_or_is_missing_is_named_and_the_journal_still_ends(left):
    path, lines = left
    path.write_bytes(b"".join(lines[:8]))
    Tidy.trouble = OSError("no room")
    (done,) = run_recover(path.parent)
    assert (done.ended, done.trouble) == (True, ["tidy: no room"])
    failed = kinds(meetcore.read_journal(path), meetcore.PluginFailed)
    assert [(e.plugin, e.where) for e in failed] == [("tidy", "recover")]
    (done,) = run_recover(path.parent, meetcore.Plugins(entry_points=False))
    assert done.trouble == ["The sink 'tidy' is not installed here."]


def test_a_bot_that_ended_in_order_needs_no_sink_that_is_missing(left):
    path, _ = left
    assert run_recover(path.parent, meetcore.Plugins(entry_points=False)) == []


@attrs.frozen(kw_only=True)
class PickyOptions:
    """They need an address."""

    url: str = ""

    def __attrs_post_init__(self):
        if not self.url:
            raise meetcore.ConfigError("[plugins.tidy] url is empty.")


class Picky(meetcore.Sink[PickyOptions]):
    name = "tidy"


class Raising(meetcore.Sink):
    name = "tidy"

    def __init__(self, options=None):
        raise RuntimeError("made of glass")


def with_sink(sink: type[meetcore.Sink]) -> meetcore.Plugins:
    class Plugin:
        @meetcore.hookimpl
        def meetcore_register_sinks(self, register):
            register(sink)

    return meetcore.Plugins(entry_points=False, objects={"tidy": Plugin()})


def test_a_bot_that_ended_in_order_needs_no_options_of_its_sinks(left):
    path, _ = left
    whole = path.read_bytes()
    assert run_recover(path.parent, with_sink(Picky)) == []
    assert path.read_bytes() == whole


def test_options_that_are_missing_for_one_that_did_not_are_trouble_and_no_event(left):
    path, lines = left
    path.write_bytes(b"".join(lines[:8]))
    for _ in range(2):
        (done,) = run_recover(path.parent, with_sink(Picky))
        assert done.trouble == ["tidy: [plugins.tidy] url is empty."]
    assert not kinds(meetcore.read_journal(path), meetcore.PluginFailed)


@pytest.mark.parametrize("sink", [Tidy, Raising])
def test_a_journal_that_has_its_end_gets_no_failure_however_often_it_is_tried(left, sink):
    path, _ = left
    Tidy.trouble = OSError("no room")
    whole = path.read_bytes()
    for _ in range(2):
        (done,) = run_recover(path.parent, with_sink(sink))
        assert len(done.trouble) == 1
    assert path.read_bytes() == whole


def test_a_killed_process_leaves_no_socket(left):
    path, lines = left
    path.write_bytes(b"".join(lines[:8]))
    place = socket_path(path.parent)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
    assert place.exists()
    run_recover(path.parent)
    assert not place.exists()


def test_a_journal_without_its_first_event_is_trouble(tmp_path):
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot" / "journal.jsonl").write_bytes(b"torn")
    (done,) = run_recover(tmp_path)
    assert (done.bot_id, done.trouble) == ("bot", ["The journal does not begin with a request."])
    assert (tmp_path / "bot" / "journal.torn").read_bytes() == b"torn"
