"""A track's intake and its path; that every sample is accounted for is law 3's."""

from __future__ import annotations

import numpy as np
import pytest

from meetcore.audio.chunk import Chunk
from meetcore.audio.ledger import Ledger
from meetcore.audio.utterance import SpeechRules
from meetcore.bot.tracks import BeginUtterance, EndUtterance, TrackIntake, TrackPath
from meetcore.log.mailbox import Lost
from meetcore.model.errors import PluginError
from meetcore.testing import synthetic_voice


def silence(samples: int) -> np.ndarray:
    return np.zeros(samples, np.int16)


class Feed:
    def __init__(self) -> None:
        self.items: list[object] = []

    def put(self, item: object) -> None:
        self.items.append(item)

    def fed(self) -> np.ndarray:
        return np.concatenate([item.pcm for item in self.items if isinstance(item, Chunk)])


def through(feed: Feed, sound: np.ndarray, size: int = 1600, **settings) -> TrackPath:
    path = TrackPath("t", feed=feed, **settings)
    for at in range(0, len(sound), size):
        path.process(Chunk("t", at, sound[at : at + size]))
    return path


@pytest.mark.parametrize("size", [320, 1000, 1600, 4801])
def test_an_utterance_is_fed_with_its_pre_roll_and_hangover_to_the_sample(size):
    sound = np.concatenate([silence(16_000), synthetic_voice(1.0), silence(16_000)])
    feed = Feed()
    through(feed, sound, size)
    begin, end = feed.items[0], feed.items[-1]
    assert isinstance(begin, BeginUtterance)
    assert isinstance(end, EndUtterance)
    assert (begin.utterance_id, end.utterance_id, end.cause) == ("t-0001", "t-0001", "silence")
    assert begin.start_sample == pytest.approx(16_000 - 4800, abs=640)
    assert end.end_sample == pytest.approx(32_000 + 8000, abs=3200)
    assert np.array_equal(feed.fed(), sound[begin.start_sample : end.end_sample])


def test_a_continuous_feed_gets_what_is_between_too():
    sound = np.concatenate([silence(8000), synthetic_voice(0.5), silence(16_000)])
    feed = Feed()
    through(feed, sound, continuous=True)
    assert np.array_equal(feed.fed(), sound)
    assert [type(i) for i in feed.items if not isinstance(i, Chunk)] == [
        BeginUtterance,
        EndUtterance,
    ]


def test_endless_speech_is_cut_at_the_longest_utterance_without_losing_a_sample():
    sound = synthetic_voice(7.0)
    feed = Feed()
    path = through(feed, sound, rules=SpeechRules(max_utterance_s=2.0))
    path.close()
    causes = [item.cause for item in feed.items if isinstance(item, EndUtterance)]
    assert causes == ["max_length"] * 3 + ["track_closed"]
    assert np.array_equal(feed.fed(), sound)


@pytest.mark.parametrize("cause", ["gap", "paused"])
def test_a_hole_ends_the_utterance_and_the_next_begins_behind_it(cause):
    feed, voice = Feed(), synthetic_voice(1.0)
    path = TrackPath("t", feed=feed)
    path.process(Chunk("t", 0, voice))
    path.process(Lost("t", 16_000, 5_000, cause))
    path.process(Chunk("t", 21_000, voice))
    path.close()
    marks = [item for item in feed.items if not isinstance(item, Chunk)]
    assert [getattr(m, "cause", "") for m in marks] == ["", cause, "", "track_closed"]
    assert marks[1].end_sample <= 16_000
    assert marks[2].start_sample >= 21_000


def test_a_door_refuses_what_goes_back_in_time_or_changes_its_rate():
    ledger = Ledger()
    intake = TrackIntake("t", ledger)
    intake.hear(Chunk("t", 1000, silence(100)))
    with pytest.raises(PluginError, match=r"starts at sample 1099, before the end .*, 1100"):
        intake.hear(Chunk("t", 1099, silence(10)))
    with pytest.raises(PluginError, match="changed its rate from 16000 to 48000 Hz"):
        intake.hear(Chunk("t", 5000, silence(10), 48_000))
    assert ledger.captured == {"t": 100}


def test_a_loss_declared_before_the_first_chunk_counts_at_the_chunks_rate():
    ledger = Ledger()
    intake = TrackIntake("t", ledger)
    intake.declare_lost(0, 48_000, "bridge")
    intake.hear(Chunk("t", 48_000, silence(4800), 48_000))
    assert ledger.captured == {"t": 16_000 + 1600}
    lost, chunk = intake.mailbox.drain()
    assert (lost.start_sample, lost.samples, lost.cause) == (0, 16_000, "bridge")
    assert isinstance(chunk, Chunk)


def test_what_a_slow_core_loses_of_native_sound_is_told_on_the_common_clock():
    ledger = Ledger()
    intake = TrackIntake("t", ledger)
    for second in range(12):
        intake.hear(Chunk("t", second * 48_000, silence(48_000), 48_000))
    lost, *chunks = intake.mailbox.drain()
    assert lost == Lost("t", 0, 2 * 16_000, "core_behind")
    assert len(chunks) == 10
    assert ledger.captured["t"] == 12 * 16_000
