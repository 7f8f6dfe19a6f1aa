"""The sink that dials out, against a real WebSocket server on the loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from attrs import define, evolve, field
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from meetcore.audio.chunk import Chunk
from meetcore.commands import Command
from meetcore.contracts import Sink, SinkContext
from meetcore.errors import ConfigError
from meetcore.events import (
    LedgerClosed,
    ParticipantJoined,
    PluginEvent,
    SpeakingStarted,
    SpeakingStopped,
    StateChanged,
    TrackOpened,
)
from meetcore.journal import Journal
from meetcore.lifecycle import State
from meetcore.roster import NameSource, Participant
from meetcore.testing.conformance import SinkConformance
from meetcore_spoke.stream_options import StreamOptions
from meetcore_spoke.stream_sink import SpokeStreamSink
from meetcore_websocket.line import TargetUnreachable
from tests.plugins.spoke.stage import BY_NAME, eventually

DEADLINE_S = 20.0
ALICE = Participant(id="a", name="Alice")


@define
class Target:
    """What a client's socket got, connection by connection, and what it says."""

    port: int = 0
    connections: list[list[str | bytes]] = field(factory=list)
    says: list[bytes] = field(factory=list)
    drops_after: list[int] = field(factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ears/long-secret-part"

    @property
    def sound(self) -> bytes:
        return b"".join(m for got in self.connections for m in got if isinstance(m, bytes))

    def texts(self, number: int = 0) -> list[Any]:
        return [json.loads(m) for m in self.connections[number] if isinstance(m, str)]

    async def serve(self, request: WebSocketRequest) -> None:
        socket = await request.accept()
        got: list[str | bytes] = []
        self.connections.append(got)
        limit = self.drops_after.pop(0) if self.drops_after else None
        for message in self.says:
            await socket.send_message(message)
        try:
            while limit is None or len(got) < limit:
                got.append(await socket.get_message())
        except ConnectionClosed:
            return


@asynccontextmanager
async def target(*, deadline_s: float = DEADLINE_S, **manners: Any) -> AsyncIterator[Target]:
    with trio.fail_after(deadline_s):
        async with trio.open_nursery() as nursery:
            made = Target(**manners)
            serve = partial(serve_websocket, made.serve, "127.0.0.1", 0, ssl_context=None)
            server = await nursery.start(serve)
            made.port = server.port
            yield made
            nursery.cancel_scope.cancel()


def _context(folder: Path, journal: Journal, *, trusted: bool = True) -> SinkContext:
    async def perform(command: Command) -> None:
        raise AssertionError(f"nothing is asked of the bot, but {command} was")

    return SinkContext(
        name="spoke_stream",
        bot_id="b-1",
        folder=folder,
        journal=journal,
        report=journal.append,
        perform=perform,
        trusted=trusted,
    )


@define
class Stage:
    """A sink with a journal."""

    sink: SpokeStreamSink
    journal: Journal

    @property
    def notices(self) -> list[PluginEvent]:
        return [event for event in self.journal.read() if isinstance(event, PluginEvent)]

    async def tell(self, *events: Any) -> None:
        for event in events:
            await self.sink.deliver(self.journal.append(event))

    async def hear(self, start: int, samples: int, value: int = 1000) -> None:
        await self.sink.hear(Chunk("t1", start, np.full(samples, value, np.int16)))


@asynccontextmanager
async def running(folder: Path, *, trusted: bool = True, **options: Any) -> AsyncIterator[Stage]:
    journal = Journal(folder / "journal.jsonl", "b-1", fsync=False)
    sink = SpokeStreamSink(StreamOptions(first_retry_s=0.01, **options))
    try:
        async with sink.open(_context(folder, journal, trusted=trusted)):
            yield Stage(sink, journal)
    finally:
        journal.close()


class _TargetThread:
    """A target on a loop of its own: the meetings of the suite run on a clock of their own."""

    def __init__(self) -> None:
        self.target = Target()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,))
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._stop = trio.Event()
        async with target() as self.target:
            self._ready.set()
            await self._stop.wait()

    def close(self) -> None:
        self._token.run_sync_soon(self._stop.set)
        self._thread.join(10)


