"""What goes wrong for one bot as it is let go of ends no other bot of its fleet."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

import meetcore
from meetcore.fleet import fleet as fleet_module
from meetcore.log.unkept_fleet import UnkeptFleetStore
from meetcore.model.config import RetentionConfig
from meetcore.testing import SimMeeting
from tests.laws.conftest import MEETING


async def fails(*args: Any, **options: Any) -> Any:
    await trio.lowlevel.checkpoint()
    raise RuntimeError("boom")


def fails_at_once(*args: Any) -> Any:
    raise RuntimeError("boom")


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="meetcore-tests-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("where", ["in_memory", "recover_bot", "bury"])
async def test_a_bot_of_which_something_stays_ends_no_other(
    tmp_path: Path,
    memory: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    meeting = SimMeeting(MEETING)
    kept = RetentionConfig(keep="nothing", memory=memory)
    config = meetcore.BotConfig(out_dir=tmp_path / "out", fsync=False, retention=kept)
    with trio.fail_after(60):
        async with meetcore.open_fleet(config, plugins=meeting.plugins()) as fleet:
            first, second = fleet.start(meeting.link), fleet.start(meeting.link)
            if where == "recover_bot":
                monkeypatch.setattr(fleet_module, "recover_bot", fails)
            else:
                failing = fails_at_once if where == "in_memory" else fails
                monkeypatch.setattr(UnkeptFleetStore, where, failing)
            first.abandon()
            await fleet._one_less.wait()
            assert not second.ended
            await second.stop()
            await fleet.wait_empty()
    assert second.ending is not None
    assert second.ending.reason is meetcore.EndReason.STOP_REQUESTED
    assert "boom" in caplog.text


async def test_a_bot_of_which_it_is_not_known_whether_it_is_kept_is_kept(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = SimMeeting(MEETING)
    retention = RetentionConfig(keep="as_ordered", memory=memory)
    config = meetcore.BotConfig(out_dir=tmp_path / "out", fsync=False, retention=retention)
    asked = UnkeptFleetStore.in_memory
    with trio.fail_after(60):
        async with meetcore.open_fleet(config, plugins=meeting.plugins()) as fleet:
            bot = fleet.start(meeting.link)
            times = iter([True])

            def once(self: Any, bot_id: str) -> bool:
                if next(times, False):
                    raise OSError("the folder does not answer")
                return asked(self, bot_id)

            await trio.sleep(0.2)
            monkeypatch.setattr(UnkeptFleetStore, "in_memory", once)
            await bot.stop()
            await fleet.wait_empty()
    assert (tmp_path / "out" / bot.id / "journal.jsonl").exists()
