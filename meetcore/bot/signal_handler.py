"""From signals to events: what follows from what a platform saw. No waiting here."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatchmethod
from typing import TYPE_CHECKING

import trio

from meetcore.model.errors import PluginError
from meetcore.model.events import (
    ChatReceived,
    DiagnosticsCaptured,
    NoticeShown,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    PersonAskedFor,
    RosterDegraded,
    RosterRestored,
    ShareStarted,
    ShareStopped,
    StepTaken,
    VideoDegraded,
    VideoRestored,
)
from meetcore.model.lifecycle import IN_CALL, EndReason, Evidence, State
from meetcore.model.roster import RosterLists
from meetcore.model.signals import (
    Admitted,
    CallEnded,
    CaptionSeen,
    CaptureHealth,
    ChatArrived,
    DiagnosticsWritten,
    Knocked,
    NoticeSeen,
    ParticipantAppeared,
    ParticipantChanged,
    ParticipantGone,
    PersonNeeded,
    PictureHealth,
    RecordingPermission,
    RosterHealth,
    RosterSeen,
    ShareSeen,
    Signal,
    SpeakingIndicated,
    StepWorked,
    TrackAppeared,
    TrackGone,
    TrackIdentified,
)

if TYPE_CHECKING:
    from meetcore.audio.chunk import Chunk
    from meetcore.bot.context import BotContext
    from meetcore.bot.hearing import Listening
    from meetcore.bot.life import Life

__all__ = ["BotCallEvents", "SignalHandler"]

_BEFORE_CALL = frozenset({State.JOINING, State.AWAITING_ADMISSION})


class BotCallEvents:
    """What a platform is handed to call back; nothing else of the bot is in its reach."""

    def __init__(self, observe: Callable[[Signal], None], listening: Listening) -> None:
        self._observe = observe
        self._listening = listening

    def observe(self, signal: Signal) -> None:
        """Hand in a signal."""
        self._observe(signal)

    def hear(self, chunk: Chunk) -> None:
        """Hand in audio."""
        self._listening.hear(chunk)

    def declare_lost(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Account for audio that never reached `hear`."""
        self._listening.declare_lost(track_id, start_sample, samples, cause)

    def media(
        self,
        track_id: str,
        *,
        kind: str,
        container: str,
        data: bytes,
        at_s: float,
        duration_s: float,
        header: bool = False,
    ) -> None:
        """Hand in a fragment of media."""
        self._listening.media.take(
            track_id,
            kind=kind,
            container=container,
            data=data,
            at_s=at_s,
            duration_s=duration_s,
            header=header,
        )

    def declare_media_lost(self, track_id: str, fragments: int, cause: str) -> None:
        """Account for fragments that never reached `media`."""
        self._listening.media.declare_lost(track_id, fragments, cause)


