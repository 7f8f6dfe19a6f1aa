"""Real weights, from the packages that bring them, and speech with what is said in it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import meetcore_rehearsal
from meetcore.audio.chunk import Pcm
from meetcore.testing.script import words_of
from meetcore.testing.script_toml import load_script
from meetcore.testing.voice import read_wav
from meetcore_whisper.models import find_model
from meetcore_whisper.options import WhisperOptions
from meetcore_whisper.settings import worker_socket
from meetcore_whisper.transcriber import worker_settings

SCRIPT = Path(meetcore_rehearsal.__file__).parent / "scripts" / "planning" / "script.toml"
SAID = {
    line.audio.stem: " ".join(words_of(line.text))
    for line in load_script(SCRIPT).lines
    if line.audio is not None
}
"""What is said in each recording, by its name: lower-case words."""

TINY = WhisperOptions(model="tiny.en", linger_s=20.0)
"""One worker for the tests of a process; it ends a while after the last of them."""


@pytest.fixture(scope="session")
def recording() -> Callable[[str], Pcm]:
    """Return the sound of a recording by its name."""
    return lambda name: read_wav(SCRIPT.parent / f"{name}.wav")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep models in a folder of these tests, and no hub's cache."""
    cache = tmp_path_factory.mktemp("cache")
    before = {name: os.environ.get(name) for name in ("XDG_CACHE_HOME", "HF_HOME")}
    os.environ["XDG_CACHE_HOME"] = str(cache)
    os.environ["HF_HOME"] = str(cache / "hub")
    yield cache
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


def end_worker(options: WhisperOptions) -> None:
    """End the worker that these tests started, if it still runs."""
    socket = worker_socket(worker_settings(options, find_model(options.model)))
    with contextlib.suppress(OSError, ValueError):
        import socket as sockets
        import struct

        with sockets.socket(sockets.AF_UNIX) as connection:
            connection.connect(str(socket))
            raw = connection.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12)
        # The credentials are those of whoever called listen(): the worker.
        os.kill(struct.unpack("3i", raw)[0], signal.SIGKILL)
