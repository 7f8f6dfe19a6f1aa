"""Who is excluded from one bot's recording and transcript: decided by plugins, kept here.

Somebody is excluded by the rules of a plugin (as they appear, or are called something else), by
what they write in the chat, or by a command. What follows for sound is in
`meetcore.bot.track_hold`, for text in `meetcore.bot.revising`, for what was kept already in
`meetcore.log.withdrawing`.

Who comes back has a new id on many platforms. So whoever has the name of somebody excluded is
excluded, too; of two people with one name that is one too many rather than one too few.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Literal

from attrs import define, field

from meetcore.model.errors import CommandRefused
from meetcore.model.event import Event
from meetcore.model.events import ParticipantExcluded, ParticipantIncluded
from meetcore.model.exclusion import ExcludedTimes, plain_name
from meetcore.model.roster import Participant, Roster
from meetcore.model.signals import ChatArrived
from meetcore.model.transcript import Segment
from meetcore.plugin.exclusion import ExclusionRequest, ExclusionRules
from meetcore.plugin.failures import FailureReports
from meetcore.plugin.hooks import RULES as HOOK
from meetcore.plugin.registry import Plugins

__all__ = ["Exclusions", "exclusion_rules"]


OverAMix = Literal["pause", "drop_words", "keep"]


def exclusion_rules(plugins: Plugins, config: object) -> list[tuple[str, ExclusionRules]]:
    """Return the rules of all plugins for one bot, by the plugin's name.

    Raises:
        MeetcoreError: A plugin failed; a bot must not start without its rules.
    """
    found: list[tuple[str, ExclusionRules]] = []
    for each in plugins.implementations(HOOK):
        rules = each.call_named(HOOK, config=config)
        if rules is not None:
            found.append((each.plugin_name, rules))
    return found


def _nothing() -> tuple[str, ...]:
    return ()


def _nowhere() -> None:
    """Take no notice."""


def _nobody(participant_id: str) -> None:
    """Take no notice."""


@define(eq=False, kw_only=True)
class Exclusions:
    """The participants of one bot that are excluded. No waiting here.

    Attributes:
        over_a_mix: What becomes of a track that the platform mixes of everybody.
        times: Who was excluded when.
        mixes: The tracks that the platform mixes.
        remains: Says what of before cannot be undone, if somebody is excluded since the beginning.
        withdraw: Called with who was excluded since the beginning, once that is told.
        hidden: Called when a segment was hidden: a revision before it may have been shown.
    """

    record: Callable[[Event], Event]
    roster: Roster
    now: Callable[[], float | None]
    plugin_failed: FailureReports
    over_a_mix: OverAMix = "pause"
    rules: Collection[tuple[str, ExclusionRules]] = ()
    times: ExcludedTimes = field(factory=ExcludedTimes)
    mixes: set[str] = field(factory=set)
    remains: Callable[[], tuple[str, ...]] = _nothing
    withdraw: Callable[[str], None] = _nobody
    hidden: Callable[[], None] = _nowhere
    _names: dict[str, str] = field(factory=dict)
    _allowed: set[str] = field(factory=set)

    @property
    def in_force(self) -> bool:
        """Whether anybody is excluded, was, or may be by the look of them."""
        return bool(self.times) or self.judging

    @property
    def judging(self) -> bool:
        """Whether people are judged as they appear, so that nobody unknown may be heard."""
        return any(rules.judges_people for _, rules in self.rules)

    @property
    def somebody_here(self) -> bool:
        """Whether somebody who is excluded is in the meeting."""
        return any(self.times.now(who) for who in self.roster.present)

    # --- who ----------------------------------------------------------------------------

    def appeared(self, participant: Participant) -> None:
        """Judge somebody who joined, or of whom something is another now."""
        if participant.is_self or not (self.rules or self._names):
            return
        who = participant.id
        if self.times.now(who):
            self._remember(participant)
            return
        if who in self._allowed:
            return
        by = self._names.get(plain_name(participant.name))
        if by is None:
            by = next((name for name, rules in self.rules if self._says(name, rules, participant)),
                      None)  # fmt: skip
        if by is not None:
            self._exclude(participant, None, by)

    def _says(self, name: str, rules: ExclusionRules, participant: Participant) -> bool:
        if not rules.judges_people:
            return False
        try:
            return bool(rules.excludes(participant))
        except Exception as error:  # noqa: BLE001  a plugin's trouble is an event, not ours
            self.plugin_failed(name, HOOK, error, private=True)
            return True

    def chat(self, message: ChatArrived) -> bool:
        """Heed what a message asks for; return whether it may be recorded."""
        if message.by_bot or not (self.rules or self.times):
            return True
        people = self._senders(message)
        for name, rules in self.rules:
            try:
                asked = rules.requested(message.text)
            except Exception as error:  # noqa: BLE001  as above
                self.plugin_failed(name, HOOK, error, private=True)
                continue
            if asked is None:
                continue
            for person in people:
                if asked is ExclusionRequest.INCLUDE:
                    self._include(person, name)
                else:
                    start = asked is ExclusionRequest.EXCLUDE_SINCE_START
                    self._exclude(person, None if start else self._now, name)
        return not any(self.times.now(person.id) for person in people)

    def _senders(self, message: ChatArrived) -> list[Participant]:
        """Return who wrote a message: all of that name, where the platform does not say who."""
        if message.sender_id is not None:
            known = self.roster.known.get(message.sender_id)
            return [known or Participant(id=message.sender_id, name=message.sender_name)]
        name = plain_name(message.sender_name)
        return [each for each in self.roster.others if plain_name(each.name) == name]

    @property
    def _now(self) -> float:
        return round(self.now() or 0.0, 3)

    def exclude(self, participant_id: str, *, since_start: bool, by: str) -> None:
        """Exclude somebody, from now on or since the beginning.

        Raises:
            CommandRefused: Nobody of that id was ever there, or it is the bot itself.
        """
        participant = self._known(participant_id)
        self._exclude(participant, None if since_start else self._now, by)

    def include(self, participant_id: str, *, by: str) -> None:
        """Record somebody again.

        Raises:
            CommandRefused: They are not excluded, or were never there.
        """
        participant = self._known(participant_id)
        if not self.times.now(participant_id):
            raise CommandRefused(f"The participant {participant_id!r} is not excluded.")
        self._include(participant, by)

    def _known(self, participant_id: str) -> Participant:
        participant = self.roster.known.get(participant_id)
        if participant is None or participant.is_self:
            here = ", ".join(repr(each.id) for each in self.roster.others)
            raise CommandRefused(
                f"There is no other participant {participant_id!r}.",
                f"In the meeting are: {here or 'none'}.",
            )
        return participant

    def _exclude(self, participant: Participant, since_s: float | None, by: str) -> None:
        who = participant.id
        always = (float("-inf"), float("inf")) in self.times.stretches(who)
        if always or (since_s is not None and self.times.now(who)):
            return
        self._allowed.discard(who)
        self._names[plain_name(participant.name)] = by
        self.times.exclude(who, since_s)
        self.record(
            ParticipantExcluded(
                participant_id=who,
                name=participant.name or None,
                since_s=since_s,
                remains=self.remains() if since_s is None else (),
                by=by,
            )
        )
        if since_s is None:
            self.withdraw(who)

    def _remember(self, participant: Participant) -> None:
        """Note another name of somebody excluded."""
        self._names.setdefault(plain_name(participant.name), "")

    def _include(self, participant: Participant, by: str) -> None:
        """Include somebody, and whoever else was excluded under the same name."""
        name, from_s = plain_name(participant.name), self._now
        self._names.pop(name, None)
        for who in {participant.id, *self._named(name, self.times.of_now)}:
            self._allowed.add(who)
            if self.times.now(who):
                self.times.include(who, from_s)
                shown = self.roster.name_of(who)
                self.record(
                    ParticipantIncluded(participant_id=who, name=shown, from_s=from_s, by=by)
                )

    def _named(self, name: str, ids: Iterable[str]) -> list[str]:
        return sorted(
            who for who in ids if (shown := self.roster.name_of(who)) and plain_name(shown) == name
        )

    # --- what of theirs is seen ---------------------------------------------------------

    def hides(self, segment: Segment) -> bool:
        """Whether a segment, or a draft of one, may go nowhere."""
        if not self.times or segment.withdrawn:
            return False
        if segment.participant_id is not None:
            return self.times.during(segment.participant_id, segment.start_s, segment.end_s)
        if segment.speaker_name and plain_name(segment.speaker_name) in self._names:
            return True
        # What nobody is known to have said, on a track that they are heard on, may be theirs.
        mixed = segment.track_id in self.mixes and self.over_a_mix != "keep"
        return mixed and self.somebody_here
