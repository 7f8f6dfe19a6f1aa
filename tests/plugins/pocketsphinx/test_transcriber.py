"""The transcriber with its real worker process, on the recordings of the bundled rehearsal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import trio

from meetcore.audio.chunk import Chunk, Pcm
from meetcore.model.errors import ConfigError, TranscriberError
from meetcore.model.transcript import Hypothesis
from meetcore.plugin.transcriber import (
    StreamRequest,
    TranscriberContext,
    TranscriberStream,
    UntranscribedAudio,
)
from meetcore_pocketsphinx.options import PocketsphinxOptions
from meetcore_pocketsphinx.transcriber import PocketsphinxTranscriber

from .conftest import SAID

Result = Hypothesis | UntranscribedAudio
BLOCK_SAMPLES = 1_600
VOICES = ("ada-1", "ben-1", "callum-2", "ada-2", "ben-3", "callum-3")


def chunks(pcm: Pcm, start_sample: int = 0, track_id: str = "t1") -> list[Chunk]:
    return [
        Chunk(track_id, start_sample + at, pcm[at : at + BLOCK_SAMPLES])
        for at in range(0, len(pcm), BLOCK_SAMPLES)
    ]


def word_errors(said: str, heard: str) -> int:
    a, b = said.split(), heard.split()
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (word != other))
    return row[-1]


@asynccontextmanager
async def a_bot(
    tmp_path: Path, options: PocketsphinxOptions | None = None
) -> AsyncIterator[PocketsphinxTranscriber]:
    transcriber = PocketsphinxTranscriber(options)
    with trio.fail_after(60):
        async with transcriber.open(TranscriberContext(bot_id="b", folder=tmp_path)):
            yield transcriber


def request(results: list[Result], track_id: str = "t1") -> StreamRequest:
    return StreamRequest(bot_id="b", track_id=track_id, emit=results.append)


async def utter(
    stream: TranscriberStream, pcm: Pcm, name: str = "u1", start_sample: int = 0
) -> None:
    await stream.begin_utterance(name, start_sample)
    for chunk in chunks(pcm, start_sample):
        await stream.feed(chunk)
    await stream.end_utterance(name, start_sample + len(pcm), "silence")


def worker_pid(transcriber: PocketsphinxTranscriber) -> int:
    assert transcriber._keeper is not None
    worker = transcriber._keeper.current
    assert worker is not None
    assert worker.pid is not None
    return worker.pid


def finals(results: list[Result]) -> list[Hypothesis]:
    return [r for r in results if isinstance(r, Hypothesis) and r.final]


async def test_speech_is_transcribed_within_the_bound_on_its_error_rate(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    errors = words = 0
    async with a_bot(tmp_path) as transcriber:
        for name in VOICES:
            results: list[Result] = []
            async with transcriber.stream(request(results)) as stream:
                await utter(stream, recording(name))
            (final,) = finals(results)
            errors += word_errors(SAID[name], final.text)
            words += len(SAID[name].split())
    assert errors / words <= 0.15


async def test_words_have_times_on_the_calls_clock_and_a_confidence(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    pcm = recording("ben-1")
    later = 3 * 60 * 16_000
    first: list[Result] = []
    second: list[Result] = []
    async with a_bot(tmp_path) as transcriber:
        for results, start in ((first, 0), (second, later)):
            async with transcriber.stream(request(results)) as stream:
                await utter(stream, pcm, start_sample=start)
    (one,), (two,) = finals(first), finals(second)
    starts = [word.start_s for word in one.words]
    assert starts == sorted(starts)
    assert all(0 <= w.start_s < w.end_s <= len(pcm) / 16_000 for w in one.words)
    later_starts = [word.start_s - 180 for word in two.words]
    assert later_starts == pytest.approx(starts, abs=0.03), "the decoder adapts by a frame or two"
    assert not any("(" in word.text or "<" in word.text for word in one.words)
    confidences = [word.confidence for word in one.words if word.confidence is not None]
    assert len(confidences) == len(one.words)
    assert all(0 <= c <= 1 for c in confidences)
    assert one.confidence == pytest.approx(sum(confidences) / len(confidences), abs=1e-3)
    assert one.language == "en-US"


async def test_a_hole_in_the_audio_moves_the_times_of_what_comes_after_it(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    before, after = recording("ada-3"), recording("ada-4")
    hole = 16_000
    results: list[Result] = []
    async with a_bot(tmp_path) as transcriber, transcriber.stream(request(results)) as stream:
        await stream.begin_utterance("u1", 0)
        for chunk in chunks(before) + chunks(after, len(before) + hole):
            await stream.feed(chunk)
        await stream.end_utterance("u1", len(before) + hole + len(after), "silence")
    (final,) = finals(results)
    last = final.words[-1]
    assert (len(before) + hole) / 16_000 < last.start_s
    assert last.end_s <= (len(before) + hole + len(after)) / 16_000


async def test_partials_follow_the_words_by_less_than_half_a_second_of_audio(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    pcm = recording("ben-1")
    fed_s = 0.0
    lags: list[float] = []
    results: list[Result] = []

    def take(result: Result) -> None:
        results.append(result)
        if isinstance(result, Hypothesis) and not result.final:
            lags.append(fed_s - result.words[-1].end_s)

    async with a_bot(tmp_path) as transcriber:
        asked = StreamRequest(bot_id="b", track_id="t1", emit=take)
        async with transcriber.stream(asked) as stream:
            await stream.begin_utterance("u1", 0)
            for chunk in chunks(pcm):
                await stream.feed(chunk)
                fed_s = chunk.end_sample / 16_000
                while stream._unheard_samples:  # type: ignore[attr-defined]
                    await stream._news.wait()  # type: ignore[attr-defined]
            await stream.end_utterance("u1", len(pcm), "silence")
    partials = [r for r in results if isinstance(r, Hypothesis) and not r.final]
    assert len(partials) >= 5
    assert sorted(lags)[len(lags) // 2] <= 0.5
    texts = [r.text for r in partials]
    assert all(a != b for a, b in pairwise(texts))
    revisions = [r.revision for r in results if isinstance(r, Hypothesis)]
    assert revisions == sorted(set(revisions))


async def test_several_tracks_speak_at_once_and_each_gets_its_own_words(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    said = VOICES[:4]
    heard: dict[str, list[Result]] = {f"t{n}": [] for n in range(4)}
    options = PocketsphinxOptions(max_decoders=2, patience_s=120, final_timeout_s=120)
    async with a_bot(tmp_path, options) as transcriber:

        async def talk(track_id: str, name: str) -> None:
            async with transcriber.stream(request(heard[track_id], track_id)) as stream:
                await utter(stream, recording(name))

        async with trio.open_nursery() as nursery:
            for track_id, name in zip(heard, said, strict=True):
                nursery.start_soon(talk, track_id, name)
        memory_mb = psutil.Process(worker_pid(transcriber)).memory_info().rss / 1e6
    for results, name in zip(heard.values(), said, strict=True):
        (final,) = finals(results)
        assert word_errors(SAID[name], final.text) <= 4
        assert not [r for r in results if isinstance(r, UntranscribedAudio)]
    assert memory_mb < 330


async def test_a_worker_killed_in_mid_utterance_is_a_retryable_error_and_the_next_use_has_a_new_one(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    pcm = recording("ben-1")
    async with a_bot(tmp_path) as transcriber:
        results: list[Result] = []
        async with transcriber.stream(request(results)) as stream:
            await stream.begin_utterance("u1", 0)
            for chunk in chunks(pcm)[:10]:
                await stream.feed(chunk)
            first = worker_pid(transcriber)
            os.kill(first, signal.SIGKILL)
            with pytest.raises(TranscriberError, match="SIGKILL") as caught:
                await stream.end_utterance("u1", len(pcm), "silence")
            assert caught.value.retryable
            assert caught.value.kind == "crashed"
        async with transcriber.stream(request(results)) as stream:
            await utter(stream, pcm)
        assert worker_pid(transcriber) != first
        assert not psutil.pid_exists(first)
        (final,) = finals(results)
        assert "version" in final.text


async def test_a_worker_that_dies_five_times_in_a_row_is_not_tried_again(tmp_path: Path) -> None:
    options = PocketsphinxOptions(preload=False)
    async with a_bot(tmp_path, options) as transcriber:
        for _ in range(5):
            async with transcriber.stream(request([])) as stream:
                os.kill(worker_pid(transcriber), signal.SIGKILL)
                await stream.begin_utterance("u1", 0)
                with pytest.raises(TranscriberError) as caught:
                    await stream.end_utterance("u1", 0, "silence")
                assert caught.value.retryable
        with pytest.raises(TranscriberError, match="5 times within 30 s") as caught:
            async with transcriber.stream(request([])):
                pytest.fail("a sixth worker was started")
        assert not caught.value.retryable


async def test_a_worker_that_stops_answering_is_killed_in_time(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    options = PocketsphinxOptions(answer_timeout_s=0.5)
    async with a_bot(tmp_path, options) as transcriber:
        async with transcriber.stream(request([])) as stream:
            frozen = worker_pid(transcriber)
            os.kill(frozen, signal.SIGSTOP)
            with pytest.raises(TranscriberError, match="gave no sign") as caught:
                await utter(stream, recording("ada-3"))
            assert caught.value.retryable
        async with transcriber.stream(request([])) as stream:
            await stream.begin_utterance("u2", 0)
        assert not psutil.pid_exists(frozen)


async def test_audio_that_the_worker_cannot_take_in_time_is_declared_and_not_waited_for(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    pcm = recording("ben-1")
    results: list[Result] = []
    options = PocketsphinxOptions(window_s=0.3, patience_s=0.2)
    async with (
        a_bot(tmp_path, options) as transcriber,
        transcriber.stream(request(results)) as stream,
    ):
        await stream.begin_utterance("u1", 0)
        os.kill(worker_pid(transcriber), signal.SIGSTOP)
        for chunk in chunks(pcm)[:10]:
            await stream.feed(chunk)
        os.kill(worker_pid(transcriber), signal.SIGCONT)
        await stream.end_utterance("u1", 16_000, "silence")
    (gap,) = [r for r in results if isinstance(r, UntranscribedAudio)]
    assert (gap.start_sample, gap.end_sample) == (3 * BLOCK_SAMPLES, 10 * BLOCK_SAMPLES)
    assert gap.cause == "transcriber_behind"
    assert len(finals(results)) == 1


async def test_an_utterance_whose_final_takes_too_long_is_declared_and_the_next_one_is_heard(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    results: list[Result] = []
    options = PocketsphinxOptions(final_timeout_s=0.3)
    asked = request(results)
    async with a_bot(tmp_path, options) as transcriber, transcriber.stream(asked) as stream:
        os.kill(worker_pid(transcriber), signal.SIGSTOP)
        await stream.begin_utterance("u1", 100)
        await stream.end_utterance("u1", 900, "silence")
        os.kill(worker_pid(transcriber), signal.SIGCONT)
        assert results == [
            UntranscribedAudio(start_sample=100, end_sample=900, cause="transcriber_behind")
        ]
        stream._final_timeout_s = 20.0  # type: ignore[attr-defined]
        await utter(stream, recording("ada-3"), "u2", 1_000)
    assert [final.utterance_id for final in finals(results)] == ["u2"]


async def test_a_language_that_the_model_does_not_speak_is_refused(tmp_path: Path) -> None:
    asked = StreamRequest(bot_id="b", track_id="t1", emit=print, language="de-DE")
    refused = pytest.raises(TranscriberError, match="not 'de-DE'")
    options = PocketsphinxOptions(preload=False)
    async with a_bot(tmp_path, options) as transcriber:
        with refused:
            await transcriber.stream(asked).__aenter__()


async def test_closing_while_it_decodes_leaves_no_process(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    pcm = recording("ben-1")
    with trio.CancelScope() as scope:
        async with a_bot(tmp_path) as transcriber:
            pid = worker_pid(transcriber)
            async with transcriber.stream(request([])) as stream:
                await stream.begin_utterance("u1", 0)
                for chunk in chunks(pcm)[:20]:
                    await stream.feed(chunk)
                scope.cancel()
                await stream.end_utterance("u1", len(pcm), "silence")
    assert scope.cancelled_caught
    assert not psutil.pid_exists(pid)


async def test_the_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import trio, pathlib\n"
        "from meetcore.plugin.transcriber import TranscriberContext\n"
        "from meetcore_pocketsphinx.options import PocketsphinxOptions\n"
        "from meetcore_pocketsphinx.transcriber import PocketsphinxTranscriber\n"
        "async def main():\n"
        "    t = PocketsphinxTranscriber(PocketsphinxOptions(preload=False))\n"
        "    context = TranscriberContext(bot_id='b', folder=pathlib.Path('.'))\n"
        "    async with t.open(context):\n"
        "        print(t._keeper.current.pid, flush=True)\n"
        "        await trio.sleep_forever()\n"
        "trio.run(main)\n"
    )
    with trio.fail_after(90):
        parent = await trio.lowlevel.open_process(
            [sys.executable, "-c", program], stdout=subprocess.PIPE
        )
        assert parent.stdout is not None
        pid = int(await parent.stdout.receive_some())
        worker = psutil.Process(pid)
        parent.kill()
        await parent.wait()
        await parent.stdout.aclose()
        await trio.to_thread.run_sync(worker.wait, 20)


async def test_a_grammar_hears_only_its_own_sentences(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    grammar = tmp_path / "commands.jsgf"
    grammar.write_text(
        "#JSGF V1.0;\ngrammar commands;\n"
        "public <command> = go (forward | backward) ten meters | the machine heard (nothing | "
        "every word of it) | meetcore wake up;\n"
    )
    options = PocketsphinxOptions(jsgf=str(grammar), extra_words={"meetcore": "M IY T K AO R"})
    async with a_bot(tmp_path, options) as transcriber:
        for name in ("robin-1", "ben-3"):
            results: list[Result] = []
            async with transcriber.stream(request(results)) as stream:
                await utter(stream, recording(name))
            assert finals(results)[0].text == SAID[name]


async def test_a_grammar_with_a_word_of_no_dictionary_is_refused_by_that_words_name(
    tmp_path: Path,
) -> None:
    grammar = tmp_path / "commands.jsgf"
    grammar.write_text("#JSGF V1.0;\ngrammar c;\npublic <c> = unmutify the zorblax;\n")
    with pytest.raises(TranscriberError, match="unmutify, zorblax") as caught:
        async with a_bot(tmp_path, PocketsphinxOptions(jsgf=str(grammar))):
            pytest.fail("it opened")
    assert not caught.value.retryable
    assert "extra_words" in caught.value.remedy


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (PocketsphinxOptions(lm="/nowhere/model.lm"), "/nowhere/model.lm"),
        (PocketsphinxOptions(hmm="/nowhere/hmm"), "/nowhere/hmm"),
        (PocketsphinxOptions(extra_words={"meetcore": "NO SUCH PHONES"}), "meetcore"),
    ],
)
async def test_options_that_the_library_cannot_use_are_refused_with_their_value(
    tmp_path: Path, options: PocketsphinxOptions, named: str
) -> None:
    with pytest.raises(TranscriberError, match=named) as caught:
        async with a_bot(tmp_path, options):
            pytest.fail("it opened")
    assert caught.value.kind == "bad_request"


def test_options_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="lm and jsgf"):
        PocketsphinxOptions(lm="a", jsgf="b")
    with pytest.raises(ConfigError, match="max_decoders is 0"):
        PocketsphinxOptions(max_decoders=0)


async def test_a_missing_library_says_which_versions_of_python_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TranscriberError, match="not installed for Python") as caught:
        async with a_bot(tmp_path):
            pytest.fail("it opened")
    assert not caught.value.retryable
    assert "3.11, 3.12 and 3.13" in caught.value.remedy


async def test_an_utterance_without_audio_has_an_empty_final(tmp_path: Path) -> None:
    results: list[Result] = []
    async with a_bot(tmp_path) as transcriber, transcriber.stream(request(results)) as stream:
        await stream.begin_utterance("u1", 800)
        await stream.end_utterance("u1", 800, "gap")
        await stream.flush()
    (final,) = finals(results)
    assert (final.text, final.words, final.confidence) == ("", (), None)
