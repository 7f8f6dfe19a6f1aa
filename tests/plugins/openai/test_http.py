"""The transcriber over HTTP, against a stand-in on a real loopback socket that misbehaves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

import meetcore
from meetcore import Redactor, Secret, TranscriberError
from meetcore.model import found_in
from meetcore.testing import ProviderConformance, TranscriberConformance, synthetic_voice
from meetcore_openai.testing import OpenAIStandIn, open_stand_in
from tests.meetcore.conftest import Stage, events_of, kinds
from tests.plugins.openai.conftest import made, silence, streaming, utter

KEY = "sk-not-a-real-key-0123456789"


class TestStandIn(TranscriberConformance):
    def make_transcriber(self) -> Any:
        class WithServer(type(made("http://127.0.0.1:1/v1"))):  # type: ignore[misc]
            @asynccontextmanager
            async def open(self, context: Any) -> Any:
                async with open_stand_in() as server:
                    inner = made(server.url)
                    async with inner.open(context):
                        self._client = inner._client
                        yield

        return WithServer()

    def speech(self) -> Any:
        return synthetic_voice(1.5), "stand-in"

    @asynccontextmanager
    async def break_provider(self, how: str) -> Any:
        async with open_stand_in(OpenAIStandIn(key="another key")) as server:
            if how == "refuses":
                yield made(server.url, api_key=Secret(KEY))
                return
            server.key = None
            server.fail_always("server_error" if how == "fails" else "hang")
            yield made(server.url)


class TestStandInProvider(ProviderConformance):
    misbehaviours = frozenset({"late_final", "disconnect", "rate_limit", "stall"})

    @asynccontextmanager
    async def misbehave(self, how: str) -> Any:
        async with open_stand_in() as server:
            if how == "late_final":
                server.fail("slow", "slow", "slow")
            elif how == "disconnect":
                server.fail(None, "drop_in_answer")
            elif how == "rate_limit":
                server.fail("rate_limit")
            else:
                server.fail("hang")
            yield made(server.url, request_timeout_s=10.0)


async def test_a_request_has_what_was_wished_for_and_the_words_have_times(
    tmp_path: Path, mock_clock: Any
) -> None:
    results: list[Any] = []
    async with open_stand_in(OpenAIStandIn(text="Hello, Ada!", key=KEY)) as server:
        transcriber = made(server.url, api_key=Secret(KEY), model="m", prompt="A meeting.")
        wish = {"language": "de-AT", "vocabulary": ("Ada", "Trio")}
        async with streaming(transcriber, tmp_path, results, **wish) as stream:
            await utter(stream, "u", 160_000)
            await stream.flush()
    (request,) = server.requests
    assert request.fields == {
        "model": "m",
        "response_format": "verbose_json",
        "temperature": "0",
        "language": "de",
        "prompt": "A meeting. Ada, Trio.",
    }
    assert request.granularities == ("word", "segment")
    assert (request.sample_rate_hz, request.seconds) == (16_000, 1.0)
    (final,) = results
    assert [word.text for word in final.words] == ["Hello,", "Ada!"]
    assert (final.words[0].start_s, final.words[-1].end_s) == (10.0, 11.0)
    assert final.language == "en"
    assert final.confidence == pytest.approx(0.8187, abs=1e-3)


async def test_a_server_without_the_verbose_form_is_asked_for_it_once(
    tmp_path: Path, mock_clock: Any
) -> None:
    results: list[Any] = []
    async with (
        open_stand_in(OpenAIStandIn(verbose=False)) as server,
        streaming(made(server.url), tmp_path, results) as stream,
    ):
        for number in range(3):
            await utter(stream, f"u{number}", number * 32_000)
            await stream.flush()
    forms = [request.fields["response_format"] for request in server.requests]
    assert forms == ["verbose_json", "json", "json", "json"]
    assert [result.text for result in results] == ["hello from the stand-in"] * 3
    assert not results[0].words


async def test_one_that_is_to_be_verbose_and_is_not_is_a_clear_error(
    tmp_path: Path, mock_clock: Any
) -> None:
    async with open_stand_in(OpenAIStandIn(verbose=False)) as server:
        error = await trouble(made(server.url, response_format="verbose_json"), tmp_path)
    assert error.kind == "bad_request"
    assert "verbose_json" in error.message


async def trouble(transcriber: Any, folder: Path, **more: Any) -> TranscriberError:
    with pytest.raises(Exception) as caught:
        async with streaming(transcriber, folder, [], **more) as stream:
            await utter(stream, "u")
            await stream.flush()
    error = found_in(caught.value, TranscriberError)
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("fault", "kind", "retryable"),
    [
        ("unauthorized", "auth", False),
        ("forbidden", "auth", False),
        ("payment", "quota", False),
        ("out_of_money", "quota", False),
        ("rate_limit", "rate", True),
        ("not_found", "bad_request", False),
        ("too_large", "bad_request", True),
        ("odd_audio", "bad_request", True),
        ("server_error", "server", True),
        ("unavailable", "server", True),
        ("hang", "network", True),
        ("garbage", "protocol", True),
        ("no_text", "protocol", True),
        ("endless", "network", True),
        ("drop", "network", True),
        ("drop_in_answer", "network", True),
        ("redirect", "protocol", False),
    ],
)
async def test_every_fault_is_sorted_and_shows_no_key(
    tmp_path: Path, mock_clock: Any, fault: Any, kind: str, retryable: bool
) -> None:
    async with open_stand_in() as server:
        server.fail_always(fault)
        transcriber = made(server.url, api_key=Secret(KEY))
        error = await trouble(transcriber, tmp_path)
        assert (error.kind, error.retryable) == (kind, retryable)
        if fault in ("rate_limit", "unavailable"):
            assert error.retry_after_s == 3.0
        assert KEY not in f"{error} {error!r} {transcriber.options!r}"


async def test_a_server_that_is_not_there_is_a_network_trouble(
    tmp_path: Path, mock_clock: Any
) -> None:
    error = await trouble(made("http://127.0.0.1:9/v1"), tmp_path)
    assert (error.kind, error.retryable) == ("network", True)
    assert "base_url" in error.remedy


async def test_the_redactor_learns_the_key(tmp_path: Path, mock_clock: Any) -> None:
    redactor = Redactor()
    async with open_stand_in() as server:
        transcriber = made(server.url, api_key=Secret(KEY))
        async with streaming(transcriber, tmp_path, [], redactor=redactor):
            assert KEY not in redactor.redact(f"the key {KEY}")


async def test_an_utterance_that_is_too_short_is_filled_up(tmp_path: Path, mock_clock: Any) -> None:
    results: list[Any] = []
    async with open_stand_in() as server, streaming(made(server.url), tmp_path, results) as stream:
        await utter(stream, "u", pcm=silence(0.02))
        await stream.flush()
    assert server.requests[0].seconds == 0.3
    assert results[0].text == ""


async def test_what_the_model_takes_for_no_speech_is_dropped(
    tmp_path: Path, mock_clock: Any
) -> None:
    async with open_stand_in(OpenAIStandIn(text="Thank you.", no_speech_prob=0.9)) as server:
        for guard, text in ((True, ""), (False, "Thank you.")):
            results: list[Any] = []
            async with streaming(made(server.url, guard=guard), tmp_path, results) as stream:
                await utter(stream, "u")
                await stream.flush()
            assert results[0].text == text
            assert bool(results[0].words) is bool(text)


async def test_never_more_requests_than_are_wished_for(tmp_path: Path, mock_clock: Any) -> None:
    async with open_stand_in() as server:
        server.fail(*["slow"] * 6)
        async with streaming(made(server.url, max_concurrent=2), tmp_path, []) as stream:
            for number in range(6):
                await utter(stream, f"u{number}", number * 32_000)
            await stream.flush()
    assert server.most_at_once == 2


async def test_drafts_are_requests_with_what_was_said_so_far(
    tmp_path: Path, mock_clock: Any
) -> None:
    results: list[Any] = []
    async with open_stand_in() as server:
        transcriber = made(server.url, draft_every_s=0.5)
        assert transcriber.capabilities.partials
        async with streaming(transcriber, tmp_path, results) as stream:
            await stream.begin_utterance("u", 0)
            pcm = synthetic_voice(2.0)
            for at in range(0, len(pcm), 1600):
                await trio.sleep(0.1)
                await stream.feed(meetcore.Chunk("ada", at, pcm[at : at + 1600]))
            await stream.end_utterance("u", len(pcm), "silence")
            await stream.flush()
    assert [result.final for result in results].count(True) == 1
    assert len(results) >= 3
    lengths = [request.seconds for request in server.requests]
    assert lengths == sorted(lengths)


async def test_a_pause_that_is_asked_for_is_kept_by_all_tracks(
    tmp_path: Path, mock_clock: Any
) -> None:
    async with open_stand_in() as server:
        server.fail("rate_limit")
        transcriber = made(server.url)
        context = meetcore.TranscriberContext(bot_id="b", folder=tmp_path)
        sound = meetcore.UtteranceAudio(
            bot_id="b", track_id="t", utterance_id="u", start_sample=0, pcm=synthetic_voice(1.0)
        )
        async with transcriber.open(context):
            with pytest.raises(TranscriberError):
                await transcriber.transcribe(sound)
            with pytest.raises(TranscriberError) as caught:
                await transcriber.transcribe(sound)
            assert caught.value.kind == "rate"
            assert 0 < (caught.value.retry_after_s or 0) <= 3.0
            assert len(server.requests) == 1
            await trio.sleep(3.1)
            assert (await transcriber.transcribe(sound)).text
    assert transcriber.capabilities.max_streams is None


# --- cost ----------------------------------------------------------------------------------


async def test_what_was_used_is_told_with_its_cost(tmp_path: Path, mock_clock: Any) -> None:
    used: list[meetcore.ProviderUsage] = []
    async with open_stand_in(OpenAIStandIn(verbose=False)) as server:
        transcriber = made(server.url, price_per_minute=0.6, currency="EUR")
        async with streaming(transcriber, tmp_path, [], used=used.append) as stream:
            await utter(stream, "u", pcm=synthetic_voice(1.5))
            await stream.flush()
    (usage,) = used
    assert (usage.billed_s, usage.currency) == (2.0, "EUR")
    assert usage.cost == pytest.approx(0.02)


async def test_a_bot_that_used_up_its_limit_stops_with_a_clear_event(
    tmp_path: Path, mock_clock: Any
) -> None:
    stage = Stage()
    async with open_stand_in() as server:
        transcriber = made(server.url, price_per_minute=0.6, max_cost=0.04)
        async with stage.bot(tmp_path, transcriber=transcriber) as bot:
            stage.admit()
            stage.track("ada")
            for _ in range(4):
                stage.sound("ada", 1.0)
                stage.sound("ada", 2.0, voice=False)
                await trio.sleep(3.0)
            await bot.stop()
    events = events_of(bot)
    said = len(kinds(events, meetcore.SegmentFinalized))
    assert 0 < said < 4
    assert len(server.requests) == said, "nothing was asked beyond the limit"
    (stopped,) = kinds(events, meetcore.TranscriptionStopped)
    assert stopped.kind == "quota"
    assert "0.04 USD" in stopped.detail
    assert sum(e.cost for e in kinds(events, meetcore.TranscriberUsage)) <= 0.04


# --- whole bots -----------------------------------------------------------------------------


async def test_an_endpoint_that_is_away_for_half_a_minute_costs_no_word(
    tmp_path: Path, mock_clock: Any
) -> None:
    stage = Stage()
    async with (
        open_stand_in() as server,
        stage.bot(tmp_path, transcriber=made(server.url)) as bot,
    ):
        stage.admit()
        stage.track("ada")
        for number in range(4):
            if number == 1:
                server.go_away(30.0)
            stage.sound("ada", 1.0)
            stage.sound("ada", 2.0, voice=False)
            await trio.sleep(3.0)
        await trio.sleep(40.0)
        await bot.stop()
    events = events_of(bot)
    assert len(kinds(events, meetcore.SegmentFinalized)) == 4
    assert not kinds(events, meetcore.TranscriptionGap)
