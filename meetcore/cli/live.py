"""The live view: state, people, who speaks, and the transcript, its newest lines in sight."""

from __future__ import annotations

import trio
from attrs import define, field
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.segment import Segment as Piece
from rich.text import Text

from meetcore.bot.bot import Bot
from meetcore.cli.ends import OutputConsole
from meetcore.cli.lines import TROUBLE, chat_kind, clock, line_of
from meetcore.cli.views import View
from meetcore.model.drafts import Draft, SegmentDraft
from meetcore.model.events import (
    ChatReceived,
    Event,
    PersonAnswered,
    PersonAskedFor,
    SegmentFinalized,
)
from meetcore.model.lifecycle import Outcome, State, outcome_of
from meetcore.model.transcript import Transcript

__all__ = ["LiveView", "Picture", "state_line"]

REFRESH_S = 0.125
LEAST_TRANSCRIPT_LINES = 4
TROUBLE_SHOWN = 4
SHOWN_SEGMENTS = 60
_BORDERS = 2
_SHOWN_BELOW: tuple[type[Event], ...] = (*TROUBLE, PersonAskedFor, PersonAnswered)
NAME_STYLES = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan")


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
        if bot.state is State.COMPLETED:
            cut_short = outcome_of(bot.state, bot.ending.reason) is Outcome.CUT_SHORT
            line = "cut short" if cut_short else line
        line += f" ({bot.ending.reason.value.replace('_', ' ')})"
    return line


