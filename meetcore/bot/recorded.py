"""Speech that was recorded, to a transcript: through the same path as speech in a call.

The same voice detector, the same cuts, the same supervision of the transcriber (restarts, replays,
declared gaps), only as fast as the transcriber goes. What was finalized is told at once, so that a
run that was broken off can go on where it stopped.

A transcriber that takes whole files gets each track as one: it hears no worse for knowing the end,
tells voices apart better, and one that takes live sound in real time only would need hours.
"""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import TypedDict

import trio
from attrs import define, evolve, field, frozen

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore.audio.utterance import SpeechRules
from meetcore.audio.vad import VoiceDetector
from meetcore.bot.context import BotContext
from meetcore.bot.held_transcriber import HeldTranscriber
from meetcore.bot.one_transcriber import OneTranscriber
from meetcore.bot.recorded_revising import revise_recorded
from meetcore.bot.revising import HOOK as REVISE
from meetcore.bot.tracks import BeginUtterance, FeedItem, TrackPath
from meetcore.bot.transcribing import TrackTranscription
from meetcore.log.journal import Journal
from meetcore.log.mailbox import Wake
from meetcore.log.scratch import scratch_folder
from meetcore.model.assembler import Attribution, TranscriptAssembler
from meetcore.model.config import BotConfig
from meetcore.model.echo import EchoFilter
from meetcore.model.errors import MeetcoreError, NotInTrio, TranscriberError, found_in
from meetcore.model.events import Event, SegmentFinalized, SegmentWithheld, TranscriptionGap
from meetcore.model.languages import spoken_language
from meetcore.model.roster import NameSource, Participant, Roster, SpeakingTimeline
from meetcore.model.secrets import Redactor, secrets_in
from meetcore.model.transcript import Hypothesis, Segment, Transcript
from meetcore.plugin.registry import Plugins
from meetcore.plugin.transcriber import FileRequest, Transcriber, TranscriberContext

__all__ = ["RecordedOptions", "RecordedTrack", "RecordedTranscript", "transcribe_recording"]

_AHEAD_S = 10.0
_UNFINISHED = 4
_AT_ONCE = 4


@frozen(kw_only=True)
class RecordedTrack:
    """One recorded track.

    Attributes:
        track_id: Its id, unique within the recording.
        pcm: Gives its sound anew each time, in blocks of int16 mono at 16 kHz; may block.
        start_s: Where its first sample lies in the meeting, in seconds.
        participant_id: Whose track it is, None where unknown.
        speaker_name: Their name, None where unknown.
        several: Whether several people may be heard on it.
    """

    track_id: str
    pcm: Callable[[], Iterator[Pcm]]
    start_s: float = 0.0
    participant_id: str | None = None
    speaker_name: str | None = None
    several: bool = False


@frozen(kw_only=True)
class RecordedTranscript:
    """What came of a recording.

    Attributes:
        segments: What was said, in the order it was spoken.
        gaps: Speech that was not transcribed, each declared.
        withheld: What a reviser that must not be passed by did not revise; without its text.
        events: What the transcription told: restarts, gaps, usage, notices.
        audio_s: How much sound there was, over all tracks.
        speech_s: How much of it was speech.
    """

    segments: tuple[Segment, ...]
    gaps: tuple[TranscriptionGap, ...]
    withheld: tuple[SegmentWithheld, ...] = ()
    events: tuple[Event, ...]
    audio_s: float
    speech_s: float


@define(eq=False)
class _KeptSpeech:
    """Lets speech through to a transcription, but for what was finalized in an earlier run."""

    transcription: TrackTranscription
    kept: Mapping[int, Hypothesis]
    take: Callable[[Hypothesis], None]
    speech_samples: int = 0
    _passed_over: str | None = None

    def put(self, item: FeedItem) -> None:
        if isinstance(item, BeginUtterance):
            known = self.kept.get(item.start_sample)
            if known is not None:
                self._passed_over = item.utterance_id
                self.take(evolve(known, utterance_id=item.utterance_id))
                return
        elif isinstance(item, Chunk):
            self.speech_samples += item.samples
            if self._passed_over is not None:
                return
        elif item.utterance_id == self._passed_over:
            self._passed_over = None
            return
        self.transcription.put(item)


