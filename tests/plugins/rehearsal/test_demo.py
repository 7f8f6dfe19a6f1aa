"""`meetcore demo --video --say`: the file it leaves, read back by another transcriber."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.plugins.server.short_script import write_short_script

GREETING = "Hello from the bot, I am recording this meeting for everybody."


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "meetcore", *arguments],
        cwd=folder,
        env={**os.environ, "MEETCORE_LOAD": "rehearsal,browser,files,flite,whisper"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.browser
def test_the_films_first_words_are_the_bots_greeting(tmp_path: Path) -> None:
    script = write_short_script(tmp_path)
    later = re.sub(  # the cast lets the bot finish
        r"\b(at_s|until_s|leaves_s) = ([\d.]+)",
        lambda time: f"{time[1]} = {float(time[2]) + 5:g}",
        script.read_text("utf-8"),
    )
    script.write_text(later, "utf-8")
    run(
        tmp_path,
        *("demo", "--plain", "--video", "--say", GREETING, "--script", str(script)),
        *("--transcriber", "none", "--out", "meetings"),
    )
    [film] = (tmp_path / "meetings").glob("*/files/video.mp4")
    with av.open(str(film)) as container:
        [video], [sound] = container.streams.video, container.streams.audio
        assert (video.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height) == (1280, 720)
        pictures = sum(1 for _ in container.decode(video))
        seconds = float(container.duration or 0) / av.time_base
    assert pictures > seconds * 5
    words = ("transcribe", "--transcriber", "whisper", "--language", "en", "--format", "txt")
    run(tmp_path, *words, "--out", "words", str(film))
    [text] = (tmp_path / "words").rglob("*.txt")
    heard = re.sub(r"[^a-z ]", "", text.read_text("utf-8").lower())
    greeting, _, rest = heard.partition("good morning")
    assert "recording" in greeting, heard
    assert "meeting" in greeting, heard
    assert "customers" in rest, heard
