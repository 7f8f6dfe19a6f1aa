"""The conformance suites on the stand-in."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from meetcore import Secret
from meetcore.testing import ProviderConformance, TranscriberConformance
from meetcore_assemblyai.options import AssemblyAIOptions
from meetcore_assemblyai.testing import AssemblyAIStandIn, StandInFault
from meetcore_assemblyai.transcriber import AssemblyAITranscriber
from tests.plugins.speech_api.meetings import talk

SAID = talk(4)
SPEECH = SAID.sound[: 2 * 16_000]
MISBEHAVIOURS = {
    "late_final": StandInFault(kind="late", connections=(), seconds=6.0),
    "unknown_utterance": StandInFault(kind="elsewhere", connections=()),
    "older_revision": StandInFault(kind="older_drafts", connections=()),
    "final_twice": StandInFault(kind="repeat_finals", connections=()),
    "disconnect": StandInFault(
        kind="close", after_s=3.5, code=3005, reason="Session Cancelled: An error occurred"
    ),
    "stall": StandInFault(kind="stall"),
    "rate_limit": StandInFault(
        kind="refuse", status=429, headers=(("Retry-After", "3"),), body='{"err_msg": "too many"}'
    ),
}
PROVIDER = {
    "refuses": StandInFault(kind="refuse", connections=(), status=401),
    "fails": StandInFault(kind="refuse", connections=(), status=503),
    "hangs": StandInFault(kind="stall", connections=()),
}


def stand_in_for(*faults):
    return AssemblyAIStandIn.of(SAID.words, SPEECH, faults)


def transcriber_at(url, stand_in, **options):
    key = Secret(stand_in.key)
    return AssemblyAITranscriber(AssemblyAIOptions(url=url, files_url=url, key=key, **options))


class _Served(AssemblyAITranscriber):
    """Brings its stand-in with it."""

    @asynccontextmanager
    async def open(self, context):
        async with self.stand_in.serving() as url:
            self.options = evolve(self.options, url=url)
            async with super().open(context):
                yield


class TestTranscriber(TranscriberConformance):
    @pytest.fixture
    def clock(self):
        return MockClock(autojump_threshold=0.02)

    def make_transcriber(self):
        stand_in = stand_in_for()
        made = _Served(AssemblyAIOptions(key=Secret(stand_in.key)))
        made.stand_in = stand_in
        return made

    def speech(self):
        return SPEECH, "w1"

    @asynccontextmanager
    async def break_provider(self, how):
        stand_in = stand_in_for(PROVIDER[how])
        async with stand_in.serving() as url:
            yield transcriber_at(url, stand_in)


class TestProvider(ProviderConformance):
    def speech(self):
        return SPEECH

    @asynccontextmanager
    async def misbehave(self, how):
        stand_in = stand_in_for(MISBEHAVIOURS[how])
        async with stand_in.serving() as url:
            yield transcriber_at(url, stand_in)
        assert trio.current_time() < 300
