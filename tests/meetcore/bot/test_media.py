"""Media that passes by: every fragment is delivered, kept back or declared lost, and none waits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore.audio.media import MediaFragment
from meetcore.bot import media as bot_media
from meetcore.log.media_mailbox import LostMedia, MediaMailbox
from meetcore.model.errors import PluginError
from tests.meetcore.conftest import Stage, check_journal, events_of, kinds


class Camera(meetcore.Sink):
    """Keeps the fragments that it is given."""

    name = "camera"
    wants_media = True
    call_timeout_s = 1000.0

    def __init__(self, takes_s: float = 0.0, error: Exception | None = None) -> None:
        super().__init__()
        self.takes_s = takes_s
        self.error = error
        self.seen: list[meetcore.MediaFragment] = []
        self.gaps: list[tuple[str, int, int, str]] = []
        self.order: list[tuple[str, int]] = []

    async def on_media(self, fragment):
        await trio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        self.seen.append(fragment)
        self.order.append((fragment.track_id, fragment.number))

    async def on_media_gap(self, track_id, first, fragments, cause):
        await trio.lowlevel.checkpoint()
        self.gaps.append((track_id, first, fragments, cause))
        self.order += [(track_id, first + n) for n in range(fragments)]


class Ear(meetcore.Sink):
    name = "ear"
    wants_audio = True

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[meetcore.Chunk] = []
        self.lost: list[tuple[int, int, str]] = []

    async def on_audio(self, chunk):
        await trio.lowlevel.checkpoint()
        self.heard.append(chunk)

    async def on_gap(self, track_id, start_sample, samples, cause):
        await trio.lowlevel.checkpoint()
        self.lost.append((start_sample, samples, cause))


class NativeEar(Ear):
    name = "native"
    wants_native_audio = True


class Film:
    """Emits fragments of a track, one after the other on the call's clock."""

    def __init__(self, stage: Stage, track: str = "tab", size: int = 100) -> None:
        self.stage, self.track, self.size = stage, track, size
        self.at_s = 0.0

    def header(self) -> None:
        self.emit(0.0, header=True)

    def emit(self, duration_s: float = 0.5, **more: Any) -> None:
        self.stage.events.media(
            self.track,
            kind="tab",
            container="video/mp4",
            data=bytes(self.size),
            at_s=self.at_s,
            duration_s=duration_s,
            **more,
        )
        self.at_s += duration_s

    async def roll(self, seconds: float) -> None:
        for _ in range(round(seconds * 2)):
            await trio.sleep(0.5)
            self.emit()


def account(bot: meetcore.Bot, consumer: str) -> meetcore.LedgerEntry:
    (closed,) = kinds(events_of(bot), meetcore.LedgerClosed)
    assert closed.balanced
    (entry,) = [e for e in closed.entries if e.consumer == consumer and e.unit == "fragments"]
    assert entry.captured == entry.delivered + entry.withheld + entry.lost
    return entry


def told(bot: meetcore.Bot, consumer: str) -> int:
    lost = kinds(events_of(bot), meetcore.MediaLost)
    return sum(event.fragments for event in lost if event.consumer == consumer)


async def test_fragments_come_whole_and_in_order_and_are_counted(tmp_path, autojump_clock):
    stage, camera = Stage(), Camera()
    async with stage.bot(tmp_path, sinks=[camera]) as bot:
        stage.admit()
        film = Film(stage)
        film.header()
        await film.roll(3)
    assert [fragment.number for fragment in camera.seen] == list(range(7))
    first, second = camera.seen[:2]
    assert (first.header, first.duration_s) == (True, 0)
    assert (second.kind, second.container, second.at_s) == ("tab", "video/mp4", 0.0)
    assert second.data == bytes(100)
    entry = account(bot, "camera")
    assert (entry.captured, entry.delivered, entry.lost) == (7, 7, 0)
    check_journal(events_of(bot))


