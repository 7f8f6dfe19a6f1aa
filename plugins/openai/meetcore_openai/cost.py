"""What a bot's requests cost, and when it is enough. Pure."""

from __future__ import annotations

from attrs import define, field

from meetcore import ProviderUsage, TranscriberError

__all__ = ["CostLimit"]


@define
class CostLimit:
    """Keeps the cost of all requests of a bot below a limit, those on their way included.

    Args:
        price_per_minute: What a minute of sound costs, None for unknown.
        currency: ISO 4217 code.
        most: The limit, None for none.
    """

    price_per_minute: float | None
    currency: str
    most: float | None
    spent: float = field(init=False, default=0.0)
    _reserved: float = field(init=False, default=0.0)

    def reserve(self, seconds: float) -> None:
        """Set aside what a request will cost.

        Raises:
            TranscriberError: It would be more than the limit (`quota`).
        """
        cost = self._cost(seconds)
        if self.most is not None and self.spent + self._reserved + cost > self.most:
            raise TranscriberError(
                "quota",
                f"The limit of {self.most:g} {self.currency} for this bot is used up: "
                f"{self.spent:.4g} {self.currency} were spent.",
                retryable=False,
                remedy="Raise max_cost in [plugins.openai], or name a fallback.",
            )
        self._reserved += cost

    def release(self, seconds: float) -> None:
        """Give back what was set aside for a request that came to nothing."""
        self._reserved -= self._cost(seconds)

    def charge(self, reserved_s: float, billed_s: float) -> ProviderUsage:
        """Count a request that was answered; return what it used."""
        self.release(reserved_s)
        cost = self._cost(billed_s)
        self.spent += cost
        priced = self.price_per_minute is not None
        return ProviderUsage(
            billed_s=round(billed_s, 3),
            cost=cost if priced else None,
            currency=self.currency if priced else None,
        )

    def _cost(self, seconds: float) -> float:
        return (self.price_per_minute or 0.0) * seconds / 60.0
