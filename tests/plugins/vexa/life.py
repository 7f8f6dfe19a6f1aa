"""A Vexa client at the fake service, the events of a meeting, and how messages are compared."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import meetcore_vexa.plugin
from meetcore.gateway.http import Reply
from meetcore.gateway.records import BotRow
from meetcore.model.drafts import SegmentDraft
from meetcore.model.events import ArtifactWritten, ChatReceived, SegmentFinalized
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.roster import NameSource
from meetcore.model.transcript import Segment, Word
from meetcore.testing.fake_service import FakeService, FakeSocket, open_fake_service

KEY = "vxa_bot_example"
ADMIN = "admin"
MEET = {"platform": "google_meet", "native_meeting_id": "abc-defg-hij"}
SEAT = {"platform": "google_meet", "native_id": "abc-defg-hij"}
PATH = "google_meet/abc-defg-hij"
PICTURE = b"\x89PNG\r\n\x1a\nand so on"

VECTORS: dict[str, dict[str, Any]] = {
    vector["name"]: vector
    for vector in json.loads((Path(__file__).parent / "vectors.json").read_text("utf-8"))["vectors"]
}


class VexaFake:
    """A fake service with the plugin loaded, a key and what a Vexa client does with it."""

    def __init__(self, fake: FakeService) -> None:
        self.fake = fake
        fake.load(meetcore_vexa.plugin)
        fake.new_key(KEY)
        fake.new_key(ADMIN, admin=True)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = ...,
        *,
        key: str | None = KEY,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Send a request; return the status and the decoded body (None for none)."""
        given = dict(headers or {})
        if key is not None:
            given["X-API-Key"] = key
        reply = await self.fake.call(method, path, json=body, headers=given)
        return reply.status, await content(reply)

    async def send_bot(self, dialect: str = "E1", **more: Any) -> BotRow:
        """Order a bot and return its row."""
        status, body = await self.ask("POST", f"/bots?dialect={dialect}", {**MEET, **more})
        assert status == 201, body
        return self.fake.only

    def admit(self, row: BotRow) -> BotRow:
        """Bring a bot into the call and let it record."""
        self.fake.go(row, State.JOINING)
        self.fake.pass_time(2)
        self.fake.go(row, State.AWAITING_ADMISSION)
        self.fake.pass_time(3)
        self.fake.go(row, State.IN_CALL)
        return self.fake.go(row, State.RECORDING)

    async def walk(self, row: BotRow, *states: State) -> None:
        """Bring a bot from state to state; everybody is told before the next."""
        for state in states:
            ending = state in (State.LEAVING, State.COMPLETED, State.FAILED)
            self.fake.go(row, state, EndReason.STOP_REQUESTED if ending else None)
            await self.fake.settled()

    def end(self, row: BotRow, reason: EndReason = EndReason.STOP_REQUESTED) -> BotRow:
        """Bring a bot out of the call and to its end."""
        self.fake.go(row, State.LEAVING, reason, Evidence("test", "as asked"))
        self.fake.go(row, State.PROCESSING)
        return self.fake.go(row, State.COMPLETED, reason, Evidence("test", "as asked"))

    def refuse(self, row: BotRow, reason: EndReason = EndReason.DENIED) -> BotRow:
        """Turn a bot away before it is admitted."""
        self.fake.go(row, State.JOINING)
        self.fake.go(row, State.AWAITING_ADMISSION)
        return self.fake.go(row, State.FAILED, reason, Evidence("denied", "host denied admission"))

    def say(self, row: BotRow, text: str, *, final: bool = True, **more: Any) -> Segment:
        """Let somebody say something."""
        said = segment(text, finalized=final, **more)
        if final:
            self.fake.happen(row, SegmentFinalized(segment=said))
        else:
            self.fake.draft(row, SegmentDraft(segment=said))
        return said

    def record(self, row: BotRow) -> None:
        """Leave a recording."""
        path = self.fake.folder_of(row) / "files" / "mix.opus"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"OggS and so on")
        self.fake.happen(
            row,
            ArtifactWritten(
                kind="audio.mix", path="files/mix.opus", media_type="audio/ogg",
                size_bytes=14, duration_s=2.5,
            ),
        )  # fmt: skip

    def chat(
        self, row: BotRow, text: str = "hi", *, sender: str = "John", by_bot: bool = False
    ) -> None:
        """Let somebody write something."""
        self.fake.happen(
            row,
            ChatReceived(
                message_id="m1", sender_id="p1", sender_name=sender, text=text, by_bot=by_bot
            ),
        )

    async def socket(self, dialect: str = "E1", key: str | None = KEY) -> FakeSocket:
        """Open the socket as a browser does."""
        query = f"?dialect={dialect}" + (f"&api_key={key}" if key else "")
        socket = await self.fake.connect(f"/ws{query}")
        assert isinstance(socket, FakeSocket)
        return socket

    async def heard(self, socket: FakeSocket, said: Any) -> list[Any]:
        """Say something over a socket; return what came back."""
        socket.say(said)
        await self.fake.settled()
        return socket.frames()

    async def subscribed(self, dialect: str = "E1") -> FakeSocket:
        """Open a socket that is subscribed to the meeting, its answers read."""
        socket = await self.socket(dialect)
        await self.heard(socket, {"action": "subscribe", "meetings": [SEAT]})
        return socket


