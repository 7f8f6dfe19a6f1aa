"""Meetings of 2, 4 and 6 people with known words, and of captions: names, cpWER, DER, noise.

The sound is transcribed by whisper base through the pipeline, a track per person; the captions are
those of a simulated meeting. `benchmarks.fidelity` runs both.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import trio
from attrs import frozen

import meetcore
from benchmarks import speech_data
from benchmarks.figures import Figure, spread
from benchmarks.speech_data import Spoken
from benchmarks.talks import shown
from benchmarks.word_scores import cp_word_error_rate, diarization_error_rate, word_error_rate
from meetcore import SAMPLE_RATE_HZ, Pcm, RecordedTrack
from meetcore.testing import MixedTrack, ScriptedTranscriber, SimMeeting, run_simulated
from meetcore.testing.scoring import HypothesisWord, score_transcript
from meetcore.testing.script import End, Line, Person, Script, estimate_duration_s
from meetcore_whisper.options import WhisperOptions
from meetcore_whisper.transcriber import WhisperTranscriber

RATE = SAMPLE_RATE_HZ
OPTIONS = WhisperOptions(model="base", linger_s=5.0)
SIZES = (2, 4, 6)
TALKS = 3


def recorded(tracks: dict[str, Pcm]) -> list[meetcore.Segment]:
    """Return what a transcription through the pipeline gives, a track per person."""

    def blocks(pcm: Pcm) -> Iterator[Pcm]:
        for start in range(0, len(pcm), RATE // 2):
            yield pcm[start : start + RATE // 2]

    listed = [
        RecordedTrack(
            track_id=name, pcm=partial(blocks, pcm), participant_id=name, speaker_name=name
        )
        for name, pcm in tracks.items()
    ]
    config = meetcore.BotConfig(language="en")
    result = trio.run(
        partial(meetcore.transcribe_recording, listed, WhisperTranscriber(OPTIONS), config)
    )
    return list(result.segments)


@frozen
class Turn:
    """Who says what, and from when on."""

    who: str
    spoken: Spoken
    start_s: float

    @property
    def end_s(self) -> float:
        return self.start_s + self.spoken.seconds


def _meeting(people: int, *, overlap: bool, seed: int) -> list[Turn]:
    voices = [
        *(list(speech_data.flite(voice)) for voice in ("slt", "rms", "awb", "kal16")),
        list(speech_data.prompts()),
        list(speech_data.librivox()) or list(speech_data.flite("slt")),
    ]
    random = Random(seed)
    turns, at = [], 1.0
    for number in range(5 * people):
        who = number % people
        spoken = random.choice([each for each in voices[who] if each.seconds < 15])
        turns.append(Turn(f"p{who}", spoken, at))
        gap = -0.8 if overlap and number % 3 == 2 else random.uniform(0.4, 1.2)
        at += spoken.seconds + gap
    return turns


def _laid(turns: list[Turn], who: str) -> Pcm:
    end = max(turn.end_s for turn in turns) + 1
    sound = np.zeros(int(end * RATE), np.int32)
    for turn in turns:
        if turn.who == who:
            first = int(turn.start_s * RATE)
            sound[first : first + len(turn.spoken.pcm)] += turn.spoken.pcm
    return np.clip(sound, -32768, 32767).astype(np.int16)


def _noisy(sound: Pcm, turns: list[Turn], who: str, snr_db: float) -> Pcm:
    """Return a track with noise all through, so far below the voice while it speaks."""
    voice = np.concatenate([turn.spoken.pcm for turn in turns if turn.who == who])
    speaks = float(np.mean(np.square(voice.astype(np.float64))))
    overall = float(np.mean(np.square(sound.astype(np.float64))))
    seed = int(who.removeprefix("p"))
    return speech_data.with_noise(sound, snr_db + 10 * np.log10(overall / speaks), seed)


def _said(turns: list[Turn]) -> dict[str, str]:
    said: dict[str, str] = {}
    for turn in turns:
        said[turn.who] = f"{said.get(turn.who, '')} {turn.spoken.text}".strip()
    return said


def _errors(turns: list[Turn], segments: list[meetcore.Segment]) -> float:
    """Return the word error rate, each person's words against what was given to that person."""
    heard: dict[str | None, str] = {}
    for segment in segments:
        who = segment.participant_id
        heard[who] = f"{heard.get(who, '')} {segment.text}"
    return word_error_rate([(text, heard.get(who, "")) for who, text in _said(turns).items()])


def _right_names(turns: list[Turn], segments: list[meetcore.Segment]) -> float:
    """Return how many of the words at whose time one person speaks are that one's, in percent."""
    right = total = 0
    for segment in segments:
        for word in segment.words:
            middle = (word.start_s + word.end_s) / 2
            speaking = {
                turn.who for turn in turns if turn.start_s - 0.1 <= middle <= turn.end_s + 0.1
            }
            if len(speaking) == 1:
                total += 1
                right += segment.participant_id in speaking
    return 100 * right / max(1, total)


def _lost(turns: list[Turn], segments: list[meetcore.Segment]) -> int:
    """Return how many turns have no word of their speaker in the transcript."""
    words = [(s.participant_id, (w.start_s + w.end_s) / 2) for s in segments for w in s.words]
    return sum(
        not any(
            who == turn.who and turn.start_s - 0.3 <= at <= turn.end_s + 0.3 for who, at in words
        )
        for turn in turns
    )


