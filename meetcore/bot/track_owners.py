"""Whose the tracks of a call are, and who speaks by them and by the platform's indicator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import define

from meetcore.bot.context import BotContext
from meetcore.model.assembler import NOBODY, Attribution, TranscriptAssembler
from meetcore.model.commands import NameVoice
from meetcore.model.errors import CommandRefused
from meetcore.model.events import (
    SpeakingStarted,
    SpeakingStopped,
    TrackOwnerIdentified,
    VoiceNamed,
)
from meetcore.model.plain import rounded_s
from meetcore.model.roster import NameSource, SpeechMark
from meetcore.model.signals import SpeakingIndicated, TrackIdentified

__all__ = ["TrackOwners"]

HANDOVER_S = 0.3
"""A voice is found to begin this much before a track is told to be its owner's, at most."""


@define
class _Voice:
    """A beginning or an end of speech on a track, and whose it was taken to be."""

    at_s: float
    began: bool
    whose: str | None


class TrackOwners:
    """Whose each open track of one bot is, for the timeline and for names.

    Args:
        bot: The bot's records.
        assembler: Gives words their names.
        outdated: Called with a track, or None for any, and the meeting time since when what was
            finalized may be somebody else's; None for all of it.

    Attributes:
        offset_s: Where the call's clock begins in the meeting, None while that is not known.
    """

    def __init__(
        self,
        bot: BotContext,
        assembler: TranscriptAssembler,
        outdated: Callable[[str | None, float | None], None],
    ) -> None:
        self._bot = bot
        self._assembler = assembler
        self._outdated = outdated
        self._open: dict[str, list[_Voice]] = {}
        self.offset_s: float | None = None

    def open_track(self, track_id: str) -> None:
        """Take it that a track is there."""
        self._open[track_id] = []

    def close_track(self, track_id: str) -> None:
        """Take it that a track is no longer there."""
        self._open.pop(track_id, None)

    def identify(self, signal: TrackIdentified) -> None:
        """Take whose a track is, learned late, corrected or taken back; name what was heard."""
        since_s = None if signal.since_s is None else self._sound_time(signal.since_s)
        whose = NOBODY
        if signal.participant_id is not None:
            whose = Attribution(signal.participant_id, signal.source, signal.confidence)
        if self._assembler.knows(signal.track_id, whose, since_s):
            return
        self._assembler.own(signal.track_id, whose, since_s)
        self._change_voice(signal.track_id, since_s)
        self._bot.record(
            TrackOwnerIdentified(
                track_id=signal.track_id,
                participant_id=whose.participant_id,
                name=self._bot.roster.name_of(whose.participant_id),
                source=whose.source,
                confidence=whose.confidence,
                since_s=since_s,
            )
        )
        self._outdated(signal.track_id, since_s)

    def heard(self, track_id: str, at_s: float, *, began: bool) -> None:
        """Take it that speech begins or ends on a track: it is its owner's."""
        owner = self._voice_of(track_id, at_s, began)
        self._open[track_id].append(_Voice(at_s, began, owner.participant_id))
        if owner.participant_id is not None:
            self._speaking(owner.participant_id, at_s, owner.source, speaking=began)

    def _change_voice(self, track_id: str, since_s: float | None) -> None:
        """Have the timeline follow a track whose owner is another now, from then on or always."""
        heard = self._open[track_id]
        told = partial(self._speaking, recut=False)
        owner = self._assembler.owner(track_id)
        others = [other for other in self._open if other != track_id]
        if owner.participant_id and owner.participant_id not in map(self.owner_of, others):
            # What an indicator said last is not waited for: their own track says it better.
            now = self._bot.meeting_now() or 0.0
            for indicated in self._bot.timeline.open_on(owner.participant_id):
                self._speaking(owner.participant_id, now, owner.source, indicated, speaking=False)
        before = [voice for voice in heard if since_s is not None and voice.at_s < since_s]
        if since_s is not None and before and before[-1].began:
            # Somebody spoke as it became another's: one voice ends there, and one begins.
            if before[-1].whose is not None:
                told(before[-1].whose, since_s, owner.source, speaking=False)
            heard.insert(len(before), _Voice(since_s, True, None))
        heard.sort(key=lambda voice: voice.at_s)
        owners = [self._voice_of(track_id, voice.at_s, voice.began) for voice in heard]
        changed = [
            (voice, whose)
            for voice, whose in zip(heard, owners, strict=True)
            if voice.whose != whose.participant_id
        ]
        for voice, whose in reversed(changed):
            if voice.began and voice.whose is not None:
                told(voice.whose, voice.at_s, whose.source, speaking=False)
        for voice, whose in changed:
            voice.whose = whose.participant_id
            if voice.whose is not None:
                told(voice.whose, voice.at_s, whose.source, speaking=voice.began)
        if changed:
            self._outdated(None, changed[0][0].at_s)

    def _voice_of(self, track_id: str, at_s: float, began: bool) -> Attribution:
        """Return whose speech begins or ends on a track: at a handover it is the next one's."""
        return self._assembler.owner(track_id, at_s + HANDOVER_S * began)

    def owner_of(self, track_id: str) -> str | None:
        """Return whose a track is now."""
        return self._assembler.owner(track_id).participant_id

    def has_track(self, participant_id: str) -> bool:
        """Whether a participant has an open track of their own."""
        return any(self.owner_of(track_id) == participant_id for track_id in self._open)

    def indicated(self, signal: SpeakingIndicated) -> None:
        """Take the platform's indicator, for those whose own track does not say it better."""
        at_s = self._bot.meeting_now()
        if signal.at_s is not None and self.offset_s is not None:
            at_s = self._sound_time(signal.at_s)
        who = signal.participant_id
        if at_s is not None and not self.has_track(who):
            self._speaking(who, at_s, signal.source, signal.track_id, speaking=signal.speaking)

    def gone(self, participant_id: str) -> None:
        """Take it that somebody who left speaks no longer, whatever their indicator said last."""
        now = self._bot.meeting_now()
        if now is not None and not self.has_track(participant_id):
            for track_id in self._bot.timeline.open_on(participant_id):
                source = NameSource.ACTIVE_SPEAKER
                self._speaking(participant_id, now, source, track_id, speaking=False)

    def _sound_time(self, at_s: float) -> float:
        """Return where a time on the call's sound clock lies in the meeting, in seconds."""
        return rounded_s(at_s + (self.offset_s or 0.0))

    def _speaking(
        self,
        participant_id: str,
        at_s: float,
        source: NameSource,
        track_id: str | None = None,
        *,
        speaking: bool,
        recut: bool = True,
    ) -> None:
        """Tell the timeline, and the journal what changes by it; by default cut text again, too."""
        name = self._bot.roster.name_of(participant_id)
        mark = SpeechMark(rounded_s(at_s), speaking, source)
        changes = self._bot.timeline.mark(participant_id, mark, track_id)
        who: dict[str, Any] = {"participant_id": participant_id, "name": name, "track_id": track_id}
        for change in changes:
            who["source"] = change.source
            if change.speaking:
                self._bot.record(SpeakingStarted(start_s=change.at_s, **who))
            else:
                self._bot.record(SpeakingStopped(end_s=change.at_s, **who))
        if changes and recut:
            self._outdated(None, mark.at_s)

    def name_voice(self, command: NameVoice) -> None:
        """Give a voice on a track a name, or take it back.

        Raises:
            CommandRefused: No such voice was told apart on that track.
        """
        track_id, voice, name = command.track_id, command.voice, command.name.strip()
        known = self._assembler.evidence.voices(track_id)
        if voice not in known:
            raise CommandRefused(
                f"No voice {voice!r} was told apart on the track {track_id!r}.",
                f"There are: {', '.join(known)}."
                if known
                else "A segment says in `track_id` and `voice` what can be named.",
            )
        if self._assembler.name_voice(track_id, voice, name or None):
            self._bot.record(
                VoiceNamed(track_id=track_id, voice=voice, name=name or None, by=command.by)
            )
            self._outdated(track_id, None)  # what it said is shown with the name at once
