"""One plugin's function for one hook, and calling it so that its mistakes are told as such."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from attrs import define, field

from meetcore.model.errors import MeetcoreError, PluginError, brief
from meetcore.plugin.failures import frame_of

__all__ = ["HookImplementation", "told_of"]


def told_of(error: BaseException) -> str:
    """Return a stranger's error in a line, with the author's own line."""
    place = frame_of(error)
    return f"{brief(error)} ({place})" if place else brief(error)


@define
class HookImplementation:
    """One plugin's function for one hook."""

    plugin_name: str
    function: Callable[..., Any]
    argument_names: tuple[str, ...]
    fail_closed: bool = field(default=False, kw_only=True)

    @property
    def place(self) -> str:
        """Where the function stands, as `/path/file.py:12 name`; empty where nobody knows."""
        function = inspect.unwrap(getattr(self.function, "__func__", self.function))
        code = getattr(function, "__code__", None)
        if code is None:
            return ""
        return f"{code.co_filename}:{code.co_firstlineno} {code.co_name}"

    def call_named(self, hook: str, **arguments: Any) -> Any:
        """Call a plain function that is run once; its mistake is an error with its place.

        Raises:
            PluginError: It raised; says which plugin, which hook, what and where.
            MeetcoreError: What it raised of our own kinds.
        """
        try:
            result = self.call(**arguments)
        except MeetcoreError:
            raise
        except Exception as error:
            raise PluginError(
                f"Plugin {self.plugin_name!r} failed in {hook}: {told_of(error)}.",
                "The mistake is the plugin's; its line is where to look.",
            ) from error
        if inspect.iscoroutine(result):
            result.close()
            raise PluginError(
                f"{hook} of plugin {self.plugin_name!r} is async ({self.place}).",
                "This hook is a plain function.",
            )
        return result

    def call(self, **arguments: Any) -> Any:
        """Call it with the arguments it asks for."""
        return self.function(**{name: arguments[name] for name in self.argument_names})
