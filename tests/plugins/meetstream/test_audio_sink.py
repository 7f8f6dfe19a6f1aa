"""The live audio socket, against a user's server on the loopback."""

from __future__ import annotations

import base64
import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore.audio.chunk import Chunk
from meetcore.audio.resample import BareResampler
from meetcore.model.errors import ConfigError
from meetcore.model.events import (
    LedgerClosed,
    ParticipantJoined,
    SpeakingStarted,
    SpeakingStopped,
    StateChanged,
    TrackClosed,
    TrackOpened,
)
from meetcore.model.lifecycle import State
from meetcore.model.roster import NameSource, Participant
from meetcore.plugin.sink import Sink
from meetcore.testing.conformance import SinkConformance
from meetcore_meetstream.audio_frames import NOBODY, RATE_HZ, LoudestSpeaker, binary_frame
from meetcore_meetstream.audio_sink import MeetstreamAudioSink
from meetcore_meetstream.dial_options import AudioOptions
from meetcore_websocket.outbound import TargetUnreachable
from tests.plugins.meetstream.stage import BY_NAME, eventually
from tests.plugins.meetstream.users_server import Frame, Listener, target
from tests.plugins.websocket.users_server import DEADLINE_S, Stage, WithTarget, running

ALICE = ParticipantJoined(participant=Participant(id="a", name="Alice"))
BOB = ParticipantJoined(participant=Participant(id="b", name="Bob"))


def sink(url: str, **options: Any) -> MeetstreamAudioSink:
    return MeetstreamAudioSink(AudioOptions(url=url, first_retry_s=0.01, **options))


def opened(track_id: str, owner: str | None) -> TrackOpened:
    return TrackOpened(
        track_id=track_id, participant_id=owner, kind="audio", name_source=NameSource.TRACK
    )


async def people(stage: Stage[Any]) -> None:
    await stage.tell(ALICE, BOB, opened("ta", "a"), opened("tb", "b"))
    await stage.enter()


class TestTheAudioSocketAsASink(WithTarget[Listener], SinkConformance):
    """The promises every sink makes."""

    def hold_target(self) -> AbstractAsyncContextManager[Listener]:
        return target()

    def make_sink(self) -> Sink:
        return MeetstreamAudioSink(AudioOptions(url=self.target.url))

    def test_the_user_has_all_of_the_sound_and_who_spoke(self, tmp_path: Path) -> None:
        events = self._run(tmp_path)
        ledger = next(event for event in events if isinstance(event, LedgerClosed))
        longest = max(e.captured for e in ledger.entries if e.consumer == "meetstream_audio")
        assert len(self.target.sound) >= longest * 3 * 2 * 0.98
        names = {f.speaker_name for f in self.target.frames()} - {"NoSpeaker"}
        assert names == {e.name for e in events if isinstance(e, SpeakingStarted)}


async def test_ready_then_frames_at_48_khz_then_1000(tmp_path: Path) -> None:
    ready = {**BY_NAME[("current", "socket.ready")]["example"], "bot_id": "b-1"}
    ack = json.dumps(BY_NAME[("current", "socket.ack.audio")]["example"])
    async with target(says=[ack, "garbage", b"\x00"]) as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await people(stage)
            await stage.tell(TrackClosed(track_id="tb"))
            for number in range(10):
                await stage.hear("ta", number * 1600, 1600)
            await stage.leave()
        await eventually(lambda: user.codes)
        assert user.codes == [1000]
        assert json.loads(user.connections[0][0]) == ready
        assert all(isinstance(message, bytes) for message in user.connections[0][1:])
        sound = np.frombuffer(user.sound, "<i2")
        assert abs(len(sound) - 48_000) <= 4
        assert np.abs(sound[12_000:36_000].astype(int) - 1000).max() <= 20
        assert {(f.speaker_id, f.speaker_name) for f in user.frames()} == {("a", "Alice")}


async def test_each_frame_names_who_is_loudest_and_silence_is_nobodys(tmp_path: Path) -> None:
    async with target() as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await people(stage)
            loudness = [(4000, 200), (200, 4000), (0, 0)]
            for number, (alice, bob) in enumerate(loudness * 3):
                await stage.hear("ta", number * 1600, 1600, alice)
                await stage.hear("tb", number * 1600, 1600, bob)
            await stage.leave()
        names = [frame.speaker_name for frame in user.frames()]
        assert names[:6] == ["Alice", "Bob", "NoSpeaker"] * 2
        silent = next(frame for frame in user.frames() if frame.speaker_name == "NoSpeaker")
        assert silent.speaker_id == ""


