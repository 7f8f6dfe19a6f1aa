"""The `meetcore` command line.

Names are looked up on first use, and what a command stands on is imported when it is called.
Ctrl-C in that time ends the process as it ends any other, without a traceback.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from meetcore.cli.loading import loading

if TYPE_CHECKING:
    from meetcore.cli.completing import sink_names as sink_names
    from meetcore.cli.completing import transcriber_names as transcriber_names
    from meetcore.cli.ends import OutputConsole as OutputConsole
    from meetcore.cli.ends import exit_codes_help as exit_codes_help
    from meetcore.cli.group import main as main
    from meetcore.cli.lines import line_of as line_of
    from meetcore.cli.live import LiveView as LiveView
    from meetcore.cli.opening import opened_folder as opened_folder
    from meetcore.cli.opening import path_in as path_in
    from meetcore.cli.options import config_from_options as config_from_options
    from meetcore.cli.options import plugin_options as plugin_options
    from meetcore.cli.options import plugins_from_options as plugins_from_options
    from meetcore.cli.options import speaking_defaults as speaking_defaults
    from meetcore.cli.running import Attended as Attended
    from meetcore.cli.running import attend as attend
    from meetcore.cli.running import choose_view as choose_view
    from meetcore.cli.running import exit_code as exit_code
    from meetcore.cli.running import outcome_lines as outcome_lines
    from meetcore.cli.views import JsonView as JsonView
    from meetcore.cli.views import PlainView as PlainView
    from meetcore.cli.views import View as View

_HOMES = {
    "completing": ("sink_names", "transcriber_names"),
    "ends": ("OutputConsole", "exit_codes_help"),
    "group": ("main",),
    "lines": ("line_of",),
    "live": ("LiveView",),
    "opening": ("opened_folder", "path_in"),
    "options": (
        "config_from_options",
        "plugin_options",
        "plugins_from_options",
        "speaking_defaults",
    ),
    "running": ("Attended", "attend", "choose_view", "exit_code", "outcome_lines"),
    "views": ("JsonView", "PlainView", "View"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'meetcore.cli' has no attribute {name!r}")
    if name != "main":
        return getattr(import_module(f"meetcore.cli.{home}"), name)
    with loading():
        return import_module(f"meetcore.cli.{home}").main
