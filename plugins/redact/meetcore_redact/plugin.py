"""What the plugin registers: a reviser that fails closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from meetcore import BotConfig, BotView, HealthReport, Segment, build_options, hookimpl

if TYPE_CHECKING:
    from meetcore_redact.options import RedactOptions

meetcore_api_version = "1.0"


def _options(settings: Mapping[str, Any]) -> RedactOptions | None:
    """Return how it is set; None where nobody asked for it: a table in the settings does."""
    if "redact" not in settings:
        return None
    # What a bot without it does not need takes as long to load as the rest of the plugins.
    from meetcore_redact.options import RedactOptions

    return build_options(RedactOptions, settings["redact"], "[plugins.redact]")


@hookimpl
def meetcore_configure_bot(config: BotConfig) -> None:
    """Refuse options that cannot be, and load what takes long, before the bot starts."""
    options = _options(config.plugins)
    if options is not None and options.presidio:
        from meetcore_redact.presidio_finder import load_presidio

        load_presidio(options)


@hookimpl(fail_closed=True)
def meetcore_revise_segment(bot: BotView, segment: Segment) -> Segment | None:
    """Replace what is not to be in a transcript by what it is."""
    options = _options(bot.config.plugins)
    if options is None:
        return None
    from meetcore_redact.finder import redacted

    text = redacted(segment.text, options)
    return attrs.evolve(segment, text=text) if text != segment.text else None


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Say by which rules transcripts are redacted."""
    options = _options(report.config)
    if options is None:
        report.fine("left out of transcripts", "nothing: [plugins.redact] is not set")
        return
    listed = ["e-mail addresses"] if options.emails else []
    listed += [f"{len(options.id_numbers)} kinds of id numbers", f"{len(options.names)} names"]
    if options.long_numbers is not None:
        listed.append(f"numbers of {options.long_numbers} digits and more")
    if options.presidio:
        from meetcore_redact.presidio_finder import load_presidio

        load_presidio(options)
        listed.append(f"what Presidio finds ({options.presidio_model or 'patterns alone'})")
    report.fine("left out of transcripts", ", ".join(listed))
