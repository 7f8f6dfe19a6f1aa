"""A meeting script: who comes, speaks, writes and goes when, as data for a cast or a simulation.

A script is a TOML file. Times are seconds on the **script clock**, which starts at 0 when the
bot is admitted. People with `joins_s = 0` (the default) are there before the bot knocks.

    title = "Planning"
    seed = 7

    [room]
    waiting_room = true

    [admission]              # how the knock is answered; `after_s` counts from the knock
    decision = "admit"       # admit | deny | ignore
    after_s = 1.0
    by = "ada"

    [[people]]
    id = "ada"
    name = "Ada"
    host = true

    [[lines]]
    who = "ada"
    at_s = 1.5
    text = "Good morning everyone."
    audio = "ada-1.wav"      # 16 kHz mono 16-bit, beside the script; absent: a synthetic voice

    [end]
    at_s = 12.0
    how = "host_ends"        # host_ends | everyone_leaves | removes_bot

Further tables: `[[chat]]` (who, at_s, text, to_bot), `[[mutes]]` and `[[shares]]` (who, at_s,
until_s), `[[kicks]]` (who, at_s) and, for simulations, `[[faults]]`: `dropped_audio` (who, at_s,
for_s), `hanging_call` and `failing_call` (what, for a hang also for_s), `roster_lost` (at_s, for_s)
and `connection_lost` (at_s).

Nothing here waits or plays: the classes are frozen data and every question is answered from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from attrs import field, frozen

from meetcore.model.errors import ConfigError, nearest

__all__ = [
    "Admission",
    "ChatLine",
    "Decision",
    "End",
    "EndHow",
    "Fault",
    "FaultKind",
    "Kick",
    "Line",
    "Mute",
    "Overlap",
    "Person",
    "ReferenceWord",
    "ScreenShare",
    "Script",
    "ScriptError",
    "Visit",
    "check_script",
    "estimate_duration_s",
    "words_of",
]

SECONDS_PER_WORD = 0.36
SAME_MOMENT_S = 1e-6
"""Times that are closer are one moment: sums of decimal fractions differ in their last digits."""
PALETTE = ("#3b7dd8", "#c2557a", "#2f9e77", "#b8792c", "#7a5cc9", "#3d8f9e", "#a84b3f", "#5f7d2e")
PERSON_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
CALLS = ("join", "send_chat", "speak", "leave")


class ScriptError(ConfigError):
    """A meeting script that cannot be played.

    Args:
        source: The file (or another name of where the script came from).
        entry: The entry that is wrong, for instance `lines[3]`; empty for the whole file.
        message: What is wrong, with the value.
        remedy: What to do about it.
    """

    def __init__(self, source: str, entry: str, message: str, remedy: str = "") -> None:
        place = f"{source}, {entry}" if entry else source
        super().__init__(f"{place}: {message}", remedy)
        self.source = source
        self.entry = entry


class Decision(StrEnum):
    """What the host does about the bot's knock."""

    ADMIT = "admit"
    DENY = "deny"
    IGNORE = "ignore"


class EndHow(StrEnum):
    """How the meeting ends for the bot."""

    HOST_ENDS = "host_ends"
    EVERYONE_LEAVES = "everyone_leaves"
    REMOVES_BOT = "removes_bot"


class FaultKind(StrEnum):
    """Trouble that a simulation makes on purpose."""

    DROPPED_AUDIO = "dropped_audio"
    HANGING_CALL = "hanging_call"
    FAILING_CALL = "failing_call"
    ROSTER_LOST = "roster_lost"
    CONNECTION_LOST = "connection_lost"


@frozen
class Visit:
    """One stay of a person: [start_s, end_s), `end_s` None up to the end of the meeting."""

    start_s: float
    end_s: float | None = None

    def covers(self, start_s: float, end_s: float) -> bool:
        """Tell whether all of [start_s, end_s] lies within the stay."""
        return self.start_s <= start_s and (self.end_s is None or end_s <= self.end_s)


@frozen(kw_only=True)
class Person:
    """Somebody in the script.

    Attributes:
        id: Short name used by the other entries.
        name: Display name in the meeting.
        host: Whether this person may admit, remove and end.
        joins_s: When they come; 0 means before the bot.
        leaves_s: When they go; None to stay to the end.
        rejoins_s: When they come back (and stay), None not to.
        is_bot: Whether the platform shows them as a bot.
        colour: Colour of the avatar, `#rrggbb`.
    """

    id: str
    name: str
    host: bool = False
    joins_s: float = 0.0
    leaves_s: float | None = None
    rejoins_s: float | None = None
    is_bot: bool = False
    colour: str = PALETTE[0]

    @property
    def visits(self) -> tuple[Visit, ...]:
        """When this person is in the meeting."""
        first = Visit(self.joins_s, self.leaves_s)
        return (first,) if self.rejoins_s is None else (first, Visit(self.rejoins_s))

    def present(self, start_s: float, end_s: float) -> bool:
        """Tell whether this person is there for all of [start_s, end_s]."""
        return any(visit.covers(start_s, end_s) for visit in self.visits)


