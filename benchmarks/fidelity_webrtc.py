"""What whisper base makes of meetings that reach it through real WebRTC, and when.

A bot in a real Chromium attends rehearsals, whose cast is in another one: the bundled script, and
meetings of three people built of recordings with known words, once a track per person and once all
tracks mixed into one stream that is cut by who is shown to speak. The cast reports when each line
really began, so the end of speech is known to the host's clock; a WebSocket subscriber in this
process notes when each draft and each final comes. `benchmarks.fidelity` runs it.
"""

from __future__ import annotations

import json
import statistics
import time
import wave
from collections.abc import Iterable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import trio
from attrs import define, field, frozen
from trio_websocket import ConnectionClosed, open_websocket_url

import meetcore
from benchmarks import speech_data
from benchmarks.figures import Figure, spread
from benchmarks.speech_data import Spoken
from benchmarks.talks import shown
from benchmarks.word_scores import cp_word_error_rate, normalised, word_error_rate
from meetcore import SAMPLE_RATE_HZ, Pcm
from meetcore.testing import load_script
from meetcore.testing.scoring import align, normalise
from meetcore.testing.script import End, Line, Person, Script
from meetcore_rehearsal.rehearsal import Rehearsal, open_rehearsal
from meetcore_rehearsal.score import RehearsalScore, score_rehearsal
from meetcore_rehearsal.scripts import DEFAULT_SCRIPT, bundled_scripts
from meetcore_whisper.engine import WhisperEngine
from meetcore_whisper.models import find_model

RUNS = 2
LINES_EACH = 6
SLACK_S = 3.0
"""How far the clocks of cast and bot may be apart: on a loaded machine the sound falls behind."""
AUDIBLE = 300
"""What of a recording is louder than that, in int16, is the voice."""


@frozen
class _Attended:
    """One meeting, as it was played and as the bot had it.

    Attributes:
        script: What was played.
        starts: When each line really began, in meeting time, by its index.
        entered: When the bot was in the call, in seconds since the epoch.
        events: The bot's journal.
        seen: What a WebSocket subscriber had, and when, in seconds since the epoch.
        score: Names and ledger.
    """

    script: Script
    starts: dict[int, float]
    entered: float
    events: list[meetcore.Event]
    seen: list[tuple[float, dict[str, Any]]]
    score: RehearsalScore

    @property
    def segments(self) -> list[meetcore.Segment]:
        return shown(self.events).segments

    @property
    def lost(self) -> int:
        """How many lines left hardly a word: fewer than a third of theirs."""
        heard = [
            (word.start_s, word.end_s, token)
            for segment in self.segments
            for word in segment.words
            for token in normalise(word.text)
        ]
        lost = 0
        for index, at_s in self.starts.items():
            line = self.script.lines[index]
            from_s, to_s = at_s - SLACK_S, at_s + line.duration_s + SLACK_S
            near = [token for start_s, end_s, token in heard if start_s < to_s and end_s > from_s]
            said = normalise(line.text)
            pairs = align(said, near)
            kept = sum(i is not None and j is not None and said[i] == near[j] for i, j in pairs)
            lost += kept < len(said) / 3
        return lost


# --- the meetings ----------------------------------------------------------------------------


