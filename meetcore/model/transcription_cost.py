"""What a bot's transcription used and cost, added up from its events. Pure."""

from __future__ import annotations

from attrs import define, field

from meetcore.model.event import Event
from meetcore.model.transcript_events import TranscriberUsage

__all__ = ["TranscriberTotal", "TranscriptionCost"]


@define
class TranscriberTotal:
    """What all streams of one transcriber used.

    Attributes:
        transcriber: Its name.
        streams: How many streams were closed.
        audio_s: Seconds of sound they were sent, replays and trials too.
        open_s: Seconds they were open, added up.
        billed_s: Seconds the provider charges for, None where it says nothing.
        costs: What that costs, by ISO 4217 code of the currency.
    """

    transcriber: str
    streams: int = 0
    audio_s: float = 0.0
    open_s: float = 0.0
    billed_s: float | None = None
    costs: dict[str, float] = field(factory=dict)


@define
class TranscriptionCost:
    """The account of one bot. Call `take` with each event, in any order.

    Attributes:
        totals: One for each transcriber that was used, by its name.
    """

    totals: dict[str, TranscriberTotal] = field(factory=dict)

    def take(self, event: Event) -> None:
        """Count an event, if it is one of `transcriber.usage`."""
        if not isinstance(event, TranscriberUsage):
            return
        total = self.totals.setdefault(event.transcriber, TranscriberTotal(event.transcriber))
        total.streams += 1
        total.audio_s = round(total.audio_s + event.audio_s, 3)
        total.open_s = round(total.open_s + event.open_s, 3)
        if event.billed_s is not None:
            total.billed_s = round((total.billed_s or 0.0) + event.billed_s, 3)
        if event.cost is not None:
            currency = event.currency or ""
            total.costs[currency] = total.costs.get(currency, 0.0) + event.cost

    @property
    def costs(self) -> dict[str, float]:
        """What all of them cost together, by currency; empty where nobody says."""
        sums: dict[str, float] = {}
        for total in self.totals.values():
            for currency, cost in total.costs.items():
                sums[currency] = sums.get(currency, 0.0) + cost
        return sums
