"""A meeting of four hours with 2,500 segments: served, resumed and exported in level memory.

The journal is a real file, put under a server in a process of its own. What is asserted is what
the server's memory does from round to round, and how long others wait meanwhile; never how fast it
is.
"""

from __future__ import annotations

import gc
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import httpx2
import pytest
import trio
from attrs import evolve, frozen

from meetcore.gateway.records import BotRequest, Client
from meetcore.log import log_reader
from meetcore.log.journal import JOURNAL_NAME, decode_line, encode_line
from meetcore.log.log_reader import FolderLog, walk
from meetcore.model.dialect import NativeDialect
from meetcore.model.events import (
    BotRequested,
    CaptureStarted,
    ChatReceived,
    Event,
    ParticipantJoined,
    SegmentFinalized,
    SpeakingStarted,
    SpeakingStopped,
    StateChanged,
)
from meetcore.model.lifecycle import EndReason, State
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment, Word, spoken_order
from meetcore_server.live import LiveBot, LiveLog
from meetcore_server.storage.accounts import OPERATOR_ID
from meetcore_server.storage.bot_rows import BotFacts
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.database import open_database
from tests.plugins.server.running import PLUGIN, http, said, say, serving, socket, socket_at

BOT = "5f0d2a52-6a4e-4c7a-9a2e-3d1d1c7b9e10"
LINK = "https://meet.google.com/abc-defg-hij"
NATIVE_ID = "abc-defg-hij"
SEGMENTS = 2_500
HOURS = 4
PEOPLE = tuple(f"Person {number}" for number in range(8))
BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WORDS = "we move the rollout to tuesday as the numbers of last week look wrong"
MANY_MAY_TAKE_BYTES = 24 * 1024 * 1024
MAY_GROW_BYTES = 8 * 1024 * 1024
SMALL_MAY_GROW_BYTES = 2 * 1024 * 1024
EVERY_S = HOURS * 3600 / SEGMENTS


def _segment(number: int, chance: random.Random) -> Segment:
    who = chance.randrange(len(PEOPLE))
    start_s = number * EVERY_S
    count = chance.randint(6, 14)
    each_s = EVERY_S * 0.8 / count
    words = tuple(
        Word(
            chance.choice(WORDS.split()),
            round(start_s + at * each_s, 3),
            round(start_s + at * each_s + each_s * 0.8, 3),
            0.9,
        )
        for at in range(count)
    )
    return Segment(
        id=f"t{who}-u{number}",
        revision=1,
        finalized=True,
        track_id=f"t{who}",
        participant_id=f"p{who}",
        speaker_name=PEOPLE[who],
        speaker_source=NameSource.TRACK,
        speaker_confidence=1.0,
        text=" ".join(word.text for word in words),
        words=words,
        start_s=round(start_s, 3),
        end_s=words[-1].end_s,
        confidence=0.9,
        language="en-US",
    )


def _said(number: int, chance: random.Random) -> list[Event]:
    """Return what the journal has about one thing somebody said; every tenth is revised later."""
    segment = _segment(number, chance)
    who, name = segment.participant_id or "", segment.speaker_name
    events: list[Event] = [
        SpeakingStarted(
            participant_id=who, name=name, start_s=segment.start_s, source=NameSource.TRACK
        ),
        SpeakingStopped(
            participant_id=who, name=name, end_s=segment.end_s, source=NameSource.TRACK
        ),
        SegmentFinalized(segment=segment),
    ]
    if number % 10 == 9:
        revised = evolve(segment, revision=2, text=f"{segment.text} (revised)")
        events.append(SegmentFinalized(segment=revised))
    if number % 50 == 0:
        text = f"note {number}"
        events.append(
            ChatReceived(message_id=f"c{number}", sender_id=who, sender_name=name or "", text=text)
        )
    return events


def _meeting(segments: int) -> list[tuple[float, Event]]:
    """Return everything that happened, each with its second of the meeting."""
    chance = random.Random(4)
    requested = BotRequested(
        platform="google_meet",
        native_id=NATIVE_ID,
        public_url=LINK,
        display_name="meetcore",
        transcriber="scripted",
    )
    told: list[tuple[float, Event]] = [(-10, requested), (-10, StateChanged(state=State.REQUESTED))]
    path = [State.REQUESTED, State.JOINING, State.IN_CALL, State.RECORDING]
    told += [(0, StateChanged(state=new, previous=old)) for old, new in pairwise(path)]
    told.append((0, CaptureStarted(offset_s=0.0)))
    for number, name in enumerate(PEOPLE):
        told.append((0, ParticipantJoined(participant=Participant(id=f"p{number}", name=name))))
    for number in range(segments):
        told += [(number * EVERY_S, event) for event in _said(number, chance)]
    path = [State.RECORDING, State.LEAVING, State.PROCESSING, State.COMPLETED]
    told += [
        (HOURS * 3600, StateChanged(state=new, previous=old, reason=EndReason.MEETING_ENDED))
        for old, new in pairwise(path)
    ]
    return told


