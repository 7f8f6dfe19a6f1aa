"""How loud each track is, as drafts: for level meters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from meetcore.audio.chunk import Chunk
from meetcore.bot.context import BotContext
from meetcore.log.mailbox import Lost
from meetcore.model.drafts import LevelDraft

__all__ = ["LevelMeter"]


class LevelMeter:
    """Makes a draft of each chunk's loudness.

    Args:
        bot: The bot's records.
        owner_of: Says whose a track is.
    """

    def __init__(self, bot: BotContext, owner_of: Callable[[str], str | None]) -> None:
        self._bot = bot
        self._owner_of = owner_of

    def put(self, item: Chunk | Lost) -> None:
        """Take a chunk, or the news that samples are missing."""
        if isinstance(item, Lost) or not item.samples:
            return
        mean_square = float(np.mean(np.square(item.pcm, dtype=np.float32)))
        dbfs = 10 * np.log10(max(mean_square, 1e-3) / 32768.0**2)
        self._bot.publish(
            LevelDraft(
                track_id=item.track_id,
                participant_id=self._owner_of(item.track_id),
                dbfs=round(float(dbfs), 1),
            )
        )
