"""What a subscriber asked for, and why it may be refused: plain data."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

__all__ = ["Refusal", "Request"]


@frozen(kw_only=True)
class Request:
    """What a subscriber asked for.

    Attributes:
        path: The path, without the query.
        query: What stood behind the `?`, undecoded.
        headers: Names in lower case, with their values.
        key: `Sec-WebSocket-Key`.
    """

    path: str
    query: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    key: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """Return a header's value, several joined with commas; None if it is not there."""
        values = [value for known, value in self.headers if known == name]
        return ", ".join(values) if values else None


@frozen
class Refusal:
    """A request that is not served: the HTTP status, and words for whoever reads the answer."""

    status: int
    error: str
    remedy: str = ""
    headers: Mapping[str, str] = field(factory=dict)
