"""The settings of plugins, looked at before a bot or a server starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from meetcore.model.config import BotConfig, build_options
from meetcore.model.errors import ConfigError, MeetcoreError, UnknownOption

if TYPE_CHECKING:
    from meetcore.plugin.registry import Plugins

__all__ = ["setting_troubles"]


def setting_troubles(plugins: Plugins, config: BotConfig) -> list[MeetcoreError]:
    """Return what is wrong with the settings of plugins, each trouble once.

    Looked at are the tables under `[plugins]`, the names of sinks, and what the plugins themselves
    refuse. A table that is used only where an order names its plugin may lack what the order
    brings.

    Args:
        plugins: The loaded plugins.
        config: The configuration.
    """
    found = plugins.namespace_troubles(config)
    try:
        plugins.configure(config)
    except MeetcoreError as error:
        found.append(error)
    for name, kind in _configured(plugins, config):
        try:
            _check_table(kind, name, config)
        except MeetcoreError as error:
            found.append(error)
    for name in config.sinks:
        try:
            plugins.sink(name, config)
        except MeetcoreError as error:
            found.append(error)
    return list({str(error): error for error in found}.values())


def _configured(plugins: Plugins, config: BotConfig) -> list[tuple[str, type]]:
    """Return the options class of everything that has a table, with the table's name."""
    registries: tuple[Mapping[str, type], ...] = (
        plugins.platforms,
        plugins.transcribers,
        plugins.synthesizers,
        plugins.sinks,
        plugins.launchers,
        plugins.stores,
        plugins.buses,
    )
    kinds: dict[tuple[str, type], None] = {}
    for name in config.plugins:
        for registry in registries:
            made: Any = registry.get(name.partition(":")[0])
            options = getattr(made, "Options", None)
            if options is not None:
                kinds[name, options] = None
    return list(kinds)


def _check_table(options: type, name: str, config: BotConfig) -> None:
    where = f"[plugins.{name}]"
    try:
        build_options(options, config.plugins[name], where)
    except UnknownOption:
        raise
    except ConfigError:
        if _needs_nothing(options, where):
            raise


def _needs_nothing(options: type, where: str) -> bool:
    try:
        build_options(options, {}, where)
    except ConfigError:
        return False
    return True
