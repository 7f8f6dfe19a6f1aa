"""`meetcore mcp`: bots for an assistant, over standard input and output."""

from __future__ import annotations

from typing import Any

import click

from meetcore.cli import plugin_options

__all__ = ["mcp_command"]


@click.command("mcp")
@plugin_options
def mcp_command(**options: Any) -> None:
    """Serve bots to an assistant that speaks the Model Context Protocol.

    It is the assistant that starts this, and talks with it over standard input and output; what
    goes wrong is said on standard error. Bots leave when the assistant goes.
    """
    import trio

    from meetcore import open_fleet
    from meetcore.cli import config_from_options, plugins_from_options
    from meetcore_mcp.bots import FleetBots
    from meetcore_mcp.tools import make_server

    plugins = plugins_from_options(**options)
    config = config_from_options({"transcriber": "auto", "sinks": ["files"]}, **options)
    plugins.check_namespaces(config)

    async def serve() -> None:
        async with open_fleet(config, plugins=plugins, recover_first=False) as fleet:
            bots = FleetBots(fleet)
            await make_server(lambda: bots).run_stdio_async()

    trio.run(serve)
