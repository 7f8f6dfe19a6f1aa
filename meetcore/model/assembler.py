"""From a transcriber's hypotheses to segments: ids, revisions, and who said it.

How surely it is known who said it comes with each segment (law 10): by whose the track is, or by
the speaking timeline over a mix, or by a voice that the transcriber told apart and the timeline
named before; what nothing covers stays unknown.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import inf

from attrs import define, evolve, field, frozen

from meetcore.model.roster import (
    NameSource,
    Roster,
    SpeakingTimeline,
    SpeechSpan,
    speech_shares,
)
from meetcore.model.transcript import Hypothesis, Segment, Word, spoken_order

__all__ = ["NOBODY", "Attribution", "TranscriptAssembler", "attribute"]


@frozen
class Attribution:
    """Who a word or a segment belongs to, how that is known and how surely (0 to 1)."""

    participant_id: str | None
    source: NameSource
    confidence: float


NOBODY = Attribution(None, NameSource.UNKNOWN, 0.0)
VOICE_KNOWN_S = 2.0
VOICE_WORDS = 200


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
class _CutUtterance:
    """What is remembered of a finalized utterance: where it lies, and how it was cut."""

    id: str
    track_id: str
    start_s: float
    end_s: float
    cut: dict[str, Attribution] = field(factory=dict)
    count: int = 0

    def new_id(self) -> str:
        self.count += 1
        return self.id if self.count == 1 else f"{self.id}.{self.count - 1}"


_Run = list[tuple[Word, Attribution]]


@define
class TranscriptAssembler:
    """Turns hypotheses into segments with ids, revisions and speakers. Pure: no clock, no I/O.

    A finalized utterance is cut into a segment per speaker, by whose the track is at each word
    and, where that is not known, by the timeline. Better evidence may come when that was done:
    `outdated` says which utterances it concerns, `recut` how they are cut by it.

    Args:
        roster: Names of participants.
        timeline: Who spoke when, for tracks that mix several people.
    """

    roster: Roster
    timeline: SpeakingTimeline
    _mixes: set[str] = field(factory=set)
    _mix_of_all: str | None = None
    _owners: dict[str, list[_Owner]] = field(factory=dict)
    _revisions: dict[str, int] = field(factory=dict)
    _onsets: dict[str, float] = field(factory=dict)
    _utterances: dict[str, _CutUtterance] = field(factory=dict)
    _voices: dict[tuple[str, str], deque[tuple[float, float]]] = field(factory=dict)
    _labels: dict[str, dict[float, str | None]] = field(factory=dict)
    _by_track: dict[str, list[_CutUtterance]] = field(factory=dict)

    # --- evidence ---------------------------------------------------------------------

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
            return
        owners = self._owners.setdefault(track_id, [])
        place = bisect_left(owners, owner.since_s, key=lambda each: each.since_s)
        same = place < len(owners) and owners[place].since_s == owner.since_s
        owners[place : place + same] = [owner]

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

    def _whose(self, track_id: str, start_s: float, end_s: float) -> Attribution:
        owner = self.owner(track_id, (start_s + end_s) / 2)
        if owner.participant_id is not None:
            return owner
        return attribute(self._heard_on(track_id, start_s, end_s), start_s, end_s)

    def _heard_on(self, track_id: str, start_s: float, end_s: float) -> Iterator[SpeechSpan]:
        """Yield the spans that may be of what a track carries.

        What an indicator says of another track is not. On a track that is one person's, unknown
        whose, it is nobody who is heard on a track of their own.
        """
        elsewhere: set[str | None] = set()
        if track_id not in self._mixes:
            middle = (start_s + end_s) / 2
            elsewhere = {self.owner(other, middle).participant_id for other in self._owners}
        for span in self.timeline.between(start_s, end_s):
            here = track_id == self._mix_of_all or span.track_id in (None, track_id)
            if here and span.participant_id not in elsewhere:
                yield span

    # --- from hypotheses --------------------------------------------------------------

    def take(self, track_id: str, hypothesis: Hypothesis, offset_s: float = 0.0) -> list[Segment]:
        """Turn one hypothesis into segments: none, one, or, where it is final, one per speaker.

        Args:
            track_id: The track the utterance was heard on.
            hypothesis: What the transcriber believes.
            offset_s: Added to its times, to get from the call's sample clock to meeting time.

        Returns:
            The segments to publish: empty for stale revisions, repeated finals and empty
            drafts. A final hypothesis without text gives none.
        """
        key = hypothesis.utterance_id
        if key in self._utterances:
            return []
        if hypothesis.revision < self._revisions.get(key, 0) and not hypothesis.final:
            return []
        self._revisions[key] = max(hypothesis.revision, self._revisions.get(key, 0) + 1)
        words = tuple(
            evolve(w, start_s=round(w.start_s + offset_s, 3), end_s=round(w.end_s + offset_s, 3))
            for w in hypothesis.words
        )
        start_s, end_s = self._bounds(hypothesis, words, offset_s)
        utterance = _CutUtterance(key, track_id, start_s, end_s)
        if hypothesis.final:
            self._remember(utterance)
            for word in words:
                if word.speaker:
                    self._heard_voice(track_id, word)
        text = hypothesis.text.strip()
        if not text and not words:
            return []
        whole = self._segment(utterance, hypothesis, text, words)
        if not hypothesis.final or not words:
            whose = self._whose(track_id, start_s, end_s)
            utterance.cut[utterance.new_id()] = whose
            return [self._said_by(whole, whose)]
        segments = []
        runs = self._runs(track_id, words)
        for run in runs:
            part_id, part = utterance.new_id(), tuple(word for word, _ in run)
            whose = utterance.cut[part_id] = _together(run)
            if len(runs) == 1:
                segments.append(self._said_by(whole, whose))
                continue
            segment = evolve(
                whole,
                id=part_id,
                text=" ".join(word.text for word in part),
                words=part,
                start_s=part[0].start_s,
                end_s=part[-1].end_s,
                onset_s=whole.onset_s if part_id == key else part[0].start_s,
            )
            segments.append(self._said_by(segment, whose))
        return segments

    def _heard_voice(self, track_id: str, word: Word) -> None:
        voice = self._voices.setdefault((track_id, word.speaker or ""), deque(maxlen=VOICE_WORDS))
        voice.append((word.start_s, word.end_s))

    def relabel(self, track_id: str, hypothesis: Hypothesis, offset_s: float = 0.0) -> bool:
        """Take a correction of which voice said which words of a finalized utterance.

        Text and times stay as they are: only the labels of words that begin where a word of the
        correction does are changed, at the next `recut`.

        Args:
            track_id: The track the utterance was heard on.
            hypothesis: A final one with the words whose labels are corrected.
            offset_s: Added to its times, as in `take`.

        Returns:
            Whether the utterance is known, and a label is given that it was not before.
        """
        if not hypothesis.final or hypothesis.utterance_id not in self._utterances:
            return False
        labels = self._labels.setdefault(hypothesis.utterance_id, {})
        before = dict(labels)
        for word in hypothesis.words:
            start_s, end_s = round(word.start_s + offset_s, 3), round(word.end_s + offset_s, 3)
            labels[start_s] = word.speaker
            for (track, _), stretches in self._voices.items():
                if track == track_id and (start_s, end_s) in stretches:
                    stretches.remove((start_s, end_s))
            if word.speaker:
                self._heard_voice(track_id, evolve(word, start_s=start_s, end_s=end_s))
        return labels != before

    def _remember(self, utterance: _CutUtterance) -> None:
        self._utterances[utterance.id] = utterance
        known = self._by_track.setdefault(utterance.track_id, [])
        known.insert(bisect_right(known, utterance.end_s, key=lambda u: u.end_s), utterance)

    def _runs(self, track_id: str, words: Iterable[Word]) -> list[_Run]:
        words = list(words)
        if all(word.speaker and self._unowned(track_id, word) for word in words):
            voices = [list(run) for _, run in groupby(words, lambda word: word.speaker)]
            named = [(run, self._voice(track_id, run)) for run in voices]
            return [[(word, whose) for word in run] for run, whose in named]
        whose = [(word, self._whose(track_id, word.start_s, word.end_s)) for word in words]
        return [list(run) for _, run in groupby(whose, lambda pair: pair[1].participant_id)]

    def _unowned(self, track_id: str, word: Word) -> bool:
        return self.owner(track_id, (word.start_s + word.end_s) / 2).participant_id is None

    def _voice(self, track_id: str, run: Sequence[Word]) -> Attribution:
        """Return who a stretch is by that the transcriber gave to one voice.

        Words under one label are one voice, so the timeline is asked for all of them. Where it
        says nothing, the voice is the person with whom it overlapped most of the time before.
        """
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
            return NOBODY
        winner, seconds = max(known.items(), key=lambda item: (item[1], item[0]))
        if seconds <= total_s / 2:
            return NOBODY
        return Attribution(winner, NameSource.DIARIZATION, round(seconds / total_s, 3))

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

    @staticmethod
    def _bounds(
        hypothesis: Hypothesis, words: Sequence[Word], offset_s: float
    ) -> tuple[float, float]:
        if words:
            return words[0].start_s, words[-1].end_s
        start = (hypothesis.start_s or 0.0) + offset_s
        end = (hypothesis.end_s if hypothesis.end_s is not None else start - offset_s) + offset_s
        return round(start, 3), round(max(start, end), 3)

    def _segment(
        self, utterance: _CutUtterance, hypothesis: Hypothesis, text: str, words: tuple[Word, ...]
    ) -> Segment:
        onset_s = self._onsets.setdefault(utterance.id, utterance.start_s)
        if hypothesis.final:
            del self._onsets[utterance.id]
        return Segment(
            id=utterance.id,
            revision=self._revisions[utterance.id],
            finalized=hypothesis.final,
            track_id=utterance.track_id,
            participant_id=None,
            speaker_name=None,
            speaker_source=NameSource.UNKNOWN,
            speaker_confidence=0.0,
            text=text or " ".join(word.text for word in words),
            words=words,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            confidence=hypothesis.confidence,
            language=hypothesis.language,
            onset_s=onset_s,
        )

    def _said_by(self, segment: Segment, whose: Attribution) -> Segment:
        return evolve(
            segment,
            participant_id=whose.participant_id,
            speaker_name=self.roster.name_of(whose.participant_id),
            speaker_source=whose.source,
            speaker_confidence=whose.confidence,
        )

    # --- better evidence --------------------------------------------------------------

    def outdated(self, track_id: str | None, since_s: float | None) -> Iterator[str]:
        """Yield the ids of finalized utterances that evidence from `since_s` on may concern.

        Args:
            track_id: The track that it is about; None for any.
            since_s: Meeting time; None for all that was said.
        """
        tracks = list(self._by_track) if track_id is None else [track_id]
        for each in tracks:
            for utterance in reversed(self._by_track.get(each, [])):
                if since_s is not None and utterance.end_s <= since_s:
                    break
                yield utterance.id

    def parts(self, utterance_id: str) -> list[str]:
        """Return the ids of all segments that an utterance was ever cut into."""
        return list(self._utterances[utterance_id].cut)

    def recut(self, utterance_id: str, shown: Sequence[Segment]) -> list[Segment]:
        """Cut a finalized utterance again by what is known now.

        It is made of what was shown, not of what was recognised: what a reviser took out does not
        come back. A run of words by one speaker stays the segment that began where it begins;
        other runs take the segments that are left, in order, then new ones; a segment that no run
        takes is withdrawn. So an id keeps its place in the text, and nothing is shown twice.

        Args:
            utterance_id: The utterance.
            shown: The newest revision of each of its segments that was shown.

        Returns:
            The next revision of each segment that changes, withdrawn ones last.
        """
        utterance = self._utterances[utterance_id]
        visible = sorted((s for s in shown if not s.withdrawn), key=spoken_order)
        if not all(segment.words for segment in visible):
            return [*self._named_again(utterance, visible)]
        labels = self._labels.get(utterance_id, {})
        words = [word for segment in visible for word in segment.words]
        words = [
            evolve(w, speaker=labels.get(w.start_s, w.speaker)) if labels else w for w in words
        ]
        runs = self._runs(utterance.track_id, words)
        known = {segment.id: segment for segment in shown}
        taken = _taken(utterance.id, runs, visible, shown)
        changed: list[Segment] = []
        for run, part_id in zip(runs, taken, strict=True):
            whose, part = _together(run), tuple(word for word, _ in run)
            part_id = part_id or utterance.new_id()
            before, named = known.get(part_id), utterance.cut.get(part_id)
            if before is not None and before.words == part and named and _same(named, whose):
                continue
            utterance.cut[part_id] = whose
            segment = evolve(
                before or visible[0],
                id=part_id,
                revision=before.revision + 1 if before else 1,
                correction=True,
                text=_text_of(part, visible),
                words=part,
                start_s=part[0].start_s,
                end_s=part[-1].end_s,
                onset_s=before.onset_s if before else part[0].start_s,
            )
            changed.append(self._said_by(segment, whose))
        withdrawn = [segment for segment in visible if segment.id not in taken]
        return [*changed, *(segment.without_text() for segment in withdrawn)]

    def _named_again(
        self, utterance: _CutUtterance, visible: Iterable[Segment]
    ) -> Iterator[Segment]:
        """Yield what changes of segments that cannot be cut, since not all of them have words."""
        for segment in visible:
            whose = self._whose(utterance.track_id, segment.start_s, segment.end_s)
            if not _same(utterance.cut[segment.id], whose):
                utterance.cut[segment.id] = whose
                again = evolve(segment, revision=segment.revision + 1, correction=True)
                yield self._said_by(again, whose)


def _taken(
    utterance_id: str, runs: Iterable[_Run], visible: Iterable[Segment], shown: Iterable[Segment]
) -> list[str | None]:
    """Return for each run of words the id of the segment it becomes, None for a new one."""
    began: dict[float | None, str] = {}
    for segment in shown:
        # Of the first, `onset_s` may be a draft's; of the others it is a word's.
        first = segment.id == utterance_id
        began[segment.start_s if first else segment.onset_s] = segment.id
    taken = [began.pop(run[0][0].start_s, None) for run in runs]
    left = iter([segment.id for segment in visible if segment.id not in taken])
    return [part_id or next(left, None) for part_id in taken]


def _together(run: _Run) -> Attribution:
    first = run[0][1]
    confidence = sum(whose.confidence for _, whose in run) / len(run)
    return Attribution(first.participant_id, first.source, round(confidence, 3))


def _same(before: Attribution, now: Attribution) -> bool:
    return (before.participant_id, before.source) == (now.participant_id, now.source)


def _unlabelled(words: tuple[Word, ...]) -> list[tuple[str, float, float]]:
    return [(word.text, word.start_s, word.end_s) for word in words]


def _text_of(part: tuple[Word, ...], shown: Iterable[Segment]) -> str:
    """Return the text of words: that of the segments they are, else their own."""
    texts, left = [], part
    for segment in shown:
        if _unlabelled(left[: len(segment.words)]) == _unlabelled(segment.words):
            texts.append(segment.text)
            left = left[len(segment.words) :]
    return " ".join([word.text for word in part] if left else texts)
