"""What revisers make of segments before anybody sees them: the one way text takes to the outside.

Finalized segments are revised in order and none is passed over; of drafts the newest of each
segment, in the time that finalized ones leave. A reviser that may not be passed by
(`fail_closed`) withholds what it did not revise, also what was waiting when the bot had to end.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Sequence
from itertools import takewhile

import trio
from attrs import evolve

from meetcore.bot.context import BotContext
from meetcore.bot.delivery import call_hook
from meetcore.log.mailbox import DraftBox, Wake
from meetcore.model.drafts import SegmentDraft
from meetcore.model.errors import MeetcoreError
from meetcore.model.events import SegmentFinalized, SegmentWithheld
from meetcore.model.transcript import Segment, revised
from meetcore.plugin.bot_view import BotView
from meetcore.plugin.hook_calls import HookImplementation
from meetcore.plugin.hooks import DROP

__all__ = ["REVISE_TIMEOUT_S", "Revision"]

REVISE_TIMEOUT_S = 2.0
HOOK = "meetcore_revise_segment"


class _WrongAnswerError(MeetcoreError):
    """A reviser that returned something else than it may."""


class _WithheldError(Exception):
    """A reviser that must not be passed by did not do its part."""

    def __init__(self, plugin: str, cause: str) -> None:
        super().__init__(plugin, cause)
        self.plugin = plugin
        self.cause = cause


class Revision:
    """One bot's chain of revisers.

    Args:
        bot: The bot's records.
        view: The bot as plugins see it.
        revisers: The plugins' `meetcore_revise_segment`, in order.
        changed: Set whenever `pending` may have become False.
        settled: Called whenever a finalized segment went out, or was withheld.
    """

    def __init__(
        self,
        bot: BotContext,
        view: BotView,
        revisers: Sequence[HookImplementation],
        changed: Wake,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._bot = bot
        self._view = view
        self._revisers = revisers
        self._private = any(reviser.fail_closed for reviser in revisers)
        self._changed = changed
        self._settled = settled
        self._wake = Wake()
        self._waiting: deque[Segment] = deque()
        self._drafts: DraftBox[SegmentDraft] = DraftBox()
        self._draft_in_hand = trio.CancelScope()
        self._failing_drafts: set[str] = set()
        self._given_up = False

    @property
    def pending(self) -> bool:
        """Whether a finalized segment has not been revised yet."""
        return bool(self._waiting)

    def holds(self, segment_id: str) -> bool:
        """Whether a finalized revision of a segment has not been revised yet."""
        return any(segment.id == segment_id for segment in self._waiting)

    def take(self, segment: Segment, stable_words: int = 0) -> None:
        """Let a segment go out once it is revised. Returns at once.

        Args:
            segment: It.
            stable_words: Of a draft, see `SegmentDraft`.
        """
        if not segment.finalized:
            draft = SegmentDraft(segment=segment, stable_words=stable_words)
            if self._bot.exclusions.hides(segment):
                self._drafts.forget(segment.id)
            elif not self._revisers:
                self._bot.publish(draft)
            elif self._bot.drafts.wanted:
                self._drafts.put(segment.id, draft)
                self._wake.set()
        elif not self._revisers:
            self._finalized(segment)
        elif self._given_up:
            self._unrevised(segment)
        else:
            self._drafts.forget(segment.id)
            self._waiting.append(segment)
            self._draft_in_hand.cancel()
            self._wake.set()

    def give_up(self) -> None:
        """Take it that nothing more is revised: what waits goes on as it is, or is withheld."""
        self._given_up = True
        while self._waiting:
            self._unrevised(self._waiting.popleft())

    def _unrevised(self, segment: Segment) -> None:
        strict = next((each for each in self._revisers if each.fail_closed), None)
        if strict is None or segment.withdrawn:
            self._finalized(segment)
        else:
            self._withheld(segment, _WithheldError(strict.plugin_name, "unfinished"))

    def _withheld(self, segment: Segment, why: _WithheldError) -> None:
        self._take_away(segment)
        self._bot.record(
            SegmentWithheld(
                segment_id=segment.id,
                track_id=segment.track_id,
                participant_id=segment.participant_id,
                start_s=segment.start_s,
                end_s=segment.end_s,
                plugin=why.plugin,
                cause=why.cause,
            )
        )

    async def run(self) -> None:
        """Revise, for ever."""
        while True:
            while self._waiting and not self._given_up:
                await self._finalize(self._waiting[0])
            if self._drafts and not self._given_up:
                await self._next_draft()
                continue
            await self._wake.wait()

    async def _finalize(self, segment: Segment) -> None:
        outcome: Segment | _WithheldError | None
        try:
            hidden = self._bot.exclusions.hides(segment)
            outcome = segment if hidden else await self._revised(segment)
        except _WithheldError as why:
            outcome = why
        if self._given_up:
            return
        self._waiting.popleft()
        if isinstance(outcome, _WithheldError):
            self._withheld(segment, outcome)
        elif outcome is not None:
            self._finalized(outcome)
        else:
            self._take_away(segment)
        self._settled()
        self._changed.set()

    def _finalized(self, segment: Segment) -> None:
        """Record a segment; of one that is somebody's who is excluded, that it is nothing."""
        if self._bot.exclusions.hides(segment):
            self._take_away(segment, whose=segment)
            self._bot.exclusions.hidden()
        else:
            self._bot.record(SegmentFinalized(segment=segment))

    def _take_away(self, segment: Segment, whose: Segment | None = None) -> None:
        """Withdraw what was shown of a segment whose later revision may not be.

        Args:
            segment: That revision.
            whose: Who said it, where that is another than was shown.
        """
        shown = self._bot.transcript.newest(segment.id)
        if shown is not None and not shown.withdrawn:
            gone = evolve(whose or shown, revision=segment.revision - 1).without_text()
            self._bot.record(SegmentFinalized(segment=gone))

    async def _next_draft(self) -> None:
        draft = self._drafts.pop()
        key = draft.segment.id
        with trio.CancelScope() as self._draft_in_hand:
            await self._draft(draft)
        overtaken = key in self._drafts or any(segment.id == key for segment in self._waiting)
        if self._draft_in_hand.cancelled_caught and not overtaken:
            self._drafts.put(key, draft)

    async def _draft(self, draft: SegmentDraft) -> None:
        try:
            outcome = await self._revised(draft.segment)
        except _WithheldError:
            return
        if outcome is not None and not self._bot.exclusions.hides(outcome):
            kept = _same_words(draft.segment.text, outcome.text)
            stable_words = min(draft.stable_words, kept)
            self._bot.publish(SegmentDraft(segment=outcome, stable_words=stable_words))

    async def _revised(self, segment: Segment) -> Segment | None:
        if segment.withdrawn:
            return segment
        for reviser in self._revisers:
            try:
                result = await call_hook(
                    reviser,
                    self._bot.record,
                    REVISE_TIMEOUT_S,
                    HOOK,
                    bot=self._view,
                    segment=segment,
                )
                answer = _answer(result)
            except trio.TooSlowError:
                words = f"it did not return within {REVISE_TIMEOUT_S:g} s"
                self._failed(reviser, segment, words, "timed_out")
            except _WrongAnswerError as error:
                self._failed(reviser, segment, str(error), "wrong_type")
            except Exception as error:  # noqa: BLE001  a plugin's trouble is an event, not ours
                self._failed(reviser, segment, error, "failed")
            else:
                if not segment.finalized:
                    self._failing_drafts.discard(reviser.plugin_name)
                if answer is DROP:
                    return None
                if isinstance(answer, Segment):
                    segment = revised(segment, answer)
        return segment

    def _failed(
        self, reviser: HookImplementation, segment: Segment, error: Exception | str, cause: str
    ) -> None:
        """Tell a failure, of drafts the first in a row; raise where the segment must not go on."""
        told = not segment.finalized and reviser.plugin_name in self._failing_drafts
        if not segment.finalized:
            self._failing_drafts.add(reviser.plugin_name)
        if not told:
            self._bot.plugin_failed(
                reviser.plugin_name, HOOK, error, private=self._private, frame=reviser.place
            )
        if reviser.fail_closed:
            raise _WithheldError(reviser.plugin_name, cause)


def _same_words(before: str, after: str) -> int:
    """Return with how many same words two texts begin."""
    pairs = zip(before.split(), after.split(), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _answer(result: object) -> object:
    """Return what a reviser returned, if it is one of the things that it may return."""
    if result is None or result is DROP or isinstance(result, Segment):
        return result
    if inspect.iscoroutine(result):
        result.close()
        hint = "An `await` is missing in it."
    else:
        hint = "It may return a Segment, meetcore.DROP or None."
    raise _WrongAnswerError(f"It returned a {type(result).__name__}.", hint)
