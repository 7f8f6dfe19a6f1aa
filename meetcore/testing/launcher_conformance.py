"""What every launcher has to keep: subclass `LauncherConformance`, and say how yours is made."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from meetcore.fleet.recovery import recover
from meetcore.log.folder_store import FolderStore
from meetcore.log.folders import journal_path
from meetcore.log.journal import read_journal
from meetcore.log.who_runs import is_running
from meetcore.model.commands import SendChat, ShowImage, Stop
from meetcore.model.drafts import Draft
from meetcore.model.errors import CapabilityMissing, CommandRefused, MeetcoreError
from meetcore.model.events import (
    BotReleased,
    BotTakenOver,
    ChatReceived,
    Event,
    StateChanged,
)
from meetcore.model.lifecycle import TERMINAL, EndReason, State
from meetcore.model.page_input import PictureFormat, TextInput
from meetcore.plugin.bus import BotBus
from meetcore.plugin.launcher import BotSpec, Launcher, RunningBot
from meetcore.plugin.registry import Plugins
from meetcore.testing.simulated_meetings import PLUGIN_FILE

__all__ = ["LauncherConformance", "hold_open"]

_HANDS = (BotTakenOver, BotReleased)


class LauncherConformance:
    """Override `make_launcher`, and `make_lasting_launcher` where bots outlive their launcher.

    Bots attend simulated meetings, in real time; the folder is one that both sides see. A launcher
    that has a `bus` is given it open.

    Attributes:
        within_s: How long a test may take, a start of the slowest kind included.
    """

    within_s = 60.0

    @abstractmethod
    def make_launcher(self) -> Launcher:
        """Return a launcher whose bots leave when their nursery is cancelled."""

    def make_lasting_launcher(self) -> Launcher | None:
        """Return one whose bots go on when their nursery is cancelled; None if there is none."""
        return None

    async def _launcher(self, out_dir: Path) -> Launcher:
        return await _looking_into(self.make_launcher(), out_dir)

    def spec(self, out_dir: Path, meeting: str, bot_id: str = "b-1", **settings: Any) -> BotSpec:
        """Return the spec of a bot for one of `meetcore.testing.simulated_meetings`."""
        return BotSpec(
            bot_id=bot_id,
            url=f"simulated:{meeting}",
            settings={"out_dir": str(out_dir), "transcriber": "scripted", **settings},
            plugin_files=(PLUGIN_FILE,),
        )

    @asynccontextmanager
    async def launched(self, out_dir: Path, meeting: str) -> AsyncIterator[RunningBot]:
        """Hold a bot."""
        with trio.fail_after(self.within_s):
            async with trio.open_nursery() as nursery:
                launcher = await self._launcher(out_dir)
                yield await launcher.launch(self.spec(out_dir, meeting), nursery)

    async def test_it_tells_its_whole_journal_with_drafts_and_is_gone(self, tmp_path: Path) -> None:
        """`items` gives the journal from its first event to its last, drafts in between."""
        async with self.launched(tmp_path, "short") as bot:
            items = await _all(bot)
            await bot.gone()
        events = [item for item in items if isinstance(item, Event)]
        assert events == _journal(tmp_path)
        assert isinstance(events[-1], StateChanged)
        assert events[-1].reason is EndReason.MEETING_ENDED
        assert any(isinstance(item, Draft) for item in items)
        assert not is_running(tmp_path / "b-1")

    async def test_whoever_comes_later_gets_what_comes_after_what_he_has(
        self, tmp_path: Path
    ) -> None:
        """`items(after)` begins with the next event, without a gap, for each listener."""
        async with self.launched(tmp_path, "short") as bot:
            first = await _until(bot, State.IN_CALL)
            rest = [item for item in await _all(bot, first.seq) if isinstance(item, Event)]
        assert [event.seq for event in rest] == list(range(first.seq + 1, rest[-1].seq + 1))
        assert _journal(tmp_path)[-1] == rest[-1]

    async def test_it_takes_commands_and_says_why_it_refuses_one(self, tmp_path: Path) -> None:
        """What `Bot.perform` raises arrives as what it is, with its fields; also after the end."""
        async with self.launched(tmp_path, "stay") as bot:
            await _until(bot, State.RECORDING)
            await bot.perform(SendChat("hello everyone"))
            with pytest.raises(CapabilityMissing, match="cannot show image") as missing:
                await bot.perform(ShowImage(b"picture"))
            assert missing.value.capability == "show_image"
            await bot.perform(Stop("enough"))
            await bot.gone()
            with pytest.raises(CommandRefused):
                await bot.perform(SendChat("too late"))
        events = _journal(tmp_path)
        assert "hello everyone" in [e.text for e in events if isinstance(e, ChatReceived)]
        assert isinstance(events[-1], StateChanged)
        assert events[-1].reason is EndReason.STOP_REQUESTED

    async def test_its_audio_can_be_heard(self, tmp_path: Path) -> None:
        """`hear` gives the chunks of every track at 16 kHz."""
        async with self.launched(tmp_path, "stay") as bot:
            async with bot.hear() as chunks:
                tracks: set[str] = set()
                async for chunk in chunks:
                    assert chunk.sample_rate_hz == 16_000
                    tracks.add(chunk.track_id)
                    if len(tracks) == 2:
                        break
            await bot.perform(Stop())

    async def test_its_page_can_be_seen_and_taken_over(self, tmp_path: Path) -> None:
        """`screenshot` gives a picture; `look_in` gives others, and hands to whoever asks."""
        async with self.launched(tmp_path, "stay") as bot:
            await _until(bot, State.RECORDING)
            picture = await bot.screenshot(PictureFormat.PNG, by="ada")
            assert picture.image.startswith(b"\x89PNG")
            assert (picture.media_type, picture.width, picture.height) == ("image/png", 32, 18)
            async with bot.look_in(by="ada") as look, bot.look_in(by="ben") as other:
                seen = {(await look.next_picture()).image for _ in range(3)}
                assert len(seen) == 3
                assert all(image.startswith(b"\xff\xd8") for image in seen)
                with pytest.raises(CommandRefused, match="Take it over first"):
                    await look.act(TextInput(text="a word"))
                await look.take_over()
                await look.act(TextInput(text="a word"))
                with pytest.raises(CommandRefused, match="Somebody else"):
                    await other.take_over()
                await look.release()
                await other.take_over()
            await _released(bot, "ben")
            await bot.perform(Stop())
            await bot.gone()
            with pytest.raises(CommandRefused):
                await bot.screenshot(PictureFormat.JPEG)
        told = [event for event in _journal(tmp_path) if isinstance(event, _HANDS)]
        assert [(type(event).__name__, event.by) for event in told] == [
            ("BotTakenOver", "ada"),
            ("BotReleased", "ada"),
            ("BotTakenOver", "ben"),
            ("BotReleased", "ben"),
        ]
        assert [e.cause for e in told if isinstance(e, BotReleased)] == ["released", "gone"]

    async def test_a_cancelled_nursery_has_it_leave_in_order(self, tmp_path: Path) -> None:
        """The journal has its end when the nursery is through."""
        with trio.fail_after(self.within_s):
            async with trio.open_nursery() as nursery:
                launcher = await self._launcher(tmp_path)
                bot = await launcher.launch(self.spec(tmp_path, "stay"), nursery)
                await _until(bot, State.RECORDING)
                nursery.cancel_scope.cancel()
        end = _journal(tmp_path)[-1]
        assert isinstance(end, StateChanged)
        assert (end.state, end.reason) == (State.COMPLETED, EndReason.STOP_REQUESTED)

    async def test_one_abandoned_is_gone_at_once_and_its_sibling_goes_on(
        self, tmp_path: Path
    ) -> None:
        """Recovery ends what an abandoned bot left, if it did not itself; nothing of it runs."""
        with trio.fail_after(self.within_s):
            async with trio.open_nursery() as nursery:
                launcher = await self._launcher(tmp_path)
                first = await launcher.launch(self.spec(tmp_path, "stay"), nursery)
                other = await launcher.launch(self.spec(tmp_path, "stay", "b-2"), nursery)
                await _until(first, State.IN_CALL)
                await _until(other, State.IN_CALL)
                first.abandon()
                await first.gone()
                assert not is_running(tmp_path / "b-1")
                await other.perform(SendChat("still here"))
                await other.perform(Stop())
                await other.gone()
        await recover(tmp_path / "b-1", plugins=Plugins(entry_points=False))
        for bot_id in ("b-1", "b-2"):
            end = _journal(tmp_path, bot_id)[-1]
            assert isinstance(end, StateChanged)
            assert end.state in TERMINAL

    async def test_one_that_cannot_begin_says_why_and_nothing_of_it_runs(
        self, tmp_path: Path
    ) -> None:
        """The error names the link; the nursery is free at once."""
        with trio.fail_after(self.within_s):
            async with trio.open_nursery() as nursery:
                launcher = await self._launcher(tmp_path)
                with pytest.raises(MeetcoreError, match="simulated:nowhere"):
                    await launcher.launch(self.spec(tmp_path, "nowhere"), nursery)
        assert not is_running(tmp_path / "b-1")

    async def test_one_that_goes_on_is_adopted_by_its_id(self, tmp_path: Path) -> None:
        """Once it is gone, or if there never was one, there is none to adopt."""
        launcher = self.make_lasting_launcher()
        with trio.fail_after(self.within_s):
            async with trio.open_nursery() as nursery:
                none = await (await self._launcher(tmp_path)).adopt("b-1", nursery)
                assert none is None
                assert await (await self._launcher(tmp_path)).list() == []
                if launcher is None:
                    return
                await _looking_into(launcher, tmp_path)
                bot = await launcher.launch(self.spec(tmp_path, "stay"), nursery)
                await _until(bot, State.IN_CALL)
                nursery.cancel_scope.cancel()
            assert is_running(tmp_path / "b-1")
            assert await (await self._launcher(tmp_path)).list() == ["b-1"]
            reached = await (await self._launcher(tmp_path)).reach("b-1")
            assert reached is not None  # by somebody who does not look after it
            await _until(reached, State.IN_CALL)
            await reached.perform(SendChat("from beside"))
            assert is_running(tmp_path / "b-1")
            async with trio.open_nursery() as nursery:
                again = await (await self._launcher(tmp_path)).adopt("b-1", nursery)
                assert again is not None
                await again.perform(Stop("adopted"))
                await again.gone()
                none = await (await self._launcher(tmp_path)).adopt("b-1", nursery)
                assert none is None
                assert await (await self._launcher(tmp_path)).reach("b-1") is None
        end = _journal(tmp_path)[-1]
        assert isinstance(end, StateChanged)
        assert end.evidence is not None
        assert end.evidence.detail == "adopted"

    async def test_one_that_was_released_goes_on_without_its_launcher(self, tmp_path: Path) -> None:
        """Also where its bots leave with it: another looks after this one."""
        if self.make_lasting_launcher() is None:
            return
        with trio.fail_after(self.within_s):
            async with trio.open_nursery() as nursery:
                launcher = await self._launcher(tmp_path)
                bot = await launcher.launch(self.spec(tmp_path, "stay"), nursery)
                await _until(bot, State.IN_CALL)
                bot.release()
                nursery.cancel_scope.cancel()
            assert is_running(tmp_path / "b-1")
            other = await (await self._launcher(tmp_path)).reach("b-1")
            assert other is not None
            await other.perform(Stop("released"))
            await other.gone()
        end = _journal(tmp_path)[-1]
        assert isinstance(end, StateChanged)
        assert end.evidence is not None
        assert end.evidence.detail == "released"


async def hold_open(bus: BotBus) -> BotBus:
    """Return a bus when it is open, as a fleet holds it; it is closed at the end of the run."""
    opened = trio.Event()

    async def hold() -> None:
        async with bus.open():
            opened.set()
            await trio.sleep_forever()

    trio.lowlevel.spawn_system_task(hold)
    await opened.wait()
    return bus


async def _looking_into(launcher: Launcher, out_dir: Path) -> Launcher:
    """Return a launcher that finds its bots in a folder and on its bus, as a fleet sets it."""
    launcher.store = FolderStore(out_dir, fsync=False)
    if launcher.bus is not None:
        await hold_open(launcher.bus)
    return launcher


def _journal(out_dir: Path, bot_id: str = "b-1") -> list[Event]:
    return list(read_journal(journal_path(out_dir / bot_id)))


async def _all(bot: RunningBot, after: int = 0) -> list[Event | Draft]:
    async with aclosing(bot.items(after)) as items:
        return [item async for item in items]


async def _released(bot: RunningBot, by: str) -> None:
    async with aclosing(bot.items()) as items:
        async for item in items:
            if isinstance(item, BotReleased) and item.by == by:
                return


async def _until(bot: RunningBot, state: State) -> StateChanged:
    async with aclosing(bot.items()) as items:
        async for item in items:
            if isinstance(item, StateChanged) and item.state is state:
                return item
    raise AssertionError(f"The bot {bot.bot_id} never came to the state {state.value}.")