class TestTheStreamAsASink(SinkConformance):
    """The promises every sink makes."""

    @pytest.fixture(autouse=True)
    def _target(self) -> Iterator[None]:
        thread = _TargetThread()
        self.target = thread.target
        yield
        thread.close()

    def make_sink(self) -> Sink:
        return SpokeStreamSink(StreamOptions(output=self.target.url))

    def test_the_target_has_all_of_the_sound_and_who_spoke(self, tmp_path: Path) -> None:
        events = self._run(tmp_path)
        ledger = next(event for event in events if isinstance(event, LedgerClosed))
        longest = max(e.captured for e in ledger.entries if e.consumer == "spoke_stream")
        assert len(self.target.sound) >= longest * 3
        changes = [change for text in self.target.texts()[1:] for change in text]
        started = [event for event in events if isinstance(event, SpeakingStarted)]
        assert sum(change["isSpeaking"] for change in changes) == len(started)
        assert {change["name"] for change in changes} == {event.name for event in started}


@pytest.mark.parametrize("rate_hz", [16_000, 24_000])
async def test_the_handshake_comes_first_then_sound_in_messages_of_512_bytes(
    rate_hz: int, tmp_path: Path
) -> None:
    async with target() as ears:
        async with running(tmp_path, output=ears.url, sample_rate_hz=rate_hz) as stage:
            for number in range(10):
                await stage.hear(number * 1600, 1600)
            await stage.sink.finish()
            await eventually(lambda: len(ears.sound) == 2 * rate_hz)
        (got,) = ears.connections
        assert json.loads(got[0]) == {"protocol_version": 1, "bot_id": "b-1", "offset": 0.0}
        sizes = [len(message) for message in got[1:]]
        assert set(sizes[:-1]) == {512}
        assert 0 < sizes[-1] <= 512
        middle = np.frombuffer(ears.sound, "<i2")[rate_hz // 4 : rate_hz // 2]
        assert np.abs(middle.astype(int) - 1000).max() <= 20


async def test_who_speaks_is_told_as_it_changes(tmp_path: Path) -> None:
    speech: dict[str, Any] = {"participant_id": "a", "name": None, "source": NameSource.TRACK}
    async with target() as ears:
        async with running(tmp_path, output=ears.url) as stage:
            await eventually(lambda: ears.connections and ears.connections[0])
            await stage.tell(ParticipantJoined(participant=ALICE))
            await stage.tell(SpeakingStarted(start_s=0.0, **speech))
            await stage.tell(SpeakingStopped(end_s=1.0, **speech))
            await eventually(lambda: len(ears.connections[0]) == 3)
        started, stopped = ears.texts()[1:]
        assert [(change["name"], change["id"], change["isSpeaking"]) for change in started] == [
            ("Alice", 1, True)
        ]
        assert stopped[0]["isSpeaking"] is False


async def test_after_a_drop_the_handshake_and_who_speaks_come_again_and_no_sound_is_lost(
    tmp_path: Path,
) -> None:
    async with target(drops_after=[3]) as ears:
        async with running(tmp_path, output=ears.url, sample_rate_hz=16_000) as stage:
            await eventually(lambda: ears.connections and ears.connections[0])
            await stage.tell(ParticipantJoined(participant=ALICE))
            speaking = SpeakingStarted(
                participant_id="a", name=None, start_s=0.0, source=NameSource.TRACK
            )
            await stage.tell(speaking)
            await stage.hear(0, 256)
            await eventually(lambda: len(ears.connections) == 2 and len(ears.connections[1]) == 2)
            await stage.hear(256, 512)
            await stage.sink.finish()
            await eventually(lambda: len(ears.sound) == 2 * 768)
            names = [notice.name for notice in stage.notices]
        assert ears.texts(1)[0]["protocol_version"] == 1
        assert ears.texts(1)[1][0]["isSpeaking"] is True
        assert names[:3] == ["connected", "disconnected", "connected"]


async def test_sound_to_speak_is_discarded_and_the_journal_says_so_once(tmp_path: Path) -> None:
    example = BY_NAME["streaming.audio.input"]["example"]
    frame = bytes.fromhex(example["hex"])
    async with target(says=[frame] * 50) as ears:
        async with running(tmp_path, output=ears.url, input=ears.url) as stage:
            await eventually(lambda: stage.sink._discarded_bytes == 50 * len(frame))
            await stage.sink.finish()
            assert len(ears.connections) == 1
        journal = Journal(tmp_path / "journal.jsonl", "b-1", fsync=False)
        notices = [event for event in journal.read() if isinstance(event, PluginEvent)]
        journal.close()
        said = [notice for notice in notices if notice.name.startswith("input_discarded")]
        assert [notice.name for notice in said] == ["input_discarded", "input_discarded_in_all"]
        assert said[1].data["bytes"] == str(50 * len(frame))


async def test_two_urls_are_two_sockets_and_sound_goes_to_one(tmp_path: Path) -> None:
    async with target() as ears, target(says=[b"\x00\x00"]) as mouth:
        async with running(tmp_path, output=ears.url, input=mouth.url) as stage:
            await stage.hear(0, 16_000)
            await stage.sink.finish()
            await eventually(lambda: len(ears.sound) == 48_000)
            await eventually(lambda: stage.sink._discarded_bytes == 2)
        assert mouth.connections == [[]]


async def test_with_an_input_alone_no_sound_is_asked_for(tmp_path: Path) -> None:
    async with target() as mouth, running(tmp_path, input=mouth.url) as stage:
        assert stage.sink.wants_audio is False
        await eventually(lambda: mouth.connections)
        await stage.sink.finish()


async def test_a_target_that_came_over_an_api_has_to_be_public(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a public address"):
        async with running(tmp_path, trusted=False, output="ws://127.0.0.1:9/x"):
            raise AssertionError("it was opened")


async def test_a_name_of_a_private_address_is_never_dialled(tmp_path: Path) -> None:
    async with target() as ears:
        url = ears.url.replace("127.0.0.1", "localhost")
        async with running(tmp_path, trusted=False, output=url) as stage:
            await eventually(lambda: stage.notices)
            assert stage.notices[0].name == "disconnected"
            assert "not a public address" in stage.notices[0].data["reason"]
        assert ears.connections == []


async def test_nobody_there_ends_the_meeting_in_time_and_is_said(
    tmp_path: Path, unused_tcp: int
) -> None:
    url = f"ws://127.0.0.1:{unused_tcp}/"
    with trio.fail_after(DEADLINE_S):
        async with running(tmp_path, output=url, flush_timeout_s=0.1) as stage:
            await eventually(lambda: stage.notices)
            gone = StateChanged(state=State.PROCESSING)
            await stage.tell(TrackOpened(track_id="t1", participant_id="a", kind="audio",
                                         name_source=NameSource.TRACK), gone)  # fmt: skip
            with pytest.raises(TargetUnreachable):
                await stage.hear(0, 16_000)
            assert [notice.name for notice in stage.notices] == ["disconnected"]


@pytest.fixture
def unused_tcp() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"output": "https://x.test"},
        {"input": "ws://"},
        {"input": "wss://ada:s3cret@x.test"},
        {"output": "ws://x.test", "sample_rate_hz": 8000},
        {"output": "ws://x.test", "ping_s": 0},
        {"output": "ws://x.test", "flush_timeout_s": 51},
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^\[plugins.spoke_stream\] ") as refused:
        StreamOptions(**options)
    assert "s3cret" not in str(refused.value)


def test_options_do_not_show_the_urls() -> None:
    options = StreamOptions(output="ws://x.test/secret", input="ws://y.test/secret")
    assert "secret" not in repr(options)
    assert "secret" not in repr(evolve(options, sample_rate_hz=16_000))
