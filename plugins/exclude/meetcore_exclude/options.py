"""How the plugin is set: the table `[plugins.exclude]`."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from meetcore import ConfigError

__all__ = ["ExcludeOptions"]


def _patterns(instance: object, attribute: Any, value: tuple[str, ...]) -> None:
    for name in value:
        if not name.strip():
            raise ConfigError("names in [plugins.exclude] has one without a letter.")
        if not name.replace("*", "").replace("?", "").strip():
            raise ConfigError(
                f"names in [plugins.exclude] has {name!r}, which is everybody.",
                "Where nobody is to be recorded, set `record = false`.",
            )


@frozen(kw_only=True)
class ExcludeOptions:
    """Who is left out.

    Attributes:
        names: Names, in which `*` stands for anything and `?` for one character, as in `Dr. *`;
            whatever the case, accents and surplus spaces.
        hosts: Whether whoever the platform shows as a host is.
        bots: Whether other bots are, where they are known to be bots.
    """

    names: tuple[str, ...] = field(default=(), validator=_patterns)
    hosts: bool = False
    bots: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse a table that leaves nobody out: whoever wrote it believes it does.

        Raises:
            ConfigError: It names nobody.
        """
        if not (self.names or self.hosts or self.bots):
            raise ConfigError(
                "[plugins.exclude] names nobody who is to be left out.",
                'Write for instance names = ["Dr. *"], or leave the table out.',
            )
