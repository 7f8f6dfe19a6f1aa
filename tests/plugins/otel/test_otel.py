"""Traces of bots: what their spans say, what is not in them, and how they go out."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import meetcore
from meetcore import (
    BotConfig,
    BotRequested,
    ConfigError,
    EndReason,
    Event,
    HealthReport,
    PluginFailed,
    SegmentFinalized,
    State,
    StateChanged,
    TranscriberNotice,
    TranscriberRestarted,
    TranscriberSwitched,
    build_options,
)
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from meetcore_otel import exporting, plugin
from meetcore_otel.bot_trace import BotTrace, TraceSpan, percentile
from meetcore_otel.exporting import TraceExport, is_sampled, span_id_of, trace_id_of
from meetcore_otel.options import OtelOptions

T0 = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)
MEETING = """
title = "Ousterhout"
seed = 7
[admission]
after_s = 2
[[people]]
id = "ada"
name = "Ada Lovelace"
[[lines]]
who = "ada"
at_s = 3
text = "the quarterly figures are secret"
[[lines]]
who = "ada"
at_s = 20
text = "nobody may know them"
[end]
at_s = 30
"""


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def segment(start_s: float, end_s: float, number: int = 1, **more: Any) -> meetcore.Segment:
    return meetcore.Segment(
        id=f"s{number}", revision=1, finalized=True, track_id="t", participant_id="p",
        speaker_name="Ada", speaker_source=meetcore.NameSource.TRACK, speaker_confidence=1.0,
        text="hello", start_s=start_s, end_s=end_s, **more,
    )  # fmt: skip


def life() -> list[Event]:
    """Ordered at 0, dials at 1, waits at 2, in at 12, speech from 15 to 17, its final at 17.5."""
    said = [
        BotRequested(platform="zoom", native_id="n-9", public_url="https://z/n-9",
                     display_name="Notes", transcriber="auto"),
        StateChanged(state=State.REQUESTED),
        StateChanged(state=State.JOINING, previous=State.REQUESTED),
        StateChanged(state=State.AWAITING_ADMISSION, previous=State.JOINING),
        TranscriberNotice(transcriber="whisper", kind="chosen", detail="it is here"),
        StateChanged(state=State.IN_CALL, previous=State.AWAITING_ADMISSION),
        StateChanged(state=State.RECORDING, previous=State.IN_CALL),
        SegmentFinalized(segment=segment(3, 5)),
        TranscriberRestarted(track_id="t-ada", kind="network", detail="Ada said…", attempt=2),
        SegmentFinalized(segment=segment(8, 9, number=2)),
        StateChanged(state=State.LEAVING, previous=State.RECORDING),
        StateChanged(state=State.PROCESSING, previous=State.LEAVING),
        StateChanged(state=State.COMPLETED, previous=State.PROCESSING,
                     reason=EndReason.MEETING_ENDED),
    ]  # fmt: skip
    times = [0, 0, 1, 2, 2, 12, 12, 17.5, 18, 22, 30, 31, 33]
    return [
        attrs.evolve(event, bot_id="b-1", seq=n, at=at(t), meeting_s=None if t < 12 else t - 12)
        for n, (event, t) in enumerate(zip(said, times, strict=True), 1)
    ]


def spans_of(events: list[Event], **options: Any) -> list[TraceSpan]:
    trace = BotTrace(**options)
    return [span for event in events for span in trace.take(event)]


def test_a_trace_says_where_a_bots_time_went():
    spans = {span.name: span for span in spans_of(life())}
    shown = {
        name: ((span.begun - T0).total_seconds(), (span.ended - T0).total_seconds(), span.parent)
        for name, span in spans.items()
    }
    assert shown == {
        "start": (0.0, 1.0, "bot"),
        "join": (1.0, 2.0, "bot"),
        "admission": (2.0, 12.0, "bot"),
        "until_first_word": (12.0, 15.0, "bot"),
        "transcription": (17.0, 17.5, "segment-1"),
        "segment": (15.0, 17.5, "bot"),
        "leave": (30.0, 31.0, "bot"),
        "processing": (31.0, 33.0, "bot"),
        "bot": (0.0, 33.0, None),
    }
    assert spans["transcription"].facts["meetcore.transcriber"] == "whisper"
    facts = spans["bot"].facts
    assert facts["meetcore.reason"] == "meeting_ended"
    assert facts["meetcore.segments"] == 2
    assert facts["meetcore.segment.delay_p50_s"] == pytest.approx(1.0)
    assert facts["meetcore.segment.delay_max_s"] == pytest.approx(1.0)
    assert not spans["bot"].failed
    [mark] = spans["bot"].marks
    assert mark.name == "transcriber.restarted"
    assert mark.facts == {"meetcore.kind": "network", "meetcore.attempt": 2}


def test_every_segment_has_its_spans_where_they_are_wanted():
    names = [span.name for span in spans_of(life(), all_segments=True)]
    assert names.count("segment") == names.count("transcription") == 2
    assert names.count("until_first_word") == 1


def test_a_bot_that_waited_for_its_time_begins_with_it():
    wait = [
        BotRequested(platform="zoom", native_id="n", public_url="u", display_name="d",
                     scheduled_for=at(100)),
        StateChanged(state=State.SCHEDULED),
        StateChanged(state=State.REQUESTED, previous=State.SCHEDULED),
        StateChanged(state=State.JOINING, previous=State.REQUESTED),
        StateChanged(state=State.FAILED, previous=State.JOINING, reason=EndReason.MEETING_LOCKED),
    ]  # fmt: skip
    events = [
        attrs.evolve(event, bot_id="b", seq=n, at=at(t))
        for n, (event, t) in enumerate(zip(wait, [0, 0, 100, 101, 105], strict=True), 1)
    ]
    start, join, bot = spans_of(events)
    assert [(s.begun, s.ended) for s in (start, join)] == [(at(100), at(101)), (at(101), at(105))]
    assert (bot.begun, bot.ended, bot.failed, join.failed) == (at(100), at(105), True, True)
    assert bot.facts["meetcore.scheduled"] is True


def test_what_is_no_first_final_is_not_counted():
    """A correction, another revision, the bot's own voice, what was taken away again."""
    more = [
        SegmentFinalized(segment=segment(3, 5)),
        SegmentFinalized(segment=segment(3, 5, number=7, correction=True)),
        SegmentFinalized(segment=segment(3, 5, number=8, by_bot=True)),
        SegmentFinalized(segment=attrs.evolve(segment(3, 5, number=9), text="")),
    ]
    before, end = life()[:8], life()[-1]
    again = [attrs.evolve(e, bot_id="b-1", at=at(19), meeting_s=7.0) for e in more]
    assert spans_of([*before, *again, end])[-1].facts["meetcore.segments"] == 1


