"""What the worker does with what bots say, with a model that answers at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meetcore_whisper.engine import HeardWord, LikelyLanguages, Recognised
from meetcore_whisper.jobs import WorkerJobs, WorkLimits
from meetcore_whisper.voice_gate import VoiceSpan

SECOND = np.full(16_000, 1000, "<i2").tobytes()


class Clock:
    """A clock that goes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """Hears a voice from 0.2 s on in whatever is not silent."""

    def span(self, samples: NDArray[np.float32]) -> VoiceSpan | None:
        return VoiceSpan(0.2, len(samples) / 16_000) if np.any(samples) else None


class Model:
    """Says how long a piece is, and takes its time."""

    def __init__(self, clock: Clock, *, costs_s: float = 0.1, name: str = "large") -> None:
        self.clock, self.costs_s, self.name = clock, costs_s, name
        self.multilingual = True
        self.asked: list[dict[str, Any]] = []
        self.likely: tuple[tuple[str, float], ...] = (("de", 0.9), ("en", 0.1))
        self.fails = False

    def recognise(
        self,
        samples: NDArray[np.float32],
        *,
        language: str | Callable[[LikelyLanguages], str],
        **how: Any,
    ) -> Recognised:
        self.clock.now += self.costs_s
        if self.fails:
            raise RuntimeError("out of memory")
        if callable(language):
            language = language(LikelyLanguages(self.likely))
        self.asked.append({"language": language, "samples": len(samples), **how})
        length_s = len(samples) / 16_000
        return Recognised(
            text=f"{self.name} {length_s:g}",
            words=(
                HeardWord(self.name, 0.0, 0.5, 0.9),
                HeardWord(f"{length_s:g}", 0.5, length_s + 1, 0.8),
            ),
            language=language,
            confidence=0.9,
            seen_s=length_s,
        )


class Told:
    """What was sent to the bots."""

    def __init__(self) -> None:
        self.all: list[tuple[int, Mapping[str, Any]]] = []

    def __call__(self, client: int, body: Mapping[str, Any]) -> None:
        self.all.append((client, body))

    def of(self, event: str) -> list[Mapping[str, Any]]:
        return [body for _, body in self.all if body["event"] == event]


def made(**limits: Any) -> tuple[WorkerJobs, Model, Told, Clock]:
    clock, told = Clock(), Told()
    model = Model(clock)
    small = Model(clock, name="small")
    jobs = WorkerJobs(
        model,  # type: ignore[arg-type]
        Gate(),  # type: ignore[arg-type]
        WorkLimits(**limits),
        told,
        smaller=lambda: small,  # type: ignore[arg-type, return-value]
        clock=clock,
    )
    jobs.enter(1, "bot")
    return jobs, model, told, clock


def say(jobs: WorkerJobs, seconds: int, *, client: int = 1, track: int = 1, **begin: Any) -> None:
    key = f"u{track}"
    jobs.begin(client, track, {"utterance": key, "start": 16_000, **begin})
    for second in range(seconds):
        jobs.hear(client, track, 16_000 * (1 + second), SECOND)


def test_a_final_has_the_calls_times_clipped_to_the_voice_and_the_utterance() -> None:
    jobs, _, told, _ = made()
    say(jobs, 3, drafts=False)
    jobs.end(1, 1, "u1")
    assert jobs.step()
    (final,) = told.of("final")
    assert final["text"] == "large 3"
    assert final["words"] == [["large", 1.2, 1.5, 0.9], ["3", 1.5, 4.0, 0.8]]


def test_drafts_come_while_it_is_spoken_with_what_they_agree_on() -> None:
    jobs, model, told, _ = made()
    say(jobs, 1)
    assert jobs.step()
    jobs.hear(1, 1, 32_000, SECOND)
    jobs.hear(1, 1, 48_000, SECOND)
    assert jobs.step()
    first, second = told.of("draft")
    assert (first["text"], first["stable"], first["end"]) == ("large 1", 0, 32_000)
    assert (second["text"], second["stable"]) == ("large 3", 1)
    assert [asked["beam"] for asked in model.asked] == [1, 1]


def test_silence_is_not_decoded_and_has_an_empty_final() -> None:
    jobs, model, told, _ = made()
    jobs.begin(1, 1, {"utterance": "u1", "start": 0})
    jobs.hear(1, 1, 0, bytes(32_000))
    jobs.end(1, 1, "u1")
    while not told.of("final"):
        jobs.step()
    assert told.of("final")[0]["text"] == ""
    assert not model.asked


