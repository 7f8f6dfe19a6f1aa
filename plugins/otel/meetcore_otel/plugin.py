"""What the plugin registers: it sees every event, and sends the spans that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from meetcore import (
    BotConfig,
    BotView,
    Event,
    HealthReport,
    State,
    StateChanged,
    build_options,
    hookimpl,
)
from meetcore_otel.bot_trace import BotTrace
from meetcore_otel.options import OtelOptions

if TYPE_CHECKING:
    from meetcore_otel.exporting import TraceExport

meetcore_api_version = "1.0"


@frozen
class _Traced:
    """A bot that is traced, and the way its spans take."""

    trace: BotTrace
    export: TraceExport


_BOTS: dict[str, _Traced | None] = {}
_EXPORTS: list[TraceExport] = []


def _options(settings: Mapping[str, Any]) -> OtelOptions | None:
    """Return how it is set; None where nobody asked for it: a table in the settings does."""
    if "otel" not in settings:
        return None
    return build_options(OtelOptions, settings["otel"], "[plugins.otel]")


@hookimpl
def meetcore_configure_bot(config: BotConfig) -> None:
    """Refuse options that cannot be, before the bot starts."""
    _options(config.plugins)


@hookimpl
async def meetcore_on_event(bot: BotView, event: Event) -> None:
    """Send the spans that an event ends."""
    if "otel" not in bot.config.plugins:
        return
    if bot.id not in _BOTS:
        _BOTS[bot.id] = _begin(bot)
    traced = _BOTS[bot.id]
    if traced is not None:
        traced.export.send(bot.id, traced.trace.take(event))
    if isinstance(event, StateChanged) and event.state in (State.COMPLETED, State.FAILED):
        del _BOTS[bot.id]
        if traced is not None:
            await _leave(traced.export)


def _begin(bot: BotView) -> _Traced | None:
    """Return what traces a bot; None where it is not one of the sample."""
    from meetcore_otel.exporting import TraceExport, is_sampled

    options = _options(bot.config.plugins)
    if options is None or not is_sampled(bot.id, options.sample):
        return None
    export = next((each for each in _EXPORTS if each.options == options), None)
    if export is None:
        export = TraceExport(options)
        _EXPORTS.append(export)
    export.bots += 1
    return _Traced(BotTrace(all_segments=options.segments == "all"), export)


async def _leave(export: TraceExport) -> None:
    """Have a bot's last spans sent; with the last bot the way they took is closed."""
    export.bots -= 1
    if export.bots:
        await export.flush()
        return
    _EXPORTS.remove(export)
    await export.close()


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say where traces go."""
    options = _options(report.config)
    if options is None:
        report.fine("traces", "none: [plugins.otel] is not set")
    else:
        where = options.url or "where OpenTelemetry's variables say, else this machine's port 4318"
        report.fine("traces", f"of {options.sample:.0%} of the bots, to {where}")
