"""The operator's options for Spoke's API, and what a user may choose instead. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from meetcore.model.config import build_options
from meetcore.model.errors import ConfigError
from meetcore_spoke.webhooks import HEADERS

__all__ = ["SAME", "SpokeOptions", "header_for", "read_options"]

SAME = "same"
_WHERE = "[plugins.server.dialects.spoke]"


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
        if self.webhook_header not in (*HEADERS, SAME):
            known = ", ".join((*HEADERS, SAME))
            raise ConfigError(
                f"webhook_header in {_WHERE} is {self.webhook_header!r}.", f"Known: {known}."
            )

    def with_user(self, settings: Mapping[str, Any]) -> SpokeOptions:
        """Return these with what a user chose on top."""
        header, extended = settings.get("webhook_header"), settings.get("extended")
        return SpokeOptions(
            webhook_header=header if isinstance(header, str) else self.webhook_header,
            extended=extended if isinstance(extended, bool) else self.extended,
        )


def read_options(table: Any) -> SpokeOptions:
    """Return the options in a table.

    Raises:
        ConfigError: One that nobody knows, or a value that cannot be used.
    """
    return build_options(SpokeOptions, table, _WHERE)


def header_for(options: SpokeOptions, of_request: str) -> str:
    """Return the header of a bot's webhooks."""
    return of_request if options.webhook_header == SAME else options.webhook_header
