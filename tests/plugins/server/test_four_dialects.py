"""One journal, four vendors: nothing that one dialect tells contradicts what another tells."""

from __future__ import annotations

import json
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import trio
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore.gateway.http import Reply
from meetcore.gateway.records import BotRow
from meetcore.model.events import ChatReceived, Event, ParticipantJoined, SegmentFinalized
from meetcore.model.lifecycle import COMPLETING, EndReason, State
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment, Word, spoken_order
from meetcore.testing.fake_service import FakeService, open_fake_service

LINK = "https://meet.google.com/abc-defg-hij"
VENDORS = ("vexa", "skribby", "meetstream", "spoke")
HEADERS = {
    "vexa": {"x-api-key": "k"},
    "skribby": {"authorization": "Bearer k"},
    "meetstream": {"authorization": "Token k"},
    "spoke": {"x-spoke-api-key": "k"},
}
HOOK = "https://hooks.example.org/x"
ORDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "vexa": ("/bots", {"platform": "google_meet", "native_meeting_id": "abc-defg-hij"}),
    "skribby": (
        "/bot",
        {
            "service": "gmeet",
            "meeting_url": LINK,
            "bot_name": "Notes",
            "transcription_model": "deepgram-realtime",
            "webhook_url": HOOK,
        },
    ),
    "meetstream": (
        "/api/v1/bots/create_bot?dialect=current",
        {
            "meeting_link": LINK,
            "bot_name": "Notes",
            "callback_url": HOOK,
            "recording_config": {"transcript": {"provider": {"deepgram": {"model": "nova-3"}}}},
        },
    ),
    "spoke": (
        "/bots",
        {
            "meeting_url": LINK,
            "bot_name": "Notes",
            "speech_to_text": "Default",
            "webhook_url": HOOK,
        },
    ),
}


@define
class Meeting:
    """What happens, the same for all four bots."""

    names: list[str]
    said: list[tuple[int, list[str], float]]
    chat: list[tuple[int, str]]
    recorded: bool
    reason: EndReason

    def segments(self) -> list[Segment]:
        made: list[Segment] = []
        at = 0.0
        for number, (who, words, pause) in enumerate(self.said):
            at = round(max(0.0, at + pause), 3)
            spoken = tuple(
                Word(word, round(at + 0.3 * n, 3), round(at + 0.3 * n + 0.25, 3))
                for n, word in enumerate(words)
            )
            end = spoken[-1].end_s
            made.append(
                Segment(
                    id=f"s{number}",
                    revision=1,
                    finalized=True,
                    track_id=f"t{who}",
                    participant_id=f"p{who}",
                    speaker_name=self.names[who],
                    speaker_source=NameSource.TRACK,
                    speaker_confidence=1.0,
                    text=" ".join(words),
                    words=spoken,
                    start_s=at,
                    end_s=end,
                )
            )
            at = end
        return made

    def finished(self) -> list[Segment]:
        """Return the segments in the order in which they end, as a bot finishes them."""
        return sorted(self.segments(), key=lambda segment: segment.end_s)

    def within(self) -> list[Event]:
        events: list[Event] = [
            ParticipantJoined(participant=Participant(id=f"p{n}", name=name))
            for n, name in enumerate(self.names)
        ]
        events += [SegmentFinalized(segment=segment) for segment in self.finished()]
        events += [
            ChatReceived(
                message_id=f"m{n}", sender_id=f"p{who}", sender_name=self.names[who], text=text
            )
            for n, (who, text) in enumerate(self.chat)
        ]
        return events


WORDS = st.text("abcdefghijklmnopqrstuvwxyz'é", min_size=1, max_size=7)
NAMES = st.lists(
    st.text("ABCdefghij ö-", min_size=2, max_size=9).filter(lambda name: name.strip() == name),
    min_size=1,
    max_size=4,
    unique=True,
)


@st.composite
def meetings(draw: st.DrawFn) -> Meeting:
    names = draw(NAMES)
    who = st.integers(0, len(names) - 1)
    pauses = st.floats(-4.0, 9.0).map(lambda pause: round(pause, 2))
    said = draw(st.lists(st.tuples(who, st.lists(WORDS, min_size=1, max_size=5), pauses)))
    chat = draw(st.lists(st.tuples(who, WORDS), max_size=4))
    recorded = draw(st.booleans())
    failing = [reason for reason in EndReason if reason not in COMPLETING]
    failing.remove(EndReason.RECORDING_PERMISSION_DENIED)  # MeetStream has it end as a plain stop
    reason = draw(st.sampled_from(list(COMPLETING) if recorded else failing))
    return Meeting(names, said, chat, recorded, reason)


async def body_of(reply: Reply) -> Any:
    assert reply.status == 200, reply
    if reply.stream is not None:
        return json.loads(b"".join([part async for part in reply.stream]))
    return reply.json


