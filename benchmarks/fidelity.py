"""How true a transcript is: word errors, lost and invented words, names, times, delays, and cost.

Whisper with base on this machine's CPU (int8, one thread), on voices of people and of synthesizers
from packages. Texts are compared after whisper-normalizer (case, punctuation, numbers). Name some
parts to measure these alone: `--only words,silence`. jiwer and whisper-normalizer count words,
meeteval cpWER, pyannote.metrics DER: `pip install --group fidelity`; where one of them is missing,
nothing is measured. The part `webrtc` opens real browsers: a bot attends rehearsals in them.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import numpy as np
import psutil
import trio

import meetcore
from benchmarks import speech_data
from benchmarks.fidelity_meetings import OPTIONS, captions, meetings, recorded
from benchmarks.fidelity_webrtc import webrtc
from benchmarks.figures import Figure, report, spread
from benchmarks.speech_data import Spoken
from benchmarks.word_scores import normalised, require_tools, word_error_rate
from meetcore import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore_whisper.engine import WhisperEngine
from meetcore_whisper.models import find_model
from meetcore_whisper.options import WhisperOptions
from meetcore_whisper.transcriber import WhisperTranscriber
from meetcore_whisper.voice_gate import VoiceGate

RATE = SAMPLE_RATE_HZ
OVER = meetcore.Evidence("sound", "all of it was played")


def _floats(pcm: Pcm) -> np.ndarray:
    return pcm.astype(np.float32) / np.float32(32768.0)


def _engine(model: str = "base") -> WhisperEngine:
    return WhisperEngine(str(find_model(model).folder), "cpu", "int8", 1)


def _gate() -> VoiceGate:
    from faster_whisper.vad import get_vad_model

    return VoiceGate(get_vad_model())


def _in_a_row(spoken: list[Spoken], pause_s: float = 1.0) -> Pcm:
    quiet = np.zeros(int(pause_s * RATE), np.int16)
    return np.concatenate([quiet, *(part for each in spoken for part in (each.pcm, quiet))])


# --- words ---------------------------------------------------------------------------------


def words() -> list[Figure]:
    """Decode each recording by itself; and all in a row through the pipeline."""
    sets: dict[str, tuple[list[Spoken], float | None]] = {
        "asterisk prompts (a woman)": (list(speech_data.prompts()), 0.03),
        "LibriVox (volunteers)": (list(speech_data.librivox()), 0.02),
        "flite slt": (list(speech_data.flite("slt")), None),
        "flite awb (Scottish)": (list(speech_data.flite("awb")), None),
    }
    figures = []
    for model in ("base", "tiny.en"):
        engine = _engine(model)
        for name, (spoken, goal) in sets.items():
            short = [each for each in spoken if each.seconds <= 29]
            if not short:
                continue
            began = time.process_time()
            heard = [
                engine.recognise(
                    _floats(each.pcm), language="en", full_window=model == "tiny.en"
                ).text
                for each in short
            ]
            cpu = time.process_time() - began
            rate = word_error_rate(
                [(each.text, text) for each, text in zip(short, heard, strict=True)]
            )
            at_most = goal if model == "base" else 0.045 if "asterisk" in name else None
            figures.append(
                spread(f"{model}: word errors, {name}, {len(short)}", "", [rate], at_most=at_most)
            )
            total = sum(each.seconds for each in short)
            if "asterisk" in name and model == "base":
                figures.append(
                    spread(
                        "base: a final's CPU per second of speech", "", [cpu / total], at_most=0.1
                    )
                )
            if model == "base" and "LibriVox" in name:
                for snr in (20, 10):
                    noisy = [
                        engine.recognise(
                            _floats(speech_data.with_noise(each.pcm, snr)), language="en"
                        ).text
                        for each in short
                    ]
                    pairs = [(each.text, text) for each, text in zip(short, noisy, strict=True)]
                    figures.append(
                        spread(
                            f"base: word errors, LibriVox, noise {snr} dB below",
                            "",
                            [word_error_rate(pairs)],
                        )
                    )
    return figures


def cutting() -> list[Figure]:
    """What the pipeline's voice detector and cuts cost over decoding each recording whole."""
    spoken = [each for each in speech_data.prompts() if each.seconds <= 29]
    engine = _engine()
    whole = word_error_rate(
        [(each.text, engine.recognise(_floats(each.pcm), language="en").text) for each in spoken]
    )
    segments = recorded({"ada": _in_a_row(spoken)})
    heard = " ".join(segment.text for segment in segments)
    said = " ".join(each.text for each in spoken)
    cut = word_error_rate([(said, heard)])
    lost, first, at = 0, 0, 1.0
    for each in spoken:
        inside = [
            word
            for segment in segments
            for word in segment.words
            if at - 0.3 <= (word.start_s + word.end_s) / 2 <= at + each.seconds + 0.3
        ]
        lost += not inside
        opening = normalised(each.text).split()[:1]
        found = normalised(" ".join(word.text for word in inside[:3])).split()
        first += bool(inside) and not set(opening) & set(found)
        at += each.seconds + 1.0
    return [
        spread("cut by the pipeline − decoded whole: word errors", "", [cut - whole], at_most=0.01),
        spread("utterances without a word", "", [float(lost)], at_most=0),
        spread(f"first words lost or mistaken, of {len(spoken)}", "", [float(first)]),
    ]