def meetings() -> list[Figure]:
    """Meetings of 2, 4 and 6 people, a track each: with overlap, without, and in noise."""
    figures, cp, der = [], [], []
    for overlap in (False, True):
        kind = "with overlap" if overlap else "without overlap"
        shares, errors, lost = [], [], 0
        for people in SIZES:
            turns = _meeting(people, overlap=overlap, seed=people)
            segments = recorded({f"p{n}": _laid(turns, f"p{n}") for n in range(people)})
            shares.append(_right_names(turns, segments))
            errors.append(_errors(turns, segments))
            lost += _lost(turns, segments)
            cp.append(cp_word_error_rate(_said(turns), segments))
            spans = [(turn.who, turn.start_s, turn.end_s) for turn in turns]
            der.append(diarization_error_rate(spans, segments))
        figures += [
            spread(f"words with the right name, tracks, {kind}", "%", shares, at_least=100),
            spread(f"meetings of 2, 4 and 6: word errors, {kind}", "", errors),
            spread(f"meetings of 2, 4 and 6: utterances lost, {kind}", "", [lost], at_most=0),
        ]
    figures += [
        spread("cpWER, a track each", "", cp),
        spread("diarization error rate, collar 0.25 s", "", der),
    ]
    for snr_db in (20, 10):
        shares, errors, lost = [], [], 0
        for people in SIZES:
            turns = _meeting(people, overlap=False, seed=people)
            tracks = {}
            for number in range(people):
                who = f"p{number}"
                tracks[who] = _noisy(_laid(turns, who), turns, who, snr_db)
            segments = recorded(tracks)
            shares.append(_right_names(turns, segments))
            errors.append(_errors(turns, segments))
            lost += _lost(turns, segments)
        kind = f"noise {snr_db} dB below"
        figures += [
            spread(f"meetings of 2, 4 and 6: word errors, {kind}", "", errors),
            spread(f"meetings of 2, 4 and 6: right names, {kind}", "%", shares),
            spread(f"meetings of 2, 4 and 6: utterances lost, {kind}", "", [lost]),
        ]
    return figures


# --- captions --------------------------------------------------------------------------------


class _UnshownMix(MixedTrack):
    """Everybody on one track, and nothing but the captions says who speaks."""

    def told(self, script: Script, random: Random) -> Iterator[tuple[float, meetcore.Signal]]:
        del script, random
        yield from ()


def _captioned(seed: int, people: int = 5, lines: int = 40) -> Script:
    """Return a talk of different sentences, one in seven of which begins too early."""
    texts = [
        line.partition("\t")[2] for line in speech_data.PROMPTS.read_text("utf-8").splitlines()
    ]
    random = Random(seed)
    said, at_s, who = [], 1.0, ""
    for text in random.sample([*speech_data.SENTENCES, *texts], lines):
        who = random.choice([f"p{n}" for n in range(people) if f"p{n}" != who])
        seconds = estimate_duration_s(text)
        early_s = random.uniform(0.3, 1.0) if random.random() < 1 / 7 else 0.0
        begins = round(max(at_s - early_s, 0.5), 3)
        said.append(Line(who=who, at_s=begins, text=text, duration_s=seconds))
        at_s = begins + seconds + random.uniform(0.05, 1.2)
    listed = tuple(Person(id=f"p{n}", name=f"P{n}") for n in range(people))
    end = End(at_s=at_s + 30)
    return Script(seed=seed, waiting_room=False, people=listed, lines=tuple(said), end=end)


def _named(script: Script, segments: list[meetcore.Segment]) -> float:
    """Return how many of the words said alone carry the right name, in percent.

    Captions have no words with times: their text is spread over the time it took.
    """
    words = []
    for segment in segments:
        tokens = segment.text.split()
        step = (segment.end_s - segment.start_s) / max(1, len(tokens))
        for number, token in enumerate(tokens):
            at_s = segment.start_s + number * step
            words.append(HypothesisWord(token, segment.participant_id, at_s, at_s + step))
    score = score_transcript(script.reference_words(), words)
    if not score.attributed_alone.of:
        raise SystemExit("The captions left no word: something is wrong with the benchmark.")
    return 100 * score.attributed_alone.value


def captions() -> list[Figure]:
    """Names by the captions of simulated meetings: as the transcript, and over a mix of others."""
    alone, errors, over_mix = [], [], []
    for seed in range(TALKS):
        script = _captioned(seed)
        with TemporaryDirectory() as folder:
            meeting = SimMeeting(script, captions=True, sound=False)
            events = run_simulated(meeting, out_dir=Path(folder), transcriber="captions")
        segments = shown(events).segments
        alone.append(_named(script, segments))
        said = " ".join(line.text for line in script.lines)
        errors.append(word_error_rate([(said, " ".join(segment.text for segment in segments))]))
        tracks = _UnshownMix()
        with TemporaryDirectory() as folder:
            events = run_simulated(
                SimMeeting(script, captions=True, tracks=tracks),
                out_dir=Path(folder),
                transcriber=ScriptedTranscriber(script, tracks=tracks),
                transcription=meetcore.TranscriptionConfig(captions_for_names=True),
            )
        over_mix.append(_named(script, shown(events).segments))
    return [
        spread("captions' names, as the transcript (simulated)", "%", alone, at_least=98),
        spread("captions: word errors (simulated)", "", errors),
        spread("captions' names over a mix, nothing else (simulated)", "%", over_mix, at_least=98),
    ]
