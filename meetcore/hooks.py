"""The hook specifications: where a plugin can join in.

A hook implementation is a plain function marked with `meetcore.hookimpl`, in a module that is
named by an entry point of the group `meetcore` or given with `--plugin path.py`. It may take
fewer arguments than the specification has. `register_*` hooks run once, when the plugins are
loaded; no hook is called per chunk of audio.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from meetcore.bot import Bot
    from meetcore.config import BotConfig
    from meetcore.contracts import (
        HealthReport,
        Launcher,
        Platform,
        Sink,
        Store,
        Transcriber,
        Vault,
    )
    from meetcore.dialect import Dialect
    from meetcore.events import Event
    from meetcore.transcript import Segment

__all__ = ["API_VERSION", "DROP", "Drop", "HookSpecs", "hookimpl", "hookspec"]

API_VERSION = "1.0"
"""Version of this file: the first number changes when a plugin can break, the second when
something was added. A plugin says which it was written for with `meetcore_api_version`."""


class Drop(Enum):
    """What `meetcore_revise_segment` returns to drop a segment."""

    DROP = "drop"


DROP = Drop.DROP

hookspec = pluggy.HookspecMarker("meetcore")
hookimpl = pluggy.HookimplMarker("meetcore")


class HookSpecs:
    """Every hook there is."""

    @hookspec
    def meetcore_register_platforms(self, register: Callable[[type[Platform]], None]) -> None:
        """Offer platforms: call `register` with each `Platform` class."""

    @hookspec
    def meetcore_register_transcribers(self, register: Callable[[type[Transcriber]], None]) -> None:
        """Offer transcribers: call `register` with each `Transcriber` class."""

    @hookspec
    def meetcore_register_dialects(self, register: Callable[[type[Dialect]], None]) -> None:
        """Offer dialects: call `register` with each `Dialect` class."""

    @hookspec
    def meetcore_register_sinks(self, register: Callable[[type[Sink]], None]) -> None:
        """Offer sinks: call `register` with each `Sink` class."""

    @hookspec
    def meetcore_register_stores(
        self, register: Callable[[type[Store] | type[Vault]], None]
    ) -> None:
        """Offer stores and vaults: call `register` with each class."""

    @hookspec
    def meetcore_register_launchers(self, register: Callable[[type[Launcher]], None]) -> None:
        """Offer launchers: call `register` with each `Launcher` class."""

    @hookspec
    def meetcore_register_cli(self, group: click.Group) -> None:
        """Add commands to the `meetcore` command line."""

    @hookspec
    def meetcore_register_routes(self, app: Any) -> None:
        """Add routes to the server, where the server plugin is installed."""

    @hookspec(firstresult=False)
    def meetcore_configure_bot(self, config: BotConfig) -> BotConfig | None:
        """Return a changed configuration before a bot starts, or None to leave it.

        Implementations form a chain, the plugin loaded last first: each gets what the one before
        it returned.
        """

    @hookspec
    def meetcore_on_event(self, bot: Bot, event: Event) -> None:
        """See every event of every bot, in order.

        May be a plain function, which must return at once, or an async one. Each plugin has a
        task of its own; a call that hangs is given up after 30 s.
        """

    @hookspec(firstresult=False)
    def meetcore_revise_segment(self, bot: Bot, segment: Segment) -> Segment | Drop | None:
        """Change or drop a finalized segment before it enters the journal.

        Return a changed segment, `meetcore.DROP` to drop it, or None to leave it.
        Implementations form a chain. One that raises or takes longer than 2 s is reported, and
        the segment goes on as it was: a redactor that must not fail open catches its own errors.
        """

    @hookspec
    def meetcore_check_health(self, report: HealthReport) -> None:
        """Say for `meetcore doctor` what works here and what is missing, with a remedy."""
