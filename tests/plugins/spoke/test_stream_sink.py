"""The sink that dials out, against a real WebSocket server on the loopback."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from attrs import define, evolve

from meetcore.log.journal import Journal
from meetcore.model.errors import CapabilityMissing, ConfigError
from meetcore.model.events import (
    LedgerClosed,
    ParticipantJoined,
    PluginEvent,
    SpeakingStarted,
    SpeakingStopped,
    StateChanged,
    TrackOpened,
)
from meetcore.model.lifecycle import State
from meetcore.model.roster import NameSource, Participant
from meetcore.plugin.sink import Sink
from meetcore.testing.conformance import SinkConformance
from meetcore_spoke.stream_options import StreamOptions
from meetcore_spoke.stream_sink import SpokeStreamSink
from meetcore_websocket.outbound import TargetUnreachable
from tests.plugins.spoke.stage import BY_NAME, eventually
from tests.plugins.websocket.users_server import DEADLINE_S, User, WithTarget, running, serving

NO_VOICE = CapabilityMissing("rehearsal", "speak")
ALICE = Participant(id="a", name="Alice")


@define
class LiveAudio(User):
    """A user who takes sound as it is, and waits for no greeting."""

    greeted: bool = False

    @property
    def sound(self) -> bytes:
        return b"".join(self.binaries)


def target(
    *, deadline_s: float = DEADLINE_S, **manners: Any
) -> AbstractAsyncContextManager[LiveAudio]:
    return serving(LiveAudio(**manners), deadline_s=deadline_s)


def sink(**options: Any) -> SpokeStreamSink:
    return SpokeStreamSink(StreamOptions(first_retry_s=0.01, **options))


class TestTheStreamAsASink(WithTarget[LiveAudio], SinkConformance):
    """The promises every sink makes."""

    def hold_target(self) -> AbstractAsyncContextManager[LiveAudio]:
        return target()

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
        async with running(tmp_path, sink(output=ears.url, sample_rate_hz=rate_hz)) as stage:
            for number in range(10):
                await stage.hear("t1", number * 1600, 1600)
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
        async with running(tmp_path, sink(output=ears.url)) as stage:
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
        async with running(tmp_path, sink(output=ears.url, sample_rate_hz=16_000)) as stage:
            await eventually(lambda: ears.connections and ears.connections[0])
            await stage.tell(ParticipantJoined(participant=ALICE))
            speaking = SpeakingStarted(
                participant_id="a", name=None, start_s=0.0, source=NameSource.TRACK
            )
            await stage.tell(speaking)
            await stage.hear("t1", 0, 256)
            await eventually(lambda: len(ears.connections) == 2 and len(ears.connections[1]) == 2)
            await stage.hear("t1", 256, 512)
            await stage.sink.finish()
            await eventually(lambda: len(ears.sound) == 2 * 768)
            names = [notice.name for notice in stage.notices]
        assert ears.texts(1)[0]["protocol_version"] == 1
        assert ears.texts(1)[1][0]["isSpeaking"] is True
        assert names[:3] == ["connected", "disconnected", "connected"]


async def test_sound_that_comes_is_said_at_the_streams_rate(tmp_path: Path) -> None:
    frame = bytes.fromhex(BY_NAME["streaming.audio.input"]["example"]["hex"])
    async with target(says=["{}", frame[:3], frame[3:], *[frame] * 48]) as ears:
        options = {"output": ears.url, "input": ears.url, "sample_rate_hz": 16_000}
        async with running(tmp_path, sink(**options)) as stage:
            await eventually(lambda: stage.speeches and stage.speeches[0].ended)
            assert stage.notices == [] or stage.noticed("input_discarded") == []
        (speech,) = stage.speeches
        assert frame[:2] == b"\0\0"  # silence before anything is said is none of it
        assert (speech.rate_hz, speech.said) == (16_000, frame[2:] + frame * 48)
        assert len(ears.connections) == 1


async def test_silence_that_is_streamed_all_the_time_is_no_speech(tmp_path: Path) -> None:
    second, word = b"\0\0" * 24_000, b"\1\0" * 24_000
    async with target(says=[second, second, word, second, second, second, word]) as mouth:
        async with running(tmp_path, sink(input=mouth.url)) as stage:
            await eventually(lambda: len(stage.speeches) == 2 and stage.speeches[1].ended)
        assert [bytes(each.said) for each in stage.speeches] == [word + second, word]


async def test_what_cannot_be_said_is_discarded_and_the_journal_says_so_once(
    tmp_path: Path,
) -> None:
    frame = bytes.fromhex(BY_NAME["streaming.audio.input"]["example"]["hex"])
    async with target(says=[frame] * 50) as ears:
        made = sink(output=ears.url, input=ears.url)
        async with running(tmp_path, made, refusing={"speak": NO_VOICE}) as stage:
            await eventually(lambda: stage.sink._discarded_bytes == 50 * len(frame))
            await stage.sink.finish()
            assert len(ears.connections) == 1
        journal = Journal(tmp_path / "journal.jsonl", "b-1", fsync=False)
        notices = [event for event in journal.read() if isinstance(event, PluginEvent)]
        journal.close()
        said = [notice for notice in notices if notice.name.startswith("input_discarded")]
        assert [notice.name for notice in said] == ["input_discarded", "input_discarded_in_all"]
        assert "cannot speak" in said[0].data["reason"]
        assert said[1].data["bytes"] == str(50 * len(frame))


async def test_nothing_is_said_while_the_recording_is_paused(tmp_path: Path) -> None:
    word = b"\1\0" * 2400
    async with target() as mouth, running(tmp_path, sink(input=mouth.url)) as stage:
        await stage.enter()
        await stage.tell(StateChanged(state=State.PAUSED))
        await eventually(lambda: mouth.open)
        await mouth.open[0].send_message(word)
        await eventually(lambda: stage.sink._discarded_bytes == len(word))
        await stage.tell(StateChanged(state=State.RECORDING))
        await mouth.open[0].send_message(word)
        await eventually(lambda: stage.speeches and stage.speeches[0].ended)
        assert stage.speeches[0].said == word


async def test_what_comes_much_faster_than_it_is_said_is_bounded(tmp_path: Path) -> None:
    second = b"\1\0" * 16_000
    async with target(says=[second] * 70) as mouth:
        made = sink(input=mouth.url, sample_rate_hz=16_000)
        async with running(tmp_path, made) as stage:
            stage.busy = trio.Event()  # nothing is read of what is to be said
            await eventually(lambda: made._voice is not None and made._voice.dropped_s == 10.0)
            assert made._voice is not None
            assert made._voice.waiting == 60


async def test_two_urls_are_two_sockets_and_sound_goes_to_one(tmp_path: Path) -> None:
    async with target() as ears, target(says=[b"\x01\x00"]) as mouth:
        async with running(tmp_path, sink(output=ears.url, input=mouth.url)) as stage:
            await stage.hear("t1", 0, 16_000)
            await stage.sink.finish()
            await eventually(lambda: len(ears.sound) == 48_000)
            await eventually(lambda: stage.speeches and stage.speeches[0].said == b"\1\0")
        assert mouth.connections == [[]]


async def test_with_an_input_alone_no_sound_is_asked_for(tmp_path: Path) -> None:
    async with target() as mouth, running(tmp_path, sink(input=mouth.url)) as stage:
        assert stage.sink.wants_audio is False
        await eventually(lambda: mouth.connections)
        await stage.sink.finish()


async def test_a_target_that_came_over_an_api_has_to_be_public(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a public address"):
        async with running(tmp_path, sink(output="ws://127.0.0.1:9/x"), trusted=False):
            raise AssertionError("it was opened")


async def test_a_name_of_a_private_address_is_never_dialled(tmp_path: Path) -> None:
    async with target() as ears:
        url = ears.url.replace("127.0.0.1", "localhost")
        async with running(tmp_path, sink(output=url), trusted=False) as stage:
            await eventually(lambda: stage.notices)
            assert stage.notices[0].name == "disconnected"
            assert "not a public address" in stage.notices[0].data["reason"]
        assert ears.connections == []


async def test_nobody_there_ends_the_meeting_in_time_and_is_said(
    tmp_path: Path, unused_tcp: int
) -> None:
    url = f"ws://127.0.0.1:{unused_tcp}/"
    with trio.fail_after(DEADLINE_S):
        async with running(tmp_path, sink(output=url, flush_timeout_s=0.1)) as stage:
            await eventually(lambda: stage.notices)
            gone = StateChanged(state=State.PROCESSING)
            await stage.tell(TrackOpened(track_id="t1", participant_id="a", kind="audio",
                                         name_source=NameSource.TRACK), gone)  # fmt: skip
            with pytest.raises(TargetUnreachable):
                await stage.hear("t1", 0, 16_000)
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
