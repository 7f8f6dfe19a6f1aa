"""What one stream of a transcriber used, as an event."""

from __future__ import annotations

from collections.abc import Sequence

from meetcore.audio.chunk import SAMPLE_RATE_HZ
from meetcore.model.events import TranscriberUsage
from meetcore.plugin.transcriber import ProviderUsage

__all__ = ["stream_usage"]


def stream_usage(
    transcriber: str, track_id: str, samples: int, open_s: float, told: Sequence[ProviderUsage]
) -> TranscriberUsage:
    """Return the event of a stream that was closed.

    Args:
        transcriber: The transcriber's name.
        track_id: The track.
        samples: How much it was sent, at 16 kHz.
        open_s: How long it was open, in seconds.
        told: What the provider said of it, piece by piece.
    """
    costs = [usage.cost for usage in told if usage.cost is not None]
    currencies = [usage.currency for usage in told if usage.currency is not None]
    return TranscriberUsage(
        transcriber=transcriber,
        track_id=track_id,
        audio_s=round(samples / SAMPLE_RATE_HZ, 3),
        open_s=round(open_s, 3),
        billed_s=sum(usage.billed_s for usage in told) if told else None,
        cost=sum(costs) if costs else None,
        currency=currencies[-1] if currencies else None,
    )
