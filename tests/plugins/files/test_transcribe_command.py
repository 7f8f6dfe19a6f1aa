"""`meetcore transcribe` on real files, with real words."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import wave
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

import meetcore_rehearsal
from meetcore.audio.chunk import Pcm
from meetcore.testing.voice import read_wav
from meetcore_files.audio_file import OpusFile
from meetcore_files.manifest import Manifest, ManifestEntry
from meetcore_files.media import MediaUnreadable, recording_of, sound_of

SPEECH = Path(meetcore_rehearsal.__file__).parent / "scripts" / "planning"
TINY = ("--set", "plugins.whisper.model=tiny.en", "--set", "plugins.whisper.linger_s=2")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `meetcore` as a person does."""
    command = [sys.executable, "-m", "meetcore", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def spoken(*names: str) -> Pcm:
    quiet = np.zeros(16_000, np.int16)
    parts = [quiet, *(part for name in names for part in (read_wav(SPEECH / f"{name}.wav"), quiet))]
    return np.concatenate(parts)


def write_video(path: Path, tracks: list[Pcm]) -> None:
    """Write a film with a picture and some audio streams, at 48 kHz."""
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg4", rate=5)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        streams = [out.add_stream("aac", rate=48_000, layout="mono") for _ in tracks]
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number * 40, np.uint8))
            out.mux(picture.encode(frame))
        for stream, pcm in zip(streams, tracks, strict=True):
            frame = av.AudioFrame.from_ndarray(np.repeat(pcm, 3)[None], "s16", "mono")
            frame.sample_rate = 48_000
            for piece in av.AudioResampler("fltp", "mono", 48_000, 1024).resample(frame):
                out.mux(stream.encode(piece))
            out.mux(stream.encode(None))
        out.mux(picture.encode(None))


def test_a_film_with_two_sound_tracks_is_transcribed_in_all_formats(
    tmp_path: Path,
) -> None:
    film = tmp_path / "all hands.mp4"
    write_video(film, [spoken("ada-1"), spoken("ben-1")])
    kinds = ("json", "srt", "vtt", "txt", "md", "html")
    formats = [argument for kind in kinds for argument in ("--format", kind)]
    result = run(
        "transcribe", str(film), "--transcriber", "whisper", "--language", "en", *formats, *TINY
    )
    assert result.returncode == 0, result.stderr
    assert "words in" in result.stdout
    written = {path.suffix: path.read_text("utf-8") for path in tmp_path.glob("*.transcript.*")}
    assert set(written) == {".json", ".srt", ".vtt", ".txt", ".md", ".html"}
    body = json.loads(written[".json"])
    assert body["transcriber"] == "whisper"
    assert {segment["track_id"] for segment in body["segments"]} == {"1", "2"}
    for text in written.values():
        assert "morning" in text
        assert "version" in text
    assert not list(tmp_path.glob(".*finals*"))


def bots_folder(folder: Path) -> Path:
    """Make what a bot leaves: two tracks with names, an old transcript, a manifest."""
    files = folder / "files"
    files.mkdir(parents=True)
    entries = []
    for key, name, speech in (("t1", "Ada", "ada-1"), ("t2", "Ben", "ben-1")):
        path = files / f"track-{key}-{name}.opus"
        out = OpusFile(path, 24)
        out.write(spoken(speech))
        out.close()
        entries.append(
            ManifestEntry(
                path=path.name,
                kind="audio.track",
                media_type="audio/ogg; codecs=opus",
                track_id=key,
                participant_id=name.lower(),
                speaker_name=name,
                duration_s=4.0,
            )
        )
    (files / "transcript.txt").write_text("the old one\n")
    Manifest(bot_id="b", complete=True, files=entries).write(files)
    return folder


