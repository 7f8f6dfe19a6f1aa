"""`meetcore recover DIR`: finish what a killed process left."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import trio

from meetcore.cli.options import config_from_options, plugin_options, plugins_from_options
from meetcore.fleet.recovery import recover as recover_bots
from meetcore.model.errors import MeetcoreError

__all__ = ["recover"]


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@plugin_options
def recover(folder: Path, **options: Any) -> None:
    """Finish what a killed process left in DIR: journals, recordings, transcripts, deliveries.

    DIR is the folder of one bot or of many. Give the same --config the bots had, so that
    deliveries still owed can be made. Bots that are running are left alone.
    """
    if not folder.is_dir():
        raise MeetcoreError(f"There is no folder {folder}.", "Give a bot's folder, or --out's.")
    plugins = plugins_from_options(**options)
    config = config_from_options(**options)

    async def run() -> bool:
        recovered = await recover_bots(folder, plugins=plugins, config=config)
        for bot in recovered:
            click.echo(f"{bot.bot_id}  ({bot.folder})")
            if bot.torn_bytes:
                click.echo(f"  journal: cut off {bot.torn_bytes} bytes of a torn last line")
            if bot.ended:
                click.echo("  journal: ended with reason 'crashed'")
            for note in bot.notes:
                click.echo(f"  {note}")
            for trouble in bot.trouble:
                click.secho(f"  {trouble}", fg="red", err=True)
        if not recovered:
            click.echo("Nothing to recover.")
        return not any(bot.trouble for bot in recovered)

    if not trio.run(run):
        sys.exit(1)
