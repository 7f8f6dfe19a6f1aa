"""Keys, options, refusals and frames: what is bad is refused in words, and no key is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from meetcore import ConfigError, Redactor, Secret, TranscriberError, UnknownOption, build_options
from meetcore_assemblyai.options import AssemblyAIOptions
from meetcore_deepgram.options import DeepgramOptions
from meetcore_deepgram.transcriber import DeepgramTranscriber
from meetcore_speech_api.faults import ProviderFaults, retry_after_s, words_of
from meetcore_speech_api.keys import find_key
from meetcore_speech_api.pace import FrameCutter, Pace

NAME = "DEEPGRAM_API_KEY"


def test_an_option_goes_before_the_environment_and_that_before_the_file(tmp_path):
    file = tmp_path / "secrets.env"
    file.write_text(f"# keys\nexport OTHER='x'\n\n{NAME}=\"of the file\"\n")
    environ = {NAME: "of the environment"}
    found = [
        find_key(Secret("of the option"), NAME, file, environ),
        find_key(None, NAME, file, environ),
        find_key(None, NAME, file, {}),
        find_key(None, NAME, None, {}),
    ]
    assert [key and key.secret.reveal() for key in found] == [
        "of the option", "of the environment", "of the file", None,
    ]  # fmt: skip
    assert "of the" not in repr(found)


@pytest.mark.parametrize("text", ["no line of the kind\n", b"\xff\xfe"])
def test_a_file_that_is_none_of_secrets_is_refused_without_its_text(tmp_path, text):
    file = tmp_path / "secrets.env"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        find_key(None, NAME, file, {})
    assert "no line of the kind" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "k-1234"])
def test_a_transcriber_is_usable_where_a_key_is_set(monkeypatch, value):
    monkeypatch.setenv(NAME, value)
    ready = DeepgramTranscriber().readiness()
    assert ready.usable == bool(value)
    assert NAME in (ready.because if value else ready.remedy)
    assert "k-1234" not in repr(ready)


async def test_without_a_key_nothing_is_opened(monkeypatch, tmp_path):
    from meetcore import TranscriberContext

    monkeypatch.delenv(NAME, raising=False)
    with pytest.raises(TranscriberError) as caught:
        async with DeepgramTranscriber().open(TranscriberContext(bot_id="b", folder=tmp_path)):
            raise AssertionError("it opened")
    assert (caught.value.kind, caught.value.retryable) == ("auth", False)
    assert NAME in caught.value.remedy


@pytest.mark.parametrize("kind", [DeepgramOptions, AssemblyAIOptions])
@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://api.example.org"},
        {"url": "https://"},
        {"url": "ftp://127.0.0.1"},
        {"url": "https://api.example.org?key=1"},
        {"max_streams": 0},
        {"stall_s": 0.1},
        {"idle_timeout_s": -1},
        {"model": 7},
        {"price_per_hour": 3},
    ],
)
def test_options_that_cannot_work_are_refused(kind, settings):
    with pytest.raises(ConfigError):
        build_options(kind, settings, "[plugins.x]")


def test_unknown_options_are_refused_and_more_that_cannot_work():
    with pytest.raises(UnknownOption, match="modle"):
        build_options(DeepgramOptions, {"modle": "nova-3"}, "[plugins.deepgram]")
    for settings in ({"model": "flux-general-en"}, {"endpointing_ms": 1}, {"diarize_model": "v2"}):
        with pytest.raises(ConfigError):
            build_options(DeepgramOptions, settings, "[plugins.deepgram]")
    for settings in ({"files_url": "http://x.org"}, {"mode": "fast"}, {"max_speakers": 11}):
        with pytest.raises(ConfigError):
            build_options(AssemblyAIOptions, settings, "[plugins.assemblyai]")


def test_options_shape_what_the_core_may_ask():
    options = build_options(
        DeepgramOptions,
        {"max_streams": 3, "idle_timeout_s": "never", "final_timeout_s": 9, "key": "k-1234",
         "price_per_hour": {"nova-3": 0.6}},
        "[plugins.deepgram]",
    )  # fmt: skip
    limits = DeepgramTranscriber(options).capabilities
    assert (limits.max_streams, limits.idle_timeout_s, limits.final_timeout_s) == (3, None, 9.0)
    usage = options.usage("nova-3", 60)
    assert (usage.billed_s, usage.cost, usage.currency) == (60, 0.01, "USD")
    assert options.usage("nova-2", 60).cost is None
    assert "k-1234" not in repr(options)


def test_what_is_not_for_files_says_so_in_the_contract():
    assert DeepgramTranscriber.capabilities.files


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("9999", 300.0), ("soon", None), (None, None),
     ("nan", None)],
)  # fmt: skip
def test_how_long_to_wait_is_read_from_the_header(value, seconds):
    assert retry_after_s(value) == seconds


def test_a_date_to_wait_for_is_read_too():
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    waited = retry_after_s(at)
    assert waited is not None
    assert 50 < waited <= 60


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"err_code": "X", "err_msg": "not good"}', "not good"),
        ('{"category": "A", "message": "bad", "details": "line 7"}', "bad: line 7"),
        ("<html>gateway</html>", ""),
        ("plain\n text", "plain text"),
        (b"\xff", "\ufffd"),
        (None, ""),
    ],
)
def test_an_answer_is_told_in_its_words(body, words):
    assert words_of(body) == words


@given(st.binary(max_size=300))
def test_any_answer_can_be_told(body):
    assert len(words_of(body)) <= 300


@pytest.mark.parametrize("status", range(300, 600, 7))
def test_every_status_is_sorted_and_the_key_is_in_none(status):
    faults = ProviderFaults(provider="P", key_variable="K", redactor=Redactor(["k-1234"]))
    trouble = faults.of_status(status, {}, "your key k-1234 is not good")
    assert "k-1234" not in str(trouble)
    assert trouble.retryable == (status >= 500)


@given(
    st.lists(st.integers(1, 40_000), min_size=1, max_size=30),
    st.sampled_from([(0, 1000), (50, 200), (50, 1000), (100, 100)]),
)
def test_frames_are_of_the_lengths_that_are_taken_and_nothing_is_lost(lengths, limits):
    shortest, longest = limits
    cutter = FrameCutter(shortest, longest)
    sound = np.arange(sum(lengths), dtype="<i2").tobytes()
    frames, at = [], 0
    for length in lengths:
        frames += cutter.add(sound[at : at + 2 * length])
        at += 2 * length
    rest, padding = cutter.rest()
    frames += [rest] if rest else []
    assert b"".join(frames)[: len(sound)] == sound
    assert b"".join(frames)[len(sound) :] == bytes(2 * padding)
    assert all(0 < len(frame) <= longest * 32 for frame in frames)
    assert all(len(frame) >= shortest * 32 for frame in frames)
    assert cutter.rest() == (b"", 0)


async def test_audio_goes_no_faster_than_real_time_but_for_a_burst(autojump_clock):
    pace, began = Pace(0.5), trio.current_time()
    for number in range(100):
        await pace.wait(0.2)
        sent_s = (number + 1) * 0.2
        assert sent_s <= trio.current_time() - began + 0.5 + 1e-6
    assert trio.current_time() - began == pytest.approx(19.5)
    await trio.sleep(60)
    before = trio.current_time()
    await pace.wait(0.5)
    assert trio.current_time() == before
    await pace.wait(0.5)
    assert trio.current_time() == pytest.approx(before + 0.5), "a pause is no credit"
