"""A bot's hearing: tracks, their paths and transcriptions, capture health, the sample clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio
from attrs import define, evolve, field

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.audio.utterance import SpeechBegan, SpeechEnded, SpeechRules
from meetcore.audio.vad import VoiceDetector
from meetcore.bot.barge_in import BargeInWatch
from meetcore.bot.captioning import CAPTIONS_TRACK, Captioning, caption_line, caption_segment
from meetcore.bot.capture_health import AudioHealth
from meetcore.bot.context import BotContext
from meetcore.bot.delivery import SinkRunner
from meetcore.bot.levels import LevelMeter
from meetcore.bot.media import MediaBypass
from meetcore.bot.mixing import MIX_TRACK, TrackMix
from meetcore.bot.revising import Revision
from meetcore.bot.track_hold import HOLD_POLL_S, TrackHold
from meetcore.bot.track_owners import TrackOwners
from meetcore.bot.tracks import AudioConsumer, TrackIntake, TrackPath
from meetcore.bot.transcriber_runner import TRANSCRIBER_CONSUMER, TranscriberRunner
from meetcore.bot.transcribing import TrackTranscription
from meetcore.bot.withdrawal import Withdrawal
from meetcore.log.mailbox import Lost, Wake
from meetcore.model.assembler import Attribution, TranscriptAssembler
from meetcore.model.captions import CaptionText
from meetcore.model.echo import EchoFilter
from meetcore.model.errors import PluginError, TranscriberError
from meetcore.model.events import (
    AudioLost,
    CaptureStarted,
    TrackClosed,
    TrackOpened,
    TranscriptionStopped,
)
from meetcore.model.roster import NameSource
from meetcore.model.signals import (
    CaptionSeen,
    TrackAppeared,
    TrackIdentified,
)
from meetcore.model.transcript import Hypothesis, Segment
from meetcore.plugin.bot_view import BotView
from meetcore.plugin.captions import CaptionsOptions
from meetcore.plugin.hook_calls import HookImplementation
from meetcore.plugin.transcriber import Transcriber, TranscriberContext

__all__ = ["Listening"]


@define(eq=False)
class _Track:
    """One open track."""

    signal: TrackAppeared
    intake: TrackIntake
    path: TrackPath
    hold: TrackHold
    transcription: TrackTranscription | None
    speaking: bool = False
    steady: bool = False
    counts: bool = False
    scope: trio.CancelScope = field(factory=trio.CancelScope)


def _confidence(signal: TrackAppeared) -> float:
    """Return how surely a track is whose it is said to be when it appears."""
    return 1.0 if signal.name_source is NameSource.TRACK else 0.8


class Listening:
    """Everything between the platform's calls and the transcript of one bot.

    Args:
        bot: The bot's records.
        view: The bot as plugins see it.
        transcribers: Who transcribes: the chosen one, and those that take over; none for nobody.
        sinks: Who gets audio.
        revisers: The plugins' `meetcore_revise_segment`, in order.
        context: What the transcriber gets.
        failed: Called when a track is not transcribed any more.
        watch: Notices who begins to speak while the bot does.
        being_said: Returns what the bot is saying, as far as it was heard.

    Attributes:
        wants_captions: Whether the meeting's captions are the transcript.
    """

    def __init__(
        self,
        bot: BotContext,
        view: BotView,
        *,
        transcribers: Sequence[Transcriber],
        sinks: Sequence[SinkRunner],
        revisers: Sequence[HookImplementation],
        context: TranscriberContext,
        failed: Callable[[TranscriberError], None],
        watch: BargeInWatch | None = None,
        being_said: Callable[[], Segment | None] = lambda: None,
    ) -> None:
        self.bot = bot
        self._watch = watch or BargeInWatch()
        self._watch.is_own = self._is_own
        self._being_said = being_said
        self._failed = failed
        self._changed = Wake()
        self._sinks = [sink for sink in sinks if sink.sink.wants_audio]
        takers = [sink.media for sink in sinks if sink.media is not None]
        self.media = MediaBypass(bot, takers, self._media_time)
        self._revision = Revision(bot, view, revisers, self._changed, self._recut)
        self._to_recut: dict[str, None] = {}
        self.wants_captions = bool(transcribers) and (
            transcribers[0].capabilities.wants == "captions"
        )
        own = transcribers[0].options if transcribers else None
        options = own if isinstance(own, CaptionsOptions) else CaptionsOptions()
        self._captions = Captioning(bot, options, self._take_caption)
        if self.wants_captions:
            transcribers = ()
        self._transcriber: TranscriberRunner | None = None
        if transcribers:
            self._transcriber = TranscriberRunner(
                transcribers,
                bot,
                context,
                take_hypothesis=self.take_hypothesis,
                meeting_time=self.meeting_time,
                failed=failed,
                changed=self._changed,
                switched=self._choose_streams,
            )
        self._mix: TrackMix | None = None
        self._mix_transcription: TrackTranscription | None = None
        self._assembler = TranscriptAssembler(bot.roster, bot.timeline)
        self._echoes = EchoFilter()
        self.owners = TrackOwners(bot, self._assembler, self._outdated)
        self._withdrawal = Withdrawal(bot, self._given_out)
        self._tracks: dict[str, _Track] = {}
        self._walking = 0
        self._offset_s: float | None = None
        self._nursery: trio.Nursery | None = None
        self._closed = False
        self._paused = False
        self._heard_sound = False
        self.health = AudioHealth(bot, waiting=bool(self._sinks) or not self.wants_captions)
        self._in_call = False
        self.drained = trio.Event()

    # --- the intake: called by the platform, on the Trio thread ------------------------------

    def hear(self, chunk: Chunk) -> None:
        """Take a chunk from the platform. See `CallEvents.hear`."""
        if self._closed:
            return
        track = self._track(chunk.track_id)
        if not self._in_call:
            track.intake.declare_lost(chunk.start_sample, chunk.samples, "not_in_call")
            return
        if track.signal.kind == "own":
            self._anchor(chunk.end_sample / chunk.sample_rate_hz)
            track.intake.hear(chunk)
            return
        if not self._heard_sound:
            self._heard_sound = True
            self._anchor(chunk.end_sample / chunk.sample_rate_hz)
            self.bot.leave_rules.audio_health(healthy=True, now=trio.current_time())
            self.bot.rules_changed()
        track.intake.hear(chunk)
        self.health.heard()

    def declare_lost(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Account for audio that never reached `hear`. See `CallEvents.declare_lost`."""
        if not self._closed:
            self._track(track_id).intake.declare_lost(start_sample, samples, cause)

    def _track(self, track_id: str) -> _Track:
        track = self._tracks.get(track_id)
        if track is None:
            raise PluginError(
                f"Audio came for track {track_id!r}, which was never announced.",
                "Observe TrackAppeared before the first chunk.",
            )
        return track

    def _anchor(self, end_s: float) -> float:
        """Return where the call's clock begins; the first that comes, ending now, says it."""
        if self._offset_s is None:
            now = self.bot.meeting_now() or 0.0
            # Adding 0.0 makes 0.0 of -0.0, which reads as a fault wherever it is shown.
            self._offset_s = self.owners.offset_s = round(now - end_s, 6) + 0.0
            self.bot.record(CaptureStarted(offset_s=self._offset_s))
        return self._offset_s

    def _media_time(self, at_s: float, end_s: float) -> float:
        return at_s + self._anchor(end_s)

    def meeting_time(self, sample: int) -> float:
        """Return where a sample of the call's clock (16 kHz) lies in the meeting, in seconds."""
        return sample / SAMPLE_RATE_HZ + (self._offset_s or 0.0)

    # --- tracks ----------------------------------------------------------------------

    def open_track(self, signal: TrackAppeared) -> None:
        """Begin to listen to a track; of one that is there already, take whose it is by now."""
        if self._closed or self._nursery is None:
            return
        if signal.track_id in self._tracks:
            self._seen_again(self._tracks[signal.track_id], signal)
            return
        bot, track_id = self.bot, signal.track_id
        own = signal.kind == "own"
        if own and signal.participant_id is None:
            signal = evolve(signal, participant_id=bot.roster.self_id)
        sinks = [sink for sink in self._sinks if sink.sink.wants_own_voice or not own]
        for sink in sinks:
            sink.expect_track(track_id)
        consumers: list[AudioConsumer] = [s for s in sinks if not s.sink.wants_native_audio]
        if bot.config.audio.levels:
            consumers.append(LevelMeter(bot, self.owners.owner_of))
        if not own:
            consumers.append(self._watch.consumer(track_id))
        transcription = None
        if self._transcriber is not None and not own:
            if self._transcriber.may_mix:
                consumers.append(self._mix_for(self._transcriber, self._nursery).consumer(track_id))
            if self._transcriber.takes_tracks:
                transcription = self._transcriber.begin(track_id, self._nursery)
        path = self._path(
            track_id,
            transcription,
            consumers=consumers,
            native=[sink for sink in sinks if sink.sink.wants_native_audio],
            on_speech=None if own else lambda mark: self._heard_speech(track_id, mark),
            on_steady=None if own else lambda steady: self._heard_steady(track_id, steady),
        )
        intake = TrackIntake(track_id, bot.ledger)
        hold = TrackHold(
            track_id,
            bot.exclusions,
            self._assembler,
            bot.timeline,
            self.meeting_time,
            path.process,
        )
        hold.passing = self._paused or own
        self.owners.open_track(track_id)
        track = self._tracks[track_id] = _Track(signal, intake, path, hold, transcription)
        if signal.kind == "mix":
            self._assembler.mix(track_id)
            bot.exclusions.mixes.add(track_id)
        elif signal.participant_id is not None:
            sure = _confidence(signal)
            whose = Attribution(signal.participant_id, signal.name_source, sure)
            self._assembler.own(track_id, whose)
        bot.record(
            TrackOpened(
                track_id=track_id,
                participant_id=signal.participant_id,
                kind=signal.kind,
                name_source=signal.name_source,
            )
        )
        self._walking += 1
        self._choose_streams()
        self._nursery.start_soon(self._walk, track)

    def _seen_again(self, track: _Track, signal: TrackAppeared) -> None:
        """Take an owner that was not said when the track appeared, or is another now.

        Who is said again is not taken again: they may have been corrected in the meantime.
        """
        who, source = signal.participant_id, signal.name_source
        if track.signal.kind == "participant" and who not in (None, track.signal.participant_id):
            track.signal = evolve(track.signal, participant_id=who, name_source=source)
            self.identify(TrackIdentified(signal.track_id, who, source, _confidence(signal)))

    def _path(
        self,
        track_id: str,
        transcription: TrackTranscription | None,
        *,
        consumers: Sequence[AudioConsumer] = (),
        native: Sequence[AudioConsumer] = (),
        on_speech: Callable[[SpeechBegan | SpeechEnded], None] | None = None,
        on_steady: Callable[[bool], None] | None = None,
    ) -> TrackPath:
        audio, ledger = self.bot.config.audio, self.bot.ledger
        path = TrackPath(
            track_id,
            consumers=consumers,
            native=native,
            feed=transcription,
            feed_account=ledger.account(track_id, TRANSCRIBER_CONSUMER) if transcription else None,
            rules=SpeechRules(
                hangover_ms=audio.hangover_ms,
                pre_roll_ms=audio.pre_roll_ms,
                max_utterance_s=audio.max_utterance_s,
            ),
            detector=VoiceDetector(audio.vad_mode, on_steady=on_steady),
            on_speech=on_speech,
            continuous=self._transcriber is not None and self._transcriber.continuous,
        )
        path.paused = self._paused
        return path

    # --- one stream for all tracks -----------------------------------------------------

    def _mix_for(self, transcriber: TranscriberRunner, nursery: trio.Nursery) -> TrackMix:
        """Return the mix of all tracks, which is there from the first track on."""
        if self._mix is None:
            self._mix_transcription = transcriber.begin(MIX_TRACK, nursery)
            path = self._path(MIX_TRACK, self._mix_transcription)
            path.feed_on(False)
            self._mix = TrackMix(self.bot.ledger, path)
            self._assembler.mix(MIX_TRACK, of_all=True)
        return self._mix

    def _choose_streams(self) -> None:
        """Mix the tracks into one stream, or do not, by how many there are now."""
        if self._transcriber is None or self._mix is None or self._closed:
            return
        others = sum(track.signal.kind != "own" for track in self._tracks.values())
        mixing = self._transcriber.mixes(others)
        for track in self._tracks.values():
            track.path.feed_on(not mixing)
        self._mix.switch(active=mixing)

    def _end_mix(self) -> None:
        """Pass on what is left of the mix, once no track brings anything more."""
        if self._mix is not None and self._mix_transcription is not None and not self._tracks:
            self._mix.close()
            self._mix_transcription.close()

    # --- whose a track is ----------------------------------------------------------------

    def identify(self, signal: TrackIdentified) -> None:
        """Take whose a track is, learned late, corrected or taken back; name again what was heard.

        Raises:
            PluginError: The track is a mix, which belongs to nobody.
        """
        track = self._tracks.get(signal.track_id)
        if track is None or self._closed:
            return
        if track.signal.kind == "mix":
            raise PluginError(
                f"The track {signal.track_id!r} is a mix; it is nobody's.",
                "Say who speaks on it with SpeakingIndicated, or announce it as a participant's.",
            )
        self.owners.identify(signal)

    def close_track(self, track_id: str) -> None:
        """Stop listening to a track once what waits in its intake is through."""
        track = self._tracks.get(track_id)
        if track is not None:
            track.intake.close()

    async def _walk(self, track: _Track) -> None:
        take, put = track.intake.mailbox.take, track.hold.put
        try:
            while items := await (take() if not track.hold.waiting else self._take_soon(track)):
                for item in items:
                    if isinstance(item, Lost):
                        self._report_lost(item)
                    put(item)
            track.hold.release(everything=True)
            track.path.close()
        finally:
            if track.transcription is not None:
                track.transcription.close()
            self._tracks.pop(track.signal.track_id, None)
            self.owners.close_track(track.signal.track_id)
            self._watch.close_track(track.signal.track_id)
            self._walking -= 1
            self._track_gone(track.signal.track_id)
            self._changed.set()
        self.bot.record(TrackClosed(track_id=track.signal.track_id))
        self.health.track_closed(track.signal.track_id)

    @staticmethod
    async def _take_soon(track: _Track) -> list[Chunk | Lost]:
        """Return what comes next on a track, and let go meanwhile what is held of it."""
        mailbox = track.intake.mailbox
        while track.hold.waiting and not mailbox.done:
            with trio.move_on_after(HOLD_POLL_S):
                await mailbox.ready()
            track.hold.release()
            if items := mailbox.drain():
                return items
        return await mailbox.take()

    def _given_out(self) -> tuple[str, ...]:
        """Return what of the meeting so far was given to others, or cannot be parted."""
        words = any(not segment.withdrawn for segment in self.bot.transcript.segments)
        heard = any(entry.delivered for entry in self.bot.ledger.entries())
        media = any(entry.delivered for entry in self.bot.media_ledger.entries())
        exclusions = self.bot.exclusions
        parted = exclusions.over_a_mix == "pause" and bool(self.bot.timeline.spans)
        mixed = bool(exclusions.mixes) and not parted
        found = {"words": words, "sound": heard, "mix": heard and mixed, "media": media}
        return tuple(name for name, so in found.items() if so)

    def _track_gone(self, track_id: str) -> None:
        if self._mix is not None:
            self._mix.close_track(track_id)
        self._choose_streams()
        if self._closed:
            self._end_mix()

    def _report_lost(self, lost: Lost) -> None:
        self.bot.record(
            AudioLost(
                track_id=lost.track_id,
                consumer="all",
                start_sample=lost.start_sample,
                samples=lost.samples,
                cause=lost.cause,
            )
        )

    def pause(self, *, paused: bool) -> None:
        """Hold everything back, or no longer."""
        self._paused = paused
        for track in self._tracks.values():
            track.hold.passing = paused or track.signal.kind == "own"
            if paused:
                track.hold.release(everything=True)
            track.path.pause(paused)
        self.media.pause(paused=paused)
        if self._mix is not None:
            self._mix.pause(paused=paused)
        self._captions.pause(paused=paused)

    # --- speech ----------------------------------------------------------------------

    def _heard_speech(self, track_id: str, mark: SpeechBegan | SpeechEnded) -> None:
        track = self._tracks[track_id]
        track.speaking = began = isinstance(mark, SpeechBegan)
        self._count_speech(track)
        sample = mark.onset_sample if isinstance(mark, SpeechBegan) else mark.voice_end_sample
        self.owners.heard(track_id, self.meeting_time(sample), began=began)
        self._watch.voice(track_id, began=began)

    def _heard_steady(self, track_id: str, steady: bool) -> None:
        track = self._tracks[track_id]
        track.steady = steady
        self._count_speech(track)

    def _count_speech(self, track: _Track) -> None:
        """Tell the leave rules who speaks; hum and ringing tones keep nobody in a meeting."""
        counts = track.speaking and not track.steady
        if counts is not track.counts:
            track.counts = counts
            self.bot.heard_speech(track.signal.track_id, speaking=counts)

    # --- text ------------------------------------------------------------------------

    def take_hypothesis(self, track_id: str, hypothesis: Hypothesis) -> None:
        """Turn a transcriber's result into drafts and segments, or a correction into new cuts."""
        if self._transcriber is not None and self._transcriber.tells_speech(track_id):
            self.bot.understood(track_id, hypothesis)
        if self._assembler.relabel(track_id, hypothesis, self._offset_s or 0.0):
            self._recut(hypothesis.utterance_id)
        for segment in self._assembler.take(track_id, hypothesis, self._offset_s or 0.0):
            self._show(segment, hypothesis.stable_words)
        self._recut(*self._assembler.due())

    def _outdated(self, track_id: str | None, since_s: float | None) -> None:
        """Have what was finalized cut again, as far as evidence from `since_s` on concerns it."""
        self._recut(*self._assembler.outdated(track_id, since_s), *self._assembler.due())

    def _recut(self, *more: str) -> None:
        """Cut again what is due, except for what waits for revisers: that has its turn after."""
        self._to_recut.update(dict.fromkeys(more))
        transcript = self.bot.transcript
        for utterance_id in list(self._to_recut):
            parts = self._assembler.parts(utterance_id)
            if any(self._revision.holds(part) for part in parts):
                continue
            del self._to_recut[utterance_id]
            shown = [segment for part in parts if (segment := transcript.newest(part))]
            for segment in self._assembler.recut(utterance_id, shown):
                self._show(segment)

    def _show(self, segment: Segment, stable_words: int = 0) -> None:
        """Let a draft or a segment go on to revisers, but for what another track has too."""
        if not segment.finalized or not self.bot.config.transcription.withhold_echoes:
            self._revision.take(segment, stable_words)
            return
        if (own := self._being_said()) is not None:
            self._withhold(own)
        echoing = self._watch.echoing(segment.track_id)
        for each in self._echoes.take(segment, echoing=echoing):
            self._revision.take(each)

    def _withhold(self, own: Segment) -> None:
        """Take away what was shown as somebody's and is what the bot said."""
        for echo in self._echoes.own(own):
            self._revision.take(echo)

    def _is_own(self, track_id: str) -> bool:
        participant = self.bot.roster.known.get(self.owners.owner_of(track_id) or "")
        return participant is not None and participant.is_self

    def was_said(self, segment: Segment) -> None:
        """Take what the bot said: it is in the transcript where that is asked for."""
        if self.bot.config.transcription.withhold_echoes:
            self._withhold(segment)
        if self.bot.config.speech.in_transcript and not (self._paused or self._closed):
            self._revision.take(segment)

    def caption_seen(self, caption: CaptionSeen) -> None:
        """Take a line of captions: they are the transcript, or evidence for names."""
        if self._in_call and not self._closed:
            self._captions.see(caption, self._offset_s)

    def _take_caption(self, text: CaptionText) -> None:
        if self.wants_captions:
            self._revision.take(caption_segment(self.bot.roster, text))
        elif text.final:
            self._assembler.captioned(caption_line(self.bot.roster, text))
            self._recut(*self._assembler.due())

    def captions_missing(self, platform_name: str) -> None:
        """Learn that this call has no captions, where they are the transcript."""
        words = f"The platform {platform_name!r} gives no captions."
        trouble = TranscriberError("bad_request", words, retryable=False)
        self.bot.record(
            TranscriptionStopped(track_id=CAPTIONS_TRACK, kind=trouble.kind, detail=trouble.message)
        )
        self._failed(trouble)

    # --- the call ------------------------------------------------------------------------

    def entered_call(self, *, in_call: bool) -> None:
        """Say whether the bot is in the call now: only then is audio the meeting's."""
        self._in_call = in_call
        self.media.entered_call(in_call=in_call)
        self.health.entered_call(in_call=in_call)
        self._changed.set()

    # --- tasks -----------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Listen until `close`, and then until everything is through."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            async with trio.open_nursery() as side:
                side.start_soon(self.health.run)
                side.start_soon(self._revision.run)
                side.start_soon(self._captions.run)
                side.start_soon(self._withdrawal.run)
                if self._transcriber is not None:
                    side.start_soon(self._transcriber.run)
                task_status.started()
                while not (self._closed and self._through):
                    await self._changed.wait()
                side.cancel_scope.cancel()
            await self._withdrawal.finish()
            self.drained.set()

    @property
    def _through(self) -> bool:
        transcribing = self._transcriber is not None and self._transcriber.busy
        return not (self._walking or transcribing or self._revision.pending)

    def close(self) -> None:
        """Take nothing more; `drained` is set once everything is through."""
        self._closed = True
        self.media.close()
        self.health.close()
        for track in list(self._tracks.values()):
            track.intake.close()
        self._end_mix()
        self._captions.finish()
        self._changed.set()

    def give_up(self, cause: str) -> None:
        """Declare what has not been transcribed by now."""
        if self._transcriber is not None:
            self._transcriber.give_up(cause)
        self._revision.give_up()