def write_journal(path: Path, segments: int = SEGMENTS) -> int:
    """Write the meeting's journal; return the number of its last event."""
    told = _meeting(segments)
    with path.open("wb") as file:
        for seq, (second, event) in enumerate(told, 1):
            at = BEGAN + timedelta(seconds=second)
            meeting_s = second if second >= 0 else None
            stamped = evolve(event, bot_id=BOT, seq=seq, at=at, meeting_s=meeting_s)
            file.write(encode_line(stamped))
    return len(told)


async def place_meeting(out: Path, segments: int = SEGMENTS, *, bots: Path | None = None) -> int:
    """Leave the meeting as a server would have left it that had seen it; return its last `seq`."""
    folder = (bots or out) / BOT
    folder.mkdir(parents=True)
    last = await trio.to_thread.run_sync(write_journal, folder / JOURNAL_NAME, segments)
    facts = BotFacts(
        platform="google_meet",
        native_id=NATIVE_ID,
        public_url=LINK,
        name="meetcore",
        transcriber="scripted",
        state=State.REQUESTED,
    )
    async with open_database(f"sqlite:///{out}/server.db") as database:
        rows = BotRows(database)
        order = BotRequest(url=LINK, dialect="vexa")
        await rows.insert(order, facts, bot_id=BOT, user_id=OPERATOR_ID, key_id="open")
        await rows.update(
            BOT,
            state=State.COMPLETED,
            reason=EndReason.MEETING_ENDED,
            in_call_at=BEGAN,
            ended_at=BEGAN + timedelta(hours=HOURS),
            last_seq=last,
        )
    return last


@frozen
class Served:
    """A server in a process of its own."""

    url: str
    pid: int
    last: int
    segments: int

    def memory_bytes(self, kind: str) -> int:
        """Return its memory: `Pss` now, what it shares in proportion, or `VmHWM`, at its peak."""
        where = "smaps_rollup" if kind == "Pss" else "status"
        told = Path(f"/proc/{self.pid}/{where}").read_text("ascii")
        found = re.search(rf"^{kind}:\s+(\d+) kB", told, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024


Reading: TypeAlias = Callable[[Served, httpx2.AsyncClient], Awaitable[None]]


@asynccontextmanager
async def served(out: Path, segments: int = SEGMENTS) -> AsyncIterator[Served]:
    """Serve the meeting from a process of its own."""
    last = await place_meeting(out, segments)
    command = [sys.executable, "-m", "meetcore", "serve", "--port", "0", "--out", str(out)]
    command += ["--plugin", str(PLUGIN)]
    log = out / "server.log"
    with log.open("wb") as errors:
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.DEVNULL, stderr=errors, cwd=out
        )
    try:
        with trio.fail_after(60):
            while not (found := re.search(r"serving at (\S+)\n", log.read_text("utf-8"))):
                assert process.poll() is None, log.read_text("utf-8")
                await trio.sleep(0.05)  # a process has no event for having said something
        yield Served(found[1], process.pid, last, segments)
        assert process.poll() is None
        assert "Traceback" not in log.read_text("utf-8")
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 20):
            process.send_signal(signal.SIGTERM)
            await process.wait()
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()


