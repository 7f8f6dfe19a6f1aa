"""A fake service with Skribby's API on it, and a meeting to play there."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import evolve

from meetcore.gateway.http import Reply
from meetcore.gateway.records import BotRow, Client
from meetcore.model.events import (
    ArtifactWritten,
    ChatReceived,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    SegmentFinalized,
    SpeakingStarted,
    SpeakingStopped,
)
from meetcore.model.lifecycle import EndReason, State
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment, Word
from meetcore.testing.fake_service import FakeService, FakeSocket, open_fake_service
from meetcore_skribby import plugin

KEY = "sk_test"
BEARER = {"Authorization": f"Bearer {KEY}"}
LINK = "https://meet.google.com/osk-sbwe-nff"
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())
BY_NAME: dict[str, dict[str, Any]] = {vector["name"]: vector for vector in VECTORS}

JOHN = Participant(id="p1", name="John Doe", muted=False)
OURS = Participant(id="me", name="My Meeting Bot", is_self=True)


def create_request(**changes: Any) -> dict[str, Any]:
    """The body of a request for a bot."""
    body = {
        "bot_name": "My Meeting Bot",
        "meeting_url": LINK,
        "service": "gmeet",
        "transcription_model": "deepgram/nova-2-realtime",
    }
    return {**body, **changes}


@asynccontextmanager
async def skribby(folder: Path, **options: Any) -> AsyncIterator[FakeService]:
    async with open_fake_service(folder) as fake:
        fake.options = {"skribby": options}
        fake.load(plugin)
        fake.new_key(KEY)
        yield fake


async def operator(fake: FakeService) -> Client:
    """Whoever holds the key."""
    client = await fake.authenticate(KEY)
    assert client is not None
    return client


async def ask(fake: FakeService, method: str, path: str, **how: Any) -> Reply:
    """Send a request with the key; every answer that is a success carries JSON."""
    return await read(await fake.call(method, path, headers=BEARER, **how))


async def read(reply: Reply) -> Reply:
    """Return a reply with its JSON whole, also where it is sent in pieces."""
    if reply.stream is not None:
        assert reply.media_type == "application/json"
        whole = b"".join([piece async for piece in reply.stream])
        return evolve(reply, stream=None, json=json.loads(whole))
    assert reply.json is not ...
    json.dumps(reply.json)
    return reply


async def new_bot(fake: FakeService, **changes: Any) -> BotRow:
    reply = await ask(fake, "POST", "/bot", json=create_request(**changes))
    assert reply.status == 201, reply.json
    return fake.only


async def bot_of(fake: FakeService, row: BotRow, query: str = "") -> Mapping[str, Any]:
    reply = await ask(fake, "GET", f"/bot/{row.bot_id}{query}")
    assert reply.status == 200
    body: Mapping[str, Any] = reply.json
    return body


async def opened(fake: FakeService, url: str) -> FakeSocket:
    """Open a socket by the URL a bot object gave."""
    assert url.startswith("ws://fake.test/skribby/")
    socket = await fake.connect(url.removeprefix("ws://fake.test/skribby"))
    assert isinstance(socket, FakeSocket)
    return socket


def segment(
    text: str = "This contains the spoken text.",
    *,
    name: str = "s1",
    who: str | None = "p1",
    speaker: str | None = "John Doe",
    revision: int = 1,
    start_s: float = 1.23,
    end_s: float = 4.56,
) -> SegmentFinalized:
    return SegmentFinalized(
        segment=Segment(
            id=name,
            revision=revision,
            finalized=True,
            track_id="t1",
            participant_id=who,
            speaker_name=speaker,
            speaker_source=NameSource.TRACK if who else NameSource.UNKNOWN,
            speaker_confidence=1.0 if who else 0.0,
            text=text,
            words=(Word(text.split()[0], start_s, end_s, 0.9),),
            start_s=start_s,
            end_s=end_s,
            confidence=0.9980372,
            language="en",
        )
    )


def chat(text: str = "Foo bar.", message_id: str = "m1") -> ChatReceived:
    return ChatReceived(message_id=message_id, sender_id="p1", sender_name="John Doe", text=text)


def speaking(fake: FakeService, row: BotRow, *, seconds: float = 2.0) -> None:
    """John speaks from now on for so long."""
    began = fake.row(row.bot_id).in_call_at
    assert began is not None
    start_s = (fake.now() - began).total_seconds()
    source = NameSource.TRACK
    fake.happen(
        row, SpeakingStarted(participant_id="p1", name=None, start_s=start_s, source=source)
    )
    fake.pass_time(seconds)
    fake.happen(
        row,
        SpeakingStopped(participant_id="p1", name=None, end_s=start_s + seconds, source=source),
    )


def enter(fake: FakeService, row: BotRow) -> None:
    """Let a bot come as far as recording, with John there."""
    if fake.row(row.bot_id).state is State.SCHEDULED:
        fake.go(row, State.REQUESTED)
    for state in (State.JOINING, State.AWAITING_ADMISSION, State.IN_CALL):
        fake.pass_time(1)
        fake.go(row, state)
    fake.happen(row, ParticipantJoined(participant=OURS), ParticipantJoined(participant=JOHN))
    fake.go(row, State.RECORDING)


def leave(fake: FakeService, row: BotRow, reason: EndReason = EndReason.MEETING_ENDED) -> None:
    """Let a bot that records end."""
    fake.pass_time(5)
    fake.go(row, State.LEAVING, reason)
    fake.go(row, State.PROCESSING)
    mix = ArtifactWritten(
        kind="audio.mix", path="files/mix.opus", media_type="audio/ogg", size_bytes=10
    )
    fake.happen(row, mix)
    fake.go(row, State.COMPLETED, reason)


def play(fake: FakeService, row: BotRow) -> None:
    """A whole meeting: somebody speaks, writes, is muted, leaves and comes again."""
    enter(fake, row)
    speaking(fake, row)
    fake.happen(row, segment(), chat())
    fake.happen(
        row, ParticipantUpdated(participant=Participant(id="p1", name="John Doe", muted=True))
    )
    fake.happen(row, ParticipantUpdated(participant=JOHN))
    fake.happen(row, ParticipantLeft(participant_id="p1"))
    fake.happen(row, ParticipantJoined(participant=JOHN))
    leave(fake, row)


def segments_in_memory() -> int:
    """Return how many segments there are as objects."""
    return sum(type(each) is Segment for each in gc.get_objects())


def value_at(example: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        example = example[int(part)] if isinstance(example, list) else example[part]
    return example


def assert_like(ours: Any, theirs: Any, nullable: frozenset[str], where: str = "") -> None:
    """Every field of the example is there, with its type.

    A field that is null in the example may hold anything; ours may be null where it is nullable.
    """
    name = where.rpartition(".")[2]
    if theirs is None or (ours is None and name in nullable):
        return
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        for key, value in theirs.items():
            assert key in ours, f"{where}.{key} is missing"
            assert_like(ours[key], value, nullable, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        assert ours or not theirs, f"{where} is empty"
        for item in ours if theirs else ():
            named = isinstance(theirs[0], dict) and "event" in theirs[0]
            like = [each for each in theirs if not named or each["event"] == item["event"]]
            assert_like(item, like[0], nullable, f"{where}.0")
    elif isinstance(theirs, bool) or isinstance(ours, bool):
        assert type(ours) is type(theirs), where
    elif isinstance(theirs, float) or name in ("start", "end"):
        assert isinstance(ours, (int, float)), where
    else:
        assert type(ours) is type(theirs), f"{where}: {ours!r} beside {theirs!r}"
