"""`meetcore keys`: makes, lists and revokes the keys of a server, also while it runs."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from attrs import define

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from meetcore.gateway import KeyRow, UserRow
    from meetcore_server.storage.database import Database

__all__ = ["keys"]

T = TypeVar("T")
_SCOPES = ("read", "write", "admin", "take_over", "operate")


@define(slots=False)
class _Chosen:
    """Which database is meant, found when it is needed: `--help` reads no configuration.

    Attributes:
        database: `--database`.
        config_path: `--config`.
        out_dir: `--out`.
    """

    database: str | None
    config_path: Path | None
    out_dir: Path | None

    @cached_property
    def url(self) -> str:
        """The database that a server has with the same options."""
        from meetcore import load_config

        if self.database is not None:
            return self.database
        if self.config_path is not None and not self.config_path.is_file():
            raise click.BadParameter(
                f"File {str(self.config_path)!r} does not exist.", param_hint="'--config'"
            )
        chosen = {} if self.out_dir is None else {"out_dir": self.out_dir}
        config = load_config(self.config_path, chosen)
        named = config.plugins.get("server", {}).get("database")
        return str(named or f"sqlite:///{config.out_dir}/server.db")

    @property
    def shown(self) -> str:
        """The database as it may be shown: whose server does not use it, sees it here."""
        from meetcore_server.storage.engine import find_place

        return find_place(self.url).shown

    @property
    def written(self) -> str:
        """The options to give again for the same database, with a blank after each."""
        given: dict[str, Path | str | None] = {"--config": self.config_path, "--out": self.out_dir}
        if self.database is not None:
            given = {"--database": self.shown}
        return "".join(
            f"{option} {shlex.quote(str(value))} " for option, value in given.items() if value
        )


@click.group()
@click.option(
    "--database",
    metavar="URL",
    help="The server's database: sqlite:///path or postgresql://user@host/name.  "
    "[default: that of the configuration, or sqlite:///meetings/server.db]",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MEETCORE_CONFIG",
    help="The TOML file that the server is started with.",
)
@click.option(
    "--out",
    "out_dir",
    type=click.Path(path_type=Path),
    help="The folder for bots that the server is started with.",
)
@click.pass_context
def keys(
    context: click.Context, database: str | None, config_path: Path | None, out_dir: Path | None
) -> None:
    """Make, list and revoke the keys of a server. What is done here holds at once.

    Give it the --config, --out or --database that the server has.
    """
    context.obj = _Chosen(database, config_path, out_dir)


@keys.command()
@click.option("--label", default="", help="What the key is for, in your own words.")
@click.option(
    "--user",
    "email",
    default="operator",
    show_default=True,
    help="Whose key it is, by email; a user who is not there yet is made.",
)
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(_SCOPES),
    multiple=True,
    default=("read", "write"),
    show_default=True,
    help="What it may do; may be given several times.",
)
@click.option("--expires-days", type=click.FloatRange(min=0, min_open=True, max=36_500))
@click.option(
    "--max-bots",
    type=click.IntRange(min=1),
    help="How many bots ordered with it there may be at once.  [default: the server's limit]",
)
@click.pass_obj
def create(
    chosen: _Chosen,
    label: str,
    email: str,
    scopes: tuple[str, ...],
    expires_days: float | None,
    max_bots: int | None,
) -> None:
    """Make a key, and show it this once."""
    from meetcore.gateway import Scope
    from meetcore_server.storage.accounts import AccountStore
    from meetcore_server.storage.keys import Keys

    expires_at = None
    if expires_days is not None:
        expires_at = datetime.now(UTC) + timedelta(days=expires_days)

    async def work(database: Database) -> tuple[UserRow, KeyRow, str]:
        user, _ = await AccountStore(database).create_user(email)
        may = frozenset(Scope(word) for word in scopes)
        made = await Keys(database).create(
            user.id, label=label, scopes=may, expires_at=expires_at, max_bots=max_bots
        )
        return user, *made

    user, row, key = _run(chosen, work)
    click.echo(key)
    until = f", until {_day(row.expires_at)}" if row.expires_at is not None else ""
    most = f", for {row.max_bots} bots at once" if row.max_bots is not None else ""
    click.echo(f"A key of {user.email} to {_words(row)}{until}{most}, in {chosen.shown}.", err=True)
    click.echo("It is not shown again. Send it as: Authorization: Bearer KEY", err=True)
    click.echo(f"To make it void: meetcore keys {chosen.written}revoke {row.id}", err=True)


@keys.command("list")
@click.pass_obj
def list_(chosen: _Chosen) -> None:
    """List the keys, without what only their holders know."""
    from rich.markup import escape
    from rich.table import Table

    from meetcore.cli import OutputConsole
    from meetcore_server.storage.accounts import AccountStore
    from meetcore_server.storage.keys import Keys

    async def work(database: Database) -> tuple[list[UserRow], list[KeyRow]]:
        return await AccountStore(database).users(), await Keys(database).keys()

    _check_there(chosen)
    users, rows = _run(chosen, work)
    if not rows:
        click.echo("There are no keys. Make one: meetcore keys create")
        return
    emails = {user.id: user.email for user in users}
    columns = ("id", "key", "user", "number", "may", "bots", "made", "state", "label")
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        state, made = _state(row), _day(row.created_at)
        bots = "" if row.max_bots is None else str(row.max_bots)
        user, label = escape(emails[row.user_id]), escape(row.label)
        number = str(row.user_id)
        table.add_row(row.id, f"{row.hint}…", user, number, _words(row), bots, made, state, label)
    OutputConsole(width=None if sys.stdout.isatty() else 200).print(table)


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option("--delete-data", is_flag=True, help="Delete all that bots ordered with it left.")
@click.pass_obj
def revoke(chosen: _Chosen, key_id: str, delete_data: bool) -> None:
    """Make a key void. ID is the key's id, as `list` shows it, or the start of it.

    With --delete-data a running server, or the next one, deletes what the key's bots left; those
    that are in a meeting, or scheduled, go on, and theirs is deleted when they have ended.
    """
    from meetcore import ConfigError
    from meetcore_server.storage.bots import BotRows
    from meetcore_server.storage.keys import Keys

    async def work(database: Database) -> tuple[list[KeyRow], bool]:
        store = Keys(database)
        found = [row for row in await store.keys() if row.id.startswith(key_id)]
        done = len(found) == 1 and await store.revoke(found[0].id)
        if len(found) == 1 and delete_data:
            rows = await BotRows(database).delete_soon(key_id=found[0].id)
            bots = "1 bot" if len(rows) == 1 else f"{len(rows)} bots"
            what = f"What {bots} left is deleted by a running server within half a minute."
            click.echo(what if rows else "No bot left anything that was ordered with it.", err=True)
        return found, done

    _check_there(chosen)
    found, done = _run(chosen, work)
    if not found:
        raise ConfigError(f"There is no key {key_id!r}.", "`meetcore keys list` shows their ids.")
    if len(found) > 1:
        raise ConfigError(f"{len(found)} keys begin with {key_id!r}.", "Give more of the id.")
    if done:
        click.echo(f"Key {found[0].id} is void; a running server knows it within a second.")
    else:
        click.echo(f"Key {found[0].id} was void already.")


def _run(chosen: _Chosen, work: Callable[[Database], Awaitable[T]]) -> T:
    import trio

    from meetcore_server.storage.database import open_database

    async def main() -> T:
        async with open_database(chosen.url) as database:
            return await work(database)

    return trio.run(main)


def _check_there(chosen: _Chosen) -> None:
    """Refuse to look for keys in a database that is made only now: it is the wrong folder.

    Raises:
        ConfigError: There is no file at its path.
    """
    from meetcore import ConfigError
    from meetcore_server.storage.engine import find_place

    place = find_place(chosen.url)
    if place.file is not None and not place.file.exists():
        raise ConfigError(
            f"There is no database at {place.shown}, so there are no keys in it.",
            "Give the --config, --out or --database of the server, in the folder in which it runs.",
        )


def _words(row: KeyRow) -> str:
    return ", ".join(word for word in _SCOPES if word in row.scopes)


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else ""


def _state(row: KeyRow) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is None:
        return "valid"
    if row.expires_at <= datetime.now(UTC):
        return "expired"
    return f"valid until {_day(row.expires_at)}"
