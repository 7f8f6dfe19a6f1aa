"""Meetings with much talk, as scripts: what the tests of names and the benchmark play."""

from __future__ import annotations

from random import Random

from meetcore.model.events import Event, SegmentFinalized
from meetcore.model.transcript import Transcript
from meetcore.testing.scoring import HypothesisWord, Score, score_transcript
from meetcore.testing.script import End, Line, Person, Script, estimate_duration_s

TEXT = "we could ship it on monday if the tests are green and nobody minds that at all"
WORDS = TEXT.split(" ")
PAUSES_S = (0.05, 1.2)
OVERLAP = 0.15


def talk(people: int, lines: int, seed: int, *, overlap: float = OVERLAP) -> Script:
    """Return a meeting in which people speak one after the other, and sometimes at once."""
    random = Random(seed)
    names = [f"p{number}" for number in range(people)]
    said, at_s, last = [], 1.0, ""
    for _ in range(lines):
        who = random.choice([name for name in names if name != last])
        count = random.randint(2, 12)
        start = random.randrange(len(WORDS) - count)
        text = " ".join(WORDS[start : start + count])
        duration_s = estimate_duration_s(text)
        early_s = random.uniform(0.3, 1.0) if random.random() < overlap else 0.0
        begins = round(max(at_s - early_s, 0.5), 3)
        said.append(Line(who=who, at_s=begins, text=text, duration_s=duration_s))
        at_s = begins + duration_s + random.uniform(*PAUSES_S)
        last = who
    return Script(
        seed=seed,
        waiting_room=False,
        people=tuple(Person(id=name, name=name.upper()) for name in names),
        lines=tuple(said),
        end=End(at_s=at_s + 30),
    )


def shown(events: list[Event]) -> Transcript:
    """Return the transcript as whoever keeps the newest of each id has it."""
    return Transcript.of(e.segment for e in events if isinstance(e, SegmentFinalized))


def scored(script: Script, events: list[Event]) -> Score:
    """Return how many words carry the right name."""
    words = [
        HypothesisWord(word.text, segment.participant_id, word.start_s, word.end_s)
        for segment in shown(events).segments
        for word in segment.words
    ]
    return score_transcript(script.reference_words(), words, slack_s=0.5)
