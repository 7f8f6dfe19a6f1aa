"""Launchers by name: the two that are built in, and those that plugins bring."""

from __future__ import annotations

import attrs
from attrs import frozen

from meetcore.fleet.launching.child_process import UNRESPONSIVE_LIMIT_S, ChildProcessLauncher
from meetcore.fleet.launching.in_process import InProcessLauncher
from meetcore.model.config import BotConfig, build_options
from meetcore.plugin.launcher import Launcher
from meetcore.plugin.registry import Plugins

__all__ = ["ChildProcessOptions", "launcher_of"]


@frozen(kw_only=True)
class ChildProcessOptions:
    """The options of `[plugins.child_process]`.

    Attributes:
        stop_with_launcher: Whether bots leave when their fleet closes; otherwise they go on and
            the next fleet can adopt them.
        unresponsive_limit_s: A process that answers nothing for so long is ended; None for never.
    """

    stop_with_launcher: bool = True
    unresponsive_limit_s: float | None = UNRESPONSIVE_LIMIT_S


def launcher_of(config: BotConfig, plugins: Plugins) -> Launcher:
    """Return the launcher that a configuration names; `in_process` where it names none.

    Raises:
        UnknownPlugin: There is none of that name.
        ConfigError: Its settings cannot be used.
    """
    name = config.launcher
    if name is None or name == InProcessLauncher.name:
        return InProcessLauncher(plugins)
    if name == ChildProcessLauncher.name:
        settings = config.plugins.get(name)
        options = build_options(ChildProcessOptions, settings, f"[plugins.{name}]")
        return ChildProcessLauncher(**attrs.asdict(options))
    return plugins.launcher(name, config)
