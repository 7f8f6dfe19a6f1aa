"""`meetcore demo`: a bot attends a real WebRTC meeting on this machine, and is graded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meetcore.cli import exit_codes_help, sink_names, transcriber_names
from meetcore_rehearsal.command import script_names

if TYPE_CHECKING:
    from meetcore import BotConfig, Plugins
    from meetcore.cli import View

__all__ = ["demo"]

LIMIT_S = 180.0
START_UP_S = 30.0


@click.command(epilog=exit_codes_help())
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines, nothing else.")
@click.option("--plain", is_flag=True, help="Plain lines, also on a terminal.")
@click.option("--headed", is_flag=True, help="Show the browsers.")
@click.option(
    "--script",
    default="planning",
    show_default=True,
    help="A bundled name (`meetcore rehearse --list`) or a file.",
    shell_complete=script_names,
)
@click.option("--name", default="Notes", show_default=True, help="The bot's name.")
@click.option(
    "--transcriber",
    default="auto",
    show_default=True,
    help="Who transcribes; 'none' for nobody.",
    shell_complete=transcriber_names,
)
@click.option(
    "--sink",
    "sinks",
    multiple=True,
    default=("files",),
    show_default=True,
    help="Where to deliver; may be given more than once.",
    shell_complete=sink_names,
)
@click.option(
    "--out",
    "out_dir",
    type=click.Path(path_type=Path),
    default=Path("meetings"),
    show_default=True,
    help="Folder for the bot's folder.",
)
def demo(
    as_json: bool,
    plain: bool,
    headed: bool,
    script: str,
    name: str,
    transcriber: str,
    sinks: tuple[str, ...],
    out_dir: Path,
) -> None:
    """Watch a bot attend a scripted meeting: real browsers, real WebRTC, no account, no key.

    The cast waits in a room on this machine; the bot knocks, is admitted, hears them and
    writes who said what while they say it. It takes about a minute and ends by itself.
    """
    import trio

    from meetcore import Plugins, load_config
    from meetcore.cli import choose_view

    config = load_config(
        overrides={
            "name": name,
            "transcriber": transcriber,
            "sinks": list(sinks),
            "out_dir": out_dir,
            "plugins": {"browser": {"headed": headed}},
        }
    )
    view = choose_view(as_json=as_json, plain=plain)
    sys.exit(trio.run(_demonstrate, script, config, Plugins(), view))


async def _demonstrate(script: str, config: BotConfig, plugins: Plugins, view: View) -> int:
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
            attendance = await attend(opened, view)
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