def test_the_transcriber_that_took_over_is_named():
    events = life()
    switch = TranscriberSwitched(
        track_id=None, previous="whisper", transcriber="deepgram", kind="rate", detail="words"
    )
    events.insert(7, attrs.evolve(switch, bot_id="b-1", at=at(13), meeting_s=1.0))
    spans = {span.name: span for span in spans_of(events)}
    assert spans["transcription"].facts["meetcore.transcriber"] == "deepgram"
    assert spans["bot"].marks[0].facts == {
        "meetcore.kind": "rate", "meetcore.previous": "whisper", "meetcore.transcriber": "deepgram",
    }  # fmt: skip


def test_marks_are_bounded_and_what_is_left_out_is_counted():
    failed = PluginFailed(plugin="x", where="meetcore_on_event", error="Ada said so")
    many = [attrs.evolve(failed, bot_id="b-1", at=at(18)) for _ in range(300)]
    events = life()
    whole = spans_of([*events[:8], *many, *events[8:]])[-1]
    assert len(whole.marks) == 128
    assert whole.facts["meetcore.marks_left_out"] == 300 + 1 - 128


states = st.lists(st.sampled_from(list(State)), min_size=1, max_size=12)


@given(states, st.lists(st.floats(-1e4, 1e6), min_size=12, max_size=12), st.booleans())
def test_whatever_comes_no_span_ends_before_it_begins_and_keys_are_unique(order, times, every):
    """Also with clocks that go back: a machine's time is set now and then."""
    trace = BotTrace(all_segments=every)
    spans: list[TraceSpan] = []
    previous = None
    for number, (state, when) in enumerate(zip(order, times, strict=False)):
        event = StateChanged(state=state, previous=previous, bot_id="b", at=at(when))
        spans += trace.take(event)
        said = SegmentFinalized(segment=segment(when, when + 1, number=number))
        spans += trace.take(attrs.evolve(said, bot_id="b", at=at(when), meeting_s=when / 2))
        previous = state
    assert all(span.begun <= span.ended for span in spans)
    keys = [span.key for span in spans]
    assert len(set(keys)) == len(keys)
    assert {span.parent for span in spans} - set(keys) <= {None, "bot"}
    assert keys.count("bot") == any(s in (State.COMPLETED, State.FAILED) for s in order)