# --- what nobody said ------------------------------------------------------------------------


def silence() -> list[Figure]:
    """Thirty clips in which nobody speaks; and voices that are very soft."""
    gate, engine = _gate(), _engine()
    published = 0
    for clip in speech_data.silences():
        samples = _floats(clip.pcm)
        if gate.span(samples) is not None and engine.recognise(samples, language="en").text:
            published += 1
    soft = 0
    voices = list(speech_data.prompts())[:20]
    for each in voices:
        samples = _floats(each.pcm)
        level = float(np.sqrt(np.mean(np.square(samples))))
        soft += gate.span(samples * np.float32(10 ** (-50 / 20) / level)) is None
    return [
        spread("clips without speech that give words, of 30", "", [float(published)], at_most=0),
        spread(f"voices at −50 dBFS not heard, of {len(voices)}", "", [float(soft)], at_most=0),
    ]


# --- times -----------------------------------------------------------------------------------


def times() -> list[Figure]:
    """Where words begin, against pocketsphinx's alignment of the true text."""
    import pocketsphinx

    engine, gate = _engine(), _gate()
    off: list[float] = []
    decoder = pocketsphinx.Decoder(loglevel="FATAL", samprate=16000.0)
    for each in [*speech_data.flite("slt")[:8], *speech_data.flite("rms")[:8]]:
        text = normalised(each.text)
        if any(decoder.lookup_word(word) is None for word in text.split()):
            continue
        decoder.set_align_text(text)
        decoder.start_utt()
        decoder.process_raw(each.pcm.tobytes(), full_utt=True)
        decoder.end_utt()
        truth = [
            (segment.word.partition("(")[0], segment.start_frame / 100)
            for segment in decoder.seg()
            if not segment.word.startswith(("<", "["))
        ]
        samples = _floats(each.pcm)
        span = gate.span(samples)
        heard = engine.recognise(samples, language="en").words
        found = [
            (normalised(word.text), max(word.start_s, span.start_s if span else 0.0))
            for word in heard
        ]
        if [word for word, _ in truth] == [word for word, _ in found]:
            pairs = zip(truth, found, strict=True)
            off += [abs(begun - begins) for (_, begins), (_, begun) in pairs]
    return [
        spread(
            "word start off the alignment, p50", "ms", [1000 * statistics.median(off)], at_most=80
        ),
        spread("word start off the alignment, p90", "ms", [1000 * float(np.quantile(off, 0.9))]),
    ]


# --- live: delays and cost -------------------------------------------------------------------


class _Talk(meetcore.Platform):
    """A meeting in which each track's sound is played in real time."""

    name = "talk"
    tracks: ClassVar[dict[str, Pcm]] = {}
    began: ClassVar[dict[str, float]] = {}

    def parse(self, url: str) -> meetcore.MeetingLink | None:
        if not url.startswith("talk:"):
            return None
        return meetcore.MeetingLink(platform="talk", native_id="room", url=url)

    @asynccontextmanager
    async def open_call(
        self,
        link: meetcore.MeetingLink,
        request: meetcore.CallRequest,
        events: meetcore.CallEvents,
    ) -> AsyncIterator[meetcore.Call]:
        del request
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._play, link, events)
            yield _TalkCall()
            nursery.cancel_scope.cancel()

    async def _play(self, link: meetcore.MeetingLink, events: meetcore.CallEvents) -> None:
        events.observe(meetcore.Admitted("open"))
        tracks = type(self).tracks
        for name in tracks:
            person = meetcore.Participant(id=name, name=name.title())
            events.observe(meetcore.ParticipantAppeared(person))
            events.observe(meetcore.TrackAppeared(name, name))
        began = trio.current_time()
        type(self).began[link.url] = time.time()
        step = RATE // 50 * 5
        longest = max(map(len, tracks.values()))
        for start in range(0, longest, step):
            await trio.sleep_until(began + (start + step) / RATE)
            for name, pcm in tracks.items():
                if start < len(pcm):
                    events.hear(Chunk(name, start, pcm[start : start + step]))
        events.observe(meetcore.CallEnded(meetcore.EndReason.MEETING_ENDED, OVER))
        await trio.sleep_forever()


class _TalkCall(meetcore.Call):
    platform_name = "talk"

    async def leave(self) -> None:
        await trio.lowlevel.checkpoint()


class _TalkPlugin:
    @meetcore.hookimpl
    def meetcore_register_platforms(
        self, register: Callable[[type[meetcore.Platform]], None]
    ) -> None:
        register(_Talk)


async def _attend(number: int, seen: list[tuple[float, object]], options: WhisperOptions) -> None:
    plugins = meetcore.Plugins(entry_points=False, objects={"talk": _TalkPlugin()})
    async with meetcore.open_bot(
        f"talk:{number}",
        transcriber=WhisperTranscriber(options),
        plugins=plugins,
        config=meetcore.BotConfig(language="en", out_dir="/tmp/meetcore-fidelity", fsync=False),
    ) as bot:
        async for event in bot.events(drafts=True):
            seen.append((time.time(), event))  # noqa: PERF401  the time is that of its coming


