"""A fake service with MeetStream's API on it, and a meeting to play there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import evolve

from meetcore.gateway.http import Reply
from meetcore.gateway.records import BotRow, WebhookTarget
from meetcore.gateway.service import Moment, Outgoing
from meetcore.model.events import (
    ArtifactWritten,
    ChatReceived,
    ParticipantJoined,
    ParticipantLeft,
    SegmentFinalized,
    SpeakingStarted,
    SpeakingStopped,
)
from meetcore.model.history import BotHistory
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment, Word
from meetcore.testing.fake_service import FakeService, open_fake_service
from meetcore_files.video_file import VideoFile, finish_video
from meetcore_meetstream import plugin
from tests.moving_pictures import FRAMES_PER_S, pictures

KEY = "YOUR_API_KEY"
HEADERS = {"authorization": f"Token {KEY}"}
HOOK = "https://your-domain.com/callback"
LINK = "https://meet.google.com/abc-defg-hij"
ZOOM = "https://zoom.us/j/123456789"
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
BY_NAME: dict[tuple[str, str], dict[str, Any]] = {
    (vector["system"].removeprefix("meetstream/"), vector["name"]): vector for vector in VECTORS
}


def create_request(**changes: Any) -> dict[str, Any]:
    """The body of a request for a bot."""
    return {
        "meeting_link": LINK,
        "bot_name": "Acme Notetaker",
        "callback_url": HOOK,
        "recording_config": {"transcript": {"provider": {"deepgram": {"language": "en"}}}},
        **changes,
    }


@asynccontextmanager
async def meetstream(folder: Path, **options: Any) -> AsyncIterator[FakeService]:
    async with open_fake_service(folder) as fake:
        fake.options = {"meetstream": options}
        fake.load(plugin)
        fake.new_key(KEY)
        yield fake


async def ask(fake: FakeService, method: str, path: str, **how: Any) -> Reply:
    """Send a request with the key, below `/api/v1`; a stream in the answer is read."""
    headers = {**HEADERS, **how.pop("headers", {})}
    reply = await fake.call(method, f"/api/v1{path}", headers=headers, **how)
    if reply.stream is not None:
        body = b"".join([piece async for piece in reply.stream])
        reply = evolve(reply, stream=None, json=json.loads(body))
    json.dumps(reply.json)
    return reply


async def new_bot(fake: FakeService, **changes: Any) -> BotRow:
    reply = await ask(fake, "POST", "/bots/create_bot", json=create_request(**changes))
    assert reply.status == 201, reply.json
    assert reply.json["bot_id"] == fake.only.bot_id
    return fake.only


def said(name: str, who: str, *words: tuple[str, float, float], **changes: Any) -> SegmentFinalized:
    """Somebody's line, with the times of its words."""
    segment = Segment(
        id=name,
        revision=1,
        finalized=True,
        track_id=who,
        participant_id=who,
        speaker_name=who,
        speaker_source=NameSource.TRACK,
        speaker_confidence=0.95,
        text=" ".join(word for word, _, _ in words),
        words=tuple(Word(*word, 0.99) for word in words),
        start_s=words[0][1],
        end_s=words[-1][2],
        language="en",
    )
    return SegmentFinalized(segment=evolve(segment, **changes))


HELLO = said("s1", "Alice", ("Hello,", 0.5, 0.8), ("everyone.", 0.9, 3.2))
REPLY = said("s2", "Bob", ("Hi", 4.0, 4.2), ("Alice!", 4.2, 4.6))


def speech(who: str, start_s: float, end_s: float) -> list[SpeakingStarted | SpeakingStopped]:
    source = NameSource.TRACK
    return [
        SpeakingStarted(participant_id=who, name=who, start_s=start_s, source=source),
        SpeakingStopped(participant_id=who, name=who, end_s=end_s, source=source),
    ]


def enter(fake: FakeService, row: BotRow) -> None:
    """Let a bot come as far as recording, with Alice and Bob there."""
    for state in (State.JOINING, State.AWAITING_ADMISSION, State.IN_CALL):
        fake.pass_time(1)
        fake.go(row, state)
    me = Participant(id="me", name="Acme Notetaker", is_self=True, is_bot=True)
    fake.happen(row, ParticipantJoined(participant=me))
    for name in ("Alice", "Bob"):
        fake.happen(row, ParticipantJoined(participant=Participant(id=name, name=name)))
    fake.pass_time(1)
    fake.go(row, State.RECORDING)


