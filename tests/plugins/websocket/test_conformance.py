"""Both sinks keep what the core relies on, in whole meetings."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from meetcore.model.events import LedgerClosed, PluginEvent
from meetcore.plugin.sink import Sink
from meetcore.testing.conformance import SinkConformance
from meetcore_websocket.options import WebSocketOptions
from meetcore_websocket.push_options import PushOptions
from meetcore_websocket.push_sink import WebSocketPushSink
from meetcore_websocket.sink import WebSocketSink
from tests.plugins.websocket.target import Target, a_target
from tests.plugins.websocket.users_server import WithTarget


class TestWebSocketServer(SinkConformance):
    def make_sink(self) -> Sink:
        return WebSocketSink(WebSocketOptions(port=0))

    def test_the_address_stands_in_the_journal(self, tmp_path: Path) -> None:
        events = self._run(tmp_path)
        (told,) = (event for event in events if isinstance(event, PluginEvent))
        assert told.data["url"].startswith("ws://127.0.0.1:")


class _Push(WithTarget[Target], SinkConformance):
    settings: dict[str, Any]

    def hold_target(self) -> AbstractAsyncContextManager[Target]:
        return a_target()

    def make_sink(self) -> Sink:
        return WebSocketPushSink(PushOptions(url=self.target.url, **self.settings))


class TestPushOfEvents(_Push):
    settings = {"drafts": True}  # noqa: RUF012

    def test_the_target_has_the_whole_meeting_in_order_up_to_its_end(self, tmp_path: Path) -> None:
        events = self._run(tmp_path)
        assert self.target.seqs == [event.seq for event in events]
        assert self.target.events[-1]["data"]["state"] == "completed"
        assert any(message["type"] == "segment.draft" for message in self.target.texts)


class TestPushOfAudio(_Push):
    settings = {"mode": "audio"}  # noqa: RUF012

    def test_the_target_has_as_many_samples_as_the_ledger_says(self, tmp_path: Path) -> None:
        events = self._run(tmp_path)
        ledger = next(event for event in events if isinstance(event, LedgerClosed))
        got: dict[str, int] = {}
        for frame in self.target.binaries:
            size = int.from_bytes(frame[:4], "little")
            header = json.loads(frame[4 : 4 + size])
            got[header["track_id"]] = got.get(header["track_id"], 0) + (len(frame) - 4 - size) // 2
        own = {e.track_id: e.delivered for e in ledger.entries if e.consumer == "websocket_push"}
        assert own == got
        assert sum(got.values()) > 10 * 16_000


class TestPushOfTheMix(_Push):
    settings = {"mode": "audio", "audio_format": "raw_mix"}  # noqa: RUF012
