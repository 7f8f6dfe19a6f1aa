"""`meetcore transcription-job`: a bot's recording transcribed once more, for a program.

One line of JSON comes in, lines of JSON go out: `{"progress": 0.5}`, and at the end `{"done": …}`
or `{"error": {"message": …, "remedy": …}}`. It ends when its input closes: who asked went away.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import attrs
import click

from meetcore import MeetcoreError, Redactor, Secret

__all__ = ["transcription_job"]

_TOLD_EVERY = 0.01


@click.command("transcription-job", hidden=True)
def transcription_job() -> None:
    """Transcribe a bot's recording as a line of JSON on the input says; for programs.

    The line has `folder`, `revision`, `formats`, `settings`, `plugin_files` and `nice`.
    """
    told = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what others print is no answer
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_input, daemon=True).start()
    job: dict[str, Any] = json.loads(line)
    redactor = Redactor()
    try:
        _run(job, told, redactor)
    except (MeetcoreError, OSError) as error:
        message = error.message if isinstance(error, MeetcoreError) else _words(error)
        remedy = error.remedy if isinstance(error, MeetcoreError) else ""
        shown = [
            redactor.redact(text.replace(job["folder"], "the bot's folder"))
            for text in (message, remedy)
        ]
        _tell(told, {"error": {"message": shown[0], "remedy": shown[1]}})
        sys.exit(1)


def _words(error: OSError) -> str:
    return f"The transcript could not be written: {error.strerror or error}."


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        continue
    os._exit(130)  # what was finalized is in its file already


def _tell(told: TextIO, message: dict[str, Any]) -> None:
    told.write(json.dumps(message) + "\n")
    told.flush()


def _run(job: dict[str, Any], told: TextIO, redactor: Redactor) -> None:
    from meetcore import Plugins, load_config
    from meetcore_files.media import recording_of
    from meetcore_files.options import FilesOptions
    from meetcore_files.transcription_run import (
        TranscriptionRun,
        listening_transcriber,
        revision_stem,
    )

    os.nice(int(job["nice"]))
    config = load_config(overrides=job["settings"], environ={})
    plugins = Plugins(files=job["plugin_files"])
    transcriber = listening_transcriber(plugins, config)
    for secret in _secrets(transcriber.options):
        redactor.add(secret)
    recording = recording_of(str(Path(job["folder"])))
    assert recording.folder is not None
    stem = revision_stem(int(job["revision"]))
    run = TranscriptionRun(recording, transcriber, config, recording.folder, stem, plugins)
    run.take_up()
    length = recording.duration_s or 0.0
    taken = shown = 0.0

    def progress(track_id: str, seconds: float) -> None:
        nonlocal taken, shown
        taken += seconds
        share = min(1.0, taken / length) if length else 0.0
        if share - shown >= _TOLD_EVERY:
            shown = share
            _tell(told, {"progress": round(share, 3)})

    result = run.transcribe(progress)
    entries = run.write(result, job["formats"], fillers=FilesOptions().fillers)
    _tell(told, {"done": {"files": [entry.path for entry in entries]}})


def _secrets(options: object) -> Iterator[Secret]:
    """Yield the secrets in a transcriber's options."""
    if isinstance(options, Secret):
        yield options
    elif isinstance(options, (list, tuple)):
        for each in options:
            yield from _secrets(each)
    elif attrs.has(kind := type(options)):
        for each in attrs.fields(kind):
            yield from _secrets(getattr(options, each.name))
