"""Echo: the same words on two tracks at the same time are one person's, and are shown once.

A second device in the same room, or an open loudspeaker, brings what somebody says on another
track too, a little earlier or later. A person who repeats or answers does so after it was said. So
a segment is another track's echo only where all of this holds:

* it has at least `ECHO_WORDS` words, three of them different: short answers are answers;
* four in five of its words are the other track's, in the same order, each within `ECHO_LAG_S`, and
  all by nearly the same lag, that is less than half as long as the segment;
* each word that is another one has a word of the other track at its time: two recognitions of one
  sound differ in words, not in what is there. A word more is somebody's own.

Of two that are each other's echo the one that was recognised less surely goes, else the later one.
What goes refers to what stays (`Segment.echo_of`), and that is never taken for an echo itself, so
of any words that were said one copy stays shown.

The bot's own voice comes back the same way, up to two seconds late, and when each of its words
was said is known less well. What it said always stays, however little is heard of it elsewhere; on
a track that is known to bring it back, a single word of it goes.

Pure: no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from math import inf
from statistics import mean, median

from attrs import define, field, frozen

from meetcore.model.transcript import Segment, Word, spoken_form, spoken_order

__all__ = ["ECHO_LAG_S", "ECHO_WORDS", "EchoFilter"]

ECHO_WORDS = 4
ECHO_LAG_S = 1.0
_OWN_LAG_S = 2.5
_OWN_STEADY_S = 0.8
_OWN_LEAST_LAG_S = 0.6
_DIFFERENT = 3
_ALIKE = 0.8
_STEADY_S = 0.3
_SURER = 0.05
_KEPT_S = 600.0


@frozen
class _Covered:
    """How a segment's words lie in those of another track."""

    by: tuple[str, ...]
    lag_s: float


@define
class EchoFilter:
    """Takes finalized segments as they come and takes echoes out of them."""

    _shown: dict[str, dict[str, Segment]] = field(factory=dict)
    _own: dict[str, Segment] = field(factory=dict)
    _kept: list[tuple[str, float, float]] = field(factory=list)
    _newest_s: float = -inf

    def own(self, segment: Segment) -> list[Segment]:
        """Take what the bot itself said, or what of it so far: withdraw what is shown of its echo.

        Returns:
            What was taken for somebody's, withdrawn.
        """
        self._own[segment.id] = segment
        before_s = segment.end_s - _KEPT_S
        self._own = {key: each for key, each in self._own.items() if each.end_s > before_s}
        echoes = [
            each
            for track_id in self._shown
            for each in self._near(track_id, segment, _OWN_LAG_S)
            if self._is_own(each, echoing=False)
        ]
        for echo in echoes:
            del self._shown[echo.track_id][echo.id]
        return [echo.without_text(echo_of=segment.id) for echo in echoes]

    def _is_own(self, segment: Segment, *, echoing: bool) -> str | None:
        """Return the id of what the bot said, if a segment is its echo."""
        near = [
            each
            for each in self._own.values()
            if each.start_s < segment.end_s + _OWN_LEAST_LAG_S
            and each.end_s > segment.start_s - _OWN_LAG_S
        ]
        if not near:
            return None
        covered = _covered_by_own(segment.words, sorted(near, key=spoken_order), echoing=echoing)
        return covered.by[0] if covered else None

    def take(self, segment: Segment, *, echoing: bool = False) -> list[Segment]:
        """Take a finalized segment, or a later revision of one.

        Args:
            segment: It.
            echoing: Whether its track is known to bring the bot's own voice back.

        Returns:
            What is to be shown instead: the segment, then withdrawn ones that turn out to be its
            echoes; or the segment withdrawn, as an echo of another.
        """
        if segment.correction:
            self._update(segment)
            return [segment]
        if (own := self._is_own(segment, echoing=echoing)) is not None:
            return [segment.without_text(echo_of=own)]
        others = [track for track in self._shown if track != segment.track_id]
        echoes: list[Segment] = []
        for track_id in others:
            near = self._near(track_id, segment)
            covered = _covered(segment.words, near)
            if covered is None:
                echoes += [each for each in near if _covered(each.words, [segment])]
                continue
            originals = [each for each in near if each.id in covered.by]
            mutual = all(_covered(each.words, [segment]) for each in originals)
            if mutual and not self._keeps(originals) and _better(segment, originals, covered):
                echoes += originals
                continue
            for each in originals:
                self._kept.append((track_id, each.start_s, each.end_s))
            return [segment.without_text(echo_of=covered.by[0])]
        echoes = [each for each in echoes if not self._keeps([each])]
        if echoes:
            self._kept.append((segment.track_id, segment.start_s, segment.end_s))
        for echo in echoes:
            del self._shown[echo.track_id][echo.id]
        self._update(segment)
        return [segment, *(echo.without_text(echo_of=segment.id) for echo in echoes)]

    def _update(self, segment: Segment) -> None:
        shown = self._shown.setdefault(segment.track_id, {})
        if segment.withdrawn or not segment.words:
            shown.pop(segment.id, None)
            return
        shown[segment.id] = segment
        if segment.end_s > self._newest_s + 1:
            self._newest_s = segment.end_s
            before_s = segment.end_s - _KEPT_S
            self._kept = [each for each in self._kept if each[2] > before_s]
            for track_id, each in self._shown.items():
                recent = {key: value for key, value in each.items() if value.end_s > before_s}
                self._shown[track_id] = recent

    def _near(self, track_id: str, segment: Segment, lag_s: float = ECHO_LAG_S) -> list[Segment]:
        """Return what is shown of another track at the time of a segment."""
        first, last = segment.start_s - lag_s, segment.end_s + lag_s
        shown = self._shown[track_id].values()
        near = (each for each in shown if each.start_s < last and each.end_s > first)
        return sorted(near, key=spoken_order)

    def _keeps(self, segments: Iterable[Segment]) -> bool:
        """Whether one of some segments stands for an echo that is not shown."""
        return any(
            each.track_id == track_id and each.start_s < end_s and each.end_s > start_s
            for each in segments
            for track_id, start_s, end_s in self._kept
        )