@frozen(kw_only=True)
class Line:
    """Something a person says.

    Attributes:
        who: Id of the person.
        at_s: When it starts.
        text: The words, which is the reference for scoring.
        duration_s: How long it takes: the length of the audio, or an estimate from the words.
        audio: The recording (16 kHz mono int16 WAV), None for a synthetic voice.
        human: Whether the recording is of a human voice, which recognisers find harder.
    """

    who: str
    at_s: float
    text: str
    duration_s: float
    audio: Path | None = None
    human: bool = False

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.at_s + self.duration_s


@frozen(kw_only=True)
class ChatLine:
    """A chat message; `to_bot` for one that nobody but the bot sees."""

    who: str
    at_s: float
    text: str
    to_bot: bool = False


@frozen(kw_only=True)
class Mute:
    """A stretch during which a person's microphone is off; `until_s` None up to the end."""

    who: str
    at_s: float
    until_s: float | None = None


@frozen(kw_only=True)
class ScreenShare:
    """A stretch during which a person shares a screen; `until_s` None up to the end."""

    who: str
    at_s: float
    until_s: float | None = None


@frozen(kw_only=True)
class Kick:
    """A person is removed by the host."""

    who: str
    at_s: float


@frozen(kw_only=True)
class Fault:
    """Trouble on purpose; which fields matter depends on `kind` (see the module's text)."""

    kind: FaultKind
    at_s: float = 0.0
    for_s: float | None = None
    who: str | None = None
    what: str | None = None


@frozen(kw_only=True)
class Admission:
    """How the bot's knock is answered. `after_s` counts from the knock."""

    decision: Decision = Decision.ADMIT
    after_s: float = 1.0
    by: str | None = None


@frozen(kw_only=True)
class End:
    """When and how it is over."""

    at_s: float
    how: EndHow = EndHow.HOST_ENDS


@frozen
class Overlap:
    """A stretch in which two or more people speak at once."""

    start_s: float
    end_s: float
    people: frozenset[str]


@frozen
class ReferenceWord:
    """One word that was really said.

    Attributes:
        text: The word, without punctuation, in lower case.
        who: Id of the person.
        line: Index of the line in `Script.lines`.
        start_s: Estimated start, spread over the line by the words' lengths.
        end_s: Estimated end.
        overlapped: Whether somebody else speaks meanwhile.
    """

    text: str
    who: str
    line: int
    start_s: float
    end_s: float
    overlapped: bool


