"""`meetcore recover [DIR]`: finish what a killed process left."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

from meetcore.cli.options import config_from_options, plugin_options, plugins_from_options
from meetcore.fleet.recovery import RECOVER_TIMEOUT_S, RecoveredBot, recover_all, recover_bot
from meetcore.fleet.recovery import recover as recover_bots
from meetcore.log.encrypted_store import EncryptedFolderStore
from meetcore.log.folder_store import FolderStore
from meetcore.log.folders import (
    bot_folders,
    encrypted_bot_folders,
    encrypted_log_path,
    journal_path,
)
from meetcore.log.stores import store_of
from meetcore.log.unkept import TOMBSTONE_NAME
from meetcore.model.config import BotConfig
from meetcore.model.errors import MeetcoreError
from meetcore.plugin.store import BotStore

__all__ = ["recover"]

_SAID_AFTER_S = 2.0


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
    store: BotStore = store_of(config, plugins)
    bot_id: str | None = None
    if folder is not None and not folder.is_dir():
        raise MeetcoreError(f"There is no folder {folder}.", "Give a bot's folder, or --out's.")
    if folder is not None:
        _check_has_bots(folder)
    encrypted = isinstance(store, EncryptedFolderStore)
    if folder is not None and encrypted:
        store, folder, bot_id = _in_encrypted(config, folder)
    elif folder is not None and not isinstance(store, FolderStore):
        raise MeetcoreError(
            f"The bots of this configuration are in the store {store.name!r}, not in a folder.",
            "Leave DIR out: what they left is brought to an end in the store.",
        )

    def shown(bot: RecoveredBot) -> str:
        return store.kept_in(bot.bot_id) if encrypted else str(bot.folder)

    async def run() -> bool:
        with _said_while_it_waits():
            if bot_id is not None:
                recovered = await recover_bot(store, bot_id, plugins=plugins, config=config)
            elif folder is None:
                recovered = await recover_all(store, plugins=plugins, config=config)
            else:
                recovered = await recover_bots(folder, plugins=plugins, config=config)
        for bot in recovered:
            click.echo(f"{bot.bot_id}  ({shown(bot)})")
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
        return not any(bot.trouble or bot.unfinished for bot in recovered)

    if not trio.run(run):
        sys.exit(1)


@contextmanager
def _said_while_it_waits() -> Iterator[None]:
    """Say what the block waits for, where it takes long: a thread does, whatever Trio is at."""
    words = "Waiting for sinks: what they still owe is delivered, up to {:g} s for each of a bot."
    later = threading.Timer(
        _SAID_AFTER_S, partial(click.echo, words.format(RECOVER_TIMEOUT_S), err=True)
    )
    later.daemon = True
    later.start()
    try:
        yield
    finally:
        later.cancel()


def _has_bots(folder: Path) -> bool:
    """Whether it is a bot's folder, or has some: also one of which only its numbers were kept."""
    found = [*bot_folders(folder), *encrypted_bot_folders(folder)]
    buried = (folder / TOMBSTONE_NAME).is_file() or any(folder.glob(f"*/{TOMBSTONE_NAME}"))
    return bool(found) or buried


def _may_have_bots(path: Path) -> bool:
    """Whether somebody may have bots there: a disk's own folders, and others' private ones, not."""
    return (
        path.is_dir()
        and path.name != "lost+found"
        and not path.name.startswith(".")
        and os.access(path, os.R_OK | os.X_OK)
    )


def _check_has_bots(folder: Path) -> None:
    """Refuse a folder of other folders than bots'. One without any is that of bots to come.

    Raises:
        click.UsageError: It names the folder below that has bots, where one has.
    """
    below = sorted(path for path in folder.iterdir() if _may_have_bots(path))
    if not below or _has_bots(folder):
        return
    hint = next((f" There are some in {path}." for path in below if _has_bots(path)), "")
    raise click.UsageError(f"There is no bot's folder in {folder}.{hint}")


def _in_encrypted(config: BotConfig, folder: Path) -> tuple[EncryptedFolderStore, None, str | None]:
    """Return the store of a folder that a person named, and the bot where it is that of one."""
    is_bot = any(path(folder).is_file() for path in (encrypted_log_path, journal_path))
    there = folder.resolve()
    store = EncryptedFolderStore.of(config, there.parent if is_bot else there)
    return store, None, there.name if is_bot else None
