"""From a transcriber's hypotheses to segments: ids, revisions, and who said it.

How surely it is known who said it comes with each segment (law 10); how it follows from evidence
is in `meetcore.model.attribution`. What nothing covers stays unknown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from math import inf

from attrs import define, evolve, field

from meetcore.model.attribution import (
    NOBODY,
    AttributedWords,
    Attribution,
    SpeakerEvidence,
    attribute,
)
from meetcore.model.caption_names import NamedLine
from meetcore.model.plain import rounded_s
from meetcore.model.roster import NameSource, Roster, SpeakingTimeline
from meetcore.model.transcript import Hypothesis, Segment, Word, spoken_order

__all__ = ["NOBODY", "Attribution", "TranscriptAssembler", "attribute"]


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
    evidence: SpeakerEvidence = field(init=False)
    _revisions: dict[str, int] = field(factory=dict)
    _onsets: dict[str, float] = field(factory=dict)
    _utterances: dict[str, _CutUtterance] = field(factory=dict)
    _labels: dict[str, dict[float, str | None]] = field(factory=dict)
    _by_track: dict[str, list[_CutUtterance]] = field(factory=dict)
    _due: dict[str, None] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Gather evidence about who speaks beside the timeline."""
        self.evidence = SpeakerEvidence(self.timeline)

    # --- evidence ---------------------------------------------------------------------

    def mix(self, track_id: str, *, of_all: bool = False) -> None:
        """Say that several people are heard on a track, or all that are heard on any."""
        self.evidence.mix(track_id, of_all=of_all)

    def own(self, track_id: str, whose: Attribution, since_s: float | None = None) -> None:
        """Say whose a track is from a time on; see `SpeakerEvidence.own`."""
        rooms = self.evidence.rooms(track_id)
        self.evidence.own(track_id, whose, since_s)
        self._rooms_since(track_id, rooms)

    def owner(self, track_id: str, at_s: float = inf) -> Attribution:
        """Return whose a track is at a time, by default now."""
        return self.evidence.owner(track_id, at_s)

    def knows(self, track_id: str, whose: Attribution, since_s: float | None) -> bool:
        """Whether `own` with the same would change nothing."""
        return self.evidence.knows(track_id, whose, since_s)

    def name_voice(self, track_id: str, voice: str, name: str | None) -> bool:
        """Give a name to a voice on a track, or take it back; return whether that is new."""
        if not self.evidence.name_voice(track_id, voice, name):
            return False
        self._due.update(dict.fromkeys(self.outdated(track_id, None)))
        return True

    def captioned(self, line: NamedLine) -> None:
        """Take a finished line of captions, or a later revision of one, as evidence for names."""
        since_s = self.evidence.captions.take(line)
        if since_s is not None:
            self._due.update(dict.fromkeys(self.outdated(None, since_s)))

    def _rooms_since(self, track_id: str, before: dict[str | None, frozenset[str]]) -> None:
        if self.evidence.rooms(track_id) != before:
            self._due.update(dict.fromkeys(self.outdated(track_id, None)))

    def due(self) -> list[str]:
        """Return, once, the ids of utterances that what was taken since says something new of."""
        due = list(self._due)
        self._due.clear()
        return due

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
            evolve(w, start_s=rounded_s(w.start_s + offset_s), end_s=rounded_s(w.end_s + offset_s))
            for w in hypothesis.words
        )
        start_s, end_s = self._bounds(hypothesis, words, offset_s)
        utterance = _CutUtterance(key, track_id, start_s, end_s)
        if hypothesis.final:
            self._remember(utterance)
            rooms = self.evidence.rooms(track_id)
            for word in words:
                if word.speaker:
                    self.evidence.hear_voice(track_id, word, word.speaker)
            self._rooms_since(track_id, rooms)
            self._due.pop(key, None)
        text = hypothesis.text.strip()
        if not text and not words:
            return []
        whole = self._segment(utterance, hypothesis, text, words)
        if not hypothesis.final or not words:
            whose = self.evidence.at(track_id, start_s, end_s)
            utterance.cut[utterance.new_id()] = whose
            return [self._said_by(whole, whose)]
        segments = []
        runs = self.evidence.runs(track_id, words)
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
        rooms = self.evidence.rooms(track_id)
        for word in hypothesis.words:
            start_s, end_s = rounded_s(word.start_s + offset_s), rounded_s(word.end_s + offset_s)
            labels[start_s] = word.speaker
            moved = evolve(word, start_s=start_s, end_s=end_s)
            self.evidence.hear_voice(track_id, moved, word.speaker)
        self._rooms_since(track_id, rooms)
        return labels != before

    def _remember(self, utterance: _CutUtterance) -> None:
        self._utterances[utterance.id] = utterance
        known = self._by_track.setdefault(utterance.track_id, [])
        known.insert(bisect_right(known, utterance.end_s, key=lambda u: u.end_s), utterance)

    @staticmethod
    def _bounds(
        hypothesis: Hypothesis, words: Sequence[Word], offset_s: float
    ) -> tuple[float, float]:
        if words:
            return words[0].start_s, words[-1].end_s
        start = (hypothesis.start_s or 0.0) + offset_s
        end = (hypothesis.end_s if hypothesis.end_s is not None else start - offset_s) + offset_s
        return rounded_s(start), rounded_s(max(start, end))

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
            speaker_name=self._name(segment.track_id, whose),
            voice=whose.voice,
            speaker_source=whose.source,
            speaker_confidence=whose.confidence,
        )

    def _name(self, track_id: str, whose: Attribution) -> str | None:
        name = whose.name or self.roster.name_of(whose.participant_id)
        if whose.name or not name or whose.voice is None:
            return name
        return f"{name} · speaker {self.evidence.number(track_id, whose.voice)}"

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
        runs = self.evidence.runs(utterance.track_id, words)
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
                echo_of=None,
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
            whose = self.evidence.at(utterance.track_id, segment.start_s, segment.end_s)
            if not _same(utterance.cut[segment.id], whose):
                utterance.cut[segment.id] = whose
                again = evolve(segment, revision=segment.revision + 1, correction=True)
                yield self._said_by(again, whose)


def _taken(
    utterance_id: str,
    runs: Iterable[AttributedWords],
    visible: Iterable[Segment],
    shown: Iterable[Segment],
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


def _together(run: AttributedWords) -> Attribution:
    first = run[0][1]
    confidence = sum(whose.confidence for _, whose in run) / len(run)
    return evolve(first, confidence=round(confidence, 3))


def _same(before: Attribution, now: Attribution) -> bool:
    return evolve(before, confidence=now.confidence) == now


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
