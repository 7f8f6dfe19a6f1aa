"""Voices in one room, names that people give to voices, captions as evidence for names."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.attribution import (
    NOBODY,
    VOICE_IN_ROOM_S,
    Attribution,
    SpeakerEvidence,
    label_in_stream,
)
from meetcore.model.caption_names import NamedLine
from meetcore.model.echo import EchoFilter
from meetcore.model.roster import NameSource, Participant, SpeakingTimeline, SpeechMark
from meetcore.model.transcript import Hypothesis, Word
from tests.meetcore.model.test_assembler import Stage as _Stage

LONG = int(VOICE_IN_ROOM_S) + 1


class Stage(_Stage):
    """A stage that also corrects labels, names voices and shows captions."""

    def says(self, *words: str, **more) -> None:
        super().says(*words, **more)
        self.catch_up()

    def identified(self, *args, **more) -> None:
        super().identified(*args, **more)
        self.catch_up()

    def catch_up(self) -> None:
        for key in self.made.due():
            parts = [self.shown.newest(part) for part in self.made.parts(key)]
            self.show(self.made.recut(key, [part for part in parts if part]))

    def relabels(self, key: str, at: float, labels: str) -> None:
        words = tuple(
            Word("", at + i, at + i + 0.9, speaker=label) for i, label in enumerate(labels)
        )
        corrected = Hypothesis(utterance_id=key, revision=9, text="", words=words, final=True)
        if self.made.relabel(self.track, corrected):
            parts = [self.shown.newest(part) for part in self.made.parts(key)]
            self.show(self.made.recut(key, [part for part in parts if part]))
        self.catch_up()

    def names(self, voice: str, name: str) -> None:
        self.made.name_voice(self.track, voice, name or None)
        self.catch_up()

    def captions(self, who: str | None, text: str, at: float, key: str = "c") -> None:
        line = NamedLine(key=key, participant_id=who, text=text, start_s=at, end_s=at + 1)
        self.made.captioned(line)
        self.catch_up()


def two_in_a_room() -> Stage:
    stage = Stage("room")
    stage.identified("ada")
    stage.says(*"abcd", voices="7777")
    stage.says(*"efgh", key="v", at=10.0, voices="3333")
    return stage


def test_two_voices_on_one_persons_track_are_told_apart():
    stage = two_in_a_room()
    assert stage.lines == [("Ada · speaker 1", "a b c d"), ("Ada · speaker 2", "e f g h")]
    assert [s.voice for s in stage.shown.segments] == ["7", "3"]
    assert {s.participant_id for s in stage.shown.segments} == {"ada"}
    assert {s.speaker_source for s in stage.shown.segments} == {NameSource.CONTRIBUTING_SOURCE}
    first = stage.shown.newest("u")
    assert (first.revision, first.correction) == (2, True), "shown before there were two voices"


def test_a_label_that_is_heard_for_a_moment_is_no_voice_of_its_own():
    stage = Stage("room")
    stage.identified("ada")
    stage.says(*"abcdefgh", voices="77777733")
    assert stage.lines == [("Ada", "a b c d e f g h")]
    assert stage.shown.segments[0].voice is None
    stage.says(*"ijkl", key="v", at=10.0, voices="7733")
    assert stage.lines[0] == ("Ada · speaker 1", "a b c d e f")


def test_a_voice_is_named_later_and_the_name_taken_back():
    stage = two_in_a_room()
    stage.names("3", "Grace")
    assert stage.lines == [("Ada · speaker 1", "a b c d"), ("Grace", "e f g h")]
    revisions = len(stage.revisions)
    stage.names("3", "Grace")
    assert len(stage.revisions) == revisions, "the same name again is no revision"
    stage.says(*"ij", key="w", at=20.0, voices="33")
    assert stage.lines[-1] == ("Grace", "i j")
    stage.names("3", "")
    assert [name for name, _ in stage.lines[1:]] == ["Ada · speaker 2", "Ada · speaker 2"]


def test_a_voice_over_a_mix_is_named_where_nothing_else_names_it():
    stage = Stage()
    stage.speaks("ben", 0.0)
    stage.speaks("ben", 2.0, False)
    stage.says(*"abcd", voices="1122")
    assert stage.lines == [("Ben", "a b"), (None, "c d")]
    assert [s.voice for s in stage.shown.segments] == [None, "2"]
    stage.names("2", "Grace")
    named = stage.shown.segments[1]
    assert (named.speaker_name, named.participant_id) == ("Grace", None)
    assert named.speaker_source is NameSource.DIARIZATION
    stage.names("1", "Somebody")
    assert stage.lines[0] == ("Ben", "a b"), "what names a participant is believed first"


def test_one_person_whose_provider_counts_anew_is_not_two():
    stage = Stage("room")
    stage.identified("ada")
    for key, at, label in (("u", 0.0, "7"), ("v", 10.0, label_in_stream("7", 2))):
        words = tuple(Word(w, at + i, at + i + 0.9, speaker=label) for i, w in enumerate("abcd"))
        told = Hypothesis(utterance_id=key, revision=1, text="", words=words, final=True)
        stage.show(stage.made.take("room", told))
        stage.catch_up()
    assert stage.lines == [("Ada", "a b c d")] * 2
    assert {segment.voice for segment in stage.shown.segments} == {None}


def test_labels_that_are_corrected_dissolve_a_room():
    stage = two_in_a_room()
    stage.relabels("v", 10.0, "7777")
    assert stage.lines == [("Ada", "a b c d"), ("Ada", "e f g h")]


def test_voices_of_one_owner_after_another_are_no_room():
    stage = Stage("slot")
    stage.identified("ada")
    stage.identified("ben", since_s=9.0)
    stage.says(*"abcd", voices="7777")
    stage.says(*"efgh", key="v", at=10.0, voices="3333")
    assert stage.lines == [("Ada", "a b c d"), ("Ben", "e f g h")]
    stage.identified("ada")
    assert stage.lines == [("Ada · speaker 1", "a b c d"), ("Ada · speaker 2", "e f g h")]


# --- captions ----------------------------------------------------------------------------


def test_a_caption_with_the_same_words_names_them_better_than_an_indicator():
    stage = Stage()
    stage.speaks("ben", 0.0)
    stage.says("we", "ship", "it", "on", "friday")
    assert stage.lines == [("Ben", "we ship it on friday")]
    stage.captions("ada", "We ship it on Friday.", 2.0)
    assert stage.lines == [("Ada", "we ship it on friday")]
    assert stage.shown.segments[0].speaker_source is NameSource.CAPTION
    stage.captions("cem", "We ship it on Friday.", 2.0)
    assert stage.lines == [("Cem", "we ship it on friday")], "a name that is corrected"
    stage.captions(None, "We ship it on Friday.", 2.0)
    assert stage.lines == [("Ben", "we ship it on friday")], "a name that is taken back"


def test_captions_cut_where_one_speaker_follows_another():
    stage = Stage()
    stage.captions("ada", "are you there", 1.0, "c1")
    stage.captions("ben", "yes I am here", 4.0, "c2")
    stage.says("are", "you", "there", "yes", "uh", "am", "here")
    assert stage.lines[0] == ("Ada", "are you there")
    assert stage.lines[1:] == [(None, "yes uh am here")], "two words alike tell nobody"
    stage.captions("ben", "Well, yes. Uh, am here!", 4.0, "c2")
    assert stage.lines == [("Ada", "are you there"), ("Ben", "yes uh am here")]


def test_the_same_words_of_two_people_are_named_by_neither_caption():
    stage = Stage()
    stage.captions("ada", "yes", 1.0, "c1")
    stage.captions("ben", "yes", 1.5, "c2")
    stage.says("yes")
    assert stage.lines == [(None, "yes")]


def test_captions_of_another_time_and_of_people_on_tracks_of_their_own_name_nobody():
    stage = Stage("slot")
    stage.identified("ada", track="adas")
    stage.captions("ada", "we ship it", 1.0, "c1")
    stage.captions("ben", "we ship it", 60.0, "c2")
    stage.says("we", "ship", "it")
    assert stage.lines == [(None, "we ship it")]


@pytest.mark.parametrize("first", ["words", "captions"])
def test_a_track_whose_owner_is_known_is_named_by_no_caption(first):
    stage = Stage("adas")
    stage.identified("ada")
    if first == "captions":
        stage.captions("ben", "we ship it", 1.0)
    stage.says("we", "ship", "it")
    stage.captions("ben", "we ship it", 1.0)
    assert stage.lines == [("Ada", "we ship it")]


# --- all of it ---------------------------------------------------------------------------

TEXTS = {"u": "abcdef", "v": "ghijkl", "w": "mnopqr"}
PLACES = {"u": 0, "v": 7, "w": 14}
people = st.sampled_from(["ada", "ben", None])
steps = st.one_of(
    st.tuples(st.just("speaks"), st.sampled_from(["ada", "ben"]), st.integers(0, 20),
              st.booleans(), st.just("")),
    st.tuples(st.just("identified"), people, st.sampled_from([None, 0.0, 3.0, 9.0]),
              st.none(), st.just("")),
    st.tuples(st.just("relabels"), st.sampled_from("uvw"), st.none(), st.none(),
              st.text("12", min_size=6, max_size=6)),
    st.tuples(st.just("names"), st.sampled_from("12"), st.sampled_from(["Grace", ""]),
              st.none(), st.just("")),
    st.tuples(st.just("captions"), people, st.sampled_from("uvw"), st.integers(0, 3),
              st.sampled_from(["c1", "c2"])),
    st.tuples(st.just("says"), st.sampled_from("uvw"), st.none(), st.none(),
              st.text("12 ", min_size=6, max_size=6)),
)  # fmt: skip


def play(stage: Stage, step, said: dict[str, str]) -> None:
    kind, a, b, c, d = step
    if kind == "speaks":
        stage.speaks(a, b, c)
    elif kind == "identified" and stage.track != "mix":
        stage.identified(a, b)
    elif kind == "relabels" and a in said:
        stage.relabels(a, PLACES[a], d)
    elif kind == "names" and a in stage.made.evidence.voices(stage.track):
        stage.names(a, b)
    elif kind == "captions":
        stage.captions(a, " ".join(TEXTS[b][c:]), PLACES[b] + c, d)
    elif kind == "says" and a not in said:
        said[a] = d
        stage.says(*TEXTS[a], key=a, at=PLACES[a], voices=d)


@given(track=st.sampled_from(["mix", "slot"]), script=st.lists(steps, max_size=24))
def test_whatever_is_learned_each_word_is_shown_once_by_one_speaker_or_unknown(track, script):
    stage, said = Stage(track), {}
    for step in script:
        play(stage, step, said)
        shown = stage.shown.segments
        words = [word for segment in shown for word in segment.words]
        expected = [text for key in sorted(said) for text in TEXTS[key]]
        assert [word.text for word in words] == expected
        for segment in shown:
            known = segment.participant_id is not None or bool(segment.speaker_name)
            assert known is (segment.speaker_source is not NameSource.UNKNOWN)
            assert known is (segment.speaker_confidence > 0)
            if segment.voice is not None:
                assert {word.speaker for word in segment.words} == {segment.voice}


@given(script=st.lists(steps, max_size=16))
def test_what_is_cut_again_is_what_would_be_cut_now(script):
    """Cutting everything again by what is known changes nothing: nothing due was forgotten."""
    stage, said = Stage("slot"), {}
    stage.identified("ada")
    for step in script:
        if step[0] == "identified":
            step = (step[0], step[1] or "ben", *step[2:])
        play(stage, step, said)
    before = stage.lines
    count = len(stage.revisions)
    stage.recut(None, None)
    assert stage.lines == before
    assert len(stage.revisions) == count


# --- with echoes, late names and a rejoin -------------------------------------------------


class Room:
    """Several tracks of one meeting, with echoes among them and evidence in any order."""

    TRACKS = ("one", "two", "mix")

    def __init__(self) -> None:
        self.stage = Stage("mix")
        self.made, self.echoes = self.stage.made, EchoFilter()
        self.said: dict[str, tuple[str, tuple[Word, ...]]] = {}

    def show(self, segments) -> None:
        for segment in segments:
            self.stage.show(self.echoes.take(segment))

    def recut(self, keys) -> None:
        for key in keys:
            parts = [self.stage.shown.newest(part) for part in self.made.parts(key)]
            self.show(self.made.recut(key, [part for part in parts if part]))

    def says(self, track: str, at: float, text: str, labels: str, confidence: float) -> None:
        key = f"u{len(self.said)}"
        words = tuple(
            Word(word, round(at + n * 0.5, 3), round(at + n * 0.5 + 0.4, 3), confidence, label)
            for n, (word, label) in enumerate(zip(text, labels, strict=False))
        )
        self.said[key] = (track, words)
        told = Hypothesis(
            utterance_id=key, revision=1, text=" ".join(text), words=words, final=True
        )
        self.show(self.made.take(track, told))
        self.recut(self.made.due())

    def identified(self, track: str, who: str | None, since_s: float | None) -> None:
        if track == "mix":
            return
        whose = NOBODY if who is None else Attribution(who, NameSource.CONTRIBUTING_SOURCE, 0.9)
        self.made.own(track, whose, since_s)
        self.recut([*self.made.outdated(track, since_s), *self.made.due()])

    def rejoins(self, who: str, again: str, track: str, since_s: float) -> None:
        """Somebody comes again under another id, and has a track from then on."""
        self.stage.roster.left(who)
        self.stage.roster.joined(Participant(id=again, name=who.title()))
        self.identified(track, again, since_s)

    def speaks(self, who: str, at: float, speaking: bool) -> None:
        if self.stage.timeline.mark(who, SpeechMark(at, speaking, NameSource.ACTIVE_SPEAKER)):
            self.recut([*self.made.outdated(None, at), *self.made.due()])

    def relabels(self, key: str, labels: str) -> None:
        if key in self.said:
            track, words = self.said[key]
            words = tuple(
                evolve(word, speaker=label) for word, label in zip(words, labels, strict=False)
            )
            told = Hypothesis(utterance_id=key, revision=9, text="", words=words, final=True)
            self.made.relabel(track, told)
            self.recut([key, *self.made.due()])

    def names(self, track: str, voice: str, name: str) -> None:
        if voice in self.made.evidence.voices(track):
            self.made.name_voice(track, voice, name)
            self.recut(self.made.due())

    def captions(self, who: str | None, text: str, at: float, key: str) -> None:
        self.made.captioned(
            NamedLine(key=key, participant_id=who, text=" ".join(text), start_s=at, end_s=at + 2)
        )
        self.recut(self.made.due())

    def check(self) -> None:
        shown = self.stage.shown.segments
        for key, (track, words) in self.said.items():
            parts = [self.stage.shown.newest(part) for part in self.made.parts(key)]
            mine = [word for part in parts if part for word in part.words]
            assert len(mine) == len({word.start_s for word in mine}), "no word twice"
            missing = {word.start_s: word for word in words}
            for word in mine:
                assert missing.pop(word.start_s).text == word.text
            if missing:
                assert any(part and part.echo_of for part in parts)
            for word in missing.values():
                heard = [
                    other
                    for segment in shown
                    if segment.track_id != track
                    for other in segment.words
                    if abs(other.start_s - word.start_s) <= 1.5
                ]
                assert heard, "withheld as the echo of what is shown"
        for segment in shown:
            known = segment.participant_id is not None or bool(segment.speaker_name)
            assert known is (segment.speaker_source is not NameSource.UNKNOWN)


tracks = st.sampled_from(Room.TRACKS)
sides = st.sampled_from(["ada", "ben", None])
phrases = st.sampled_from(["abcdef", "abcdeg", "bcdefg", "cdef", "xyzvw", "a", "no"])
acts = st.one_of(
    st.tuples(st.just("says"), tracks, st.sampled_from([0.0, 0.2, 0.5, 3.0, 3.3]), phrases,
              st.text("12", min_size=6, max_size=6), st.sampled_from([0.5, 0.9])),
    st.tuples(st.just("identified"), tracks, sides, st.sampled_from([None, 0.0, 1.0, 3.0])),
    st.tuples(st.just("rejoins"), st.just("ada"), st.just("ada-2"), tracks,
              st.sampled_from([1.0, 3.0])),
    st.tuples(st.just("speaks"), st.sampled_from(["ada", "ben"]), st.integers(0, 7),
              st.booleans()),
    st.tuples(st.just("relabels"), st.sampled_from(["u0", "u1", "u2"]),
              st.text("12", min_size=6, max_size=6)),
    st.tuples(st.just("names"), tracks, st.sampled_from("12"), st.sampled_from(["Grace", ""])),
    st.tuples(st.just("captions"), sides, phrases, st.sampled_from([0.5, 3.5]),
              st.sampled_from(["c1", "c2"])),
)  # fmt: skip


@given(script=st.lists(acts, max_size=30))
def test_every_word_is_shown_once_or_withheld_as_the_echo_of_one_that_is(script):
    room = Room()
    for kind, *rest in script:
        getattr(room, kind)(*rest)
        room.check()


# --- words without length ----------------------------------------------------------------


def over_a_mix(*times: tuple[float, float]) -> list[str | None]:
    """Return who says words of these times, where Ada speaks from 1 to 5 and Ben from 5 to 9."""
    timeline = SpeakingTimeline()
    for who, start_s, end_s in (("ada", 1.1, 5.0), ("ben", 5.0, 9.0)):
        timeline.started(who, start_s, NameSource.ACTIVE_SPEAKER)
        timeline.stopped(who, end_s)
    evidence = SpeakerEvidence(timeline)
    evidence.mix("mix")
    words = [Word(f"w{number}", *each) for number, each in enumerate(times)]
    return [by.participant_id for run in evidence.runs("mix", words) for _, by in run]


@pytest.mark.parametrize(
    ("times", "whose"),
    [
        ([(1.0, 1.0), (1.0, 2.0)], ["ada", "ada"]),
        ([(1.0, 1.0), (1.0, 1.0), (1.0, 2.0)], ["ada", "ada", "ada"]),
        ([(8.0, 9.0), (9.0, 9.0)], ["ben", "ben"]),
        ([(0.2, 0.2), (1.0, 2.0)], [None, "ada"]),
        ([(0.2, 0.2)], [None]),
        ([(0.2, 0.5), (0.5, 0.5), (0.5, 0.9)], [None, None, None]),
    ],
)
def test_a_word_without_length_is_whose_the_word_beside_it_is(times, whose):
    assert over_a_mix(*times) == whose
