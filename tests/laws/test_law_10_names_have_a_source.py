"""Law 10: a name has a source and a confidence; unknown is unknown, never a guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore.model.assembler import TranscriptAssembler
from meetcore.model.roster import NameSource, Participant, Roster, SpeakingTimeline
from meetcore.model.transcript import Hypothesis, Word
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from tests.laws.conftest import MEETING

pytestmark = pytest.mark.law(10)


def assembler(*spans: tuple[str, float, float]) -> TranscriptAssembler:
    roster, timeline = Roster(), SpeakingTimeline()
    for who in ("ada", "ben"):
        roster.joined(Participant(id=who, name=who.title()))
    for who, start_s, end_s in spans:
        timeline.started(who, start_s, NameSource.ACTIVE_SPEAKER)
        timeline.stopped(who, end_s)
    return TranscriptAssembler(roster, timeline)


def words(*times: tuple[float, float]) -> Hypothesis:
    return Hypothesis(
        utterance_id="u",
        revision=1,
        text=" ".join("w" for _ in times),
        words=tuple(Word("w", a, b) for a, b in times),
        final=True,
    )


def test_a_participants_own_track_is_certain(tmp_path):
    meeting = SimMeeting(MEETING)
    events = run_simulated(
        meeting, out_dir=tmp_path, transcriber=ScriptedTranscriber(meeting.script)
    )
    segments = [e.segment for e in events if isinstance(e, meetcore.SegmentFinalized)]
    assert [(s.speaker_name, s.speaker_source, s.speaker_confidence) for s in segments] == [
        ("Ada", "track", 1.0),
        ("Ben", "track", 1.0),
    ]


def test_over_a_mix_words_go_to_who_spoke_then():
    mix = assembler(("ada", 0, 2), ("ben", 2, 4))
    mix.mix("mix")
    first, second = mix.take("mix", words((0.1, 0.5), (1.0, 1.4), (2.2, 2.6)))
    assert (first.speaker_name, first.text, first.speaker_source) == (
        "Ada",
        "w w",
        "active_speaker",
    )
    assert (second.speaker_name, second.text) == ("Ben", "w")
    assert first.id != second.id


def test_words_that_nobody_was_seen_to_say_stay_unknown():
    mix = assembler(("ada", 0, 1))
    mix.mix("mix")
    (segment,) = mix.take("mix", words((5.0, 5.5)))
    assert segment.speaker_name is None
    assert segment.participant_id is None
    assert segment.speaker_source is NameSource.UNKNOWN
    assert segment.speaker_confidence == 0.0


times = st.tuples(st.floats(0, 20), st.floats(0.01, 5)).map(lambda t: (t[0], t[0] + t[1]))


@given(spans=st.lists(st.tuples(st.sampled_from(["ada", "ben"]), times), max_size=8), said=times)
def test_a_name_is_only_given_to_somebody_who_was_speaking(spans, said):
    mix = assembler(*((who, a, b) for who, (a, b) in spans))
    mix.mix("mix")
    (segment,) = mix.take("mix", words(said))
    present = {who for who, (a, b) in spans if a < said[1] and b > said[0]}
    if segment.participant_id is None:
        assert segment.speaker_source is NameSource.UNKNOWN
    else:
        assert segment.participant_id in present
        assert 1 / 3 <= segment.speaker_confidence <= 1
