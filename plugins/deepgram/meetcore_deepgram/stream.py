"""One track over Deepgram's `/v1/listen`: ranges that become final, in order.

Deepgram answers about ranges of the connection's audio. A range is interim until one that
`is_final` covers it; those cover the audio without holes. So an utterance of ours has its final
when final ranges reach its end, which `Finalize` brings about. The answer to a `Finalize` may have
no text, and where next to nothing was left to do it may not come at all.

Its own ends of sentences (`speech_final`, `UtteranceEnd`) say where it heard a pause; the core has
found the pauses itself, so they change nothing.

Source: developers.deepgram.com (finalize, close-stream, audio-keep-alive, interim-results).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

import trio

from meetcore import StreamRequest
from meetcore_deepgram.options import DeepgramOptions
from meetcore_deepgram.results import LiveResult, read_result
from meetcore_speech_api.connection import ProviderSocket
from meetcore_speech_api.faults import ProviderFaults
from meetcore_speech_api.stream import ProviderStream

__all__ = ["DeepgramStream"]

FINALIZE_WITHIN_S = 2.0
NOTHING_LEFT_S = 0.5
NEVER_HEARD_S = 0.2
ROUNDING_S = 0.05


class DeepgramStream(ProviderStream):
    """A track's stream.

    Args:
        socket: The open connection.
        request: The track, and where results go.
        options: What was set.
        faults: What trouble means.
        keyterms: Names and terms to send as `Configure`; none where the URL had them.
    """

    keep_alive_s: ClassVar[float | None] = 4.0

    def __init__(
        self,
        socket: ProviderSocket,
        request: StreamRequest,
        options: DeepgramOptions,
        faults: ProviderFaults,
        keyterms: tuple[str, ...] = (),
    ) -> None:
        super().__init__(socket, request, options, faults)
        self._model = options.model
        self._keyterms = keyterms
        self._final_to_s = 0.0
        self._interim_to_s = 0.0
        self._asked: deque[float] = deque()
        self._due_at = math.inf
        self._arch_told = False

    # --- out --------------------------------------------------------------------------------

    async def opened(self) -> None:
        """Set the terms that are likely to be said."""
        await trio.lowlevel.checkpoint()
        if self._keyterms:
            await self.socket.send({"type": "Configure", "keyterms": list(self._keyterms)})

    async def keep_alive(self) -> None:
        """Keep the connection of somebody who does not speak: after 10 s it would be closed."""
        await self.socket.send({"type": "KeepAlive"})

    async def ask_for_finals(self) -> None:
        """Have everything finalized that was sent so far."""
        self._asked.append(self.clock.sent_s)
        self._due_at = trio.current_time() + FINALIZE_WITHIN_S
        self.changed()
        await self.socket.send({"type": "Finalize"})

    async def ask_to_close(self) -> None:
        """Have everything finalized and the session ended; `Metadata` is its last word."""
        await self.socket.send({"type": "CloseStream"})

    # --- in ---------------------------------------------------------------------------------

    def take(self, message: Mapping[str, Any]) -> None:
        """Take a message."""
        kind = message.get("type")
        if kind == "Results":
            result = read_result(message)
            if result is not None:
                self._take_result(result)
        elif kind == "UtteranceEnd":
            self.answered()
        elif kind == "Metadata":
            self.session_ended()
        elif kind == "ConfigureFailure":
            words = f"Deepgram did not take the vocabulary ({', '.join(self._keyterms)})."
            self.request.notice("ignored", words)
        elif kind == "Error":
            words = str(message.get("description") or message.get("message") or "an error")
            raise self.faults.trouble("server", words, retryable=True)

    def _take_result(self, result: LiveResult) -> None:
        piece, settled_to_s = result.piece, self._final_to_s
        if piece.start_s > self.clock.sent_s + ROUNDING_S:
            return  # about nothing that was said
        if piece.start_s < settled_to_s - ROUNDING_S:
            # A range that was final before, all of it or its beginning: not again.
            piece = piece.only(tuple(w for w in piece.words if w.middle_s >= settled_to_s))
        fresh = piece.end_s > settled_to_s + ROUNDING_S / 5
        if result.is_final:
            self.assembly.guess(())
            if fresh:
                self.assembly.settle(piece)
                self._final_to_s = min(piece.end_s, self.clock.sent_s)
        elif piece.end_s >= self._interim_to_s:  # else it is older than the last one
            self.assembly.guess((piece,) if fresh else ())
            self._interim_to_s = piece.end_s
        self.assembly.show()
        self._check_model(result.arch)
        self._finish(result)
        if self.assembly.owed_to_s is not None:
            self._due_at = trio.current_time() + FINALIZE_WITHIN_S
        self.answered()

    def _finish(self, result: LiveResult) -> None:
        if not result.is_final:
            return
        until_s = self._final_to_s + ROUNDING_S
        answers = [asked for asked in self._asked if asked <= until_s]
        if result.from_finalize and not answers:
            # It may stop short of what it finalized; one far short answers an earlier Finalize.
            near = [asked for asked in self._asked if asked - until_s <= NOTHING_LEFT_S]
            answers = near[:1]
        for _ in answers:
            until_s = max(until_s, self._asked.popleft())
        self.assembly.finish(until_s)

    def _check_model(self, arch: str) -> None:
        if arch and not self._arch_told and not self._model.startswith(arch):
            words = f"Deepgram transcribes with {arch}, though {self._model} was asked for."
            self.request.notice("ignored", words)
        self._arch_told = self._arch_told or bool(arch)

    # --- where no answer comes to a Finalize ---------------------------------------------------

    def finals_due_at(self) -> float:
        """Return when two seconds have passed in which a `Finalize` was not answered."""
        return self._due_at

    def finals_not_announced(self) -> None:
        """Take it as final where next to nothing was left to do; else the core's limit holds."""
        self._due_at = math.inf
        while (to_s := self.assembly.owed_to_s) is not None:
            left_s = to_s - self._final_to_s
            begun = self._final_to_s > (self.assembly.owed_from_s or 0.0)
            little = left_s <= (NOTHING_LEFT_S if begun else NEVER_HEARD_S)
            if not little or self.assembly.guesses_before(to_s):
                return
            self._final_to_s = max(self._final_to_s, to_s)
            self.assembly.finish(to_s)
        self.changed()
