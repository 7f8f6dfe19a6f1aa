"""The sink keeps what the core relies on; a whole meeting arrives at the target."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from meetcore.plugin.sink import Sink
from meetcore.testing.conformance import SinkConformance
from meetcore_webhook.options import WebhookOptions
from meetcore_webhook.sink import WebhookSink


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return


class TestWebhook(SinkConformance):
    @pytest.fixture(autouse=True)
    def _target(self) -> Iterator[None]:
        server = HTTPServer(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []
        server.got = self.got  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield
        server.shutdown()
        thread.join(10)
        server.server_close()

    def make_sink(self) -> Sink:
        return WebhookSink(WebhookOptions(url=self.url))

    def test_the_target_has_the_whole_meeting_in_order_up_to_its_end(self, tmp_path: Path) -> None:
        events = self._run(tmp_path)
        sent = [event.seq for event in events if not event.type.startswith("delivery.")]
        assert [message["seq"] for message in self.got] == sent
        assert self.got[-1]["data"]["state"] == "completed"
