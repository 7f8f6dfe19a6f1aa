"""What this plugin hooks into: it offers the store."""

from __future__ import annotations

from collections.abc import Callable

from meetcore import BotStore, hookimpl
from meetcore_s3.store import S3Store

__all__ = ["meetcore_register_stores"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_stores(register: Callable[[type[BotStore]], None]) -> None:
    """Offer `s3`."""
    register(S3Store)
