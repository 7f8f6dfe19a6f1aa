"""`meetcore keys`: makes, lists and revokes the keys of a server."""

from __future__ import annotations

import click

__all__ = ["keys"]


@click.group()
def keys() -> None:
    """Make, list and revoke the keys of a server."""
