"""`meetcore replay FILE`: a journal once more, on the terminal or into sinks."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click
import trio

from meetcore.cli.lines import clock, line_of
from meetcore.cli.opening import opened_folder
from meetcore.cli.options import (
    config_from_options,
    plugin_options,
    plugins_from_options,
    sink_options,
)
from meetcore.log.folders import ENCRYPTED_LOG_NAME, journal_path, make_private_folder
from meetcore.log.journal import read_journal
from meetcore.model.commands import Command
from meetcore.model.config import BotConfig
from meetcore.model.errors import CommandRefused, ConfigError, MeetcoreError, PluginError
from meetcore.model.events import BotRequested, Event
from meetcore.model.plain import to_json
from meetcore.model.wire import event_to_wire
from meetcore.plugin.failures import plugin_failure
from meetcore.plugin.sink import Sink, SinkContext

__all__ = ["RecordedJournal", "replay"]


class RecordedJournal:
    """A finished journal as sinks see it: to be read, not to be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._events = list(read_journal(path))

    @property
    def last_seq(self) -> int:
        """Number of the last event."""
        return len(self._events)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def read(self, after: int = 0) -> list[Event]:
        """Return the events with `seq` greater than `after`."""
        return self._events[after:]

    async def cursor(self, after: int = 0) -> AsyncIterator[Event]:
        """Yield the events with `seq` greater than `after`."""
        for event in self._events[after:]:
            await trio.lowlevel.checkpoint()
            yield event

    async def synced(self, seq: int) -> None:
        """Return: it is all on the disk."""
        del seq
        await trio.lowlevel.checkpoint()


async def _pace(previous: Event | None, event: Event, speed: float) -> None:
    if previous is not None and speed > 0:
        await trio.sleep(max(0.0, (event.at - previous.at).total_seconds()) / speed)


async def _into_sinks(
    journal: RecordedJournal, sinks: list[tuple[str, Sink]], out_dir: Path, speed: float
) -> None:
    folder = out_dir / f"replay-{journal.read()[0].bot_id}"
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    make_private_folder(folder)
    try:
        async with trio.open_nursery() as nursery:
            for name, sink in sinks:
                nursery.start_soon(_into_sink, journal, name, sink, folder, speed)
    finally:
        for path in made:
            if not any(path.iterdir()):
                path.rmdir()


async def _into_sink(
    journal: RecordedJournal, name: str, sink: Sink, folder: Path, speed: float
) -> None:
    async def refuse(command: Command) -> None:
        await trio.lowlevel.checkpoint()
        raise CommandRefused(f"This is a replay: there is no bot to {command.type}.")

    context = SinkContext(
        name=name,
        bot_id=journal.read()[0].bot_id,
        folder=folder,
        journal=journal,
        report=lambda event: event,
        perform=refuse,
    )
    try:
        async with sink.open(context):
            await _deliver(journal, sink, speed)
    except MeetcoreError:
        raise
    except Exception as error:
        failure = plugin_failure(name, "replay", error)
        raise PluginError(
            f"The sink {name!r} failed: {failure.error}", f"Its last line: {failure.frame}"
        ) from error


async def _deliver(journal: RecordedJournal, sink: Sink, speed: float) -> None:
    previous: Event | None = None
    if sink.wants_events:
        for event in journal.read():
            await _pace(previous, event, speed)
            previous = event
            with trio.fail_after(sink.call_timeout_s):
                await sink.deliver(event)
    with trio.fail_after(sink.finish_timeout_s):
        await sink.finish()


async def _print(journal: RecordedJournal, speed: float, *, as_json: bool) -> None:
    previous: Event | None = None
    name = "the bot"
    for event in journal.read():
        await _pace(previous, event, speed)
        previous = event
        if as_json:
            print(to_json(event_to_wire(event)), flush=True)
        else:
            if isinstance(event, BotRequested):
                name = event.display_name
            print(f"{clock(event.meeting_s)}  {line_of(event, name)}", flush=True)


@click.command()
@click.argument("journal_file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--speed", type=float, default=0.0, help="1 for real time, 10 for ten times; 0: at once."
)
@sink_options
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines.")
def replay(journal_file: Path, speed: float, **options: Any) -> None:
    """Play a journal again: print it, or (with --sink) deliver it.

    FILE is a journal.jsonl, or the folder of a bot. What a sink writes goes to a folder of its
    own below --out.
    """
    config: BotConfig = config_from_options(**options)
    if options["sinks"] and options.get("out_dir") is None and config.store.encrypt is not None:
        raise ConfigError(
            "What sinks write of a replay is not encrypted, and the configuration's folder is.",
            "Say with --out where it may be in the clear.",
        )
    if journal_file.name == ENCRYPTED_LOG_NAME:
        journal_file = journal_file.parent
    with opened_folder(journal_file, config) as opened:
        _replay(opened, config, speed, options)


def _replay(journal_file: Path, config: BotConfig, speed: float, options: dict[str, Any]) -> None:
    path = journal_path(journal_file) if journal_file.is_dir() else journal_file
    if not path.is_file():
        raise MeetcoreError(
            f"There is no journal at {path}.", "Give a journal.jsonl or its folder."
        )
    journal = RecordedJournal(path)
    if not journal.last_seq:
        raise MeetcoreError(f"The journal {path} is empty.")
    if not options["sinks"]:
        trio.run(lambda: _print(journal, speed, as_json=options["as_json"]))
        return
    plugins = plugins_from_options(**options)
    sinks = [(name, plugins.sink(name, config)) for name in config.sinks]
    trio.run(_into_sinks, journal, sinks, config.out_dir, speed)
    print(f"Replayed {journal.last_seq} events into {', '.join(config.sinks)}.", file=sys.stderr)
