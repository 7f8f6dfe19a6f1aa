"""What was recorded of somebody who was excluded afterwards is made silent. Blocks.

From the moment in which somebody is excluded nothing of theirs comes in. What came before is in
files that still grow, so it is taken out when they are complete, at the end or by recovery: silence
of the same length stands where they were heard. The mix is made anew from the tracks; where there
are none, and on a track that the platform mixed, everything is silent while they spoke.

Who transcribes a recording once more hears no more of them than the transcriber in the call did:
what was left out of the transcript while sound went on is silent for it, too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, pairwise
from math import inf
from pathlib import Path

import numpy as np
from attrs import define, evolve, field

from meetcore import (
    SAMPLE_RATE_HZ,
    Event,
    ParticipantExcluded,
    ParticipantJoined,
    ParticipantLeft,
    Pcm,
    RecordedTrack,
    SpeakingStarted,
    SpeakingStopped,
    SpeakingTimeline,
    TrackOpened,
    TrackOwnerIdentified,
    read_journal,
)
from meetcore.log import journal_path
from meetcore.model import ExcludedTimes
from meetcore_files.atomic import replace_atomically
from meetcore_files.audio_file import audio_file_class
from meetcore_files.media import RecordedMedia, sound_of
from meetcore_files.video_file import replace_sound

__all__ = ["ExcludedSound", "silence_excluded", "without_excluded"]

Stretch = tuple[float, float]
_AROUND_S = 0.5
_SMEARED_S = 0.13
"""How far a lossy encoder may spread a sound to either side: two frames of AAC at 16 kHz. It covers
the millisecond, too, to which the journal rounds times."""
_BLOCK = 10 * SAMPLE_RATE_HZ


@define
class ExcludedSound:
    """Where in a meeting's recordings somebody is heard who was excluded. A reducer.

    Attributes:
        due: Whether sound of theirs may have been recorded.
    """

    due: bool = False
    _times: ExcludedTimes = field(factory=ExcludedTimes)
    _owners: dict[str, list[tuple[float, str | None]]] = field(factory=dict)
    _mixes: set[str] = field(factory=set)
    _timeline: SpeakingTimeline = field(factory=SpeakingTimeline)
    _parted: set[str] = field(factory=set)
    _here: dict[str, list[Stretch]] = field(factory=dict)

    def take(self, event: Event) -> None:
        """Take one event of the journal."""
        if isinstance(event, TrackOpened):
            self._owners[event.track_id] = [(-inf, event.participant_id)]
            if event.kind == "mix":
                self._mixes.add(event.track_id)
        elif isinstance(event, TrackOwnerIdentified):
            self._identified(event)
        elif isinstance(event, SpeakingStarted):
            who, track_id = event.participant_id, event.track_id
            self._timeline.started(who, event.start_s, event.source, track_id)
        elif isinstance(event, SpeakingStopped):
            self._timeline.stopped(event.participant_id, event.end_s, event.track_id)
        elif isinstance(event, ParticipantJoined):
            at_s = -inf if event.meeting_s is None else event.meeting_s
            self._here.setdefault(event.participant.id, []).append((at_s, inf))
        elif isinstance(event, ParticipantLeft):
            if stays := self._here.get(event.participant_id):
                stays[-1] = (stays[-1][0], event.meeting_s or 0.0)
        else:
            self._times.take(event)
        if isinstance(event, ParticipantExcluded) and event.since_s is None:
            self.due = self.due or bool(self._owners)
            if "mix" not in event.remains:
                self._parted.add(event.participant_id)

    def _identified(self, event: TrackOwnerIdentified) -> None:
        owners = self._owners.setdefault(event.track_id, [(-inf, None)])
        if event.since_s is None:
            owners[:] = [(-inf, event.participant_id)]
        else:
            place = bisect_right(owners, event.since_s, key=lambda each: each[0])
            owners.insert(place, (event.since_s, event.participant_id))
        self.due = self.due or self._times.ever(event.participant_id)

    def on_track(self, track_id: str) -> list[Stretch]:
        """Return where somebody excluded is heard on a track, in seconds of meeting time."""
        if track_id in self._mixes:
            return self.spoken(self._parted)
        found: list[Stretch] = []
        owners = [*self._owners.get(track_id, []), (inf, None)]
        for (start_s, who), (end_s, _) in pairwise(owners):
            for first_s, last_s in self._times.stretches(who or ""):
                found.append((max(start_s, first_s), min(end_s, last_s)))
        return [(a, b) for a, b in found if a < b]

    def spoken(self, people: Iterable[str] | None = None) -> list[Stretch]:
        """Return where somebody excluded is known to have spoken, wherever that was heard."""
        wanted = None if people is None else set(people)
        found: list[Stretch] = []
        for span in self._timeline.spans:
            if wanted is not None and span.participant_id not in wanted:
                continue
            start_s = span.start_s - _AROUND_S
            end_s = inf if span.end_s is None else span.end_s + _AROUND_S
            for first_s, last_s in self._times.stretches(span.participant_id):
                found.append((max(start_s, first_s), min(end_s, last_s)))
        return [(a, b) for a, b in found if a < b]

    def left_out(self, track_id: str | None, *, nobodys: bool) -> list[Stretch]:
        """Return where sound of a track is nothing for a transcript.

        Args:
            track_id: The track; None for the mix that was made of all.
            nobodys: Whether that goes, too, of which nobody is known to have said it, on a track
                that the platform mixed, while somebody excluded was there.
        """
        if track_id in self._mixes or (track_id is None and self._mixes):
            return [*self.spoken(), *(self._nobodys() if nobodys else ())]
        return [] if track_id is None else self.on_track(track_id)

    def _nobodys(self) -> Iterator[Stretch]:
        others = sorted(
            (span.start_s - _AROUND_S, inf if span.end_s is None else span.end_s + _AROUND_S)
            for span in self._timeline.spans
            if not self._times.during(span.participant_id, span.start_s, span.start_s)
        )
        for who in self._times.ever_excluded:
            for first_s, last_s in self._times.stretches(who):
                for start_s, end_s in self._here.get(who, [(-inf, inf)]):
                    yield from _rest(max(first_s, start_s), min(last_s, end_s), others)
        for first_s, last_s in self._times.by_name_alone:  # when they are there nobody knows
            yield from _rest(first_s, last_s, others)


def _rest(start_s: float, end_s: float, taken: Iterable[Stretch]) -> Iterator[Stretch]:
    """Yield what is left of a stretch without others, which are sorted."""
    for first_s, last_s in taken:
        if first_s >= end_s:
            break
        if start_s < first_s:
            yield start_s, first_s
        start_s = max(start_s, last_s)
    if start_s < end_s:
        yield start_s, end_s


def journal_of(folder: Path | None) -> Path | None:
    """Return the journal of the bot whose recordings a folder has, None where there is none."""
    places = [] if folder is None else [journal_path(folder), journal_path(folder.parent)]
    return next((place for place in places if place.is_file()), None)


def without_excluded(recording: RecordedMedia, *, nobodys: bool) -> tuple[RecordedTrack, ...]:
    """Return a recording's tracks, silent where people who were excluded are heard.

    Args:
        recording: What is transcribed; only a bot's has a journal that says who was excluded.
        nobodys: See `ExcludedSound.left_out`.

    Raises:
        JournalDamaged: It cannot be known who was excluded.
        OSError: The journal cannot be read.
    """
    journal = journal_of(recording.folder)
    if journal is None:
        return recording.tracks
    excluded = ExcludedSound()
    for event in read_journal(journal):
        excluded.take(event)

    def heard(track: RecordedTrack) -> RecordedTrack:
        where = excluded.left_out(None if track.several else track.track_id, nobodys=nobodys)
        return evolve(track, pcm=partial(_silent_where, track.pcm, where)) if where else track

    return tuple(map(heard, recording.tracks))


def _silent_where(pcm: Callable[[], Iterator[Pcm]], where: Sequence[Stretch]) -> Iterator[Pcm]:
    return _silenced(pcm(), where)


def silence_excluded(
    tracks: Mapping[str, Path],
    mix: Path | None,
    excluded: ExcludedSound,
    bit_rate_kbps: int,
    tags: Mapping[str | None, Mapping[str, str]],
    video: Path | None = None,
) -> int:
    """Take what was recorded of excluded people out of complete recordings.

    Args:
        tracks: The file of each track.
        mix: The file with all of them together.
        excluded: Where they are heard.
        bit_rate_kbps: Of what is encoded again.
        tags: The tags of each track's file, and for None those of the mix.
        video: The file with picture and sound, which has all of them, too; its picture stays.

    Returns:
        How many files were written anew.

    Raises:
        OSError: A file cannot be written; it is as it was.
        MediaUnreadable: One cannot be read.
    """
    changed = 0
    for track_id, path in tracks.items():
        stretches = excluded.on_track(track_id)
        if stretches:
            wider = [(a - _SMEARED_S, b + _SMEARED_S) for a, b in stretches]
            sound = _silenced(sound_of(str(path)), wider)
            _write(path, sound, bit_rate_kbps, tags.get(track_id, {}))
            changed += 1
    if mix is not None:
        if tracks:
            mixed = _mixed([sound_of(str(path)) for path in tracks.values()])
        else:
            mixed = _silenced(sound_of(str(mix)), excluded.spoken())
        _write(mix, mixed, bit_rate_kbps, tags.get(None, {}))
        changed += 1
    if video is not None:
        if mix is not None:
            mixed = sound_of(str(mix))
        elif tracks:
            mixed = _mixed([sound_of(str(path)) for path in tracks.values()])
        else:
            mixed = _silenced(sound_of(str(video)), excluded.spoken())
        replace_sound(video, mixed)
        changed += 1
    return changed


def _silenced(blocks: Iterable[Pcm], stretches: Sequence[Stretch]) -> Iterator[Pcm]:
    at, apart, passed = 0, _apart(stretches), 0
    for block in blocks:
        pcm, end = block, at + len(block)
        while passed < len(apart) and apart[passed][1] * SAMPLE_RATE_HZ <= at:
            passed += 1
        for start_s, end_s in islice(apart, passed, None):
            first = max(0.0, start_s * SAMPLE_RATE_HZ - at)
            last = min(float(len(block)), end_s * SAMPLE_RATE_HZ - at)
            if first >= len(block):
                break
            if first < last:
                pcm = pcm.copy() if pcm is block else pcm
                pcm[int(first) : int(np.ceil(last))] = 0
        yield pcm
        at = end


def _apart(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the same stretches in order, with those that overlap made one."""
    apart: list[Stretch] = []
    for start_s, end_s in sorted(stretches):
        if apart and start_s <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(apart[-1][1], end_s))
        else:
            apart.append((start_s, end_s))
    return apart


def _mixed(tracks: Sequence[Iterator[Pcm]]) -> Iterator[Pcm]:
    """Yield the sum of tracks that all begin with the meeting, ten seconds at a time."""
    left: list[Pcm] = [np.zeros(0, np.int16) for _ in tracks]
    while True:
        total = np.zeros(_BLOCK, np.int32)
        longest = 0
        for place, track in enumerate(tracks):
            pieces, samples = [left[place]], len(left[place])
            while samples < _BLOCK and (block := next(track, None)) is not None:
                pieces.append(block)
                samples += len(block)
            pcm = np.concatenate(pieces)
            left[place], pcm = pcm[_BLOCK:], pcm[:_BLOCK]
            total[: len(pcm)] += pcm
            longest = max(longest, len(pcm))
        if not longest:
            return
        yield np.clip(total[:longest], -32768, 32767).astype(np.int16)


def _write(path: Path, sound: Iterator[Pcm], bit_rate_kbps: int, tags: Mapping[str, str]) -> None:
    """Write a recording anew, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    kind = audio_file_class(path.suffix.removeprefix("."))
    try:
        file = kind(part, bit_rate_kbps, tags)
        try:
            for block in sound:
                file.write(block)
        finally:
            file.close()
        replace_atomically(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
