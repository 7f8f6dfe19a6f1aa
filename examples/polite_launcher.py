"""A launcher in one file: a process for each bot, at a lower priority than all else on the machine.

meetcore serve --plugin examples/polite_launcher.py, with `launcher = "polite"` in the configuration
"""

import sys
from collections.abc import Callable

import attrs

import meetcore
from meetcore.fleet import ChildProcessLauncher


@attrs.frozen(kw_only=True)
class PoliteOptions:
    """The options of `[plugins.polite]`.

    Attributes:
        niceness: 0 to 19; the higher, the more is left to others.
    """

    niceness: int = 10


class PoliteLauncher(ChildProcessLauncher):
    """Runs each bot in a process of its own, by `nice`."""

    name = "polite"
    Options = PoliteOptions

    def __init__(self, options: PoliteOptions | None = None) -> None:
        niceness = (options or PoliteOptions()).niceness
        if not 0 <= niceness <= 19:
            raise meetcore.ConfigError(
                f"[plugins.polite] niceness is {niceness}.", "Take one from 0 to 19."
            )
        super().__init__(python=("nice", "-n", str(niceness), sys.executable))


@meetcore.hookimpl
def meetcore_register_launchers(register: Callable[[type[meetcore.Launcher]], None]) -> None:
    """Offer the launcher `polite`."""
    register(PoliteLauncher)
