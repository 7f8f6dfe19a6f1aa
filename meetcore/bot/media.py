"""Media that passes by: fragments from the platform to the sinks that want them, counted.

The core looks at no fragment. What it keeps is the account: every fragment is delivered, kept back
or declared lost, per track and taker, and a taker that is slow holds up nobody. What was recorded
while nothing may be recorded is kept back by the time it covers, not by the time it came: a
fragment that reaches into a pause is as private as the pause.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trio

from meetcore.audio.ledger import Account
from meetcore.audio.media import MediaFragment
from meetcore.bot.context import BotContext
from meetcore.log.mailbox import WITHHELD
from meetcore.log.media_mailbox import LostMedia, MediaMailbox
from meetcore.model.errors import PluginError
from meetcore.model.events import MediaLost
from meetcore.plugin.sink import Sink

__all__ = ["MediaBypass", "MediaDelivery"]

MEDIA_LIMIT_BYTES = 32 * 2**20
LOSS_STRETCH = 100
_CLOCK_ERROR_S = 0.001


class _MediaLosses:
    """Losses of one taker, an event a stretch: one a fragment would drown the journal."""

    def __init__(self, consumer: str, bot: BotContext) -> None:
        self._consumer = consumer
        self._bot = bot
        self._open: dict[str, LostMedia] = {}

    def add(self, lost: LostMedia) -> None:
        """Note a loss; it is told with those that follow it."""
        last = self._open.pop(lost.track_id, None)
        both = None if last is None else last.then(lost)
        if last is not None and both is None:
            self._tell(last)
        lost = both or lost
        if lost.fragments >= LOSS_STRETCH:
            self._tell(lost)
        else:
            self._open[lost.track_id] = lost

    def tell(self, track_id: str | None = None) -> None:
        """Tell what has not been told, of one track or of all."""
        for each in [track_id] if track_id is not None else list(self._open):
            lost = self._open.pop(each, None)
            if lost is not None:
                self._tell(lost)

    def _tell(self, lost: LostMedia) -> None:
        self._bot.record(
            MediaLost(
                track_id=lost.track_id,
                consumer=self._consumer,
                first=lost.first,
                fragments=lost.fragments,
                cause=lost.cause,
            )
        )


class MediaDelivery:
    """One sink's end: a bounded mailbox, an account per track, a task that hands over.

    Args:
        sink: The plugin's object.
        name: What it is called in the account.
        bot: The bot's records.
        try_call: Makes one call of the sink under a deadline, and says whether it worked.
        detached: Whether the sink is called no more.
    """

    def __init__(
        self,
        sink: Sink,
        name: str,
        bot: BotContext,
        try_call: Callable[[str, Callable[[], Awaitable[object]], float], Awaitable[bool]],
        detached: Callable[[], bool],
    ) -> None:
        self._sink = sink
        self._name = name
        self._bot = bot
        self._try_call = try_call
        self._detached = detached
        self._mailbox = MediaMailbox(MEDIA_LIMIT_BYTES, "consumer_behind")
        self._losses = _MediaLosses(name, bot)
        self._ended = False
        self._in_hand: MediaFragment | None = None
        self.done = trio.Event()

    def put(self, item: MediaFragment | LostMedia) -> None:
        """Take a fragment, or the news that some are missing. Returns at once."""
        if self._ended:
            self._missed(item, "sink_ended")
        else:
            self._mailbox.put(item)

    def expect_track(self, track_id: str) -> None:
        """Open the account of a track."""
        self._account(track_id)

    def _account(self, track_id: str) -> Account:
        return self._bot.media_ledger.account(track_id, self._name)

    def _missed(self, item: MediaFragment | LostMedia, cause: str) -> None:
        account = self._account(item.track_id)
        if isinstance(item, MediaFragment):
            account.lost += 1
            self._losses.add(LostMedia(item.track_id, item.number, 1, cause))
        elif item.cause in WITHHELD:
            account.withheld += item.fragments
        else:
            account.lost += item.fragments
            if item.cause == "consumer_behind":
                self._losses.add(item)

    async def run(self) -> None:
        """Hand over until there is nothing more."""
        while (item := await self._mailbox.take()) is not None:
            await self._hand_over(item)
        self._losses.tell()
        self.done.set()

    async def _hand_over(self, item: MediaFragment | LostMedia) -> None:
        sink, timeout_s = self._sink, self._sink.call_timeout_s
        if self._detached():
            self._missed(item, "sink_detached")
        elif isinstance(item, LostMedia):
            self._missed(item, item.cause)
            gap = partial(sink.on_media_gap, item.track_id, item.first, item.fragments, item.cause)
            await self._try_call("on_media_gap", gap, timeout_s)
        else:
            self._in_hand = item
            worked = await self._try_call("on_media", partial(sink.on_media, item), timeout_s)
            if self._in_hand is None:
                return  # given up meanwhile
            self._in_hand = None
            if worked:
                self._account(item.track_id).delivered += 1
                self._losses.tell(item.track_id)
            else:
                self._missed(item, "sink_failed")

    def close(self) -> None:
        """Say that nothing follows."""
        self._mailbox.close()

    def end(self, cause: str) -> None:
        """Account for what the sink did not take by now; it gets nothing more."""
        self._ended = True
        in_hand, self._in_hand = self._in_hand, None
        for item in [*([] if in_hand is None else [in_hand]), *self._mailbox.drain()]:
            self._missed(item, cause)
        self._mailbox.close()
        self._losses.tell()
        self.done.set()


class MediaBypass:
    """Takes fragments from the platform and gives them to whoever wants them.

    Args:
        bot: The bot's records.
        takers: Who wants media.
        meeting_time: Says where a time on the call's clock lies in the meeting; given the end of
            the first fragment it fixes the clock, if no sound has.
    """

    def __init__(
        self,
        bot: BotContext,
        takers: Sequence[MediaDelivery],
        meeting_time: Callable[[float, float], float],
    ) -> None:
        self._bot = bot
        self._takers = takers
        self._meeting_time = meeting_time
        self._numbers: dict[str, int] = {}
        self._losses = _MediaLosses("all", bot)
        self._in_call = False
        self._paused = False
        self._closed = False
        self._since_s: float | None = None
        self._before = "not_in_call"

    def entered_call(self, *, in_call: bool) -> None:
        """Say whether what comes is the meeting's."""
        self._in_call = in_call
        self._follow("not_in_call")

    def pause(self, *, paused: bool) -> None:
        """Keep everything back, or no longer."""
        self._paused = paused
        self._follow("paused")

    def _follow(self, cause: str) -> None:
        if self._in_call and not self._paused:
            if self._since_s is None:
                self._since_s = self._bot.meeting_now() or 0.0
        elif self._since_s is not None or cause == "paused":
            self._since_s, self._before = None, "paused" if self._paused else cause

    def take(
        self,
        track_id: str,
        *,
        kind: str,
        container: str,
        data: bytes,
        at_s: float,
        duration_s: float,
        header: bool = False,
    ) -> None:
        """Take a fragment from the platform. See `CallEvents.media`."""
        if header and duration_s:
            raise PluginError(
                f"A header of the media track {track_id!r} has {duration_s:g} s of media in it.",
                "Hand in the container's beginning by itself, with duration_s=0.",
            )
        if duration_s < 0:
            raise PluginError(f"A fragment of {track_id!r} is {duration_s:g} s long.")
        if self._closed:
            return
        number = self._next(track_id, 1)
        fragment = MediaFragment(
            track_id=track_id,
            number=number,
            kind=kind,
            container=container,
            data=data,
            at_s=at_s,
            duration_s=duration_s,
            header=header,
        )
        cause = None if header else self._kept_back(at_s, duration_s)
        exclusions = self._bot.exclusions
        if cause is None and exclusions.somebody_here and exclusions.over_a_mix == "pause":
            cause = None if header else "excluded"
        if cause is None:
            self._losses.tell(track_id)
            for taker in self._takers:
                taker.put(fragment)
        else:
            self._lost(LostMedia(track_id, number, 1, cause))

    def _kept_back(self, at_s: float, duration_s: float) -> str | None:
        """Return why media of that time goes nowhere, None if it may go."""
        if not self._in_call:
            return "not_in_call"
        if self._paused or self._since_s is None:
            return "paused"
        began_s = self._meeting_time(at_s, at_s + duration_s)
        return self._before if began_s < self._since_s - _CLOCK_ERROR_S else None

    def declare_lost(self, track_id: str, fragments: int, cause: str) -> None:
        """Account for fragments that never came. See `CallEvents.declare_media_lost`."""
        if fragments > 0 and not self._closed:
            self._lost(LostMedia(track_id, self._next(track_id, fragments), fragments, cause))

    def _next(self, track_id: str, fragments: int) -> int:
        if track_id not in self._numbers:
            self._numbers[track_id] = 0
            for taker in self._takers:
                taker.expect_track(track_id)
        number = self._numbers[track_id]
        self._numbers[track_id] += fragments
        self._bot.media_ledger.capture(track_id, fragments)
        return number

    def _lost(self, lost: LostMedia) -> None:
        if lost.cause not in WITHHELD:
            self._losses.add(lost)
        for taker in self._takers:
            taker.put(lost)

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True
        self._losses.tell()
