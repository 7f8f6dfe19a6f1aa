"""`meetcore demo`: a bot attends a real WebRTC meeting on this machine, and is graded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meetcore.cli import exit_codes_help, plugin_options, sink_names, transcriber_names
from meetcore_rehearsal.command import script_names

if TYPE_CHECKING:
    from meetcore import BotConfig, Plugins
    from meetcore.cli import View

__all__ = ["demo"]

_DEFAULTS = {"name": "Notes", "transcriber": "auto", "sinks": ["files"], "out_dir": "meetings"}
LIMIT_S = 180.0
START_UP_S = 30.0


@click.command(epilog=exit_codes_help())
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines, nothing else.")
@click.option("--plain", is_flag=True, help="Plain lines, also on a terminal.")
@click.option("--headed", is_flag=True, help="Show the browsers.")
@click.option(
    "--video",
    is_flag=True,
    default=None,
    help="Record the meeting as video, too: one MP4 of what it shows.",
)
@click.option("--say", metavar="TEXT", help="What the bot says aloud once it is in the call.")
@click.option(
    "--script",
    default="planning",
    show_default=True,
    help="A bundled name (`meetcore rehearse --list`) or a file.",
    shell_complete=script_names,
)
@click.option("--name", help="The bot's name.  [default: Notes]")
@click.option(
    "--transcriber",
    metavar="NAME",
    help="Who transcribes; 'none' for nobody.  [default: auto]",
    shell_complete=transcriber_names,
)
@click.option(
    "--sink",
    "sinks",
    metavar="NAME",
    multiple=True,
    help="Where to deliver; may be given more than once.  [default: files]",
    shell_complete=sink_names,
)
@click.option(
    "--out",
    "out_dir",
    type=click.Path(path_type=Path),
    help="Folder for the bot's folder.  [default: meetings]",
)
@plugin_options
def demo(as_json: bool, plain: bool, script: str, **options: Any) -> None:
    """Watch a bot attend a scripted meeting: real browsers, real WebRTC, no account, no key.

    The cast waits in a room on this machine; the bot knocks, is admitted, hears them and
    writes who said what while they say it. It takes about a minute and ends by itself.
    """
    import trio

    from meetcore import MeetcoreError
    from meetcore.cli import (
        choose_view,
        config_from_options,
        plugins_from_options,
        speaking_defaults,
    )

    try:
        plugins = plugins_from_options(**options)
        defaults = {**_DEFAULTS, **speaking_defaults(plugins, options["say"])}
        config = config_from_options(defaults, **options)
        plugins.check_namespaces(config)
        _check_transcriber(config, plugins)
    except MeetcoreError as error:
        raise click.ClickException(f"{error.message} {error.remedy}".strip()) from error
    view = choose_view(as_json=as_json, plain=plain)
    sys.exit(trio.run(_demonstrate, script, config, plugins, view, options["say"]))


def _check_transcriber(config: BotConfig, plugins: Plugins) -> None:
    """Refuse a transcriber that lacks something, before anybody comes.

    Raises:
        MeetcoreError: It is not installed, or not ready; says what is missing.
    """
    from meetcore import ConfigError

    name = config.transcriber
    if name in (None, "auto"):
        return
    ready = plugins.transcriber(name, config).readiness()
    if not ready.usable:
        raise ConfigError(f"{name} cannot transcribe here: {ready.because}.", ready.remedy)


async def _demonstrate(
    script: str, config: BotConfig, plugins: Plugins, view: View, say: str | None
) -> int:
    import trio

    from meetcore import open_bot
    from meetcore.cli import attend, exit_code, outcome_lines
    from meetcore_browser.options import browser_options
    from meetcore_rehearsal.rehearsal import open_rehearsal
    from meetcore_rehearsal.score import score_rehearsal

    click.echo("Opening the meeting room; its cast is coming ...", err=True)
    with trio.move_on_after(LIMIT_S) as limit:
        async with open_rehearsal(
            script, headed=browser_options(config.plugins).headed
        ) as rehearsal:
            limit.deadline += max(0.0, rehearsal.script.duration_s + START_UP_S - LIMIT_S)
            opened = open_bot(rehearsal.link, config=config, plugins=plugins)
            attendance = await attend(opened, view, say)
            events = list(attendance.bot.journal.read())
            score = score_rehearsal(rehearsal.script, events, rehearsal.clock_started_at)
        view.summary([*outcome_lines(attendance), "", *score.lines()])
        return exit_code(attendance)
    click.echo(
        f"The demonstration did not end within {LIMIT_S:g} s. "
        "Is the machine very busy? `meetcore doctor` looks for trouble.",
        err=True,
    )
    return 1
