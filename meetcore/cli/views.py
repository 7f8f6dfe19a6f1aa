"""How a bot's events look in a terminal: live, as plain lines, or as JSON lines."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import TextIO

import trio
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from meetcore.bot import Bot
from meetcore.events import (
    ArtifactWritten,
    AudioLost,
    CaptureDegraded,
    CaptureRestored,
    ChatReceived,
    DiagnosticsCaptured,
    Draft,
    Event,
    ParticipantJoined,
    ParticipantLeft,
    PluginFailed,
    PluginSlow,
    RosterDegraded,
    SegmentDraft,
    SegmentFinalized,
    StateChanged,
    TranscriberRestarted,
    TranscriptionGap,
    TranscriptionStopped,
)
from meetcore.lifecycle import State
from meetcore.transcript import Transcript
from meetcore.wire import event_to_wire, to_json

__all__ = ["JsonView", "LiveView", "PlainView", "View", "choose_view", "state_line"]

REFRESH_S = 0.125
SHOWN_SEGMENTS = 12
NAME_STYLES = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan")


def clock(seconds: float | None) -> str:
    """Return a meeting time as `01:02.3`, or blanks before the call."""
    if seconds is None:
        return "--:--.-"
    minutes, rest = divmod(max(0.0, seconds), 60)
    return f"{int(minutes):02d}:{rest:04.1f}"


def state_line(bot: Bot) -> str:
    """Return what a person should know about the bot's state, in a few words."""
    name = bot.config.name
    words = {
        State.SCHEDULED: "scheduled",
        State.REQUESTED: "starting",
        State.JOINING: f"joining as {name}",
        State.AWAITING_ADMISSION: f"in the waiting room: ask the host to admit {name}",
        State.IN_CALL: "in the call",
        State.RECORDING: "in the call, recording",
        State.PAUSED: "in the call, recording paused",
        State.LEAVING: "leaving",
        State.PROCESSING: "finishing files",
        State.COMPLETED: "done",
        State.FAILED: "failed",
    }
    line = words[bot.state] if bot.state is not None else "starting"
    if bot.ending.reason is not None:
        line += f" ({bot.ending.reason.value.replace('_', ' ')})"
    return line


class View(ABC):
    """Shows one bot until it has ended."""

    @abstractmethod
    async def show(self, bot: Bot) -> None:
        """Consume the bot's events and show them; returns after the terminal one."""

    def summary(self, lines: list[str]) -> None:
        """Show the closing lines."""
        for line in lines:
            print(line, file=sys.stderr)


class JsonView(View):
    """Events as JSON lines on standard output, and nothing else there."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    async def show(self, bot: Bot) -> None:
        """Write one line per event."""
        async for event in bot.events():
            self._out.write(to_json(event_to_wire(event)) + "\n")
            self._out.flush()


class PlainView(View):
    """One line per thing a reader wants to know, for logs and pipes."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    async def show(self, bot: Bot) -> None:
        """Write lines as events come."""
        async for event in bot.events():
            line = plain_line(event, bot)
            if line is not None:
                self._out.write(f"{clock(event.meeting_s)}  {line}\n")
                self._out.flush()

    def summary(self, lines: list[str]) -> None:
        """Write the closing lines."""
        for line in lines:
            self._out.write(line + "\n")
        self._out.flush()


def plain_line(event: Event, bot: Bot) -> str | None:
    """Return what an event means to a reader, None for what only programs want."""
    match event:
        case StateChanged():
            line = event.state.value.replace("_", " ")
            if event.state is State.AWAITING_ADMISSION:
                line += f": ask the host to admit {bot.config.name}"
            if event.reason is not None:
                line += f" ({event.reason.value.replace('_', ' ')}"
                told = event.previous is State.PROCESSING  # with the leaving, a line above
                detail = event.evidence.detail if event.evidence and not told else ""
                line += f": {detail})" if detail else ")"
            return line
        case ParticipantJoined(participant=who):
            return None if who.is_self else f"{who.name} joined"
        case ParticipantLeft(name=name):
            return f"{name or 'somebody'} left"
        case SegmentFinalized(segment=segment):
            return f"{segment.speaker_name or 'unknown'}: {segment.text}"
        case ChatReceived():
            return f"{event.sender_name} (chat): {event.text}"
        case _:
            return trouble_line(event)


def trouble_line(event: Event) -> str | None:
    """Return the line of an event that reports trouble or a file, None for any other."""
    match event:
        case ArtifactWritten():
            return f"wrote {event.path}"
        case AudioLost():
            return (
                f"lost {event.samples / 16:.0f} ms of {event.track_id} for {event.consumer}: "
                f"{event.cause}"
            )
        case TranscriptionGap():
            seconds = event.end_s - event.start_s
            return f"not transcribed: {seconds:.1f} s of {event.track_id} ({event.cause})"
        case CaptureDegraded():
            return f"audio trouble: {event.detail}"
        case CaptureRestored():
            return "audio is back"
        case RosterDegraded():
            return f"cannot see who is here: {event.detail}"
        case TranscriberRestarted():
            return f"transcriber restarted for {event.track_id}: {event.detail}"
        case TranscriptionStopped():
            return f"no more transcript for {event.track_id}: {event.detail}"
        case PluginFailed():
            return f"{event.plugin}: {event.where} failed: {event.error}"
        case PluginSlow():
            return f"{event.plugin}: {event.where} held everything up for {event.seconds:g} s"
        case DiagnosticsCaptured():
            return f"step {event.step!r} failed; see {event.folder}"
        case _:
            return None