def test_a_bots_recording_is_transcribed_once_more_and_the_old_transcript_stays(
    tmp_path: Path,
) -> None:
    folder = bots_folder(tmp_path / "bot")
    for number in (2, 3):
        result = run("transcribe", str(folder), "--transcriber", "whisper", *TINY)
        assert result.returncode == 0, result.stderr
        text = (folder / "files" / f"transcript-{number}.txt").read_text("utf-8")
        assert "Ada: " in text
        assert "Ben: " in text
    assert (folder / "files" / "transcript.txt").read_text() == "the old one\n"
    manifest = Manifest.read(folder / "files")
    assert manifest is not None
    names = [entry.path for entry in manifest.files if entry.kind == "transcript"]
    assert "transcript-2.json" in names
    assert "transcript-3.srt" in names
    assert all(entry.sha256 for entry in manifest.files if entry.kind == "transcript")


def test_a_broken_off_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    source = tmp_path / "talk.wav"
    with wave.open(str(source), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(spoken("ada-1", "ben-1").tobytes())
    plugin = tmp_path / "stopping.py"
    plugin.write_text(STOPPING)
    command = ("transcribe", str(source), "--transcriber", "stopping", "--plugin", str(plugin))
    result = run(*command)
    assert result.returncode == 1
    assert "it has had enough" in result.stderr
    kept = tmp_path / ".talk.transcript.finals.jsonl"
    lines = kept.read_text("utf-8").splitlines()[1:]
    assert len(lines) == 1
    assert "the first" in lines[0]
    (tmp_path / "went_on").touch()
    result = run(*command)
    assert result.returncode == 0, result.stderr
    assert "going on after 1 utterances" in result.stderr
    text = (tmp_path / "talk.transcript.txt").read_text("utf-8")
    assert text.count("the first") == 1
    assert "the second" in text
    assert not kept.exists()


def test_a_file_that_is_transcribed_once_more_keeps_its_earlier_transcript(tmp_path: Path) -> None:
    plugin = tmp_path / "stopping.py"
    plugin.write_text(STOPPING)
    (tmp_path / "went_on").touch()
    for name in ("talk.wav", "talk.mka"):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(spoken("ada-1", "ben-1").tobytes())
    sources = [str(tmp_path / name) for name in ("talk.wav", "talk.mka")]
    command = ("transcribe", *sources, "--transcriber", "stopping", "--plugin", str(plugin))
    for number in (1, 2):
        result = run(*command, "--format", "txt")
        assert result.returncode == 0, result.stderr
        written = {path.name for path in tmp_path.glob("talk.*.txt")}
        assert len(written) == 2 * number
    assert written == {
        *("talk.transcript.txt", "talk.transcript-2.txt"),
        *("talk.mka.transcript.txt", "talk.mka.transcript-2.txt"),
    }
    (tmp_path / "nothing").touch()
    result = run(*command[:2], *command[3:])
    assert "nothing was said" in result.stdout
    assert "talk.transcript-2.* stays as it was" in result.stdout
    assert {path.name for path in tmp_path.glob("talk.*.txt")} == written


STOPPING = """
from contextlib import asynccontextmanager
from pathlib import Path

import trio
import meetcore

HERE = Path(__file__).parent


class Stream(meetcore.TranscriberStream):
    def __init__(self, request):
        self.request = request

    async def begin_utterance(self, utterance_id, start_sample):
        self.first = start_sample < 32_000
        if not self.first and not (HERE / "went_on").exists():
            raise meetcore.TranscriberError("quota", "it has had enough", retryable=False)

    async def feed(self, chunk):
        await trio.lowlevel.checkpoint()

    async def end_utterance(self, utterance_id, end_sample, cause):
        text = "the first" if self.first else "the second"
        if (HERE / "nothing").exists():
            text = ""
        self.request.emit(
            meetcore.Hypothesis(
                utterance_id=utterance_id, revision=1, text=text, final=True,
                start_s=0.5 if self.first else 3.0, end_s=end_sample / 16_000,
            )
        )


class Stopping(meetcore.Transcriber):
    name = "stopping"

    @asynccontextmanager
    async def stream(self, request):
        yield Stream(request)


@meetcore.hookimpl
def meetcore_register_transcribers(register):
    register(Stopping)
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothere.wav",), "neither a file, a folder nor an address"),
        (("{text}",), "no sound"),
        (("{wav}", "--transcriber", "whispr"), "whisper"),
        (("{wav}", "--transcriber", "captions"), "A recording has no captions"),
        (("{wav}", "--language", "klingon"), "no language that is known"),
        (("{empty}",), "gives no sound|no sound|cannot be read"),
        (("http://127.0.0.1:9/x.mp3",), "cannot be fetched: .*Connection refused"),
        (("nope://here/x.mp3",), "nothing here speaks 'nope'"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "notes.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    (tmp_path / "empty.mp3").write_bytes(b"")
    shutil.copy(SPEECH / "ada-1.wav", tmp_path / "a.wav")
    names = {"text": "notes.srt", "wav": "a.wav", "empty": "empty.mp3"}
    names = {name: str(tmp_path / file) for name, file in names.items()}
    result = run("transcribe", *(each.format(**names) for each in arguments))
    assert result.returncode != 0
    assert re.search(said, result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def test_an_address_that_gives_nothing_is_no_files_fault(tmp_path: Path) -> None:
    (tmp_path / "notes.mp3").write_text("no sound at all " * 1000)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            at = f"http://127.0.0.1:{server.server_port}"
            with pytest.raises(MediaUnreadable, match="the server answers 404"):
                recording_of(f"{at}/nothere.mp3")
            with pytest.raises(MediaUnreadable) as caught:
                recording_of(f"{at}/notes.mp3")
        finally:
            server.shutdown()
            thread.join()
    assert caught.value.remedy == "Is it an audio or video file?"


def test_a_file_that_breaks_off_gives_what_there_is(tmp_path: Path) -> None:
    whole = tmp_path / "whole.opus"
    out = OpusFile(whole, 24)
    out.write(spoken("ada-1", "ben-1"))
    out.close()
    torn = tmp_path / "torn.opus"
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    heard = sum(len(block) for block in sound_of(str(torn)))
    assert 16_000 < heard < len(spoken("ada-1", "ben-1"))


def test_channels_can_be_each_somebodys_own(tmp_path: Path) -> None:
    left, right = spoken("ada-1"), spoken("ben-1")
    length = max(len(left), len(right))
    stereo = np.zeros((length, 2), np.int16)
    stereo[: len(left), 0], stereo[: len(right), 1] = left, right
    path = tmp_path / "call.wav"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=16_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(stereo.reshape(1, -1), "s16", "stereo")
        frame.sample_rate = 16_000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    recording = recording_of(str(path), split_channels=True)
    assert [track.track_id for track in recording.tracks] == ["1.1", "1.2"]
    assert [track.speaker_name for track in recording.tracks] == ["Channel 1", "Channel 2"]
    heard = [np.concatenate(list(track.pcm())) for track in recording.tracks]
    assert np.array_equal(heard[0][: len(left)], left)
    assert np.array_equal(heard[1][: len(right)], right)
    assert len(recording_of(str(path)).tracks) == 1


def test_a_folder_without_a_manifest_is_no_bots(tmp_path: Path) -> None:
    with pytest.raises(MediaUnreadable, match=r"manifest\.json"):
        recording_of(str(tmp_path))


def test_a_job_for_a_program_ends_when_the_program_goes_away(tmp_path: Path) -> None:
    """And what it had finalized by then is kept for the next one."""
    folder = bots_folder(tmp_path / "bot")
    plugin = tmp_path / "stopping.py"
    plugin.write_text(
        STOPPING.replace("raise meetcore", "await trio.sleep_forever()\n            raise meetcore")
    )
    job = {
        "folder": str(folder),
        "revision": 7,
        "formats": ["json"],
        "settings": {"transcriber": "stopping"},
        "plugin_files": [str(plugin)],
        "nice": 5,
    }
    command = [sys.executable, "-m", "meetcore", "transcription-job"]
    for goes_away in (True, False):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        told = process.stdout.readline()
        if goes_away:
            assert "progress" in json.loads(told)
            process.stdin.close()
            assert process.wait(timeout=30) == 130
            (tmp_path / "went_on").touch()
        else:
            last = json.loads((told + process.stdout.read()).splitlines()[-1])
            assert last == {"done": {"files": ["transcript-7.json"]}}
            process.stdin.close()
            process.wait(timeout=30)
        process.stdout.close()
    assert not list((folder / "files").glob(".*finals*"))
