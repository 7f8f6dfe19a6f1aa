"""The options that several commands share, and the configuration they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from meetcore.cli.completing import plugin_names, sink_names, transcriber_names
from meetcore.model.config import AutomaticLeave, BotConfig, load_config, merged, written
from meetcore.plugin.registry import Plugins

__all__ = [
    "config_from_options",
    "leave_options",
    "plugin_options",
    "plugins_from_options",
    "sink_options",
    "speaking_defaults",
    "view_options",
    "who_options",
]

C = TypeVar("C", bound=Callable[..., Any])


def _adding(*options: Callable[[Any], Any]) -> Callable[[C], C]:
    def add(command: C) -> C:
        for option in reversed(options):
            command = option(command)
        return command

    return add


who_options = _adding(
    click.option("--name", help="The name the bot shows in the meeting."),
    click.option("--passcode", help="What the meeting asks guests for; wins over one in the link."),
    click.option(
        "--transcriber",
        metavar="NAME",
        help="Who transcribes; 'none' for nobody.",
        shell_complete=transcriber_names,
    ),
    click.option(
        "--video",
        is_flag=True,
        default=None,
        help="Record the meeting as video, too: one MP4 of what it shows.",
    ),
    click.option(
        "--say",
        metavar="TEXT",
        help="What the bot says aloud once somebody can hear it.",
    ),
    click.option("--headed", is_flag=True, default=None, help="Show the browser."),
    click.option(
        "--trace",
        is_flag=True,
        default=None,
        help="Keep a trace of the page in the bot's folder: all that it showed, in one file.",
    ),
    click.option(
        "--metadata",
        metavar="KEY=VALUE",
        multiple=True,
        help="Your own keys, kept in the journal's first event.",
    ),
)
"""Options of a command that sends a bot."""

sink_options = _adding(
    click.option(
        "--sink",
        "sinks",
        metavar="NAME",
        multiple=True,
        help="Where to deliver; may be given more than once.",
        shell_complete=sink_names,
    ),
    click.option(
        "--out",
        "out_dir",
        type=click.Path(path_type=Path),
        help="Folder for bots' folders.",
    ),
)
"""Options of a command that delivers."""

plugin_options = _adding(
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
    click.option(
        "--without",
        metavar="NAME",
        multiple=True,
        help="Leave a plugin out.",
        shell_complete=plugin_names,
    ),
)
"""Options of a command that uses plugins and their settings."""

view_options = _adding(
    click.option("--json", "as_json", is_flag=True, help="Events as JSON lines, nothing else."),
    click.option("--plain", is_flag=True, help="Plain lines, also on a terminal."),
)
"""Options of a command that shows a bot."""

leave_options = _adding(
    *(
        click.option(
            "--leave-" + option.name.removesuffix("_s").replace("_", "-"),
            option.name,
            metavar="SECONDS",
            help=f"automatic_leave.{option.name} (default {option.default:g}"
            + ("; 'never')." if "None" in str(option.type) else ")."),
        )
        for option in attrs.fields(AutomaticLeave)
    )
)
"""An option for each rule by which a bot leaves."""


def _pairs(settings: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    pairs = []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{setting!r} is not KEY=VALUE.", param_hint=option)
        pairs.append((key, value))
    return pairs


def _assigned(settings: tuple[str, ...]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in _pairs(settings, "--set"):
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
        key: options[key] for key in ("name", "out_dir") if options.get(key) is not None
    }
    if options.get("out_dir") is not None:
        chosen["store"] = {"url": None}  # whoever says where means it
    if options.get("transcriber") is not None:
        chosen["transcriber"] = options["transcriber"]
    if options.get("sinks"):
        chosen["sinks"] = list(options["sinks"])
    if options.get("video"):
        chosen["video"] = True
    if leave:
        chosen["automatic_leave"] = leave
    browser = {name: True for name in ("headed", "trace") if options.get(name)}
    if browser:
        chosen["plugins"] = {"browser": browser}
    chosen = merged(chosen, _assigned(options.get("settings", ())))
    if metadata := dict(_pairs(options.get("metadata", ()), "--metadata")):
        chosen = merged(chosen, {"metadata": metadata})
    return load_config(options.get("config_file"), chosen, defaults=defaults)


def speaking_defaults(plugins: Plugins, say: str | None) -> dict[str, Any]:
    """Return the defaults that a bot needs to say something: a synthesizer, where there is one."""
    known = sorted(plugins.synthesizers, key=lambda name: (name != "flite", name))
    return {"synthesizer": known[0]} if say and known else {}


def plugins_from_options(**options: Any) -> Plugins:
    """Return the plugins that are installed, and those in files: of the configuration, and named.

    Raises:
        PluginError: A file cannot be loaded.
    """
    named = load_config(options.get("config_file")).plugin_files
    return Plugins(files=[*named, *options["plugin_files"]], without=options["without"])
