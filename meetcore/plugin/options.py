"""A plugin's own options, typed: `class MySink(Sink[MyOptions])`."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, get_args

import attrs
from attrs import frozen
from typing_extensions import TypeVar

__all__ = ["Configured", "NoOptions", "OptionsT"]


@frozen
class NoOptions:
    """The options of a plugin that has none."""


OptionsT = TypeVar("OptionsT", default=Any)


class Configured(Generic[OptionsT]):
    """What a platform, a transcriber and a sink have in common: options.

    The class in the brackets of its base is the class of a plugin's options; `Options` may name it
    as well, which a type checker does not see.

    Args:
        options: The options; by default those that `Options()` gives.

    Attributes:
        Options: attrs class of the plugin's own settings.
        options: What was set.
    """

    Options: ClassVar[type] = NoOptions
    options: OptionsT

    def __init_subclass__(cls, **more: object) -> None:
        super().__init_subclass__(**more)
        for base in cls.__dict__.get("__orig_bases__", ()):
            for given in get_args(base):
                if isinstance(given, type) and attrs.has(given) and "Options" not in cls.__dict__:
                    cls.Options = given

    def __init__(self, options: OptionsT | None = None) -> None:
        self.options = self.Options() if options is None else options