def _written(pcm: Pcm, path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


def _read(path: Path) -> Pcm:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def _built(folder: Path, seed: int) -> Script:
    """Return a meeting of a woman's recordings and two synthetic voices, one after the other."""
    prompts = [each for each in speech_data.prompts() if 2 < each.seconds < 9]
    if not prompts:
        raise SystemExit(
            "Nothing was measured: there are no recordings of a person.\n"
            "Install them: apt install asterisk-core-sounds-en-g722"
        )
    voices: dict[str, list[Spoken]] = {
        "ada": prompts,
        "ben": list(speech_data.flite("rms")),
        "cora": list(speech_data.flite("slt")),
    }
    random = Random(seed)
    chosen = {who: random.sample(spoken, LINES_EACH) for who, spoken in voices.items()}
    lines, at_s = [], 2.0
    for number in range(LINES_EACH * len(voices)):
        who = tuple(voices)[number % len(voices)]
        spoken = chosen[who].pop()
        path = _written(spoken.pcm, folder / f"{number}.wav")
        line = Line(
            who=who,
            at_s=round(at_s, 3),
            text=spoken.text,
            duration_s=spoken.seconds,
            audio=path,
            human=who == "ada",
        )
        lines.append(line)
        at_s += spoken.seconds + random.uniform(0.4, 1.2)
    return Script(
        title="Three voices",
        seed=seed,
        people=tuple(
            Person(id=who, name=who.title(), host=number == 0) for number, who in enumerate(voices)
        ),
        lines=tuple(lines),
        end=End(at_s=at_s + 2.0),
    )


# --- attending -------------------------------------------------------------------------------


async def _listen(url: str, seen: list[tuple[float, dict[str, Any]]]) -> None:
    async with open_websocket_url(url) as socket:
        while True:
            try:
                message = await socket.get_message()
            except ConnectionClosed:
                return
            seen.append((time.time(), json.loads(message)))


async def _attend(script: Script, streams: str, out: Path) -> _Attended:
    seen: list[tuple[float, dict[str, Any]]] = []
    config = meetcore.BotConfig(
        name="Notes",
        transcriber="whisper",
        language="en",
        sinks=("files", "websocket"),
        out_dir=out,
        transcription=meetcore.TranscriptionConfig(streams=streams),
        plugins={"websocket": {"port": 0}, "whisper": {"model": "base"}},
    )
    async with open_rehearsal(script) as rehearsal, trio.open_nursery() as nursery:
        async with meetcore.open_bot(rehearsal.link, config=config) as bot:
            async for event in bot.events():
                if isinstance(event, meetcore.PluginEvent) and event.plugin == "websocket":
                    nursery.start_soon(_listen, event.data["url"], seen)
            events = list(bot.journal.read())
        nursery.cancel_scope.deadline = trio.current_time() + 5
        return _attended(rehearsal, events, seen)


def _attended(
    rehearsal: Rehearsal,
    events: list[meetcore.Event],
    seen: list[tuple[float, dict[str, Any]]],
) -> _Attended:
    entered = [
        event.at.timestamp()
        for event in events
        if isinstance(event, meetcore.StateChanged) and event.state == "in_call"
    ]
    if not entered or not rehearsal.line_starts:
        end = [event for event in events if isinstance(event, meetcore.StateChanged)][-1]
        raise SystemExit(f"The bot heard nothing of the rehearsal; its last state: {end}")
    starts = {index: at - entered[0] for index, at in rehearsal.line_starts.items()}
    score = score_rehearsal(rehearsal.script, events, rehearsal.clock_started_at)
    return _Attended(rehearsal.script, starts, entered[0], events, seen, score)


def _run(script: Script, streams: str = "tracks") -> _Attended:
    with TemporaryDirectory(prefix="meetcore-bench-") as folder:
        return trio.run(_attend, script, streams, Path(folder))


# --- what is counted -------------------------------------------------------------------------


def _said_and_heard(attended: _Attended) -> tuple[str, str]:
    """Return all that was said and all that was understood, in order of time."""
    said = " ".join(line.text for line in sorted(attended.script.lines, key=lambda x: x.at_s))
    return said, " ".join(segment.text for segment in attended.segments)


def _by_person(attended: _Attended, *, human: bool) -> list[tuple[str, str]]:
    """Return what people said and what was given to them, a pair a person."""
    said: dict[str, str] = {}
    for line in attended.script.lines:
        if line.human == human:
            said[line.who] = f"{said.get(line.who, '')} {line.text}"
    heard: dict[str | None, str] = {}
    for segment in attended.segments:
        heard[segment.participant_id] = f"{heard.get(segment.participant_id, '')} {segment.text}"
    return [(text, heard.get(who, "")) for who, text in said.items()]


def _decoded_whole(scripts: Iterable[Script]) -> float:
    """Return the word error rate of each line's recording, decoded at once."""
    engine = WhisperEngine(str(find_model("base").folder), "cpu", "int8", 1)
    pairs = []
    for script in scripts:
        for line in script.lines:
            assert line.audio is not None
            samples = _read(line.audio).astype(np.float32) / np.float32(32768.0)
            pairs.append((line.text, engine.recognise(samples, language="en").text))
    return word_error_rate(pairs)


def _voice_s(line: Line) -> tuple[float, float]:
    """Return where in a line's recording the voice begins and ends."""
    if line.audio is None:
        return 0.0, line.duration_s
    loud = np.flatnonzero(np.abs(_read(line.audio).astype(np.int32)) > AUDIBLE)
    return float(loud[0]) / SAMPLE_RATE_HZ, float(loud[-1]) / SAMPLE_RATE_HZ


def _finals(attended: _Attended) -> list[tuple[float, dict[str, Any]]]:
    """Return the finals as they were first shown, and when."""
    return [
        (at, message["data"]["segment"])
        for at, message in attended.seen
        if message["type"] == "segment.finalized"
        and not message["data"]["segment"]["correction"]
        and message["data"]["segment"]["words"]
    ]


def _final_delays(attended: _Attended) -> list[float]:
    """Return the seconds from the end of each line's voice, as it was played, to its final."""
    delays = []
    for index, began in attended.starts.items():
        line = attended.script.lines[index]
        first_s, last_s = (began + offset for offset in _voice_s(line))
        its = [
            at
            for at, segment in _finals(attended)
            if segment["participant_id"] == line.who
            and first_s - 0.5 < segment["words"][-1]["end_s"] < last_s + 0.8
        ]
        if its:
            delays.append(max(its) - attended.entered - last_s)
    return delays


def _draft_delays(attended: _Attended) -> list[float]:
    """Return for each word of a final how long after its end the first draft with it came.

    A word's end is taken from the final, on the meeting's clock, which the journal ties to the
    wall clock; so this is the delay behind the word as the bot hears it.
    """
    drafts: dict[str, list[tuple[float, list[str]]]] = {}
    for at, message in attended.seen:
        if message["type"] == "segment.draft":
            segment = message["data"]["segment"]
            told = normalised(segment["text"]).split()
            drafts.setdefault(segment["id"], []).append((at, told))
    delays = []
    for _, segment in _finals(attended):
        told: list[str] = []
        for word in segment["words"]:
            told += normalised(word["text"]).split()
            first = next(
                (at for at, draft in drafts.get(segment["id"], ()) if draft[: len(told)] == told),
                None,
            )
            if first is not None:
                delays.append(first - attended.entered - word["end_s"])
    return delays


@define
class _Ledgers:
    """What the bots' ledgers say, over all runs."""

    lost: list[float] = field(factory=list)
    open: list[float] = field(factory=list)

    def take(self, attended: _Attended) -> None:
        self.lost.append(float(attended.score.lost_samples))
        self.open.append(0.0 if attended.score.balanced else 1.0)

    def figures(self) -> list[Figure]:
        return [
            spread("WebRTC: samples lost in the run", "samples", self.lost, at_most=0),
            spread("WebRTC: runs whose ledger does not close", "", self.open, at_most=0),
        ]


# --- the part --------------------------------------------------------------------------------


def _demo(ledgers: _Ledgers) -> list[Figure]:
    """Return the figures of the bundled script."""
    script = load_script(bundled_scripts()[DEFAULT_SCRIPT])
    synthetic, human, alone, overall, lost = [], [], [], [], []
    finals: list[float] = []
    drafts: list[float] = []
    for _ in range(RUNS):
        attended = _run(script)
        ledgers.take(attended)
        synthetic.append(word_error_rate(_by_person(attended, human=False)))
        human.append(word_error_rate(_by_person(attended, human=True)))
        alone.append(100 * attended.score.score.attributed_alone.value)
        overall.append(100 * attended.score.score.attributed.value)
        lost.append(float(attended.lost))
        finals += _final_delays(attended)
        drafts += _draft_delays(attended)
    return [
        spread("WebRTC, demo: word errors, synthetic voices", "", synthetic, at_most=0.03),
        spread("WebRTC, demo: word errors, a human voice", "", human, at_most=0.03),
        spread("WebRTC, demo: right names, outside overlaps", "%", alone, at_least=100),
        spread("WebRTC, demo: right names, overall", "%", overall, at_least=95),
        spread("WebRTC, demo: utterances lost", "", lost, at_most=0),
        *_delays(finals, drafts),
    ]


def _delays(finals: list[float], drafts: list[float]) -> list[Figure]:
    found = []
    if finals:
        middle, late = statistics.median(finals), float(np.quantile(finals, 0.95))
        found += [
            spread("WebRTC: last word → final at a WebSocket, p50", "s", [middle], at_most=1.2),
            spread("WebRTC: last word → final at a WebSocket, p95", "s", [late], at_most=2.0),
        ]
    if drafts:
        middle = statistics.median(drafts)
        found.append(
            spread("WebRTC: word → first draft at a WebSocket, p50", "s", [middle], at_most=1.0)
        )
    return found


def webrtc() -> list[Figure]:
    """Rehearsals in real browsers: the bundled one, and three voices per track and mixed."""
    ledgers = _Ledgers()
    figures = _demo(ledgers)
    rates: dict[str, list[float]] = {"tracks": [], "mix": []}
    names: dict[str, list[float]] = {"tracks": [], "mix": []}
    lost: dict[str, list[float]] = {"tracks": [], "mix": []}
    cp: list[float] = []
    with TemporaryDirectory(prefix="meetcore-bench-") as folder:
        scripts = []
        for seed in range(RUNS):
            place = Path(folder) / str(seed)
            place.mkdir()
            scripts.append(_built(place, seed))
        whole = _decoded_whole(scripts)
        for script in scripts:
            for streams in rates:
                attended = _run(script, streams)
                ledgers.take(attended)
                rates[streams].append(word_error_rate([_said_and_heard(attended)]))
                names[streams].append(100 * attended.score.score.attributed.value)
                lost[streams].append(float(attended.lost))
                if streams == "tracks":
                    said: dict[str, str] = {}
                    for line in script.lines:
                        said[line.who] = f"{said.get(line.who, '')} {line.text}"
                    cp.append(cp_word_error_rate(said, attended.segments))
    costs = {streams: [rate - whole for rate in found] for streams, found in rates.items()}
    return [
        *figures,
        spread("three voices, recordings decoded whole: word errors", "", [whole]),
        spread("WebRTC, tracks: word errors", "", rates["tracks"]),
        spread("WebRTC, tracks − decoded whole", "", costs["tracks"], at_most=0.01),
        spread("WebRTC, tracks: cpWER", "", cp),
        spread("WebRTC, tracks: right names", "%", names["tracks"], at_least=100),
        spread("WebRTC, tracks: utterances lost", "", lost["tracks"], at_most=0),
        spread("WebRTC, mixed: word errors", "", rates["mix"]),
        spread("WebRTC, mixed − decoded whole", "", costs["mix"], at_most=0.01),
        spread("WebRTC, mixed: right names", "%", names["mix"], at_least=98),
        spread("WebRTC, mixed: utterances lost", "", lost["mix"], at_most=0),
        *ledgers.figures(),
    ]
