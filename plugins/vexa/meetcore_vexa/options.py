"""The operator's options for Vexa's API. Pure."""

from __future__ import annotations

from attrs import frozen

from meetcore import ConfigError
from meetcore_vexa.variants import DEFAULT, Variant

__all__ = ["WHERE", "VexaOptions"]

WHERE = "[plugins.server.dialects.vexa]"


@frozen(kw_only=True)
class VexaOptions:
    """How users are answered.

    Attributes:
        dialect: The era of users who have not chosen one: `E1`, `E2`, `E3` or `E4`.
    """

    dialect: str = DEFAULT.value

    def __attrs_post_init__(self) -> None:
        """Refuse an era that there is not.

        Raises:
            ConfigError: Which it may be.
        """
        if Variant.named(self.dialect) is None:
            raise ConfigError(
                f"dialect in {WHERE} is {self.dialect!r}.",
                'Write dialect = "E1", "E2", "E3" or "E4".',
            )

    @property
    def variant(self) -> Variant:
        """The era."""
        return Variant.named(self.dialect) or DEFAULT
