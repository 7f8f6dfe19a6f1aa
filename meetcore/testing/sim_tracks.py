"""How a simulated platform lets people be heard and seen: as the real ones do, or at its best.

No web client gives what `SimTracks` is: a track for each person, known to be theirs from the start.
Zoom and Teams mix everybody into one track and light up who speaks (`MixedTrack`); Google Meet
hands three tracks from speaker to speaker (`SharedSlots`); whose a track is, is often learned
after a while (`LateOwners`). All of them show the people as lists that flicker (`RosterListing`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from random import Random

import numpy as np
from attrs import Factory, field, frozen

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore.model.roster import NameSource
from meetcore.model.signals import Signal, SpeakingIndicated, TrackAppeared, TrackIdentified
from meetcore.testing.script import FaultKind, Line, Script

__all__ = [
    "LateOwners",
    "MixedTrack",
    "RosterListing",
    "SharedSlots",
    "SimSound",
    "SimTracks",
]

CHUNK_S = 0.1
SILENT_CHUNK_S = 2.0


@frozen(kw_only=True)
class SimTracks:
    """A track for each person, known to be theirs from the start.

    Attributes:
        shared: The tracks that are there whoever is; none where everybody has their own.
    """

    shared: tuple[str, ...] = field(default=(), init=False)

    def appeared(self, track_id: str, participant_id: str | None = None) -> TrackAppeared:
        """Return what is told as a track opens."""
        return TrackAppeared(track_id, participant_id)

    def told(self, script: Script, random: Random) -> Iterator[tuple[float, Signal]]:
        """Yield what is told about who is heard, with when, in seconds on the script clock."""
        del script, random
        yield from ()

    def lines_on(self, script: Script, track_id: str) -> frozenset[int]:
        """Return the indices of the lines that are heard on a track."""
        who = track_id.partition(".")[0]
        return frozenset(i for i, line in enumerate(script.lines) if line.who == who)


@frozen(kw_only=True)
class LateOwners(SimTracks):
    """A track for each person; whose it is, is learned a while after it opened.

    Attributes:
        late_s: The shortest and the longest while, in seconds.
    """

    late_s: tuple[float, float] = (2.0, 20.0)

    def appeared(self, track_id: str, participant_id: str | None = None) -> TrackAppeared:
        """Return that a track opened, nobody knows whose."""
        del participant_id
        return TrackAppeared(track_id, None, name_source=NameSource.UNKNOWN)

    def told(self, script: Script, random: Random) -> Iterator[tuple[float, Signal]]:
        """Yield whose each track is, late."""
        for person in script.people:
            for number, visit in enumerate(person.visits, 1):
                track_id = person.id if number == 1 else f"{person.id}.{number}"
                at_s = visit.start_s + random.uniform(*self.late_s)
                yield at_s, TrackIdentified(track_id, person.id)


@frozen(kw_only=True)
class MixedTrack(SimTracks):
    """Everybody on one track, and an indicator of who speaks that is seen late.

    Attributes:
        late_s: How late an indication comes: evenly between two bounds, so that it may overtake
            an earlier one.
        timed: Whether it says when it was so, on the sound's clock.
    """

    shared: tuple[str, ...] = field(default=("mix",), init=False)
    late_s: tuple[float, float] = (0.05, 0.55)
    timed: bool = True

    def appeared(self, track_id: str, participant_id: str | None = None) -> TrackAppeared:
        """Return that the mix opened."""
        del participant_id
        return TrackAppeared(track_id, None, kind="mix")

    def told(self, script: Script, random: Random) -> Iterator[tuple[float, Signal]]:
        """Yield who begins and who stops to speak, late."""
        for _, line in script.audible_lines():
            for at_s, speaking in ((line.at_s, True), (line.end_s, False)):
                when = at_s if self.timed else None
                signal = SpeakingIndicated(line.who, speaking, at_s=when)
                yield at_s + random.uniform(*self.late_s), signal

    def lines_on(self, script: Script, track_id: str) -> frozenset[int]:
        """Return all of them."""
        return frozenset(range(len(script.lines)))


def _slots(count: int) -> tuple[str, ...]:
    return tuple(f"slot-{number}" for number in range(1, count + 1))


@frozen(kw_only=True)
class SharedSlots(SimTracks):
    """A few tracks that go from speaker to speaker; whose one is from when on is told late.

    Who speaks keeps the slot they had, or takes the one that was silent longest. Who finds none
    is not heard.

    Attributes:
        count: How many there are.
        late_s: How late it is told: evenly between two bounds.
    """

    count: int = 3
    late_s: tuple[float, float] = (0.05, 0.55)
    shared: tuple[str, ...] = field(
        default=Factory(lambda self: _slots(self.count), takes_self=True), init=False
    )

    def appeared(self, track_id: str, participant_id: str | None = None) -> TrackAppeared:
        """Return that a slot opened."""
        del participant_id
        return TrackAppeared(track_id, None, name_source=NameSource.UNKNOWN)

    def plan(self, script: Script) -> dict[int, str]:
        """Return the slot of each line, by its index; none for a line that nobody hears."""
        planned: dict[int, str] = {}
        holder: dict[str, str] = {}
        busy_until = dict.fromkeys(self.shared, -1.0)
        for index, line in script.audible_lines():
            free = [slot for slot in self.shared if busy_until[slot] <= line.at_s]
            own = [slot for slot in free if holder.get(slot) == line.who]
            if not free:
                continue
            slot = own[0] if own else min(free, key=lambda each: busy_until[each])
            planned[index], holder[slot], busy_until[slot] = slot, line.who, line.end_s
        return planned

    def told(self, script: Script, random: Random) -> Iterator[tuple[float, Signal]]:
        """Yield whose a slot becomes, late."""
        holder: dict[str, str] = {}
        for index, slot in self.plan(script).items():
            line = script.lines[index]
            if holder.get(slot) != line.who:
                holder[slot] = line.who
                signal = TrackIdentified(slot, line.who, confidence=0.95, since_s=line.at_s)
                yield line.at_s + random.uniform(*self.late_s), signal

    def lines_on(self, script: Script, track_id: str) -> frozenset[int]:
        """Return those that have the slot."""
        return frozenset(line for line, slot in self.plan(script).items() if slot == track_id)


@frozen(kw_only=True)
class RosterListing:
    """People are shown as whole lists, which flicker; who comes back has a new id.

    Attributes:
        every_s: How often there is a list, in seconds.
        missing: How often somebody is missing from one, 0 to 1.
        unwell: How often one lacks the bot itself, and more, 0 to 1.
        renames: Who is called what from when on: id, seconds on the script clock, name.
    """

    every_s: float = 1.0
    missing: float = 0.05
    unwell: float = 0.05
    renames: tuple[tuple[str, float, str], ...] = ()

    def name_of(self, person_id: str, name: str, at_s: float) -> str:
        """Return what somebody is called at a time."""
        for who, since_s, other in self.renames:
            if who == person_id and since_s <= at_s:
                name = other
        return name


class SimSound:
    """The sound of a script, piece by piece.

    Args:
        script: The script.
        speech: Gives the sound of a line, by index and line.
        tracks: On which tracks it is heard.
    """

    def __init__(
        self, script: Script, speech: Callable[[int, Line], Pcm], tracks: SimTracks
    ) -> None:
        self._script = script
        self._speech = speech
        self._tracks = tracks
        self._lines = list(enumerate(script.lines))
        self._lines_on = {each: tracks.lines_on(script, each) for each in tracks.shared}

    def next_stop(self, start: int, end: int) -> int:
        """Return where the next chunk ends: short ones around speech, long ones in silence."""
        start_s = start / SAMPLE_RATE_HZ
        quiet_until = start_s + SILENT_CHUNK_S
        for _, line in self._lines:
            if line.at_s - CHUNK_S <= start_s < line.end_s + 1.0:
                quiet_until = start_s + CHUNK_S
                break
            if line.at_s > start_s:
                quiet_until = min(quiet_until, max(line.at_s - CHUNK_S, start_s + CHUNK_S))
        return min(end, start + max(1, round((quiet_until - start_s) * SAMPLE_RATE_HZ)))

    def chunks(
        self, present: Mapping[str, str], muted: Collection[str], start: int, stop: int
    ) -> Iterator[Chunk]:
        """Yield a chunk of every track.

        Args:
            present: Who is there, with the track of their own.
            muted: Whose microphone is off.
            start: First sample.
            stop: The one after the last.
        """
        heard = [who for who in present if not self._dropped(who, start)]
        if not self._tracks.shared:
            for who in heard:
                track_id = present[who]
                yield Chunk(track_id, start, self._of(who, muted, start, stop))
            return
        for track_id in self._tracks.shared:
            mixed = np.zeros(stop - start, np.int32)
            for who in heard:
                mixed += self._of(who, muted, start, stop, track_id)
            yield Chunk(track_id, start, np.clip(mixed, -32768, 32767).astype(np.int16))

    def _dropped(self, person_id: str, start: int) -> bool:
        at_s = start / SAMPLE_RATE_HZ
        return any(
            fault.kind is FaultKind.DROPPED_AUDIO
            and fault.who == person_id
            and fault.at_s <= at_s < fault.at_s + (fault.for_s or 0.0)
            for fault in self._script.faults
        )

    def _of(
        self,
        person_id: str,
        muted: Collection[str],
        start: int,
        stop: int,
        track_id: str | None = None,
    ) -> Pcm:
        pcm = np.zeros(stop - start, np.int16)
        if person_id in muted:
            return pcm
        for index, line in self._lines:
            first = round(line.at_s * SAMPLE_RATE_HZ)
            if line.who != person_id or first >= stop:
                continue
            if track_id is not None and index not in self._lines_on[track_id]:
                continue
            speech = self._speech(index, line)
            a, b = max(start, first), min(stop, first + len(speech))
            if a < b:
                pcm[a - start : b - start] = speech[a - first : b - first]
        return pcm
