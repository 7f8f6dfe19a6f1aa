"""The options that every hosted speech service has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from attrs import field, frozen

from meetcore import ConfigError, ProviderUsage, Secret

__all__ = ["ProviderOptions", "in_range"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def in_range(name: str, value: float | None, least: float, most: float) -> None:
    """Check a number that may be None.

    Raises:
        ConfigError: It is outside of the range.
    """
    if value is not None and not least <= value <= most:
        raise ConfigError(f"{name} is {value:g}.", f"It must be from {least:g} to {most:g}.")


@frozen(kw_only=True)
class ProviderOptions:
    """How a provider is reached, how long it may take, and what it costs.

    Attributes:
        key: Its key. Where none is set: the provider's environment variable, then `secrets_file`.
        secrets_file: A file of `NAME=value` lines, in which the key has the variable's name.
        url: Where it is, `https` or `http` on this machine; the key is sent there.
        max_streams: How many streams may be open at once, None for no limit of our own: what your
            plan allows. With more people who speak, all are mixed into one stream.
        idle_timeout_s: A stream nobody speaks on is closed after this, None to keep it open.
            Providers charge for open streams.
        connect_timeout_s: How long connecting and the handshake may take.
        stall_s: Speech with no result for so long is a stalled connection; another is opened.
        final_timeout_s: How long after an utterance's end its final may come.
        request_timeout_s: How long a request about a file may go without an answer.
        price_per_hour: What an hour costs, by model; a cost is told for those that are in it.
        currency: ISO 4217 code of these prices.
    """

    key: Secret | None = None
    secrets_file: Path | None = None
    url: str = ""
    max_streams: int | None = None
    idle_timeout_s: float | None = 60.0
    connect_timeout_s: float = 10.0
    stall_s: float = 10.0
    final_timeout_s: float = 15.0
    request_timeout_s: float = 600.0
    price_per_hour: Mapping[str, float] = field(factory=dict)
    currency: str = "USD"

    def __attrs_post_init__(self) -> None:
        """Refuse values that cannot work.

        Raises:
            ConfigError: A value is out of range, or the URL would send the key in the clear.
        """
        in_range("max_streams", self.max_streams, 1, 10_000)
        in_range("idle_timeout_s", self.idle_timeout_s, 1, 86_400)
        in_range("connect_timeout_s", self.connect_timeout_s, 0.1, 300)
        in_range("stall_s", self.stall_s, 1, 300)
        in_range("final_timeout_s", self.final_timeout_s, 1, 300)
        in_range("request_timeout_s", self.request_timeout_s, 1, 86_400)
        parts = urlsplit(self.url)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not parts.hostname or not (parts.scheme == "https" or local) or parts.query:
            shown = f"{parts.scheme}://{parts.hostname}"
            raise ConfigError(
                f"url leads to {shown}, where the key would not be safe.",
                "It must be https://…, or http:// on this machine, with nothing behind `?`.",
            )

    def usage(self, model: str, billed_s: float) -> ProviderUsage:
        """Return what seconds of a model cost, if its price is known."""
        price = self.price_per_hour.get(model)
        if price is None:
            return ProviderUsage(billed_s=round(billed_s, 3))
        cost = round(price * billed_s / 3600, 6)
        return ProviderUsage(billed_s=round(billed_s, 3), cost=cost, currency=self.currency)
