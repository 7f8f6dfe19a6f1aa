"""What stands between a track's intake and its path: sound of who is excluded goes no further.

Whose a piece of sound is may be learned a while after it came: a page's indicator and a track that
goes from speaker to speaker are told up to a second late, and whose a track is, at times after
20 s. So sound waits here until that is settled, and each piece is judged by what is known of its
own time:

* on a track that is surely somebody's, at once;
* on a track that may change hands, or is mixed of everybody, after `SETTLE_S`;
* on a track of nobody knows whom, while somebody excluded is there (or people are judged as they
  appear, and this one has not), once it is known, `HOLD_S` at most: then it is given up.

What is kept back is accounted for as withheld, with the cause `excluded`. While nobody is excluded
and nobody is judged nothing waits here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.bot.exclusion import Exclusions
from meetcore.log.mailbox import Lost, lost_chunk
from meetcore.model.assembler import TranscriptAssembler
from meetcore.model.roster import NameSource, SpeakingTimeline

__all__ = ["HOLD_POLL_S", "TrackHold"]

SETTLE_S = 1.5
"""How long sound waits for what is told late: 1 s after it happened, and half a second around."""
HOLD_S = 30.0
HOLD_POLL_S = 0.5
MARGIN_S = 0.5
_PIECE_S = 0.02


class TrackHold:
    """One track's sound on its way from the intake to its path.

    Args:
        track_id: The track.
        exclusions: Who is excluded.
        assembler: Knows whose the track is.
        timeline: Who spoke when.
        meeting_time: Says where a sample at 16 kHz lies in the meeting.
        process: Takes what goes on.
    """

    def __init__(
        self,
        track_id: str,
        exclusions: Exclusions,
        assembler: TranscriptAssembler,
        timeline: SpeakingTimeline,
        meeting_time: Callable[[int], float],
        process: Callable[[Chunk | Lost], None],
    ) -> None:
        self._track_id = track_id
        self._exclusions = exclusions
        self._assembler = assembler
        self._timeline = timeline
        self._meeting_time = meeting_time
        self._process = process
        self._held: deque[tuple[Chunk | Lost, float]] = deque()
        self.passing = False

    @property
    def waiting(self) -> bool:
        """Whether anything waits."""
        return bool(self._held)

    def put(self, item: Chunk | Lost) -> None:
        """Take the next chunk, or the next hole, of the track."""
        if self._held or (self._exclusions.in_force and not self.passing):
            self._held.append((item, trio.current_time()))
            self.release()
        else:
            self._process(item)

    def release(self, *, everything: bool = False) -> None:
        """Let go what is settled by now; with `everything`, what is not settled is given up."""
        now = trio.current_time()
        while self._held:
            item, since = self._held.popleft()
            if isinstance(item, Lost):
                self._process(item)
                continue
            age_s = float("inf") if everything else now - since
            if age_s < self._settle_s:
                self._held.appendleft((item, since))
                return
            samples, verdict = self._first_run(item)
            if verdict is None and age_s < HOLD_S:
                self._held.appendleft((item, since))
                return
            if samples < item.samples:
                rest = Chunk(
                    item.track_id,
                    item.start_sample + samples,
                    item.pcm[samples:],
                    item.sample_rate_hz,
                )
                self._held.appendleft((rest, since))
                item = Chunk(
                    item.track_id, item.start_sample, item.pcm[:samples], item.sample_rate_hz
                )
            self._process(item if verdict else lost_chunk(item, "excluded"))

    @property
    def _settle_s(self) -> float:
        if self._track_id in self._exclusions.mixes:
            return SETTLE_S if self._exclusions.over_a_mix == "pause" else 0.0
        return 0.0 if self._sure else SETTLE_S

    @property
    def _sure(self) -> bool:
        owner = self._assembler.owner(self._track_id)
        return owner.source is NameSource.TRACK and owner.confidence == 1.0

    def _first_run(self, chunk: Chunk) -> tuple[int, bool | None]:
        """Return how many samples at a chunk's beginning are judged alike, and how."""
        exclusions = self._exclusions
        owner = self._assembler.owner(self._track_id).participant_id
        known = self._sure and owner in exclusions.roster.known
        if not exclusions.in_force or (known and not exclusions.times.ever(owner)):
            return chunk.samples, True
        step = max(1, round(_PIECE_S * chunk.sample_rate_hz))
        verdict = self._judged(chunk, 0, min(step, chunk.samples))
        at = step
        while at < chunk.samples and (
            self._judged(chunk, at, min(at + step, chunk.samples)) is verdict
        ):
            at += step
        return min(at, chunk.samples), verdict

    def _judged(self, chunk: Chunk, first: int, last: int) -> bool | None:
        """Return whether a piece may go on; None where that is not known yet."""
        scale = SAMPLE_RATE_HZ / chunk.sample_rate_hz
        start_s = self._meeting_time(round((chunk.start_sample + first) * scale))
        end_s = self._meeting_time(round((chunk.start_sample + last) * scale))
        if self._track_id in self._exclusions.mixes:
            return self._may_mix(start_s, end_s)
        exclusions, owner = self._exclusions, self._assembler.owner
        owners = {owner(self._track_id, at_s).participant_id for at_s in (start_s, end_s)}
        around = set(owners)
        if not self._sure:  # a voice may begin a little before the track is told to be its owner's
            around.add(owner(self._track_id, end_s + MARGIN_S).participant_id)
        if any(exclusions.times.during(who, start_s, end_s) for who in around):
            return False
        if None in owners:
            if not exclusions.somebody_here:
                return True
            # Once it is known whose it became, nobody says any more whose it was before.
            return None if owner(self._track_id).participant_id is None else False
        unseen = exclusions.judging and any(who not in exclusions.roster.known for who in owners)
        return None if unseen else True

    def _may_mix(self, start_s: float, end_s: float) -> bool:
        exclusions, timeline = self._exclusions, self._timeline
        if exclusions.over_a_mix != "pause":
            return True
        if exclusions.somebody_here and not timeline.spans:
            return False  # nothing was ever told of who speaks: it may be they
        return not any(
            exclusions.times.during(span.participant_id, start_s, end_s)
            for span in timeline.between(start_s - MARGIN_S, end_s + MARGIN_S)
        )
