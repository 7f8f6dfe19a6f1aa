"""`meetcore doctor`: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path

import click
import trio
from rich.markup import escape

from meetcore.cli.ends import OutputConsole
from meetcore.fleet.launchers import launcher_of
from meetcore.log.folders import make_bot_folder
from meetcore.log.memory import is_in_memory
from meetcore.log.stores import store_of
from meetcore.model.config import BotConfig, load_config
from meetcore.model.errors import MeetcoreError, StorageUnavailable, UnknownPlugin
from meetcore.plugin.auto_transcriber import AUTO
from meetcore.plugin.captions import CaptionsTranscriber
from meetcore.plugin.health import HealthFinding, HealthReport
from meetcore.plugin.registry import Plugins
from meetcore.plugin.settings_check import setting_troubles

__all__ = ["check_core", "doctor"]

TESTED_PYTHONS = ((3, 11), (3, 12), (3, 13))
LOW_DISK_BYTES = 500 * 1024 * 1024
LOW_MEMORY_BYTES = 256 * 1024 * 1024
_ANSWER_WITHIN_S = 15.0


def check_core(report: HealthReport, plugins: Plugins, out_dir: Path) -> None:
    """Look at what the core itself needs: Python, plugins, a folder to write to, room in it."""
    version = sys.version_info[:2]
    if version in TESTED_PYTHONS:
        report.fine("Python", platform.python_version())
    else:
        tested = ", ".join(f"{major}.{minor}" for major, minor in TESTED_PYTHONS)
        report.trouble("Python", platform.python_version(), f"Tested are {tested}.")
    broken = [info for info in plugins.infos if info.trouble]
    for info in broken:
        report.trouble(f"plugin {info.name}", info.trouble, f"Reinstall {info.origin}.")
    if plugins.infos and not broken:
        report.fine("plugins", ", ".join(info.name for info in plugins.infos))
    for kind, found, example in (
        ("platforms", plugins.platforms, "meetcore-rehearsal"),
        (
            "transcribers",
            set(plugins.transcribers) - {CaptionsTranscriber.name},
            "meetcore-whisper[base]",
        ),
        ("sinks", plugins.sinks, "meetcore-files"),
    ):
        if found:
            report.fine(kind, ", ".join(sorted(found)))
        else:
            report.trouble(kind, "none installed", f"Install one, for instance {example}.")
    wanted = out_dir.resolve()
    there = next(path for path in (wanted, *wanted.parents) if path.exists())
    try:
        make_bot_folder(there, ".doctor").rmdir()
    except MeetcoreError as error:
        report.trouble("folder", error.message, error.remedy)
        return
    free = shutil.disk_usage(there).free
    where = f"{wanted}, {free / 2**30:.1f} GiB free"
    if free < LOW_DISK_BYTES:
        report.trouble("folder", where, "Make room, or choose another folder with --out.")
    else:
        report.fine("folder", where)


def check_store(report: HealthReport, plugins: Plugins, config: BotConfig) -> None:
    """Ask the store that is configured whether it keeps what it is given."""
    url = config.store.url or (config.store.encrypt and str(config.out_dir))
    if url is None:
        return

    async def ask() -> str:
        store = store_of(config, plugins)
        if trouble := await store.trouble() or await store.unreadable():
            raise StorageUnavailable(trouble)
        return f"{url}, encrypted" if config.store.encrypt is not None else url

    remedy = "See [store] in the configuration, and what its store needs."
    _ask(report, "store", ask, remedy, url)


def check_options(report: HealthReport, plugins: Plugins, config: BotConfig) -> None:
    """Look at the settings of plugins, as a server does before it starts."""
    for error in setting_troubles(plugins, config):
        report.trouble("options", error.message, error.remedy)


def check_transcriber(report: HealthReport, plugins: Plugins, config: BotConfig) -> None:
    """Ask the transcriber that the configuration names, and those after it, whether they can."""
    for name in filter(None, (config.transcriber, *config.transcription.fallback)):
        try:
            if name == AUTO:  # captions may do, where a platform has them
                plugins.best_transcriber(config, captions=True)
                continue
            ready = plugins.transcriber(name, config).readiness()
        except MeetcoreError as error:
            report.trouble(f"transcriber {name}", error.message, error.remedy)
        else:
            if not ready.usable:
                report.trouble(f"transcriber {name}", ready.because, ready.remedy)


def check_memory(report: HealthReport, config: BotConfig) -> None:
    """Look at the memory in which bots work of which nothing is kept, or all is encrypted.

    And at who else can read the keys, where they lie on a disk.
    """
    if config.retention.keep == "all" and config.store.encrypt is None:
        return
    memory = config.retention.memory
    try:
        free = shutil.disk_usage(memory).free
    except OSError as error:
        report.trouble("memory", f"{memory}: {error.strerror}", "See memory in [retention].")
        return
    where = f"{memory}, {free / 2**20:.0f} MiB free"
    if not is_in_memory(memory):
        remedy = "Set memory in [retention] to a folder of a tmpfs."
        report.trouble("memory", f"{memory} is on a disk", remedy)
    elif free < LOW_MEMORY_BYTES:
        report.trouble("memory", where, "Give it more; of a container with --shm-size.")
    else:
        report.fine("memory", where)
    for reference in filter(None, (config.store.encrypt, *config.store.decrypt)):
        kind, _, place = reference.partition(":")
        key = Path(place.removeprefix("//")).expanduser()
        if kind != "file" or not key.exists() or is_in_memory(key):
            continue  # what orchestrators mount is memory, for whoever is in the container
        if key.stat().st_mode & 0o077:
            report.trouble("key", f"{key} can be read by others", f"Run: chmod 600 {key}")


def check_bus(report: HealthReport, plugins: Plugins, config: BotConfig) -> None:
    """Ask the bus that is configured which bots live."""
    url = config.bus.url
    if url is None:
        return

    async def ask() -> str:
        bus = plugins.bus(url, config)
        async with bus.open():
            living = await bus.living()
        return f"{url}, {len(living)} bots alive"

    _ask(report, "bus", ask, "See [bus] in the configuration, and whether the broker runs.", url)


def check_launcher(report: HealthReport, plugins: Plugins, config: BotConfig) -> None:
    """Ask the launcher that is configured for what it lacks, and which bots run."""
    name = config.launcher
    if name is None:
        return

    async def ask() -> str:
        launcher = launcher_of(config, plugins)
        launcher.store = store_of(config, plugins)
        launcher.bus = bus = plugins.bus(config.bus.url, config) if config.bus.url else None
        launcher.check()
        async with bus.open() if bus else nullcontext():
            return f"{name}, {len(await launcher.list())} bots run"

    _ask(report, "launcher", ask, f"See `launcher` and [plugins.{name}] in the configuration.")


def _ask(
    report: HealthReport,
    what: str,
    ask: Callable[[], Awaitable[str]],
    remedy: str,
    shown: str = "it",
) -> None:
    """Report what comes of a question to something elsewhere."""

    async def in_time() -> str:
        with trio.fail_after(_ANSWER_WITHIN_S):
            return await ask()

    try:
        answer = trio.run(in_time)
    except MeetcoreError as error:
        report.trouble(what, error.message, error.remedy or remedy)
    except (OSError, trio.TooSlowError):
        report.trouble(what, f"{shown} does not answer within {_ANSWER_WITHIN_S:g} s", remedy)
    else:
        report.fine(what, answer)


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--snapshot",
    type=click.Path(path_type=Path, exists=True),
    help="With a platform's NAME: what it makes of a saved page (HTML, MHTML, a trace, …).",
)
@click.option(
    "--redact",
    "redacted_to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --snapshot: write the page without what is personal, to be sent in.",
)
@click.option(
    "--out", "out_dir", type=click.Path(path_type=Path), help="The folder bots will write to."
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="MEETCORE_CONFIG",
    help="TOML file with the configuration.",
)
@click.option(
    "--plugin",
    "plugin_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A plugin in one file.",
)
def doctor(
    name: str | None,
    snapshot: Path | None,
    redacted_to: Path | None,
    out_dir: Path | None,
    config_file: Path | None,
    plugin_files: tuple[Path, ...],
) -> None:
    """Check Python, Chromium, plugins, transcribers and folders; name a remedy for each trouble.

    With a plugin's NAME: check that one alone, and thoroughly; a provider with a key is asked.
    With a platform's NAME and --snapshot FILE: read a page that was saved in a meeting as a bot
    reads it.
    """
    if name is None and snapshot is not None:
        raise click.UsageError("A platform and --snapshot FILE go together.")
    if redacted_to is not None and snapshot is None:
        raise click.UsageError("--redact goes with --snapshot FILE.")
    config = load_config(config_file)
    plugins = Plugins(files=[*config.plugin_files, *plugin_files])
    report = HealthReport(config.plugins, name)
    if name is not None and snapshot is not None:
        plugins.platform(name, config).examine_snapshot(snapshot, report, redacted_to)
    else:
        checks = plugins.implementations("meetcore_check_health")
        if name is None:
            check_core(report, plugins, out_dir or config.out_dir)
            check_options(report, plugins, config)
            check_transcriber(report, plugins, config)
            check_store(report, plugins, config)
            check_memory(report, config)
            check_bus(report, plugins, config)
            check_launcher(report, plugins, config)
        else:
            known = [check.plugin_name for check in checks]
            checks = [check for check in checks if check.plugin_name == name]
            if not checks and name in plugins.platforms:
                raise click.UsageError("A platform and --snapshot FILE go together.")
            if not checks:
                raise UnknownPlugin("check of a plugin", name, known)
        for implementation in checks:
            try:
                implementation.call_named("meetcore_check_health", report=report)
            except MeetcoreError as error:
                report.trouble(implementation.plugin_name, error.message, error.remedy)
            except Exception as error:  # noqa: BLE001  a broken check is itself a finding
                report.trouble(implementation.plugin_name, str(error), "Report it to its author.")
    report.findings = _told_once(report.findings)
    _print(report)
    if not all(finding.ok for finding in report.findings):
        sys.exit(1)


def _told_once(findings: list[HealthFinding]) -> list[HealthFinding]:
    """Leave out a trouble that was told before, and what is said to be well of what is not."""
    in_trouble = {finding.name for finding in findings if not finding.ok}
    kept: dict[tuple[str, str], HealthFinding] = {}
    for finding in findings:
        if not finding.ok:
            kept.setdefault((finding.detail, finding.remedy), finding)
        elif finding.name not in in_trouble:
            kept[finding.name, finding.detail] = finding
    return list(kept.values())


def _print(report: HealthReport) -> None:
    console = OutputConsole(file=sys.stdout)
    width = max(len(finding.name) for finding in report.findings)
    for finding in report.findings:
        mark = "[green]ok     [/green]" if finding.ok else "[red]trouble[/red]"
        said = escape(f"{finding.name.ljust(width)}  {finding.detail}")
        console.print(f"{mark}  {said}", highlight=False)
        if not finding.ok and finding.remedy:
            console.print(f"{' ' * (width + 11)}→ {escape(finding.remedy)}", highlight=False)