def _better(segment: Segment, originals: Sequence[Segment], covered: _Covered) -> bool:
    """Whether a segment is to be shown rather than those that it is an echo of, or they of it."""
    sure = _sureness([segment])
    other = _sureness(originals)
    if sure is not None and other is not None and abs(sure - other) > _SURER:
        return sure > other
    return covered.lag_s < 0


def _sureness(segments: Iterable[Segment]) -> float | None:
    known = [
        confidence
        for segment in segments
        for word in segment.words
        if (confidence := segment.confidence if word.confidence is None else word.confidence)
        is not None
    ]
    return mean(known) if known else None


def _covered(words: Sequence[Word], others: Sequence[Segment]) -> _Covered | None:
    """Return how words are an echo of what another track has; None if they are not."""
    ours = [spoken_form(word.text) for word in words]
    if len(ours) < ECHO_WORDS or len(set(ours)) < _DIFFERENT:
        return None
    length_s = words[-1].end_s - words[0].start_s
    limits = (-ECHO_LAG_S, ECHO_LAG_S)
    covered = _laid_over(words, others, limits, _STEADY_S)
    return None if covered is None or abs(covered.lag_s) >= length_s / 2 else covered


def _covered_by_own(
    words: Sequence[Word], own: Sequence[Segment], *, echoing: bool
) -> _Covered | None:
    """Return how words are an echo of what the bot said; None if they are not.

    Who repeats what it said begins when it was said: later than its echo.
    """
    ours = [spoken_form(word.text) for word in words]
    if not ours or not (echoing or (len(ours) >= ECHO_WORDS and len(set(ours)) >= _DIFFERENT)):
        return None
    length_s = words[-1].end_s - words[0].start_s
    limits = (-_OWN_LEAST_LAG_S, _OWN_LAG_S)
    covered = _laid_over(words, own, limits, _OWN_STEADY_S)
    late = covered is not None and covered.lag_s >= max(_OWN_LEAST_LAG_S, 0.75 * length_s)
    return None if late and not echoing else covered


def _laid_over(
    words: Sequence[Word],
    others: Sequence[Segment],
    limits_s: tuple[float, float],
    steady_s: float,
) -> _Covered | None:
    """Return how words lie in others, all by nearly the same lag within limits; None if not."""
    ours = [spoken_form(word.text) for word in words]
    theirs = [(word, each.id) for each in others for word in each.words]
    forms = [spoken_form(word.text) for word, _ in theirs]
    blocks = SequenceMatcher(None, ours, forms, autojunk=False).get_matching_blocks()
    pairs = {block.a + n: block.b + n for block in blocks for n in range(block.size)}
    lags = [words[a].start_s - theirs[b][0].start_s for a, b in pairs.items()]
    if not lags:
        return None
    lag_s = median(lags)
    steady = {
        a: b
        for (a, b), lag in zip(pairs.items(), lags, strict=True)
        if limits_s[0] <= lag <= limits_s[1] and abs(lag - lag_s) <= steady_s
    }
    if len(steady) < _ALIKE * len(words):
        return None
    matched = set(steady.values())
    free = [word for place, (word, _) in enumerate(theirs) if place not in matched]
    for place, word in enumerate(words):
        start_s, end_s = word.start_s - lag_s, word.end_s - lag_s
        if place not in steady and not any(
            other.start_s < end_s and other.end_s > start_s for other in free
        ):
            return None
    by = [theirs[place][1] for place in matched]
    return _Covered(tuple(sorted(set(by), key=by.count, reverse=True)), lag_s)
