"""`meetcore plugins`: what is loaded, from where, and what it registered."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import attrs
import click
from rich.markup import escape
from rich.table import Table

from meetcore.cli.ends import OutputConsole
from meetcore.plugin.hooks import API_VERSION
from meetcore.plugin.registry import Plugins

__all__ = ["plugins"]


_REGISTRIES = (
    "platforms",
    "transcribers",
    "synthesizers",
    "sinks",
    "launchers",
    "stores",
)
"""What shows in `registered` by name, where the hook itself says no more."""


@click.command()
@click.option(
    "--plugin",
    "plugin_files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A plugin in one file, to be listed too.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def plugins(plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """List the plugins: where each came from, and what it registered."""
    loaded = Plugins(files=plugin_files)
    broken = any(info.trouble for info in loaded.infos)
    if as_json:
        print(json.dumps([attrs.asdict(info) for info in loaded.infos], indent=2))
        sys.exit(1 if broken else 0)
    table = Table(box=None, pad_edge=False)
    for heading in ("plugin", "from", "hook API", "registers, and other hooks"):
        table.add_column(heading, overflow="fold")
    for info in loaded.infos:
        hooks = (hook.removeprefix("meetcore_") for hook in sorted(info.hooks))
        others = (hook for hook in hooks if f"{hook.removeprefix('register_')}" not in _REGISTRIES)
        offers = ", ".join([*info.registered, *others])
        table.add_row(
            info.name,
            escape(info.origin),
            info.api_version or "not said",
            f"[red]not loaded: {escape(info.trouble)}[/red]" if info.trouble else offers,
        )
    console = OutputConsole(file=sys.stdout)
    if not loaded.infos:
        console.print("No plugin is installed. `make demo` installs those that come with meetcore.")
        return
    console.print(table)
    console.print(f"\nThis meetcore speaks hook API {API_VERSION}.", style="dim")
    if broken:
        sys.exit(1)
