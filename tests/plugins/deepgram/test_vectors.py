"""Every message of Deepgram's public documentation that is known here: sent so, or taken so."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from meetcore import FileRequest, Secret, TranscriberError
from meetcore_deepgram.faults import DeepgramFaults
from meetcore_deepgram.options import DeepgramOptions
from meetcore_deepgram.results import file_hypotheses
from meetcore_deepgram.stream import DeepgramStream
from meetcore_deepgram.transcriber import DeepgramTranscriber
from tests.plugins.deepgram.test_conformance import SPEECH, stand_in_for, transcriber_at
from tests.plugins.speech_api.streams import Heard, KeptSocket, utter

ROWS = json.loads(Path(__file__).with_name("vectors.json").read_text("utf-8"))
VECTORS = {f"{row['provider']}:{row['name']}": row["example"] for row in ROWS}
FAULTS = DeepgramFaults(provider="Deepgram", key_variable="DEEPGRAM_API_KEY")
NEVER_SENT = {
    "deepgram:connect_bearer": "temporary tokens are for browsers; the key is ours",
    "deepgram:Finalize_channel": "a stream has one channel",
    "deepgram:prerecorded_url": "files are sent, not pointed at",
    "deepgram-flux:connect": "Flux is refused: it is made for voice agents",
    "deepgram-flux:Configure": "its thresholds are Flux's",
    "deepgram-flux:CloseStream": "the same message as Nova's",
}
FLUX_SAYS = ("Connected", "TurnInfo", "ConfigureSuccess")


def vector(name: str):
    return VECTORS[name]


def a_stream(heard: Heard, **options):
    return DeepgramStream(KeptSocket(), heard.request, DeepgramOptions(**options), FAULTS)


def test_the_connection_is_asked_for_as_documented():
    example = vector("deepgram:connect")
    key = Secret("k-1234")
    options = DeepgramOptions(key=key, url="https://api.eu.deepgram.com", language="en")
    transcriber = DeepgramTranscriber(options)
    request = Heard(vocabulary=("meetcore", "Trio"), diarize=True).request
    ours = parse_qsl(urlsplit(transcriber.stream_url(request)).query)
    theirs = parse_qsl(urlsplit(example["url"]).query)
    assert [pair for pair in theirs if pair not in ours] == [("vad_events", "true")]
    assert transcriber.key_headers("<API_KEY>") == example["headers"]


@pytest.fixture
def clock():
    return MockClock(autojump_threshold=0.02)


async def test_a_session_sends_what_is_documented_and_nothing_else(clock):
    stand_in = stand_in_for()
    heard = Heard(vocabulary=("meetcore",))
    async with stand_in.serving() as url:
        transcriber = transcriber_at(url, stand_in)
        async with transcriber.stream(heard.request) as stream:
            await utter(stream, "u", 1.0, 1.0)
            await trio.sleep(9)
    (session,) = stand_in.sessions
    assert vector("deepgram:audio")
    assert all(frame > 0 for frame in session.frames_ms), "an empty frame closes the stream"
    said = [json.dumps(message) for message in session.received]
    wanted = [vector(f"deepgram:{name}") for name in ("Finalize", "KeepAlive", "CloseStream")]
    configure = {"type": "Configure", "keyterms": ["meetcore"]}
    assert set(said) == {json.dumps(each) for each in (*wanted, configure)}
    assert said[-1] == json.dumps(wanted[-1])
    never = ("deepgram:Finalize_channel", "deepgram-flux:Configure")
    assert not set(said) & {json.dumps(VECTORS[name]) for name in never}


async def test_results_become_drafts_and_finals_on_the_calls_clock():
    heard = Heard()
    stream = a_stream(heard)
    await stream.begin_utterance("u", 160_000)
    stream.clock.sent(160_000, round(5.2 * 16_000))
    stream.take(vector("deepgram:Results_interim"))
    (draft,) = heard.results
    assert (draft.text, draft.final, draft.settled_words) == ("good morning", False, 0)
    assert [word.start_s for word in draft.words] == [10.24, 10.48]
    assert [word.text for word in draft.words] == ["Good", "morning"]
    stream.take(vector("deepgram:Results_final_not_endpoint"))
    settled = heard.results[-1]
    assert (settled.text, settled.final, settled.settled_words) == (
        "Good morning everyone", False, 3,
    )  # fmt: skip
    stream.take(vector("deepgram:Results_final_endpoint"))
    stream.take(vector("deepgram:SpeechStarted"))
    stream.take(vector("deepgram:UtteranceEnd"))
    assert not heard.finals
    await stream.end_utterance("u", 160_000 + round(5.2 * 16_000), "silence")
    stream.take(vector("deepgram:Results_from_finalize_empty"))
    (final,) = heard.finals
    assert final.text == "Good morning everyone Thank you."
    assert [word.speaker for word in final.words] == ["0", "0", "0", "1", "1"]
    assert final.words[-1].end_s == pytest.approx(13.9)
    stream.take(vector("deepgram:Metadata"))
    assert stream._closed.is_set()


async def test_another_channel_is_not_ours():
    heard = Heard()
    stream = a_stream(heard)
    await stream.begin_utterance("u", 0)
    stream.clock.sent(0, 32_000)
    stream.take(vector("deepgram:Results_multichannel"))
    assert heard.results == []


@pytest.mark.parametrize("name", FLUX_SAYS)
async def test_what_flux_alone_says_is_passed_over(name):
    heard = Heard()
    stream = a_stream(heard)
    await stream.begin_utterance("u", 0)
    stream.clock.sent(0, 32_000)
    stream.take(vector(f"deepgram-flux:{name}"))
    assert (heard.results, heard.notices) == ([], [])


async def test_a_refused_configuration_is_told():
    heard = Heard()
    stream = DeepgramStream(KeptSocket(), heard.request, DeepgramOptions(), FAULTS, ("Trio",))
    stream.take(vector("deepgram-flux:ConfigureFailure"))
    assert heard.notices == [("ignored", "Deepgram did not take the vocabulary (Trio).")]


async def test_an_error_ends_the_session():
    with pytest.raises(TranscriberError) as caught:
        a_stream(Heard()).take(vector("deepgram-flux:Error"))
    assert (caught.value.kind, caught.value.retryable) == ("server", True)


@pytest.mark.parametrize(
    ("name", "kind", "retryable"),
    [
        ("close_idle", "network", True),
        ("close_no_text_frame", "server", True),
        ("close_bad_audio", "bad_request", False),
    ],
)
def test_a_close_means_what_its_words_say(name, kind, retryable):
    example = vector(f"deepgram:{name}")
    trouble = FAULTS.of_close(example["code"], example["reason"])
    assert (trouble.kind, trouble.retryable) == (kind, retryable)
    by_another_number = FAULTS.of_close(1002, example["reason"])
    assert by_another_number.retryable == retryable


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("handshake_error_headers", "auth"),
        ("error_legacy", "bad_request"),
        ("error_modern", "bad_request"),
    ],
)
def test_a_refusal_is_told_in_deepgrams_words(name, kind):
    example = vector(f"deepgram:{name}")
    body = json.dumps(example["body"]) if "body" in example else ""
    trouble = FAULTS.of_status(example["status"], example.get("headers", {}), body)
    assert (trouble.kind, trouble.retryable) == (kind, False)
    told = example.get("body", {})
    assert told.get("err_msg", told.get("message", "")) in trouble.message


async def test_a_file_is_sent_as_documented(tmp_path):
    example = vector("deepgram:prerecorded_file")
    stand_in = stand_in_for()
    path = tmp_path / "sound.wav"
    write_wav(path)
    async with stand_in.serving() as url:
        request = FileRequest(path=path, media_type="audio/wav", language="en", diarize=True)
        said = await transcriber_at(url, stand_in).transcribe_file(request)
    (question,) = stand_in.questions
    theirs = parse_qsl(urlsplit(example["url"]).query)
    missing = [pair for pair in theirs if pair not in question.query]
    assert missing == [("multichannel", "false")], "which is the default"
    assert question.headers["content-type"] == example["headers"]["Content-Type"]
    assert question.headers["authorization"] == f"Token {stand_in.key}"
    assert question.body == path.read_bytes()
    assert [hypothesis.text for hypothesis in said] == ["W0 W1 W2 W3".lower()]
    assert said[0].words[0].speaker == "0"


def write_wav(path: Path) -> None:
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(SPEECH.astype("<i2").tobytes())


def test_the_answer_about_a_file_has_an_utterance_each():
    (said,) = file_hypotheses(vector("deepgram:prerecorded_response"))
    assert said.text.startswith("four score and seven years ago our fathers")
    assert (said.start_s, said.end_s, said.language) == (0.41915998, 5.43012, "en")
    answer = json.loads(json.dumps(VECTORS["deepgram:prerecorded_response"]))
    del answer["results"]["utterances"]
    (whole,) = file_hypotheses(answer)
    assert whole.text == "four score and seven years ago"
    assert whole.words[0] == evolve(whole.words[0], text="Four", speaker="0")


def test_an_answer_that_comes_by_a_callback_is_none():
    with pytest.raises(KeyError):
        file_hypotheses(vector("deepgram:prerecorded_callback_accepted"))


def test_every_row_was_looked_at():
    """The last one of this file, since it looks at what the others used."""
    import ast

    text = Path(__file__).read_text("utf-8")
    strings = {n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant)}
    named = {f"deepgram:{each}" for each in strings} | strings
    named |= {f"deepgram-flux:{each}" for each in FLUX_SAYS}
    assert set(VECTORS) - named == set()
