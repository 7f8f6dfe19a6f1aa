"""The command group: the core's commands, each imported when it is called, and the plugins'."""

from __future__ import annotations

import logging
import sys
from functools import cached_property
from importlib import import_module
from typing import Any, cast

import click

from meetcore.cli.ends import exit_codes_help, quiet_ends
from meetcore.cli.loading import loading
from meetcore.model.errors import MeetcoreError, found_in
from meetcore.model.version import __version__

__all__ = ["main"]

_HOMES = {
    "doctor": "doctor",
    "join": "join",
    "move": "move",
    "plugins": "listing",
    "recover": "recover",
    "replay": "replay",
}


class PluginGroup(click.Group):
    """A group whose plugins may add commands; they are loaded when a command is looked up."""

    @cached_property
    def _with_plugins(self) -> click.Group:
        from meetcore.plugin.registry import Plugins

        extra = click.Group("plugins")
        for implementation in Plugins().implementations("meetcore_register_cli"):
            implementation.call_named("meetcore_register_cli", group=extra)
        return extra

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        with loading():
            added = self._with_plugins.list_commands(ctx)
        return sorted({*_HOMES, *super().list_commands(ctx), *added})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; the core's own win over a plugin's."""
        with loading():
            if home := _HOMES.get(cmd_name):
                found = getattr(import_module(f"meetcore.cli.{home}"), cmd_name)
                return cast("click.Command", found)
            known = super().get_command(ctx, cmd_name)
            return known or self._with_plugins.get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C or a reader that has gone end it quietly."""
        with quiet_ends():
            return super().invoke(ctx)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run; an error of ours is two lines for a person, not a traceback."""
        try:
            return super().main(*args, **kwargs)
        except MeetcoreError as error:
            click.secho(f"Error: {error.message}", fg="red", err=True)
            if error.remedy:
                click.echo(error.remedy, err=True)
            sys.exit(1)
        except ExceptionGroup as group:
            ours = found_in(group, MeetcoreError)
            if ours is None:
                raise
            click.secho(f"Error: {ours.message}", fg="red", err=True)
            if ours.remedy:
                click.echo(ours.remedy, err=True)
            sys.exit(1)


@click.group(
    cls=PluginGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=exit_codes_help(),
)
@click.version_option(__version__, "-V", "--version", prog_name="meetcore")
@click.option(
    "--log",
    type=click.Choice(["debug", "info", "warning"]),
    default="warning",
    help="Log to stderr from this level on.",
)
def main(log: str) -> None:
    """Send a bot to a meeting: it listens, writes who said what, and delivers it."""
    logging.basicConfig(
        stream=sys.stderr,
        level=getattr(logging, log.upper()),
        format="%(asctime)s %(levelname)-7s %(message)s",
    )
