"""Who said which words, by all evidence there is: whose a track is, captions, timeline, voices.

In the order in which it is believed:

1. whose the track is (`SpeakerEvidence.own`). A device in a meeting room is one participant with
   several voices: where the transcriber tells two of them apart for long enough, each is cut from
   the others, and the participant stays who it is;
2. on a track that is nobody's, the platform's captions: the same words at the same time, under a
   name. They say it of words, where an indicator says it of moments;
3. the speaking timeline: for a voice that the transcriber told apart, over all its words in a row;
4. that voice, where 2 and 3 named it often enough before;
5. a name that a person gave to a voice. It is shown for a voice within a room, or for one that
   nothing of the above names;
6. nobody: unknown.

Pure: no clock, no I/O. What each of these gets wrong is in `docs/explanation/who-said-it.md`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import inf

from attrs import define, evolve, field, frozen

from meetcore.model.caption_names import CaptionNames
from meetcore.model.roster import NameSource, SpeakingTimeline, SpeechSpan, speech_shares
from meetcore.model.transcript import Word

__all__ = [
    "NOBODY",
    "AttributedWords",
    "Attribution",
    "SpeakerEvidence",
    "attribute",
    "label_in_stream",
]


@frozen
class Attribution:
    """Who a word or a segment belongs to, how that is known and how surely (0 to 1).

    `voice` is the transcriber's label for whose name is not enough, or not known; `name` is the
    one that a person gave to it.
    """

    participant_id: str | None
    source: NameSource
    confidence: float
    voice: str | None = None
    name: str | None = None


_STREAM = "~"


def label_in_stream(label: str, number: int) -> str:
    """Return a voice's label in the stream of that number of one track, from 1.

    A provider counts voices anew in each stream: its first voice need not be who it was before.
    """
    return label if number < 2 else f"{label}{_STREAM}{number}"


AttributedWords = list[tuple[Word, Attribution]]

NOBODY = Attribution(None, NameSource.UNKNOWN, 0.0)
VOICE_KNOWN_S = 2.0
VOICE_WORDS = 200
VOICE_IN_ROOM_S = 3.0
"""Seconds of words that make a label on one person's track a voice of its own."""

_BY_CAPTION = 0.9
_BY_NAMED_VOICE = 0.8


def attribute(spans: Iterable[SpeechSpan], start_s: float, end_s: float) -> Attribution:
    """Return who spoke most within [start_s, end_s] according to spans that touch it.

    The confidence is the winner's share of the stretch, divided among those who spoke
    over each other; nobody's share below a third makes a name.
    """
    length = max(end_s - start_s, 1e-3)
    spans = list(spans)
    shares = speech_shares(spans, start_s, end_s)
    if not shares:
        return NOBODY
    winner, seconds = max(shares.items(), key=lambda item: (item[1], item[0]))
    confidence = min(1.0, seconds / max(length, sum(shares.values())))
    if confidence < 1 / 3:
        return NOBODY
    source = next(span.source for span in spans if span.participant_id == winner)
    return Attribution(winner, source, round(confidence, 3))


@frozen
class _Owner:
    """Whose a track is from a time on."""

    since_s: float
    whose: Attribution


@define
class _TrackVoices:
    """The voices that the transcriber told apart on one track.

    `labels` has the label of each word by its times, `numbers` the labels in the order in which
    they were heard first, `rooms` how many seconds of words each label has by whose the track was.
    """

    labels: dict[tuple[float, float], str] = field(factory=dict)
    numbers: dict[str, int] = field(factory=dict)
    names: dict[str, str] = field(factory=dict)
    rooms: dict[str | None, Counter[str]] = field(factory=dict)


