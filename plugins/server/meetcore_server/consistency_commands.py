"""`meetcore check` and `meetcore rebuild`: the database and the store, compared and mended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from meetcore.cli import config_from_options, plugin_options, plugins_from_options

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from meetcore import BotConfig, BotStore
    from meetcore_server.consistency import Difference
    from meetcore_server.storage.database import Database

__all__ = ["check", "rebuild"]

T = TypeVar("T")
_database = click.option(
    "--database",
    metavar="URL",
    help="The server's database.  [default: that of the configuration, or server.db in its folder]",
)
_out = click.option(
    "--out",
    "out_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that the server has with its --out.",
)


@click.command()
@_database
@_out
@plugin_options
def check(database: str | None, out_dir: Path | None, **options: Any) -> None:
    """Compare the server's database with the store, and say where they differ.

    May run beside a server, every night for instance. It ends with 1 where something differs.
    """

    async def work(opened: Database, store: BotStore) -> list[Difference]:
        return await _found(opened, store)

    found = _run(database, out_dir, options, work)
    for each in found:
        click.echo(f"{each.bot_id}: {each.detail}")
    if not found:
        click.echo("The database and the store say the same.")
        return
    mendable = sum(each.rebuildable for each in found)
    if mendable:
        click.echo(f"`meetcore rebuild` mends {mendable} of {len(found)}.", err=True)
    sys.exit(1)


@click.command()
@_database
@_out
@click.option(
    "--user",
    "email",
    default="operator",
    show_default=True,
    help="Whose a bot becomes that has no row any more, by email.",
)
@plugin_options
def rebuild(database: str | None, out_dir: Path | None, email: str, **options: Any) -> None:
    """Make rows of the server's database anew from the logs of their bots.

    A row is brought to what its log says, and a bot without a row gets one. What was ordered in
    detail (webhooks, secrets, settings) is in no log and stays lost with its row.
    """

    async def work(opened: Database, store: BotStore) -> tuple[list[str], list[str]]:
        from meetcore import MeetcoreError
        from meetcore_server import consistency
        from meetcore_server.storage.accounts import AccountStore
        from meetcore_server.storage.bots import BotRows

        rows = BotRows(opened)
        user, _ = await AccountStore(opened).create_user(email)
        done: list[str] = []
        left: list[str] = []
        for each in await _found(opened, store):
            if not each.rebuildable:
                left.append(f"{each.bot_id}: {each.detail}")
                continue
            try:
                await consistency.rebuild(rows, store, each, user_id=user.id)
            except MeetcoreError as error:
                left.append(f"{each.bot_id}: {error.message}")
            else:
                done.append(f"{each.bot_id}: {each.detail}; mended")
        return done, left

    done, left = _run(database, out_dir, options, work)
    for line in done:
        click.echo(line)
    for line in left:
        click.secho(line, fg="red", err=True)
    if not (done or left):
        click.echo("The database and the store say the same.")
    if left:
        sys.exit(1)


async def _found(opened: Database, store: BotStore) -> list[Difference]:
    from meetcore_server.consistency import differences
    from meetcore_server.storage.bots import BotRows

    return [each async for each in differences(BotRows(opened), store)]


def _run(
    url: str | None,
    out_dir: Path | None,
    options: dict[str, Any],
    work: Callable[[Database, BotStore], Awaitable[T]],
) -> T:
    import trio

    from meetcore.log import store_of
    from meetcore_server.storage.database import open_database

    config = config_from_options(**options)
    if out_dir is not None:
        config = _kept_below(out_dir, config)
    named = config.plugins.get("server", {}).get("database")
    place = url or named or f"sqlite:///{config.out_dir}/server.db"
    store = store_of(config, plugins_from_options(**options))

    async def main() -> T:
        async with open_database(place) as opened:
            kept = config.store.url or f"folder://{config.out_dir.absolute()}"
            click.echo(f"Database: {opened.shown}\nStore: {kept}", err=True)
            return await work(opened, store)

    return trio.run(main)


def _kept_below(out_dir: Path, config: BotConfig) -> BotConfig:
    """Return a configuration with another folder for bots, as `meetcore serve --out` means it.

    A folder that `[store]` names gives way to it; a store elsewhere keeps the bots as before.
    """
    import attrs

    store = config.store
    if store.url is not None and store.url.startswith("folder:"):
        store = attrs.evolve(store, url=None)
    return attrs.evolve(config, out_dir=out_dir, store=store)
