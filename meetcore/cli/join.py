"""`meetcore join URL`: send a bot to a meeting and watch it."""

from __future__ import annotations

import sys
from typing import Any

import click
import trio

from meetcore.bot.factory import open_bot
from meetcore.cli.ends import exit_codes_help
from meetcore.cli.options import (
    config_from_options,
    leave_options,
    plugin_options,
    plugins_from_options,
    sink_options,
    speaking_defaults,
    view_options,
    who_options,
)
from meetcore.cli.running import attend, choose_view, exit_code, outcome_lines
from meetcore.plugin.auto_transcriber import AUTO
from meetcore.plugin.captions import CaptionsTranscriber

__all__ = ["join"]


@click.command(epilog=exit_codes_help())
@click.argument("url")
@who_options
@sink_options
@plugin_options
@view_options
@leave_options
def join(url: str, **options: Any) -> None:
    """Send a bot to the meeting at URL and watch it until it ends.

    Without --sink, the recording, transcript and journal go to files (if that plugin is
    installed). Ctrl-C leaves the meeting properly; a second one leaves at once.
    """
    plugins = plugins_from_options(**options)
    defaults: dict[str, Any] = {}
    if "files" in plugins.sinks:
        defaults["sinks"] = ("files",)
    if set(plugins.transcribers) - {CaptionsTranscriber.name}:
        defaults["transcriber"] = AUTO
    defaults |= speaking_defaults(plugins, options["say"])
    config = config_from_options(defaults, **options)
    if config.retention.keep == "nothing":  # then files are nobody's default
        defaults.pop("sinks", None)
        config = config_from_options(defaults, **options)
    view = choose_view(as_json=options["as_json"], plain=options["plain"])

    async def run() -> int:
        opened = open_bot(url, config=config, plugins=plugins, passcode=options["passcode"])
        attended = await attend(opened, view, options["say"])
        view.summary(outcome_lines(attended))
        return exit_code(attended)

    sys.exit(trio.run(run))
