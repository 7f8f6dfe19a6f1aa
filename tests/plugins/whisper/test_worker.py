"""The worker process: shared by bots, killed, stopped, ended, started anew."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from attrs import evolve

from meetcore import Hypothesis, StreamRequest, TranscriberContext, TranscriberError
from meetcore.audio.chunk import Chunk, Pcm
from meetcore.model.errors import found_in
from meetcore.plugin.transcriber import TranscriberStream
from meetcore_whisper import connection as connections
from meetcore_whisper.options import WhisperOptions
from meetcore_whisper.transcriber import WhisperTranscriber

from .conftest import end_worker

OPTIONS = WhisperOptions(model="tiny.en", linger_s=15.0, niceness=4)


@pytest.fixture(scope="module", autouse=True)
def no_worker_left() -> Iterator[None]:
    yield
    end_worker(OPTIONS)


class Notices:
    """What the transcriber told."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def __call__(self, kind: str, detail: str) -> None:
        self.all.append((kind, detail))


@asynccontextmanager
async def opened(
    folder: Path, options: WhisperOptions = OPTIONS, notice: Notices | None = None
) -> AsyncIterator[WhisperTranscriber]:
    transcriber = WhisperTranscriber(options)
    context = TranscriberContext(bot_id="b", folder=folder, notice=notice or Notices())
    with trio.fail_after(60):
        async with transcriber.open(context):
            yield transcriber


async def pid_of(transcriber: WhisperTranscriber) -> int:
    assert transcriber._finder is not None
    return int((await transcriber._finder.connection()).about["pid"])


async def utter(stream: TranscriberStream, key: str, pcm: Pcm) -> None:
    await stream.begin_utterance(key, 0)
    for first in range(0, len(pcm), 1600):
        await stream.feed(Chunk("t", first, pcm[first : first + 1600]))
    await stream.end_utterance(key, len(pcm), "silence")


async def test_two_bots_share_one_worker_and_get_their_own_words(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    heard: dict[str, list[Hypothesis]] = {"one": [], "two": []}
    told = Notices()
    async with opened(tmp_path, notice=told) as one, opened(tmp_path) as two:
        assert await pid_of(one) == await pid_of(two) != os.getpid()

        async def say(who: str, transcriber: WhisperTranscriber, name: str) -> None:
            request = StreamRequest(bot_id=who, track_id="t", emit=heard[who].append)  # type: ignore[arg-type]
            async with transcriber.stream(request) as stream:
                await utter(stream, who, recording(name))
                await stream.flush()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, "one", one, "ben-1")
            nursery.start_soon(say, "two", two, "ada-1")
    finals = {who: [each for each in mine if each.final] for who, mine in heard.items()}
    assert [each.utterance_id for each in finals["one"]] == ["one"]
    assert [each.utterance_id for each in finals["two"]] == ["two"]
    assert finals["one"][0].text != finals["two"][0].text
    assert told.all[0][0] == "model"
    assert "tiny.en on cpu (int8)" in told.all[0][1]


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_that_dies_or_stands_still_is_noticed_and_replaced(
    tmp_path: Path,
    recording: Callable[[str], Pcm],
    monkeypatch: pytest.MonkeyPatch,
    signum: signal.Signals,
) -> None:
    monkeypatch.setattr(connections, "PING_S", 0.1)
    monkeypatch.setattr(connections, "SILENT_S", 0.7)
    heard: list[Hypothesis] = []
    request = StreamRequest(bot_id="b", track_id="t", emit=heard.append)  # type: ignore[arg-type]
    async with opened(tmp_path) as transcriber:
        first = await pid_of(transcriber)
        with pytest.raises(Exception) as caught:
            async with transcriber.stream(request) as stream:
                await stream.begin_utterance("u", 0)
                os.kill(first, signum)
                await trio.sleep(30)
        trouble = found_in(caught.value, TranscriberError)
        assert trouble is not None
        assert trouble.retryable
        monkeypatch.setattr(connections, "SILENT_S", 30.0)
        async with transcriber.stream(request) as stream:
            assert await pid_of(transcriber) != first
            await utter(stream, "u", recording("ben-1"))
            await stream.flush()
    assert heard[-1].final
    assert "version" in heard[-1].text.lower()


async def test_a_worker_has_no_threads_that_wait_by_spinning(tmp_path: Path) -> None:
    async with opened(tmp_path) as transcriber:
        environment = trio.Path(f"/proc/{await pid_of(transcriber)}/environ")
        assert b"OPENBLAS_NUM_THREADS=1" in (await environment.read_bytes()).split(b"\0")


