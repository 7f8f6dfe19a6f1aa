"""What the plugin registers: who is excluded, by the look of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meetcore import (
    BotConfig,
    ExclusionRules,
    HealthReport,
    Participant,
    build_options,
    hookimpl,
)
from meetcore.model import plain_name
from meetcore_exclude.options import ExcludeOptions

meetcore_api_version = "1.0"


def _options(settings: Mapping[str, Any]) -> ExcludeOptions | None:
    """Return how it is set; None where nobody asked for it: a table in the settings does."""
    if "exclude" not in settings:
        return None
    return build_options(ExcludeOptions, settings["exclude"], "[plugins.exclude]")


class ListedPeople(ExclusionRules):
    """Excludes who is listed.

    Args:
        options: Who is.
    """

    def __init__(self, options: ExcludeOptions) -> None:
        self._options = options
        names = "|".join(_pattern(name) for name in options.names)
        self._names = re.compile(f"(?:{names})") if names else None

    def excludes(self, participant: Participant) -> bool:
        """Return whether somebody is listed."""
        options = self._options
        if (options.hosts and participant.is_host) or (options.bots and participant.is_bot):
            return True
        name = plain_name(participant.name)
        return self._names is not None and self._names.fullmatch(name) is not None


def _pattern(name: str) -> str:
    literal = re.escape(plain_name(name))
    return literal.replace(r"\*", ".*").replace(r"\?", ".")


@hookimpl
def meetcore_configure_bot(config: BotConfig) -> None:
    """Refuse options that cannot be, before the bot starts."""
    _options(config.plugins)


@hookimpl
def meetcore_exclusion_rules(config: BotConfig) -> ExclusionRules | None:
    """Return who is excluded from a bot's recording and transcript."""
    options = _options(config.plugins)
    return None if options is None else ListedPeople(options)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say who is left out."""
    options = _options(report.config)
    if options is None:
        report.fine("left out of recordings", "nobody: [plugins.exclude] is not set")
        return
    listed = [f"{len(options.names)} names"] if options.names else []
    listed += ["hosts"] * options.hosts + ["other bots"] * options.bots
    report.fine("left out of recordings", ", ".join(listed))
