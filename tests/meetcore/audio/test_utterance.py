"""Where utterances begin and end, against a plain reading of the rules, frame by frame."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore.audio.utterance import SpeechBegan, SpeechEnded, SpeechRules, UtteranceDetector
from meetcore.audio.vad import FRAME_SAMPLES


def naive(flags: list[bool], rules: SpeechRules, start: int) -> list[object]:
    """Read the rules word by word: slow, obvious, in frames counted from the start."""
    marks: list[object] = []
    hangover = max(1, rules.hangover_ms // 20)
    pre_roll = max(0, rules.pre_roll_ms // 20)
    longest = max(rules.window_frames, int(rules.max_utterance_s * 1000) // 20)
    speaking, earliest, begin = False, 0, 0
    recent: list[tuple[int, bool]] = []
    silent = 0
    for frame, speech in enumerate(flags):
        if not speaking:
            recent = [*recent, (frame, speech)][-rules.window_frames :]
            if sum(flag for _, flag in recent) >= rules.start_frames:
                onset = min(number for number, flag in recent if flag)
                begin = max(earliest, onset - pre_roll)
                marks.append(SpeechBegan(start + begin * 320, start + onset * 320))
                speaking, silent = True, 0
            continue
        silent = 0 if speech else silent + 1
        ended = frame + 1
        length, long = ended - begin, round(0.5 * longest)
        enough = hangover
        if length > long:  # the longer it gets, the shorter a silence is enough, down to 60 ms
            shrunk = round(hangover * (longest - length) / (longest - long))
            enough = min(hangover, max(3, shrunk))
        if silent >= enough or length >= longest:
            cause = "silence" if silent >= enough else "max_length"
            marks.append(SpeechEnded(start + ended * 320, start + (ended - silent) * 320, cause))
            speaking, recent, earliest, silent = False, [], ended, 0
    return marks


runs = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=12)
rule_sets = st.builds(
    SpeechRules,
    window_frames=st.integers(2, 10),
    start_frames=st.integers(1, 2),
    hangover_ms=st.integers(0, 600),
    pre_roll_ms=st.integers(0, 400),
    max_utterance_s=st.floats(0.1, 3),
)


@settings(max_examples=300)
@given(
    runs=runs,
    noise=st.lists(st.booleans(), max_size=80),
    rules=rule_sets | st.just(SpeechRules()),
    start=st.integers(0, 10**6),
    cuts=st.lists(st.integers(1, 40), min_size=1),
)
def test_the_detector_reads_the_rules_however_the_frames_come(runs, noise, rules, start, cuts):
    flags = [flag for flag, count in runs for _ in range(count)] + noise
    detector = UtteranceDetector(rules, start)
    found: list[object] = []
    at = turn = 0
    while at < len(flags):
        size = cuts[turn % len(cuts)]
        found += detector.feed(flags[at : at + size])
        at, turn = at + size, turn + 1
    assert found == naive(flags, rules, start)
    assert detector.next_sample == start + len(flags) * FRAME_SAMPLES
    assert detector.speaking == (bool(found) and isinstance(found[-1], SpeechBegan))


@settings(max_examples=100)
@given(runs=runs, rules=rule_sets)
def test_utterances_never_overlap_and_always_hold_their_voice(runs, rules):
    flags = [flag for flag, count in runs for _ in range(count)]
    marks = UtteranceDetector(rules).feed(flags)
    assert [type(m) for m in marks] == [SpeechBegan, SpeechEnded] * (len(marks) // 2) + [
        SpeechBegan
    ] * (len(marks) % 2)
    last_end = 0
    for mark in marks:
        if isinstance(mark, SpeechBegan):
            assert last_end <= mark.start_sample <= mark.onset_sample
        else:
            assert mark.voice_end_sample <= mark.end_sample
            last_end = mark.end_sample


@pytest.mark.parametrize("speaking", [False, True])
def test_a_hole_ends_what_is_open_and_nothing_reaches_back_over_it(speaking):
    detector = UtteranceDetector()
    detector.feed([speaking] * 20)
    mark = detector.interrupt(100_000, "gap")
    assert mark == (SpeechEnded(20 * 320, 20 * 320, "gap") if speaking else None)
    (began,) = detector.feed([True] * 8)
    assert began == SpeechBegan(100_000, 100_000)


def test_who_speaks_without_a_pause_is_cut_between_two_words() -> None:
    """A gap of 100 ms ends nothing at first, and an utterance that has become long."""
    word = [True] * 20 + [False] * 5
    detector = UtteranceDetector(SpeechRules())
    marks = detector.feed(word * 100)
    ends = [mark for mark in marks if isinstance(mark, SpeechEnded)]
    assert len(ends) == 2
    assert {mark.cause for mark in ends} == {"silence"}
    assert all(mark.end_sample > 15 * 16_000 for mark in ends)
