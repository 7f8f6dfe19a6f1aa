"""A fake service with Spoke's API on it, and a meeting to play there."""

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

from meetcore.gateway.http import Reply
from meetcore.gateway.records import BotRow
from meetcore.model.events import (
    ArtifactWritten,
    ParticipantJoined,
    SegmentFinalized,
    SpeakingStarted,
    SpeakingStopped,
)
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment, Word
from meetcore.testing.fake_service import FakeService, open_fake_service
from meetcore_files.audio_file import OpusFile
from meetcore_spoke import plugin

KEY = "YOUR-API-KEY"
HOOK = "https://your-company.com/your-endpoint"
LINK = "https://meet.google.com/abc-defg-hij"
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
BY_NAME: dict[str, dict[str, Any]] = {vector["name"]: vector for vector in VECTORS}


def create_request(**changes: Any) -> dict[str, Any]:
    """The body of a request for a bot."""
    return {"meeting_url": LINK, "bot_name": "AI Notetaker", "webhook_url": HOOK, **changes}


@asynccontextmanager
async def spoke(folder: Path, **options: Any) -> AsyncIterator[FakeService]:
    async with open_fake_service(folder) as fake:
        fake.options = {"spoke": options}
        fake.load(plugin)
        fake.new_key(KEY)
        yield fake


async def ask(
    fake: FakeService, method: str, path: str, *, header: str = "x-spoke-api-key", **how: Any
) -> Reply:
    """Send a request with the key."""
    reply = await fake.call(method, path, headers={header: KEY}, **how)
    if reply.stream is not None:
        assert reply.media_type == "application/json"
        whole = b"".join([piece async for piece in reply.stream])
        return evolve(reply, stream=None, json=json.loads(whole))
    json.dumps(reply.json)
    return reply


async def new_bot(fake: FakeService, *, header: str = "x-spoke-api-key", **changes: Any) -> BotRow:
    reply = await ask(fake, "POST", "/bots", header=header, json=create_request(**changes))
    assert reply.status == 200, reply.json
    assert reply.json == {"bot_id": fake.only.bot_id}
    return fake.only


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


def enter(fake: FakeService, row: BotRow) -> None:
    """Let a bot come as far as recording, with Alice and Bob there."""
    for state in (State.JOINING, State.AWAITING_ADMISSION, State.IN_CALL):
        fake.pass_time(1)
        fake.go(row, state)
    for name in ("Alice", "Bob"):
        fake.happen(row, ParticipantJoined(participant=Participant(id=name, name=name)))
    fake.pass_time(1)
    fake.go(row, State.RECORDING)


def record(fake: FakeService, row: BotRow) -> ArtifactWritten:
    """Write two seconds of a tone as the recorder does."""
    path = fake.folder_of(row) / "files" / "mix.opus"
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
    fake: FakeService,
    row: BotRow,
    reason: EndReason = EndReason.MEETING_ENDED,
    *,
    media: bool = True,
) -> None:
    """Let a bot that records end."""
    fake.pass_time(5)
    fake.go(row, State.LEAVING, reason)
    fake.go(row, State.PROCESSING)
    if media:
        fake.happen(row, record(fake, row))
    fake.go(row, State.COMPLETED, reason)


def play(fake: FakeService, row: BotRow, *, media: bool = True) -> None:
    """The meeting of the seed."""
    enter(fake, row)
    fake.happen(row, *speech("Alice", 1.3, 1.6), *speech("Bob", 2.6, 3.0), *THE_SEEDS_LINES)
    leave(fake, row, media=media)


def fail(fake: FakeService, row: BotRow, reason: EndReason, detail: str = "") -> None:
    """Let a bot fail before it is admitted."""
    evidence = Evidence("test", detail)
    for state in (State.JOINING, State.AWAITING_ADMISSION):
        fake.go(row, state)
    fake.go(row, State.FAILED, reason, evidence)


async def told(fake: FakeService) -> list[Any]:
    """Return the bodies of the webhooks so far, in the order of what they tell of."""
    await served(fake)
    posted = sorted(fake.posted, key=lambda each: _order_of(each.json))
    return [each.json for each in posted]


async def served(fake: FakeService) -> None:
    """Return when every webhook was written; making the MP4 file takes a thread."""
    with trio.fail_after(90):
        while True:
            await fake.settled()
            row = fake.only
            ends = [p for p in fake.posted if p.kind in ("complete", "failed")]
            if not row.ended or ends or not await fake.targets(row):
                return
            await trio.sleep(0.01)


async def eventually(condition: Any, *, within_s: float = 90.0) -> None:
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