async def test_in_a_mix_those_are_named_who_are_said_to_speak() -> None:
    speakers = LoudestSpeaker()
    loud = Chunk("mix", 0, np.full(160, 3000, np.int16))
    speech: dict[str, Any] = {"name": "Alice", "source": NameSource.ACTIVE_SPEAKER}
    speakers.take(opened("mix", None))
    speakers.hear(loud)
    assert speakers.loudest() == NOBODY
    speakers.take(SpeakingStarted(participant_id="a", start_s=0.0, **speech))
    speakers.hear(loud)
    assert speakers.loudest() == ("a", "Alice")
    assert speakers.loudest() == ("a", "Alice"), "nothing was heard since"
    speakers.take(SpeakingStopped(participant_id="a", end_s=1.0, **speech))
    speakers.hear(loud)
    assert speakers.loudest() == NOBODY


async def test_as_json_a_frame_is_the_first_apis(tmp_path: Path) -> None:
    async with target() as user:
        async with running(tmp_path, sink(user.url, audio_format="json")) as stage:
            await people(stage)
            await stage.tell(TrackClosed(track_id="tb"))
            await stage.hear("ta", 0, 1600)
            await stage.leave()
        (ready, *frames) = user.texts()
        assert ready["type"] == "ready"
        example = BY_NAME[("legacy(seed)", "audio.PCMChunk")]["example"]
        assert all(set(frame) == set(example) for frame in frames)
        assert frames[0]["speakerName"] == "Alice"
        sound = b"".join(base64.b64decode(frame["audioData"]) for frame in frames)
        assert abs(len(sound) - 9600) <= 8


async def test_after_a_drop_ready_comes_again_and_sound_goes_on(tmp_path: Path) -> None:
    async with target(drops_after=[1]) as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await people(stage)
            await stage.tell(TrackClosed(track_id="tb"))
            await eventually(lambda: len(user.open) == 2)
            for number in range(5):
                await stage.hear("ta", number * 1600, 1600)
            await stage.leave()
        assert [json.loads(got[0])["type"] for got in user.connections] == ["ready", "ready"]
        assert abs(len(user.sound) // 2 - 24_000) <= 4


async def test_nobody_there_ends_the_meeting_in_time_and_is_said(tmp_path: Path) -> None:
    async with target() as gone:
        url = gone.url
    with trio.fail_after(DEADLINE_S):
        async with running(tmp_path, sink(url, flush_timeout_s=0.1)) as stage:
            await people(stage)
            await eventually(lambda: stage.notices)
            await stage.tell(StateChanged(state=State.PROCESSING))
            with pytest.raises(TargetUnreachable):
                for number in range(20):
                    await stage.hear("ta", number * 16_000, 16_000)
            assert [notice.name for notice in stage.notices] == ["disconnected"]


def test_an_unknown_audio_format_is_refused() -> None:
    with pytest.raises(ConfigError, match="audio_format"):
        AudioOptions(url="ws://x.test", audio_format="mp3")


@given(st.text(), st.text(), st.binary(max_size=64))
def test_any_names_can_be_read_back(who: str, name: str, pcm: bytes) -> None:
    frame = Frame.read(binary_frame(who, name, pcm))
    assert frame.pcm == pcm
    assert frame.speaker_id == who.encode("utf-8", "replace").decode()
    assert frame.speaker_name == name.encode("utf-8", "replace").decode()


def test_a_name_too_long_for_its_length_field_is_cut_at_a_letter() -> None:
    frame = Frame.read(binary_frame("ü" * 40_000, "x", b"\x00\x00"))
    assert frame.speaker_id == "ü" * 32_767
    assert frame.pcm == b"\x00\x00"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=12))
def test_there_are_three_samples_for_each_one(lengths: list[int]) -> None:
    upsampler, sent = BareResampler(RATE_HZ), b""
    for length in lengths:
        sent += upsampler.feed(b"\x01\x00" * length)
    sent += upsampler.feed(b"", last=True)
    assert abs(len(sent) // 2 - 3 * sum(lengths)) <= 3
