"""What this server is: its version, what is mounted on it, and whether it asks for a key."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.di import NamedDependency

from meetcore import __version__
from meetcore_server.mounts import Mounts
from meetcore_server.native.models import About, MountOut
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]

REHEARSED = "https://meet.google.com/abc-defg-hij"


@get("/about", summary="What this server is", operation_id="about", security=[{}])
async def about(service: NamedDependency[BotService], mounts: NamedDependency[Mounts]) -> About:
    """Return what a client wants to know before it asks for anything else; needs no key."""
    return About(
        version=__version__,
        rehearsal=service.rehearsal,
        links=[REHEARSED] if service.rehearsal else service.specs.link_examples(),
        needs_key=not service.anonymous_access or await service.has_keys(),
        mounts=[
            MountOut(name=each.name, title=each.title, path=f"/{each.name}", docs=each.docs)
            for each in mounts.by_name.values()
        ],
        root=mounts.root,
    )


HANDLERS: list[Any] = [about]