@frozen(kw_only=True)
class Script:
    """A whole meeting. Build it in code, or read it with `load_script`."""

    title: str = "Meeting"
    seed: int = 0
    waiting_room: bool = True
    admission: Admission = field(factory=Admission)
    people: tuple[Person, ...] = ()
    lines: tuple[Line, ...] = ()
    chat: tuple[ChatLine, ...] = ()
    mutes: tuple[Mute, ...] = ()
    kicks: tuple[Kick, ...] = ()
    shares: tuple[ScreenShare, ...] = ()
    faults: tuple[Fault, ...] = ()
    end: End | None = None

    def person(self, person_id: str) -> Person:
        """Return the person of that id; KeyError if there is none."""
        for person in self.people:
            if person.id == person_id:
                return person
        raise KeyError(person_id)

    @property
    def host(self) -> Person | None:
        """Who answers the knock: `admission.by`, else the first host, else nobody."""
        if self.admission.by is not None:
            return self.person(self.admission.by)
        return next((person for person in self.people if person.host), None)

    @property
    def duration_s(self) -> float:
        """When the script is over: at its end, or after the last thing in it."""
        if self.end is not None:
            return self.end.at_s
        moments = [line.end_s for line in self.lines]
        for entries in (self.chat, self.kicks, self.mutes, self.shares, self.faults):
            moments += [entry.at_s for entry in entries]
        for person in self.people:
            moments += [s for s in (person.joins_s, person.leaves_s, person.rejoins_s) if s]
        return max(moments, default=0.0)

    def line_duration_s(self, line: Line) -> float:
        """Return how long a line takes."""
        return line.duration_s

    def muted(self, person_id: str, start_s: float, end_s: float) -> bool:
        """Tell whether a person's microphone is off for all of [start_s, end_s]."""
        return any(
            mute.who == person_id and Visit(mute.at_s, mute.until_s).covers(start_s, end_s)
            for mute in self.mutes
        )

    def audible_lines(self) -> Iterator[tuple[int, Line]]:
        """Yield index and line of everything said with the microphone on, in order of time."""
        for index, line in sorted(enumerate(self.lines), key=lambda pair: pair[1].at_s):
            if not self.muted(line.who, line.at_s, line.end_s):
                yield index, line

    def overlaps(self) -> tuple[Overlap, ...]:
        """Return the stretches in which two or more people can be heard at once.

        Lines of which one begins as the other ends do not overlap, however their times round.
        """
        lines = [line for _, line in self.audible_lines()]
        edges = sorted({edge for line in lines for edge in (line.at_s, line.end_s)})
        found: list[Overlap] = []
        for start_s, end_s in pairwise(edges):
            if end_s - start_s < SAME_MOMENT_S:
                continue
            people = frozenset(x.who for x in lines if x.at_s < end_s and x.end_s > start_s)
            if len(people) < 2:
                continue
            if found and found[-1].end_s == start_s and found[-1].people == people:
                start_s = found.pop().start_s
            found.append(Overlap(start_s, end_s, people))
        return tuple(found)

    def reference_words(self) -> tuple[ReferenceWord, ...]:
        """Return every audible word with its speaker and estimated time, in order of time."""
        overlaps = self.overlaps()
        words: list[ReferenceWord] = []
        for index, line in self.audible_lines():
            texts = words_of(line.text)
            letters = sum(len(text) + 1 for text in texts)
            start_s = line.at_s
            for text in texts:
                end_s = start_s + line.duration_s * (len(text) + 1) / letters
                beside = any(
                    o.start_s < end_s and o.end_s > start_s and line.who in o.people
                    for o in overlaps
                )
                words.append(ReferenceWord(text, line.who, index, start_s, end_s, beside))
                start_s = end_s
        return tuple(sorted(words, key=lambda word: word.start_s))


def words_of(text: str) -> tuple[str, ...]:
    """Split text into lower-case words without punctuation; apostrophes inside words stay."""
    plain = text.lower().replace("’", "'")
    return tuple(re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain))


def estimate_duration_s(text: str) -> float:
    """Estimate how long it takes to say `text`, for lines without a recording."""
    return max(0.5, SECONDS_PER_WORD * len(words_of(text)))


def check_script(script: Script, source: str = "script") -> Script:
    """Return the script if it can be played.

    Raises:
        ScriptError: An entry contradicts another: an unknown person, a line outside of
            their presence, two lines of one person at once, something after the end.
    """
    check = _Check(script, source)
    check.people()
    check.lines()
    check.others()
    return script