async def test_a_slow_taker_loses_fragments_to_the_fragment_and_holds_up_nobody(
    tmp_path, autojump_clock, monkeypatch
):
    monkeypatch.setattr(bot_media, "MEDIA_LIMIT_BYTES", 1000)
    stage, slow, quick, ear = Stage(), Camera(takes_s=7.0), Camera(), Ear()
    quick.name = "quick"
    slow.finish_timeout_s = 20.0
    async with stage.bot(tmp_path, sinks=[slow, quick, ear]) as bot:
        stage.admit()
        stage.track("a", "ada")
        film = Film(stage)
        film.header()
        for _ in range(30):
            await stage.live(1, "a")
            film.emit(1.0)
        await trio.sleep(0.1)
        assert len(quick.seen) == 31
        assert sum(chunk.samples for chunk in ear.heard) == 30 * 16_000
        await trio.sleep(100)
    entry = account(bot, "camera")
    assert entry.captured == 31
    assert entry.lost > 10
    assert entry.delivered == len(slow.seen)
    assert told(bot, "camera") == entry.lost
    assert {cause for *_, cause in slow.gaps} == {"consumer_behind"}
    assert sum(fragments for _, _, fragments, _ in slow.gaps) == entry.lost
    assert slow.order == [("tab", n) for n in range(31)], "losses are told in their place"
    stretches = [e for e in kinds(events_of(bot), meetcore.MediaLost) if e.consumer == "camera"]
    assert len(stretches) <= len(slow.seen) + 1, "one event a stretch"
    assert account(bot, "quick").lost == 0
    check_journal(events_of(bot))


@pytest.mark.parametrize("limit", [5, 1000])
async def test_a_taker_that_fails_or_ends_early_loses_what_it_did_not_take(
    tmp_path, autojump_clock, limit
):
    stage, camera = Stage(), Camera(error=ValueError("no"), takes_s=0.1)
    async with stage.bot(tmp_path, sinks=[camera]) as bot:
        stage.admit()
        await Film(stage).roll(limit if limit < 100 else 20)
    entry = account(bot, "camera")
    assert (entry.delivered, entry.lost) == (0, entry.captured)
    assert told(bot, "camera") == entry.lost


async def test_what_covers_a_pause_is_kept_back_whenever_it_comes(tmp_path, autojump_clock):
    stage, camera = Stage(), Camera()
    async with stage.bot(tmp_path, sinks=[camera]) as bot:
        stage.admit()
        film = Film(stage)
        await film.roll(2)
        await trio.sleep(0.3)
        await bot.pause()
        await trio.sleep(0.2)
        film.emit()  # 0.3 s of it were before the pause
        await film.roll(2)
        film.header()
        await trio.sleep(0.3)
        await bot.resume()
        await trio.sleep(0.2)
        film.emit()  # 0.3 s of it were within the pause
        await film.roll(1)
    assert [fragment.number for fragment in camera.seen] == [0, 1, 2, 3, 9, 11, 12]
    kept = [first + n for _, first, fragments, _ in camera.gaps for n in range(fragments)]
    assert kept == [4, 5, 6, 7, 8, 10]
    assert {cause for *_, cause in camera.gaps} == {"paused"}
    entry = account(bot, "camera")
    assert (entry.delivered, entry.withheld, entry.lost) == (7, 6, 0)
    assert not kinds(events_of(bot), meetcore.MediaLost), "kept back is not lost"


async def test_nothing_of_before_the_call_or_of_a_refused_recording_comes(tmp_path, autojump_clock):
    stage, camera = Stage(), Camera()
    async with stage.bot(tmp_path, sinks=[camera], record=False) as bot:
        film = Film(stage)
        await film.roll(1)
        stage.admit()
        await film.roll(1)
        await bot.resume()
        await trio.sleep(0.2)
        film.emit()
        await film.roll(1)
    assert [fragment.number for fragment in camera.seen] == [5, 6]
    entry = account(bot, "camera")
    assert (entry.delivered, entry.withheld, entry.lost) == (2, 3, 2)
    assert told(bot, "all") == 2


async def test_what_the_platform_lost_is_every_takers_loss(tmp_path, autojump_clock):
    stage, camera = Stage(), Camera()
    async with stage.bot(tmp_path, sinks=[camera]) as bot:
        stage.admit()
        film = Film(stage)
        await film.roll(1)
        stage.events.declare_media_lost("tab", 3, "bridge_overflow")
        await film.roll(1)
    assert [fragment.number for fragment in camera.seen] == [0, 1, 5, 6]
    assert camera.gaps == [("tab", 2, 3, "bridge_overflow")]
    (event,) = kinds(events_of(bot), meetcore.MediaLost)
    assert (event.consumer, event.first, event.fragments) == ("all", 2, 3)
    assert account(bot, "camera").lost == 3


async def test_a_header_with_media_in_it_is_refused(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path):
        stage.admit()
        with pytest.raises(PluginError, match=r"has 0\.5 s of media in it"):
            Film(stage).emit(header=True)


