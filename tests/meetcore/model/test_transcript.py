"""From hypotheses to segments, and from segments to a transcript. Who spoke is law 10's."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.assembler import Attribution, TranscriptAssembler
from meetcore.model.roster import NameSource, Participant, Roster, SpeakingTimeline
from meetcore.model.transcript import Hypothesis, Segment, Transcript, Word


def assembler() -> TranscriptAssembler:
    roster = Roster()
    roster.joined(Participant(id="ada", name="Ada"))
    made = TranscriptAssembler(roster, SpeakingTimeline())
    made.own("t", Attribution("ada", NameSource.TRACK, 1.0))
    return made


def says(text: str, revision: int, *, final: bool = False, key: str = "u") -> Hypothesis:
    words = tuple(Word(w, i / 2, i / 2 + 0.4) for i, w in enumerate(text.split()))
    return Hypothesis(utterance_id=key, revision=revision, text=text, words=words, final=final)


hypotheses = st.lists(
    st.builds(
        says,
        st.sampled_from(["", "a", "a b", "a b c"]),
        st.integers(0, 6),
        final=st.sampled_from([False, False, True]),
        key=st.sampled_from(["u", "v"]),
    )
)


@given(stream=hypotheses)
def test_whatever_comes_a_segments_revisions_rise_and_its_final_is_its_last(stream):
    made, last, finalized = assembler(), {}, set()
    for hypothesis in stream:
        for segment in made.take("t", hypothesis):
            assert segment.id not in finalized
            assert segment.revision > last.get(segment.id, 0)
            last[segment.id] = segment.revision
            assert segment.finalized == hypothesis.final
            assert (segment.text, segment.speaker_name) == (hypothesis.text, "Ada")
            if segment.finalized:
                finalized.add(segment.id)


def test_times_are_moved_from_the_calls_clock_to_the_meetings():
    (segment,) = assembler().take("t", says("a b", 1, final=True), offset_s=-1.5)
    assert [(w.start_s, w.end_s) for w in segment.words] == [(-1.5, -1.1), (-1.0, -0.6)]
    assert (segment.start_s, segment.end_s) == (-1.5, -0.6)
    bare = Hypothesis(utterance_id="v", revision=1, text="x", final=True, start_s=3.0)
    (segment,) = assembler().take("t", bare, offset_s=2.0)
    assert (segment.start_s, segment.end_s) == (5.0, 5.0)


def segment(key: str, revision: int, start_s: float, text: str = "") -> Segment:
    return Segment(
        id=key, revision=revision, finalized=True, track_id="t", participant_id="ada",
        speaker_name="Ada", speaker_source=NameSource.TRACK, speaker_confidence=1.0,
        text=text or f"{key}{revision}", start_s=start_s, end_s=start_s + 1,
    )  # fmt: skip


@given(
    order=st.permutations(
        [segment("a", 1, 5.0), segment("a", 2, 5.0), segment("b", 1, 1.0), segment("c", 1, 5.0)]
    )
)
def test_a_transcript_is_the_same_in_whatever_order_it_is_told(order):
    assert Transcript.of(order).text == "Ada: b1\nAda: a2\nAda: c1"


def test_drafts_are_shown_until_they_are_final():
    transcript = Transcript()
    first, second = segment("a", 1, 5.0), segment("a", 2, 5.0, "more")
    assert transcript.drafted(first)
    assert transcript.drafted(second)
    assert not transcript.drafted(first)
    assert [d.text for d in transcript.drafts] == ["more"]
    transcript.finalized(evolve(second, revision=3))
    assert transcript.drafts == []
    assert not transcript.drafted(evolve(second, revision=9))


def test_a_segments_onset_stays_while_its_start_is_still_being_found():
    made = assembler()
    late = evolve(says("a b", 2, final=True), words=(Word("a", 0.12, 0.4), Word("b", 0.5, 0.9)))
    (draft,), (final,) = made.take("t", says("a", 1), 1.0), made.take("t", late, 1.0)
    assert (draft.start_s, final.start_s) == (1.0, 1.12)
    assert (draft.onset_s, final.onset_s) == (1.0, 1.0)
