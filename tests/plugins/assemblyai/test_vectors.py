"""Every message of AssemblyAI's public documentation that is known here: sent or taken so."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import trio
from trio.testing import MockClock

from meetcore import FileRequest, Secret, TranscriberError
from meetcore_assemblyai.faults import AssemblyAIFaults
from meetcore_assemblyai.options import AssemblyAIOptions
from meetcore_assemblyai.stream import AssemblyAIStream
from meetcore_assemblyai.transcriber import AssemblyAITranscriber
from meetcore_assemblyai.turns import file_hypotheses
from meetcore_speech_api.requests import open_requests
from tests.plugins.assemblyai.test_conformance import stand_in_for, transcriber_at
from tests.plugins.deepgram.test_vectors import write_wav
from tests.plugins.speech_api.streams import Heard, KeptSocket, utter

ROWS = json.loads(Path(__file__).with_name("vectors.json").read_text("utf-8"))
VECTORS = {row["name"]: row["example"] for row in ROWS}
CLOSES = [row["example"] for row in ROWS if row["name"].startswith("close_")]
FAULTS = AssemblyAIFaults(provider="AssemblyAI", key_variable="ASSEMBLYAI_API_KEY")
NEVER_SENT = ("UpdateConfiguration", "KeepAlive", "webhook")
"""A session's settings stay; without an `inactivity_timeout` nothing is to be kept alive; results
are asked for, since a bot has no address of its own."""


@pytest.fixture
def clock():
    return MockClock(autojump_threshold=0.02)


def a_stream(heard: Heard, **options):
    return AssemblyAIStream(KeptSocket(), heard.request, AssemblyAIOptions(**options), FAULTS)


async def begun(heard: Heard, seconds: float = 5.0, **options):
    """Return a stream on which an utterance of some seconds was sent, at second 10 of the call."""
    stream = a_stream(heard, **options)
    await stream.begin_utterance("u", 160_000)
    stream.clock.sent(160_000, round(seconds * 16_000))
    return stream


def test_the_connection_is_asked_for_as_documented():
    example = VECTORS["connect"]
    transcriber = AssemblyAITranscriber(
        AssemblyAIOptions(
            key=Secret("k-1234"),
            model="universal-3-5-pro",
            min_turn_silence_ms=400,
            max_turn_silence_ms=1280,
        )
    )
    request = Heard(vocabulary=("meetcore", "Trio"), diarize=True).request
    ours = parse_qsl(urlsplit(transcriber.stream_url(request)).query)
    theirs = parse_qsl(urlsplit(example["url"]).query)
    assert [pair for pair in theirs if pair not in ours] == []
    assert urlsplit(transcriber.stream_url(request)).path == urlsplit(example["url"]).path
    assert transcriber.key_headers("<API_KEY>") == example["headers"]


async def test_a_session_sends_what_is_documented_and_nothing_else(clock):
    stand_in = stand_in_for()
    heard = Heard()
    async with (
        stand_in.serving() as url,
        transcriber_at(url, stand_in).stream(heard.request) as stream,
    ):
        await utter(stream, "u", 1.0, 1.02, step_s=0.02)
        await stream.flush()
    (session,) = stand_in.sessions
    assert VECTORS["audio"]
    assert all(50 <= frame <= 1000 for frame in session.frames_ms)
    assert sum(session.frames_ms) >= 1020, "the tail is padded, not left out"
    assert session.received == [VECTORS["ForceEndpoint"], VECTORS["Terminate"]]
    assert all(VECTORS[name] not in session.received for name in NEVER_SENT)
    assert session.closed == (1000, "")


async def test_a_session_begins_and_what_it_is_not_as_wished_is_told():
    heard = Heard(diarize=True)
    stream = a_stream(heard)
    stream.take(VECTORS["Begin"])
    assert stream._begun.is_set()
    assert heard.notices == [
        ("ignored", "AssemblyAI has model = universal-3-5-pro, though universal-3-6-pro was asked "
         "for."),
        ("ignored", "AssemblyAI has speaker_labels = False, though True was asked for."),
    ]  # fmt: skip
    older = Heard()
    stream = a_stream(older)
    stream.take(VECTORS["Begin_old"])
    assert stream._begun.is_set()
    assert older.notices == []


async def test_unfinished_words_of_a_universal_streaming_turn_are_in_the_draft():
    heard = Heard()
    stream = await begun(heard, model="universal-streaming-english")
    stream.take(VECTORS["Turn_partial_universal"])
    (draft,) = heard.results
    assert (draft.text, draft.final) == ("Hi, my name is", False)
    assert draft.words[0].start_s == 12.16


async def test_a_universal_3_turn_becomes_a_draft_and_a_final():
    heard = Heard()
    stream = await begun(heard)
    stream.take(VECTORS["SpeechStarted"])
    stream.take(VECTORS["Turn_partial_u3pro"])
    await stream.end_utterance("u", 160_000 + 80_000, "silence")
    stream.take(VECTORS["Turn_final_u3pro"])
    draft, settled, final = heard.results
    assert (draft.text, draft.settled_words) == ("My name is—", 0)
    assert (settled.text, settled.settled_words) == ("My name is Sonny.", 4)
    assert (final.text, final.final) == ("My name is Sonny.", True)
    assert final.words[-1].end_s == 14.155
    stream.take(VECTORS["Turn_final_u3pro"])
    assert len(heard.results) == 3, "a turn that comes again is not said again"


async def test_labels_that_are_revised_come_after_the_final():
    heard = Heard(diarize=True)
    stream = await begun(heard)
    await stream.end_utterance("u", 160_000 + 80_000, "silence")
    stream.take(VECTORS["Turn_final_diarized"])
    stream.assembly.finish(5.0)
    (final,) = heard.finals
    assert {word.speaker for word in final.words} == {"A"}
    assert (final.language, final.text) == ("en", "Hello there.")
    stream.take(VECTORS["SpeakerRevision"])
    again = heard.finals[-1]
    assert (again.utterance_id, again.text) == ("u", "Hello there.")
    assert {word.speaker for word in again.words} == {"B"}
    assert again.revision > final.revision


async def test_a_heartbeat_that_hears_speech_is_no_answer_and_one_that_hears_none_is(clock):
    heard = Heard()
    stream = await begun(heard)
    await trio.sleep(3)
    before = stream._answered_at
    stream.take(VECTORS["Heartbeat"])
    assert stream._answered_at == before
    stream.take({**VECTORS["Heartbeat"], "max_speech_probability": 0.1})
    assert stream._answered_at > before


async def test_a_warning_is_told():
    heard = Heard()
    a_stream(heard).take(VECTORS["Warning"])
    assert heard.notices == [("warning", "AssemblyAI warns: ...")]


@pytest.mark.parametrize(
    ("name", "kind", "retryable"),
    [("Error", "server", True), ("Error_untyped", "auth", False)],
)
async def test_an_error_ends_the_session_as_the_close_behind_it_would(name, kind, retryable):
    with pytest.raises(TranscriberError) as caught:
        a_stream(Heard()).take(VECTORS[name])
    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)


async def test_the_last_word_of_a_session():
    stream = a_stream(Heard())
    stream.take(VECTORS["Termination"])
    assert stream._closed.is_set()


KINDS = {
    "Missing Authorization header": ("auth", False),
    "Too many concurrent sessions": ("rate", True),
    "An error occurred": ("server", True),
    "Invalid JSON": ("bad_request", False),
    "Invalid Message Type": ("bad_request", False),
    "Input duration violation": ("protocol", True),
    "Audio Transmission Rate Exceeded": ("protocol", True),
    "Maximum session duration exceeded": ("server", True),
}


@pytest.mark.parametrize("example", CLOSES, ids=lambda each: f"{each['code']}")
def test_a_close_is_sorted_by_the_table(example):
    trouble = FAULTS.of_close(example["code"], example["reason"])
    (wanted,) = [kind for words, kind in KINDS.items() if words in example["reason"]]
    assert (trouble.kind, trouble.retryable) == wanted
    if trouble.kind == "rate":
        assert trouble.retry_after_s == 30.0


async def test_a_key_is_checked_with_a_token_that_is_thrown_away():
    stand_in = stand_in_for()
    async with stand_in.serving() as url:
        said = await transcriber_at(url, stand_in).check()
    (question,) = stand_in.questions
    theirs = urlsplit(VECTORS["token"]["url"])
    assert (question.method, question.path) == ("GET", theirs.path)
    assert set(question.query) <= set(parse_qsl(theirs.query))
    assert "token" in VECTORS["token_response"]
    assert "nothing was charged" in said


async def test_a_file_is_uploaded_queued_and_asked_for_as_documented(tmp_path, clock):
    stand_in = stand_in_for()
    path = tmp_path / "sound.wav"
    write_wav(path)
    async with stand_in.serving() as url:
        request = FileRequest(
            path=path, media_type="audio/wav", vocabulary=("meetcore",), diarize=True
        )
        (said,) = await transcriber_at(url, stand_in).transcribe_file(request)
    upload, create, *asked = stand_in.questions
    assert upload.path == urlsplit(VECTORS["upload"]["url"]).path
    assert upload.headers["content-type"] == VECTORS["upload"]["headers"]["Content-Type"]
    assert upload.body == path.read_bytes()
    example, ours = VECTORS["transcript_create"], json.loads(create.body)
    assert create.path == urlsplit(example["url"]).path
    assert set(example["body"]) - set(ours) == {"webhook_url"}
    differs = {name for name, value in ours.items() if example["body"][name] != value}
    assert differs == {"audio_url", "speech_models"}
    assert set(VECTORS["upload_response"]) == {"upload_url"}
    assert len(asked) == 2
    assert (said.text, said.words[0].speaker, said.language) == ("W0 W1 W2 W3", "A", "en-US")


def test_the_answer_about_a_file_has_an_utterance_each_or_is_cut_at_pauses():
    answer = VECTORS["transcript_completed"]
    (said,) = file_hypotheses(answer)
    assert (said.language, said.words[0].start_s, said.words[0].speaker) == ("en-US", 0.25, "A")
    words = [
        {
            "text": f"w{n}.",
            "start": n * 1000 + 3000 * (n > 2),
            "end": n * 1000 + 3000 * (n > 2) + 900,
        }
        for n in range(30)
    ]
    first, second, third = file_hypotheses({"words": words, "utterances": None})
    assert first.text == "w0. w1. w2."
    assert third.words[0].start_s - second.words[0].start_s >= 20
    assert file_hypotheses(VECTORS["transcript_queued"]) == ()


async def test_a_file_that_cannot_be_transcribed_says_why(tmp_path, clock):
    stand_in = stand_in_for()
    (tmp_path / "x.wav").write_bytes(b"no sound")
    async with stand_in.serving() as url:
        transcriber = transcriber_at(url, stand_in)
        with pytest.raises(TranscriberError, match="does not appear to contain audio") as caught:
            await transcriber.transcribe_file(
                FileRequest(path=tmp_path / "x.wav", media_type="audio/wav")
            )
    assert not caught.value.retryable
    assert set(VECTORS["transcript_error"]) == {"id", "status", "error"}


@pytest.mark.parametrize(
    ("name", "kind"), [("http_401", "auth"), ("http_403_upload", "auth"), ("http_429", "rate")]
)
def test_a_refused_request_is_told_in_their_words(name, kind):
    example = VECTORS[name]
    headers = {key.lower(): value for key, value in example.get("headers", {}).items()}
    trouble = FAULTS.of_status(example["status"], headers, json.dumps(example["body"]))
    assert trouble.kind == kind
    assert example["body"]["error"] in trouble.message
    assert trouble.retry_after_s == (5.0 if kind == "rate" else None)


async def test_requests_wait_as_long_as_they_are_asked_to(clock):
    from tests.plugins.assemblyai.test_conformance import MISBEHAVIOURS

    stand_in = stand_in_for(MISBEHAVIOURS["rate_limit"])
    async with (
        stand_in.serving() as url,
        open_requests(url, {"Authorization": stand_in.key}, FAULTS, timeout_s=10) as requests,
    ):
        before = trio.current_time()
        assert (await requests.get("/v3/token"))["token"]
        assert 3 <= trio.current_time() - before < 4


def test_every_row_was_looked_at():
    text = Path(__file__).read_text("utf-8")
    strings = {n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant)}
    assert {name for name in VECTORS if not name.startswith("close_")} - strings == set()
    assert len(CLOSES) == sum(row["name"].startswith("close_") for row in ROWS) == 9
