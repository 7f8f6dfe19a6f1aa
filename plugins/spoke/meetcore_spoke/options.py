"""The operator's options for Spoke's API, and what a user may choose instead. Pure."""

from __future__ import annotations

from attrs import frozen

from meetcore import ConfigError
from meetcore_spoke.errors import KEY_HEADERS

__all__ = ["SAME", "WHERE", "SpokeOptions", "header_for"]

SAME = "same"
WHERE = "[plugins.server.dialects.spoke]"


@frozen(kw_only=True)
class SpokeOptions:
    """How webhooks are written.

    Attributes:
        webhook_header: Name of the header that carries the client's key, or `same` for the one the
            client's request had.
        extended: Whether the codes and fields that came after the seed are sent.
    """

    webhook_header: str = SAME
    extended: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse a header that is none of the two.

        Raises:
            ConfigError: Which it may be.
        """
        if self.webhook_header not in (*KEY_HEADERS, SAME):
            known = ", ".join((*KEY_HEADERS, SAME))
            raise ConfigError(
                f"webhook_header in {WHERE} is {self.webhook_header!r}.", f"Known: {known}."
            )


def header_for(options: SpokeOptions, of_request: str) -> str:
    """Return the header of a bot's webhooks."""
    return of_request if options.webhook_header == SAME else options.webhook_header
