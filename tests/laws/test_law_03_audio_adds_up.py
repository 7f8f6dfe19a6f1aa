"""Law 3: audio captured = delivered + withheld + declared lost, to the sample, per consumer."""

from __future__ import annotations

import numpy as np
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

import meetcore
from meetcore.audio.chunk import Chunk
from meetcore.audio.ledger import Account, Ledger
from meetcore.bot.tracks import BeginUtterance, EndUtterance, TrackIntake, TrackPath
from meetcore.log.mailbox import AudioMailbox, Lost
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated, synthetic_voice

pytestmark = pytest.mark.law(3)

VOICE = synthetic_voice(2.0)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("hear"), st.integers(1, 4000), st.booleans()),
        st.tuples(st.just("gap"), st.integers(1, 20_000), st.just(False)),
        st.tuples(st.just("lost"), st.integers(1, 20_000), st.just(False)),
        st.tuples(st.just("pause"), st.just(0), st.booleans()),
    ),
    min_size=1,
    max_size=60,
)


class CountingConsumer:
    def __init__(self, account: Account) -> None:
        self.account = account
        self.expected: int | None = None

    def put(self, item: Chunk | Lost) -> None:
        if self.expected is not None:
            assert item.start_sample == self.expected, "a consumer's stream has a hole or overlap"
        self.expected = item.start_sample + item.samples
        if not isinstance(item, Lost):
            self.account.delivered += item.samples
        elif item.cause == "paused":
            self.account.withheld += item.samples
        else:
            self.account.lost += item.samples


class CountingFeed:
    def __init__(self, account: Account) -> None:
        self.account = account
        self.open = ""
        self.last = -1

    def put(self, item: object) -> None:
        if isinstance(item, BeginUtterance):
            assert not self.open
            self.open = item.utterance_id
        elif isinstance(item, EndUtterance):
            assert self.open == item.utterance_id
            self.open = ""
        else:
            assert isinstance(item, Chunk)
            assert self.open, "audio outside of an utterance"
            assert item.start_sample >= self.last, "audio fed twice"
            self.last = item.end_sample
            self.account.delivered += item.samples


@given(
    steps=steps, rate=st.sampled_from([8000, 16_000, 44_100, 48_000]), start=st.integers(0, 10**6)
)
@settings(max_examples=60)
def test_whatever_comes_through_the_door_adds_up(steps, rate, start):
    ledger = Ledger()
    intake = TrackIntake("t", ledger)
    consumer = CountingConsumer(ledger.account("t", "recorder"))
    feed_account = ledger.account("t", "transcriber")
    feed = CountingFeed(feed_account)
    path = TrackPath("t", consumers=[consumer], feed=feed, feed_account=feed_account)
    at = start
    for kind, amount, loud in steps:
        if kind == "hear":
            sound = np.resize(VOICE, amount) if loud else np.zeros(amount, np.int16)
            intake.hear(Chunk("t", at, sound, rate))
            at += amount
        elif kind == "gap":
            at += amount
        elif kind == "lost":
            intake.declare_lost(at, amount, "elsewhere")
            at += amount
        else:
            path.pause(loud)
        for item in intake.mailbox.drain():
            path.process(item)
    path.close()
    assert not feed.open
    assert ledger.balanced, ledger.entries()


@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=80),
    limit=st.integers(1000, 8000),
    taken_every=st.integers(1, 20),
)
def test_a_mailbox_that_overflows_names_every_sample_in_order(sizes, limit, taken_every):
    mailbox = AudioMailbox(limit, "behind")
    at, expected, taken = 0, 0, []
    for number, size in enumerate(sizes):
        mailbox.put(Chunk("t", at, np.zeros(size, np.int16)))
        at += size
        if number % taken_every == 0:
            taken += mailbox.drain()
    taken += mailbox.drain()
    for item in taken:
        assert item.start_sample == expected
        expected += item.samples
    assert expected == at


def test_dropped_audio_in_a_meeting_is_declared_and_the_account_closes(tmp_path, meeting, witness):
    faults = '[[faults]]\nkind = "dropped_audio"\nwho = "ada"\nat_s = 1.2\nfor_s = 0.4\n'
    from tests.laws.conftest import MEETING

    events = run_simulated(
        SimMeeting(MEETING + faults),
        out_dir=tmp_path,
        sinks=[witness],
        transcriber=ScriptedTranscriber(meeting.script),
    )
    ledger = next(e for e in events if isinstance(e, meetcore.LedgerClosed))
    assert ledger.balanced
    lost = {(e.consumer, e.track_id): e.lost for e in ledger.entries if e.lost}
    assert set(lost) == {("transcriber", "ada"), ("witness", "ada")}
    declared = [e for e in events if isinstance(e, meetcore.AudioLost)]
    assert sum(e.samples for e in declared) == lost["witness", "ada"]
    assert {e.cause for e in declared} == {"gap"}


class SlowListener(meetcore.Sink):
    """Takes a minute for each chunk: far behind real time."""

    name = "slow"
    wants_audio = True
    call_timeout_s = 600.0
    finish_timeout_s = 5.0

    async def on_audio(self, chunk: meetcore.Chunk) -> None:
        await trio.sleep(60)


def test_a_consumer_that_is_too_slow_loses_audio_by_declaration_only(tmp_path, witness):
    long = SimMeeting(
        """
        title = "Long"
        seed = 1
        [[people]]
        id = "ada"
        name = "Ada"
        [end]
        at_s = 300
        """
    )
    events = run_simulated(long, out_dir=tmp_path, sinks=[SlowListener(), witness])
    ledger = next(e for e in events if isinstance(e, meetcore.LedgerClosed))
    accounts = {entry.consumer: entry for entry in ledger.entries}
    assert accounts["witness"].lost == 0
    declared = sum(
        e.samples for e in events if isinstance(e, meetcore.AudioLost) and e.consumer == "slow"
    )
    assert declared > 200 * 16_000
    assert accounts["slow"].lost == declared
    assert ledger.balanced