class LiveView(View):
    """State, participants, who speaks, and the transcript as it comes."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._transcript = Transcript()
        self._chat: list[tuple[float, str, str]] = []
        self._trouble: list[str] = []
        self._changed = True
        self._styles: dict[str, str] = {}

    async def show(self, bot: Bot) -> None:
        """Draw at most eight times a second while events come."""
        with Live(console=self._console, auto_refresh=False, transient=False) as live:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_drawing, live, bot)
                async for item in bot.events(drafts=True):
                    self._take(item)
                nursery.cancel_scope.cancel()
            live.update(self._picture(bot), refresh=True)

    async def _keep_drawing(self, live: Live, bot: Bot) -> None:
        while True:
            live.update(self._picture(bot), refresh=True)
            await trio.sleep(REFRESH_S)

    def _take(self, item: Event | Draft) -> None:
        if isinstance(item, SegmentFinalized):
            self._transcript.finalized(item.segment)
        elif isinstance(item, SegmentDraft):
            self._transcript.drafted(item.segment)
        elif isinstance(item, ChatReceived):
            self._chat.append((item.meeting_s or 0.0, item.sender_name, item.text))
        elif isinstance(item, Event) and not isinstance(item, ArtifactWritten):
            line = trouble_line(item)
            if line is not None:
                self._trouble.append(line)

    def _style(self, name: str) -> str:
        return self._styles.setdefault(name, NAME_STYLES[len(self._styles) % len(NAME_STYLES)])

    def _picture(self, bot: Bot) -> Group:
        title = Text.assemble(
            ("● ", "red bold" if bot.state is State.RECORDING else "dim"),
            (state_line(bot), "bold"),
            (f"   {clock(bot.meeting_now())}", "dim"),
        )
        parts: list[Panel | Text] = [
            Panel(title, title=bot.link.public_url, title_align="left", border_style="dim"),
            Panel(self._people(bot), title="in the call", title_align="left", border_style="dim"),
            Panel(self._lines(), title="transcript", title_align="left", border_style="dim"),
        ]
        if self._trouble:
            parts.append(
                Panel(
                    Text("\n".join(self._trouble[-4:]), style="yellow"),
                    title="trouble",
                    title_align="left",
                    border_style="yellow",
                )
            )
        return Group(*parts)

    def _people(self, bot: Bot) -> Table | Text:
        others = bot.roster.others
        if not others:
            return Text("nobody else yet", style="dim")
        speaking = set(bot.timeline.speaking)
        seconds = bot.timeline.seconds_by_participant()
        table = Table.grid(padding=(0, 2))
        for who in sorted(others, key=lambda p: p.name.lower()):
            talks = who.id in speaking
            mark = Text("▶ speaking" if talks else ("muted" if who.muted else ""), style="green")
            table.add_row(
                Text(who.name, style=f"bold {self._style(who.name)}" if talks else "default"),
                Text("host" if who.is_host else "", style="dim"),
                mark,
                Text(f"{seconds.get(who.id, 0.0):.1f} s", style="dim"),
            )
        return table

    def _lines(self) -> Text:
        items: list[tuple[float, Text]] = []
        for segment in self._transcript.segments:
            name = segment.speaker_name or "unknown"
            items.append(
                (
                    segment.start_s,
                    Text.assemble(
                        (f"{clock(segment.start_s)} ", "dim"),
                        (f"{name}: ", self._style(name)),
                        segment.text,
                    ),
                )
            )
        for at_s, sender, text in self._chat:
            items.append(
                (
                    at_s,
                    Text.assemble(
                        (f"{clock(at_s)} ", "dim"), (f"{sender} (chat): {text}", "italic")
                    ),
                )
            )
        lines = [text for _, text in sorted(items, key=lambda item: item[0])]
        for segment in self._transcript.drafts:
            name = segment.speaker_name or "unknown"
            lines.append(
                Text.assemble(
                    (f"{clock(segment.start_s)} ", "dim"),
                    (f"{name}: {segment.text} …", "dim italic"),
                )
            )
        if not lines:
            return Text("nothing said yet", style="dim")
        return Text("\n").join(lines[-SHOWN_SEGMENTS:])

    def summary(self, lines: list[str]) -> None:
        """Print the closing lines below the picture."""
        for line in lines:
            self._console.print(line, highlight=False)


def choose_view(*, as_json: bool, plain: bool = False) -> View:
    """Return the view that fits: JSON if asked for, live on a terminal, plain lines elsewhere."""
    if as_json:
        return JsonView()
    if plain or not sys.stdout.isatty():
        return PlainView()
    return LiveView()