@given(st.lists(st.floats(0, 100), max_size=50), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values(values, share):
    found = percentile(values, share)
    assert found in values or (found, values) == (0.0, [])


def test_ids_follow_from_the_bots_and_the_sample_from_them():
    assert trace_id_of("b-1") == trace_id_of("b-1") != trace_id_of("b-2")
    assert span_id_of("b-1", "bot") != span_id_of("b-1", "state-1")
    assert 0 < trace_id_of("b-1") < 2**128
    assert 0 < span_id_of("b-1", "bot") < 2**64
    ids = [f"bot-{number}" for number in range(2000)]
    assert 0.05 < sum(is_sampled(each, 0.1) for each in ids) / 2000 < 0.15
    assert all(is_sampled(each, 1.0) for each in ids)
    assert not any(is_sampled(each, 0.0) for each in ids)


@pytest.fixture
def collected(monkeypatch) -> Iterator[InMemorySpanExporter]:
    """What the plugin sends, taken at once."""
    exporter = InMemorySpanExporter()
    make = exporting.TraceExport
    monkeypatch.setattr(exporting, "TraceExport", lambda options: make(options, exporter))
    yield exporter
    assert plugin._EXPORTS == []
    assert plugin._BOTS == {}


def attend(folder: Path, plugins: dict[str, Any]) -> list[Event]:
    meeting = SimMeeting(MEETING)
    return run_simulated(
        meeting,
        out_dir=folder,
        config=BotConfig(out_dir=folder, name="Notes of Grace", plugins=plugins),
        transcriber=ScriptedTranscriber(meeting.script),
        plugins=meeting.plugins(otel=plugin),
    )


def test_a_bot_in_a_meeting_is_one_trace(tmp_path, collected):
    events = attend(tmp_path, {"otel": {}})
    spans: dict[str, ReadableSpan] = {s.name: s for s in collected.get_finished_spans()}
    assert {"meetcore.bot", "meetcore.join", "meetcore.admission", "meetcore.segment"} <= set(spans)
    root = spans["meetcore.bot"]
    bot_id = events[0].bot_id
    assert {span.context.trace_id for span in spans.values()} == {trace_id_of(bot_id)}
    assert root.parent is None
    assert root.attributes["meetcore.bot.id"] == bot_id
    for name, span in spans.items():
        if name not in ("meetcore.bot", "meetcore.transcription"):
            assert span.parent.span_id == root.context.span_id, name
    assert (
        spans["meetcore.transcription"].parent.span_id == spans["meetcore.segment"].context.span_id
    )
    assert root.start_time == round(events[0].at.timestamp() * 1e6) * 1000
    assert root.end_time == round(events[-1].at.timestamp() * 1e6) * 1000
    assert root.status.status_code is StatusCode.UNSET
    assert root.resource.attributes["service.name"] == "meetcore"
    assert root.attributes["meetcore.segments"] == 2


def test_nothing_of_the_meeting_is_in_a_trace(tmp_path, collected):
    events = attend(tmp_path, {"otel": {"segments": "all", "headers": {"key": "hush-hush"}}})
    text = " ".join(span.to_json() for span in collected.get_finished_spans()).lower()
    text = re.sub(r"0x[0-9a-f]+", "", text)  # numbers of spans, which may spell a name
    requested = events[0]
    assert isinstance(requested, BotRequested)
    private = ["quarterly", "secret", "nobody", "ada", "lovelace", "ousterhout", "grace", "hush"]
    private.append(requested.public_url.lower())
    assert [word for word in private if word in text] == []
    values = {v for span in collected.get_finished_spans() for v in span.attributes.values()}
    assert requested.native_id not in values


@pytest.mark.parametrize("plugins", [{}, {"otel": {"sample": 0}}])
def test_it_is_off_where_nobody_asked_for_it(tmp_path, collected, plugins):
    attend(tmp_path, plugins)
    assert collected.get_finished_spans() == ()


def test_without_a_table_the_library_is_not_even_imported():
    """It costs a bot two hundred modules."""
    code = (
        "import sys, meetcore\n"
        "plugins = meetcore.Plugins(only=['otel'])\n"
        "assert plugins.implementations('meetcore_on_event')\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"endpoint": "collector:4318"}, "no URL of a collector"),
        ({"endpoint": "http://user:word@collector:4318"}, "no URL of a collector"),
        ({"sample": 2}, "0 to 1"),
        ({"segments": "some"}, "'first', 'all'"),
        ({"flush_s": -1}, "0 to 25"),
        ({"endpont": "http://x"}, "endpoint"),
    ],
)
def test_what_cannot_be_is_refused_before_a_bot_starts(settings, said):
    with pytest.raises(ConfigError, match=said) as refused:
        plugin.meetcore_configure_bot(BotConfig(plugins={"otel": settings}))
    assert "word" not in str(refused.value)