@asynccontextmanager
async def open_vexa(folder: Path) -> AsyncIterator[VexaFake]:
    """Hold a fake service with the plugin."""
    async with open_fake_service(folder) as fake:
        yield VexaFake(fake)


async def content(reply: Reply) -> Any:
    """Return the body of an answer: JSON, bytes of a file, or None."""
    if reply.file is not None:
        return await reply.file.media.read_bytes(reply.file.about.name)
    if reply.stream is not None:
        raw = b"".join([piece async for piece in reply.stream])
        return json.loads(raw) if reply.media_type == "application/json" else raw
    return None if reply.json is ... else json.loads(json.dumps(reply.json))


def segment(
    text: str,
    *,
    key: str = "t-0001",
    revision: int = 1,
    finalized: bool = True,
    start_s: float = 12.4,
    end_s: float = 15.1,
    who: str | None = "John",
    onset_s: float | None = None,
    track: str = "t",
    language: str | None = "en-US",
) -> Segment:
    """Return a segment."""
    return Segment(
        id=key, revision=revision, finalized=finalized, track_id=track,
        participant_id=who and who.lower(), speaker_name=who,
        speaker_source=NameSource.TRACK if who else NameSource.UNKNOWN,
        speaker_confidence=1.0 if who else 0.0, text=text,
        words=(Word(text, start_s, end_s, 0.9),), start_s=start_s, end_s=end_s,
        confidence=0.9, language=language, onset_s=onset_s,
    )  # fmt: skip


# --- comparing ------------------------------------------------------------------------

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(?P<zone>Z|\+00:00)?")


def differences(example: Any, ours: Any, where: str = "") -> list[str]:
    """Return where a message of ours differs in fields or types from an example.

    Fields of ours that the example lacks are no difference: the vendor's clients pass over them. A
    null in the example says nothing about the type. Of a list the first element is compared.
    """
    if example is None:
        return []
    if isinstance(example, dict):
        if not isinstance(ours, dict):
            return [f"{where}: {ours!r} is no object"]
        found = []
        for name, value in example.items():
            place = f"{where}.{name}" if where else name
            found += (
                differences(value, ours[name], place) if name in ours else [f"{place}: missing"]
            )
        return found
    if isinstance(example, list):
        if not isinstance(ours, list) or (example and not ours):
            return [f"{where}: {ours!r} is no such list"]
        return differences(example[0], ours[0], f"{where}.0") if example else []
    if isinstance(example, float):
        fits = isinstance(ours, (int, float)) and not isinstance(ours, bool)
        return [] if fits else [f"{where}: {ours!r} is no number"]
    if type(example) is not type(ours):
        return [f"{where}: {ours!r} instead of {example!r}"]
    time = TIME.fullmatch(example) if isinstance(example, str) else None
    if time is not None:
        mine = TIME.fullmatch(ours)
        if mine is None or bool(mine["zone"]) != bool(time["zone"]):
            return [f"{where}: {ours!r} is not written like {example!r}"]
    return []


def at(message: Any, path: str) -> Any:
    """Return what stands at a dotted path."""
    for part in path.split("."):
        message = message[int(part)] if isinstance(message, list) else message[part]
    return message
