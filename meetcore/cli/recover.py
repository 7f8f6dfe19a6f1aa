"""`meetcore recover [DIR]`: finish what a killed process left."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import trio

from meetcore.cli.options import config_from_options, plugin_options, plugins_from_options
from meetcore.fleet.recovery import recover as recover_bots
from meetcore.fleet.recovery import recover_all
from meetcore.log.folder_store import FolderStore
from meetcore.log.stores import store_of
from meetcore.model.errors import MeetcoreError

__all__ = ["recover"]


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@plugin_options
def recover(folder: Path | None, **options: Any) -> None:
    """Finish what a killed process left in DIR: journals, recordings, transcripts, deliveries.

    DIR is the folder of one bot or of many; without it the store of the configuration is gone
    through. Give the same --config the bots had, so that deliveries still owed can be made. Bots
    that are running are left alone.
    """
    plugins = plugins_from_options(**options)
    config = config_from_options(**options)
    store = store_of(config, plugins)
    if folder is not None and not folder.is_dir():
        raise MeetcoreError(f"There is no folder {folder}.", "Give a bot's folder, or --out's.")
    if folder is not None and not isinstance(store, FolderStore):
        raise MeetcoreError(
            f"The bots of this configuration are in the store {store.name!r}, not in a folder.",
            "Leave DIR out: what they left is brought to an end in the store.",
        )

    async def run() -> bool:
        if folder is None:
            recovered = await recover_all(store, plugins=plugins, config=config)
        else:
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
