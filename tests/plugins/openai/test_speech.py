"""The voice `openai` against a stand-in that sends what real servers send, and worse."""

from __future__ import annotations

import time
from contextlib import aclosing, suppress

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

import meetcore
from meetcore import Redactor, Secret, SynthesisRequest
from meetcore.testing import SimMeeting
from meetcore_openai.options import OpenAIOptions
from meetcore_openai.synthesizer import LONGEST_PIECE, OpenAISynthesizer, SpeechRefused, pieces_of
from meetcore_openai.testing import open_speech_stand_in
from meetcore_openai.wav import WavStream

KEY = "sk-test-0123456789abcdef"


async def spoken(url: str, text: str, redactor=None, **options) -> list[bytes | str]:
    voice = OpenAISynthesizer(OpenAIOptions(speech_url=url, base_url=url, **options))
    request = SynthesisRequest(bot_id="b", text=text, redactor=redactor or Redactor())
    with trio.fail_after(10):
        async with aclosing(voice.synthesize(request)) as pieces:
            return [piece async for piece in pieces]


def sound_of(pieces: list[bytes | str]) -> bytes:
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


async def test_a_text_is_said_sentence_by_sentence_with_what_was_chosen():
    async with open_speech_stand_in(key=KEY) as server:
        pieces = await spoken(
            server.url, "Good morning. I take notes. And more.", api_key=Secret(KEY), voice="nova",
            speed=1.5, instructions="calmly", speech_model="tts-1",
        )  # fmt: skip
    texts = [piece for piece in pieces if isinstance(piece, str)]
    assert texts == ["Good morning.", "I take notes. And more."]
    assert sound_of(pieces) == b"".join(server.sound(text) for text in texts)
    assert server.requests[0] == {
        "model": "tts-1", "input": "Good morning.", "voice": "nova", "response_format": "pcm",
        "speed": 1.5, "instructions": "calmly",
    }  # fmt: skip


async def test_the_first_sound_is_there_while_the_rest_is_still_made():
    async with open_speech_stand_in() as server:
        voice = OpenAISynthesizer(OpenAIOptions(speech_url=server.url))
        server.fail("hang_in_answer")
        request = SynthesisRequest(bot_id="b", text="A sentence that is never said to its end.")
        began = time.perf_counter()
        async with aclosing(voice.synthesize(request)) as pieces:
            assert await anext(pieces) == request.text
            assert len(await anext(pieces)) > 0
        assert time.perf_counter() - began < 0.4 * 5, "0.4 s, with room for a busy machine"


@pytest.mark.parametrize("piece_bytes", [1, 7, 45, 100_000])
async def test_a_wav_file_is_taken_as_it_comes_however_it_is_cut(piece_bytes):
    async with open_speech_stand_in(
        rate_hz=8_000, piece_bytes=piece_bytes, seconds_per_letter=0.02
    ) as server:
        pieces = await spoken(server.url, "Yes.", speech_format="wav", speech_rate_hz=8_000)
    assert sound_of(pieces) == server.sound("Yes.")


async def test_half_a_sample_at_the_end_of_an_answer_is_no_part_of_the_next():
    async with open_speech_stand_in() as server:
        server.fail("half_a_sample")
        pieces = await spoken(server.url, "Good morning. I take notes.")
    first, second = (server.sound(text) for text in ("Good morning.", "I take notes."))
    assert len(sound_of(pieces)) % 2 == 0
    assert sound_of(pieces).startswith(first)
    assert sound_of(pieces).endswith(second)


