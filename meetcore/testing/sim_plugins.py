"""Which plugins a simulated meeting loads, and what becomes of their mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from meetcore.bot.bot import Bot
from meetcore.bot.bot_runner import bot_runner_of
from meetcore.model.events import PluginFailed
from meetcore.plugin.registry import ENTRY_POINT_GROUP

__all__ = ["failures_of", "named_and_installed", "raise_first"]

_SCRIPTED = ("sim", "scripted")


def named_and_installed(settings: Mapping[str, Any]) -> set[str]:
    """Return the names in a bot's settings that are those of installed plugins."""
    named: list[object] = []
    for source in (settings.get("config"), settings):
        for key in ("transcriber", "synthesizer", "sinks"):
            value = source.get(key) if isinstance(source, Mapping) else getattr(source, key, None)
            named += value if isinstance(value, (list, tuple)) else [value]
    known = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    return known & {name for name in named if isinstance(name, str)}


def failures_of(bot: Bot) -> list[tuple[PluginFailed, BaseException | None]]:
    """Return the list to which each failure of a plugin goes from now on."""
    failures: list[tuple[PluginFailed, BaseException | None]] = []
    bot_runner_of(bot).plugin_failed.listener = lambda event, error: failures.append((event, error))
    return failures


def raise_first(failures: Sequence[tuple[PluginFailed, BaseException | None]]) -> None:
    """Raise for the first failure that no script asked for.

    Raises:
        AssertionError: There was one.
    """
    for event, error in failures:
        if event.plugin not in _SCRIPTED:
            at = f" at {event.frame}" if event.frame else ""
            raise AssertionError(
                f"The plugin {event.plugin!r} failed in {event.where}{at}: {event.error} "
                "(allow_failures=True if that is what this run is about)"
            ) from error
