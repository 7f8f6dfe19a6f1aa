"""What the plugin registers: the platform `janus`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from meetcore import hookimpl
from meetcore_janus.platform import JanusPlatform

if TYPE_CHECKING:
    from meetcore import Platform

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_platforms(register: Callable[[type[Platform]], None]) -> None:
    """Offer the platform `janus`."""
    register(JanusPlatform)
