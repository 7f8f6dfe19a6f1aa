"""A finished bot's recording is transcribed once more, through the API, in a process of its own."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import trio

import meetcore_rehearsal
from meetcore.testing.voice import read_wav
from meetcore_files.audio_file import OpusFile
from meetcore_server.transcription_process import TranscriptionFailed, transcribe_in_process
from meetcore_server.transcriptions import TranscriptionLimits, Transcriptions

from .running import SHORT, STAY, http, ordered, serving, until
from .webhooks.receiver import receiving

SPEECH = Path(meetcore_rehearsal.__file__).parent / "scripts" / "planning"
QUICK = """
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio
import meetcore

HERE = Path(__file__).parent


@attrs.frozen(kw_only=True)
class QuickOptions:
    word: str = "word"
    token: meetcore.Secret | None = None


class Stream(meetcore.TranscriberStream):
    def __init__(self, request, options):
        self.request = request
        self.options = options

    async def begin_utterance(self, utterance_id, start_sample):
        with (HERE / "begun").open("a") as file:
            file.write("x")
        while (HERE / "wait").exists():
            await trio.sleep(0.02)
        if (HERE / "refuse").exists():
            said = f"the key {self.options.token.reveal()} is not known"
            raise meetcore.TranscriberError("quota", said, retryable=False)

    async def feed(self, chunk):
        await trio.lowlevel.checkpoint()

    async def end_utterance(self, utterance_id, end_sample, cause):
        terms = " ".join(self.request.vocabulary)
        text = f"{self.options.word} in {self.request.language} {terms}".strip()
        self.request.emit(
            meetcore.Hypothesis(
                utterance_id=utterance_id, revision=1, text=text, final=True,
                start_s=0.5, end_s=end_sample / 16_000,
            )
        )


class Quick(meetcore.Transcriber):
    name = "quick"
    Options = QuickOptions

    @asynccontextmanager
    async def stream(self, request):
        yield Stream(request, self.options)


@meetcore.hookimpl
def meetcore_register_transcribers(register):
    register(Quick)