# --- the sound before the resampler ---------------------------------------------------


async def test_native_sound_comes_before_the_resampler_and_the_account_stays_the_same(
    tmp_path, autojump_clock
):
    stage, native, plain = Stage(), NativeEar(), Ear()
    sound = np.arange(48_000, dtype=np.int16)
    async with stage.bot(tmp_path, sinks=[native, plain]) as bot:
        stage.admit()
        stage.track("a", "ada")
        for second in range(4):
            if second == 2:
                await bot.pause()
            for at in range(0, 48_000, 4800):
                await trio.sleep(0.1)
                start = second * 48_000 + at
                stage.events.hear(meetcore.Chunk("a", start, sound[at : at + 4800], 48_000))
            if second == 2:
                await bot.resume()
    assert {chunk.sample_rate_hz for chunk in native.heard} == {48_000}
    assert np.array_equal(np.concatenate([c.pcm for c in native.heard][:10]), sound)
    assert sum(samples for _, samples, cause in native.lost if cause == "paused") == 16_000
    entries = {entry.consumer: entry for entry in bot.ledger.entries()}
    assert entries["native"].delivered == 3 * 16_000
    assert entries["native"].captured == entries["ear"].captured == 4 * 16_000
    assert bot.ledger.balanced


async def test_a_slow_taker_of_native_sound_loses_samples_of_the_common_clock(
    tmp_path, autojump_clock
):
    class Slow(NativeEar):
        call_timeout_s = 1000.0
        finish_timeout_s = 5.0

        async def on_audio(self, chunk):
            await trio.sleep(60)

    stage, slow = Stage(), Slow()
    async with stage.bot(tmp_path, sinks=[slow]) as bot:
        stage.admit()
        stage.track("a", "ada")
        for at in range(600):
            await trio.sleep(0.1)
            pcm = np.zeros(4800, np.int16)
            stage.events.hear(meetcore.Chunk("a", at * 4800, pcm, 48_000))
    (entry,) = bot.ledger.entries()
    assert entry.captured == 60 * 16_000
    assert entry.lost > 25 * 16_000
    lost = kinds(events_of(bot), meetcore.AudioLost)
    assert sum(event.samples for event in lost) == entry.lost
    assert bot.ledger.balanced


# --- the queue ------------------------------------------------------------------------


def fragment(number: int, size: int, *, track: str = "t", header: bool = False) -> MediaFragment:
    return MediaFragment(
        track_id=track, number=number, kind="tab", container="c", data=bytes(size),
        at_s=0.0, duration_s=0.0 if header else 1.0, header=header,
    )  # fmt: skip


def test_a_header_is_kept_ahead_of_what_is_older_and_one_fragment_fits_always():
    mailbox = MediaMailbox(100, "behind")
    mailbox.put(fragment(0, 50, header=True))
    for number in (1, 2, 3):
        mailbox.put(fragment(number, 60))
    header, lost, last = mailbox.drain()
    assert isinstance(header, MediaFragment)
    assert header.header
    assert lost == LostMedia("t", 1, 2, "behind")
    assert isinstance(last, MediaFragment)
    assert last.number == 3
    mailbox.put(fragment(4, 1000))
    assert len(mailbox.drain()) == 1


@given(
    st.integers(1, 300),
    st.lists(
        st.tuples(
            st.sampled_from(["put", "header", "lost", "take"]),
            st.sampled_from("ab"),
            st.integers(0, 200),
        ),
        max_size=60,
    ),
)
def test_every_number_comes_once_and_in_order_as_a_fragment_or_as_a_loss(limit, steps):
    mailbox, numbers, seen = MediaMailbox(limit, "behind"), {"a": 0, "b": 0}, {"a": [], "b": []}

    def take(items):
        for item in items:
            if isinstance(item, MediaFragment):
                seen[item.track_id].append(item.number)
            else:
                seen[item.track_id] += range(item.first, item.first + item.fragments)

    for step, track, size in steps:
        number = numbers[track]
        if step == "take":
            take(mailbox.drain())
        elif step == "lost":
            numbers[track] += 1 + size % 3
            mailbox.put(LostMedia(track, number, 1 + size % 3, "bridge"))
        else:
            numbers[track] += 1
            mailbox.put(fragment(number, size, track=track, header=step == "header"))
    take(mailbox.drain())
    assert seen == {track: list(range(count)) for track, count in numbers.items()}