class SignalHandler:
    """Takes the signals of one call, repeats and all, and records what is new in them."""

    def __init__(self, bot: BotContext, life: Life, listening: Listening) -> None:
        self._bot = bot
        self._life = life
        self._listening = listening
        self._chat_seen: set[str] = set()
        self._sharing: dict[str, str | None] = {}
        self._waiting = Knocked()
        self._roster_healthy = True
        self._lists = RosterLists(bot.roster)

    def take(self, signal: Signal) -> None:
        """Take one signal.

        While the bot takes its leave only further findings about the end count, and who comes,
        goes and speaks: their sound still arrives.
        """
        life = self._life
        if life.ended:
            return
        if life.ending.reason is not None and not isinstance(
            signal,
            (
                CallEnded,
                CaptionSeen,
                DiagnosticsWritten,
                ParticipantAppeared,
                ParticipantGone,
                RosterSeen,
                SpeakingIndicated,
                TrackAppeared,
                TrackGone,
                TrackIdentified,
            ),
        ):
            return
        self._take(signal)

    @singledispatchmethod
    def _take(self, signal: Signal) -> None:
        raise PluginError(f"{signal!r} is not a signal this core knows.")

    @_take.register
    def _knocked(self, signal: Knocked) -> None:
        life = self._life
        self._bot.leave_rules.host_missing = signal.host_missing
        if life.state in (State.JOINING, *IN_CALL):
            seen = Evidence("knocked", signal.detail, hint=signal.hint or None)
            life.go(State.AWAITING_ADMISSION, evidence=seen)
            self._waiting = signal
        elif life.state is State.AWAITING_ADMISSION and signal != self._waiting:
            self._waiting = signal
            said = " ".join(part for part in (signal.detail, signal.hint) if part)
            self._bot.record(StepTaken(name="waiting", detail=said))

    @_take.register
    def _admitted(self, signal: Admitted) -> None:
        life = self._life
        if life.state not in _BEFORE_CALL:
            return
        life.go(State.IN_CALL, evidence=Evidence("admitted", signal.detail))
        life.follow_recording()

    @_take.register
    def _ended(self, signal: CallEnded) -> None:
        self._life.conclude(signal.reason, signal.evidence)

    @_take.register
    def _appeared(self, signal: ParticipantAppeared) -> None:
        roster, participant = self._bot.roster, signal.participant
        known = roster.present.get(participant.id)
        if known is not None:
            self._changed(ParticipantChanged(participant))
        elif roster.joined(participant):
            self._bot.record(ParticipantJoined(participant=participant))
            self._bot.exclusions.appeared(participant)

    @_take.register
    def _changed(self, signal: ParticipantChanged) -> None:
        roster = self._bot.roster
        if signal.participant.id not in roster.present:
            self._appeared(ParticipantAppeared(signal.participant))
        elif roster.changed(signal.participant):
            self._bot.record(ParticipantUpdated(participant=signal.participant))
            self._bot.exclusions.appeared(signal.participant)

    @_take.register
    def _gone(self, signal: ParticipantGone) -> None:
        roster = self._bot.roster
        name = roster.name_of(signal.participant_id)
        if roster.left(signal.participant_id):
            self._listening.owners.gone(signal.participant_id)
            self._bot.record(ParticipantLeft(participant_id=signal.participant_id, name=name))

    @_take.register
    def _speaking(self, signal: SpeakingIndicated) -> None:
        self._listening.owners.indicated(signal)

    @_take.register
    def _track_appeared(self, signal: TrackAppeared) -> None:
        self._listening.open_track(signal)

    @_take.register
    def _track_identified(self, signal: TrackIdentified) -> None:
        self._listening.identify(signal)

    @_take.register
    def _track_gone(self, signal: TrackGone) -> None:
        self._listening.close_track(signal.track_id)

    @_take.register
    def _caption(self, signal: CaptionSeen) -> None:
        self._listening.caption_seen(signal)

    @_take.register
    def _chat(self, signal: ChatArrived) -> None:
        if signal.message_id in self._chat_seen:
            return
        self._chat_seen.add(signal.message_id)
        if not self._bot.exclusions.chat(signal):
            return
        to_id, to_name = signal.to_id, signal.to_name
        if signal.direct and not signal.by_bot and to_id is None and not to_name:
            to_id, to_name = self._bot.roster.self_id, self._bot.config.name
        self._bot.record(
            ChatReceived(
                message_id=signal.message_id,
                sender_id=signal.sender_id,
                sender_name=signal.sender_name,
                text=signal.text,
                by_bot=signal.by_bot,
                direct=signal.direct,
                to_id=to_id,
                to_name=to_name,
            )
        )

    @_take.register
    def _share(self, signal: ShareSeen) -> None:
        share_id, who = signal.share_id, signal.participant_id
        if signal.sharing == (share_id in self._sharing):
            return
        if signal.sharing:
            self._sharing[share_id] = who
            name = self._bot.roster.name_of(who)
            self._bot.record(ShareStarted(share_id=share_id, participant_id=who, name=name))
        else:
            who = self._sharing.pop(share_id)
            name = self._bot.roster.name_of(who)
            self._bot.record(ShareStopped(share_id=share_id, participant_id=who, name=name))

    @_take.register
    def _notice(self, signal: NoticeSeen) -> None:
        self._bot.record(NoticeShown(kind=signal.kind, text=signal.text, answer=signal.answer))

    @_take.register
    def _person_needed(self, signal: PersonNeeded) -> None:
        self._life.person_needed = signal.what if signal.needed else None
        self._bot.leave_rules.person_needed(
            needed=signal.needed, wait_s=signal.wait_s, now=trio.current_time()
        )
        self._bot.rules_changed()
        self._bot.record(
            PersonAskedFor(
                what=signal.what,
                needed=signal.needed,
                detail=signal.detail,
                wait_s=signal.wait_s,
                screenshot=signal.screenshot,
            )
        )

    @_take.register
    def _roster_health(self, signal: RosterHealth) -> None:
        if signal.healthy == self._roster_healthy:
            return
        self._roster_healthy = signal.healthy
        self._bot.leave_rules.roster_health(healthy=signal.healthy, now=trio.current_time())
        self._bot.rules_changed()
        if signal.healthy:
            self._bot.record(RosterRestored(detail=signal.detail))
        else:
            self._bot.record(RosterDegraded(detail=signal.detail))

    @_take.register
    def _roster_seen(self, signal: RosterSeen) -> None:
        change = self._lists.take(signal.participants, signal.self_id)
        self._roster_health(RosterHealth(not change.trouble, change.trouble))
        for participant_id in change.left:
            self._gone(ParticipantGone(participant_id))
        for participant in change.joined:
            self._appeared(ParticipantAppeared(participant))
        for participant in change.updated:
            self._changed(ParticipantChanged(participant))

    @_take.register
    def _capture_health(self, signal: CaptureHealth) -> None:
        self._listening.health.report(
            healthy=signal.healthy, detail=signal.detail, track_id=signal.track_id
        )

    @_take.register
    def _picture_health(self, signal: PictureHealth) -> None:
        if signal.healthy:
            self._bot.record(VideoRestored(detail=signal.detail))
        else:
            self._bot.record(VideoDegraded(detail=signal.detail))

    @_take.register
    def _permission(self, signal: RecordingPermission) -> None:
        bot, life = self._bot, self._life
        life.recording.answered(signal.granted)
        life.follow_recording()
        waiting = signal.granted is None
        bot.leave_rules.permission_asked(waiting=waiting, now=trio.current_time())
        bot.rules_changed()
        if signal.granted is False:
            life.conclude(
                EndReason.RECORDING_PERMISSION_DENIED,
                Evidence("recording_permission", signal.detail),
            )

    @_take.register
    def _step(self, signal: StepWorked) -> None:
        self._bot.record(StepTaken(name=signal.name, detail=signal.detail))

    @_take.register
    def _diagnostics(self, signal: DiagnosticsWritten) -> None:
        self._bot.record(
            DiagnosticsCaptured(step=signal.step, folder=signal.folder, detail=signal.detail)
        )
