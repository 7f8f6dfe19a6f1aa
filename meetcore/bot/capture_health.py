"""Whether sound arrives as it should: by the platform's word, and by none for 20 s."""

from __future__ import annotations

import trio

from meetcore.bot.context import BotContext
from meetcore.model.events import CaptureDegraded, CaptureRestored

__all__ = ["NO_AUDIO_S", "AudioHealth"]

NO_AUDIO_S = 20.0


class AudioHealth:
    """Watches the capture of one call.

    Args:
        bot: The bot's records.
        waiting: Whether anybody waits for sound.
    """

    def __init__(self, bot: BotContext, *, waiting: bool) -> None:
        self._bot = bot
        self._waiting = waiting
        self._last_heard: float | None = None
        self._in_call = False
        self._closed = False
        self._degraded: set[str | None] = set()

    def heard(self) -> None:
        """Take note that sound came."""
        self._last_heard = trio.current_time()
        if None in self._degraded:
            self.report(healthy=True, detail="audio arrives again", track_id=None)

    def entered_call(self, *, in_call: bool) -> None:
        """Say whether the bot is in the call now."""
        self._in_call = in_call
        self._last_heard = trio.current_time()

    def track_closed(self, track_id: str) -> None:
        """Take it that nothing more is expected of a track."""
        if track_id in self._degraded:
            self.report(healthy=True, detail="the track closed", track_id=track_id)

    def report(self, *, healthy: bool, detail: str, track_id: str | None) -> None:
        """Take note that audio does, or does not, arrive as it should."""
        if healthy and track_id in self._degraded:
            self._degraded.discard(track_id)
            self._bot.record(CaptureRestored(detail=detail, track_id=track_id))
        elif not healthy and track_id not in self._degraded:
            self._degraded.add(track_id)
            self._bot.record(CaptureDegraded(detail=detail, track_id=track_id))
        self._bot.leave_rules.audio_health(healthy=not self._degraded, now=trio.current_time())
        self._bot.rules_changed()

    def close(self) -> None:
        """Take it that the call is over."""
        self._closed = True

    async def run(self) -> None:
        """Notice a call with people in it and no audio for 20 s, for ever."""
        while True:
            due = (self._last_heard or trio.current_time()) + NO_AUDIO_S
            await trio.sleep_until(max(due, trio.current_time() + 1.0))
            silent_s = trio.current_time() - (self._last_heard or 0.0)
            if not self._in_call or silent_s < NO_AUDIO_S or self._closed or not self._waiting:
                continue
            if self._bot.roster.others:
                self.report(healthy=False, detail=f"no audio for {NO_AUDIO_S:g} s", track_id=None)
            await trio.sleep(1.0)
