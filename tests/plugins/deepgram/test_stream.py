"""What is particular to Deepgram: silence, finals that are not announced, terms, languages."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

import meetcore
from meetcore_deepgram.faults import DeepgramFaults
from meetcore_deepgram.keyterms import MOST_TOKENS, fitting_keyterms, tokens_of
from meetcore_deepgram.options import DeepgramOptions
from meetcore_deepgram.stream import DeepgramStream
from meetcore_deepgram.testing import StandInFault
from meetcore_deepgram.transcriber import DeepgramTranscriber
from tests.plugins.deepgram.test_conformance import stand_in_for, transcriber_at
from tests.plugins.speech_api.meetings import Meeting, attend, talk
from tests.plugins.speech_api.streams import Heard, KeptSocket, utter

FAULTS = DeepgramFaults(provider="Deepgram", key_variable="DEEPGRAM_API_KEY")


@pytest.fixture
def clock():
    return MockClock(autojump_threshold=0.02)


def results(start_s, end_s, *words, final=True, **more):
    return {
        "type": "Results", "channel_index": [0, 1], "start": start_s, "duration": end_s - start_s,
        "is_final": final, **more,
        "channel": {"alternatives": [{"transcript": " ".join(words), "words": [
            {"word": w, "start": start_s + n * 0.1, "end": start_s + n * 0.1 + 0.1}
            for n, w in enumerate(words)
        ]}]},
    }  # fmt: skip


async def test_the_connection_of_somebody_who_is_muted_stays_open(clock):
    stand_in, heard = stand_in_for(), Heard()
    async with (
        stand_in.serving() as url,
        transcriber_at(url, stand_in).stream(heard.request) as stream,
    ):
        await utter(stream, "u", 1.0, 1.0)
        await trio.sleep(50)
        await utter(stream, "v", 60.0, 1.0)
        await stream.flush()
    (session,) = stand_in.sessions
    assert session.closed == (1000, "")
    assert len(heard.finals) == 2
    assert 10 <= sum(each["type"] == "KeepAlive" for each in session.received) <= 13


async def made(seconds=2.0):
    heard = Heard()
    stream = DeepgramStream(KeptSocket(), heard.request, DeepgramOptions(), FAULTS)
    await utter(stream, "u", 1.0, seconds)
    return heard, stream


async def test_a_finalize_that_had_next_to_nothing_to_do_need_not_be_answered(autojump_clock):
    heard, stream = await made()
    stream.take(results(0.0, 1.7, "all", "of", "it"))
    assert stream.finals_due_at() == trio.current_time() + 2
    stream.finals_not_announced()
    assert [final.text for final in heard.finals] == ["all of it"]


@pytest.mark.parametrize(
    "said",
    [
        (),
        (results(0.0, 1.2, "some", "of", "it"),),
        (results(0.0, 1.7, "some"), results(1.7, 2.0, "more", final=False)),
    ],
    ids=["nothing came", "much is open", "words are guessed"],
)
async def test_where_words_may_still_come_they_are_waited_for(said, autojump_clock):
    heard, stream = await made()
    for message in said:
        stream.take(message)
    stream.finals_not_announced()
    assert heard.finals == []
    assert stream.finals_due_at() == float("inf")


async def test_a_late_answer_to_an_earlier_finalize_ends_no_later_utterance():
    heard, stream = await made()
    stream.take(results(0.0, 2.0, "all", "of", "it"))
    await utter(stream, "v", 9.0, 2.0)
    stream.take(results(2.0, 2.01, from_finalize=True))
    assert [final.utterance_id for final in heard.finals] == ["u"]
    stream.take(results(2.01, 3.7, "more", from_finalize=True))
    assert [final.text for final in heard.finals] == ["all of it", "more"]


async def test_a_range_that_was_final_is_not_taken_again_nor_its_beginning():
    heard, stream = await made(4.0)
    stream.take(results(0.0, 1.0, "one", "two"))
    stream.take(results(0.0, 1.0, "one", "two"))
    stream.take(results(0.9, 4.0, "two", "three", "four", from_finalize=True))
    (final,) = heard.finals
    assert final.text == "one two three four"


def test_terms_are_counted_before_they_are_sent():
    terms = [f"Name{number:04}" for number in range(400)]
    taken, left = fitting_keyterms(["meetcore", "meetcore", " ", *terms])
    assert sum(map(tokens_of, taken)) <= MOST_TOKENS
    assert taken[0] == "meetcore"
    assert [*taken[1:], *left] == terms


async def test_terms_that_find_no_room_are_told_and_the_others_are_sent(clock):
    terms = tuple(f"Name{number:04}" for number in range(400))
    stand_in, heard = stand_in_for(), Heard(vocabulary=terms)
    async with (
        stand_in.serving() as url,
        transcriber_at(url, stand_in).stream(heard.request) as stream,
    ):
        for number in range(5):
            await utter(stream, f"u{number}", 10.0 * number, 1.0)
            await trio.sleep(9)
        await stream.flush()
    (session,) = stand_in.sessions
    ((kind, told),) = heard.notices
    assert kind == "ignored"
    assert "left out: Name0166" in told
    sent = next(each["keyterms"] for each in session.received if each["type"] == "Configure")
    assert tuple(sent) == terms[:166]
    assert len(heard.finals) == 5, "it is not cut off after half a minute"


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"url": "https://api.eu.deepgram.com"}, "keyterm"), ({"model": "nova-2"}, "keywords"),
     ({}, None)],
)  # fmt: skip
def test_terms_go_the_way_that_the_host_and_the_model_know(settings, name):
    url = DeepgramTranscriber(DeepgramOptions(**settings)).stream_url(
        Heard(vocabulary=("Trio",)).request
    )
    assert [each for each in ("keyterm", "keywords") if f"{each}=Trio" in url] == [
        each for each in [name] if each
    ]


@pytest.mark.parametrize(("wished", "asked"), [("pt-BR", "pt-BR"), (None, "multi")])
def test_the_bots_language_goes_before_the_options(wished, asked):
    url = DeepgramTranscriber(DeepgramOptions(mip_opt_out=True, redact=("pii",))).stream_url(
        Heard(language=wished).request
    )
    assert f"language={asked}&" in url
    assert "mip_opt_out=true" in url
    assert "redact=pii" in url
    assert "diarize_model" not in url


async def test_another_model_than_asked_for_is_told_once():
    heard, stream = await made()
    arch = {"metadata": {"model_info": {"arch": "nova-2"}}}
    stream.take(results(0.0, 1.0, "a", **arch))
    stream.take(results(1.0, 2.0, "b", **arch))
    assert heard.notices == [
        ("ignored", "Deepgram transcribes with nova-2, though nova-3 was asked for.")
    ]


async def test_a_message_that_cannot_be_understood_ends_the_stream(clock):
    stand_in, heard = stand_in_for(), Heard()
    with pytest.raises(meetcore.TranscriberError) as caught:
        async with stand_in.serving() as url, transcriber_at(url, stand_in).stream(heard.request):
            await trio.sleep(0.1)
            stand_in.sessions[0].say({"type": "Results", "start": "soon"})
            await trio.sleep(5)
    assert (caught.value.kind, caught.value.retryable) == ("protocol", True)


def test_a_room_of_several_voices_has_their_labels(tmp_path):
    said = talk(6, speakers=(0, 0, 0, 1, 1, 1))
    stand_in = stand_in_for()
    stand_in.known = type(stand_in.known)(said.sound, said.words)
    outcome = attend(
        lambda url: transcriber_at(url, stand_in),
        stand_in,
        Meeting(said, mixed=True),
        tmp_path,
        transcription=meetcore.TranscriptionConfig(diarize=True),
    )
    outcome.check(said)
    assert [word.speaker for word in outcome.words] == ["0", "0", "0", "1", "1", "1"]
    assert len(outcome.segments) == 2, "cut where another voice speaks"


def test_no_key_is_in_what_is_told_when_it_is_not_taken(tmp_path):
    said = talk(2)
    key = "wrong-key-4711"
    stand_in = stand_in_for(StandInFault(kind="refuse", status=401, connections=(),
                                         body=f"the key {key} is unknown"))  # fmt: skip
    outcome = attend(
        lambda url: DeepgramTranscriber(DeepgramOptions(url=url, key=meetcore.Secret(key))),
        stand_in,
        Meeting(said),
        tmp_path,
    )
    (stopped,) = outcome.of(meetcore.TranscriptionStopped)
    assert "the key is not taken" in stopped.detail
    assert "DEEPGRAM_API_KEY" in stopped.detail
    assert all(key not in str(event) for event in outcome.events)