class Told:
    """What the four vendors tell of the same meeting."""

    def __init__(self, fake: FakeService, rows: dict[str, BotRow]) -> None:
        self._fake = fake
        self._rows = rows

    async def get(self, vendor: str, path: str) -> Any:
        path = path.replace("ID", self._rows[vendor].bot_id)
        return await body_of(
            await self._fake.call("GET", path, headers=HEADERS[vendor], mount=vendor)
        )

    async def transcripts(self) -> dict[str, list[tuple[str, str, float]]]:
        """Return speaker, text and start of every segment."""
        vexa = (await self.get("vexa", "/transcripts/google_meet/abc-defg-hij"))["segments"]
        skribby = (await self.get("skribby", "/bot/ID"))["transcript"]
        listed = await self.get("meetstream", "/api/v1/bots/ID/transcriptions")
        number = listed["transcriptions"][0]["transcript_id"]
        meetstream = await self.get("meetstream", f"/api/v1/transcript/{number}/get_transcript")
        data = await self.get("spoke", "/bots/meeting_data?bot_id=ID")
        sent = [p.json for p in self._fake.posted if p.target.format == "spoke"]
        complete = next(body["data"] for body in sent if body["event"] == "complete")
        return {
            "vexa": [(s["speaker"], s["text"], s["start"]) for s in vexa],
            "skribby": [(s["speaker_name"], s["transcript"], s["start"]) for s in skribby],
            "meetstream": [(s["speaker"], s["transcript"], s["start_time"]) for s in meetstream],
            "spoke": [
                (s["speaker"], " ".join(w["text"] for w in s["words"]), s["start_time"])
                for s in data["bot_data"]["transcripts"]
            ],
            "spoke's webhook": [
                (s["speaker"], " ".join(w["word"] for w in s["words"]), s["words"][0]["start"])
                for s in complete["transcript"]
            ],
        }

    async def people(self) -> dict[str, set[str]]:
        skribby = (await self.get("skribby", "/bot/ID"))["participants"]
        meetstream = await self.get("meetstream", "/api/v1/bots/ID/get_participants")
        return {
            "skribby": {person["name"] for person in skribby},
            "meetstream": {person["fullName"] for person in meetstream},
        }

    async def chats(self) -> dict[str, list[tuple[str, str]]]:
        skribby = (await self.get("skribby", "/bot/ID"))["events"]
        meetstream = await self.get("meetstream", "/api/v1/bots/ID/get_chats")
        vexa = await self.get("vexa", "/bots/google_meet/abc-defg-hij/chat?dialect=E3")
        return {
            "skribby": [
                (each["data"]["username"], each["data"]["content"])
                for each in skribby
                if each["event"] == "chat_message"
            ],
            "meetstream": [(m["speakerName"], m["text"]) for m in meetstream["chatMessages"]],
            "vexa": [(m["sender"], m["text"]) for m in vexa["messages"]],
        }

    async def outcomes(self) -> dict[str, bool]:
        """Return for each vendor whether the bot is said to have done its work."""
        vexa = await self.get("vexa", "/transcripts/google_meet/abc-defg-hij")
        skribby = await self.get("skribby", "/bot/ID")
        posted = self._fake.posted
        spoke = [p.json["event"] for p in posted if p.target.format == "spoke"]
        stopped = [
            p.json["status_code"]
            for p in posted
            if p.target.format == "meetstream" and p.json.get("event") == "bot.stopped"
        ]
        assert len([event for event in spoke if event in ("complete", "failed")]) == 1
        assert len(stopped) == 1
        return {
            "vexa": vexa["status"] == "completed",
            "skribby": skribby["status"] == "finished",
            "spoke": "complete" in spoke,
            "meetstream": stopped[0] == 200,
        }


async def played(meeting: Meeting, folder: Path) -> None:
    async with open_fake_service(folder) as fake:
        for vendor in VENDORS:
            fake.load(import_module(f"meetcore_{vendor}.plugin"))
        fake.new_key("k")
        rows: dict[str, BotRow] = {}
        for vendor, (path, body) in ORDERS.items():
            answer = await fake.call("POST", path, json=body, headers=HEADERS[vendor], mount=vendor)
            assert answer.status in (200, 201), answer
            rows[vendor] = fake.only
        for row in rows.values():
            live(fake, row, meeting)
        await fake.settled()
        await compare(Told(fake, rows), meeting)


def live(fake: FakeService, row: BotRow, meeting: Meeting) -> None:
    """Let the meeting happen to one bot."""
    fake.go(row, State.JOINING)
    fake.go(row, State.AWAITING_ADMISSION)
    if meeting.recorded:
        fake.go(row, State.IN_CALL)
        fake.go(row, State.RECORDING)
        fake.happen(row, *meeting.within())
    fake.go(row, State.LEAVING, meeting.reason)
    fake.go(row, State.PROCESSING)
    fake.go(row, State.COMPLETED if meeting.recorded else State.FAILED, meeting.reason)


async def compare(told: Told, meeting: Meeting) -> None:
    outcomes = await told.outcomes()
    assert set(outcomes.values()) == {meeting.recorded}, outcomes
    if not meeting.recorded:
        return
    spoken = sorted(meeting.segments(), key=spoken_order)
    expected = [(s.speaker_name, s.text, s.start_s) for s in spoken]
    for vendor, segments in (await told.transcripts()).items():
        assert segments == expected, vendor
    for vendor, names in (await told.people()).items():
        assert names == set(meeting.names), vendor
    lines = [(meeting.names[who], text) for who, text in meeting.chat]
    for vendor, chat in (await told.chats()).items():
        assert chat == lines, vendor


@settings(max_examples=80, deadline=None)
@given(meetings())
def test_nothing_one_dialect_tells_contradicts_another(meeting: Meeting) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trio.run(played, meeting, Path(folder))
