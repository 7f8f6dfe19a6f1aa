"""`meetcore join URL`: send a bot to a meeting and watch it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click
import trio

from meetcore.cli.running import attend, exit_code, outcome_lines
from meetcore.cli.views import choose_view
from meetcore.config import AutomaticLeave, BotConfig, load_config, merged, written
from meetcore.opening import open_bot
from meetcore.plugins import Plugins

__all__ = ["bot_options", "config_from_options", "join"]

C = TypeVar("C", bound=Callable[..., Any])


def _leave_options(command: C) -> C:
    for option in reversed(attrs.fields(AutomaticLeave)):
        flag = "--leave-" + option.name.removesuffix("_s").replace("_", "-")
        command = click.option(
            flag,
            option.name,
            metavar="SECONDS",
            help=f"automatic_leave.{option.name} (default {option.default:g}; 'never').",
        )(command)
    return command


def bot_options(command: C) -> C:
    """Add the options that every command with a bot has."""
    for option in reversed(
        [
            click.option("--name", help="The name the bot shows in the meeting."),
            click.option(
                "--transcriber", metavar="NAME", help="Who transcribes; 'none' for nobody."
            ),
            click.option(
                "--sink", "sinks", metavar="NAME", multiple=True, help="Where to deliver."
            ),
            click.option(
                "--out",
                "out_dir",
                type=click.Path(path_type=Path),
                help="Folder for bots' folders.",
            ),
            click.option(
                "--config",
                "config_file",
                type=click.Path(path_type=Path),
                envvar="MEETCORE_CONFIG",
                help="TOML file with the configuration.",
            ),
            click.option(
                "--set",
                "settings",
                metavar="KEY=VALUE",
                multiple=True,
                help="Any option, for instance --set plugins.webhook.url=https://…",
            ),
            click.option(
                "--plugin",
                "plugin_files",
                type=click.Path(path_type=Path),
                multiple=True,
                help="A plugin in one file.",
            ),
            click.option("--without", metavar="NAME", multiple=True, help="Leave a plugin out."),
            click.option("--headed", is_flag=True, default=None, help="Show the browser."),
            click.option("--json", "as_json", is_flag=True, help="Events as JSON lines."),
            click.option("--plain", is_flag=True, help="Plain lines, also on a terminal."),
        ]
    ):
        command = option(command)
    return command


def _assigned(settings: tuple[str, ...]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{setting!r} is not KEY=VALUE.", param_hint="--set")
        level: Any = value
        for part in reversed(key.split(".")):
            level = {part: level}
        result = merged(result, level)
    return written(result)


def config_from_options(defaults: dict[str, Any] | None = None, **options: Any) -> BotConfig:
    """Return the configuration that a command's options, its file and the environment mean."""
    leave_names = {option.name for option in attrs.fields(AutomaticLeave)}
    leave = {k: v for k, v in options.items() if k in leave_names and v is not None}
    chosen: dict[str, Any] = {
        key: options[key] for key in ("name", "out_dir", "headed") if options.get(key) is not None
    }
    if options.get("transcriber") is not None:
        chosen["transcriber"] = options["transcriber"]
    if options.get("sinks"):
        chosen["sinks"] = list(options["sinks"])
    if leave:
        chosen["automatic_leave"] = leave
    chosen = merged(chosen, _assigned(options.get("settings", ())))
    if defaults:
        from_elsewhere = load_config(options.get("config_file"))
        unset = {
            key: value
            for key, value in defaults.items()
            if getattr(from_elsewhere, key) == getattr(BotConfig(), key)
        }
        chosen = merged(unset, chosen)
    return load_config(options.get("config_file"), chosen)


def plugins_from_options(**options: Any) -> Plugins:
    """Return the plugins that are installed, and those in files: of the configuration, and named.

    Raises:
        PluginError: A file cannot be loaded.
    """
    named = load_config(options.get("config_file")).plugin_files
    return Plugins(files=[*named, *options["plugin_files"]], without=options["without"])


@click.command()
@click.argument("url")
@bot_options
@_leave_options
def join(url: str, **options: Any) -> None:
    """Send a bot to the meeting at URL and watch it until it ends.

    Without --sink, the recording, transcript and journal go to files (if that plugin is
    installed). Ctrl-C leaves the meeting properly; a second one leaves at once.
    """
    plugins = plugins_from_options(**options)
    defaults: dict[str, Any] = {}
    if "files" in plugins.sinks:
        defaults["sinks"] = ("files",)
    if len(plugins.transcribers) == 1:
        defaults["transcriber"] = next(iter(plugins.transcribers))
    config = config_from_options(defaults, **options)
    view = choose_view(as_json=options["as_json"], plain=options["plain"])

    async def run() -> int:
        outcome = await attend(open_bot(url, config=config, plugins=plugins), view)
        view.summary(outcome_lines(outcome))
        return exit_code(outcome)

    sys.exit(trio.run(run))
