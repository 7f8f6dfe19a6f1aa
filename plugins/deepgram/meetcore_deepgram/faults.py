"""What Deepgram's closes mean."""

from __future__ import annotations

from attrs import frozen

from meetcore import TranscriberError
from meetcore_speech_api.faults import ProviderFaults

__all__ = ["DeepgramFaults"]


@frozen(kw_only=True)
class DeepgramFaults(ProviderFaults):
    """Sorts Deepgram's trouble: by the words of a close, since its numbers changed over the years.

    Source: developers.deepgram.com/docs/stt-troubleshooting-websocket-data-and-net-errors.
    """

    def of_close(self, code: int, reason: str) -> TranscriberError:
        """Return the trouble that a close nobody here asked for means."""
        told = reason.upper()
        said = f"it closed the connection ({code}{f', {reason}' if reason else ''})"
        if "DATA-0000" in told:
            remedy = "It cannot decode the audio: please report it with the model and options."
            return self.trouble("bad_request", said, retryable=False, remedy=remedy)
        if "NET-0001" in told or "NET0001" in told:
            return self.trouble("network", f"{said}: it got no audio", retryable=True)
        return ProviderFaults.of_close(self, code, reason)
