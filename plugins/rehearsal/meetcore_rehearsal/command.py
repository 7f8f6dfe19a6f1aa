"""`meetcore rehearse`: opens the meeting site and stays until Ctrl-C."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from typing import Any

import click

__all__ = ["rehearse", "script_names"]


def script_names(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the bundled scripts whose name begins so, for a shell."""
    from meetcore_rehearsal.scripts import bundled_scripts

    return [name for name in bundled_scripts() if name.startswith(begun)]


def _list_scripts(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    from meetcore_rehearsal.scripts import bundled_scripts, find_script

    for name in bundled_scripts():
        script = find_script(name)
        people = len(script.people)
        click.echo(f"{name}  {script.title}: {people} people, {script.duration_s:.0f} s")
    context.exit()


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Port to listen on, 0 for any that is free.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--script",
    help="Have the cast of this script come: a bundled name or a TOML file.",
    shell_complete=script_names,
)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_scripts,
    help="List the bundled scripts, and end.",
)
@click.option("--passcode", help="What guests must know.")
@click.option("--title", default="Rehearsal", show_default=True, help="Name of the meeting.")
@click.option("--open-door", is_flag=True, help="No waiting room: guests come straight in.")
@click.option("--headed", is_flag=True, help="Show the cast's browser.")
def rehearse(
    port: int,
    host: str,
    script: str | None,
    passcode: str | None,
    title: str,
    open_door: bool,
    headed: bool,
) -> None:
    """Open a meeting room on this machine and stay until Ctrl-C.

    Open the host link in your browser, send a bot to the guest link, admit it and talk.
    """
    import trio

    settings = {"port": port, "host": host, "passcode": passcode}
    trio.run(_stay, script, title, open_door, headed, settings)
    click.echo("The rehearsal room is closed.")


async def _stay(
    script: str | None, title: str, open_door: bool, headed: bool, settings: dict[str, Any]
) -> None:
    import trio

    from meetcore_rehearsal.site import open_site

    async with AsyncExitStack() as stack:
        # Received, it comes here; raised, it would come wherever the site is just then.
        interrupts = stack.enter_context(trio.open_signal_receiver(signal.SIGINT))
        if script is None:
            site = await stack.enter_async_context(
                open_site(host=settings["host"], port=settings["port"])
            )
            room = site.open_room(
                title=title, passcode=settings["passcode"], waiting_room=not open_door
            )
            _show(site.host_link(room), site.guest_link(room))
        else:
            from meetcore_rehearsal.rehearsal import open_rehearsal

            rehearsal = await stack.enter_async_context(
                open_rehearsal(script, headed=headed, **settings)
            )
            _show(rehearsal.host_link, rehearsal.link)
            click.echo(f"The cast of {rehearsal.script.title!r} is there and waits for a guest.")
        async for _ in interrupts:
            return


def _show(host_link: str, guest_link: str) -> None:
    click.echo(f"Host:   {host_link}")
    click.echo(f"Guests: {guest_link}")
    click.echo("A bot:  " + click.style(f"meetcore join '{guest_link}'", bold=True))
    click.echo("Ctrl-C closes the room.")
