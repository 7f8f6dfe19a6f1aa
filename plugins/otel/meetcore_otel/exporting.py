"""Spans on their way to a collector: OpenTelemetry's SDK, whose own thread does the sending.

A span gets its ids from the bot's: the same bot has the same trace, whoever sends it, so a trace is
found by a bot's id, and what is sent twice is one span. The SDK gives ids in the order in which
spans are started, so each is started, ended and handed over in one go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import trio
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from meetcore import __version__
from meetcore_otel.bot_trace import TraceSpan
from meetcore_otel.options import OtelOptions

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = ["TraceExport", "is_sampled", "span_id_of", "trace_id_of"]

_EVERY_MS = 1000
_MOST_WAITING = 4096


def trace_id_of(bot_id: str) -> int:
    """Return the id of a bot's trace, 128 bits: the beginning of SHA-256 of the bot's id."""
    return int.from_bytes(hashlib.sha256(bot_id.encode()).digest()[:16], "big") or 1


def span_id_of(bot_id: str, key: str) -> int:
    """Return the id of one of its spans, 64 bits."""
    return int.from_bytes(hashlib.sha256(f"{bot_id}\n{key}".encode()).digest()[:8], "big") or 1


def is_sampled(bot_id: str, share: float) -> bool:
    """Return whether a bot is one of the share of all that is traced."""
    return (trace_id_of(bot_id) & (2**64 - 1)) < share * 2**64


class _GivenIds(IdGenerator):
    """Gives the ids that were put down last."""

    trace_id = 1
    span_id = 1

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class TraceExport:
    """Takes spans; sends them from a thread, in batches, each second.

    A collector that is away costs spans and nothing else: at most 4096 wait, and no caller does.

    Args:
        options: Where they go.
        exporter: Takes them at once, in place of a collector.

    Attributes:
        options: The same.
        bots: How many bots send by it; the last one closes it.
    """

    def __init__(self, options: OtelOptions, exporter: SpanExporter | None = None) -> None:
        self.options = options
        self.bots = 0
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create(
                {"service.name": options.service_name, "service.version": __version__}
            ),
            id_generator=self._ids,
            span_limits=SpanLimits(),
            shutdown_on_exit=False,
        )
        if exporter is not None:
            self._provider.add_span_processor(SimpleSpanProcessor(exporter))
        else:
            self._provider.add_span_processor(
                BatchSpanProcessor(
                    _collector(options),
                    schedule_delay_millis=_EVERY_MS,
                    max_queue_size=_MOST_WAITING,
                )
            )
        self._tracer = self._provider.get_tracer("meetcore", __version__)

    def send(self, bot_id: str, spans: Iterable[TraceSpan]) -> None:
        """Take spans of a bot. Returns at once."""
        trace_id = trace_id_of(bot_id)
        for span in spans:
            self._ids.trace_id, self._ids.span_id = trace_id, span_id_of(bot_id, span.key)
            context = None
            if span.parent is not None:
                parent = SpanContext(
                    trace_id,
                    span_id_of(bot_id, span.parent),
                    is_remote=False,
                    trace_flags=TraceFlags(TraceFlags.SAMPLED),
                )
                context = set_span_in_context(NonRecordingSpan(parent))
            made = self._tracer.start_span(
                f"meetcore.{span.name}",
                context=context,
                attributes=dict(span.facts),
                start_time=_nanoseconds(span.begun),
            )
            for mark in span.marks:
                made.add_event(mark.name, dict(mark.facts), _nanoseconds(mark.at))
            if span.failed:
                made.set_status(Status(StatusCode.ERROR))
            made.end(_nanoseconds(span.ended))

    async def close(self) -> None:
        """Send what waits, for `flush_s` at most, and end the thread; what is left then is lost."""
        with trio.move_on_after(self.options.flush_s):
            await trio.to_thread.run_sync(self._provider.shutdown, abandon_on_cancel=True)

    async def flush(self) -> None:
        """Send what waits, for `flush_s` at most."""
        flush_ms = int(self.options.flush_s * 1000)
        with trio.move_on_after(self.options.flush_s):
            await trio.to_thread.run_sync(
                partial(self._provider.force_flush, flush_ms), abandon_on_cancel=True
            )


def _collector(options: OtelOptions) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    headers = {name: value.reveal() for name, value in options.headers.items()}
    return OTLPSpanExporter(
        endpoint=options.url, headers=headers or None, timeout=options.timeout_s
    )


def _nanoseconds(at: datetime) -> int:
    """Return a time as OpenTelemetry has it: nanoseconds since 1970, without a float between."""
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000
