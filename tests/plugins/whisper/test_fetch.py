"""Fetching over a real socket from a hub that breaks off, lies and forgets."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from meetcore_whisper.errors import ModelDamaged, ModelFetchFailed
from meetcore_whisper.fetch import fetch_from_folder, fetch_model, left_to_fetch

from .test_models import CONTENT, cache, toy, write

__all__ = ["cache"]


class Hub:
    """What the hub does, and what it was asked."""

    def __init__(self) -> None:
        self.files = dict(CONTENT)
        self.breaks_after: int | None = None
        self.breaks = 1
        self.answers: list[int] = []
        self.resumes = True
        self.asked: list[tuple[str, str | None]] = []

    @contextmanager
    def open(self) -> Iterator[str]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                return

            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                asked = self.headers.get("Range")
                hub.asked.append((self.path, asked))
                if hub.answers:
                    self.send_response(hub.answers.pop(0))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                data = hub.files.get(name)
                if data is None:
                    self.send_response(404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                start = 0
                if asked and hub.resumes:
                    start = int(asked.removeprefix("bytes=").rstrip("-"))
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                rest = data[start:]
                if hub.breaks_after is not None and hub.breaks and len(rest) > hub.breaks_after:
                    hub.breaks -= 1
                    self.wfile.write(rest[: hub.breaks_after])
                    self.close_connection = True
                    return
                self.wfile.write(rest)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.fixture
def hub() -> Hub:
    return Hub()


def no_pause(seconds: float) -> None:
    return


def test_all_files_come_from_the_pinned_commit(cache: Path, hub: Hub) -> None:
    model, came = toy(), []
    with hub.open() as url:
        folder = fetch_model(model, came.append, endpoint=url, pause=no_pause)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    assert sum(came) == model.size
    assert all(path.startswith(f"/someone/toy/resolve/{'a' * 40}/") for path, _ in hub.asked)


def test_what_broke_off_is_gone_on_from(cache: Path, hub: Hub) -> None:
    hub.breaks_after = 250
    with hub.open() as url:
        folder = fetch_model(toy(), endpoint=url, pause=no_pause)
    assert (folder / "model.bin").read_bytes() == CONTENT["model.bin"]
    assert "bytes=250-" in [asked for _, asked in hub.asked]


def test_it_goes_on_in_the_next_run_too(cache: Path, hub: Hub) -> None:
    model = toy()
    hub.breaks_after, hub.breaks = 100, 99
    hub.resumes = False
    with hub.open() as url:
        with pytest.raises(ModelFetchFailed, match=r"ended early|cannot be fetched") as caught:
            fetch_model(model, endpoint=url, pause=no_pause)
        assert "goes on" in caught.value.remedy
        assert left_to_fetch(model) == model.size - len(b"{}") - len(b"[]") - 100
        hub.breaks, hub.resumes = 0, True
        fetch_model(model, endpoint=url, pause=no_pause)
    assert hub.asked[-1][1] == "bytes=100-"


def test_a_hub_that_cannot_go_on_gives_all_of_it_again(cache: Path, hub: Hub) -> None:
    hub.breaks_after, hub.resumes = 250, False
    with hub.open() as url:
        folder = fetch_model(toy(), endpoint=url, pause=no_pause)
    assert (folder / "model.bin").read_bytes() == CONTENT["model.bin"]


def test_other_bytes_are_refused_and_not_kept(cache: Path, hub: Hub) -> None:
    model = toy()
    hub.files["model.bin"] = b"Weights" + CONTENT["model.bin"][7:]
    with hub.open() as url, pytest.raises(ModelDamaged, match="not the file that is known"):
        fetch_model(model, endpoint=url, pause=no_pause)
    assert not (cache / model.folder_name).exists()
    assert left_to_fetch(model) == len(CONTENT["model.bin"])


@pytest.mark.parametrize("answer", [500, 503, 429])
def test_trouble_that_passes_is_waited_for(cache: Path, hub: Hub, answer: int) -> None:
    hub.answers = [answer, answer]
    pauses: list[float] = []
    with hub.open() as url:
        fetch_model(toy(), endpoint=url, pause=pauses.append)
    assert pauses == [1.0, 2.0]


def test_a_hub_without_the_file_is_said_at_once(cache: Path, hub: Hub) -> None:
    del hub.files["model.bin"]
    with hub.open() as url, pytest.raises(ModelFetchFailed, match="answered 404"):
        fetch_model(toy(), endpoint=url, pause=no_pause)
    assert len([path for path, _ in hub.asked if path.endswith("model.bin")]) == 1


def test_a_hub_that_is_not_there_is_said(cache: Path) -> None:
    with pytest.raises(ModelFetchFailed) as caught:
        fetch_model(toy(), endpoint="http://127.0.0.1:9", pause=no_pause)
    assert "--from FOLDER" in caught.value.remedy


def test_a_folder_is_copied_and_checked(cache: Path, tmp_path: Path) -> None:
    folder = fetch_from_folder(toy(), write(tmp_path / "mine"))
    assert (folder / "model.bin").read_bytes() == CONTENT["model.bin"]
    with pytest.raises(ModelFetchFailed, match=r"lacks tokenizer\.json"):
        (tmp_path / "mine" / "tokenizer.json").unlink()
        fetch_from_folder(toy("other"), tmp_path / "mine")


def test_a_disk_that_takes_no_more_is_said_and_what_came_stays(cache: Path, hub: Hub) -> None:
    """A limit on the size of files stands in for a full disk: the write fails in the same place."""
    hub.files["model.bin"] = CONTENT["model.bin"]
    program = (
        "import sys\n"
        "from tests.plugins.whisper.test_models import toy\n"
        "from meetcore_whisper.errors import ModelFetchFailed\n"
        "from meetcore_whisper.fetch import fetch_model\n"
        "try:\n"
        "    fetch_model(toy(), endpoint=sys.argv[1], pause=lambda s: None)\n"
        "except ModelFetchFailed as error:\n"
        "    print(error.message)\n"
    )
    with hub.open() as url:
        done = subprocess.run(
            [sys.executable, "-B", "-c", program, url],  # -B: half a .pyc would be left
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)),
        )
    assert "cannot be written" in done.stdout
    assert "File too large" in done.stdout
    assert not (cache / toy().folder_name).exists()