def test_a_secret_is_not_shown():
    options = build_options(OtelOptions, {"headers": {"key": "hush-hush"}}, "[plugins.otel]")
    assert "hush" not in repr(options)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        (None, None),
        ("http://c:4318", "http://c:4318/v1/traces"),
        ("http://c:4318/", "http://c:4318/v1/traces"),
        ("https://c/otlp/v1/traces", "https://c/otlp/v1/traces"),
    ],
)
def test_spans_go_to_the_path_of_the_protocol(endpoint, url):
    assert OtelOptions(endpoint=endpoint).url == url


@pytest.mark.parametrize(
    ("settings", "said"), [({}, "not set"), ({"otel": {"endpoint": "http://c:1"}}, "http://c:1")]
)
def test_doctor_says_where_traces_go(settings, said):
    report = HealthReport(settings)
    plugin.meetcore_check_health(report)
    assert said in json.dumps([attrs.asdict(each) for each in report.findings], default=str)


class Collector:
    """An HTTP server on loopback that takes OTLP, as a collector does; or answers with an error."""

    def __init__(self, status: int = 200) -> None:
        self.requests: list[tuple[str, dict[str, str], ExportTraceServiceRequest]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append(
                    (self.path, headers, ExportTraceServiceRequest.FromString(body))
                )
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *said: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def view(config: BotConfig, bot_id: str = "b-1") -> Any:
    return SimpleNamespace(id=bot_id, config=config)


async def show(config: BotConfig, events: list[Event], bot_id: str = "b-1") -> None:
    for event in events:
        await plugin.meetcore_on_event(view(config, bot_id), event)


async def test_a_collector_gets_the_spans_before_the_bot_is_gone():
    with Collector() as collector:
        headers = {"x-key": "hush-hush"}
        config = BotConfig(plugins={"otel": {"endpoint": collector.url, "headers": headers}})
        with trio.fail_after(30):
            await show(config, life())
        assert {path for path, _, _ in collector.requests} == {"/v1/traces"}
        assert {sent["x-key"] for _, sent, _ in collector.requests} == {"hush-hush"}
        found = [
            span
            for _, _, request in collector.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        assert {span.name for span in found} == {f"meetcore.{s.name}" for s in spans_of(life())}
        assert {int.from_bytes(span.trace_id, "big") for span in found} == {trace_id_of("b-1")}
    assert plugin._EXPORTS == []


async def test_bots_that_are_set_alike_share_the_way_and_the_last_one_closes_it():
    with Collector() as collector, trio.fail_after(30):
        config = BotConfig(plugins={"otel": {"endpoint": collector.url}})
        await show(config, life()[:3], "b-1")
        await show(config, life()[:3], "b-2")
        assert [each.bots for each in plugin._EXPORTS] == [2]
        await show(config, life()[3:], "b-1")
        assert [each.bots for each in plugin._EXPORTS] == [1]
        await show(config, life()[3:], "b-2")
        assert plugin._EXPORTS == []


@pytest.mark.parametrize("status", [None, 503])
async def test_a_collector_that_does_not_take_them_costs_a_bot_its_patience_and_no_more(
    status, caplog
):
    """503 is tried again by the SDK, for as long as it may."""
    with Collector(status or 200) as collector:
        url = collector.url if status else "http://127.0.0.1:1"
        config = BotConfig(
            plugins={
                "otel": {"endpoint": url, "flush_s": 0.3, "timeout_s": 1, "headers": {"k": "hush"}}
            }
        )
        began = trio.current_time()
        with trio.fail_after(20):
            await show(config, life())
        assert trio.current_time() - began < 15
        for thread in threading.enumerate():
            if "OtelBatch" in thread.name:
                await trio.to_thread.run_sync(thread.join, 15)
    assert plugin._EXPORTS == []
    assert "hush" not in caplog.text


def test_an_export_can_be_made_for_any_exporter():
    exporter = InMemorySpanExporter()
    TraceExport(OtelOptions(service_name="mine"), exporter).send("b-1", spans_of(life()))
    names = [span.name for span in exporter.get_finished_spans()]
    assert names[-1] == "meetcore.bot"
    assert {s.resource.attributes["service.name"] for s in exporter.get_finished_spans()} == {
        "mine"
    }
