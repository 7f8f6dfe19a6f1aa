"""Names over a mix: how many are right where the indicator comes late, and what one costs.

A simulated meeting mixes everybody into one track and tells who speaks 300 ± 250 ms late. How many
of the words said outside of overlap carry the right name is counted with the sound's time in the
indications, and without it, when their arrival counts.

What a name over a mix costs in hour three is held against hour one, within one run:

A meeting of three hours with a speaking span every second, three people, and words that are
attributed to them as they come, ten a second of meeting time. Beside it the same words looked up
by a walk over all spans, which is what a bisect saves.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, report, spread
from benchmarks.talks import scored, talk
from meetcore.model.assembler import attribute
from meetcore.model.roster import NameSource, SpeakingTimeline
from meetcore.testing import MixedTrack, ScriptedTranscriber, SimMeeting, run_simulated

RUNS = 5
TALKS = 5
HOUR_S = 3600
MEASURED_S = 300
PEOPLE = ("ada", "ben", "cem")


def speak(timeline: SpeakingTimeline, at_s: int) -> None:
    """Let somebody speak for most of a second."""
    who = PEOPLE[at_s % len(PEOPLE)]
    timeline.started(who, float(at_s), NameSource.ACTIVE_SPEAKER)
    timeline.stopped(who, at_s + 0.8)


def minutes_cost(timeline: SpeakingTimeline, from_s: int) -> float:
    """Return microseconds a word over the minutes that end at an hour."""
    took = 0.0
    for at_s in range(from_s, from_s + MEASURED_S):
        speak(timeline, at_s)
        began = time.process_time()
        for word in range(10):
            start_s, end_s = at_s + word / 10, at_s + word / 10 + 0.09
            attribute(timeline.between(start_s, end_s), start_s, end_s)
        took += time.process_time() - began
    return took / (MEASURED_S * 10) * 1e6


def hours(count: int = 3) -> list[float]:
    """Return what a word costs at the end of each hour of one meeting."""
    timeline, costs = SpeakingTimeline(), []
    for hour in range(count):
        first = hour * HOUR_S
        for at_s in range(first, first + HOUR_S - MEASURED_S):
            speak(timeline, at_s)
        costs.append(minutes_cost(timeline, first + HOUR_S - MEASURED_S))
    return costs


def right_names(timed: bool, seed: int) -> float:
    """Return how many of the words said alone carry the right name, in percent."""
    script, tracks = talk(people=5, lines=60, seed=seed), MixedTrack(timed=timed)
    meeting = SimMeeting(script, tracks=tracks)
    transcriber = ScriptedTranscriber(script, tracks=tracks)
    with TemporaryDirectory() as folder:
        events = run_simulated(meeting, out_dir=Path(folder), transcriber=transcriber)
    return 100 * scored(script, events).attributed_alone.value


def measure() -> list[Figure]:
    """Return the figures."""
    by_time, by_arrival = (
        [right_names(timed, seed) for seed in range(TALKS)] for timed in (True, False)
    )
    runs = [hours() for _ in range(RUNS)]
    return [
        spread("right names, by the sound's time", "%", by_time, at_least=98.0),
        spread("right names, by arrival", "%", by_arrival),
        spread("a word in hour one", "µs", [run[0] for run in runs]),
        spread("a word in hour three", "µs", [run[2] for run in runs]),
        spread("hour three / hour one", "ratio", [run[2] / run[0] for run in runs], at_most=1.25),
    ]


if __name__ == "__main__":
    report(measure())
