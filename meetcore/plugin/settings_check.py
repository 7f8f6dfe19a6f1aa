"""The settings of plugins, looked at before a bot or a server starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, entry_points, metadata
from typing import Any, Protocol

from meetcore.model.config import BotConfig, build_options
from meetcore.model.errors import ConfigError, MeetcoreError, UnknownOption, UnknownPlugin

__all__ = ["setting_troubles", "unknown_table"]

_DISTRIBUTION = "meetcore"


def unknown_table(name: str, known: Iterable[str], *, left_out: bool) -> UnknownOption:
    """Return the error of a table under `[plugins]` of which no loaded plugin knows.

    Args:
        name: The table's name.
        known: The names that could stand there.
        left_out: Whether a plugin of that name was not to be loaded, if it is installed.
    """
    error = UnknownOption(name, known, "[plugins]")
    plugin = name.partition(":")[0]
    installed = plugin in entry_points(group=_DISTRIBUTION).names
    if left_out and installed:
        error.remedy = (
            "That plugin is left out (--without, MEETCORE_WITHOUT or MEETCORE_LOAD): load it, or "
            "take its table out of the configuration."
        )
    elif plugin.replace("_", "-") in _extras():
        extra = plugin.replace("_", "-")
        error.remedy = f"That plugin is not installed: pip install 'meetcore[{extra}]'"
    else:
        return error
    error.nearest = None
    return error


def _extras() -> set[str]:
    """Return the names by which this project's own plugins are installed."""
    try:
        return set(metadata(_DISTRIBUTION).get_all("Provides-Extra") or ())
    except PackageNotFoundError:
        return set()


class _Loaded(Protocol):
    """What is asked of the plugins that are loaded."""

    @property
    def sinks(self) -> Mapping[str, type]: ...

    def registered(self) -> list[Mapping[str, type]]: ...
    def namespace_troubles(self, config: BotConfig) -> list[MeetcoreError]: ...
    def configure(self, config: BotConfig) -> BotConfig: ...
    def sink(self, name: str, config: BotConfig) -> object: ...


def setting_troubles(plugins: _Loaded, config: BotConfig) -> list[MeetcoreError]:
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
        except (UnknownOption, UnknownPlugin) as error:
            found.append(error)
        except MeetcoreError as error:
            options = getattr(plugins.sinks.get(name.partition(":")[0]), "Options", None)
            if options is None or _needs_nothing(options, f"[plugins.{name}]"):
                found.append(error)
    return list({str(error): error for error in found}.values())


def _configured(plugins: _Loaded, config: BotConfig) -> list[tuple[str, type]]:
    """Return the options class of everything that has a table, with the table's name."""
    kinds: dict[tuple[str, type], None] = {}
    for name in config.plugins:
        for registry in plugins.registered():
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
