"""Times as plain numbers: to the millisecond, and never a zero with a sign."""

from __future__ import annotations

import re
from math import copysign

from hypothesis import example, given
from hypothesis import strategies as st

from meetcore.model.assembler import TranscriptAssembler
from meetcore.model.events import SegmentFinalized
from meetcore.model.plain import rounded_s
from meetcore.model.roster import Roster, SpeakingTimeline
from meetcore.model.transcript import Hypothesis, Word

around_zero = st.floats(-0.002, 0.002)


@given(seconds=st.floats(-1e6, 1e6) | around_zero)
@example(-0.0)
@example(-0.0004)
def test_a_time_is_itself_to_the_millisecond_and_no_negative_zero(seconds):
    rounded = rounded_s(seconds)
    assert rounded == round(seconds, 3)
    assert rounded or copysign(1.0, rounded) == 1.0


@given(start_s=around_zero, offset_s=around_zero, by_word=st.booleans())
@example(0.0, -0.0004, True)
@example(0.0, -0.0004, False)
def test_no_segment_begins_at_a_negative_zero(start_s, offset_s, by_word):
    words = (Word("hello", start_s, start_s, 1.0),) if by_word else ()
    made = TranscriptAssembler(Roster(), SpeakingTimeline())
    hypothesis = Hypothesis(
        utterance_id="u1", revision=1, text="hello", words=words, final=True,
        start_s=start_s, end_s=start_s,
    )  # fmt: skip
    (segment,) = made.take("t1", hypothesis, offset_s)
    assert not re.search(r":-0\.0[,}]", SegmentFinalized(segment=segment).to_json())
