"""What is particular to AssemblyAI: turns, silence, pace, labels that are revised."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import meetcore
from meetcore_assemblyai.faults import AssemblyAIFaults
from meetcore_assemblyai.options import AssemblyAIOptions
from meetcore_assemblyai.stream import AssemblyAIStream
from meetcore_assemblyai.testing import StandInFault
from meetcore_assemblyai.transcriber import AssemblyAITranscriber
from tests.plugins.assemblyai.test_conformance import stand_in_for, transcriber_at
from tests.plugins.speech_api.meetings import Meeting, attend, talk
from tests.plugins.speech_api.streams import Heard, KeptSocket, utter

FAULTS = AssemblyAIFaults(provider="AssemblyAI", key_variable="ASSEMBLYAI_API_KEY")


@pytest.fixture
def clock():
    return MockClock(autojump_threshold=0.02)


def turn(order, start_s, *words, ended=True, formatted=True):
    spoken = [
        {"text": w, "start": (start_s + n * 0.3) * 1000, "end": (start_s + n * 0.3 + 0.2) * 1000,
         "word_is_final": ended}
        for n, w in enumerate(words)
    ]  # fmt: skip
    return {
        "type": "Turn", "turn_order": order, "turn_is_formatted": formatted, "words": spoken,
        "end_of_turn": ended, "transcript": " ".join(words) if ended else "",
    }  # fmt: skip


def heartbeat(received_s, probability):
    return {
        "type": "Heartbeat",
        "total_audio_received_ms": received_s * 1000,
        "max_speech_probability": probability,
    }


async def made(seconds=3.0, **options):
    heard = Heard()
    stream = AssemblyAIStream(KeptSocket(), heard.request, AssemblyAIOptions(**options), FAULTS)
    await utter(stream, "u", 1.0, seconds)
    return heard, stream


async def test_a_turn_that_ended_early_is_not_taken_for_the_end_of_the_utterance(autojump_clock):
    heard, stream = await made(6.0)
    stream.take(turn(0, 0.3, "Hello."))
    assert heard.finals == []
    stream.take(turn(1, 5.2, "more", ended=False))
    stream.finals_not_announced()
    assert heard.finals == [], "a turn is open"
    stream.take(turn(1, 5.2, "More", "words."))
    assert [final.text for final in heard.finals] == ["Hello. More words."]


async def test_an_end_that_nothing_answers_is_taken_as_one_when_nothing_is_open(autojump_clock):
    heard, stream = await made(6.0)
    stream.take(turn(0, 0.3, "Hello."))
    assert stream.finals_due_at() <= trio.current_time() + 2
    stream.finals_not_announced()
    assert [final.text for final in heard.finals] == ["Hello."]


@pytest.mark.parametrize(
    ("beats", "finals"),
    [((), 0), ((heartbeat(2.0, 0.1),), 0), ((heartbeat(3.0, 0.9),), 0),
     ((heartbeat(3.0, 0.1),), 1)],
    ids=["it said nothing", "it has not got it all", "it heard speech", "it heard none"],
)  # fmt: skip
async def test_silence_is_final_only_when_the_provider_got_it_and_heard_no_speech(
    beats, finals, autojump_clock
):
    heard, stream = await made(3.0)
    for beat in beats:
        stream.take(beat)
    stream.finals_not_announced()
    assert len(heard.finals) == finals


async def test_a_turn_that_is_never_written_out_is_taken_as_it_is(autojump_clock):
    heard, stream = await made(model="universal-streaming-english")
    stream.take(turn(0, 2.0, "hello", formatted=False))
    assert heard.finals == []
    stream.finals_not_announced()
    assert [final.text for final in heard.finals] == ["hello"]


async def test_the_next_turn_ends_one_that_is_never_written_out(autojump_clock):
    heard, stream = await made(model="universal-streaming-english")
    stream.take(turn(0, 0.5, "hello", formatted=False))
    stream.take(turn(1, 2.0, "Again.", formatted=True))
    assert [final.text for final in heard.finals] == ["hello Again."]


async def test_a_turn_behind_an_utterance_ends_it(autojump_clock):
    heard, stream = await made(6.0)
    stream.take(turn(0, 1.0, "Hello."))
    await stream.begin_utterance("v", 320_000)
    stream.clock.sent(320_000, 32_000)
    stream.take(turn(1, 6.2, "new", ended=False))
    assert [final.text for final in heard.finals] == ["Hello."]
    assert heard.results[-2].utterance_id == "v" or heard.results[-1].utterance_id == "v"


async def test_a_replay_is_no_faster_than_real_time(clock):
    stand_in, heard = stand_in_for(), Heard()
    async with (
        stand_in.serving() as url,
        transcriber_at(url, stand_in).stream(heard.request) as stream,
    ):
        before = trio.current_time()
        await utter(stream, "u", 1.0, 12.0)
        assert trio.current_time() - before >= 11.4
    (session,) = stand_in.sessions
    assert session.closed == (1000, "")
    assert session.received[-1] == {"type": "Terminate"}


async def test_a_session_that_does_not_begin_is_trouble_that_passes(clock):
    stand_in = stand_in_for(StandInFault(kind="stall", connections=()))
    with pytest.raises(meetcore.TranscriberError, match="did not begin") as caught:
        async with stand_in.serving() as url, transcriber_at(url, stand_in).stream(Heard().request):
            raise AssertionError("it began")
    assert caught.value.retryable


async def test_a_stream_that_is_cancelled_is_terminated_all_the_same(clock):
    stand_in = stand_in_for()
    async with stand_in.serving() as url:
        with trio.move_on_after(5):
            async with transcriber_at(url, stand_in).stream(Heard().request) as stream:
                await utter(stream, "u", 1.0, 1.0)
                await trio.sleep_forever()
        await trio.sleep(1)
    (session,) = stand_in.sessions
    assert {"type": "Terminate"} in session.received, "it would be charged for three hours"


async def test_a_wrong_key_is_refused_and_not_tried_again(clock):
    stand_in = stand_in_for()
    with pytest.raises(meetcore.TranscriberError) as caught:
        async with stand_in.serving() as url:
            options = AssemblyAIOptions(url=url, files_url=url, key=meetcore.Secret("wrong-4711"))
            async with AssemblyAITranscriber(options).stream(Heard().request):
                raise AssertionError("it opened")
    assert (caught.value.kind, caught.value.retryable) == ("auth", False)
    assert "wrong-4711" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "language", "asked", "told"),
    [
        ("universal-3-6-pro", "pt-BR", "language_codes=%5B%22pt%22%5D", False),
        ("universal-3-6-pro", None, "language_detection=true", False),
        ("universal-streaming-english", "en", "speech_model=universal-streaming-english", False),
        ("universal-streaming-english", "de", "speech_model=universal-streaming-english", True),
    ],
)
def test_languages_are_asked_for_as_the_model_knows_them(model, language, asked, told):
    heard = Heard(language=language)
    url = AssemblyAITranscriber(AssemblyAIOptions(model=model)).stream_url(heard.request)
    assert asked in url
    assert bool(heard.notices) == told


def test_terms_that_are_not_taken_are_told():
    heard = Heard(vocabulary=("x" * 51, *(f"t{n}" for n in range(101))))
    url = AssemblyAITranscriber(AssemblyAIOptions()).stream_url(heard.request)
    assert "t99" in url
    assert "t100" not in url
    ((kind, words),) = heard.notices
    assert kind == "ignored"
    assert words.endswith(f"{'x' * 51}, t100.")


def test_labels_that_are_revised_reach_the_transcript_as_a_correction(tmp_path):
    said = talk(4, 3)
    stand_in = stand_in_for(StandInFault(kind="revise_speakers", connections=()))
    stand_in.known = type(stand_in.known)(said.sound, said.words)
    outcome = attend(
        lambda url: transcriber_at(url, stand_in),
        stand_in,
        Meeting(said, mixed=True, after_s=3.0),
        tmp_path,
        transcription=meetcore.TranscriptionConfig(diarize=True),
    )
    outcome.check(said)
    assert {word.speaker for word in outcome.words} == {"J"}
    first = outcome.of(meetcore.SegmentFinalized)[0].segment
    assert {word.speaker for word in first.words} == {"A"}
    assert [segment.correction for segment in outcome.segments] == [True, True]
