"""All tracks of a call as the one track that is transcribed, while that is how it is done.

Each track's sound is added to the mix, whose speech is found and fed as that of any track. Its
account is the transcriber's for the track `mixed-tracks`; what a track gave to the mix is in the
account that the consumer `mix` has of that track. Who said what of it is decided in
`meetcore.model.assembler`.
"""

from __future__ import annotations

from attrs import define

from meetcore.audio.chunk import Chunk
from meetcore.audio.ledger import Account, Ledger
from meetcore.audio.mix import CallMix
from meetcore.bot.tracks import TrackPath
from meetcore.log.mailbox import Lost

__all__ = ["MIX_TRACK", "TrackMix"]

MIX_TRACK = "mixed-tracks"
MIX_CONSUMER = "mix"


class TrackMix:
    """The mix of one bot's tracks on its way to the transcriber.

    Args:
        ledger: The bot's account of audio.
        path: The path of the mix itself.
    """

    def __init__(self, ledger: Ledger, path: TrackPath) -> None:
        self.active = False
        self._ledger = ledger
        self._path = path
        self._mix = CallMix(MIX_TRACK)
        self._end: int | None = None

    def consumer(self, track_id: str) -> TrackMixConsumer:
        """Return who takes a track's sound into the mix."""
        self._mix.open_track(track_id)
        return TrackMixConsumer(self, self._ledger.account(track_id, MIX_CONSUMER))

    def switch(self, *, active: bool) -> None:
        """Mix from now on, or no longer."""
        if self.active and not active:
            self._pass_on(self._mix.rest())
            self._path.feed_on(False)
        elif active and not self.active:
            self._path.feed_on(True)
        self.active = active

    def pause(self, *, paused: bool) -> None:
        """Hold back everything from now on, or no longer."""
        if paused:
            self._pass_on(self._mix.rest())
        self._path.pause(paused)

    def close_track(self, track_id: str) -> None:
        """Wait no longer for a track."""
        self._mix.close_track(track_id)

    def close(self) -> None:
        """Pass on what there is; nothing follows."""
        self._pass_on(self._mix.rest())
        self._path.close()

    def take(self, item: Chunk | Lost, account: Account) -> None:
        """Take a track's chunk, or the news that samples are missing."""
        if isinstance(item, Lost):
            if item.withheld or not self.active:
                account.withheld += item.samples
            else:
                account.lost += item.samples
            if self.active:
                self._pass_on(self._mix.skip(item.track_id, item.start_sample, item.samples))
        elif not self.active:
            account.withheld += item.samples
        else:
            late = self._mix.late_samples
            settled = self._mix.add(item)
            late = self._mix.late_samples - late
            account.lost += late
            account.delivered += item.samples - late
            self._pass_on(settled)

    def _pass_on(self, mixed: list[Chunk]) -> None:
        for chunk in mixed:
            if self._end is not None and chunk.start_sample > self._end:
                # Nothing was mixed there: what was lost is in the tracks' own accounts.
                hole = chunk.start_sample - self._end
                self._ledger.capture(MIX_TRACK, hole)
                self._path.process(Lost(MIX_TRACK, self._end, hole, "paused"))
            self._end = chunk.end_sample
            self._ledger.capture(MIX_TRACK, chunk.samples)
            self._path.process(chunk)


@define(eq=False)
class TrackMixConsumer:
    """One track's end of the mix."""

    _to: TrackMix
    _account: Account

    def put(self, item: Chunk | Lost) -> None:
        """Take a chunk, or the news that samples are missing."""
        self._to.take(item, self._account)
