"""`meetcore serve`: the server on the command line."""

from __future__ import annotations

import gc
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from trio import CancelScope

    from meetcore import BotConfig, Fleet, Launcher, Plugins, RunningBot
    from meetcore_server.assembly import ServeOptions, Server

__all__ = ["serve_command"]

_DESCRIPTORS = 16_384
_NOT_KEPT = (
    "--keep-bots has no effect: bots of the launcher {name} leave when the server ends "
    "(--in-process, or stop_with_launcher in the configuration)."
)


@click.command("serve")
@click.option("--host", default=None, help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port, 0 for any that is free.  [default: 8080]")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="MEETCORE_CONFIG",
    help="A TOML file; the server's own settings are its table [plugins.server].",
)
@click.option("--api-key", envvar="MEETCORE_API_KEY", help="A key that is valid beside those made.")
@click.option("--database", default=None, help="URL of the database.")
@click.option(
    "--out", "out_dir", type=click.Path(path_type=Path), default=None, help="Folder for bots."
)
@click.option("--rehearsal", is_flag=True, help="Lead every meeting link to a scripted meeting.")
@click.option("--script", default=None, help="What is played there: a bundled name or a file.")
@click.option("--root", default=None, metavar="DIALECT", help="Mount a dialect at / as well.")
@click.option("--public-url", default=None, help="Where clients see the server, behind a proxy.")
@click.option(
    "--in-process", is_flag=True, help="Run bots in this process instead of one process each."
)
@click.option(
    "--keep-bots", is_flag=True, help="Let bots go on when the server ends; it adopts them again."
)
@click.option(
    "--plugin",
    "plugin_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A Python file with a plugin.",
)
def serve_command(**given: Any) -> None:
    """Serve bots over HTTP and WebSocket, with a page, to people and programs.

    Without a key it listens on this machine alone. Ctrl-C has the bots leave and ends it; once
    more ends it at once.
    """
    import trio

    _may_open_many()
    rehearsal, script = given.pop("rehearsal"), given.pop("script")
    if script and not rehearsal:
        raise click.UsageError("--script is for --rehearsal.")
    config, options, flags = _settings(given, rehearsal=rehearsal, script=script)
    sys.exit(trio.run(_run, config, options, flags))


