"""The summary of an endpoint, with citations of what was said."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import meetcore
from meetcore.model.roster import NameSource

EXAMPLE = Path(__file__).parents[2] / "examples" / "summary_sink.py"
SAID = (("Ada", "We ship on Friday.", 61.0), ("Ben", "I, um, write the notes.", 65.0))


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("summary_sink", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def endpoint(answer: str, status: int = 200) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An endpoint that gives one answer; what it was asked is in the list."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            return

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
            told = json.dumps({"choices": [{"message": {"content": answer}}]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Journal:
    """A journal with what was said."""

    def read(self, after: int = 0) -> Iterator[meetcore.Event]:
        del after
        for number, (name, text, start_s) in enumerate(SAID):
            yield meetcore.SegmentFinalized(
                segment=meetcore.Segment(
                    id=f"s{number}",
                    revision=1,
                    finalized=True,
                    track_id=name,
                    participant_id=name.lower(),
                    speaker_name=name,
                    speaker_source=NameSource.TRACK,
                    speaker_confidence=1.0,
                    text=text,
                    start_s=start_s,
                    end_s=start_s + 2,
                    language="en",
                )
            )


async def summed_up(folder: Path, **options: Any) -> list[meetcore.Event]:
    module, reported = example(), list[meetcore.Event]()

    def report(event: meetcore.Event) -> meetcore.Event:
        reported.append(event)
        return event

    async def perform(command: meetcore.Command) -> None:
        raise AssertionError(command)

    sink = module.SummarySink(module.SummaryOptions(model="m", **options))
    context = meetcore.SinkContext(
        name="summary",
        bot_id="b",
        folder=folder,
        journal=Journal(),  # type: ignore[arg-type]
        report=report,
        perform=perform,
    )
    async with sink.open(context):
        await sink.finish()
    return reported


async def test_a_summary_cites_what_was_said_and_nothing_else(tmp_path: Path) -> None:
    with endpoint("They ship on Friday [1]. Ben writes notes [2]. All agree [9].") as (url, asked):
        (written,) = await summed_up(tmp_path, base_url=url, key=meetcore.Secret("k"))
    text = (tmp_path / "summary" / "summary.md").read_text("utf-8")
    assert text == ("They ship on Friday [1](01:01). Ben writes notes [2](01:05). All agree.\n")
    assert isinstance(written, meetcore.ArtifactWritten)
    assert written.path == "summary/summary.md"
    (request,) = asked
    assert (request["path"], request["key"]) == ("/v1/chat/completions", "Bearer k")
    assert request["messages"][1]["content"] == (
        "[1] Ada: We ship on Friday.\n[2] Ben: I, write the notes."
    )


async def test_a_summary_without_a_citation_says_so(tmp_path: Path) -> None:
    with endpoint("They met.") as (url, _):
        await summed_up(tmp_path, base_url=url)
    assert "cites nothing" in (tmp_path / "summary" / "summary.md").read_text("utf-8")


async def test_an_endpoint_that_refuses_is_said(tmp_path: Path) -> None:
    with endpoint("", status=500) as (url, _), pytest.raises(meetcore.PluginError, match="500"):
        await summed_up(tmp_path, base_url=url)
    assert not (tmp_path / "summary").exists()


def test_without_an_endpoint_there_is_no_sink() -> None:
    module = example()
    with pytest.raises(meetcore.ConfigError, match="base_url"):
        module.SummarySink(module.SummaryOptions())
