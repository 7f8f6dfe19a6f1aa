"""What a shell offers behind an option: names of plugins that are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from meetcore.model.errors import MeetcoreError
from meetcore.plugin.auto_transcriber import AUTO
from meetcore.plugin.registry import Plugins

__all__ = ["plugin_names", "sink_names", "transcriber_names"]

_Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _from(names: Callable[[Plugins], Iterable[str]]) -> _Completer:
    def complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
        try:
            known = names(Plugins())
        except MeetcoreError:
            return []
        return [name for name in sorted(known) if name.startswith(begun)]

    return complete


transcriber_names = _from(lambda plugins: [AUTO, *plugins.transcribers, "none"])
sink_names = _from(lambda plugins: plugins.sinks)
plugin_names = _from(lambda plugins: [info.name for info in plugins.infos])
