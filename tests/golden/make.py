"""Makes the golden journals of the present format: `python -m tests.golden.make`, once a release.

Once its format is released a golden journal is kept as it was written, byte for byte, and never
made again: later versions must read it. Beside each lies what it says, so that a later version is
held to the same answers.

* `meeting`: a life with chat, a pause, lost audio, a lost roster, two sinks, a transcriber that
  crashed;
* `denied`: a bot that was not let in;
* `killed`: the first half of a meeting, as a killed process leaves it;
* `damaged`: a meeting with one line that cannot be read any more;
* `every_event`: one event of each type there is, with every field filled in.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import trio

import meetcore
from meetcore.log.journal import Journal
from meetcore.log.journal_head import FORMAT
from meetcore.log.salvage import salvage
from meetcore.model.events import EVENT_TYPES
from meetcore.model.history import BotHistory
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from meetcore.testing.script_toml import parse_script

HERE = Path(__file__).parent
MEETING = """
title = "Planning"
seed = 3
[room]
waiting_room = true
[admission]
after_s = 0.5
[[people]]
id = "ada"
name = "Ada Lovelace"
host = true
[[people]]
id = "zoe"
name = "Zoë 🎈 \\"Quote\\""
joins_s = 1
leaves_s = 6
[[lines]]
who = "ada"
at_s = 0.5
text = "good morning everyone"
[[lines]]
who = "zoe"
at_s = 2.5
text = "guten Morgen 日本語"
[[lines]]
who = "ada"
at_s = 7
text = "that is all"
[[chat]]
who = "ada"
at_s = 1
text = "the agenda: https://example.org/?a=1&b=2"
[[mutes]]
who = "zoe"
at_s = 4
until_s = 5
[[faults]]
kind = "dropped_audio"
who = "ada"
at_s = 4
for_s = 0.5
[[faults]]
kind = "roster_lost"
at_s = 4.5
for_s = 1
[end]
at_s = 9
"""
DENIED = MEETING.replace("after_s = 0.5", 'after_s = 0.5\ndecision = "deny"')


class Unwell(meetcore.Sink):
    """Writes a file and has a word of its own, then fails until it is detached."""

    name = "unwell"

    @asynccontextmanager
    async def open(self, context: meetcore.SinkContext) -> AsyncIterator[None]:
        yield
        context.report(
            meetcore.ArtifactWritten(
                kind="notes", path="notes.txt", media_type="text/plain", size_bytes=12
            )
        )
        context.report(meetcore.PluginEvent(plugin=self.name, name="closed", data={"by": "itself"}))

    async def deliver(self, event: meetcore.Event) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError("no paper")


async def acting(bot: meetcore.Bot) -> None:
    """Ask the bot for what a person asks for, also for what it cannot do."""
    async for event in bot.events():
        if isinstance(event, meetcore.ChatReceived) and not event.by_bot:
            await bot.send_chat("thank you")
            await bot.pause()
            await bot.resume()
            try:
                await bot.show_image(b"picture")
            except meetcore.CommandRefused:
                break
    await bot.wait_ended()


def summary(events: Sequence[meetcore.Event]) -> dict[str, Any]:
    """Return what a journal says, as whoever asks about the bot is answered."""
    history = BotHistory()
    transcript = meetcore.Transcript()
    for event in events:
        history.take(event)
        if isinstance(event, meetcore.SegmentFinalized):
            transcript.finalized(event.segment)
    return {
        "types": [event.to_dict()["type"] for event in events],
        "states": [transition.state.value for transition in history.transitions],
        "reason": history.reason and history.reason.value,
        "in_call_at": history.in_call_at and history.in_call_at.isoformat(),
        "people": [
            [each.participant.id, each.participant.name, len(each.intervals), each.here]
            for each in history.people.values()
        ],
        "spoke_s": {
            each: round(seconds, 3)
            for each, seconds in history.timeline.seconds_by_participant().items()
        },
        "chat": [[each.sender_name, each.text, each.by_bot] for each in history.chat],
        "files": sorted(history.artifacts),
        "transcript": [
            [each.speaker_name, each.text, each.start_s, each.end_s, len(each.words)]
            for each in transcript.segments
        ],
        "trouble": [history.capture_trouble, history.transcription_trouble],
        "events_lost": history.events_lost,
        "ledger_closed": history.ledger_closed,
    }


def example(wanted: Any, name: str) -> Any:
    """Return a value of a field's type, its name in it where that can be."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        return example(next(each for each in arguments if each is not NoneType), name)
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return (example(arguments[0], name),)
    if origin is dict or origin is Mapping:
        return {f"a {name}": example(arguments[1], name)}
    if attrs.has(wanted):
        fields = attrs.fields(attrs.resolve_types(wanted))
        return wanted(**{each.name: example(each.type, each.name) for each in fields if each.init})
    if issubclass(wanted, Enum):
        return next(iter(wanted))
    if issubclass(wanted, datetime):
        return datetime(2026, 11, 29, 9, 30, tzinfo=UTC)
    plain: dict[Any, Any] = {str: f"some {name}", int: 7, float: 1.25, bool: True, object: "any"}
    return plain[wanted]


def one_of_each() -> Iterator[meetcore.Event]:
    """Yield one event of each type, in the order of their names."""
    given = frozenset({"bot_id", "seq", "at", "meeting_s"})
    for _, cls in sorted(EVENT_TYPES.items()):
        if cls is not meetcore.UnknownEvent:
            fields = attrs.fields(attrs.resolve_types(cls))
            values = {f.name: example(f.type, f.name) for f in fields if f.name not in given}
            yield cls(**values)


def run(folder: Path, script: str) -> bytes:
    """Return the journal of a simulated meeting."""
    transcriber = ScriptedTranscriber(parse_script(script), crash_at_s=(7.5,))
    events = run_simulated(
        SimMeeting(script),
        out_dir=folder,
        transcriber=transcriber,
        sinks=[Unwell()],
        during=acting,
        allow_failures=True,
    )
    return (folder / events[0].bot_id / "journal.jsonl").read_bytes()


def journals(folder: Path) -> dict[str, bytes]:
    """Return the journals by their names."""
    meeting = run(folder / "meeting", MEETING)
    lines = meeting.splitlines(keepends=True)
    middle = len(lines) // 2
    damaged = lines[middle].replace(b'"seq":', b'"sex":')
    every = folder / "every_event.jsonl"
    journal = Journal(every, "b-every", fsync=False)
    for event in one_of_each():
        journal.append(event)
    journal.close()
    return {
        "meeting": meeting,
        "denied": run(folder / "denied", DENIED),
        "killed": b"".join(lines[:middle]),
        "damaged": b"".join([*lines[:middle], damaged, *lines[middle + 1 :]]),
        "every_event": every.read_bytes(),
    }


def main(scratch: Path) -> None:
    """Write the journals, and what they say, to the folder of the present format."""
    target = HERE / f"format-{FORMAT}"
    target.mkdir()
    for name, content in journals(scratch).items():
        path = target / f"{name}.jsonl"
        path.write_bytes(content)
        said = json.dumps(summary(list(salvage(path))), ensure_ascii=False, indent=1)
        path.with_suffix(".json").write_text(said + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