def test_a_hole_in_the_sound_is_silence_of_its_length() -> None:
    jobs, _, told, _ = made()
    jobs.begin(1, 1, {"utterance": "u1", "start": 0, "drafts": False})
    jobs.hear(1, 1, 0, SECOND)
    jobs.hear(1, 1, 32_000, SECOND)
    jobs.end(1, 1, "u1")
    jobs.step()
    assert told.of("final")[0]["text"] == "large 3"


def test_speech_that_is_too_long_is_cut_and_joined_with_its_times() -> None:
    jobs, model, told, _ = made()
    say(jobs, 45, drafts=False)
    jobs.end(1, 1, "u1")
    jobs.step()
    (final,) = told.of("final")
    lengths = [asked["samples"] / 16_000 for asked in model.asked]
    assert len(lengths) >= 3
    assert sum(lengths) == 45
    assert max(lengths) <= 20
    starts = [word[1] for word in final["words"]]
    assert starts == sorted(starts)
    assert final["words"][-1][2] == 46.0


def test_when_it_falls_behind_there_are_no_drafts_and_everybody_is_told() -> None:
    jobs, _, told, clock = made()
    jobs.enter(2, "other")
    say(jobs, 1, drafts=False)
    jobs.end(1, 1, "u1")
    clock.now += 6
    say(jobs, 1, client=2, drafts=False)
    jobs.end(2, 1, "u1")
    jobs.step()
    assert [(client, body["waited_s"]) for client, body in told.all if body["event"] == "behind"]
    assert {client for client, body in told.all if body["event"] == "behind"} == {1, 2}
    say(jobs, 1, track=5)
    jobs.step()
    assert not told.of("draft")
    say(jobs, 1, track=6, drafts=False)
    jobs.end(1, 6, "u6")
    jobs.step()
    assert {client for client, body in told.all if body["event"] == "caught_up"} == {1, 2}


def test_a_smaller_model_does_what_is_late_where_that_is_wanted() -> None:
    jobs, _, told, clock = made(when_behind="smaller_model")
    for track in (1, 2):
        say(jobs, 1, track=track, drafts=False)
        jobs.end(1, track, f"u{track}")
    clock.now += 11
    say(jobs, 1, track=3, drafts=False)
    jobs.end(1, 3, "u3")
    for _ in range(3):
        jobs.step()
    assert [body["text"] for body in told.of("final")] == ["small 1", "small 1", "large 1"]


def test_what_waits_for_ever_is_given_up_and_said() -> None:
    jobs, model, told, clock = made(give_up_after_s=60)
    say(jobs, 2, drafts=False)
    jobs.end(1, 1, "u1")
    clock.now += 61
    say(jobs, 1, track=2, drafts=False)
    jobs.end(1, 2, "u2")
    jobs.step()
    assert [body["utterance"] for body in told.of("given_up")] == ["u1"]
    assert [body["utterance"] for body in told.of("final")] == ["u2"]
    assert len(model.asked) == 1


def test_a_bot_that_is_gone_costs_nothing_more() -> None:
    jobs, model, told, _ = made()
    jobs.enter(2, "other")
    say(jobs, 1, drafts=False)
    jobs.end(1, 1, "u1")
    say(jobs, 1, client=2, drafts=False)
    jobs.end(2, 1, "u1")
    jobs.leave(1)
    jobs.step()
    assert [client for client, _ in told.all] == [2]
    assert len(model.asked) == 1


def test_a_decode_that_fails_is_told_and_the_next_goes_on() -> None:
    jobs, model, told, _ = made()
    say(jobs, 1, drafts=False)
    jobs.end(1, 1, "u1")
    model.fails = True
    jobs.step()
    (failed,) = told.of("failed")
    assert "out of memory" in failed["message"]
    model.fails = False
    say(jobs, 1, track=2, drafts=False)
    jobs.end(1, 2, "u2")
    jobs.step()
    assert told.of("final")


def test_each_track_has_its_own_language_and_a_wish_is_obeyed() -> None:
    jobs, model, told, _ = made()
    say(jobs, 2, track=1, drafts=False)
    jobs.end(1, 1, "u1")
    jobs.step()
    model.likely = (("fr", 0.95),)
    say(jobs, 2, track=2, drafts=False)
    jobs.end(1, 2, "u2")
    jobs.step()
    say(jobs, 2, track=3, drafts=False, language="es")
    jobs.end(1, 3, "u3")
    jobs.step()
    assert [asked["language"] for asked in model.asked] == ["de", "fr", "es"]
    told_languages = [(body["track"], body["language"]) for body in told.of("language")]
    assert told_languages == [(1, "de"), (2, "fr")]


def test_it_ends_when_it_is_told_to() -> None:
    jobs, *_ = made()
    jobs.stop()
    assert not jobs.step()