"""
CONFIG = {
    "sinks": ["files"],
    "plugins": {"quick": {"word": "quickly", "token": "tok-hush-7"}},
}


@asynccontextmanager
async def quick_server(folder: Path, config: Any = CONFIG, **options: Any):
    """Serve with a transcriber `quick`, which waits while there is a file `wait` beside it."""
    plugin = folder / "quick_plugin.py"
    plugin.write_text(QUICK)
    async with (
        serving(folder, plugin_files=(plugin,), config=config, **options) as server,
        http(server) as client,
    ):
        yield server, client


async def recorded_bot(client: httpx2.AsyncClient, **body: Any) -> str:
    """Return a bot that has ended and recorded two people."""
    bot_id: str = (await ordered(client, SHORT, **body))["id"]
    assert (await until(client, bot_id, "completed"))["state"] == "completed"
    return bot_id


async def asked(client: httpx2.AsyncClient, bot_id: str, **body: Any) -> Any:
    answer = await client.post(f"/v1/bots/{bot_id}/transcripts", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def once(client: httpx2.AsyncClient, bot_id: str, revision: int, *states: str) -> Any:
    """Return a transcript once it is in one of the states."""
    with trio.fail_after(60):
        while True:
            listed = (await client.get(f"/v1/bots/{bot_id}/transcripts")).json()
            (made,) = [each for each in listed if each["revision"] == revision]
            if made["state"] in states:
                return made
            await trio.sleep(0.05)


async def test_a_recording_is_transcribed_once_more_and_the_live_transcript_stays(tmp_path):
    async with (
        receiving() as receiver,
        quick_server(tmp_path, private_targets=("*",)) as (_, client),
    ):
        hook = {"url": receiver.url("/hook"), "events": ["transcript.*"]}
        bot_id = await recorded_bot(client, webhooks=[hook])
        live = (await client.get(f"/v1/bots/{bot_id}/transcript")).json()
        made = await asked(
            client, bot_id, transcriber="quick", language="de-AT", vocabulary=["Wieselburg"]
        )
        assert (made["revision"], made["state"], made["language"]) == (2, "queued", "de-AT")
        done = await once(client, bot_id, 2, "done", "failed")
        assert (done["state"], done["error"], done["transcriber"]) == ("done", None, "quick")
        listed = (await client.get(f"/v1/bots/{bot_id}/transcripts")).json()
        assert [(each["revision"], each["transcriber"]) for each in listed] == [
            (0, "scripted"),
            (2, "quick"),
        ]
        shown = (await client.get(f"/v1/bots/{bot_id}/transcript?revision=2")).json()
        assert {each["text"] for each in shown["segments"]} == {"quickly in de-AT Wieselburg"}
        assert {each["speaker"] for each in shown["segments"]} == {"Ada", "Ben"}
        assert (await client.get(f"/v1/bots/{bot_id}/transcript")).json() == live
        for kind in ("srt", "vtt", "txt"):
            text = await client.get(f"/v1/bots/{bot_id}/transcript?revision=2&format={kind}")
            assert "Wieselburg" in text.text
            assert f'{bot_id}-2.{kind}"' in text.headers["content-disposition"]
        with trio.fail_after(90):
            while not receiver.got:  # noqa: ASYNC110  a socket of somebody else's
                await trio.sleep(0.02)
        told = json.loads(receiver.got[0].body)
        assert (told["type"], told["bot_id"]) == ("transcript.ready", bot_id)
        assert told["data"]["revision"] == 2
        files = tmp_path / "bots" / bot_id / "files"
        manifest = json.loads((files / "manifest.json").read_text())
        assert "transcript-2.json" in [each["path"] for each in manifest["files"]]
        assert not list(files.glob(".*finals*"))
        assert (await asked(client, bot_id, transcriber="quick"))["revision"] == 3
        await once(client, bot_id, 3, "done")


async def test_what_is_transcribed_once_more_is_redacted_as_it_was_live(tmp_path):
    private = {"word": "mail ada at example dot com", "token": "tok-hush-7"}
    config = {"sinks": ["files"], "plugins": {"quick": private, "redact": {}}}
    async with quick_server(tmp_path, config, dialects=("redact",)) as (_, client):
        bot_id = await recorded_bot(client)
        await asked(client, bot_id, transcriber="quick", vocabulary=["+1 202 555 0123"])
        await once(client, bot_id, 2, "done")
        answer = await client.get(f"/v1/bots/{bot_id}/transcript?revision=2")
        assert {each["text"] for each in answer.json()["segments"]} == {
            "mail [email] in None [phone number]"
        }
        with trio.fail_after(5):
            for path in (tmp_path / "bots" / bot_id / "files").glob("*transcript-2*"):
                text = await trio.Path(path).read_text("utf-8")
                assert "example" not in text, path
                assert "202" not in text.replace("2026", ""), path


async def test_what_cannot_be_transcribed_is_refused_with_words(tmp_path):
    async with quick_server(tmp_path) as (server, client):
        url = f"/v1/bots/{await recorded_bot(client)}/transcripts"
        for body, status, code, said in (
            ({"transcriber": "quickly"}, 422, "not_installed", "quick"),
            ({"transcriber": "captions"}, 422, "invalid", "cannot transcribe a recording"),
            ({"language": "klingon"}, 422, "language_refused", "klingon"),
            ({"vocabulary": [" "]}, 422, "invalid", "vocabulary"),
            ({"vocabulary": ["x" * 201]}, 422, "invalid", "vocabulary"),
            ({"transcribr": "quick"}, 422, "invalid", "transcriber"),
        ):
            answer = await client.post(url, json=body)
            told = answer.json()
            assert (answer.status_code, told["code"]) == (status, code), told
            assert said in told["detail"] + told.get("remedy", ""), told
        assert len((await client.get(url)).json()) == 1
        answer = await client.get(url.removesuffix("s") + "?revision=2")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_transcript")
        answer = await client.get(url.removesuffix("s") + "?revision=2&after_seq=4")
        assert answer.json()["code"] == "invalid"
        staying = await ordered(client, STAY)
        await until(client, staying["id"], "in_call")
        answer = await client.post(f"/v1/bots/{staying['id']}/transcripts", json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
        await client.post(f"/v1/bots/{staying['id']}/stop")
        silent = await ordered(client, SHORT, record=False)
        await until(client, silent["id"], "completed")
        answer = await client.post(f"/v1/bots/{silent['id']}/transcripts", json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "no_recording")
        _, other = await server.service.create_key(
            (await server.service.create_user("other@example.org"))[0].id
        )
        theirs = {"authorization": f"Bearer {other}"}
        for answer in (
            await client.get(url, headers=theirs),
            await client.post(url, json={}, headers=theirs),
        ):
            assert answer.status_code == 404


async def test_one_runs_per_bot_and_as_many_as_said_over_the_server(tmp_path):
    (tmp_path / "wait").touch()
    async with quick_server(tmp_path) as (_, client):
        first, second = await recorded_bot(client), await recorded_bot(client)
        await asked(client, first, transcriber="quick")
        await once(client, first, 2, "running")
        await asked(client, second, transcriber="quick")
        again = await client.post(f"/v1/bots/{first}/transcripts", json={})
        assert (again.status_code, again.json()["code"]) == (409, "transcription_under_way")
        answer = await client.get(f"/v1/bots/{first}/transcript?revision=2")
        assert "running" in answer.json()["detail"]
        await trio.sleep(0.2)
        assert (await once(client, second, 2, "queued"))["started_at"] is None
        (tmp_path / "wait").unlink()
        await once(client, first, 2, "done")
        await once(client, second, 2, "done")


@pytest.mark.folder_store
async def test_a_failure_is_told_without_the_key_and_without_a_path(tmp_path):
    (tmp_path / "refuse").touch()
    async with (
        receiving() as receiver,
        quick_server(tmp_path, private_targets=("*",)) as (_, client),
    ):
        hook = {"url": receiver.url("/hook"), "events": ["transcript.failed"]}
        bot_id = await recorded_bot(client, webhooks=[hook])
        await asked(client, bot_id, transcriber="quick")
        failed = await once(client, bot_id, 2, "failed")
        assert "is not known" in failed["error"]
        with trio.fail_after(90):
            while not receiver.got:  # noqa: ASYNC110  a socket of somebody else's
                await trio.sleep(0.02)
        told = json.loads(receiver.got[0].body)
        assert told["data"]["error"] == failed["error"]
        assert "tok-hush-7" not in json.dumps([failed, told])
        (tmp_path / "refuse").unlink()
        shutil.rmtree(tmp_path / "bots" / bot_id / "files")
        await asked(client, bot_id, transcriber="quick")
        lost = await once(client, bot_id, 3, "failed")
        assert "no bot's folder" in lost["error"]
        assert str(tmp_path) not in lost["error"]


async def test_a_bot_is_deleted_with_the_transcript_that_is_being_made(tmp_path):
    (tmp_path / "wait").touch()
    async with quick_server(tmp_path) as (server, client):
        bot_id = await recorded_bot(client)
        await asked(client, bot_id, transcriber="quick", vocabulary=["Hushword"])
        await once(client, bot_id, 2, "running")
        with trio.fail_after(90):
            while not (tmp_path / "begun").exists():  # noqa: ASYNC110  another process does it
                await trio.sleep(0.02)
        assert (await client.delete(f"/v1/bots/{bot_id}/data")).status_code == 200
        assert not (tmp_path / "bots" / bot_id).exists()
        assert await server.service.stores.transcriptions.of_bot(bot_id) == []
        assert (await client.get(f"/v1/bots/{bot_id}/transcripts")).status_code == 410
        answer = await client.post(f"/v1/bots/{bot_id}/transcripts", json={})
        assert answer.json()["code"] == "no_recording"
        other = await recorded_bot(client)
        (tmp_path / "wait").unlink()
        await asked(client, other, transcriber="quick")
        await once(client, other, 2, "done")


async def test_a_server_that_begins_anew_goes_on_with_what_was_under_way(tmp_path):
    """What was finalized is kept: each utterance is transcribed once, however often it begins."""
    async with quick_server(tmp_path) as (_, client):
        bot_id = await recorded_bot(client)
        await asked(client, bot_id, transcriber="quick")
        await once(client, bot_id, 2, "done")
        utterances = len((tmp_path / "begun").read_text())
        (tmp_path / "begun").unlink()
        (tmp_path / "wait").touch()
        await asked(client, bot_id, transcriber="quick")
        await once(client, bot_id, 3, "running")
        with trio.fail_after(90):
            while not (tmp_path / "begun").exists():  # noqa: ASYNC110  another process does it
                await trio.sleep(0.02)
    (tmp_path / "wait").unlink()
    async with quick_server(tmp_path) as (_, client):
        done = await once(client, bot_id, 3, "done", "failed")
        assert done["error"] is None
        shown = (await client.get(f"/v1/bots/{bot_id}/transcript?revision=3")).json()
        assert len(shown["segments"]) == utterances


@pytest.mark.folder_store
async def test_what_a_person_made_beside_the_server_is_listed_and_its_number_is_taken(tmp_path):
    async with quick_server(tmp_path) as (_, client):
        bot_id = await recorded_bot(client)
        folder = tmp_path / "bots" / bot_id
        plugin = tmp_path / "quick_plugin.py"
        command = [sys.executable, "-m", "meetcore", "transcribe", str(folder)]
        command += ["--transcriber", "quick", "--language", "en", "--plugin", str(plugin)]
        with trio.fail_after(60):
            await trio.run_process(command, capture_stdout=True, capture_stderr=True)
        (_, beside) = (await client.get(f"/v1/bots/{bot_id}/transcripts")).json()
        assert (beside["revision"], beside["transcriber"], beside["language"]) == (2, "quick", "en")
        shown = (await client.get(f"/v1/bots/{bot_id}/transcript?revision=2")).json()
        assert shown["segments"]
        assert (await asked(client, bot_id, transcriber="quick"))["revision"] == 3
        await once(client, bot_id, 3, "done")


async def test_what_takes_too_long_is_ended_and_said(tmp_path):
    (tmp_path / "wait").touch()
    async with quick_server(tmp_path) as (server, client):
        limits = TranscriptionLimits(base_s=1.0, per_audio_s=0.0)
        strict = Transcriptions(server.service, limits)
        async with trio.open_nursery() as nursery:
            bot_id = await recorded_bot(client)
            server.service.transcriptions, kept = strict, server.service.transcriptions
            nursery.start_soon(strict.run)
            await asked(client, bot_id, transcriber="quick")
            failed = await once(client, bot_id, 2, "failed")
            assert "not done after 1 s" in failed["error"]
            server.service.transcriptions = kept
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('no module named ears')", "no module named ears"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with -9"),
        ("print('hello')", "said nothing of it"),
        ('print(\'{"error": {"message": "It is full."}}\')', "It is full"),
    ],
)
async def test_a_process_that_dies_is_a_failure_in_words(code: str, said: str) -> None:
    with pytest.raises(TranscriptionFailed, match=said):
        await transcribe_in_process(
            {}, limit_s=30, progress=lambda _: None, command=[sys.executable, "-c", code]
        )


def speak_on(folder: Path) -> None:
    """Put real speech into a bot's recordings, in place of what the script made."""
    for path, name in zip(sorted(folder.glob("track-*.opus")), ("ada-1", "ben-1"), strict=True):
        quiet = np.zeros(8_000, np.int16)
        path.unlink()
        out = OpusFile(path, 24)
        out.write(np.concatenate([quiet, read_wav(SPEECH / f"{name}.wav"), quiet]))
        out.close()


async def test_real_words_are_transcribed_by_whisper(tmp_path):
    config = {
        "sinks": ["files"],
        "plugins": {"whisper": {"model": "tiny.en", "linger_s": 2}},
    }
    async with (
        serving(tmp_path, dialects=("whisper",), config=config) as server,
        http(server) as client,
    ):
        bot_id = await recorded_bot(client)
        await trio.to_thread.run_sync(speak_on, tmp_path / "bots" / bot_id / "files")
        await asked(client, bot_id, transcriber="whisper", language="en")
        done = await once(client, bot_id, 2, "done", "failed")
        assert done["error"] is None
        text = (await client.get(f"/v1/bots/{bot_id}/transcript?revision=2&format=txt")).text
        assert "Ada" in text
        assert "morning" in text
        assert "version" in text