@define
class SpeakerEvidence:
    """All that is known of who speaks, and what follows for words.

    Args:
        timeline: Who spoke when, for tracks that mix several people.
    """

    timeline: SpeakingTimeline
    captions: CaptionNames = field(factory=CaptionNames)
    _mixes: set[str] = field(factory=set)
    _mix_of_all: str | None = None
    _owners: dict[str, list[_Owner]] = field(factory=dict)
    _voices: dict[tuple[str, str], deque[tuple[float, float]]] = field(factory=dict)
    _heard: dict[str, _TrackVoices] = field(factory=dict)

    # --- tracks -----------------------------------------------------------------------

    def mix(self, track_id: str, *, of_all: bool = False) -> None:
        """Say that several people are heard on a track, or all that are heard on any."""
        self._mixes.add(track_id)
        if of_all:
            self._mix_of_all = track_id

    def own(self, track_id: str, whose: Attribution, since_s: float | None = None) -> None:
        """Say whose a track is from a time on, up to the next time that is known.

        Args:
            track_id: The track.
            whose: Whose it is, and how that is known; nobody's, if that is taken back.
            since_s: Meeting time; None for as long as there is the track, whatever was said before.
        """
        owner = _Owner(-inf if since_s is None else since_s, whose)
        if since_s is None:
            self._owners[track_id] = [owner]
        else:
            owners = self._owners.setdefault(track_id, [])
            place = bisect_left(owners, owner.since_s, key=lambda each: each.since_s)
            same = place < len(owners) and owners[place].since_s == owner.since_s
            owners[place : place + same] = [owner]
        self._count_rooms(track_id)

    def owner(self, track_id: str, at_s: float = inf) -> Attribution:
        """Return whose a track is at a time, by default now."""
        owners = self._owners.get(track_id, [])
        place = bisect_right(owners, at_s, key=lambda each: each.since_s)
        return owners[place - 1].whose if place else NOBODY

    def knows(self, track_id: str, whose: Attribution, since_s: float | None) -> bool:
        """Whether `own` with the same would change nothing."""
        owners = self._owners.get(track_id, [])
        if since_s is None:
            return owners == [_Owner(-inf, whose)] or (not owners and whose == NOBODY)
        return _Owner(since_s, whose) in owners

    def at(self, track_id: str, start_s: float, end_s: float) -> Attribution:
        """Return who is heard on a track in a stretch of time, whatever the words are."""
        owner = self.owner(track_id, (start_s + end_s) / 2)
        if owner.participant_id is not None:
            return owner
        return attribute(self._heard_on(track_id, start_s, end_s), start_s, end_s)

    def _heard_on(self, track_id: str, start_s: float, end_s: float) -> Iterator[SpeechSpan]:
        """Yield the spans that may be of what a track carries.

        What an indicator says of another track is not. On a track that is one person's, unknown
        whose, it is nobody who is heard on a track of their own.
        """
        elsewhere = self._elsewhere(track_id, (start_s + end_s) / 2)
        for span in self.timeline.between(start_s, end_s):
            here = track_id == self._mix_of_all or span.track_id in (None, track_id)
            if here and span.participant_id not in elsewhere:
                yield span

    def _elsewhere(self, track_id: str, at_s: float) -> set[str | None]:
        """Return who cannot be on a track that is one person's: they have one of their own."""
        if track_id in self._mixes:
            return set()
        return {self.owner(other, at_s).participant_id for other in self._owners}

    # --- voices -----------------------------------------------------------------------

    def hear_voice(self, track_id: str, word: Word, label: str | None) -> None:
        """Take which voice said a finalized word, for the first time or corrected."""
        heard = self._heard.setdefault(track_id, _TrackVoices())
        stretch = (word.start_s, word.end_s)
        before = heard.labels.pop(stretch, None)
        if before is not None:
            self._count(heard, track_id, stretch, before, -1)
            known = self._voices.get((track_id, before))
            if known is not None and stretch in known:
                known.remove(stretch)
        if label:
            heard.labels[stretch] = label
            heard.numbers.setdefault(label, len(heard.numbers) + 1)
            self._count(heard, track_id, stretch, label, 1)
            recent = self._voices.setdefault((track_id, label), deque(maxlen=VOICE_WORDS))
            recent.append(stretch)

    def name_voice(self, track_id: str, voice: str, name: str | None) -> bool:
        """Give a name to a voice on a track, or take it back; return whether that is new."""
        names = self._heard[track_id].names
        before = names.pop(voice, None)
        if name:
            names[voice] = name
        return before != (name or None)

    def voices(self, track_id: str) -> tuple[str, ...]:
        """Return the labels that were heard on a track, in the order of their first words."""
        heard = self._heard.get(track_id)
        return tuple(heard.numbers) if heard else ()

    def number(self, track_id: str, voice: str) -> int:
        """Return which of the voices on a track one is, by the order of their first words."""
        return self._heard[track_id].numbers[voice]

    def room(self, track_id: str, participant_id: str | None) -> frozenset[str]:
        """Return the voices that are told apart on somebody's track: none, or two or more."""
        heard = self._heard.get(track_id)
        if heard is None or participant_id is None:
            return frozenset()
        spoken: Mapping[str, int] = heard.rooms.get(participant_id, {})
        long = [label for label, ms in spoken.items() if ms >= VOICE_IN_ROOM_S * 1000]
        # One person whose provider counts anew has two labels, but never two in one stream.
        streams = Counter(label.partition(_STREAM)[2] for label in long)
        return frozenset(label for label in long if streams[label.partition(_STREAM)[2]] > 1)

    def rooms(self, track_id: str) -> dict[str | None, frozenset[str]]:
        """Return the voices that are told apart on a track, by whose it was."""
        heard = self._heard.get(track_id)
        if heard is None:
            return {}
        return {who: voices for who in heard.rooms if (voices := self.room(track_id, who))}

    def _count(
        self,
        heard: _TrackVoices,
        track_id: str,
        stretch: tuple[float, float],
        label: str,
        times: int,
    ) -> None:
        who = self.owner(track_id, sum(stretch) / 2).participant_id
        spoken = heard.rooms.setdefault(who, Counter())
        spoken[label] += times * round((stretch[1] - stretch[0]) * 1000)

    def _count_rooms(self, track_id: str) -> None:
        heard = self._heard.get(track_id)
        if heard is not None:
            heard.rooms.clear()
            for stretch, label in heard.labels.items():
                self._count(heard, track_id, stretch, label, 1)

    # --- words ------------------------------------------------------------------------

    def runs(self, track_id: str, words: Sequence[Word]) -> list[AttributedWords]:
        """Return the words of an utterance in runs of one speaker, with who that is."""
        captioned = self._captioned(track_id, words)
        whose: AttributedWords = []
        if all(word.speaker and self._unowned(track_id, word) for word in words):
            at = 0
            for _, grouped in groupby(words, lambda word: word.speaker):
                run = list(grouped)
                voice = self._voice(track_id, run, captioned[at : at + len(run)])
                whose += [(word, voice) for word in run]
                at += len(run)
            # Each voice is a run, also where two in a row are one person's by what is known.
            labelled = groupby(whose, lambda pair: (pair[0].speaker, pair[1].participant_id))
            return [list(run) for _, run in labelled]
        for word, who in zip(words, captioned, strict=True):
            whose.append((word, self._word(track_id, word, who)))
        whose = _with_neighbours(whose)
        return [
            list(run)
            for _, run in groupby(whose, lambda pair: (pair[1].participant_id, pair[1].voice))
        ]

    def _word(self, track_id: str, word: Word, captioned: str | None) -> Attribution:
        owner = self.owner(track_id, (word.start_s + word.end_s) / 2)
        if owner.participant_id is not None:
            if word.speaker in self.room(track_id, owner.participant_id):
                name = self._heard[track_id].names.get(word.speaker)
                return evolve(owner, voice=word.speaker, name=name)
            return owner
        if captioned is not None:
            return Attribution(captioned, NameSource.CAPTION, _BY_CAPTION)
        return self.at(track_id, word.start_s, word.end_s)

    def _captioned(self, track_id: str, words: Sequence[Word]) -> list[str | None]:
        """Return for each word whose it is by the captions; nobody's where the track says it."""
        named = self.captions.speakers(words)
        for place, (word, who) in enumerate(zip(words, named, strict=True)):
            if who is not None:
                at_s = (word.start_s + word.end_s) / 2
                owned = self.owner(track_id, at_s).participant_id is not None
                if owned or who in self._elsewhere(track_id, at_s):
                    named[place] = None
        return named

    def _unowned(self, track_id: str, word: Word) -> bool:
        return self.owner(track_id, (word.start_s + word.end_s) / 2).participant_id is None

    def _voice(
        self, track_id: str, run: Sequence[Word], captioned: Sequence[str | None]
    ) -> Attribution:
        """Return who a stretch is by that the transcriber gave to one voice.

        Words under one label are one voice, so captions and timeline are asked for all of them.
        Where they say nothing, the voice is the person with whom it overlapped most of the time
        before.
        """
        said = Counter(who for who in captioned if who is not None)
        if said:
            who, count = max(said.items(), key=lambda item: (item[1], item[0]))
            if count > len(run) / 3 and count > said.total() / 2:
                return Attribution(who, NameSource.CAPTION, _BY_CAPTION)
        now = self._overlapped(track_id, [(word.start_s, word.end_s) for word in run])
        spoken_s = max(sum(word.end_s - word.start_s for word in run), 1e-3)
        if now:
            winner, seconds = max(now.items(), key=lambda item: (item[1], item[0]))
            confidence = min(1.0, seconds / max(spoken_s, sum(now.values())))
            if confidence >= 1 / 3:
                spans = self._heard_on(track_id, run[0].start_s, run[-1].end_s)
                source = next(span.source for span in spans if span.participant_id == winner)
                return Attribution(winner, source, round(confidence, 3))
        known = self._overlapped(track_id, self._voices.get((track_id, run[0].speaker or ""), ()))
        total_s = sum(known.values())
        if total_s < VOICE_KNOWN_S:
            return self._unnamed(track_id, run)
        winner, seconds = max(known.items(), key=lambda item: (item[1], item[0]))
        if seconds <= total_s / 2:
            return self._unnamed(track_id, run)
        return Attribution(winner, NameSource.DIARIZATION, round(seconds / total_s, 3))

    def _unnamed(self, track_id: str, run: Sequence[Word]) -> Attribution:
        """Return a voice that nothing names, or only a person did."""
        label = run[0].speaker or ""
        heard = self._heard.get(track_id)
        name = heard.names.get(label) if heard else None
        if name is None:
            return evolve(NOBODY, voice=label)
        return Attribution(None, NameSource.DIARIZATION, _BY_NAMED_VOICE, label, name)

    def _overlapped(
        self, track_id: str, stretches: Iterable[tuple[float, float]]
    ) -> dict[str, float]:
        """Return how many seconds of some stretches each participant spoke in."""
        total: dict[str, float] = {}
        for start_s, end_s in stretches:
            spans = self._heard_on(track_id, start_s, end_s)
            for who, seconds in speech_shares(spans, start_s, end_s).items():
                total[who] = total.get(who, 0.0) + seconds
        return total


def _with_neighbours(whose: AttributedWords) -> AttributedWords:
    """Give a word without length, that is nobody's, to whom the word beside it is.

    A transcriber that places a word before the voice began leaves it no time in which anybody
    could have spoken; it belongs to the word that begins, or else ended, at that moment.
    """
    given: AttributedWords = []
    for place, (word, by) in enumerate(whose):
        if by.participant_id is None and by.voice is None and word.end_s <= word.start_s:
            after = next((each for each in whose[place + 1 :] if each[0].end_s > word.end_s), None)
            before = given[-1] if given else None
            if after is not None and after[0].start_s <= word.end_s:
                by = after[1]
            elif before is not None and before[0].end_s >= word.start_s:
                by = before[1]
        given.append((word, by))
    return given
