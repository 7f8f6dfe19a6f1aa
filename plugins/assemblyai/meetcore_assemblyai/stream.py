"""One track over AssemblyAI's `/v3/ws`: turns, of which the provider alone says where they end.

A turn ends after silence, or by `ForceEndpoint`, which is sent at the end of each of our
utterances; where no turn is open then, nothing answers it. So an utterance of ours has its final

* when a turn that reaches its end was ended after we asked, or a turn begins behind it;
* else, two seconds later, when nothing of it is still open and either a turn of it was ended before
  or the provider's heartbeat says that it has got it all and heard no speech.

Otherwise the core's own limit holds, and the utterance is replayed to another session. Audio goes
in frames of 50 to 200 ms, no faster than real time.

Source: assemblyai.com/docs/streaming (message sequence, api-spec, common session errors).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import trio

from meetcore import StreamRequest
from meetcore_assemblyai.options import AssemblyAIOptions
from meetcore_assemblyai.turns import Turn, read_revisions, read_turn
from meetcore_speech_api.assembly import SpokenPiece
from meetcore_speech_api.connection import ProviderSocket
from meetcore_speech_api.faults import ProviderFaults
from meetcore_speech_api.stream import ProviderStream

__all__ = ["AssemblyAIStream"]

ENDPOINT_WITHIN_S = 2.0
MORE_TURNS_WITHIN_S = 1.5
REACHES_END_S = 1.2
SPEECH_PROBABLE = 0.5
ROUNDING_S = 0.05


class AssemblyAIStream(ProviderStream):
    """A track's stream.

    Args:
        socket: The open connection.
        request: The track, and where results go.
        options: What was set.
        faults: What trouble means.
    """

    shortest_ms: ClassVar[int] = 50
    longest_ms: ClassVar[int] = 200
    burst_s: ClassVar[float | None] = 0.5

    def __init__(
        self,
        socket: ProviderSocket,
        request: StreamRequest,
        options: AssemblyAIOptions,
        faults: ProviderFaults,
    ) -> None:
        super().__init__(socket, request, options, faults)
        self._options = options
        self._begun = trio.Event()
        self._next_order = 0
        self._unwritten: Turn | None = None
        self._settled_to_s = 0.0
        self._speech_to_s = 0.0
        self._received_to_s = 0.0
        self._due_at = math.inf

    # --- out --------------------------------------------------------------------------------

    async def opened(self) -> None:
        """Wait until the session has begun.

        Raises:
            TranscriberError: It does not within the time for connecting.
        """
        limit_s = self._options.connect_timeout_s
        with trio.move_on_after(limit_s):
            await self._begun.wait()
        if not self._begun.is_set():
            raise self.faults.trouble(
                "network", f"the session did not begin within {limit_s:g} s", retryable=True
            )

    async def ask_for_finals(self) -> None:
        """Have the turn ended that is open."""
        self._due_at = trio.current_time() + ENDPOINT_WITHIN_S
        self.changed()
        await self.socket.send({"type": "ForceEndpoint"})

    async def ask_to_close(self) -> None:
        """End the session: until then it is charged for, up to three hours."""
        await self.socket.send({"type": "Terminate"})

    # --- in ---------------------------------------------------------------------------------

    def take(self, message: Mapping[str, Any]) -> None:
        """Take a message."""
        kind = message.get("type")
        if kind == "Turn":
            self._take_turn(read_turn(message))
        elif kind == "Heartbeat":
            self._take_heartbeat(message)
        elif kind == "Begin":
            self._check_wishes(message.get("configuration"))
            self._begun.set()
        elif kind == "SpeakerRevision":
            self.assembly.relabel(read_revisions(message))
        elif kind == "Termination":
            self.session_ended()
        elif kind == "Warning":
            self.request.notice("warning", f"AssemblyAI warns: {message.get('warning', '')}")
        elif "error" in message:
            raise self.faults.of_close(int(message.get("error_code", 1008)), str(message["error"]))

    def _check_wishes(self, confirmed: Mapping[str, Any] | None) -> None:
        """Say what the session is not as it was wished for: unknown wishes are ignored silently."""
        wished = self._options.configured()
        if self.request.diarize:
            wished["speaker_labels"] = True
        for name, value in wished.items():
            given = (confirmed or {}).get(name, value)
            if given != value:
                words = f"AssemblyAI has {name} = {given}, though {value} was asked for."
                self.request.notice("ignored", words)

    def _take_turn(self, turn: Turn) -> None:
        if turn.order < self._next_order:
            return  # it was final before
        if turn.piece.start_s > self.clock.sent_s + ROUNDING_S:
            return  # about nothing that was said
        if self._unwritten is not None and turn.order > self._unwritten.order:
            self._settle(self._unwritten)
        if turn.ended and (turn.formatted or not self._options.formats_after):
            self._settle(turn)
        else:
            self.assembly.guess((turn.piece,))
            self._unwritten = turn if turn.ended else None
        self.assembly.show()
        self._finish(turn)
        if self.assembly.owed_to_s is not None:
            self._due_at = trio.current_time() + MORE_TURNS_WITHIN_S
        self.answered()

    def _settle(self, turn: Turn) -> None:
        piece = turn.piece
        if not piece.words and piece.text:  # it says not when: then it is of what is owed
            at_s = self.assembly.owed_from_s
            at_s = self.clock.sent_s if at_s is None else at_s
            piece = SpokenPiece(start_s=at_s, end_s=at_s, text=piece.text, language=piece.language)
        self.assembly.guess(())
        self.assembly.settle(piece)
        self._next_order = turn.order + 1
        self._unwritten = None
        self._settled_to_s = max(self._settled_to_s, piece.end_s)

    def _finish(self, turn: Turn) -> None:
        """Finish the utterances that this turn shows to be through."""
        words = turn.piece.words
        while (to_s := self.assembly.owed_to_s) is not None:
            behind = bool(words) and words[0].middle_s >= to_s
            answer = turn.order < self._next_order and self._settled_to_s >= to_s - REACHES_END_S
            if not (behind or answer):
                return
            self.assembly.finish(to_s)

    def _take_heartbeat(self, message: Mapping[str, Any]) -> None:
        self._received_to_s = float(message["total_audio_received_ms"]) / 1000
        if float(message.get("max_speech_probability") or 0.0) >= SPEECH_PROBABLE:
            self._speech_to_s = self._received_to_s
            return
        if self.assembly.owed_to_s is not None and self._due_at == math.inf:
            self._due_at = trio.current_time()
        self.answered()

    # --- where no answer comes to a ForceEndpoint ----------------------------------------------

    def finals_due_at(self) -> float:
        """Return when it is time to look whether an utterance is final without an answer."""
        return self._due_at

    def finals_not_announced(self) -> None:
        """Take it as final where nothing is open and something was ended, or nothing was said."""
        self._due_at = math.inf
        if self._unwritten is not None:
            self._settle(self._unwritten)
        while (to_s := self.assembly.owed_to_s) is not None:
            from_s = self.assembly.owed_from_s or 0.0
            silent = self._received_to_s >= to_s - ROUNDING_S and self._speech_to_s <= from_s
            if self.assembly.guesses_before(to_s) or not (silent or self._settled_to_s > from_s):
                return
            self.assembly.finish(to_s)
        self.changed()