def video(fake: FakeService, row: BotRow) -> ArtifactWritten:
    """Write three seconds of video as the recorder does."""
    path = fake.folder_of(row) / "files" / "video.mp4"
    path.parent.mkdir(exist_ok=True)
    file = VideoFile(path)
    for number, unit in enumerate(pictures(3.0)):
        file.picture(number / FRAMES_PER_S, unit)
    file.close()
    return ArtifactWritten(
        kind="video",
        path="files/video.mp4",
        media_type="video/mp4",
        size_bytes=path.stat().st_size,
        duration_s=finish_video(path),
    )


def files(fake: FakeService, row: BotRow) -> list[ArtifactWritten]:
    """Write what the recorder leaves; a video where one was asked for."""
    seen = [video(fake, row)] if row.extras.get("video") else []
    folder = fake.folder_of(row) / "files"
    folder.mkdir(exist_ok=True)
    made = seen
    for kind, name, media_type, length_s in (
        ("audio.mix", "mix.opus", "audio/ogg; codecs=opus", 125.0),
        ("manifest", "manifest.json", "application/json", None),
    ):
        (folder / name).write_bytes(b"not really")
        made.append(
            ArtifactWritten(
                kind=kind,
                path=f"files/{name}",
                media_type=media_type,
                size_bytes=10,
                duration_s=length_s,
            )
        )
    return made


def leave(
    fake: FakeService,
    row: BotRow,
    reason: EndReason = EndReason.MEETING_ENDED,
    *,
    media: bool = True,
) -> None:
    """Let a bot that is in the call end."""
    fake.pass_time(120)
    fake.happen(row, ParticipantLeft(participant_id="Bob", name="Bob"))
    fake.go(row, State.LEAVING, reason)
    fake.go(row, State.PROCESSING)
    if media:
        fake.happen(row, *files(fake, row))
    fake.go(row, State.COMPLETED, reason)


def chat(text: str, *, by_bot: bool = False) -> ChatReceived:
    return ChatReceived(
        message_id=f"m-{text}", sender_id="Alice", sender_name="Alice", text=text, by_bot=by_bot
    )


def play(
    fake: FakeService,
    row: BotRow,
    reason: EndReason = EndReason.MEETING_ENDED,
    *,
    media: bool = True,
) -> None:
    """A whole meeting."""
    enter(fake, row)
    fake.happen(row, *speech("Alice", 0.5, 3.2), HELLO, *speech("Bob", 4.0, 4.6), REPLY)
    fake.happen(row, chat("hello"))
    leave(fake, row, reason, media=media)


def fail(fake: FakeService, row: BotRow, reason: EndReason, detail: str = "") -> None:
    """Let a bot fail before it is admitted."""
    for state in (State.JOINING, State.AWAITING_ADMISSION):
        fake.go(row, state)
    fake.go(row, State.LEAVING, reason, Evidence("test", detail))
    fake.go(row, State.PROCESSING)
    fake.go(row, State.FAILED, reason, Evidence("test", detail))


async def told(fake: FakeService, format_name: str = "meetstream") -> list[Any]:
    """Return the bodies of the webhooks of a format so far, in the order of the journal."""
    await fake.settled()
    posted = [each for each in fake.posted if each.target.format == format_name]
    places: dict[str | None, int] = {}
    for row, target in {each.row.bot_id: (each.row, each.target) for each in posted}.values():
        if fake.row(row.bot_id).deleted_at is None:
            for outgoing in await _written(fake, row, target):
                places[outgoing.id] = len(places)
    posted.sort(key=lambda each: places.get(each.outgoing.id, len(places)))
    return [each.json for each in posted]


async def _written(fake: FakeService, row: BotRow, target: WebhookTarget) -> list[Outgoing]:
    """Return what a target is told of a bot's journal; the fake service itself keeps no order."""
    history = BotHistory()
    written: list[Outgoing] = []
    async for event in fake.events(row):
        history.take(event)
        moment = Moment(row=row, event=event, history=history, target=target)
        written += await fake.formats[target.format].messages(moment)
    return written


async def eventually(condition: Any, *, within_s: float = 90.0) -> None:
    """Return when a condition holds: one on the other side of a socket."""
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.005)