def _may_open_many() -> None:
    """Let the process have as many descriptors as it may: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _settings(
    given: dict[str, Any], *, rehearsal: bool, script: str | None
) -> tuple[BotConfig, ServeOptions, dict[str, Any]]:
    import attrs

    from meetcore import build_options, load_config
    from meetcore_server.assembly import ServeOptions
    from meetcore_server.options import ServerSettings, SharedOptions
    from meetcore_server.orders_to_specs import Sandbox

    overrides: dict[str, Any] = {}
    if given["out_dir"] is not None:
        overrides = {"out_dir": given["out_dir"]}
        stored = load_config(given["config_path"], overrides).store.url
        if stored is not None and stored.startswith("folder:"):
            overrides["store"] = {"url": None}  # --out names another one
    config = load_config(given["config_path"], overrides, defaults={"sinks": ["files"]})
    if config.retention.keep == "nothing":  # then files are nobody's default
        config = load_config(given["config_path"], overrides)
    table = dict(config.plugins.get("server", {}))
    for name in ("host", "port", "database", "root", "public_url", "api_key"):
        if given[name] is not None:
            table[name] = given[name]
    settings = build_options(ServerSettings, table, "[plugins.server]")
    others = {name: value for name, value in config.plugins.items() if name != "server"}
    defaults: dict[str, Any] = {}
    if config.transcriber is None:
        defaults["transcriber"] = settings.default_transcriber
    config = attrs.evolve(config, plugins=others, **defaults)
    sandbox = None
    if rehearsal:
        sandbox = Sandbox(
            script=script or settings.rehearsal_script, scripts=settings.rehearsal_scripts
        )
    named = [Path(file) for file in config.plugin_files]
    files = tuple(str(path.absolute()) for path in [*named, *given["plugin_files"]])
    shared = {each.name: getattr(settings, each.name) for each in attrs.fields(SharedOptions)}
    options = ServeOptions(
        **shared,
        database=settings.database or f"sqlite:///{config.out_dir}/server.db",
        sandbox=sandbox,
        api_key=settings.api_key.reveal() if settings.api_key else None,
        plugin_files=files,
    )
    flags = {"in_process": given["in_process"], "keep_bots": given["keep_bots"]}
    for name in ("unresponsive_limit_s", "drain_s"):
        flags[name] = getattr(settings, name)
    return config, options, flags


async def _run(config: BotConfig, options: ServeOptions, flags: dict[str, Any]) -> int:
    import trio

    from meetcore import Plugins, open_fleet
    from meetcore_server.assembly import open_server

    plugins = Plugins(files=options.plugin_files)
    launcher = _launcher(config, plugins, flags)
    keep = _keeps_bots(launcher, asked=flags["keep_bots"])
    if flags["keep_bots"] and not keep:
        click.echo(_NOT_KEPT.format(name=launcher.name), err=True)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as life:
                fleets: list[Fleet] = []
                servers: list[Server] = []
                running = None if keep else lambda: _running_in(fleets)
                drain = partial(_drain, servers, flags["drain_s"])
                nursery.start_soon(_obey, signals, life, drain, running)
                async with (
                    open_fleet(
                        config,
                        plugins=plugins,
                        limit=options.max_bots or 50,
                        launcher=launcher,
                        recover_first=False,
                    ) as fleet,
                    open_server(fleet, options) as server,
                ):
                    fleets.append(fleet)
                    servers.append(server)
                    # What is there now is there to the end. To look through it for garbage again
                    # and again would stop everybody for a tenth of a second each time.
                    gc.collect()
                    gc.freeze()
                    _announce(server, options)
                    await trio.sleep_forever()
            nursery.cancel_scope.cancel()
    return 0


def _launcher(config: BotConfig, plugins: Plugins, flags: dict[str, Any]) -> Launcher:
    """Return what runs the bots; `--keep-bots` is the default of `stop_with_launcher`."""
    import attrs

    from meetcore.fleet import ChildProcessLauncher, InProcessLauncher, launcher_of

    if flags["in_process"]:
        return InProcessLauncher(plugins)
    if config.launcher is None:
        return ChildProcessLauncher(
            stop_with_launcher=not flags["keep_bots"],
            unresponsive_limit_s=flags["unresponsive_limit_s"],
        )
    if flags["keep_bots"] and config.launcher == ChildProcessLauncher.name:
        table = {"stop_with_launcher": False, **config.plugins.get(config.launcher, {})}
        config = attrs.evolve(config, plugins={**config.plugins, config.launcher: table})
    return launcher_of(config, plugins)


def _keeps_bots(launcher: Launcher, *, asked: bool) -> bool:
    """Return whether bots go on when the server ends; as asked, where the launcher does not say."""
    from meetcore.fleet import InProcessLauncher

    if isinstance(launcher, InProcessLauncher):
        return False
    for settings in (launcher, getattr(launcher, "options", None)):
        stops = getattr(settings, "stop_with_launcher", None)
        if stops is not None:
            return not stops
    return asked


def _running_in(fleets: list[Fleet]) -> list[RunningBot]:
    return [bot for fleet in fleets for bot in fleet.running.values()]


async def _drain(servers: list[Server], drain_s: float) -> None:
    """Have what parts requests between servers notice that this one goes; then return."""
    import trio

    for server in servers:
        server.service.membership.go()
        server.service.membership.ending = True
        if server.service.draining.closed:
            return  # its clients are elsewhere
    if drain_s and servers:
        click.echo(f"Draining: takes no more orders, ends in {drain_s:g} s.", err=True)
        await trio.sleep(drain_s)


async def _obey(
    signals: AsyncIterator[int],
    life: CancelScope,
    drain: Callable[[], Awaitable[None]],
    running: Callable[[], list[RunningBot]] | None,
) -> None:
    """End when told to; `running` gives the bots that leave with it, None where they go on."""
    import trio

    async def end() -> None:
        await drain()
        leaving = "Ending: bots are leaving. Once more to end at once."
        click.echo(leaving if running else "Ending: its bots go on without it.", err=True)
        life.cancel()

    async with trio.open_nursery() as nursery:
        told = False
        async for _ in signals:
            if not told:
                told = True
                nursery.start_soon(end)
            elif not life.cancel_called:
                life.cancel()  # told twice: it drains no longer
            elif running is not None:
                for bot in running():
                    bot.abandon()


def _announce(server: Server, options: ServeOptions) -> None:
    lines = [f"meetcore is serving at {server.url}", ""]
    lines.append(f"  {server.url + '/':38} the page")
    lines.append(f"  {server.url + '/docs':38} the API at /v1, described")
    for mount in server.mounts.by_name.values():
        also = f" and {server.url}/" if options.root == mount.name else ""
        lines.append(f"  {server.url + '/' + mount.name:38} for {mount.title} software{also}")
    lines.append("")
    if options.sandbox is not None:
        lines.append(
            "This is a rehearsal: every meeting link leads to a scripted meeting on this machine."
        )
    if server.anonymous_access:
        lines.append(
            "No key was made: it takes any key, or none, and listens to this machine only. "
            "`meetcore keys create` makes one."
        )
    click.echo("\n".join(lines), err=True)