def _cpu_of_worker(options: WhisperOptions) -> float:
    """Return the CPU seconds that the workers of these options have used."""
    del options
    used = 0.0
    for process in psutil.process_iter(["cmdline"]):
        if "meetcore_whisper.worker" in (process.info["cmdline"] or ()):
            cpu = process.cpu_times()
            used += cpu.user + cpu.system
    return used


def _memory_of_worker() -> float:
    return max(
        (
            process.memory_full_info().pss / 1e6
            for process in psutil.process_iter(["cmdline"])
            if "meetcore_whisper.worker" in (process.info["cmdline"] or ())
        ),
        default=0.0,
    )


def _run(bots: int, spoken: list[Spoken], options: WhisperOptions) -> tuple[list, float, float]:
    """Let bots attend the same talk at once; return what was seen, CPU seconds, memory in MB."""
    _Talk.tracks = {"ada": _in_a_row(spoken, 1.5)}
    _Talk.began.clear()
    seen: list[list[tuple[float, object]]] = [[] for _ in range(bots)]

    async def all_of_them() -> tuple[float, float]:
        async with WhisperTranscriber(options).open(
            meetcore.TranscriberContext(bot_id="warm", folder=".")  # type: ignore[arg-type]
        ):
            before = _cpu_of_worker(options)
            async with trio.open_nursery() as nursery:
                for number in range(bots):
                    nursery.start_soon(_attend, number, seen[number], options)
            return _cpu_of_worker(options) - before, _memory_of_worker()

    cpu, memory = trio.run(all_of_them)
    return seen, cpu, memory


def live() -> list[Figure]:
    """One person talks for a minute and a half: when text comes, and what it costs."""
    spoken = [*speech_data.prompts()[:14]]
    spoken = [each for each in spoken if each.seconds < 12]
    talk_s = sum(each.seconds for each in spoken)
    seen, cpu, memory = _run(1, spoken, OPTIONS)
    began = _Talk.began["talk:0"]
    finals: list[float] = []
    drafts: list[float] = []
    first_shown: dict[str, dict[int, float]] = {}
    for at, event in seen[0]:
        if isinstance(event, meetcore.SegmentDraft):
            shown = first_shown.setdefault(event.segment.id, {})
            for number in range(len(event.segment.text.split())):
                shown.setdefault(number, at)
        elif isinstance(event, meetcore.SegmentFinalized):
            segment = event.segment
            offset = (event.meeting_s or 0.0) - (at - began) if event.meeting_s else 0.0
            finals.append(at - began - (segment.words[-1].end_s - offset))
            for number, word in enumerate(segment.words):
                shown_at = first_shown.get(segment.id, {}).get(number)
                if shown_at is not None:
                    drafts.append(shown_at - began - (word.end_s - offset))
    _, finals_cpu, _ = _run(1, spoken, WhisperOptions(model="base", linger_s=5.0, drafts=False))
    return [
        spread(
            "last word → final at a subscriber, p50", "s", [statistics.median(finals)], at_most=1.2
        ),
        spread(
            "last word → final at a subscriber, p95",
            "s",
            [float(np.quantile(finals, 0.95))],
            at_most=2.0,
        ),
        spread("word → first seen in a draft, p50", "s", [statistics.median(drafts)], at_most=1.0),
        spread("worker's CPU per talking second, finals", "", [finals_cpu / talk_s], at_most=0.10),
        spread("worker's CPU per talking second, with drafts", "", [cpu / talk_s], at_most=0.45),
        spread("worker's memory (PSS)", "MB", [memory], at_most=320),
    ]


def sharing() -> list[Figure]:
    """Eight bots with one worker, finals only, against one bot."""
    spoken = [each for each in speech_data.prompts() if each.seconds < 8][:6]
    options = WhisperOptions(model="base", linger_s=5.0, drafts=False)
    _, one, _ = _run(1, spoken, options)
    _, eight, memory = _run(8, spoken, options)
    return [
        spread("CPU of 8 bots on one worker ÷ 8 × one bot", "", [eight / (8 * one)], at_most=1.1),
        spread("worker's memory with 8 bots (PSS)", "MB", [memory], at_most=320),
    ]


PARTS: dict[str, Callable[[], list[Figure]]] = {
    "words": words,
    "cutting": cutting,
    "silence": silence,
    "meetings": meetings,
    "captions": captions,
    "times": times,
    "live": live,
    "sharing": sharing,
    "webrtc": webrtc,
}


def measure() -> list[Figure]:
    """Return the figures of all parts, or of those that were named."""
    wanted = list(PARTS)
    if "--only" in sys.argv:
        wanted = sys.argv[sys.argv.index("--only") + 1].split(",")
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        raise SystemExit(f"There is no part {unknown[0]!r}. Parts: {', '.join(PARTS)}.")
    require_tools()
    return [figure for name in wanted for figure in PARTS[name]()]


if __name__ == "__main__":
    report(measure())