@define(eq=False)
class _RecordedRun:
    """One run over a recording."""

    transcriber: Transcriber
    bot: BotContext
    kept: Mapping[tuple[str, int], Hypothesis]
    finalized: Callable[[str, int, Hypothesis], None]
    progress: Callable[[str, float], None]
    assembler: TranscriptAssembler
    limit: trio.CapacityLimiter
    held: HeldTranscriber
    wake: Wake = field(factory=Wake)
    segments: Transcript = field(factory=Transcript)
    starts: dict[str, int] = field(factory=dict)
    files: list[Path] = field(factory=list)
    trouble: TranscriberError | None = None
    audio_samples: int = 0
    speech_samples: int = 0

    def take(self, track: RecordedTrack, track_id: str, hypothesis: Hypothesis) -> None:
        """Take a result; what is final is told with where its utterance begins."""
        self.wake.set()
        if not hypothesis.final:
            return
        start = self.starts.get(hypothesis.utterance_id)
        if start is not None and (track_id, start) not in self.kept:
            self.finalized(track_id, start, hypothesis)
        self.assembler.relabel(track_id, hypothesis, track.start_s)
        for segment in self.assembler.take(track_id, hypothesis, track.start_s):
            self.segments.finalized(segment)

    def stopped(self, trouble: TranscriberError) -> None:
        self.trouble = self.trouble or trouble
        self.wake.set()

    async def transcribe(self, track: RecordedTrack) -> None:
        """Take one track from its first sample to its last final."""
        async with self.limit:
            if self.transcriber.capabilities.files:
                await self._transcribe_as_file(track)
            else:
                await self._transcribe(track)

    async def _transcribe_as_file(self, track: RecordedTrack) -> None:
        """Hand a track over as one file, unless all that came of it was kept."""
        key, config = track.track_id, self.bot.config
        found = [heard for (of, _), heard in sorted(self.kept.items()) if of == key]
        if not found or not found[0].utterance_id.endswith(f"of{len(found)}"):
            path = self.bot.folder / f"track-{len(self.files)}.wav"
            self.files.append(path)
            await trio.to_thread.run_sync(self._write_wav, track, path, abandon_on_cancel=True)
            request = FileRequest(
                path=path,
                media_type="audio/wav",
                language=config.language,
                vocabulary=config.vocabulary,
                diarize=config.transcription.diarize or track.several,
                notice=partial(self.bot.transcriber_notice, self.transcriber.name, track_id=key),
            )
            found = list(await self.transcriber.transcribe_file(request))
            path.unlink()
        for number, heard in enumerate(found, 1):
            begins_s = heard.words[0].start_s if heard.words else heard.start_s or 0.0
            ends_s = heard.words[-1].end_s if heard.words else heard.end_s or begins_s
            utterance_id = f"{key}-{number}of{len(found)}"
            self.starts[utterance_id] = round(begins_s * SAMPLE_RATE_HZ)
            self.speech_samples += round((ends_s - begins_s) * SAMPLE_RATE_HZ)
            self.take(track, key, evolve(heard, utterance_id=utterance_id))

    def _write_wav(self, track: RecordedTrack, path: Path) -> None:
        """Write a track as a WAV file. Runs in a thread."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            for block in track.pcm():
                file.writeframes(block.astype("<i2", copy=False).tobytes())
                self.audio_samples += len(block)
                trio.from_thread.run_sync(
                    self.progress, track.track_id, len(block) / SAMPLE_RATE_HZ
                )

    async def _transcribe(self, track: RecordedTrack) -> None:
        key = track.track_id
        audio = self.bot.config.audio
        transcription = TrackTranscription(
            key,
            OneTranscriber(self.held),
            self.bot,
            self.bot.ledger.account(key, "transcriber"),
            take_hypothesis=partial(self.take, track),
            meeting_time=lambda sample: sample / SAMPLE_RATE_HZ + track.start_s,
            stopped=self.stopped,
        )
        kept = {start: heard for (of, start), heard in self.kept.items() if of == key}
        feed = _KeptSpeech(transcription, kept, partial(self.take, track, key))
        starts = self.starts

        class Noted:
            """Notes where each utterance begins, and passes it on."""

            def put(self, item: FeedItem) -> None:
                if isinstance(item, BeginUtterance):
                    starts[item.utterance_id] = item.start_sample
                feed.put(item)

        continuous = self.transcriber.capabilities.wants == "continuous"
        path = TrackPath(
            key,
            feed=Noted(),
            rules=SpeechRules(
                hangover_ms=audio.hangover_ms,
                pre_roll_ms=audio.pre_roll_ms,
                max_utterance_s=audio.max_utterance_s,
            ),
            detector=VoiceDetector(audio.vad_mode),
            continuous=continuous and not kept,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transcription.run)
            blocks, at = track.pcm(), 0
            while self.trouble is None:
                block = await trio.to_thread.run_sync(next, blocks, None, abandon_on_cancel=True)
                if block is None:
                    break
                path.process(Chunk(key, at, block))
                at += len(block)
                self.progress(key, len(block) / SAMPLE_RATE_HZ)
                await self._let_it_catch_up(transcription)
            path.close()
            transcription.close()
        self.audio_samples += at
        self.speech_samples += feed.speech_samples

    async def _let_it_catch_up(self, transcription: TrackTranscription) -> None:
        while self.trouble is None and (
            transcription.backlog_s > _AHEAD_S or transcription.unfinished >= _UNFINISHED
        ):
            with trio.move_on_after(1.0):
                await self.wake.wait()


def _kept_nothing(track_id: str, start_sample: int, hypothesis: Hypothesis) -> None:
    """Keep nothing."""


def _shown_nothing(track_id: str, seconds: float) -> None:
    """Show nothing."""


class RecordedOptions(TypedDict, total=False):
    """Further arguments of `transcribe_recording`, with its meanings."""

    name: str
    kept: Mapping[tuple[str, int], Hypothesis] | None
    finalized: Callable[[str, int, Hypothesis], None]
    progress: Callable[[str, float], None]
    plugins: Plugins | None


async def transcribe_recording(
    tracks: Sequence[RecordedTrack],
    transcriber: Transcriber,
    config: BotConfig | None = None,
    *,
    name: str = "recording",
    kept: Mapping[tuple[str, int], Hypothesis] | None = None,
    finalized: Callable[[str, int, Hypothesis], None] = _kept_nothing,
    progress: Callable[[str, float], None] = _shown_nothing,
    plugins: Plugins | None = None,
) -> RecordedTranscript:
    """Return what is said in a recording.

    Args:
        tracks: What was recorded, a track per person where there are such.
        transcriber: Who transcribes.
        config: `language`, `vocabulary`, `audio`, `transcription.diarize`,
            `transcription.withhold_echoes` and the tables of plugins that revise count.
        name: What the recording is called, where a bot's id would stand.
        kept: Finals of an earlier run, by track and first sample of their utterance: these are
            taken as they are.
        finalized: Told of each new final, with its track and its utterance's first sample.
        progress: Told of each number of seconds of a track that was taken.
        plugins: Those whose `meetcore_revise_segment` sees each segment, with `config.plugins`; by
            default none does.

    Raises:
        NotInTrio: Trio does not run here; `meetcore.from_asyncio` and `meetcore.blocking` have the
            same call.
        LanguageRefused: The transcriber does not speak the language.
        TranscriberError: The transcriber cannot be used, or stopped for good; what was finalized
            was told before.
        MeetcoreError: A track cannot be read.
    """
    if not trio.lowlevel.in_trio_run():
        raise NotInTrio("transcribe_recording")
    config = config or BotConfig()
    spoken_language(config.language, transcriber.capabilities.languages, transcriber.name)
    events: list[Event] = []
    roster = Roster()
    assembler = TranscriptAssembler(roster, SpeakingTimeline())
    for track in tracks:
        if track.participant_id is not None:
            name_shown = track.speaker_name or track.participant_id
            roster.joined(Participant(id=track.participant_id, name=name_shown))
            whose = Attribution(track.participant_id, NameSource.TRACK, 1.0)
            assembler.own(track.track_id, whose)
        elif track.several:
            assembler.mix(track.track_id)
    limit = transcriber.capabilities.max_streams
    said: list[Segment] = []
    with scratch_folder() as folder:
        redactor = Redactor()
        for secret in secrets_in(transcriber.options):
            redactor.add(secret)
        bot = BotContext(
            id=name,
            folder=folder,
            config=config,
            journal=Journal(folder / "journal.jsonl", name, fsync=False),
            redactor=redactor,
            random=Random(),
            cannot_write=_raise,
        )
        bot.journal.listen(events.append)
        bot.roster.present.update(roster.present)
        context = TranscriberContext(
            bot_id=name,
            folder=folder,
            redactor=redactor,
            notice=partial(bot.transcriber_notice, transcriber.name),
        )
        held = HeldTranscriber(0, transcriber, bot, context)
        recording = _RecordedRun(
            transcriber,
            bot,
            kept or {},
            finalized,
            progress,
            assembler,
            trio.CapacityLimiter(min(limit or _AT_ONCE, _AT_ONCE)),
            held,
        )
        try:
            async with transcriber.open(context):
                held.ready.set()
                async with trio.open_nursery() as nursery:
                    for track in tracks:
                        nursery.start_soon(recording.transcribe, track)
            if recording.trouble is None:
                said = await _revised(recording, plugins)
        except* MeetcoreError as group:
            trouble = found_in(group, TranscriberError) or found_in(group, MeetcoreError)
            assert trouble is not None
            recording.trouble = trouble  # type: ignore[assignment]
        finally:
            bot.journal.close()
    if recording.trouble is not None:
        raise recording.trouble
    return RecordedTranscript(
        segments=tuple(said),
        gaps=tuple(event for event in events if isinstance(event, TranscriptionGap)),
        withheld=tuple(event for event in events if isinstance(event, SegmentWithheld)),
        events=tuple(event for event in events if not isinstance(event, SegmentFinalized)),
        audio_s=recording.audio_samples / SAMPLE_RATE_HZ,
        speech_s=recording.speech_samples / SAMPLE_RATE_HZ,
    )


async def _revised(recording: _RecordedRun, plugins: Plugins | None) -> list[Segment]:
    """Return what was said, as revisers leave it."""
    said = [_labelled(segment) for segment in _cut_by_all(recording)]
    revisers = plugins.implementations(REVISE) if plugins is not None else []
    return await revise_recorded(recording.bot, said, revisers) if revisers else said


def _cut_by_all(recording: _RecordedRun) -> list[Segment]:
    """Return what was said, cut by all that was learned of voices, without echoes."""
    assembler, said = recording.assembler, recording.segments
    for utterance_id in list(assembler.outdated(None, None)):
        parts = [part for each in assembler.parts(utterance_id) if (part := said.newest(each))]
        for segment in assembler.recut(utterance_id, parts):
            said.finalized(segment)
    whole = [evolve(segment, correction=False) for segment in said.segments]
    if not recording.bot.config.transcription.withhold_echoes:
        return whole
    echoes, shown = EchoFilter(), Transcript()
    for segment in whole:
        for each in echoes.take(segment):
            shown.finalized(each)
    return shown.segments


def _labelled(segment: Segment) -> Segment:
    """Return a segment that nobody owns under the label by which its voice was told apart."""
    labels = {word.speaker for word in segment.words}
    if segment.participant_id is not None or segment.speaker_name or len(labels) != 1:
        return segment
    (label,) = labels
    if label is None:
        return segment
    return evolve(
        segment,
        speaker_name=f"Speaker {label}",
        speaker_source=NameSource.DIARIZATION,
        speaker_confidence=0.5,
    )


def _raise(error: MeetcoreError) -> None:
    raise error
