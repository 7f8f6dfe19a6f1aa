"""Fallback: whoever fails, every utterance has one final or is declared."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import meetcore
from meetcore import Hypothesis, TranscriberError, Word
from meetcore.bot.fallback import ALONE_S, FallbackPolicy, NextStep, TranscriberTrouble
from meetcore.model.errors import TROUBLE_KINDS
from tests.meetcore.conftest import Stage, check_journal, end_of, events_of, kinds, run


def trouble(kind: str = "network", *, retryable: bool = True, **more) -> TranscriberError:
    return TranscriberError(kind, f"{kind} trouble", retryable=retryable, **more)


# --- the policy ------------------------------------------------------------------------------


def report(error, now_s=0.0, *, track="ada", index=0, **more):
    more.setdefault("since_s", now_s)
    return TranscriberTrouble(track_id=track, index=index, error=error, now_s=now_s, **more)


def test_trouble_that_passes_is_retried_until_it_lasts():
    policy = FallbackPolicy(2, after_s=5.0)
    assert policy.trouble(report(trouble(), 10.0)) == (NextStep.RETRY, None)
    assert policy.trouble(report(trouble(), 14.0)) == (NextStep.RETRY, None)
    step, change = policy.trouble(report(trouble(), 15.0))
    assert step is NextStep.SWITCH
    assert (change.track_id, change.previous, change.index) == (None, 0, 1)
    assert policy.choice("bob", 15.0) == 1


def test_a_final_in_between_begins_the_count_anew():
    policy = FallbackPolicy(2, after_s=5.0)
    policy.trouble(report(trouble(), 10.0))
    policy.finished("ada", 0, 12.0)
    assert policy.trouble(report(trouble(), 16.0)) == (NextStep.RETRY, None)


@pytest.mark.parametrize("kind", ["auth", "quota"])
def test_what_will_not_pass_switches_at_once_and_for_good(kind):
    policy = FallbackPolicy(2)
    step, change = policy.trouble(report(trouble(kind, retryable=False)))
    assert (step, change.index) == (NextStep.SWITCH, 1)
    assert policy.to_probe() is None
    assert policy.recovered(0) is None
    assert policy.trouble(report(trouble(kind, retryable=False), index=1)) == (NextStep.STOP, None)


def test_a_long_pause_asked_for_is_no_pause():
    policy = FallbackPolicy(2)
    step, _ = policy.trouble(report(trouble("rate", retry_after_s=60.0)))
    assert step is NextStep.SWITCH


def test_without_another_it_is_retried_and_then_stopped():
    policy = FallbackPolicy(1)
    assert policy.trouble(report(trouble(), 100.0, since_s=0.0))[0] is NextStep.RETRY
    assert policy.trouble(report(trouble(), 101.0, exhausted=True))[0] is NextStep.STOP


def test_a_track_whose_transcriber_serves_the_others_moves_alone_for_a_while():
    policy = FallbackPolicy(2)
    policy.finished("bob", 0, 9.0)
    step, change = policy.trouble(report(trouble("server"), 10.0, since_s=0.0))
    assert step is NextStep.SWITCH
    assert change.track_id == "ada"
    assert (policy.choice("ada", 10.0), policy.choice("bob", 10.0)) == (1, 0)
    assert policy.choice("ada", 10.0 + ALONE_S) == 0


def test_a_track_that_is_refused_for_good_stays_away_while_the_others_are_served():
    policy = FallbackPolicy(2)
    policy.finished("bob", 0, 9.0)
    policy.trouble(report(trouble("bad_request", retryable=False), 10.0))
    assert (policy.choice("ada", 1000.0), policy.choice("bob", 1000.0)) == (1, 0)


def test_a_stream_that_fails_on_its_way_out_moves_nobody():
    policy = FallbackPolicy(2)
    policy.trouble(report(trouble("auth", retryable=False)))
    step, change = policy.trouble(report(trouble(), track="bob"))
    assert (step, change) == (NextStep.SWITCH, None)


def test_the_better_one_is_tried_and_has_its_place_back():
    policy = FallbackPolicy(3, after_s=1.0)
    policy.trouble(report(trouble(), 5.0, since_s=0.0))
    policy.trouble(report(trouble(), 9.0, since_s=6.0, index=1))
    assert (policy.current, policy.to_probe()) == (2, 0)
    change = policy.recovered(0)
    assert (change.previous, change.index, policy.to_probe()) == (2, 0, None)


def test_an_utterance_is_given_to_another_before_it_is_given_up():
    policy = FallbackPolicy(3)
    step, change = policy.trouble(report(trouble("server"), untried=frozenset({2})))
    assert (step, change.index) == (NextStep.SWITCH, 2)


errors = st.builds(
    lambda kind, retryable: trouble(kind, retryable=retryable),
    st.sampled_from(sorted(TROUBLE_KINDS)),
    st.booleans(),
)


@given(
    count=st.integers(1, 3),
    steps=st.lists(st.tuples(st.sampled_from("abc"), errors, st.floats(0, 9), st.booleans())),
)
def test_a_choice_is_always_one_of_them_and_stop_means_that_nobody_is_left(count, steps):
    policy, now, gone = FallbackPolicy(count), 0.0, set()
    for track, error, seconds, well in steps:
        now += seconds
        index = policy.choice(track, now)
        assert 0 <= index < count
        if well:
            policy.finished(track, index, now)
            continue
        step, change = policy.trouble(report(error, now, track=track, index=index))
        if not error.retryable:
            gone.add((track, index))
        if step is NextStep.SWITCH:
            assert policy.choice(track, now) != index
        if step is NextStep.RETRY:
            assert error.retryable
        if change is not None:
            assert change.previous != change.index
            assert change.track_id in (None, track)


# --- whole bots ------------------------------------------------------------------------------


class Engine(meetcore.Transcriber):
    """Says its name for every utterance, or fails as its test says."""

    def __init__(self, name, *, wants="utterances", **limits):
        super().__init__()
        self.name = name
        limits.setdefault("final_timeout_s", 8.0)
        self.capabilities = meetcore.TranscriberCapabilities(wants=wants, **limits)
        self.broken: TranscriberError | str | None = None
        self.broken_open: TranscriberError | None = None
        self.faults = []
        self.broken_tracks = set()
        self.streams = []
        self.probes = 0

    @asynccontextmanager
    async def open(self, context):
        await trio.lowlevel.checkpoint()
        if self.broken_open is not None:
            raise self.broken_open
        yield

    @asynccontextmanager
    async def stream(self, request):
        await trio.lowlevel.checkpoint()
        self.streams.append(request.track_id)
        self.probes += request.track_id == "probe"
        yield EngineStream(self, request)


class EngineStream(meetcore.TranscriberStream):
    def __init__(self, engine, request):
        self.engine, self.request = engine, request
        self.start = self.fed = 0

    async def _fault(self, fault):
        if fault == "hang":
            await trio.sleep_forever()
        if isinstance(fault, Exception):
            raise fault
        await trio.sleep(fault or 0.0)

    async def _fault_at(self, where):
        faults = self.engine.faults
        await self._fault(faults.pop(0)[1] if faults and faults[0][0] == where else None)

    async def begin_utterance(self, utterance_id, start_sample):
        await self._fault_at("begin")
        self.start, self.fed = start_sample, 0

    async def feed(self, chunk):
        if self.fed:
            await self._fault_at("feed")
        self.fed += chunk.samples

    async def end_utterance(self, utterance_id, end_sample, cause):
        engine = self.engine
        fault = engine.broken
        if engine.faults and engine.faults[0][0] == "end":
            fault = engine.faults.pop(0)[1]
        if self.request.track_id in engine.broken_tracks:
            fault = trouble("server")
        if fault == "silent":
            return
        await self._fault(fault)
        if self.engine.capabilities.wants == "utterances":
            assert self.fed == end_sample - self.start, "all of it, from its beginning"
        word = Word(engine.name, self.start / 16_000, end_sample / 16_000)
        self.request.emit(
            Hypothesis(
                utterance_id=utterance_id, revision=1, text=engine.name, words=(word,), final=True
            )
        )
        await self._fault_at("final")


def plugins_of(stage, *engines):
    """Offer engines under their names, as objects that were made before."""

    class Offer:
        @meetcore.hookimpl
        def meetcore_register_transcribers(self, register):
            for engine in engines:
                made = type(engine)
                register(
                    type(
                        f"Named_{engine.name}",
                        (made,),
                        {"name": engine.name, "__new__": lambda cls, *a, e=engine, **k: e},
                    )
                )

    return stage.plugins(engines=Offer())


@asynccontextmanager
async def meeting(folder, *engines, **transcription):
    stage = Stage()
    transcription.setdefault("fallback", [engine.name for engine in engines[1:]])
    async with stage.bot(
        folder,
        plugins=plugins_of(stage, *engines),
        transcriber=engines[0].name,
        transcription=transcription,
    ) as bot:
        stage.admit()
        for who in ("ada", "bob"):
            stage.join(who)
            stage.track(who, who)
        yield stage, bot
        await bot.stop()
    check_journal(events_of(bot))


async def say(stage, *tracks, quiet_s=2.0):
    await stage.live(1.0, *tracks, voice=True)
    await stage.live(quiet_s, "ada", "bob")


def said(bot):
    return [event.segment.text for event in kinds(events_of(bot), meetcore.SegmentFinalized)]


def switches(bot):
    return [
        (event.track_id, event.previous, event.transcriber, event.kind)
        for event in kinds(events_of(bot), meetcore.TranscriberSwitched)
    ]


async def test_a_transcriber_that_stops_is_followed_by_the_next_and_no_word_is_lost(
    tmp_path, autojump_clock
):
    first, second = Engine("first"), Engine("second")
    async with meeting(tmp_path, first, second) as (stage, bot):
        await say(stage, "ada")
        first.broken = trouble("quota", retryable=False)
        await say(stage, "ada")
        await say(stage, "bob")
    assert said(bot) == ["first", "second", "second"]
    assert switches(bot) == [(None, "first", "second", "quota")]
    events = events_of(bot)
    assert not kinds(events, meetcore.TranscriptionGap)
    assert not kinds(events, meetcore.TranscriptionStopped)


@pytest.mark.parametrize(
    "fault", [trouble("server"), "hang", "silent"], ids=["500", "hang", "stall"]
)
async def test_one_that_stays_in_trouble_is_left_and_taken_again_when_it_answers(
    tmp_path, autojump_clock, fault
):
    first, second = Engine("first", call_timeout_s=8.0), Engine("second")
    async with meeting(tmp_path, first, second) as (stage, bot):
        await say(stage, "ada")
        first.broken = fault
        await say(stage, "ada", quiet_s=30.0)
        first.broken = None
        await stage.live(200.0, "ada", "bob")
        await say(stage, "ada")
    assert said(bot) == ["first", "second", "first"]
    assert [(previous, new) for _, previous, new, _ in switches(bot)] == [
        ("first", "second"),
        ("second", "first"),
    ]
    assert switches(bot)[1][3] == "recovered"
    assert not kinds(events_of(bot), meetcore.TranscriptionGap)
    used = [e for e in kinds(events_of(bot), meetcore.TranscriberUsage) if e.track_id == "probe"]
    assert len(used) == first.probes >= 1


async def test_one_that_cannot_be_opened_is_followed_by_the_next(tmp_path, autojump_clock):
    first, second = Engine("first"), Engine("second")
    first.broken_open = trouble("auth", retryable=False)
    async with meeting(tmp_path, first, second) as (stage, bot):
        await say(stage, "ada")
    assert said(bot) == ["second"]
    assert switches(bot) == [(None, "first", "second", "auth")]


async def test_one_that_opens_late_is_waited_for_no_longer_than_it_may_take(
    tmp_path, autojump_clock
):
    class Late(Engine):
        @asynccontextmanager
        async def open(self, context):
            await trio.sleep(60.0)
            yield

    first, second = Late("first", open_timeout_s=5.0), Engine("second")
    async with meeting(tmp_path, first, second) as (stage, bot):
        await say(stage, "ada", quiet_s=90.0)
        await say(stage, "ada")
    assert said(bot) == ["second", "first"]


async def test_a_track_in_trouble_of_its_own_moves_alone(tmp_path, autojump_clock):
    first, second = Engine("first"), Engine("second")
    first.broken_tracks.add("bob")
    async with meeting(tmp_path, first, second) as (stage, bot):
        for _ in range(3):
            await say(stage, "ada", "bob")
    assert Counter(said(bot)) == {"first": 3, "second": 3}
    assert [track for track, *_ in switches(bot)] == ["bob"]


async def test_when_all_are_gone_it_stops_and_says_what_is_missing(tmp_path, autojump_clock):
    first, second = Engine("first"), Engine("second")
    first.broken = second.broken = trouble("auth", retryable=False)
    async with meeting(tmp_path, first, second) as (stage, bot):
        await say(stage, "ada")
        await say(stage, "ada")
    events = events_of(bot)
    assert said(bot) == []
    assert len(kinds(events, meetcore.TranscriptionStopped)) == 1
    assert len(kinds(events, meetcore.TranscriptionGap)) == 2


async def test_the_way_back_waits_for_the_end_of_what_is_being_said(tmp_path, autojump_clock):
    first, second = Engine("first"), Engine("second")
    async with meeting(tmp_path, first, second, fallback_after_s=0.1) as (stage, bot):
        first.broken = trouble("server")
        await say(stage, "ada")
        first.broken = None
        await stage.live(30.0, "ada", voice=True)  # cut every 20 s; the probe succeeds meanwhile
        await stage.live(2.0, "ada")
    assert said(bot) == ["second", "second", "first"]
    assert not kinds(events_of(bot), meetcore.TranscriptionGap)


async def test_who_waits_for_a_place_is_not_sent_to_one_that_was_left(tmp_path, autojump_clock):
    first, second = Engine("first", max_streams=1), Engine("second")
    first.broken = trouble("quota", retryable=False)
    async with meeting(tmp_path, first, second, streams="tracks") as (stage, bot):
        await say(stage, "ada", "bob")
    assert said(bot) == ["second", "second"]
    assert len(first.streams) == 1


@pytest.mark.parametrize("wants", [("utterances", "continuous"), ("continuous", "utterances")])
async def test_they_may_differ_in_what_they_want_to_hear(tmp_path, autojump_clock, wants):
    first, second = (Engine(n, wants=w) for n, w in zip(("first", "second"), wants, strict=True))
    async with meeting(tmp_path, first, second) as (stage, bot):
        await say(stage, "ada")
        first.broken = trouble("quota", retryable=False)
        await say(stage, "ada")
        await say(stage, "ada")
    assert said(bot) == ["first", "second", "second"]


@pytest.mark.parametrize(
    ("fallback", "words"),
    [
        (["second", "second"], "there twice"),
        (["captions"], "hears nothing"),
        (["secand"], "no transcriber named 'secand'"),
    ],
)
def test_a_fallback_that_cannot_be_one_is_refused_before_the_bot_goes(tmp_path, fallback, words):
    async def main():
        async with meeting(tmp_path, Engine("first"), Engine("second"), fallback=fallback):
            raise AssertionError("it went")

    with pytest.raises(meetcore.MeetcoreError, match=words):
        run(main)


async def test_captions_have_no_fallback_and_it_is_said(tmp_path, autojump_clock, caplog):
    stage, second = Stage(capabilities=[meetcore.Capability.CAPTIONS]), Engine("second")
    async with stage.bot(
        tmp_path,
        plugins=plugins_of(stage, second),
        transcriber="captions",
        transcription={"fallback": ["second"]},
    ) as bot:
        stage.admit()
        stage.join("ada")
        stage.events.observe(meetcore.CaptionSeen("ada", "Ada", "We begin", key="k", final=True))
    assert said(bot) == ["We begin"]
    assert "The fallback has no part in it: captions hears nothing." in caplog.text


async def test_the_chosen_one_is_passed_over_and_so_is_one_that_does_not_speak_the_language(
    tmp_path, autojump_clock, caplog
):
    """The list may be a server's, and the choice an order's."""
    stage, first = Stage(), Engine("first")
    german, english = Engine("german", languages=("de",)), Engine("english", languages=("en",))
    first.broken = trouble("auth", retryable=False)
    async with stage.bot(
        tmp_path,
        plugins=plugins_of(stage, first, german, english),
        transcriber="first",
        config=meetcore.BotConfig(
            out_dir=tmp_path,
            fsync=False,
            language="en-GB",
            transcription={"fallback": ["first", "german", "english"]},
        ),
    ) as bot:
        stage.admit()
        stage.track("ada")
        await stage.live(1.0, "ada", voice=True)
        await stage.live(2.0, "ada")
        await bot.stop()
    assert said(bot) == ["english"]
    assert "german does not speak" in caplog.text


async def test_without_a_transcriber_there_is_no_fallback(tmp_path, autojump_clock):
    stage, second = Stage(), Engine("second")
    config = meetcore.BotConfig(
        out_dir=tmp_path, fsync=False, transcription={"fallback": ["second"]}
    )
    async with stage.bot(tmp_path, plugins=plugins_of(stage, second), config=config) as bot:
        stage.admit()
        stage.track("ada")
        await stage.live(1.0, "ada", voice=True)
        await stage.live(2.0, "ada")
        await bot.stop()
    assert second.streams == []


# --- the law --------------------------------------------------------------------------------

places = st.sampled_from(["begin", "feed", "end", "end", "final"])
faults = st.one_of(
    st.none(),
    st.floats(0.1, 3.0),
    st.sampled_from(["hang", "silent"]),
    st.builds(trouble, st.sampled_from(["network", "server", "rate", "protocol", "crashed"])),
    st.builds(
        lambda kind: trouble(kind, retryable=False), st.sampled_from(["auth", "quota", "server"])
    ),
)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    scripts=st.lists(st.lists(st.tuples(places, faults), max_size=8), min_size=1, max_size=3),
    talk=st.lists(st.sampled_from([("ada",), ("bob",), ("ada", "bob")]), min_size=1, max_size=4),
)
@example(  # the gap comes in two parts, which meet in the middle of it
    scripts=[[("begin", "hang"), ("end", 1.0), ("feed", trouble("auth", retryable=False))]],
    talk=[("bob",), ("bob",), ("ada",)],
)
def test_whatever_fails_each_utterance_has_one_final_or_a_declared_gap(
    tmp_path_factory, scripts, talk
):
    async def main():
        engines = [
            Engine(name, call_timeout_s=6.0)
            for name, _ in zip(("first", "second", "third"), scripts, strict=False)
        ]
        for engine, script in zip(engines, scripts, strict=True):
            engine.faults = list(script)
        folder = tmp_path_factory.mktemp("bot")
        async with meeting(folder, *engines) as (stage, bot):
            for tracks in talk:
                await say(stage, *tracks)
            await stage.live(60.0, "ada", "bob")
        return events_of(bot)

    events = run(main)
    assert end_of(events).state == "completed"
    segments = [event.segment for event in kinds(events, meetcore.SegmentFinalized)]
    gaps = kinds(events, meetcore.TranscriptionGap)
    assert len({segment.id for segment in segments}) == len(segments), "said twice"
    for who in ("ada", "bob"):
        begun = [
            e.start_s for e in kinds(events, meetcore.SpeakingStarted) if e.name == who.title()
        ]
        ended = [e.end_s for e in kinds(events, meetcore.SpeakingStopped) if e.name == who.title()]
        assert len(begun) == len(ended) == sum(who in tracks for tracks in talk)
        for start_s, end_s in zip(begun, ended, strict=True):
            middle_s = (start_s + end_s) / 2
            finals = [s for s in segments if s.track_id == who and s.start_s < middle_s < s.end_s]
            lost = [g for g in gaps if g.track_id == who and g.start_s <= middle_s < g.end_s]
            assert len(finals) + len(lost) == 1, f"{who} at {start_s}: {finals} {lost}"