async def _get(client: httpx2.AsyncClient, path: str, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.get(path, headers=named)
    assert answer.status_code == 200, answer.text
    return answer.content


async def read_json(served: Served, client: httpx2.AsyncClient) -> None:
    found = json.loads(await _get(client, f"/v1/bots/{BOT}/transcript"))["segments"]
    assert len({segment["id"] for segment in found}) == len(found) == served.segments
    assert all(segment["text"].endswith("(revised)") for segment in found[9::10])
    assert all(segment["words"] for segment in found)


async def read_subtitles(served: Served, client: httpx2.AsyncClient) -> None:
    srt = (await _get(client, f"/v1/bots/{BOT}/transcript?format=srt")).decode()
    numbers = [int(each) for each in re.findall(r"^(\d+)\r?$", srt, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= served.segments
    vtt = (await _get(client, f"/v1/bots/{BOT}/transcript?format=vtt")).decode()
    assert vtt.startswith("WEBVTT")
    assert vtt.count(" --> ") == len(numbers)


async def read_pages(served: Served, client: httpx2.AsyncClient) -> None:
    after, ended = 0, False
    while not ended:
        path = f"/v1/bots/{BOT}/events?limit=1000&after={after}"
        page = json.loads(await _get(client, path))
        seqs = [event["seq"] for event in page["events"]]
        assert seqs == list(range(after + 1, after + 1 + len(seqs)))
        after, ended = page["next_after"], page["ended"]
    assert after == served.last


async def read_vexa(served: Served, client: httpx2.AsyncClient) -> None:
    path = f"/vexa/transcripts/google_meet/{NATIVE_ID}"
    found = json.loads(await _get(client, path, x_api_key="any"))["segments"]
    assert len(found) == served.segments
    starts = [segment["start"] for segment in found]
    assert starts == sorted(starts)


async def read_skribby(served: Served, client: httpx2.AsyncClient) -> None:
    path = f"/skribby/bot/{BOT}?with-speaker-events=true"
    found = json.loads(await _get(client, path, authorization="Bearer any"))
    assert found["status"] == "finished"
    assert len(found["transcript"]) == served.segments


async def read_spoke(served: Served, client: httpx2.AsyncClient) -> None:
    path = f"/spoke/bots/meeting_data?bot_id={BOT}"
    found = json.loads(await _get(client, path, x_spoke_api_key="any"))["bot_data"]["transcripts"]
    assert [line["id"] for line in found] == list(range(1, served.segments + 1))


async def resume(served: Served, client: httpx2.AsyncClient) -> None:
    after = served.last // 2
    async with socket_at(served.url, "/v1/ws", []) as connection:
        await say(connection, type="subscribe", bot_id=BOT, after=after)
        answer = await said(connection)
        assert answer == {"type": "subscribed", "bot_id": BOT, "last_seq": served.last}
        for seq in range(after + 1, served.last + 1):
            event = await said(connection)
            assert event["seq"] == seq
        assert event["data"]["state"] == "completed"


EVERY_WAY = (
    read_json,
    read_subtitles,
    read_pages,
    read_vexa,
    read_skribby,
    read_spoke,
    resume,
)


async def _read(served: Served, reading: Reading) -> None:
    async with httpx2.AsyncClient(base_url=served.url, timeout=120, trust_env=False) as client:
        await reading(served, client)


async def at_once(served: Served, readings: Iterable[Reading]) -> None:
    """Have one client for each reading, all at once."""
    with trio.fail_after(300):
        async with trio.open_nursery() as nursery:
            for reading in readings:
                nursery.start_soon(_read, served, reading)


@pytest.mark.timeout(600)
@pytest.mark.long
async def test_a_long_meeting_costs_little_memory_and_leaves_none_behind(tmp_path: Path) -> None:
    """Seven clients at once, one for each way to read it, then all again.

    The transcript as objects is some 10 MB: so many clients that had it whole would need 70 MB,
    and a server that kept it from each of seven more readings would grow by as much.
    """
    async with served(tmp_path) as server:
        before = server.memory_bytes("VmHWM")
        await at_once(server, EVERY_WAY)
        assert server.memory_bytes("VmHWM") - before < MANY_MAY_TAKE_BYTES
        first = server.memory_bytes("Pss")
        await at_once(server, EVERY_WAY)
        assert server.memory_bytes("Pss") - first < MAY_GROW_BYTES


@pytest.mark.long
async def test_readings_leave_no_memory_behind_however_many(tmp_path: Path) -> None:
    """A hundred readings of a meeting of 20 segments: what each keeps, be it little, adds up."""
    async with served(tmp_path, 20) as server:
        for _ in range(3):
            await at_once(server, EVERY_WAY)
        first = server.memory_bytes("Pss")
        for _ in range(12):
            await at_once(server, EVERY_WAY)
        assert server.memory_bytes("Pss") - first < SMALL_MAY_GROW_BYTES


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many events of each type the server has decoded."""
    counted: Counter[str] = Counter()

    def decode(line: bytes) -> Event | None:
        event = decode_line(line)
        if event is not None:
            counted[event.type] += 1
        return event

    monkeypatch.setattr(log_reader, "decode_line", decode)
    return counted


@pytest.mark.folder_store
async def test_the_transcript_decodes_each_segment_once(
    tmp_path: Path, decoded: Counter[str]
) -> None:
    few = 500  # how often each is decoded does not depend on how many there are
    await place_meeting(tmp_path, few, bots=tmp_path / "bots")
    async with serving(tmp_path, dialects=("vexa",)) as server, http(server) as client:
        path = f"/vexa/transcripts/google_meet/{NATIVE_ID}"
        await _get(client, path, x_api_key="any")  # the bot's history is read with the first
        decoded.clear()
        assert len(json.loads(await _get(client, path, x_api_key="any"))["segments"]) == few
        assert decoded == {SegmentFinalized.type: few}


async def test_segments_come_as_they_were_spoken_each_as_it_was_last_revised(
    tmp_path: Path,
) -> None:
    path = tmp_path / JOURNAL_NAME
    chance = random.Random(5)
    told = [_segment(number, chance) for number in range(50)]
    told[10] = evolve(told[10], start_s=1e-7, end_s=900.0, text='he said "start_s":9,"end_s":1')
    chance.shuffle(told)
    told += [evolve(told[number], revision=2) for number in (40, 3, 7, 3)]
    told[-1] = evolve(told[-1], start_s=0.0)
    with path.open("wb") as file:
        for seq, segment in enumerate(told, 1):
            event = evolve(SegmentFinalized(segment=segment), bot_id=BOT, seq=seq, at=BEGAN)
            file.write(encode_line(event))
    finalized = [event async for event in FolderLog(tmp_path).finalized()]
    revised = {40: 51, 7: 53, 3: 54}
    assert {event.seq for event in finalized} == {revised.get(n, n + 1) for n in range(50)}
    segments = [event.segment for event in finalized]
    assert segments == [told[event.seq - 1] for event in finalized]
    assert segments == sorted(segments, key=spoken_order)
    later = [event.segment async for event in FolderLog(tmp_path).finalized(52)]
    assert later == sorted([told[52], told[53]], key=spoken_order)


@pytest.mark.folder_store
async def test_resuming_decodes_no_more_than_was_missed(
    tmp_path: Path, decoded: Counter[str]
) -> None:
    """Where the dialect remembers nothing; after a restart, too, when nobody read before."""
    last = await place_meeting(tmp_path, 500, bots=tmp_path / "bots")
    async with serving(tmp_path) as server:
        row = await server.service.bot(Client(key_id="open", user_id=OPERATOR_ID), BOT)
        history = await server.service.history(row)
        decoded.clear()
        async with socket(server) as connection:
            await say(connection, type="subscribe", bot_id=BOT, after=last - 20)
            assert (await said(connection))["type"] == "subscribed"
            for seq in range(last - 19, last + 1):
                assert (await said(connection))["seq"] == seq
        assert decoded.total() == 20
        decoded.clear()
        live = LiveBot(row, LiveLog(server.service.store.log(BOT)), history=history)
        assert (await live.feed("native", NativeDialect)).seq == last
        assert not decoded


class LongestStep(trio.abc.Instrument):
    """The longest a task held the loop, in CPU time of its thread: load beside it counts not."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self._began = float("inf")

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.cpu_s = max(self.cpu_s, time.thread_time() - self._began)


@pytest.mark.folder_store
async def test_resuming_in_a_long_meeting_does_not_hold_up_the_others(tmp_path: Path) -> None:
    last = await place_meeting(tmp_path, bots=tmp_path / "bots")
    longest = LongestStep()
    async with serving(tmp_path) as server, socket(server) as connection:
        await say(connection, type="subscribe", bot_id=BOT)
        assert (await said(connection))["type"] == "subscribed"
        await say(connection, type="ping")
        assert await said(connection) == {"type": "pong"}
        gc.collect()
        gc.freeze()  # a collection of what the tests before this one left is not what is asked
        trio.lowlevel.add_instrument(longest)
        try:
            await say(connection, type="subscribe", bot_id=BOT, after=last - 20)
            assert (await said(connection))["type"] == "subscribed"
            for seq in range(last - 19, last + 1):
                assert (await said(connection))["seq"] == seq
        finally:
            trio.lowlevel.remove_instrument(longest)
            gc.unfreeze()
    whole_s = await trio.to_thread.run_sync(_decoding_s, tmp_path / "bots" / BOT / JOURNAL_NAME)
    assert longest.cpu_s < whole_s / 4


def _decoding_s(path: Path) -> float:
    """Return what it takes to decode the journal in one go."""
    began = time.thread_time()
    assert sum(1 for _ in walk(path)) > SEGMENTS
    return time.thread_time() - began