@pytest.mark.parametrize(
    ("fault", "kind", "words", "remedy"),
    [
        ("unauthorized", "auth", "answered 401", "api_key"),
        ("rate_limit", "rate", "answered 429", "later"),
        ("out_of_money", "quota", "answered 429", "account"),
        ("odd_voice", "bad_request", "no such voice", "voice"),
        ("server_error", "server", "answered 500", "later"),
        ("redirect", "protocol", "answered 307", "base_url"),
        ("page", "protocol", "text/html, not with sound", "speech_url"),
        ("nothing", "protocol", "without any sound", "voice"),
        ("drop", "network", "cannot be reached, or broke off", "speech_url"),
        ("drop_in_answer", "network", "after 0.", "speech_url"),
        ("hang", "network", "was silent for 0.3 s", "speech_url"),
        ("hang_in_answer", "network", "was silent for 0.3 s", "speech_url"),
        ("endless", "protocol", "more than 180 s", "speech_url"),
    ],
)
async def test_what_goes_wrong_is_said_with_what_to_do(fault, kind, words, remedy):
    redactor = Redactor()
    async with open_speech_stand_in() as server:
        server.fail(fault)
        with pytest.raises(SpeechRefused) as refused:
            await spoken(
                server.url, "Good morning everybody.", redactor, api_key=Secret(KEY),
                request_timeout_s=0.3,
            )  # fmt: skip
    error = refused.value
    assert (error.kind, error.retry_after_s) == (kind, 3.0 if fault == "rate_limit" else None)
    assert words in error.message
    assert remedy in error.remedy
    assert KEY not in f"{error}{error!r}{error.__cause__!r}"


async def test_a_pause_that_is_asked_for_is_kept_to():
    async with open_speech_stand_in() as server:
        voice = OpenAISynthesizer(OpenAIOptions(speech_url=server.url))
        server.fail("rate_limit")
        for _ in range(2):
            with pytest.raises(SpeechRefused) as refused:
                async for _ in voice.synthesize(SynthesisRequest(bot_id="b", text="Hello.")):
                    pass
            assert refused.value.kind == "rate"
        assert len(server.requests) == 1


async def test_a_rate_that_is_another_is_told_with_the_option():
    async with open_speech_stand_in(rate_hz=16_000) as server:
        with pytest.raises(SpeechRefused, match="speaks at 16000 Hz") as refused:
            await spoken(server.url, "Hello.", speech_format="wav")
    assert "speech_rate_hz = 16000" in refused.value.remedy


async def test_a_key_goes_to_no_other_host(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert OpenAIOptions().speech_key() == Secret(KEY)
    assert OpenAIOptions(speech_url="http://127.0.0.1:1/v1").speech_key() is None
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(SpeechRefused, match="no key for OpenAI"):
        async for _ in OpenAISynthesizer().synthesize(SynthesisRequest(bot_id="b", text="Hello.")):
            pass


@pytest.mark.parametrize(
    "options",
    [
        {"speed": 9},
        {"voice": " "},
        {"speech_rate_hz": 100},
        {"speech_url": "ftp://x"},
        {"speech_url": "http://api.openai.com/v1"},
    ],
)
def test_what_cannot_work_is_refused_at_once(options):
    with pytest.raises(meetcore.ConfigError, match=next(iter(options))):
        OpenAIOptions(**options)


async def test_a_bot_says_it_in_a_meeting(tmp_path):
    script = '[[people]]\nid = "ada"\nname = "Ada"\n[admission]\nafter_s = 0\n[end]\nat_s = 600\n'
    async with open_speech_stand_in() as server:
        meeting = SimMeeting(script)
        config = meetcore.BotConfig(
            out_dir=tmp_path, fsync=False, synthesizer="openai",
            plugins={"openai": {"speech_url": server.url}},
        )  # fmt: skip
        async with meeting.open_bot(tmp_path, config=config) as bot:
            async for event in bot.events():
                if isinstance(event, meetcore.ParticipantJoined):
                    break
            assert await bot.say("Good morning.").wait()
            server.fail("odd_voice")
            with pytest.raises(meetcore.CommandFailed, match="no such voice"):
                await bot.say("Hello.").wait()
    (said,) = meeting.said
    assert said.sample_rate_hz == 24_000
    assert said.pcm == server.sound("Good morning.")
    assert np.abs(np.frombuffer(said.pcm, "<i2")).max() > 7000


@given(text=st.text(alphabet="ab .!?…。\n", max_size=1500))
def test_no_word_of_a_text_is_lost_or_too_long_to_ask_for(text):
    pieces = list(pieces_of(text))
    assert all(0 < len(piece) <= LONGEST_PIECE for piece in pieces)
    letters = "".join(c for c in text if c.isalnum())
    assert "".join(c for c in "".join(pieces) if c.isalnum()) == letters


@given(st.binary(max_size=200))
def test_any_bytes_are_a_file_or_refused(data):
    stream = WavStream()
    with suppress(ValueError):
        stream.feed(b"RIFF0000WAVE" + data)
    assert stream.rate_hz is None or 0 <= stream.rate_hz < 1 << 32