async def test_a_worker_that_stands_still_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever knew it is gone, so nobody watches it; it has the socket and gives no answer."""
    options = evolve(OPTIONS, niceness=1, linger_s=1.0)
    async with opened(tmp_path, options) as transcriber:
        first = await pid_of(transcriber)
        os.kill(first, signal.SIGSTOP)
    monkeypatch.setattr(connections, "GREETED_WITHIN_S", 3.0)
    async with opened(tmp_path, options) as transcriber:
        monkeypatch.setattr(connections, "GREETED_WITHIN_S", 25.0)
        assert await pid_of(transcriber) != first


async def test_where_nobody_would_see_drafts_none_are_made(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    heard: list[Hypothesis] = []
    async with opened(tmp_path) as transcriber:
        request = StreamRequest(
            bot_id="b",
            track_id="t",
            emit=heard.append,  # type: ignore[arg-type]
            wants_drafts=lambda: False,
        )
        async with transcriber.stream(request) as stream:
            pcm = recording("ben-1")
            await stream.begin_utterance("u", 0)
            for first in range(0, len(pcm), 1600):
                await stream.feed(Chunk("t", first, pcm[first : first + 1600]))
            await trio.sleep(1.0)  # a draft would come within half of it
            await stream.end_utterance("u", len(pcm), "silence")
            await stream.flush()
    assert [each.final for each in heard] == [True]


async def test_a_draft_says_how_many_of_its_words_the_draft_before_had_too(
    tmp_path: Path, recording: Callable[[str], Pcm]
) -> None:
    heard: list[Hypothesis] = []
    came = trio.Event()

    def hear(result: Hypothesis) -> None:
        heard.append(result)
        came.set()

    pcm = recording("ben-1")
    async with opened(tmp_path) as transcriber:
        request = StreamRequest(bot_id="b", track_id="t", emit=hear)  # type: ignore[arg-type]
        async with transcriber.stream(request) as stream:
            await stream.begin_utterance("u", 0)
            for first in range(0, len(pcm) - 16_000, 16_000):
                came = trio.Event()
                for start in range(first, first + 16_000, 1600):
                    await stream.feed(Chunk("t", start, pcm[start : start + 1600]))
                with trio.move_on_after(10):  # in the first second nothing may be understood
                    await came.wait()
            await stream.end_utterance("u", len(pcm), "silence")
            await stream.flush()
    drafts = [each for each in heard if not each.final]
    assert len(drafts) >= 2
    assert drafts[0].stable_words == 0
    assert max(draft.stable_words for draft in drafts) > 0
    assert all(draft.stable_words <= len(draft.text.split()) for draft in drafts)
    for before, draft in pairwise(drafts):
        words = [spoken(each.text)[: draft.stable_words] for each in (before, draft)]
        assert words[0] == words[1]


def spoken(text: str) -> list[str]:
    return [word.casefold().strip(".,!?;:") for word in text.split()]


async def test_a_bot_that_is_killed_leaves_a_worker_that_ends_by_itself(tmp_path: Path) -> None:
    options = evolve(OPTIONS, linger_s=0.0, niceness=3)
    async with opened(tmp_path, options) as transcriber:
        pid = await pid_of(transcriber)
    gone = os.pidfd_open(pid)
    try:
        with trio.fail_after(90):
            await trio.lowlevel.wait_readable(gone)
    finally:
        os.close(gone)


async def test_weights_that_are_none_are_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"these are no weights" * 100)
    (folder / "config.json").write_text("{}")
    (folder / "vocabulary.txt").write_text("a\nb\n")
    with pytest.raises(TranscriberError) as caught:
        async with opened(tmp_path, WhisperOptions(model=str(folder), linger_s=0)):
            pass
    assert not caught.value.retryable
    assert "broken" in caught.value.message
    assert "models verify" in caught.value.remedy


async def test_a_model_that_is_not_here_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(TranscriberError) as caught:
        async with opened(tmp_path, WhisperOptions(model="small")):
            pass
    assert (caught.value.kind, caught.value.retryable) == ("bad_request", False)
    assert "meetcore models fetch small" in caught.value.remedy


async def test_english_weights_refuse_another_language(tmp_path: Path) -> None:
    async with opened(tmp_path) as transcriber:
        request = StreamRequest(
            bot_id="b", track_id="t", emit=lambda result: None, language="es-MX"
        )
        with pytest.raises(TranscriberError) as caught:
            async with transcriber.stream(request):
                pass
    assert not caught.value.retryable


async def test_many_bots_that_come_at_once_start_one_worker(tmp_path: Path) -> None:
    options = evolve(OPTIONS, linger_s=1.0, niceness=2)
    pids: list[int] = []
    all_there = trio.Event()

    async def come() -> None:
        async with opened(tmp_path, options) as transcriber:
            pids.append(await pid_of(transcriber))
            if len(pids) == 6:
                all_there.set()
            await all_there.wait()

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(come)
    assert len(set(pids)) == 1
