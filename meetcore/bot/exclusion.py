"""Who is excluded from one bot's recording and transcript: decided by plugins, kept here.

Somebody is excluded by the rules of a plugin (as they appear, or are called something else), by
what they write in the chat, or by a command. What follows for sound is in
`meetcore.bot.track_hold`, for text in `meetcore.bot.revising`, for what was kept already in
`meetcore.log.withdrawing`.

Who comes back has a new id on many platforms. So whoever has the name of somebody excluded is
excluded, too; of two people with one name that is one too many rather than one too few.

A word in the chat undoes what such a word did, for whoever writes it: neither what an operator's
rules or a command said, nor what somebody else who is there asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal

from attrs import define, field, frozen

from meetcore.model.errors import CommandRefused
from meetcore.model.event import Event
from meetcore.model.events import ParticipantExcluded, ParticipantIncluded
from meetcore.model.exclusion import ExcludedTimes, plain_name
from meetcore.model.plain import rounded_s
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


@frozen
class _Cause:
    """Why somebody is excluded.

    Attributes:
        by: Who asked for it.
        own_wish: Whether it was they themselves: then their own word lifts it.
        since_s: From when on it is for whoever has the name; None for always.
    """

    by: str
    own_wish: bool = False
    since_s: float | None = None


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
    _names: dict[str, _Cause] = field(factory=dict)
    _causes: dict[str, _Cause] = field(factory=dict)
    _allowed: dict[str, _Cause] = field(factory=dict)

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
        """Whether somebody who is excluded is in the meeting, or may be, known by name alone."""
        return any(map(self.times.now, self.roster.present)) or self.times.somebody_unknown

    # --- who ----------------------------------------------------------------------------

    def appeared(self, participant: Participant) -> None:
        """Judge somebody who joined, or of whom something is another now."""
        if participant.is_self or not (self.rules or self._names):
            return
        who = participant.id
        if self.times.now(who):
            if name := plain_name(participant.name):
                self._names.setdefault(name, self._causes[who])
            return
        allowed = self._allowed.get(who)
        if allowed is not None and not allowed.own_wish:
            return
        cause = self._names.get(plain_name(participant.name))
        if cause is None or (allowed is not None and cause.own_wish):
            judges = (name for name, rules in self.rules if self._says(name, rules, participant))
            by = next(judges, None)
            cause = None if by is None else _Cause(by)
        if cause is not None:
            self._exclude(participant, cause.since_s, cause)

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
        heeded = False
        for name, rules in self.rules:
            try:
                asked = rules.requested(message.text)
            except Exception as error:  # noqa: BLE001  as above
                self.plugin_failed(name, HOOK, error, private=True)
                continue
            if asked is ExclusionRequest.INCLUDE:
                self._include_sender(message, people, name)
            elif asked is not None:
                start = asked is ExclusionRequest.EXCLUDE_SINCE_START
                self._exclude_sender(message, people, None if start else self._now, name)
                heeded = True
        known = message.sender_id in self.roster.known
        by_name = not known and plain_name(message.sender_name) in self._names
        return not (heeded or by_name or any(self.times.now(person.id) for person in people))

    def _exclude_sender(
        self, message: ChatArrived, people: Sequence[Participant], since_s: float | None, by: str
    ) -> None:
        """Exclude who wrote a message; whoever has the name, where nobody of it is known."""
        for person in people:
            self._exclude(person, since_s, _Cause(by, own_wish=True))
        if not people and plain_name(message.sender_name):
            unknown = Participant(id="", name=message.sender_name)
            self._exclude(unknown, since_s, _Cause(by, own_wish=True, since_s=since_s))

    def _include_sender(self, message: ChatArrived, people: Sequence[Participant], by: str) -> None:
        """Include who wrote a message; of several of one name nobody, since it may be any."""
        if len(people) == 1:
            self._include(people[0], by, own_wish=True)
        elif not people and self.times.name_alone(message.sender_name):
            self._include(Participant(id="", name=message.sender_name), by, own_wish=True)

    def _senders(self, message: ChatArrived) -> list[Participant]:
        """Return who wrote a message: all of that name, where the platform does not say who."""
        if message.sender_id is not None:
            known = self.roster.known.get(message.sender_id)
            return [known or Participant(id=message.sender_id, name=message.sender_name)]
        name = plain_name(message.sender_name)
        return [each for each in self.roster.others if plain_name(each.name) == name]

    @property
    def _now(self) -> float:
        return rounded_s(self.now() or 0.0)

    def exclude(
        self, participant_id: str, *, since_start: bool, by: str, own_wish: bool = False
    ) -> None:
        """Exclude somebody, from now on or since the beginning.

        Args:
            participant_id: Who.
            since_start: Whether what was recorded of them before goes, too.
            by: Who asks for it.
            own_wish: Whether they did themselves.

        Raises:
            CommandRefused: Nobody of that id was ever there, or it is the bot itself.
        """
        participant = self._known(participant_id)
        self._exclude(participant, None if since_start else self._now, _Cause(by, own_wish))

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

    def _exclude(self, participant: Participant, since_s: float | None, cause: _Cause) -> None:
        who, name = participant.id, plain_name(participant.name)
        excluded = self.times.now(who) or (not who and self.times.name_alone(name))
        stands = self._causes.get(who) if excluded and who else None
        if stands is None or stands.own_wish:
            self._causes[who] = cause
        if name and (name not in self._names or self._names[name].own_wish):
            self._names[name] = cause
        always = (float("-inf"), float("inf")) in self.times.stretches(who, participant.name)
        if always or (since_s is not None and excluded):
            return
        self._allowed.pop(who, None)
        self.times.exclude(who, since_s, participant.name)
        self.record(
            ParticipantExcluded(
                participant_id=who,
                name=participant.name or None,
                since_s=since_s,
                remains=self.remains() if since_s is None else (),
                by=cause.by,
            )
        )
        if since_s is None:
            self.withdraw(who)

    def _include(self, participant: Participant, by: str, *, own_wish: bool = False) -> None:
        """Include somebody, and who had their name and is not there any more: it was they.

        Args:
            participant: Who.
            by: Who asks for it.
            own_wish: Whether it is a word of theirs, which lifts only what such a word did.
        """
        name, from_s = plain_name(participant.name), self._now
        gone = (who for who in self._named(name) if who not in self.roster.present)
        for who in sorted({participant.id, *gone}):
            excluded = self.times.now(who) or (not who and self.times.name_alone(name))
            if not excluded or (own_wish and not self._causes[who].own_wish):
                continue
            self._allowed[who] = _Cause(by, own_wish)
            shown = self.roster.name_of(who) or participant.name
            self.times.include(who, from_s, shown)
            self.record(ParticipantIncluded(participant_id=who, name=shown, from_s=from_s, by=by))
        cause = self._names.get(name)
        if cause is not None and not self._named(name) and (cause.own_wish or not own_wish):
            del self._names[name]

    def _named(self, name: str) -> list[str]:
        """Return the ids of those of a name who are excluded."""
        shown = ((who, self.roster.name_of(who)) for who in self.times.of_now)
        return [who for who, called in shown if called and plain_name(called) == name]

    # --- what of theirs is seen ---------------------------------------------------------

    def hides(self, segment: Segment) -> bool:
        """Whether a segment, or a draft of one, may go nowhere."""
        if not self.times or segment.withdrawn:
            return False
        if segment.participant_id is not None:
            return self.times.during(segment.participant_id, segment.start_s, segment.end_s)
        name = segment.speaker_name or ""
        if plain_name(name) in self._names or self.times.during(
            None, segment.start_s, segment.end_s, name
        ):
            return True
        # What nobody is known to have said, on a track that they are heard on, may be theirs.
        mixed = segment.track_id in self.mixes and self.over_a_mix != "keep"
        return mixed and self.somebody_here
