"""A desk with Spoke's API on it, and a meeting to play there."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import trio
from attrs import evolve

from meetcore.doors import Reply
from meetcore.events import (
    ArtifactWritten,
    ParticipantJoined,
    SegmentFinalized,
    SpeakingStarted,
    SpeakingStopped,
)
from meetcore.lifecycle import EndReason, Evidence, State
from meetcore.orders import BotRow
from meetcore.roster import NameSource, Participant
from meetcore.testing.desk import Desk, open_desk
from meetcore.transcript import Segment, Word
from meetcore_files.audio_file import OpusFile
from meetcore_spoke import plugin

KEY = "YOUR-API-KEY"
HOOK = "https://your-company.com/your-endpoint"
LINK = "https://meet.google.com/abc-defg-hij"
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
BY_NAME: dict[str, dict[str, Any]] = {vector["name"]: vector for vector in VECTORS}


def wish(**changes: Any) -> dict[str, Any]:
    """The body of a request for a bot."""
    return {"meeting_url": LINK, "bot_name": "AI Notetaker", "webhook_url": HOOK, **changes}


@asynccontextmanager
async def spoke(folder: Path, **options: Any) -> AsyncIterator[Desk]:
    async with open_desk(folder) as desk:
        desk.options = {"spoke": options}
        desk.load(plugin)
        desk.new_key(KEY)
        yield desk


async def ask(
    desk: Desk, method: str, path: str, *, header: str = "x-spoke-api-key", **how: Any
) -> Reply:
    """Send a request with the key."""
    reply = await desk.call(method, path, headers={header: KEY}, **how)
    if reply.stream is not None:
        assert reply.media_type == "application/json"
        whole = b"".join([piece async for piece in reply.stream])
        return evolve(reply, stream=None, json=json.loads(whole))
    json.dumps(reply.json)
    return reply


async def new_bot(desk: Desk, *, header: str = "x-spoke-api-key", **changes: Any) -> BotRow:
    reply = await ask(desk, "POST", "/bots", header=header, json=wish(**changes))
    assert reply.status == 200, reply.json
    assert reply.json == {"bot_id": desk.only.bot_id}
    return desk.only


def said(name: str, who: str, *words: tuple[str, float, float]) -> SegmentFinalized:
    """Somebody's line, with the times of its words."""
    return SegmentFinalized(
        segment=Segment(
            id=name,
            revision=1,
            finalized=True,
            track_id=who,
            participant_id=who,
            speaker_name=who,
            speaker_source=NameSource.TRACK,
            speaker_confidence=1.0,
            text=" ".join(word for word, _, _ in words),
            words=tuple(Word(*word) for word in words),
            start_s=words[0][1],
            end_s=words[-1][2],
            language="en",
        )
    )


def speech(who: str, start_s: float, end_s: float) -> list[SpeakingStarted | SpeakingStopped]:
    source = NameSource.TRACK
    return [
        SpeakingStarted(participant_id=who, name=who, start_s=start_s, source=source),
        SpeakingStopped(participant_id=who, name=who, end_s=end_s, source=source),
    ]


THE_SEEDS_LINES = [
    said(
        "s1",
        "Alice",
        ("Hi", 1.3348110430839002, 1.4549110430839003),
        ("Bob!", 1.4549110430839003, 1.5750110430839004),
    ),
    said(
        "s2",
        "Bob",
        ("Hello", 2.6583010430839, 2.778401043083901),
        ("Alice!", 2.778401043083901, 2.9185110430839005),
    ),
]


def lines(count: int) -> list[SegmentFinalized]:
    """Return many lines, ten words each."""
    words = [(f"word{number}", number / 10, number / 10 + 0.1) for number in range(10)]
    return [said(f"s{number}", "Alice", *words) for number in range(count)]


def segments_in_memory() -> int:
    """Return how many segments there are as objects."""
    return sum(type(each) is Segment for each in gc.get_objects())


def enter(desk: Desk, row: BotRow) -> None:
    """Let a bot come as far as recording, with Alice and Bob there."""
    for state in (State.JOINING, State.AWAITING_ADMISSION, State.IN_CALL):
        desk.pass_time(1)
        desk.go(row, state)
    for name in ("Alice", "Bob"):
        desk.happen(row, ParticipantJoined(participant=Participant(id=name, name=name)))
    desk.pass_time(1)
    desk.go(row, State.RECORDING)


def record(row: BotRow) -> ArtifactWritten:
    """Write two seconds of a tone as the recorder does."""
    path = row.folder / "files" / "mix.opus"
    path.parent.mkdir(exist_ok=True)
    file = OpusFile(path, 24)
    tone = np.sin(np.arange(32_000) * 2 * np.pi * 440 / 16_000)
    file.write((8000 * tone).astype(np.int16))
    file.close()
    return ArtifactWritten(
        kind="audio.mix",
        path="files/mix.opus",
        media_type="audio/ogg; codecs=opus",
        size_bytes=path.stat().st_size,
        duration_s=2.0,
    )


def leave(
    desk: Desk, row: BotRow, reason: EndReason = EndReason.MEETING_ENDED, *, media: bool = True
) -> None:
    """Let a bot that records end."""
    desk.pass_time(5)
    desk.go(row, State.LEAVING, reason)
    desk.go(row, State.PROCESSING)
    if media:
        desk.happen(row, record(row))
    desk.go(row, State.COMPLETED, reason)


def play(desk: Desk, row: BotRow, *, media: bool = True) -> None:
    """The meeting of the seed."""
    enter(desk, row)
    desk.happen(row, *speech("Alice", 1.3, 1.6), *speech("Bob", 2.6, 3.0), *THE_SEEDS_LINES)
    leave(desk, row, media=media)


def fail(desk: Desk, row: BotRow, reason: EndReason, detail: str = "") -> None:
    """Let a bot fail at the door."""
    evidence = Evidence("test", detail)
    for state in (State.JOINING, State.AWAITING_ADMISSION):
        desk.go(row, state)
    desk.go(row, State.FAILED, reason, evidence)


async def told(desk: Desk) -> list[Any]:
    """Return the bodies of the webhooks so far, in the order of what they tell of."""
    await served(desk)
    posted = sorted(desk.posted, key=lambda each: _order_of(each.json))
    return [each.json for each in posted]


async def served(desk: Desk) -> None:
    """Return when every webhook was written; making the MP4 file takes a thread."""
    with trio.fail_after(20):
        while True:
            await desk.settled()
            row = desk.only
            ends = [p for p in desk.posted if p.kind in ("complete", "failed")]
            if not row.ended or ends or not await desk.targets(row):
                return
            await trio.sleep(0.01)


async def eventually(condition: Any, *, within_s: float = 20.0) -> None:
    """Return when a condition holds: one on the other side of a socket."""
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.005)


def _order_of(body: Any) -> tuple[int, str]:
    last = body["event"] != "bot.status_change"
    return (int(last), "" if last else body["data"]["status"]["created_at"])


def codes(bodies: list[Any]) -> list[str]:
    """Return the status codes, in the order they were told."""
    return [b["data"]["status"]["code"] for b in bodies if b["event"] == "bot.status_change"]
