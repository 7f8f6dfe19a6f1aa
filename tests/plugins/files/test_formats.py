"""The transcript's text formats."""

from __future__ import annotations

import html
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.printable import one_line
from meetcore.model.roster import NameSource
from meetcore.model.subtitles import cues_of
from meetcore.model.transcript import Segment, Word, spoken_order
from meetcore_files.formats import to_json, to_srt, to_txt, to_vtt

SRT_TIMES = re.compile(r"(\d{2,}):(\d\d):(\d\d),(\d{3}) --> (\d{2,}):(\d\d):(\d\d),(\d{3})")
VTT_TIMES = re.compile(r"(\d{2,}):(\d\d):(\d\d)\.(\d{3}) --> (\d{2,}):(\d\d):(\d\d)\.(\d{3})")


def segment(
    text: str,
    start_s: float = 0.0,
    end_s: float = 1.0,
    speaker: str | None = "Ada",
    words: tuple[Word, ...] = (),
) -> Segment:
    return Segment(
        id="s1",
        revision=1,
        finalized=True,
        track_id="t1",
        participant_id="p1" if speaker else None,
        speaker_name=speaker,
        speaker_source=NameSource.TRACK,
        speaker_confidence=1.0,
        text=text,
        words=words,
        start_s=start_s,
        end_s=end_s,
    )


NASTY = st.text(max_size=40) | st.sampled_from(["a --> b", "x\n\ny", "<b>&amp;", "\r\n1\r\n"])
STARTS, STEPS, LENGTHS = st.floats(0, 400_000), st.floats(0, 2), st.floats(0, 30)
TEXTS = st.lists(st.text("abc<>&-", min_size=1, max_size=12), max_size=40)
SPEAKERS = st.none() | NASTY


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    start = draw(STARTS)
    texts = draw(TEXTS)
    step = draw(STEPS)
    words = tuple(
        Word(text, start + i * step, start + (i + 1) * step, None) for i, text in enumerate(texts)
    )
    text = " ".join(texts) if draw(st.booleans()) else draw(NASTY)
    speaker = draw(SPEAKERS)
    length = draw(LENGTHS)
    return segment(text, start, start + length, speaker, words)


def milliseconds(groups: tuple[str, ...]) -> tuple[int, int]:
    h1, m1, s1, f1, h2, m2, s2, f2 = map(int, groups)
    return ((h1 * 60 + m1) * 60 + s1) * 1000 + f1, ((h2 * 60 + m2) * 60 + s2) * 1000 + f2


@given(st.lists(segments(), max_size=6))
def test_every_cue_of_srt_is_a_number_times_and_one_line_and_nothing_else(
    said: list[Segment],
) -> None:
    text = to_srt(said, {})
    blocks = text.removesuffix("\n").split("\n\n") if text else []
    cues = cues_of(said)
    assert len(blocks) == len(cues)
    for number, (block, cue) in enumerate(zip(blocks, cues, strict=True), 1):
        first, times, line = block.split("\n")
        assert first == str(number)
        match = SRT_TIMES.fullmatch(times)
        assert match is not None
        assert milliseconds(match.groups()) == (cue.start_ms, cue.end_ms)
        assert "-->" not in line
        assert line.strip()


@given(st.lists(segments(), max_size=6))
def test_every_cue_of_vtt_reads_back_with_its_speaker_and_text(said: list[Segment]) -> None:
    head, *blocks = to_vtt(said, {}).removesuffix("\n").split("\n\n")
    assert head == "WEBVTT"
    cues = cues_of(said)
    assert len(blocks) == len(cues)
    for block, cue in zip(blocks, cues, strict=True):
        times, line = block.split("\n")
        match = VTT_TIMES.fullmatch(times)
        assert match is not None
        assert milliseconds(match.groups()) == (cue.start_ms, cue.end_ms)
        voice = re.fullmatch(r"(?:<v ([^>]*)>)?([^<>]*)", line)
        assert voice is not None
        assert html.unescape(voice[1] or "") == (cue.speaker or "")
        assert html.unescape(voice[2]) == cue.text


@given(st.lists(segments(), max_size=6))
def test_cues_are_in_order_end_after_they_start_and_lose_no_word(said: list[Segment]) -> None:
    cues = cues_of(said)
    assert all(cue.start_ms < cue.end_ms for cue in cues)
    times = [(c.start_ms, c.end_ms) for c in cues]
    assert times == sorted(times)
    spoken = sorted(word for s in said for word in one_line(s.text).split())
    assert sorted(word for cue in cues for word in cue.text.split()) == spoken


@given(st.lists(segments(), max_size=4))
def test_the_json_transcript_holds_every_segment_with_its_words(said: list[Segment]) -> None:
    body = json.loads(to_json(said, {"bot_id": "b"}))
    assert body["bot_id"] == "b"
    spoken = sorted(said, key=spoken_order)
    assert [s["text"] for s in body["segments"]] == [s.text for s in spoken]
    assert [[w["text"] for w in s["words"]] for s in body["segments"]] == [
        [w.text for w in s.words] for s in spoken
    ]


def test_a_short_word_between_two_of_a_long_speech_is_shown_between_them() -> None:
    long = tuple(Word(f"word{n}", 0.5 + n, 1.0 + n, None) for n in range(18))
    ada = segment(" ".join(w.text for w in long), 0.5, 18.5, words=long)
    ben = segment("yes of course", 4.0, 5.0, "Ben")
    for said in ([ada, ben], [ben, ada]):
        cues = cues_of(said)
        assert [cue.speaker for cue in cues] == ["Ada", "Ben", "Ada", "Ada"]
        assert to_txt(said, {}).splitlines()[1] == "[00:00:04] Ben: yes of course"
        assert [s["speaker_name"] for s in json.loads(to_json(said, {}))["segments"]] == [
            "Ada",
            "Ben",
        ]


def test_an_arrow_of_any_length_does_not_read_as_times() -> None:
    assert "a -> b -> c" in to_srt([segment("a --> b -----> c")], {})


def test_a_long_segment_is_cut_at_its_words_times() -> None:
    words = tuple(Word(f"word{n}", n * 0.5, n * 0.5 + 0.4) for n in range(40))
    cues = cues_of([segment(" ".join(w.text for w in words), 0, 20, words=words)])
    assert len(cues) >= 3
    assert all(len(cue.text) <= 84 for cue in cues)
    assert all(cue.end_ms - cue.start_ms <= 7_000 for cue in cues)
    assert cues[1].start_ms == round(words[len(cues[0].text.split())].start_s * 1000)


def test_plain_text_names_who_spoke_and_when() -> None:
    said = [segment("hello\nthere", 3.4), segment("hi", 3723.0, speaker=None)]
    assert to_txt(said, {}) == "[00:00:03] Ada: hello there\n[01:02:03] Unknown: hi\n"


def test_json_says_how_the_speaker_is_known() -> None:
    (one,) = json.loads(to_json([segment("hello")], {}))["segments"]
    assert (one["speaker_source"], one["speaker_confidence"]) == (NameSource.TRACK.value, 1.0)