@frozen
class _Check:
    script: Script
    source: str

    def wrong(self, entry: str, message: str, remedy: str = "") -> ScriptError:
        return ScriptError(self.source, entry, message, remedy)

    def known(self, who: str, entry: str) -> Person:
        try:
            return self.script.person(who)
        except KeyError:
            ids = [person.id for person in self.script.people]
            guess = nearest(who, ids)
            remedy = f"Did you mean {guess!r}?" if guess else f"People: {', '.join(ids) or 'none'}."
            raise self.wrong(entry, f"there is no person {who!r}.", remedy) from None

    def present(self, who: str, start_s: float, end_s: float, entry: str) -> None:
        person = self.known(who, entry)
        end = self.script.end
        if end is not None and end_s > end.at_s + 1e-9:
            raise self.wrong(
                entry, f"it goes on to {end_s:g} s, after the meeting's end at {end.at_s:g} s."
            )
        if not person.present(start_s, end_s):
            stays = " and ".join(
                f"from {v.start_s:g} s to {'the end' if v.end_s is None else f'{v.end_s:g} s'}"
                for v in person.visits
            )
            span = f"{start_s:g} s" if end_s == start_s else f"{start_s:g} to {end_s:g} s"
            raise self.wrong(
                entry, f"{who!r} is not there at {span}.", f"{who!r} is there {stays}."
            )

    def people(self) -> None:
        seen: set[str] = set()
        for index, person in enumerate(self.script.people):
            entry = f"people[{index}]"
            if not PERSON_ID.fullmatch(person.id):
                raise self.wrong(
                    entry,
                    f"{person.id!r} cannot be an id.",
                    "Use 1 to 32 lower-case letters, digits, '-' or '_'.",
                )
            if person.id in seen:
                raise self.wrong(entry, f"the id {person.id!r} is used twice.")
            seen.add(person.id)
            if not person.name.strip():
                raise self.wrong(entry, "the name is empty.")
            if not re.fullmatch(r"#[0-9a-fA-F]{6}", person.colour):
                raise self.wrong(entry, f"{person.colour!r} is no colour.", "Write it as #rrggbb.")
            if person.leaves_s is not None and person.leaves_s <= person.joins_s:
                raise self.wrong(entry, f"{person.id!r} leaves before having joined.")
            if person.rejoins_s is not None and (
                person.leaves_s is None or person.rejoins_s <= person.leaves_s
            ):
                raise self.wrong(entry, f"{person.id!r} comes back without having left before.")

    def lines(self) -> None:
        last: dict[str, tuple[int, Line]] = {}
        for index, line in sorted(enumerate(self.script.lines), key=lambda pair: pair[1].at_s):
            entry = f"lines[{index}]"
            self.present(line.who, line.at_s, line.end_s, entry)
            if not words_of(line.text):
                raise self.wrong(entry, f"the text {line.text!r} has no words.")
            if line.duration_s <= 0:
                raise self.wrong(entry, f"a line cannot last {line.duration_s:g} s.")
            if line.who in last and last[line.who][1].end_s > line.at_s + 1e-9:
                before = last[line.who]
                raise self.wrong(
                    entry,
                    f"{line.who!r} still speaks lines[{before[0]}] until {before[1].end_s:.2f} s.",
                    "One person says one thing at a time.",
                )
            last[line.who] = (index, line)
            partly = any(
                mute.who == line.who
                and mute.at_s < line.end_s
                and (mute.until_s is None or mute.until_s > line.at_s)
                for mute in self.script.mutes
            )
            if partly and not self.script.muted(line.who, line.at_s, line.end_s):
                raise self.wrong(
                    entry,
                    f"{line.who!r} is muted for a part of it.",
                    "A line is heard or not: mute all of it or none.",
                )

    def others(self) -> None:
        script = self.script
        for index, chat in enumerate(script.chat):
            self.present(chat.who, chat.at_s, chat.at_s, f"chat[{index}]")
            if not chat.text.strip():
                raise self.wrong(f"chat[{index}]", "the text is empty.")
        for index, mute in enumerate(script.mutes):
            entry = f"mutes[{index}]"
            if mute.until_s is not None and mute.until_s <= mute.at_s:
                raise self.wrong(entry, "it is over before it begins.")
            self.present(mute.who, mute.at_s, mute.until_s or mute.at_s, entry)
        for index, share in enumerate(script.shares):
            entry = f"shares[{index}]"
            if share.until_s is not None and share.until_s <= share.at_s:
                raise self.wrong(entry, "it is over before it begins.")
            self.present(share.who, share.at_s, share.until_s or share.at_s, entry)
        for index, kick in enumerate(script.kicks):
            self.present(kick.who, kick.at_s, kick.at_s, f"kicks[{index}]")
        if script.admission.by is not None:
            by = self.known(script.admission.by, "admission")
            if not by.host or by.joins_s > 0:
                raise self.wrong(
                    "admission",
                    f"{by.id!r} cannot answer the knock.",
                    "It takes a person with host = true who is there from the start.",
                )
        for index, fault in enumerate(script.faults):
            self.fault(fault, f"faults[{index}]")

    def fault(self, fault: Fault, entry: str) -> None:
        needs = FAULT_FIELDS[fault.kind]
        for name in ("who", "for_s", "what"):
            given = getattr(fault, name) is not None
            if given != (name in needs) and f"{name}?" not in needs:
                verb = "needs" if name in needs else "has no"
                raise self.wrong(entry, f"a fault of kind {fault.kind.value!r} {verb} {name!r}.")
        if fault.who is not None:
            self.known(fault.who, entry)
        if fault.what is not None and fault.what not in CALLS:
            raise self.wrong(
                entry, f"there is no call {fault.what!r}.", f"Calls: {', '.join(CALLS)}."
            )


FAULT_FIELDS: dict[FaultKind, tuple[str, ...]] = {
    FaultKind.DROPPED_AUDIO: ("who", "for_s"),
    FaultKind.HANGING_CALL: ("what", "for_s?"),
    FaultKind.FAILING_CALL: ("what",),
    FaultKind.ROSTER_LOST: ("for_s?",),
    FaultKind.CONNECTION_LOST: (),
}
