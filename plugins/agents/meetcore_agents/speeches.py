"""What an agent says by its socket: sound and messages, to speeches of the bot. Decides, waits not.

Sound that comes makes one speech until the agent ends it; the text before it is what it says. A
speech that the bot ended (somebody spoke, or nothing came) takes what is on its way with it: what
follows a `text`, an `end` or a pause is a new one.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

import trio

from meetcore import MeetcoreError, SinkSpeech, SinkVoice
from meetcore.log import Wake

__all__ = ["AgentSpeeches", "AgentTurn"]

_LONGEST_TEXT = 5_000
_PAUSE_S = 0.5
"""Sound of a speech that the bot ended may be under way for less than that."""


class AgentTurn:
    """One speech of the agent's, as it comes: what is not said yet waits here.

    Args:
        most_bytes: How much sound may wait.

    Attributes:
        speech: What the bot makes of it.
        over: Whether the bot asks for no more of it.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._waiting: deque[bytes | str] = deque()
        self._bytes = 0
        self._ended = False
        self._news = Wake()
        self.speech: SinkSpeech | None = None
        self.over = False

    def add(self, piece: bytes | str) -> bool:
        """Take sound, or the text of what follows; return whether there was room."""
        if isinstance(piece, bytes):
            if self._bytes + len(piece) > self._most_bytes:
                return False
            self._bytes += len(piece)
        self._waiting.append(piece)
        self._news.set()
        return True

    def end(self) -> None:
        """Take it that nothing follows."""
        self._ended = True
        self._news.set()

    def __aiter__(self) -> AgentTurn:
        return self

    async def __anext__(self) -> bytes | str:
        """Return what came next, once it is there. A pause is the speech's to give up on."""
        while not self._waiting and not self._ended:
            await self._news.wait()
        if not self._waiting:
            raise StopAsyncIteration
        piece = self._waiting.popleft()
        if isinstance(piece, bytes):
            self._bytes -= len(piece)
        return piece

    async def aclose(self) -> None:
        """Learn that the speech has ended, perhaps before its sound did."""
        self.over = True
        await trio.lowlevel.checkpoint()


class AgentSpeeches:
    """Makes speeches of what an agent sends.

    Args:
        say: Has the bot say something.
        sample_rate_hz: The rate of the agent's sound.
        ahead_s: How much of it may wait.
        refuse: Called with what was wrong and what to do about it.
        now: The time, in seconds.
    """

    def __init__(
        self,
        say: SinkVoice,
        sample_rate_hz: int,
        ahead_s: float,
        refuse: Callable[[str, str], None],
        now: Callable[[], float] = trio.current_time,
    ) -> None:
        self._say = say
        self._rate_hz = sample_rate_hz
        self._most_bytes = round(2 * ahead_s * sample_rate_hz)
        self._refuse = refuse
        self._now = now
        self._turn: AgentTurn | None = None
        self._dropping = False
        self._sound_at = -inf
        self._speeches: deque[SinkSpeech] = deque(maxlen=100)

    def take(self, message: str | bytes) -> None:
        """Take a message; what cannot be done is refused in words. Never raises."""
        try:
            if isinstance(message, bytes):
                self._sound(message)
            else:
                self._told(message)
        except MeetcoreError as error:
            self._dropping = isinstance(message, bytes)
            self._turn = None
            self._refuse(error.message, error.remedy)

    def end(self) -> None:
        """Take it that the agent is gone: what it was saying ends."""
        self.interrupt()

    def interrupt(self) -> None:
        """End what the agent says, and what it was to say."""
        if self._turn is not None:
            self._turn.end()
            self._turn = None
        while self._speeches:
            self._speeches.pop().interrupt()
        self._dropping = False

    def _sound(self, pcm: bytes) -> None:
        if self._dropping or not pcm:
            return
        now = self._now()
        before, self._sound_at = self._sound_at, now
        if self._turn is not None and self._turn.over:
            if now - before < _PAUSE_S:
                return  # it was under way when the bot fell silent
            self._turn = None
        if not self._open().add(pcm):
            self.interrupt()
            self._dropping = True
            self._refuse(
                "More sound waits to be said than there is room for; it is not said.",
                "Send it about as fast as it is said, and `end` after it.",
            )

    def _open(self) -> AgentTurn:
        """Return the turn that is open; its speech begins with the first that comes."""
        if self._turn is None or self._turn.over:
            turn = AgentTurn(self._most_bytes)
            turn.speech = self._say(turn, sample_rate_hz=self._rate_hz)
            self._speeches.append(turn.speech)
            self._turn = turn
        return self._turn

    def _told(self, message: str) -> None:
        try:
            told: Any = json.loads(message)
        except (ValueError, RecursionError):
            told = None
        kind = told.get("type") if isinstance(told, dict) else None
        text = told.get("text", "") if isinstance(told, dict) else ""
        if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
            self._refuse("text is no text, or too long.", f"At most {_LONGEST_TEXT} characters.")
        elif kind == "text":
            self._dropping = False
            self._open().add(text)
        elif kind == "end":
            self._dropping = False
            if self._turn is not None:
                self._turn.end()
                self._turn = None
        elif kind == "say":
            self._speeches.append(self._say(text))
        elif kind == "interrupt":
            self.interrupt()
        else:
            self._refuse(
                "That is no message of an agent's.",
                'Send sound as binary, or JSON with a "type": text, end, say, interrupt.',
            )
