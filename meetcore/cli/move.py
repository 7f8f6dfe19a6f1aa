"""`meetcore move --to URL`: bots from one store to another."""

from __future__ import annotations

import sys
from typing import Any

import attrs
import click
import trio

from meetcore.cli.options import config_from_options, plugin_options, plugins_from_options
from meetcore.fleet.moving import MovedBot, move_bots
from meetcore.log.folder_store import FolderStore, folder_of_url
from meetcore.log.stores import folder_of, kept_store_of
from meetcore.model.config import BotConfig, StoreConfig

__all__ = ["move"]


@click.command()
@click.option("--to", "target_url", metavar="URL", required=True, help="The store to move to.")
@click.option(
    "--from",
    "source_url",
    metavar="URL",
    help="The store to move from; by default the one of the configuration.",
)
@click.option("--keep", is_flag=True, help="Copy: they stay in the first store, too.")
@plugin_options
def move(target_url: str, source_url: str | None, keep: bool, **options: Any) -> None:
    """Move bots from one store to another: logs, files, and the places of deliveries.

    Each is compared by hash before it is deleted where it was. What was interrupted is begun again
    and goes on; bots that are running are left alone. A server finds them at the new place once
    its `[store] url` says so.

    The folder of the configuration is encrypted if that says so, any other is in the clear.
    """
    plugins = plugins_from_options(**options)
    config = config_from_options(**options)

    def opened(url: str | None) -> Any:
        if url is None or _is_configured(config, url):
            return kept_store_of(config, plugins)
        return kept_store_of(attrs.evolve(config, store=StoreConfig(url=url)), plugins)

    source, target = opened(source_url), opened(target_url)

    async def run() -> tuple[int, list[MovedBot]]:
        total = 0
        async for _ in source.records():
            total += 1
        with click.progressbar(
            length=total, label=f"Moving {total} bots", file=sys.stderr, show_pos=True
        ) as bar:
            left = await move_bots(source, target, keep=keep, progress=lambda _: bar.update(1))
        return total, left

    total, left = trio.run(run)
    done = "copied" if keep else "moved"
    click.echo(f"{total - len(left)} of {total} bots were {done}.")
    for each in left:
        click.secho(f"  {each.bot_id}: {each.trouble}", fg="red", err=True)
    if left:
        sys.exit(1)


def _is_configured(config: BotConfig, url: str) -> bool:
    """Whether a URL means the folder of the configuration."""
    folder = folder_of(config)
    if folder is None or url.partition(":")[0] != FolderStore.name:
        return url == config.store.url
    return folder_of_url(url).resolve() == folder.resolve()