@define
class Picture:
    """What the view shows, laid out for the terminal it is drawn on.

    The transcript is cut at its top and the list of people at its bottom, so that the newest lines
    are in sight however small the terminal is.

    Attributes:
        head: State and time.
        link: Where the meeting is.
        people: A line for each person.
        lines: The transcript, oldest first.
        trouble: What went wrong, oldest first.
    """

    head: Text
    link: str
    people: list[Text] = field(factory=list)
    lines: list[Text] = field(factory=list)
    trouble: list[str] = field(factory=list)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw as many lines as the terminal has, less one for its cursor."""
        room = max(1, options.max_height - 1)
        inner = options.update(width=max(1, options.max_width - 4), height=None)
        head = _wrapped(console, inner, [self.head])
        people = [line.copy() for line in self.people] or [Text("nobody else yet", style="dim")]
        for each in people:
            each.truncate(inner.max_width, overflow="ellipsis")
        lines = _wrapped(console, inner, self.lines or [Text("nothing said yet", style="dim")])
        trouble = _wrapped(console, inner, [Text(t, style="yellow") for t in self.trouble])
        least = min(len(lines), LEAST_TRANSCRIPT_LINES)
        left = room - _BORDERS - least
        head = head if left >= _BORDERS + len(head) else []
        left -= _height(head)
        trouble = trouble[-TROUBLE_SHOWN:] if left >= _BORDERS + TROUBLE_SHOWN else []
        left -= _height(trouble)
        spare = left - _BORDERS - (len(lines) - least)  # beside a transcript that is all in sight
        people = _shortened(people, min(left - _BORDERS, max(spare, room // 4)))
        left -= _height(people)
        panels = [
            _panel(head, self.link),
            _panel(people, "in the call"),
            _panel(lines[-max(1, least + left) :], "transcript"),
            _panel(trouble, "trouble", "yellow"),
        ]
        shown = [panel for panel in panels if panel is not None]
        drawn = console.render_lines(Group(*shown), options.update(height=None))
        for line in drawn[-room:]:
            yield from line
            yield Piece.line()


def _wrapped(console: Console, options: ConsoleOptions, texts: list[Text]) -> list[Text]:
    return [line for text in texts for line in text.wrap(console, options.max_width)]


def _shortened(lines: list[Text], limit: int) -> list[Text]:
    """Return at most `limit` lines; the last one says how many there are besides."""
    if len(lines) <= limit:
        return lines
    if limit < 1:
        return []
    more = len(lines) - limit + 1
    return [*lines[: limit - 1], Text(f"and {more} more", style="dim")]


def _height(lines: list[Text]) -> int:
    return _BORDERS + len(lines) if lines else 0


def _panel(lines: list[Text], title: str, style: str = "dim") -> Panel | None:
    if not lines:
        return None
    return Panel(Text("\n").join(lines), title=title, title_align="left", border_style=style)


class LiveView(View):
    """State, participants, who speaks, and the transcript as it comes."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or OutputConsole()
        self._transcript = Transcript()
        self._stable: dict[str, int] = {}
        self._chat: list[tuple[float, str, str]] = []
        self._trouble: list[str] = []
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
            self._stable.pop(item.segment.id, None)
        elif isinstance(item, SegmentDraft):
            if self._transcript.drafted(item.segment):
                self._stable[item.segment.id] = item.stable_words
        elif isinstance(item, ChatReceived):
            sender = f"{item.sender_name} ({chat_kind(item)})"
            self._chat.append((item.meeting_s or 0.0, sender, item.text))
        elif isinstance(item, _SHOWN_BELOW):
            self._trouble.append(line_of(item, ""))
            del self._trouble[:-TROUBLE_SHOWN]

    def _style(self, name: str) -> str:
        return self._styles.setdefault(name, NAME_STYLES[len(self._styles) % len(NAME_STYLES)])

    def _picture(self, bot: Bot) -> Picture:
        head = Text.assemble(
            ("● ", "red bold" if bot.state is State.RECORDING else "dim"),
            (state_line(bot), "bold"),
            (f"   {clock(bot.meeting_now())}", "dim"),
        )
        return Picture(head, bot.link.public_url, self._people(bot), self._lines(), self._trouble)

    def _people(self, bot: Bot) -> list[Text]:
        others = sorted(bot.roster.others, key=lambda who: who.name.lower())
        speaking = set(bot.timeline.speaking)
        seconds = bot.timeline.seconds_by_participant()
        width = max((cell_len(who.name) for who in others), default=0)
        lines = []
        for who in others:
            talks = who.id in speaking
            does = "▶ speaking" if talks else "muted" if who.muted else ""
            name = who.name + " " * (width - cell_len(who.name))
            lines.append(
                Text.assemble(
                    (name, f"bold {self._style(who.name)}" if talks else ""),
                    (f"  {'host' if who.is_host else '':4}", "dim"),
                    (f"  {does:10}", "green"),
                    (f"  {seconds.get(who.id, 0.0):.1f} s", "dim"),
                )
            )
        return lines

    def _lines(self) -> list[Text]:
        items: list[tuple[float, Text]] = []
        for segment in self._transcript.segments[-SHOWN_SEGMENTS:]:
            name = segment.speaker_name or "unknown"
            said = Text.assemble(
                (f"{clock(segment.start_s)} ", "dim"),
                (f"{name}: ", self._style(name)),
                segment.text,
            )
            items.append((segment.start_s, said))
        for at_s, sender, text in self._chat[-SHOWN_SEGMENTS:]:
            wrote = Text.assemble((f"{clock(at_s)} ", "dim"), (f"{sender}: {text}", "italic"))
            items.append((at_s, wrote))
        lines = [text for _, text in sorted(items, key=lambda item: item[0])]
        for segment in self._transcript.drafts:
            name = segment.speaker_name or "unknown"
            words = segment.text.split()
            stable = self._stable.get(segment.id, 0)
            lines.append(
                Text.assemble(
                    (f"{clock(segment.start_s)} ", "dim"),
                    (f"{name}: ", "dim italic"),
                    (" ".join([*words[:stable], ""]), "italic"),
                    (" ".join([*words[stable:], "…"]), "dim italic"),
                )
            )
        return lines[-SHOWN_SEGMENTS:]

    def summary(self, lines: list[str]) -> None:
        """Print the closing lines below the picture."""
        for line in lines:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
