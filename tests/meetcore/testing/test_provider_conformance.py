"""The suite of misbehaving providers, on a streaming provider over a real loopback WebSocket."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

import meetcore
from meetcore.model.errors import TranscriberError
from meetcore.testing import ProviderConformance
from tests.meetcore.testing.streaming_provider import LoopbackTranscriber, streaming_provider


class TestLoopback(ProviderConformance):
    @asynccontextmanager
    async def misbehave(self, how):
        async with streaming_provider(how) as transcriber:
            yield transcriber


class _LateClock(meetcore.StreamClock):
    def sent(self, start_sample, samples):
        super().sent(start_sample + 100 * 16_000, samples)


class _WrongClock(LoopbackTranscriber):
    """A broken adapter: its times are not the call's."""

    @asynccontextmanager
    async def stream(self, request):
        async with super().stream(request) as stream:
            stream._clock = _LateClock()
            yield stream


class _Hammering(LoopbackTranscriber):
    """A broken adapter: it does not say how long to wait."""

    @asynccontextmanager
    async def stream(self, request):
        try:
            async with super().stream(request) as stream:
                yield stream
        except TranscriberError as error:
            error.retry_after_s = None
            raise


class _Deaf(LoopbackTranscriber):
    """A broken adapter: a lost connection is the end for it."""

    @asynccontextmanager
    async def stream(self, request):
        try:
            async with super().stream(request) as stream:
                yield stream
        except TranscriberError as error:
            error.retryable = False
            raise


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (_WrongClock, "test_finals_that_come_late_are_waited_for"),
        (_Hammering, "test_a_rate_limit_is_waited_out"),
        (_Deaf, "test_a_broken_connection_costs_no_words"),
    ],
)
def test_a_broken_adapter_does_not_pass(tmp_path, broken, test):
    class Suite(ProviderConformance):
        @asynccontextmanager
        async def misbehave(self, how):
            async with streaming_provider(how) as transcriber:
                yield broken(transcriber.port)

    with pytest.raises(AssertionError):
        getattr(Suite(), test)(tmp_path)
