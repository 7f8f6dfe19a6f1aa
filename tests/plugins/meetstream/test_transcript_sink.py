"""The live transcription socket, against a user's server on the loopback."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from meetcore.model.drafts import SegmentDraft
from meetcore.model.errors import ConfigError
from meetcore.model.events import SegmentFinalized
from meetcore.plugin.sink import Sink
from meetcore.testing.conformance import SinkConformance
from meetcore_meetstream.dial_options import TranscriptOptions
from meetcore_meetstream.transcript_sink import MeetstreamTranscriptSink
from tests.plugins.meetstream.stage import BY_NAME, HELLO, REPLY, eventually
from tests.plugins.meetstream.users_server import Listener, target
from tests.plugins.websocket.users_server import WithTarget, running


def sink(url: str, **options: Any) -> MeetstreamTranscriptSink:
    return MeetstreamTranscriptSink(TranscriptOptions(url=url, first_retry_s=0.01, **options))


def draft(text: str) -> SegmentDraft:
    return SegmentDraft(segment=evolve(HELLO.segment, finalized=False, text=text, words=()))


class TestTheTranscriptSocketAsASink(WithTarget[Listener], SinkConformance):
    """The promises every sink makes."""

    def hold_target(self) -> AbstractAsyncContextManager[Listener]:
        return target(greeted=False)

    def make_sink(self) -> Sink:
        return MeetstreamTranscriptSink(TranscriptOptions(url=self.target.url, dialect="current"))

    def test_the_user_has_every_finalized_segment_in_order(self, tmp_path: Path) -> None:
        events = self._run(tmp_path)
        finals = [m["transcript"] for m in self.target.texts() if m["end_of_turn"]]
        assert finals == [e.segment.text for e in events if isinstance(e, SegmentFinalized)]
        assert finals


async def test_in_legacy_finalized_segments_come_without_ready(tmp_path: Path) -> None:
    async with target(greeted=False) as user:
        async with running(tmp_path, sink(user.url)) as stage:
            assert stage.sink.wants_drafts is False
            await stage.enter()
            await stage.tell(HELLO, REPLY)
            await stage.leave()
        await eventually(lambda: user.codes)
        assert user.codes == [1000]
        assert [m["transcript"] for m in user.texts()] == ["Hello, everyone.", "Hi Alice!"]
        example = BY_NAME[("legacy(seed)", "live_transcript")]["example"]
        for message in user.texts():
            assert set(message) == {*example, "bot_id", "custom_attributes"}
            assert set(message["words"][0]) == set(example["words"][0])


async def test_in_current_drafts_grow_until_the_end_of_the_turn(tmp_path: Path) -> None:
    async with target(greeted=False) as user:
        made = sink(user.url, dialect="current", custom_attributes='{"tenant": "a"}')
        async with running(tmp_path, made) as stage:
            await stage.enter()
            await eventually(lambda: user.open)
            await eventually(lambda: stage.noticed("connected"))
            for number, text in enumerate(("Hello,", "Hello, every"), 1):
                await stage.sink.deliver_draft(draft(text))
                await eventually(lambda n=number: len(user.connections[0]) == n)
            await stage.tell(HELLO)
            await stage.leave()
        told = [(m["transcript"], m["new_text"], m["end_of_turn"]) for m in user.texts()]
        assert told == [
            ("Hello,", "Hello,", False),
            ("Hello, every", "every", False),
            ("Hello, everyone.", "one.", True),
        ]
        assert all(m["custom_attributes"] == {"tenant": "a"} for m in user.texts())


async def test_finalized_segments_wait_for_a_user_who_is_away(tmp_path: Path) -> None:
    async with target(greeted=False, drops_after=[1]) as user:
        async with running(tmp_path, sink(user.url)) as stage:
            await stage.enter()
            await stage.tell(HELLO)
            await eventually(lambda: len(user.open) == 2)
            await stage.tell(REPLY)
            await stage.leave()
        assert json.loads(user.connections[0][0])["transcript"] == "Hello, everyone."
        assert user.texts(1)[-1]["transcript"] == "Hi Alice!"


@pytest.mark.parametrize(
    "options", [{"dialect": "klingon"}, {"custom_attributes": "["}, {"custom_attributes": "[]"}],
    ids=str,
)  # fmt: skip
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^\[plugins.meetstream_transcript\] "):
        TranscriptOptions(url="ws://x.test", **options)
