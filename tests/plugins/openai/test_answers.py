"""Answers, refusals, options and the account of costs: the pure parts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore import ConfigError, Secret, TranscriberError, Word, build_options
from meetcore_openai.answers import punctuated, read_answer
from meetcore_openai.client import prompt_of
from meetcore_openai.cost import CostLimit
from meetcore_openai.options import OpenAIOptions
from meetcore_openai.refusals import ErrorBody, read_error, refuses_format, retry_after_s
from meetcore_openai.transcriber import OpenAITranscriber

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def words(*texts: str) -> list[Word]:
    return [Word(text, float(i), i + 0.5) for i, text in enumerate(texts)]


def answered(body: object, *, guard: bool = True) -> Any:
    return read_answer(json.dumps(body).encode(), guard=guard)


@pytest.mark.parametrize(
    ("text", "bare", "made"),
    [
        ("Hello, Ada!", ["Hello", "Ada"], ["Hello,", "Ada!"]),
        ("In real-time.", ["In", "real", "time"], ["In", "real-time."]),
        ("Yes - no", ["Yes", "no"], ["Yes -", "no"]),
        ("Something else", ["Hello", "Ada"], ["Hello", "Ada"]),
        ("One", ["One", "two"], ["One", "two"]),
        ("A b", ["A"], ["A"]),
        ("", [], []),
    ],
)
def test_words_are_written_as_the_text_writes_them(
    text: str, bare: list[str], made: list[str]
) -> None:
    assert [word.text for word in punctuated(text, words(*bare))] == made


def test_a_word_of_several_has_the_times_of_all() -> None:
    (_, word) = punctuated("In real-time.", words("In", "real", "time"))
    assert (word.start_s, word.end_s) == (1.0, 2.5)


def test_words_within_segments_are_taken_too() -> None:
    """As servers on faster-whisper give them, with a space before and a probability."""
    word = {"word": " Hello", "start": 0.1, "end": 0.4, "probability": 0.91234}
    answer = answered(
        {"text": " Hello", "segments": [{"text": " Hello", "words": [word], "avg_logprob": -0.1}]}
    )
    assert answer.text.text == "Hello"
    assert answer.text.words == (Word("Hello", 0.1, 0.4, 0.9123),)


def test_segments_of_no_speech_go_and_the_others_stay() -> None:
    said = [
        {"text": " Hello.", "start": 0.0, "end": 1.0, "no_speech_prob": 0.1},
        {"text": " Thank you.", "start": 1.0, "end": 2.0, "no_speech_prob": 0.7},
        {"text": " and and and", "start": 2.0, "end": 3.0, "compression_ratio": 2.5},
    ]
    times = [("Hello", 0.1), ("Thank", 1.1), ("you", 1.5), ("and", 2.2)]
    body = {
        "text": "Hello. Thank you. and and and",
        "segments": said,
        "words": [{"word": word, "start": at, "end": at + 0.2} for word, at in times],
    }
    guarded = answered(body).text
    assert guarded.text == "Hello."
    assert [word.text for word in guarded.words] == ["Hello."]
    assert answered(body, guard=False).text.text == body["text"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'"x"', b"{}", b'{"text": null}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_transcription_is_a_protocol_trouble(body: bytes) -> None:
    with pytest.raises(TranscriberError) as caught:
        read_answer(body, guard=True)
    assert caught.value.kind == "protocol"


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
ITEM = "word start end probability text words no_speech_prob avg_logprob compression_ratio"
odd_item = st.fixed_dictionaries({}, optional=dict.fromkeys(ITEM.split(), anything))


@given(
    st.fixed_dictionaries(
        {"text": st.text(max_size=20)},
        optional={
            "words": st.lists(odd_item | anything, max_size=4) | anything,
            "segments": st.lists(odd_item | anything, max_size=3) | anything,
            "language": anything,
            "usage": anything,
        },
    )
)
def test_odd_fields_are_passed_over_and_times_never_go_back(body: dict[str, Any]) -> None:
    text = answered(body).text
    starts = [word.start_s for word in text.words]
    assert starts == sorted(starts)
    assert all(word.end_s >= word.start_s for word in text.words)
    assert text.confidence is None or 0.0 <= text.confidence <= 1.0


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error": {"message": "m", "type": "t", "code": "c"}}', "m", "c t"),
        (b'{"error": {"message": "m", "code": null}}', "m", ""),
        (b'{"error": "m"}', "m", ""),
        (b'{"detail": "m"}', "m", ""),
        (b'{"object": "error", "message": "m", "code": 400}', "m", "400"),
        (b'{"detail": {"error": {"message": "m", "type": "t"}}}', "m", "t"),
        (b'{"detail": [{"msg": "m"}]}', '[{"msg": "m"}]', ""),
        (b"plain\nwords", "plain words", ""),
        (b"[]", "[]", ""),
    ],
)
def test_errors_of_all_servers_are_understood(body: bytes, message: str, code: str) -> None:
    assert read_error(body) == ErrorBody(message, code)


@given(st.binary(max_size=200))
def test_whatever_an_error_says_is_a_short_line(body: bytes) -> None:
    message = read_error(body).message
    assert len(message) <= 300
    assert message.isprintable()


def test_a_refused_form_is_known_by_its_words() -> None:
    assert refuses_format(400, ErrorBody("response_format 'verbose_json' is not supported"))
    assert not refuses_format(400, ErrorBody("the model is unknown"))
    assert not refuses_format(500, ErrorBody("verbose_json"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Sun, 29 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sun, 29 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "999999"}, 3600.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds


def test_a_prompt_has_as_many_names_as_the_model_heeds() -> None:
    assert prompt_of("", ()) == ""
    assert prompt_of("", ("Ada", "Bob")) == "Ada, Bob."
    names = tuple(f"name{number}" for number in range(500))
    assert len(prompt_of("Before.", names)) < 620


# --- options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"base_url": "ftp://host/v1"}, "no address"),
        ({"base_url": "host"}, "no address"),
        ({"base_url": "http://[bad/v1"}, "no address"),
        ({"base_url": "https://user:pa55@host/v1"}, "a user, a query or a fragment"),
        ({"base_url": "https://host/v1?key=pa55"}, "a user, a query or a fragment"),
        ({"base_url": "http://api.openai.com/v1"}, "unencrypted"),
        ({"realtime_url": "https://host"}, "no address"),
        ({"model": " "}, "model"),
        ({"max_concurrent": 0}, "max_concurrent"),
        ({"request_timeout_s": -1.0}, "request_timeout_s"),
        ({"max_cost": 1.0}, "price_per_minute"),
        ({"price_per_minute": -1.0}, "price_per_minute"),
        ({"response_format": "srt"}, "response_format"),
        ({"modle": "x"}, "Did you mean 'model'"),
    ],
)
def test_options_that_cannot_work_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        build_options(OpenAIOptions, settings, "[plugins.openai]")
    assert "pa55" not in str(caught.value)


def test_a_key_from_the_environment_is_for_openai_alone() -> None:
    environ = {"OPENAI_API_KEY": "sk-environment"}
    assert OpenAIOptions().key(environ) == Secret("sk-environment")
    own = OpenAIOptions(base_url="http://127.0.0.1:8000/v1")
    assert own.key(environ) is None
    given_one = OpenAIOptions(base_url="http://127.0.0.1:8000/v1", api_key=Secret("k"))
    assert given_one.key(environ) == Secret("k")
    elsewhere = OpenAIOptions(api_key=Secret("k"), realtime_url="wss://other.example/v1/realtime")
    assert elsewhere.realtime_key(environ) is None
    assert OpenAIOptions(api_key=Secret("k")).realtime_key({}) == Secret("k")
    assert OpenAIOptions().realtime_address == "wss://api.openai.com/v1/realtime"


async def test_readiness_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from meetcore import TranscriberContext

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    missing = OpenAITranscriber().readiness()
    assert (missing.usable, "OPENAI_API_KEY" in missing.remedy) == (False, True)
    with pytest.raises(TranscriberError) as caught:
        async with OpenAITranscriber().open(TranscriberContext(bot_id="b", folder=tmp_path)):
            raise AssertionError("it opened")
    assert caught.value.kind == "auth"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert OpenAITranscriber().readiness().usable
    monkeypatch.delenv("OPENAI_API_KEY")
    own = OpenAITranscriber(OpenAIOptions(base_url="http://whisper.internal:8000/v1"))
    assert own.readiness().usable
    assert "whisper.internal" in own.readiness().because


# --- cost --------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.floats(0.3, 60.0), st.sampled_from(["answered", "failed", "open"])),
        max_size=30,
    )
)
def test_the_limit_holds_with_requests_on_their_way(requests: list[tuple[float, str]]) -> None:
    account, on_their_way = CostLimit(0.6, "USD", 1.0), 0.0
    for seconds, end in requests:
        if account.spent + on_their_way + seconds * 0.01 > 1.0 + 1e-9:
            with pytest.raises(TranscriberError, match="used up") as caught:
                account.reserve(seconds)
            assert (caught.value.kind, caught.value.retryable) == ("quota", False)
            continue
        if account.spent + on_their_way + seconds * 0.01 > 1.0 - 1e-9:
            continue  # too near to tell
        account.reserve(seconds)
        if end == "answered":
            assert account.charge(seconds, seconds).cost == pytest.approx(seconds * 0.01)
        elif end == "failed":
            account.release(seconds)
        else:
            on_their_way += seconds * 0.01
        assert account.spent + on_their_way <= 1.0 + 1e-9


def test_without_a_price_there_is_no_cost() -> None:
    account = CostLimit(None, "USD", None)
    account.reserve(60.0)
    usage = account.charge(60.0, 60.0)
    assert (usage.billed_s, usage.cost, usage.currency) == (60.0, None, None)
