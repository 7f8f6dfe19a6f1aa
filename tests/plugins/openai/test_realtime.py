"""The realtime WebSocket, against a stand-in on a real loopback socket that misbehaves."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore import Redactor, Secret, TranscriberError, UntranscribedAudio
from meetcore.model import found_in
from meetcore.testing import ProviderConformance, TranscriberConformance, synthetic_voice
from meetcore_openai.realtime_messages import (
    RealtimeNews,
    append_message,
    commit_message,
    read_news,
    realtime_trouble,
    session_message,
)
from meetcore_openai.testing import RealtimeStandIn, open_realtime_stand_in
from tests.meetcore.conftest import Stage, events_of, kinds
from tests.plugins.openai.conftest import made, silence, streaming, utter

KEY = "sk-not-a-real-key-0123456789"
VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text("utf-8"))


def realtime(server: RealtimeStandIn, **options: Any) -> Any:
    address = server.url.replace("ws://", "http://").removesuffix("/realtime")
    return made(address, realtime=True, **options)


class TestRealtime(TranscriberConformance):
    def make_transcriber(self) -> Any:
        class WithServer(type(made("http://127.0.0.1:1/v1"))):  # type: ignore[misc]
            @asynccontextmanager
            async def open(self, context: Any) -> Any:
                async with open_realtime_stand_in() as server:
                    inner = realtime(server)
                    self.options, self.capabilities = inner.options, inner.capabilities
                    async with inner.open(context):
                        self._client = inner._client
                        yield

        return WithServer()

    def speech(self) -> Any:
        return synthetic_voice(1.5), "stand-in"

    @asynccontextmanager
    async def break_provider(self, how: str) -> Any:
        async with open_realtime_stand_in() as server:
            if how == "refuses":
                server.key = "another key"
            else:
                server.fail("server_error" if how == "fails" else "silent")
            yield realtime(server, api_key=Secret(KEY))


class TestRealtimeProvider(ProviderConformance):
    misbehaviours = frozenset(
        {"late_final", "unknown_utterance", "final_twice", "disconnect", "rate_limit", "stall"}
    )

    @asynccontextmanager
    async def misbehave(self, how: str) -> Any:
        async with open_realtime_stand_in() as server, trio.open_nursery() as nursery:
            if how == "rate_limit":
                server.refuse = 429
                nursery.start_soon(self._open_later, server)
            faults: dict[str, list[Any]] = {
                "late_final": ["late"] * 3,
                "unknown_utterance": ["unknown_item"] * 3,
                "final_twice": ["twice"] * 3,
                "disconnect": [None, "drop_in_text"],
                "stall": ["silent"],
                "rate_limit": [],
            }
            server.fail(*faults[how])
            yield realtime(server, final_timeout_s=20.0)
            nursery.cancel_scope.cancel()

    async def _open_later(self, server: RealtimeStandIn) -> None:
        await trio.sleep(3.0)
        server.refuse = None


async def test_text_comes_as_it_is_decoded_and_the_sound_is_complete(
    tmp_path: Path, mock_clock: Any
) -> None:
    results: list[Any] = []
    async with open_realtime_stand_in(RealtimeStandIn(key=KEY)) as server:
        transcriber = realtime(server, api_key=Secret(KEY), model="gpt-4o-transcribe")
        wish = {"language": "en-GB", "vocabulary": ("Ada",)}
        async with streaming(transcriber, tmp_path, results, **wish) as stream:
            await utter(stream, "u", 160_000)
            await stream.flush()
    assert [result.text for result in results] == [
        "hello",
        "hello from",
        "hello from the",
        "hello from the stand-in",
        "hello from the stand-in",
    ]
    assert [result.revision for result in results] == [1, 2, 3, 4, 5]
    assert [result.final for result in results] == [False] * 4 + [True]
    assert (results[-1].start_s, results[-1].end_s) == (10.0, 11.0)
    assert server.seconds == [pytest.approx(1.0, abs=0.001)]
    sound = server.sessions[0]["audio"]["input"]
    assert sound["transcription"] == {
        "model": "gpt-4o-transcribe",
        "language": "en",
        "prompt": "Ada.",
    }
    assert sound["turn_detection"] is None


async def test_items_that_are_finished_in_another_order_keep_their_utterances(
    tmp_path: Path, mock_clock: Any
) -> None:
    results: list[Any] = []
    async with open_realtime_stand_in() as server:
        server.fail("reversed", "reversed", None)
        async with streaming(realtime(server), tmp_path, results) as stream:
            for number in range(3):
                await utter(stream, f"u{number}", number * 32_000)
            await stream.flush()
    finals = [result.utterance_id for result in results if result.final]
    assert finals == ["u2", "u1", "u0"]


async def test_a_short_utterance_is_filled_up(tmp_path: Path, mock_clock: Any) -> None:
    results: list[Any] = []
    async with (
        open_realtime_stand_in() as server,
        streaming(realtime(server), tmp_path, results) as stream,
    ):
        await utter(stream, "u", pcm=silence(0.02))
        await stream.flush()
    assert server.seconds == [pytest.approx(0.3, abs=0.001)]
    assert results[-1].final


@pytest.mark.parametrize(
    ("fault", "kind", "retryable"),
    [
        ("drop", "network", True),
        ("drop_in_text", "network", True),
        ("failed", "server", True),
        ("server_error", "server", True),
        ("rate_limit", "rate", True),
        ("out_of_money", "quota", False),
        ("expired", "network", True),
        ("garbage", "protocol", True),
    ],
)
async def test_every_fault_is_sorted(
    tmp_path: Path, mock_clock: Any, fault: Any, kind: str, retryable: bool
) -> None:
    async with open_realtime_stand_in() as server:
        server.fail(fault)
        error = await trouble(realtime(server), tmp_path)
    assert (error.kind, error.retryable) == (kind, retryable)


@pytest.mark.parametrize(("status", "kind"), [(401, "auth"), (429, "rate"), (503, "server")])
async def test_a_refused_handshake_is_sorted_and_shows_no_key(
    tmp_path: Path, mock_clock: Any, status: int, kind: str
) -> None:
    async with open_realtime_stand_in(RealtimeStandIn(refuse=status)) as server:
        error = await trouble(realtime(server, api_key=Secret(KEY)), tmp_path, Redactor([KEY]))
    assert error.kind == kind
    assert KEY not in f"{error} {error!r}"
    if status == 429:
        assert error.retry_after_s == 3.0


async def test_nobody_there_is_a_network_trouble(tmp_path: Path, mock_clock: Any) -> None:
    error = await trouble(made("http://127.0.0.1:9/v1", realtime=True), tmp_path)
    assert (error.kind, error.retryable) == ("network", True)


async def trouble(
    transcriber: Any, folder: Path, redactor: Redactor | None = None
) -> TranscriberError:
    results: list[Any] = []
    more = {"redactor": redactor} if redactor is not None else {}
    with pytest.raises(Exception) as caught:
        async with streaming(transcriber, folder, results, **more) as stream:
            await utter(stream, "u")
            await stream.flush()
    error = found_in(caught.value, TranscriberError)
    assert error is not None, caught.value
    assert not [r for r in results if isinstance(r, UntranscribedAudio) or r.final]
    return error


async def test_in_a_meeting_a_broken_connection_costs_no_word_and_costs_are_told(
    tmp_path: Path, mock_clock: Any
) -> None:
    stage = Stage()
    async with open_realtime_stand_in() as server:
        server.fail(None, "drop", None)
        transcriber = realtime(server, price_per_minute=0.6)
        async with stage.bot(tmp_path, transcriber=transcriber) as bot:
            stage.admit()
            stage.track("ada")
            for _ in range(3):
                stage.sound("ada", 1.0)
                stage.sound("ada", 2.0, voice=False)
                await trio.sleep(3.0)
            await bot.stop()
    events = events_of(bot)
    assert len(kinds(events, meetcore.SegmentFinalized)) == 3
    assert not kinds(events, meetcore.TranscriptionGap)
    usage = kinds(events, meetcore.TranscriberUsage)
    assert len(usage) == 2
    assert sum(each.cost for each in usage) == pytest.approx(
        sum(each.billed_s for each in usage) * 0.01
    )


# --- the messages ------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_messages_are_those_of_the_documents(vector: dict[str, Any]) -> None:
    name, example = vector["name"], vector["example"]
    if name == "session.update":
        ours = json.loads(session_message("gpt-4o-transcribe", "en", ""))
        del example["session"]["audio"]["input"]["turn_detection"]  # the core cuts utterances
        assert ours["session"]["audio"]["input"].pop("turn_detection") is None
        assert ours == example
    elif name == "append":
        ours = json.loads(append_message(np.array([1, -2], np.int16)))
        assert ours == {"type": example["type"], "audio": "AQD+/w=="}
    elif name == "commit":
        assert json.loads(commit_message()) == example
    else:
        expected = {
            "speech_started": RealtimeNews(kind="other", item_id="item_1"),
            "delta": RealtimeNews(kind="delta", item_id="item_1", text="Hello"),
            "completed": RealtimeNews(kind="completed", item_id="item_1", text="Hello there."),
            "error": RealtimeNews(
                kind="error", code="invalid_value invalid_request_error", message="..."
            ),
        }
        assert read_news(json.dumps(example)) == expected[name]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_api_key", "auth"),
        ("insufficient_quota", "quota"),
        ("rate_limit_exceeded", "rate"),
        ("session_expired invalid_request_error", "network"),
        ("invalid_value invalid_request_error", "bad_request"),
        ("", "server"),
    ],
)
def test_errors_are_sorted_by_their_codes(code: str, kind: str) -> None:
    news = RealtimeNews(kind="error", code=code, message=f"about {KEY}")
    error = realtime_trouble(news, "host")
    assert error.kind == kind
    assert kind != "auth" or KEY not in str(error)


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_what_is_no_message_is_a_protocol_trouble(text: str | bytes) -> None:
    with pytest.raises(TranscriberError) as caught:
        read_news(text)
    assert caught.value.kind == "protocol"
