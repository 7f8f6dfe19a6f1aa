"""What AssemblyAI's closes and errors mean."""

from __future__ import annotations

from attrs import frozen

from meetcore import TranscriberError
from meetcore_speech_api.faults import ProviderFaults

__all__ = ["AssemblyAIFaults"]

CROWDED_PAUSE_S = 30.0


@frozen(kw_only=True)
class AssemblyAIFaults(ProviderFaults):
    """Sorts AssemblyAI's trouble by the code of a close; an `Error` before it has the same.

    Source: assemblyai.com/docs/streaming/common-session-errors-and-closures, and for 40xx the table
    in its Python SDK.
    """

    def of_close(self, code: int, reason: str) -> TranscriberError:
        """Return the trouble that a close nobody here asked for means."""
        said = f"it closed the session ({code}{f', {reason}' if reason else ''})"
        if code in (3009, 4029) or (code == 1008 and "too many" in reason.lower()):
            remedy = "Set max_streams to what your plan allows."
            return self.trouble(
                "rate", said, retryable=True, retry_after_s=CROWDED_PAUSE_S, remedy=remedy
            )
        if code in (4002, 4003):
            return self.no_credit(said)
        if code in (1008, 4001):
            return self.refused_key(said)
        if code in (3006, 4100, 4101):
            remedy = "Look at the options of the plugin; the reason says which it does not like."
            return self.trouble("bad_request", said, retryable=False, remedy=remedy)
        if code == 3007:
            remedy = "This should not happen: please report it."
            return self.trouble("protocol", said, retryable=True, remedy=remedy)
        if code in (3005, 3008):
            return self.trouble("server", said, retryable=True)
        return ProviderFaults.of_close(self, code, reason)
