"""A transcript as people read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.paragraphs import paragraphs_of, without_fillers
from meetcore.model.roster import NameSource
from meetcore.model.transcript import Segment


def said(
    who: str | None, text: str, start_s: float, end_s: float | None = None, **more: object
) -> Segment:
    fields: dict[str, object] = {
        "id": f"{who}-{start_s}",
        "revision": 1,
        "finalized": True,
        "track_id": "t",
        "participant_id": who,
        "speaker_name": who and who.title(),
        "speaker_source": NameSource.TRACK,
        "speaker_confidence": 1.0,
        "text": text,
        "start_s": start_s,
        "end_s": start_s + 1 if end_s is None else end_s,
    }
    return Segment(**{**fields, **more})  # type: ignore[arg-type]


def test_what_one_person_says_in_a_row_is_one_paragraph() -> None:
    found = paragraphs_of(
        [said("ada", "Good morning.", 0), said("ada", "Shall we?", 2), said("ben", "Yes.", 4)]
    )
    assert [(each.speaker_name, each.text) for each in found] == [
        ("Ada", "Good morning. Shall we?"),
        ("Ben", "Yes."),
    ]
    assert found[0].segment_ids == ("ada-0", "ada-2")
    assert (found[0].start_s, found[0].end_s) == (0, 3)


def test_a_long_pause_and_another_voice_begin_a_new_one() -> None:
    found = paragraphs_of(
        [
            said("ada", "One.", 0),
            said("ada", "Two.", 9),
            said("ben", "Hm?", 11),
            said("ada", "3", 13),
        ]
    )
    assert [each.text for each in found] == ["One.", "Two.", "Hm?", "3"]


def test_a_speech_without_end_is_cut_where_a_sentence_ends() -> None:
    long = " ".join(["word"] * 70)
    found = paragraphs_of(
        [said("ada", f"{long},", 0), said("ada", f"{long}.", 2), said("ada", "And so on.", 4)]
    )
    assert [each.text for each in found] == [f"{long}, {long}.", "And so on."]


def test_two_unknown_voices_on_two_tracks_are_not_one_person() -> None:
    found = paragraphs_of(
        [said(None, "Hello.", 0, track_id="a"), said(None, "Hi.", 1, track_id="b")]
    )
    assert len(found) == 2


@pytest.mark.parametrize(
    ("text", "language", "left"),
    [
        ("Um, I think so.", "en", "I think so."),
        ("I, uh, think so, um.", "en-GB", "I, think so."),
        ("Uh, the plan is, er, ready.", None, "The plan is, ready."),
        ("Ähm, das ist gut.", "de", "Das ist gut."),
        ("Um carro novo.", "pt", "Um carro novo."),
        ("Um zehn Uhr.", "de", "Um zehn Uhr."),
        ("Hmm.", "en", ""),
        ("えーと、はい。", "ja", "えーと、はい。"),
        ("The umbrella.", "en", "The umbrella."),
    ],
)
def test_sounds_of_thinking_can_be_left_out(text: str, language: str | None, left: str) -> None:
    assert without_fillers(text, language) == left


names = st.sampled_from(["ada", "ben", None])
spoken = st.lists(
    st.builds(
        said,
        names,
        st.text("abc .,", min_size=1).filter(str.strip),
        st.integers(0, 300).map(float),
    ),
    max_size=20,
    unique_by=lambda segment: segment.id,
)


@given(spoken)
def test_no_word_and_no_segment_is_lost_or_doubled(segments: list[Segment]) -> None:
    found = paragraphs_of(segments)
    ids = [each for paragraph in found for each in paragraph.segment_ids]
    assert sorted(ids) == sorted(segment.id for segment in segments)
    texts = {segment.id: " ".join(segment.text.split()) for segment in segments}
    for paragraph in found:
        assert paragraph.text == " ".join(texts[each] for each in paragraph.segment_ids)
    starts = [paragraph.start_s for paragraph in found]
    assert starts == sorted(starts)
